//! Reads a body once, digesting as it comes, and holds it against every checksum its sender declared.
//!
//! It must never let a body through that differs from what was declared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::{CompleteMultipartUploadInput, StreamingBlob};
use s3s::{S3Result, s3_error};

use super::object::{Content, Digests, crc_text};

/// The checksums a sender declared, as the wire spells them.
#[derive(Default)]
pub(super) struct Declared {
    crc32: Option<String>,
    crc32c: Option<String>,
    crc64nvme: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
    md5: Option<String>,
}

impl Declared {
    /// The checksums in the headers of a put or a part.
    ///
    /// # Errors
    /// `InvalidRequest` or `InvalidDigest` for a value that no such checksum can have.
    pub(super) fn of_headers(headers: &HeaderMap) -> S3Result<Self> {
        let get = |name: &str, len: usize| {
            let value = headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            match &value {
                Some(text) if STANDARD.decode(text).map(|bytes| bytes.len()) != Ok(len) => Err(
                    s3_error!(InvalidRequest, "Value for {name} header is invalid."),
                ),
                _ => Ok(value),
            }
        };
        Ok(Self {
            crc32: get("x-amz-checksum-crc32", 4)?,
            crc32c: get("x-amz-checksum-crc32c", 4)?,
            crc64nvme: get("x-amz-checksum-crc64nvme", 8)?,
            sha1: get("x-amz-checksum-sha1", 20)?,
            sha256: get("x-amz-checksum-sha256", 32)?,
            md5: get("content-md5", 16).map_err(|_| s3_error!(InvalidDigest))?,
        })
    }

    /// The full-object checksums given to a completion.
    pub(super) fn of_completion(input: &CompleteMultipartUploadInput) -> Self {
        Self {
            crc32: input.checksum_crc32.clone(),
            crc32c: input.checksum_crc32c.clone(),
            crc64nvme: input.checksum_crc64nvme.clone(),
            sha1: None,
            sha256: None,
            md5: None,
        }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// `BadDigest` when it is not what was declared, `IncompleteBody` when it ends early.
    pub(super) async fn receive(
        self,
        body: Option<StreamingBlob>,
        length: Option<i64>,
    ) -> S3Result<Content> {
        let length = length.ok_or_else(|| s3_error!(MissingContentLength))?;
        let mut segments: Vec<Bytes> = Vec::new();
        let mut digests = Digests::default();
        let mut others = self.hasher();
        if let Some(mut body) = body {
            while let Some(segment) = body.next().await {
                let segment = segment.map_err(|cause| {
                    s3s::S3Error::with_source(s3s::S3ErrorCode::IncompleteBody, cause)
                })?;
                digests.update(&segment);
                others.update(&segment);
                segments.push(segment);
            }
        }
        let content = digests.finish(segments);
        if u64::try_from(length) != Ok(content.len) {
            return Err(s3_error!(IncompleteBody));
        }
        self.check(others, content.crc.finalize())?;
        match &self.md5 {
            Some(md5) if *md5 != STANDARD.encode(content.md5) => Err(s3_error!(BadDigest)),
            _ => Ok(content),
        }
    }

    /// Holds a body already here, whose CRC64NVME is known, against what was declared.
    ///
    /// # Errors
    /// `BadDigest`.
    pub(super) fn check_segments(&self, segments: &[Bytes], crc64nvme: u64) -> S3Result<()> {
        let mut others = self.hasher();
        if self.crc32.is_some() || self.crc32c.is_some() {
            segments.iter().for_each(|segment| others.update(segment));
        }
        self.check(others, crc64nvme)
    }

    fn check(&self, others: ChecksumHasher, crc64nvme: u64) -> S3Result<()> {
        let found = others.finalize();
        let wrong = |declared: &Option<String>, found: &Option<String>| {
            declared.is_some() && declared != found
        };
        if wrong(&self.crc64nvme, &Some(crc_text(crc64nvme)))
            || wrong(&self.crc32, &found.checksum_crc32)
            || wrong(&self.crc32c, &found.checksum_crc32c)
            || wrong(&self.sha1, &found.checksum_sha1)
            || wrong(&self.sha256, &found.checksum_sha256)
        {
            return Err(s3_error!(
                BadDigest,
                "The checksum you specified did not match the calculated checksum."
            ));
        }
        Ok(())
    }

    // CRC64NVME is not among them: it is computed for every body anyway.
    fn hasher(&self) -> ChecksumHasher {
        ChecksumHasher {
            crc32: self.crc32.is_some().then(Crc32::new),
            crc32c: self.crc32c.is_some().then(Crc32c::new),
            sha1: self.sha1.is_some().then(Sha1::new),
            sha256: self.sha256.is_some().then(Sha256::new),
            crc64nvme: None::<Crc64Nvme>,
        }
    }
}
