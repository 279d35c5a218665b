//! A multipart upload into a bucket: parts streamed as they arrive, put together under one checksum.

use super::blank::sayable;
use super::body::{ObjectBody, Pieces};
use super::bucket::{ASSEMBLE_TIMEOUT, Bucket, algorithm, headers_of, key_id, once, set_headers};
use super::error::{CallError, Kind};
use super::object::{metadata, tagging};
use crate::domain::checksum::Crc64;
use crate::domain::object::{ETag, Properties};
use crate::domain::parts::StoredPart;
use crate::domain::reconcile::Condition;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// A part's time limit: this long, and a second more for each of these many bytes.
const PART_TIMEOUT: Duration = Duration::from_secs(30);
const PART_BYTES_A_SECOND: u64 = 2_000_000;
/// S3 takes no more parts.
const PARTS_MAX: usize = 10_000;

/// An upload that is open.
#[derive(Clone, Debug)]
pub struct Upload {
    bucket: Bucket,
    key: String,
    id: String,
}

impl Bucket {
    /// Opens an upload for an object with these properties.
    ///
    /// # Errors
    /// The store refused or did not answer.
    pub async fn begin(&self, key: &str, properties: &Properties) -> Result<Upload, CallError> {
        let create = self
            .client
            .create_multipart_upload()
            .bucket(&self.name)
            .key(sayable(key))
            .set_metadata(metadata(properties))
            .set_tagging(tagging(&properties.tags))
            .set_server_side_encryption(algorithm(self.encryption.as_ref()))
            .set_ssekms_key_id(key_id(self.encryption.as_ref()))
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_type(ChecksumType::FullObject);
        let headers = properties.headers.clone();
        let create = create
            .customize()
            .mutate_request(move |request| set_headers(request, &headers));
        let answer = create
            .send()
            .await
            .map_err(|e| CallError::of("CreateMultipartUpload", &self.place(key), &e))?;
        let id = answer.upload_id.ok_or_else(|| {
            CallError::new(
                Kind::BadAnswer,
                "CreateMultipartUpload",
                self.place(key),
                "no UploadId",
            )
        })?;
        Ok(self.upload(key, &id))
    }

    /// An upload that was opened before.
    #[must_use]
    pub fn upload(&self, key: &str, id: &str) -> Upload {
        Upload {
            bucket: self.clone(),
            key: key.to_owned(),
            id: id.to_owned(),
        }
    }
}

/// What a completion left in the backup.
#[derive(Clone, Debug)]
pub struct Completed {
    /// The backup's name for the whole object.
    pub etag: Option<ETag>,
    /// Checksum of all its bytes.
    pub checksum: Crc64,
    /// The backup's name for this version of the object.
    pub version: Option<String>,
}

/// Checksum of all the bytes of parts in order, as they were read.
#[must_use]
pub fn whole_checksum(parts: &[StoredPart]) -> Crc64 {
    parts.iter().fold(Crc64::of(&[]), |whole, part| {
        whole.followed_by(part.checksum, part.length)
    })
}

impl Upload {
    /// The store's id of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The parts that the store has: number → ETag and length in bytes.
    ///
    /// # Errors
    /// [`Kind::NoSuchUpload`] where it was completed or dropped; the store refused or did not answer.
    pub async fn listed(&self) -> Result<BTreeMap<u32, (ETag, u64)>, CallError> {
        let mut pages = self
            .bucket
            .client
            .list_parts()
            .bucket(&self.bucket.name)
            .key(sayable(&self.key))
            .upload_id(&self.id)
            .into_paginator()
            .send();
        let mut listed = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| CallError::of("ListParts", &self.place(), &e))?;
            let (before, more) = (listed.len(), page.is_truncated() == Some(true));
            listed.extend(page.parts().iter().filter_map(|part| {
                let number = u32::try_from(part.part_number()?).ok()?;
                let length = u64::try_from(part.size()?).ok()?;
                Some((number, (ETag::new(part.e_tag()?), length)))
            }));
            // A list that does not end must not be read for ever.
            if listed.len() > PARTS_MAX || (more && listed.len() == before) {
                let cause = "more parts than an upload has, or a page without a new one";
                let place = self.place();
                return Err(CallError::new(Kind::BadAnswer, "ListParts", place, cause));
            }
        }
        Ok(listed)
    }

    fn place(&self) -> String {
        self.bucket.place(&self.key)
    }

    /// Streams a part in as it arrives from the origin. Nothing can rewind it, so a retry opens the range again. Where its
    /// checksum is known already, the store is told it before the first byte.
    ///
    /// # Errors
    /// Either side broke off, was too slow, or refused; [`Kind::ChecksumWanted`] where the store takes no bytes whose checksum it
    /// does not know.
    pub async fn put_part(
        &self,
        number: u32,
        body: ObjectBody,
        known: Option<Crc64>,
    ) -> Result<StoredPart, CallError> {
        let length = body.length();
        let (body, sent) = body.into_request();
        let answer = self.send_part(number, length, body, known).await;
        let etag = answer.map_err(|e| match sent.get() {
            Some(Err(reason)) => {
                CallError::new(Kind::BrokenOff, "UploadPart", self.place(), reason)
            }
            _ => e,
        })?;
        let checksum = sent.get().and_then(Result::ok).ok_or_else(|| {
            let cause = "answered before all of the part was sent";
            CallError::new(Kind::BadAnswer, "UploadPart", self.place(), cause)
        })?;
        Ok(StoredPart {
            number,
            length,
            etag,
            checksum,
        })
    }

    /// Sends a part that is in memory, its checksum before it.
    ///
    /// # Errors
    /// The store was too slow, or refused; [`Kind::Damaged`] where other bytes arrived there.
    pub async fn put_read_part(
        &self,
        number: u32,
        bytes: Vec<Bytes>,
    ) -> Result<StoredPart, CallError> {
        let checksum = Crc64::of(&bytes);
        let body = Pieces::new(bytes);
        let length = body.length();
        let body = ByteStream::new(SdkBody::from_body_1_x(body));
        let etag = self.send_part(number, length, body, Some(checksum)).await?;
        Ok(StoredPart {
            number,
            length,
            etag,
            checksum,
        })
    }

    async fn send_part(
        &self,
        number: u32,
        length: u64,
        body: ByteStream,
        known: Option<Crc64>,
    ) -> Result<ETag, CallError> {
        let put = self
            .bucket
            .client
            .upload_part()
            .bucket(&self.bucket.name)
            .key(sayable(&self.key))
            .upload_id(&self.id)
            .part_number(i32::try_from(number).expect("at most 10,000 parts"))
            .content_length(i64::try_from(length).expect("at most 5 GiB"))
            .set_checksum_crc64_nvme(known.map(|checksum| checksum.to_string()))
            .body(body);
        let limit = PART_TIMEOUT + Duration::from_secs(length / PART_BYTES_A_SECOND);
        let sent = put
            .customize()
            .disable_payload_signing()
            .config_override(once(limit))
            .send()
            .await;
        let answer = sent.map_err(|e| CallError::of("UploadPart", &self.place(), &e))?;
        let etag = answer.e_tag().map(ETag::new);
        etag.ok_or_else(|| CallError::new(Kind::BadAnswer, "UploadPart", self.place(), "no ETag"))
    }

    /// Puts the object together from its parts in order, if the condition holds; the store checks it against the checksum
    /// of all the bytes as they were read.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub async fn complete(
        &self,
        parts: &[StoredPart],
        condition: &Condition,
    ) -> Result<Completed, CallError> {
        let checksum = whole_checksum(parts);
        let size: u64 = parts.iter().map(|part| part.length).sum();
        let completed = parts.iter().map(|part| {
            let number = i32::try_from(part.number).expect("at most 10,000 parts");
            CompletedPart::builder()
                .part_number(number)
                .e_tag(part.etag.quoted())
                .build()
        });
        let (if_match, if_none_match) = headers_of(condition);
        let complete = self
            .bucket
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(sayable(&self.key))
            .upload_id(&self.id)
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(completed.collect()))
                    .build(),
            )
            .checksum_crc64_nvme(checksum.to_string())
            .checksum_type(ChecksumType::FullObject)
            .mpu_object_size(i64::try_from(size).expect("at most 48.8 TiB"))
            .set_if_match(if_match)
            .set_if_none_match(if_none_match);
        let sent = complete
            .customize()
            .config_override(once(ASSEMBLE_TIMEOUT))
            .send()
            .await;
        match sent {
            Ok(answer) => Ok(Completed {
                etag: answer.e_tag().map(ETag::new),
                checksum,
                version: answer.version_id,
            }),
            Err(e) => Err(CallError::of("CompleteMultipartUpload", &self.place(), &e)),
        }
    }

    /// Drops the upload and its parts, if it is still there.
    ///
    /// # Errors
    /// The store refused or did not answer: a lifecycle rule of the bucket must drop it then.
    pub async fn abort(&self) -> Result<(), CallError> {
        let abort = self
            .bucket
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket.name)
            .key(sayable(&self.key))
            .upload_id(&self.id);
        let aborted = abort.send().await.map(drop);
        match aborted.map_err(|e| CallError::of("AbortMultipartUpload", &self.place(), &e)) {
            Err(gone) if matches!(gone.kind, Kind::NoSuchUpload | Kind::NotFound) => Ok(()),
            aborted => aborted,
        }
    }
}
