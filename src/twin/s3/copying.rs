//! Copies inside the store, of whole objects and into parts.
//!
//! It must never copy bytes, and never copy a source that fails its conditions.

use http::{HeaderMap, StatusCode};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETag,
    ETagCondition, MetadataDirective, TaggingDirective, UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::condition::{ReadIf, WriteIf};
use super::object::{Content, Properties, crc_text};
use super::service::{Answer, Service, etag, full_object, ok, properties};
use super::store::ChangeKind;

impl Service {
    pub(super) fn copy(&self, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        let asked = properties(&req)?;
        let mut conditions = WriteIf {
            matches: condition(&req.headers, "if-match")?,
            none_match: condition(&req.headers, "if-none-match")?,
        };
        let conditional = conditions.matches.is_some() || conditions.none_match.is_some();
        self.may_write(&req.input.bucket, &req.headers, true, Some(conditional))?;
        let input = req.input;
        let (from_bucket, from_key) = copied_from(&input.copy_source)?;
        let guarded = input.copy_source_if_match.is_some();
        let found = self.store.look(from_bucket, from_key)?;
        let source_if = ReadIf {
            matches: input.copy_source_if_match,
            none_match: input.copy_source_if_none_match,
            modified_since: input.copy_source_if_modified_since,
            unmodified_since: input.copy_source_if_unmodified_since,
        };
        source_if.check(&found, || s3_error!(PreconditionFailed))?;
        if found.is_archived() {
            return Err(archived());
        }
        let replace = input
            .metadata_directive
            .as_ref()
            .is_some_and(|it| it.as_str() == MetadataDirective::REPLACE);
        let retag = input
            .tagging_directive
            .as_ref()
            .is_some_and(|it| it.as_str() == TaggingDirective::REPLACE);
        if (from_bucket, from_key) == (input.bucket.as_str(), input.key.as_str()) {
            if !replace {
                return Err(s3_error!(
                    InvalidRequest,
                    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
                ));
            }
            // Between the look above and the write below nobody may slip in another body.
            if guarded && conditions.matches.is_none() {
                conditions.matches = Some(ETagCondition::ETag(ETag::Strong(found.etag.clone())));
            }
        }
        let tags = if retag {
            asked.tags.clone()
        } else {
            found.properties.tags.clone()
        };
        // A copy has the class that is asked for, never its source's.
        let storage_class = asked.storage_class.clone();
        let kept = if replace {
            asked
        } else {
            found.properties.clone()
        };
        let object = found.copied(Properties {
            tags,
            storage_class,
            ..kept
        });
        let object = self.store.write(
            &input.bucket,
            &input.key,
            object,
            &conditions,
            ChangeKind::Copy,
        )?;
        ok(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: etag(&object.etag),
                last_modified: Some(object.last_modified.into()),
                checksum_crc64nvme: Some(crc_text(object.crc64nvme)),
                checksum_type: full_object(),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    pub(super) fn copy_part(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> Answer<UploadPartCopyOutput> {
        let input = req.input;
        let (from_bucket, from_key) = copied_from(&input.copy_source)?;
        let found = self.store.look(from_bucket, from_key)?;
        let source_if = ReadIf {
            matches: input.copy_source_if_match,
            none_match: input.copy_source_if_none_match,
            modified_since: input.copy_source_if_modified_since,
            unmodified_since: input.copy_source_if_unmodified_since,
        };
        source_if.check(&found, || s3_error!(PreconditionFailed))?;
        let range = match input
            .copy_source_range
            .as_deref()
            .map(s3s::dto::Range::parse)
        {
            Some(Ok(range)) => range.check(found.len)?,
            Some(Err(_)) => {
                return Err(s3_error!(
                    InvalidArgument,
                    "x-amz-copy-source-range is not a range"
                ));
            }
            None => 0..found.len,
        };
        let content = Content::of(found.slice(&range));
        let part = self.store.keep_part(
            &input.bucket,
            &input.key,
            &input.upload_id,
            input.part_number,
            content,
        )?;
        ok(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: etag(&part.content.etag()),
                last_modified: Some(part.modified.into()),
                checksum_crc64nvme: Some(crc_text(part.content.crc.finalize())),
                ..Default::default()
            }),
            ..Default::default()
        })
    }
}

/// A copy has another code for it than a read.
fn archived() -> S3Error {
    let mut error = S3Error::with_message(
        S3ErrorCode::Custom("ObjectNotInActiveTierError".into()),
        "The source object of the COPY action is not in the active tier",
    );
    error.set_status_code(StatusCode::FORBIDDEN);
    error
}

fn copied_from(source: &CopySource) -> S3Result<(&str, &str)> {
    match source {
        CopySource::Bucket {
            bucket,
            key,
            version_id: None,
        } => Ok((bucket, key)),
        _ => Err(s3_error!(
            NotImplemented,
            "A copy source is a bucket and a key"
        )),
    }
}

// s3s does not know the conditions of a copy's destination yet.
fn condition(headers: &HeaderMap, name: &str) -> S3Result<Option<ETagCondition>> {
    let parse = |value: &http::HeaderValue| ETagCondition::parse_http_header(value.as_bytes());
    headers
        .get(name)
        .map(parse)
        .transpose()
        .map_err(|_| s3_error!(InvalidArgument, "{name} is not an ETag"))
}
