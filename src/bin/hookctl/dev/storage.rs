//! A real S3 client for the local storage: what a user would do with it, and a look at what is there.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use hookwork::clients::https::{Https, bounded::Bounds};

use super::{ACCESS_KEY, REGION, SECRET_KEY};

/// An object: what the demonstration puts and what it expects to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    pub(super) content_type: String,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Object {
    /// Says how `copy` differs from this object; metadata that a copy has beyond is no difference.
    pub(super) fn differs_from(&self, copy: &Object) -> Option<String> {
        if copy.bytes != self.bytes {
            let (theirs, ours) = (copy.bytes.len(), self.bytes.len());
            return Some(format!(
                "the bytes of the copy are not those of the object ({theirs} and {ours} bytes)"
            ));
        }
        if copy.content_type != self.content_type {
            return Some(format!(
                "the content type of the copy is {:?}",
                copy.content_type
            ));
        }
        self.metadata
            .iter()
            .find(|(name, value)| copy.metadata.get(*name) != Some(*value))
            .map(|(name, _)| format!("the metadata {name:?} is missing or wrong in the copy"))
    }
}

/// A client of the local storage.
#[derive(Debug, Clone)]
pub(super) struct Storage(Client);

impl Storage {
    pub(super) fn new(endpoint: &str) -> Self {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Https::new())
            .interceptor(Bounds)
            .endpoint_url(endpoint)
            .force_path_style(true)
            .region(Region::from_static(REGION))
            .credentials_provider(Credentials::new(
                ACCESS_KEY, SECRET_KEY, None, None, "local",
            ))
            .build();
        Self(Client::from_conf(config))
    }

    pub(super) async fn put(&self, bucket: &str, key: &str, object: &Object) -> Result<()> {
        self.0
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(&object.content_type)
            .set_metadata(Some(object.metadata.clone().into_iter().collect()))
            .body(object.bytes.clone().into())
            .send()
            .await
            .with_context(|| format!("cannot put {bucket}/{key}"))?;
        Ok(())
    }

    /// Puts an object as a multipart upload and says in how many parts.
    pub(super) async fn put_in_parts(
        &self,
        bucket: &str,
        key: &str,
        object: &Object,
        part_bytes: usize,
    ) -> Result<usize> {
        let created = self
            .0
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .content_type(&object.content_type)
            .set_metadata(Some(object.metadata.clone().into_iter().collect()))
            .send()
            .await
            .with_context(|| format!("cannot begin an upload of {bucket}/{key}"))?;
        let upload_id = created.upload_id().context("the upload has no id")?;
        let mut parts = Vec::new();
        for (number, start) in (1..).zip((0..object.bytes.len()).step_by(part_bytes)) {
            let end = object.bytes.len().min(start + part_bytes);
            let sent = self
                .0
                .upload_part()
                .bucket(bucket)
                .key(key)
                .upload_id(upload_id)
                .part_number(number)
                .body(object.bytes.slice(start..end).into())
                .send()
                .await
                .with_context(|| format!("cannot upload part {number} of {bucket}/{key}"))?;
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag)
                .set_checksum_crc32(sent.checksum_crc32)
                .build();
            parts.push(part);
        }
        let count = parts.len();
        self.0
            .complete_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(upload_id)
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(parts))
                    .build(),
            )
            .send()
            .await
            .with_context(|| format!("cannot complete the upload of {bucket}/{key}"))?;
        Ok(count)
    }

    /// The object, or `None` when there is none.
    pub(super) async fn get(&self, bucket: &str, key: &str) -> Result<Option<Object>> {
        let found = match self.0.get_object().bucket(bucket).key(key).send().await {
            Ok(found) => found,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetObjectError::is_no_such_key) =>
            {
                return Ok(None);
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot get {bucket}/{key}"));
            }
        };
        let content_type = found.content_type().unwrap_or_default().to_owned();
        let metadata = found.metadata.unwrap_or_default().into_iter().collect();
        let bytes = found.body.collect().await?.into_bytes();
        Ok(Some(Object {
            bytes,
            content_type,
            metadata,
        }))
    }

    pub(super) async fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        self.0
            .delete_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await
            .with_context(|| format!("cannot delete {bucket}/{key}"))?;
        Ok(())
    }
}
