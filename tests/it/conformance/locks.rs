//! Checks of versions and Object Lock, in a bucket of their own. They must never rest on a version being removed: it cannot be.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, DefaultRetention,
    MetadataDirective, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};

use super::writes::crc64nvme;
use super::{Endpoint, Server, refused};
use crate::servers::unique;

/// A bucket whose versions are retained for a day.
async fn locked(at: &Endpoint) -> String {
    let (client, bucket) = (&at.client, unique("locked"));
    let create = client.create_bucket().bucket(&bucket);
    create
        .object_lock_enabled_for_bucket(true)
        .send()
        .await
        .unwrap();
    let retention = DefaultRetention::builder()
        .mode(ObjectLockRetentionMode::Compliance)
        .days(1)
        .build();
    let rule = ObjectLockRule::builder()
        .default_retention(retention)
        .build();
    let configuration = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(rule)
        .build();
    let put = client.put_object_lock_configuration().bucket(&bucket);
    put.object_lock_configuration(configuration)
        .send()
        .await
        .unwrap();
    bucket
}

async fn put(client: &Client, bucket: &str, body: &'static [u8]) {
    let put = client.put_object().bucket(bucket).key("key");
    put.body(ByteStream::from_static(body))
        .checksum_crc64_nvme(crc64nvme(body))
        .send()
        .await
        .unwrap();
}

/// A default retention can be asked for, and a bucket without a lock says so.
pub(crate) async fn tells_its_default_retention(at: &Endpoint) {
    let bucket = locked(at).await;
    let get = at.client.get_object_lock_configuration().bucket(&bucket);
    let answer = get.send().await.unwrap();
    let lock = answer.object_lock_configuration.unwrap();
    let kept = lock.rule.unwrap().default_retention.unwrap();
    assert_eq!(
        (kept.mode, kept.days),
        (Some(ObjectLockRetentionMode::Compliance), Some(1))
    );
    let get = at.client.get_object_lock_configuration().bucket(&at.bucket);
    let (status, code) = refused(get.send().await);
    assert_eq!(status, 404);
    assert!(
        code.starts_with("ObjectLockConfigurationNotFound"),
        "{code}"
    );
}

/// A removal hides a version behind a marker; the version itself stays.
pub(crate) async fn keeps_the_version_that_a_removal_hides(at: &Endpoint) {
    let (client, bucket) = (&at.client, locked(at).await);
    put(client, &bucket, b"a body").await;
    let delete = client.delete_object().bucket(&bucket).key("key");
    delete.send().await.unwrap();
    let get = client.get_object().bucket(&bucket).key("key");
    assert_eq!(refused(get.send().await).0, 404);
    let list = client.list_object_versions().bucket(&bucket);
    let listed = list.send().await.unwrap();
    assert_eq!(listed.delete_markers().len(), 1);
    let [version] = listed.versions() else {
        panic!("{listed:?}")
    };
    let id = version.version_id().unwrap();
    let delete = client.delete_object().bucket(&bucket).key("key");
    let (status, _) = refused(delete.version_id(id).send().await);
    assert_eq!(status, 403);
    let get = client.get_object().bucket(&bucket).key("key");
    let body = get.version_id(id).send().await.unwrap().body;
    assert_eq!(body.collect().await.unwrap().to_vec(), b"a body");
}

/// A change of properties in place is a version of its own.
pub(crate) async fn copies_in_place_into_a_new_version(at: &Endpoint) {
    let (client, bucket) = (&at.client, locked(at).await);
    put(client, &bucket, b"a body").await;
    let copy = client.copy_object().bucket(&bucket).key("key");
    copy.copy_source(format!("{bucket}/key"))
        .metadata_directive(MetadataDirective::Replace)
        .metadata("a", "b")
        .send()
        .await
        .unwrap();
    let list = client.list_object_versions().bucket(&bucket);
    assert_eq!(list.send().await.unwrap().versions().len(), 2);
}

type Sent = Result<
    UploadPartOutput,
    SdkError<
        aws_sdk_s3::operation::upload_part::UploadPartError,
        aws_smithy_runtime_api::http::Response,
    >,
>;

/// A part is taken with its checksum before it.
pub(crate) async fn takes_a_part_with_its_checksum_in_a_header(at: &Endpoint) {
    let (client, bucket) = (&at.client, locked(at).await);
    let create = client.create_multipart_upload().bucket(&bucket).key("key");
    let opened = create
        .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
        .send()
        .await
        .unwrap();
    let id = opened.upload_id.unwrap();
    let part = || {
        client
            .upload_part()
            .bucket(&bucket)
            .key("key")
            .upload_id(&id)
            .part_number(1)
            .body(ByteStream::from_static(b"a part"))
    };
    let without: Sent = part().send().await;
    let trailed: Sent = part()
        .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
        .send()
        .await;
    match at.server {
        Server::Twin => {
            for sent in [without, trailed] {
                let error = sent.unwrap_err();
                let message = error.message().unwrap_or_default().to_owned();
                assert!(
                    message.starts_with("Content-MD5 OR x-amz-checksum-"),
                    "{message}"
                );
                assert_eq!(error.code(), Some("InvalidRequest"));
            }
        }
        // SeaweedFS takes it all the same; AWS refuses both.
        Server::Weed => {
            without.unwrap();
            trailed.unwrap();
        }
    }
    let sent = part()
        .checksum_crc64_nvme(crc64nvme(b"a part"))
        .send()
        .await
        .unwrap();
    let done = CompletedPart::builder()
        .part_number(1)
        .e_tag(sent.e_tag.unwrap())
        .build();
    let complete = client.complete_multipart_upload().bucket(&bucket);
    complete
        .key("key")
        .upload_id(&id)
        .multipart_upload(CompletedMultipartUpload::builder().parts(done).build())
        .send()
        .await
        .unwrap();
    let get = client.get_object().bucket(&bucket).key("key");
    let body = get.send().await.unwrap().body;
    assert_eq!(body.collect().await.unwrap().to_vec(), b"a part");
}
