//! Checks of multipart uploads. They must never leave an upload open for the next check to find.

use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, MetadataDirective,
};
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;

use super::writes::{crc64nvme, tags};
use super::{Endpoint, Server, etag_of_a_copy, refusal, refused};

/// The smallest part S3 takes before the last.
const PART: usize = 5 << 20;

fn first() -> Vec<u8> {
    (0..=250).cycle().take(PART).collect()
}

/// The two bodies in one.
fn whole() -> Vec<u8> {
    [first(), b"the end".to_vec()].concat()
}

/// A body that comes in pieces and cannot be sent twice.
fn streamed(body: Vec<u8>) -> ByteStream {
    let body = Bytes::from(body);
    let pieces = (0..body.len())
        .step_by(100_000)
        .map(move |from| body.slice(from..body.len().min(from + 100_000)));
    let frames = pieces
        .map(|piece| Ok::<_, std::io::Error>(Frame::data(piece)))
        .collect::<Vec<_>>();
    ByteStream::new(SdkBody::from_body_1_x(StreamBody::new(stream::iter(
        frames,
    ))))
}

fn create(at: &Endpoint, key: &str) -> CreateMultipartUploadFluentBuilder {
    let create = at.create_multipart_upload(key);
    create
        .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
        .checksum_type(ChecksumType::FullObject)
}

async fn upload(at: &Endpoint, key: &str, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    let len = body.len() as i64;
    let part = at
        .client
        .upload_part()
        .bucket(&at.bucket)
        .key(key)
        .upload_id(id)
        .part_number(number);
    let part = part
        .content_length(len)
        .checksum_crc64_nvme(crc64nvme(&body))
        .body(streamed(body));
    let etag = part.send().await.unwrap().e_tag.unwrap();
    CompletedPart::builder()
        .part_number(number)
        .e_tag(etag)
        .build()
}

fn complete(
    at: &Endpoint,
    key: &str,
    id: &str,
    parts: Vec<CompletedPart>,
) -> CompleteMultipartUploadFluentBuilder {
    let parts = CompletedMultipartUpload::builder()
        .set_parts(Some(parts))
        .build();
    let complete = at
        .client
        .complete_multipart_upload()
        .bucket(&at.bucket)
        .key(key)
        .upload_id(id);
    complete
        .multipart_upload(parts)
        .checksum_type(ChecksumType::FullObject)
}

/// An open upload with its only part.
async fn opened(at: &Endpoint, key: &str, body: &[u8]) -> (String, Vec<CompletedPart>) {
    let id = create(at, key).send().await.unwrap().upload_id.unwrap();
    let part = upload(at, key, &id, 1, body.to_vec()).await;
    (id, vec![part])
}

async fn abort(at: &Endpoint, key: &str, id: &str) {
    at.client
        .abort_multipart_upload()
        .bucket(&at.bucket)
        .key(key)
        .upload_id(id)
        .send()
        .await
        .unwrap();
}

async fn two_parts(at: &Endpoint, key: &str) -> (String, Vec<CompletedPart>) {
    let id = create(at, key).send().await.unwrap().upload_id.unwrap();
    // Out of order, as parallel parts are.
    let last = upload(at, key, &id, 2, b"the end".to_vec()).await;
    let first = upload(at, key, &id, 1, first()).await;
    (id, vec![first, last])
}

pub(super) async fn puts_streamed_parts_together(at: &Endpoint) {
    let (id, parts) = two_parts(at, "a").await;
    assert_eq!(at.body("a").await, None);
    let done = complete(at, "a", &id, parts)
        .checksum_crc64_nvme(crc64nvme(&whole()))
        .send()
        .await
        .unwrap();
    let etag = done.e_tag.unwrap();
    assert!(etag.ends_with("-2\""), "{etag}");
    assert_eq!(at.body("a").await, Some(whole()));
    let get = at.get_object("a").if_match(&etag);
    let found = get
        .range(format!("bytes={}-{}", PART - 1, PART + 2))
        .send()
        .await
        .unwrap();
    assert_eq!(found.e_tag(), Some(etag.as_str()));
    assert_eq!(
        found.body.collect().await.unwrap().to_vec(),
        whole()[PART - 1..PART + 3]
    );
}

pub(super) async fn refuses_a_completion_with_a_wrong_checksum(at: &Endpoint) {
    let (id, parts) = two_parts(at, "a").await;
    let wrong = complete(at, "a", &id, parts.clone())
        .checksum_crc64_nvme(crc64nvme(b"other"))
        .send()
        .await;
    assert_eq!(refused(wrong), refusal(400, "BadDigest"));
    assert_eq!(at.body("a").await, None);
    // The parts are still there.
    complete(at, "a", &id, parts)
        .checksum_crc64_nvme(crc64nvme(&whole()))
        .send()
        .await
        .unwrap();
    assert_eq!(at.body("a").await, Some(whole()));
}

pub(super) async fn refuses_a_part_with_a_wrong_checksum(at: &Endpoint) {
    let id = create(at, "a").send().await.unwrap().upload_id.unwrap();
    let part = at
        .client
        .upload_part()
        .bucket(&at.bucket)
        .key("a")
        .upload_id(&id)
        .part_number(1);
    let part = part
        .content_length(4)
        .checksum_crc64_nvme(crc64nvme(b"other"))
        .body(streamed(b"body".to_vec()));
    assert_eq!(refused(part.send().await), refusal(400, "BadDigest"));
    abort(at, "a", &id).await;
}

pub(super) async fn refuses_a_completion_if_none_match_over_an_object(at: &Endpoint) {
    let (id, parts) = opened(at, "a", b"parts").await;
    at.put("a", b"first").await;
    let late = complete(at, "a", &id, parts)
        .if_none_match("*")
        .send()
        .await;
    assert_eq!(refused(late), refusal(412, "PreconditionFailed"));
    assert_eq!(at.body("a").await, Some(b"first".to_vec()));
    abort(at, "a", &id).await;
    let (id, parts) = opened(at, "b", b"parts").await;
    complete(at, "b", &id, parts)
        .if_none_match("*")
        .send()
        .await
        .unwrap();
    assert_eq!(at.body("b").await, Some(b"parts".to_vec()));
}

pub(super) async fn refuses_a_completion_if_match_over_another_object(at: &Endpoint) {
    let old = at.put("a", b"old").await;
    let new = at.put("a", b"new").await;
    let (id, parts) = opened(at, "a", b"parts").await;
    let stale = complete(at, "a", &id, parts.clone())
        .if_match(&old)
        .send()
        .await;
    assert_eq!(refused(stale), refusal(412, "PreconditionFailed"));
    assert_eq!(at.body("a").await, Some(b"new".to_vec()));
    complete(at, "a", &id, parts)
        .if_match(&new)
        .send()
        .await
        .unwrap();
    assert_eq!(at.body("a").await, Some(b"parts".to_vec()));
}

pub(super) async fn refuses_a_completion_with_a_part_that_is_not_there(at: &Endpoint) {
    let (id, parts) = opened(at, "a", b"parts").await;
    let other = CompletedPart::builder()
        .part_number(1)
        .e_tag("\"900150983cd24fb0d6963f7d28e17f72\"")
        .build();
    let wrong = complete(at, "a", &id, vec![other]).send().await;
    assert_eq!(refused(wrong), refusal(400, "InvalidPart"));
    let missing = CompletedPart::builder()
        .part_number(2)
        .e_tag(parts[0].e_tag().unwrap())
        .build();
    let wrong = complete(at, "a", &id, vec![missing]).send().await;
    assert_eq!(refused(wrong), refusal(400, "InvalidPart"));
    abort(at, "a", &id).await;
}

pub(super) async fn refuses_a_small_part_that_is_not_the_last(at: &Endpoint) {
    let id = create(at, "a").send().await.unwrap().upload_id.unwrap();
    let parts = vec![
        upload(at, "a", &id, 1, b"small".to_vec()).await,
        upload(at, "a", &id, 2, b"end".to_vec()).await,
    ];
    assert_eq!(
        refused(complete(at, "a", &id, parts).send().await),
        refusal(400, "EntityTooSmall")
    );
    abort(at, "a", &id).await;
}

pub(super) async fn keeps_headers_metadata_and_tags_through_parts(at: &Endpoint) {
    let create = create(at, "a")
        .content_type("text/csv")
        .cache_control("max-age=60")
        .metadata("colour", "blue");
    let create = create
        .content_disposition("inline")
        .content_language("de")
        .content_encoding("gzip");
    let id = create
        .tagging("x=1")
        .send()
        .await
        .unwrap()
        .upload_id
        .unwrap();
    let part = upload(at, "a", &id, 1, b"body".to_vec()).await;
    complete(at, "a", &id, vec![part]).send().await.unwrap();
    let found = at.head_object("a").send().await.unwrap();
    assert_eq!(found.content_type(), Some("text/csv"));
    assert_eq!(found.cache_control(), Some("max-age=60"));
    assert_eq!(found.content_disposition(), Some("inline"));
    assert_eq!(found.content_language(), Some("de"));
    assert_eq!(found.content_encoding(), Some("gzip"));
    assert_eq!(
        found.metadata().unwrap().get("colour").map(String::as_str),
        Some("blue")
    );
    assert_eq!(
        tags(at, "a").await,
        [("x".to_owned(), "1".to_owned())].into()
    );
}

pub(super) async fn forgets_an_aborted_upload(at: &Endpoint) {
    let (id, parts) = opened(at, "a", b"parts").await;
    abort(at, "a", &id).await;
    assert_eq!(
        refused(complete(at, "a", &id, parts).send().await),
        refusal(404, "NoSuchUpload")
    );
    let list = at
        .client
        .list_multipart_uploads()
        .bucket(&at.bucket)
        .send()
        .await
        .unwrap();
    assert_eq!(list.uploads().len(), 0);
    assert_eq!(at.body("a").await, None);
}

pub(super) async fn lists_parts_and_uploads(at: &Endpoint) {
    let (id, parts) = two_parts(at, "dir/a").await;
    let uploads = at
        .client
        .list_multipart_uploads()
        .bucket(&at.bucket)
        .prefix("dir/")
        .send()
        .await
        .unwrap();
    let uploads: Vec<_> = uploads
        .uploads()
        .iter()
        .map(|upload| (upload.key(), upload.upload_id()))
        .collect();
    assert_eq!(uploads, [(Some("dir/a"), Some(id.as_str()))]);
    let list = at
        .client
        .list_parts()
        .bucket(&at.bucket)
        .key("dir/a")
        .upload_id(&id);
    let listed = list.clone().send().await.unwrap();
    let listed: Vec<_> = listed
        .parts()
        .iter()
        .map(|part| (part.part_number(), part.e_tag(), part.size()))
        .collect();
    assert_eq!(
        listed,
        [
            (Some(1), parts[0].e_tag(), Some(PART as i64)),
            (Some(2), parts[1].e_tag(), Some(7))
        ]
    );
    let page = list.max_parts(1).send().await.unwrap();
    assert_eq!((page.parts().len(), page.is_truncated()), (1, Some(true)));
    abort(at, "dir/a", &id).await;
}

pub(super) async fn copies_ranges_into_parts(at: &Endpoint) {
    let etag = at.put("from", b"0123456789").await;
    let id = create(at, "a").send().await.unwrap().upload_id.unwrap();
    let copy = at
        .client
        .upload_part_copy()
        .bucket(&at.bucket)
        .key("a")
        .upload_id(&id)
        .part_number(1);
    let copy = copy
        .copy_source(format!("{}/from", at.bucket))
        .copy_source_range("bytes=2-5");
    let stale = copy.clone().copy_source_if_match("\"other\"").send().await;
    assert_eq!(refused(stale), refusal(412, "PreconditionFailed"));
    let part = copy
        .copy_source_if_match(&etag)
        .send()
        .await
        .unwrap()
        .copy_part_result
        .unwrap();
    let part = CompletedPart::builder()
        .part_number(1)
        .e_tag(part.e_tag.unwrap())
        .build();
    complete(at, "a", &id, vec![part]).send().await.unwrap();
    assert_eq!(at.body("a").await, Some(b"2345".to_vec()));
}

pub(super) async fn changes_a_multipart_object_in_place(at: &Endpoint) {
    let (id, parts) = opened(at, "a", b"abc").await;
    let etag = complete(at, "a", &id, parts)
        .send()
        .await
        .unwrap()
        .e_tag
        .unwrap();
    let copy = at.copy_object("a").copy_source(format!("{}/a", at.bucket));
    let copy = copy
        .metadata_directive(MetadataDirective::Replace)
        .copy_source_if_match(&etag)
        .metadata("x", "1");
    let copied = copy.send().await.unwrap().copy_object_result.unwrap();
    let expected = match at.server {
        // A copy is one put: its ETag is the MD5 of the bytes again.
        Server::Twin => "\"900150983cd24fb0d6963f7d28e17f72\"",
        Server::Weed => &etag,
    };
    assert_eq!(
        copied.e_tag(),
        Some(etag_of_a_copy(at.server, expected).as_str())
    );
    let found = at.head_object("a").send().await.unwrap();
    assert_eq!(found.e_tag(), Some(expected));
    assert_eq!(at.body("a").await, Some(b"abc".to_vec()));
}
