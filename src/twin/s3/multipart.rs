//! Opening a multipart upload, and looking at open ones.
//!
//! It must never change an upload that is open: parts and completions are `upload`'s.

use s3s::dto::{
    ChecksumAlgorithm, ChecksumType, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput,
    MultipartUpload, Part,
};
use s3s::{S3Request, S3Result, s3_error};

use super::listing::spell;
use super::object::crc_text;
use super::service::{Answer, Service, etag, ok, properties};
use super::upload::Part as StoredPart;

impl Service {
    pub(super) fn open(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let properties = properties(&req)?;
        self.may_write(&req.input.bucket, &req.headers, true, None)?;
        let input = req.input;
        let checksum_type = checksum_type(input.checksum_algorithm.as_ref(), input.checksum_type)?;
        let algorithm = input.checksum_algorithm;
        let id = self.store.open_upload(
            &input.bucket,
            &input.key,
            properties,
            algorithm.clone(),
            checksum_type.clone(),
        )?;
        ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: algorithm,
            checksum_type,
            ..Default::default()
        })
    }

    pub(super) fn parts(&self, req: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        let input = req.input;
        let after = input.part_number_marker.unwrap_or_default();
        let room = input.max_parts.unwrap_or(1000).clamp(1, 1000);
        let (parts, more) =
            self.store
                .with_upload(&input.bucket, &input.key, &input.upload_id, |upload| {
                    let mut later = upload.parts.range(after.saturating_add(1)..);
                    let parts: Vec<_> = later
                        .by_ref()
                        .take(room as usize)
                        .map(|(number, part)| listed(*number, part))
                        .collect();
                    (parts, later.next().is_some())
                })?;
        ok(ListPartsOutput {
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            part_number_marker: Some(after),
            max_parts: Some(room),
            is_truncated: Some(more),
            parts: Some(parts),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            ..Default::default()
        })
    }

    // All on one page, however many: no test opens a thousand.
    pub(super) fn uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        let input = req.input;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let mut uploads: Vec<_> = self.store.with_bucket(&input.bucket, |bucket| {
            let matching = bucket
                .uploads
                .iter()
                .filter(|(_, upload)| upload.key.starts_with(prefix));
            matching
                .map(|(id, upload)| MultipartUpload {
                    key: Some(spell(input.encoding_type.as_ref(), &upload.key)),
                    upload_id: Some(id.clone()),
                    initiated: Some(upload.initiated.into()),
                    checksum_algorithm: upload.algorithm.clone(),
                    checksum_type: upload.checksum_type.clone(),
                    ..Default::default()
                })
                .collect()
        })?;
        uploads.sort_by(|a, b| a.key.cmp(&b.key));
        ok(ListMultipartUploadsOutput {
            uploads: Some(uploads),
            is_truncated: Some(false),
            bucket: Some(input.bucket.clone()),
            prefix: input.prefix.clone(),
            encoding_type: input.encoding_type.clone(),
            ..Default::default()
        })
    }
}

/// How the parts' checksums become the object's, when the sender does not say.
fn checksum_type(
    algorithm: Option<&ChecksumAlgorithm>,
    asked: Option<ChecksumType>,
) -> S3Result<Option<ChecksumType>> {
    let only = match algorithm.map(ChecksumAlgorithm::as_str) {
        None if asked.is_some() => {
            return Err(s3_error!(
                InvalidRequest,
                "x-amz-checksum-type needs x-amz-checksum-algorithm"
            ));
        }
        None => return Ok(None),
        Some("CRC64NVME") => Some(ChecksumType::FULL_OBJECT),
        Some("SHA1" | "SHA256") => Some(ChecksumType::COMPOSITE),
        Some(_) => None,
    };
    match (only, asked) {
        (Some(only), Some(asked)) if asked.as_str() != only => Err(s3_error!(
            InvalidRequest,
            "This checksum algorithm has only the type {only}"
        )),
        (_, Some(asked)) => Ok(Some(asked)),
        (only, None) => Ok(Some(ChecksumType::from_static(
            only.unwrap_or(ChecksumType::COMPOSITE),
        ))),
    }
}

fn listed(number: i32, part: &StoredPart) -> Part {
    Part {
        part_number: Some(number),
        e_tag: etag(&part.content.etag()),
        size: Some(part.content.len as i64),
        last_modified: Some(part.modified.into()),
        checksum_crc64nvme: Some(crc_text(part.content.crc.finalize())),
        ..Default::default()
    }
}
