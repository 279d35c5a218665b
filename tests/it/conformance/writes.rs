//! Checks of PUT, DELETE, copies and tags: conditions, checksums, and what is kept beside the bytes.
//! They must never leave open whether a refused write had an effect.

use std::collections::HashMap;

use std::collections::BTreeMap;

use aws_sdk_s3::types::{MetadataDirective, Tag, Tagging, TaggingDirective};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Endpoint, Server, etag_of_a_copy, refusal, refused};
use crate::servers::unique;

/// A CRC64NVME as the wire spells it.
pub(super) fn crc64nvme(body: &[u8]) -> String {
    STANDARD.encode(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, body).to_be_bytes())
}

/// The tags of a key.
pub(super) async fn tags(at: &Endpoint, key: &str) -> BTreeMap<String, String> {
    let answer = at.get_object_tagging(key).send().await.unwrap();
    answer
        .tag_set
        .into_iter()
        .map(|tag| (tag.key, tag.value))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

pub(super) async fn refuses_a_put_if_none_match_over_an_object(at: &Endpoint) {
    let put = || at.put_object("a").if_none_match("*");
    put().body(b"first".to_vec().into()).send().await.unwrap();
    let second = put().body(b"second".to_vec().into()).send().await;
    assert_eq!(refused(second), refusal(412, "PreconditionFailed"));
    assert_eq!(at.body("a").await, Some(b"first".to_vec()));
}

pub(super) async fn refuses_a_put_if_match_over_another_object(at: &Endpoint) {
    let first = at.put("a", b"first").await;
    let put = |etag: &str| at.put_object("a").if_match(etag);
    put(&first)
        .body(b"second".to_vec().into())
        .send()
        .await
        .unwrap();
    let third = put(&first).body(b"third".to_vec().into()).send().await;
    assert_eq!(refused(third), refusal(412, "PreconditionFailed"));
    assert_eq!(at.body("a").await, Some(b"second".to_vec()));
}

pub(super) async fn refuses_a_put_if_match_over_nothing(at: &Endpoint) {
    let put = at
        .put_object("a")
        .if_match("\"900150983cd24fb0d6963f7d28e17f72\"");
    let expected = match at.server {
        Server::Twin => refusal(404, "NoSuchKey"),
        Server::Weed => refusal(412, "PreconditionFailed"),
    };
    assert_eq!(
        refused(put.body(b"x".to_vec().into()).send().await),
        expected
    );
    assert_eq!(at.body("a").await, None);
}

pub(super) async fn refuses_a_delete_if_match_of_another_object(at: &Endpoint) {
    let old = at.put("a", b"old").await;
    let new = at.put("a", b"new").await;
    let delete = |etag: &str| at.delete_object("a").if_match(etag).send();
    assert_eq!(
        refused(delete(&old).await),
        refusal(412, "PreconditionFailed")
    );
    assert_eq!(at.body("a").await, Some(b"new".to_vec()));
    delete(&new).await.unwrap();
    assert_eq!(at.body("a").await, None);
}

pub(super) async fn refuses_a_delete_if_match_of_nothing(at: &Endpoint) {
    let delete = at
        .delete_object("a")
        .if_match("\"900150983cd24fb0d6963f7d28e17f72\"");
    let expected = match at.server {
        Server::Twin => refusal(404, "NoSuchKey"),
        Server::Weed => refusal(412, "PreconditionFailed"),
    };
    assert_eq!(refused(delete.send().await), expected);
}

pub(super) async fn takes_a_delete_of_nothing(at: &Endpoint) {
    at.delete_object("a").send().await.unwrap();
}

pub(super) async fn refuses_a_put_with_a_wrong_checksum(at: &Endpoint) {
    let put = |checksum| at.put_object("a").checksum_crc64_nvme(checksum);
    let wrong = put(crc64nvme(b"other"))
        .body(b"body".to_vec().into())
        .send()
        .await;
    assert_eq!(refused(wrong), refusal(400, "BadDigest"));
    assert_eq!(at.body("a").await, None);
    put(crc64nvme(b"body"))
        .body(b"body".to_vec().into())
        .send()
        .await
        .unwrap();
    assert_eq!(at.body("a").await, Some(b"body".to_vec()));
}

pub(super) async fn refuses_a_put_with_a_wrong_md5(at: &Endpoint) {
    let put = at.put_object("a").content_md5("kAFQmDzST7DWlj99KOF/cg==");
    assert_eq!(
        refused(put.body(b"not abc".to_vec().into()).send().await),
        refusal(400, "BadDigest")
    );
    assert_eq!(at.body("a").await, None);
}

pub(super) async fn keeps_headers_metadata_and_tags(at: &Endpoint) {
    let put = at.put_object("a").body(b"body".to_vec().into());
    let put = put
        .content_type("text/csv; charset=utf-8")
        .cache_control("max-age=60")
        .content_language("de");
    let put = put
        .content_disposition("attachment; filename=\"a b.csv\"")
        .content_encoding("gzip");
    let put = put
        .metadata("colour", "blue")
        .metadata("mtime", "1700000000.5");
    let put = put.tagging("class=gold&a%20b=c%2Bd");
    let put = put.customize().mutate_request(|request| {
        request
            .headers_mut()
            .insert("expires", "Wed, 21 Oct 2026 07:28:00 GMT");
    });
    put.send().await.unwrap();
    let found = at.head_object("a").send().await.unwrap();
    assert_eq!(found.content_type(), Some("text/csv; charset=utf-8"));
    assert_eq!(found.cache_control(), Some("max-age=60"));
    assert_eq!(found.content_language(), Some("de"));
    assert_eq!(
        found.content_disposition(),
        Some("attachment; filename=\"a b.csv\"")
    );
    assert_eq!(found.content_encoding(), Some("gzip"));
    assert_eq!(
        found.expires_string(),
        Some("Wed, 21 Oct 2026 07:28:00 GMT")
    );
    let metadata = found.metadata().unwrap();
    assert_eq!(metadata.get("colour").map(String::as_str), Some("blue"));
    assert_eq!(
        metadata.get("mtime").map(String::as_str),
        Some("1700000000.5")
    );
    assert_eq!(metadata.len(), 2);
    assert_eq!(
        tags(at, "a").await,
        pairs(&[("class", "gold"), ("a b", "c+d")])
    );
}

pub(super) async fn forgets_headers_metadata_and_tags_with_the_next_put(at: &Endpoint) {
    let put = at.put_object("a").cache_control("no-store").tagging("x=1");
    put.metadata("colour", "blue")
        .body(b"one".to_vec().into())
        .send()
        .await
        .unwrap();
    at.put("a", b"two").await;
    let found = at.head_object("a").send().await.unwrap();
    assert_eq!(found.cache_control(), None);
    assert!(found.metadata().is_none_or(HashMap::is_empty));
    assert_eq!(tags(at, "a").await, pairs(&[]));
}

pub(super) async fn changes_headers_metadata_and_tags_in_place(at: &Endpoint) {
    let put = at.put_object("a").content_type("text/plain").tagging("x=1");
    let put = put
        .cache_control("no-store")
        .metadata("colour", "blue")
        .body(b"body".to_vec().into());
    let etag = put.send().await.unwrap().e_tag.unwrap();
    let copy = at.copy_object("a").copy_source(format!("{}/a", at.bucket));
    let copy = copy
        .metadata_directive(MetadataDirective::Replace)
        .tagging_directive(TaggingDirective::Replace);
    let copy = copy
        .copy_source_if_match(&etag)
        .content_type("text/csv")
        .metadata("shape", "round")
        .tagging("y=2");
    let copied = copy.send().await.unwrap().copy_object_result.unwrap();
    assert_eq!(
        copied.e_tag(),
        Some(etag_of_a_copy(at.server, &etag).as_str())
    );
    let found = at.head_object("a").send().await.unwrap();
    assert_eq!(found.content_type(), Some("text/csv"));
    assert_eq!(found.cache_control(), None);
    assert_eq!(
        found.metadata().unwrap().keys().collect::<Vec<_>>(),
        ["shape"]
    );
    assert_eq!(tags(at, "a").await, pairs(&[("y", "2")]));
    assert_eq!(at.body("a").await, Some(b"body".to_vec()));
}

pub(super) async fn refuses_a_copy_in_place_that_changes_nothing(at: &Endpoint) {
    at.put("a", b"body").await;
    let copy = at.copy_object("a").copy_source(format!("{}/a", at.bucket));
    assert_eq!(refused(copy.send().await), refusal(400, "InvalidRequest"));
}

pub(super) async fn refuses_a_copy_of_a_source_that_changed(at: &Endpoint) {
    let old = at.put("a", b"old").await;
    at.put("a", b"new").await;
    for key in ["a", "b"] {
        let copy = at.copy_object(key).copy_source(format!("{}/a", at.bucket));
        let copy = copy
            .metadata_directive(MetadataDirective::Replace)
            .copy_source_if_match(&old);
        assert_eq!(
            refused(copy.send().await),
            refusal(412, "PreconditionFailed")
        );
    }
    assert_eq!(at.body("b").await, None);
    let missing = at
        .copy_object("b")
        .copy_source(format!("{}/missing", at.bucket));
    assert_eq!(refused(missing.send().await), refusal(404, "NoSuchKey"));
}

pub(super) async fn copies_headers_metadata_and_tags(at: &Endpoint) {
    let put = at.put_object("a").content_type("text/plain").tagging("x=1");
    put.metadata("colour", "blue")
        .body(b"body".to_vec().into())
        .send()
        .await
        .unwrap();
    let copy = at.copy_object("b").copy_source(format!("{}/a", at.bucket));
    copy.send().await.unwrap();
    let found = at.head_object("b").send().await.unwrap();
    assert_eq!(found.content_type(), Some("text/plain"));
    assert_eq!(
        found.metadata().unwrap().get("colour").map(String::as_str),
        Some("blue")
    );
    assert_eq!(tags(at, "b").await, pairs(&[("x", "1")]));
    assert_eq!(at.body("b").await, Some(b"body".to_vec()));
}

pub(super) async fn changes_tags_without_touching_the_object(at: &Endpoint) {
    let etag = at.put("a", b"body").await;
    let before = at.head_object("a").send().await.unwrap();
    let tag = Tag::builder().key("x").value("1").build().unwrap();
    let set = Tagging::builder().tag_set(tag).build().unwrap();
    at.put_object_tagging("a")
        .tagging(set)
        .send()
        .await
        .unwrap();
    assert_eq!(tags(at, "a").await, pairs(&[("x", "1")]));
    let after = at.head_object("a").send().await.unwrap();
    assert_eq!(after.e_tag(), Some(etag.as_str()));
    assert_eq!(after.last_modified(), before.last_modified());
    at.delete_object_tagging("a").send().await.unwrap();
    assert_eq!(tags(at, "a").await, pairs(&[]));
}

pub(super) async fn keeps_an_expires_that_is_no_date(at: &Endpoint) {
    let put = |expires: &'static str| {
        let put = at.put_object("a").body(b"body".to_vec().into());
        put.customize().mutate_request(move |request| {
            request.headers_mut().insert("expires", expires);
        })
    };
    match at.server {
        Server::Twin => {
            put("0").send().await.unwrap();
            let found = at.head_object("a").send().await.unwrap();
            assert_eq!(found.expires_string(), Some("0"));
        }
        Server::Weed => assert_eq!(
            refused(put("0").send().await),
            refusal(400, "MalformedDate")
        ),
    }
}

pub(super) async fn refuses_a_put_into_a_missing_bucket(at: &Endpoint) {
    let bucket = unique("missing");
    let put = at
        .client
        .put_object()
        .bucket(&bucket)
        .key("a")
        .body(b"body".to_vec().into())
        .send()
        .await;
    match at.server {
        Server::Twin => assert_eq!(refused(put), refusal(404, "NoSuchBucket")),
        // It makes the bucket for whoever may make buckets.
        Server::Weed => assert!(put.is_ok()),
    }
}
