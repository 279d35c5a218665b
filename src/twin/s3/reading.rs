//! GET and HEAD: whole objects, ranges, and what is said beside the bytes.
//!
//! It must never copy a body: a range is cut out of the segments that are there.

use std::ops::Range;
use std::sync::Arc;

use futures_util::stream;
use http::StatusCode;
use s3s::dto::{
    GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Range as AskedRange,
    StreamingBlob,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::condition::ReadIf;
use super::object::{Object, crc_text};
use super::service::{Answer, Service, etag, full_object};

impl Service {
    pub(super) fn get(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = req.input;
        if input.part_number.is_some() {
            return Err(s3_error!(NotImplemented, "GET by part number"));
        }
        let conditions = ReadIf {
            matches: input.if_match,
            none_match: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        let of = (
            &input.bucket[..],
            &input.key[..],
            input.version_id.as_deref(),
        );
        let (object, range) = self.read(of, &conditions, input.range)?;
        if object.is_archived() {
            return Err(s3_error!(InvalidObjectState));
        }
        let whole = 0..object.len;
        let segments = object.slice(range.as_ref().unwrap_or(&whole));
        let checked = input.checksum_mode.is_some() && range.is_none();
        let output = GetObjectOutput {
            body: Some(StreamingBlob::wrap(stream::iter(
                segments.into_iter().map(Ok::<_, std::io::Error>),
            ))),
            content_length: Some(length(range.as_ref().unwrap_or(&whole))),
            content_range: content_range(range.as_ref(), &object),
            accept_ranges: Some("bytes".to_owned()),
            e_tag: etag(&object.etag),
            last_modified: Some(object.last_modified.into()),
            checksum_crc64nvme: checked.then(|| crc_text(object.crc64nvme)),
            checksum_type: full_object().filter(|_| checked),
            ..Default::default()
        };
        Ok(S3Response::with_headers(
            output,
            object.properties.to_headers(),
        ))
    }

    pub(super) fn head(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let input = req.input;
        let conditions = ReadIf {
            matches: input.if_match,
            none_match: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        let of = (
            &input.bucket[..],
            &input.key[..],
            input.version_id.as_deref(),
        );
        let (object, range) = self.read(of, &conditions, input.range)?;
        let whole = 0..object.len;
        let checked = input.checksum_mode.is_some() && range.is_none();
        let output = HeadObjectOutput {
            content_length: Some(length(range.as_ref().unwrap_or(&whole))),
            content_range: content_range(range.as_ref(), &object),
            accept_ranges: Some("bytes".to_owned()),
            e_tag: etag(&object.etag),
            last_modified: Some(object.last_modified.into()),
            checksum_crc64nvme: checked.then(|| crc_text(object.crc64nvme)),
            checksum_type: full_object().filter(|_| checked),
            ..Default::default()
        };
        let mut response = S3Response::with_headers(output, object.properties.to_headers());
        response.status = range.map(|_| StatusCode::PARTIAL_CONTENT);
        Ok(response)
    }

    fn read(
        &self,
        (bucket, key, version): (&str, &str, Option<&str>),
        conditions: &ReadIf,
        range: Option<AskedRange>,
    ) -> S3Result<(Arc<Object>, Option<Range<u64>>)> {
        let object = match version {
            Some(id) => self.store.look_at_version(bucket, key, id)?,
            None => self.store.look(bucket, key)?,
        };
        conditions.check(&object, || s3_error!(NotModified))?;
        let range = match range {
            // No range of nothing can be satisfied, not even a suffix.
            Some(_) if object.len == 0 => return Err(s3_error!(InvalidRange)),
            Some(range) => Some(range.check(object.len)?),
            None => None,
        };
        Ok((object, range))
    }
}

fn length(range: &Range<u64>) -> i64 {
    (range.end - range.start) as i64
}

fn content_range(range: Option<&Range<u64>>, object: &Object) -> Option<String> {
    range.map(|range| format!("bytes {}-{}/{}", range.start, range.end - 1, object.len))
}
