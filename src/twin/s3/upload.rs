//! Multipart uploads: parts are kept until they are put together, which copies nothing, or thrown away.
//!
//! It must never let a part be seen as an object, nor lose the parts of a completion that was refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use md5::{Digest as _, Md5};
use s3s::dto::{ChecksumAlgorithm, ChecksumType, CompleteMultipartUploadInput, CompletedPart};
use s3s::{S3Result, s3_error};

use super::checksum::Declared;
use super::condition::WriteIf;
use super::object::{Content, Object, Properties, crc_text, hex, now};
use super::store::{Bucket, ChangeKind, Store};

/// Every part but the last must have at least this many bytes; tests of small bounds lower it for their process.
pub static SMALLEST_PART: AtomicU64 = AtomicU64::new(5 << 20);

/// An open multipart upload.
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) initiated: SystemTime,
    pub(super) algorithm: Option<ChecksumAlgorithm>,
    pub(super) checksum_type: Option<ChecksumType>,
    pub(super) parts: BTreeMap<i32, Part>,
    properties: Properties,
}

/// One uploaded part.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) content: Content,
    pub(super) modified: SystemTime,
}

impl Store {
    /// Opens an upload and names it.
    pub(super) fn open_upload(
        &self,
        bucket: &str,
        key: &str,
        properties: Properties,
        algorithm: Option<ChecksumAlgorithm>,
        checksum_type: Option<ChecksumType>,
    ) -> S3Result<String> {
        let mut inner = self.lock();
        inner.opened_uploads += 1;
        let id = format!("upload-{}", inner.opened_uploads);
        let upload = Upload {
            key: key.to_owned(),
            initiated: now(),
            algorithm,
            checksum_type,
            parts: BTreeMap::new(),
            properties,
        };
        inner.bucket(bucket)?.uploads.insert(id.clone(), upload);
        Ok(id)
    }

    /// Keeps a part; a part of the same number is replaced.
    pub(super) fn keep_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: i32,
        content: Content,
    ) -> S3Result<Part> {
        if !(1..=10_000).contains(&number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive"
            ));
        }
        let part = Part {
            content,
            modified: now(),
        };
        self.with_upload(bucket, key, id, |upload| {
            upload.parts.insert(number, part.clone())
        })?;
        Ok(part)
    }

    /// Puts the named parts together and closes the upload.
    pub(super) fn complete_upload(
        &self,
        input: &CompleteMultipartUploadInput,
    ) -> S3Result<Arc<Object>> {
        let conditions = WriteIf {
            matches: input.if_match.clone(),
            none_match: input.if_none_match.clone(),
        };
        let asked = input
            .multipart_upload
            .as_ref()
            .and_then(|list| list.parts.as_deref())
            .unwrap_or_default();
        let mut inner = self.lock();
        let bucket = inner.bucket(&input.bucket)?;
        let upload = find(bucket, &input.key, &input.upload_id)?;
        let object = upload.assemble(asked)?;
        if input
            .mpu_object_size
            .is_some_and(|size| size as u64 != object.len)
        {
            return Err(s3_error!(
                InvalidRequest,
                "x-amz-mp-object-size is not the size of the parts"
            ));
        }
        match (&input.checksum_type, &upload.checksum_type) {
            (Some(given), Some(opened)) if given != opened => return Err(s3_error!(BadDigest)),
            _ => {}
        }
        // A composite checksum is one of checksums; what it covers was checked when each part came.
        if input
            .checksum_type
            .as_ref()
            .or(upload.checksum_type.as_ref())
            .map(ChecksumType::as_str)
            != Some("COMPOSITE")
        {
            Declared::of_completion(input).check_segments(&object.segments, object.crc64nvme)?;
        }
        conditions.check(bucket.objects.get(&input.key).map(Arc::as_ref))?;
        bucket.uploads.remove(&input.upload_id);
        Ok(inner.replace(
            &input.bucket,
            &input.key,
            object,
            ChangeKind::CompleteMultipartUpload,
        ))
    }

    /// Throws an upload and its parts away.
    pub(super) fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<()> {
        let mut inner = self.lock();
        let bucket = inner.bucket(bucket)?;
        find(bucket, key, id)?;
        bucket.uploads.remove(id);
        Ok(())
    }

    /// Runs a look at one upload under the lock.
    pub(super) fn with_upload<T>(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        look: impl FnOnce(&mut Upload) -> T,
    ) -> S3Result<T> {
        let mut inner = self.lock();
        Ok(look(find(inner.bucket(bucket)?, key, id)?))
    }
}

impl Upload {
    fn assemble(&self, asked: &[CompletedPart]) -> S3Result<Object> {
        let mut segments = Vec::new();
        let mut digests = Md5::new();
        let mut crc = Content::of(Vec::new()).crc;
        let (mut len, mut last, mut small) = (0, 0, false);
        for (index, wanted) in asked.iter().enumerate() {
            let number = wanted.part_number.ok_or_else(|| s3_error!(MalformedXML))?;
            if number <= last {
                return Err(s3_error!(InvalidPartOrder));
            }
            last = number;
            let part = &self
                .parts
                .get(&number)
                .ok_or_else(|| s3_error!(InvalidPart))?
                .content;
            let etag = wanted.e_tag.as_ref().map(|etag| etag.value().to_owned());
            let checksum = wanted.checksum_crc64nvme.as_ref();
            if etag != Some(part.etag())
                || checksum.is_some_and(|text| *text != crc_text(part.crc.finalize()))
            {
                return Err(s3_error!(InvalidPart));
            }
            small |= index + 1 < asked.len() && part.len < SMALLEST_PART.load(Ordering::Relaxed);
            segments.extend_from_slice(&part.segments);
            digests.update(part.md5);
            crc.combine(&part.crc);
            len += part.len;
        }
        if small {
            return Err(s3_error!(EntityTooSmall));
        }
        if asked.is_empty() {
            return Err(s3_error!(
                MalformedXML,
                "A completion must name at least one part"
            ));
        }
        Ok(Object {
            segments,
            len,
            etag: format!("{}-{}", hex(&digests.finalize()), asked.len()),
            last_modified: now(),
            crc64nvme: crc.finalize(),
            properties: self.properties.clone(),
        })
    }
}

fn find<'a>(bucket: &'a mut Bucket, key: &str, id: &str) -> S3Result<&'a mut Upload> {
    bucket
        .uploads
        .get_mut(id)
        .filter(|upload| upload.key == key)
        .ok_or_else(|| s3_error!(NoSuchUpload))
}
