//! One bucket: looks, conditional writes and removals. A concrete façade over the SDK, cheap to clone.
//!
//! A call that changes an object is tried once: after a time-out it may still take effect, and a second try could then be
//! overtaken by the first. What to do about it is the mirror's to decide.

use super::blank::sayable;
use super::body::Pieces;
use super::error::{CallError, Kind};
use super::object::{metadata, seen_by_head, tagging};
use crate::domain::checksum::Crc64;
use crate::domain::keeping::Encryption;
use crate::domain::mark::MarkedBytes;
use crate::domain::object::{ETag, Properties};
use crate::domain::reconcile::{BackupObject, BackupState, Condition};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::types::{
    ChecksumMode, MetadataDirective, ServerSideEncryption, Tag, Tagging, TaggingDirective,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long a small object's write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the store may take to put a large object together.
pub(super) const ASSEMBLE_TIMEOUT: Duration = Duration::from_secs(300);

/// One bucket of one store.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub(super) client: Client,
    pub(super) name: String,
    /// How what is written is to be encrypted, where the bucket does not decide on it alone.
    pub(super) encryption: Option<Encryption>,
    /// Whether it was asked for the checksum of an object and kept none.
    pub(super) keeps_no_checksum: Arc<AtomicBool>,
}

impl Bucket {
    pub(super) fn new(client: Client, name: &str) -> Self {
        Self {
            client,
            name: name.to_owned(),
            encryption: None,
            keeps_no_checksum: Arc::default(),
        }
    }

    /// The bucket's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn place(&self, key: &str) -> String {
        format!("{}/{key}", self.name)
    }

    /// An error as of a store that refuses a call for this cause.
    #[must_use]
    pub fn refusal(&self, operation: &'static str, key: &str, cause: &str) -> CallError {
        CallError::new(Kind::Refused, operation, self.place(key), cause)
    }

    pub(super) fn bad_answer(&self, operation: &'static str, key: &str, cause: &str) -> CallError {
        CallError::new(Kind::BadAnswer, operation, self.place(key), cause)
    }

    /// Looks at a key of the backup.
    ///
    /// # Errors
    /// The store refused or did not answer.
    pub async fn backup_state(&self, key: &str) -> Result<BackupState, CallError> {
        let Some(mut copy) = self.head(key).await? else {
            return Ok(BackupState::Absent);
        };
        // The mark may be in a tag; so is the seal of a copy that went over in parts.
        let mark = copy.mark();
        if mark.is_none_or(|mark| mark.bytes == MarkedBytes::Sealed) {
            self.read_tags(key, &mut copy).await?;
        }
        Ok(BackupState::Present(copy))
    }

    /// An object of the backup without its tags; none where there is none.
    ///
    /// # Errors
    /// The store refused or did not answer.
    pub async fn head(&self, key: &str) -> Result<Option<BackupObject>, CallError> {
        let head = self.client.head_object().bucket(&self.name);
        let head = head.key(sayable(key)).checksum_mode(ChecksumMode::Enabled);
        match head.send().await {
            Ok(answer) => seen_by_head(&answer)
                .map(Some)
                .ok_or_else(|| self.bad_answer("HeadObject", key, "no ETag or no Content-Length")),
            Err(error) => {
                let error = CallError::of("HeadObject", &self.place(key), &error);
                // Nothing is removed because of this 404, so it needs no proof; a missing bucket refuses the write.
                let absent = matches!(error.kind, Kind::NotFound | Kind::NoSuchKey);
                if absent { Ok(None) } else { Err(error) }
            }
        }
    }

    /// Adds the tags to an object of the backup; a store that has none leaves it as it is.
    ///
    /// # Errors
    /// The store refused or did not answer.
    pub async fn read_tags(&self, key: &str, copy: &mut BackupObject) -> Result<(), CallError> {
        match self.stored_tags(key).await {
            Err(e) if matches!(e.kind, Kind::NoSuchKey | Kind::NotFound) => Ok(()),
            Err(e) => Err(e),
            Ok(tags) => {
                copy.tags_read = tags.is_some();
                copy.properties.tags = tags.unwrap_or_default();
                Ok(())
            }
        }
    }

    /// Puts tags on an object, in place of those that it has; on this version of it, where the store told one.
    ///
    /// # Errors
    /// The store refused or did not answer.
    pub async fn tag(
        &self,
        key: &str,
        version: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let tags: Result<Vec<_>, _> = tags.iter().map(tag).collect();
        let set = tags.and_then(|tags| Tagging::builder().set_tag_set(Some(tags)).build());
        let set = set.map_err(|e| self.bad_answer("PutObjectTagging", key, &e.to_string()))?;
        let put = self
            .client
            .put_object_tagging()
            .bucket(&self.name)
            .key(sayable(key))
            .set_version_id(version.map(ToOwned::to_owned))
            .tagging(set);
        let sent = put.send().await.map(drop);
        sent.map_err(|e| CallError::of("PutObjectTagging", &self.place(key), &e))
    }

    /// Writes a small object, if the condition holds. Returns the store's name for it, which some leave out.
    ///
    /// # Errors
    /// [`Kind::PreconditionFailed`] or [`Kind::Conflict`] where it did not hold; [`Kind::Unknown`] where the write may have
    /// taken effect, or may yet.
    pub async fn put(
        &self,
        key: &str,
        bytes: Vec<Bytes>,
        properties: &Properties,
        condition: &Condition,
        checksum: Crc64,
    ) -> Result<Option<ETag>, CallError> {
        let (if_match, if_none_match) = headers_of(condition);
        let body = Pieces::new(bytes);
        let length = i64::try_from(body.length()).expect("a buffer's length fits");
        let put = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(sayable(key))
            .set_if_match(if_match)
            .set_if_none_match(if_none_match)
            .set_metadata(metadata(properties))
            .set_tagging(tagging(&properties.tags))
            .set_server_side_encryption(algorithm(self.encryption.as_ref()))
            .set_ssekms_key_id(key_id(self.encryption.as_ref()))
            .checksum_crc64_nvme(checksum.to_string())
            .content_length(length)
            .body(ByteStream::new(SdkBody::from_body_1_x(body)));
        let headers = properties.headers.clone();
        let put = put
            .customize()
            .disable_payload_signing()
            .mutate_request(move |request| set_headers(request, &headers));
        let sent = put.config_override(once(WRITE_TIMEOUT)).send().await;
        sent.map(|answer| answer.e_tag().map(ETag::new))
            .map_err(|e| CallError::of("PutObject", &self.place(key), &e))
    }

    /// Writes properties and mark of an object anew without moving its bytes, if it is still this one.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn rewrite(
        &self,
        key: &str,
        etag: &ETag,
        properties: &Properties,
    ) -> Result<(), CallError> {
        let copy = self
            .client
            .copy_object()
            .bucket(&self.name)
            .key(sayable(key))
            .copy_source(format!(
                "{}/{}",
                self.name,
                percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC)
            ))
            .copy_source_if_match(etag.quoted())
            .if_match(etag.quoted())
            .metadata_directive(MetadataDirective::Replace)
            .tagging_directive(TaggingDirective::Replace)
            .set_metadata(metadata(properties))
            .set_tagging(tagging(&properties.tags))
            .set_server_side_encryption(algorithm(self.encryption.as_ref()))
            .set_ssekms_key_id(key_id(self.encryption.as_ref()));
        let headers = properties.headers.clone();
        let copy = copy
            .customize()
            .mutate_request(move |request| set_headers(request, &headers));
        let sent = copy.config_override(once(ASSEMBLE_TIMEOUT)).send().await;
        sent.map(drop)
            .map_err(|e| CallError::of("CopyObject", &self.place(key), &e))
    }

    /// Removes an object, if it is still this one.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn delete(&self, key: &str, etag: &ETag) -> Result<(), CallError> {
        let delete = self
            .client
            .delete_object()
            .bucket(&self.name)
            .key(sayable(key))
            .if_match(etag.quoted());
        let sent = delete
            .customize()
            .config_override(once(WRITE_TIMEOUT))
            .send()
            .await;
        sent.map(drop)
            .map_err(|e| CallError::of("DeleteObject", &self.place(key), &e))
    }
}

/// `If-Match` and `If-None-Match` of a condition.
pub(super) fn headers_of(condition: &Condition) -> (Option<String>, Option<String>) {
    match condition {
        Condition::Absent => (None, Some("*".to_owned())),
        Condition::Unchanged(etag) => (Some(etag.quoted()), None),
    }
}

/// `x-amz-server-side-encryption` of a write.
pub(super) fn algorithm(encryption: Option<&Encryption>) -> Option<ServerSideEncryption> {
    encryption.map(|encryption| encryption.algorithm.into())
}

/// The key that goes with it, where it is one of the account's own.
pub(super) fn key_id(encryption: Option<&Encryption>) -> Option<String> {
    encryption.and_then(|encryption| encryption.key.clone())
}

/// Sets content headers as the origin spelled them: the SDK would re-format Expires, or refuse one that is no date.
pub(super) fn set_headers(
    request: &mut aws_smithy_runtime_api::client::orchestrator::HttpRequest,
    headers: &BTreeMap<&'static str, String>,
) {
    // The SDK's own, of a body that has none.
    request.headers_mut().remove("content-type");
    for (name, value) in headers {
        // What no header can carry was left out before.
        let _ = request.headers_mut().try_insert(*name, value.clone());
    }
}

/// For a call that changes an object: one try, with a time limit of its own.
pub(super) fn once(limit: Duration) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::new()
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(limit)
                .build(),
        )
}
