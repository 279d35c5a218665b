//! Checks of GET and HEAD. They must never rely on more of a write than that it stores.

use aws_sdk_s3::types::ChecksumMode;

use super::{Endpoint, Server, refusal, refused};

pub(super) async fn gets_what_was_put(at: &Endpoint) {
    let etag = at.put("a", b"abc").await;
    assert_eq!(etag, "\"900150983cd24fb0d6963f7d28e17f72\"");
    let found = at.get_object("a").send().await.unwrap();
    assert_eq!(found.e_tag(), Some(etag.as_str()));
    assert_eq!(found.content_length(), Some(3));
    assert_eq!(found.last_modified().unwrap().subsec_nanos(), 0);
    assert_eq!(found.body.collect().await.unwrap().to_vec(), b"abc");
    at.put("empty", b"").await;
    assert_eq!(at.body("empty").await, Some(Vec::new()));
}

pub(super) async fn answers_a_range_with_the_etag_of_the_whole(at: &Endpoint) {
    let etag = at.put("a", b"0123456789").await;
    for (asked, range, body) in [
        ("bytes=2-4", "bytes 2-4/10", "234"),
        ("bytes=8-", "bytes 8-9/10", "89"),
        ("bytes=8-99", "bytes 8-9/10", "89"),
        ("bytes=-3", "bytes 7-9/10", "789"),
    ] {
        let get = at.get_object("a").if_match(&etag).range(asked);
        let found = get.send().await.unwrap();
        assert_eq!(found.content_range(), Some(range));
        assert_eq!(found.e_tag(), Some(etag.as_str()));
        assert_eq!(found.content_length(), Some(body.len() as i64));
        assert_eq!(
            found.body.collect().await.unwrap().to_vec(),
            body.as_bytes()
        );
    }
    let beyond = at.get_object("a").range("bytes=10-");
    assert_eq!(refused(beyond.send().await), refusal(416, "InvalidRange"));
}

pub(super) async fn refuses_a_range_of_an_object_that_changed(at: &Endpoint) {
    let old = at.put("a", b"0123456789").await;
    at.put("a", b"9876543210").await;
    let get = at.get_object("a").if_match(&old).range("bytes=0-3");
    assert_eq!(
        refused(get.send().await),
        refusal(412, "PreconditionFailed")
    );
}

pub(super) async fn answers_416_to_a_range_of_nothing(at: &Endpoint) {
    at.put("empty", b"").await;
    let get = at.get_object("empty").range("bytes=0-0");
    assert_eq!(refused(get.send().await), refusal(416, "InvalidRange"));
}

pub(super) async fn answers_304_to_a_get_of_what_is_known(at: &Endpoint) {
    let etag = at.put("a", b"abc").await;
    let get = at.get_object("a").if_none_match(&etag);
    assert_eq!(refused(get.send().await).0, 304);
}

pub(super) async fn says_no_such_key_for_a_missing_key(at: &Endpoint) {
    let get = at.get_object("missing");
    assert_eq!(refused(get.send().await), refusal(404, "NoSuchKey"));
    let head = at.head_object("missing").send().await;
    // A HEAD has no body to carry a code; the SDK makes one up from the status.
    assert_eq!(refused(head), refusal(404, "NotFound"));
}

pub(super) async fn says_no_such_bucket_for_a_missing_bucket(at: &Endpoint) {
    let get = at.client.get_object().bucket("no-such-bucket").key("a");
    assert_eq!(refused(get.send().await), refusal(404, "NoSuchBucket"));
    let list = at.client.list_objects_v2().bucket("no-such-bucket");
    assert_eq!(refused(list.send().await), refusal(404, "NoSuchBucket"));
    let delete = at
        .client
        .delete_object()
        .bucket("no-such-bucket")
        .key("a")
        .send()
        .await;
    assert_eq!(refused(delete), refusal(404, "NoSuchBucket"));
    let head = at
        .client
        .head_bucket()
        .bucket("no-such-bucket")
        .send()
        .await;
    assert_eq!(refused(head).0, 404);
}

pub(super) async fn heads_what_it_gets(at: &Endpoint) {
    let put = at.put_object("a").content_type("text/plain");
    let put = put
        .metadata("colour", "blue")
        .tagging("x=1&y=2")
        .body(b"abc".to_vec().into());
    let etag = put.send().await.unwrap().e_tag.unwrap();
    let get = at.get_object("a").send().await.unwrap();
    let head = at.head_object("a").if_match(&etag).send().await.unwrap();
    assert_eq!(head.e_tag(), get.e_tag());
    assert_eq!(head.content_length(), get.content_length());
    assert_eq!(head.content_type(), get.content_type());
    assert_eq!(head.last_modified(), get.last_modified());
    assert_eq!(head.metadata(), get.metadata());
    assert_eq!(get.tag_count(), Some(2));
    assert_eq!(head.tag_count(), Some(2));
    let other = at.head_object("a").if_match("\"other\"").send().await;
    assert_eq!(refused(other).0, 412);
}

pub(super) async fn tells_the_checksum_it_was_given(at: &Endpoint) {
    // CRC64NVME of "abc".
    let checksum = super::writes::crc64nvme(b"abc");
    let put = at.put_object("a").body(b"abc".to_vec().into());
    put.checksum_crc64_nvme(&checksum).send().await.unwrap();
    let head = at.head_object("a").checksum_mode(ChecksumMode::Enabled);
    assert_eq!(
        head.send().await.unwrap().checksum_crc64_nvme(),
        Some(checksum.as_str())
    );
    at.put("plain", b"abc").await;
    let head = at.head_object("plain").checksum_mode(ChecksumMode::Enabled);
    let told = head
        .send()
        .await
        .unwrap()
        .checksum_crc64_nvme()
        .map(str::to_owned);
    match at.server {
        // S3 computes a CRC64NVME for every object that came without a checksum.
        Server::Twin => assert_eq!(told, Some(checksum)),
        Server::Weed => assert_eq!(told, None),
    }
}
