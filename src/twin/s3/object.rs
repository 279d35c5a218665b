//! One stored object: its bytes as the segments they arrived in, and everything a GET says about it.
//!
//! It must never copy a body: a gigabyte put together from parts shares the parts' memory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use md5::{Digest as _, Md5};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

/// What S3 calls an object that was put without a content type.
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";
/// User metadata larger than this (names and values together) is refused.
const METADATA_LIMIT: usize = 2048;
const METADATA_PREFIX: &str = "x-amz-meta-";
const STORAGE_CLASS: &str = "x-amz-storage-class";
/// The classes of new objects.
const STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "REDUCED_REDUNDANCY",
];

/// An object as it is stored. Cheap to clone: the segments are shared.
#[derive(Clone, Debug)]
pub struct Object {
    /// The body, in order, in the pieces it arrived in.
    pub segments: Vec<Bytes>,
    /// The body's size in bytes.
    pub len: u64,
    /// The entity tag without its quotes: MD5 for one put, MD5 of MD5s and `-N` for N parts.
    pub etag: String,
    /// Whole seconds, as S3 keeps it.
    pub last_modified: SystemTime,
    /// CRC64NVME of the whole body.
    pub crc64nvme: u64,
    /// Content headers, user metadata and tags.
    pub properties: Properties,
}

/// What is stored beside the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires` as the sender spelt it: S3 keeps values that are no date.
    pub expires: Option<String>,
    /// User metadata, names without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// `x-amz-storage-class`, where it is not `STANDARD`.
    pub storage_class: Option<String>,
}

impl Object {
    /// An object of one segment, modified now.
    pub fn new(body: impl Into<Bytes>, properties: Properties) -> Self {
        Content::of(vec![body.into()]).into_object(properties)
    }

    /// The whole body in one piece; copies it.
    pub fn body(&self) -> Vec<u8> {
        self.segments.concat()
    }

    /// A copy, modified now. Its ETag is the MD5 of the whole body again, however the original was put.
    pub(super) fn copied(&self, properties: Properties) -> Self {
        let etag = match self.etag.contains('-') {
            true => Content::of(self.segments.clone()).etag(),
            false => self.etag.clone(),
        };
        Self {
            etag,
            last_modified: now(),
            properties,
            ..self.clone()
        }
    }

    /// Whether its bytes cannot be read where they lie.
    pub(super) fn is_archived(&self) -> bool {
        let class = self.properties.storage_class.as_deref();
        matches!(class, Some("GLACIER" | "DEEP_ARCHIVE"))
    }

    /// The segments of a byte range, sharing their memory.
    pub(super) fn slice(&self, range: &Range<u64>) -> Vec<Bytes> {
        let mut start = 0;
        let mut cut = Vec::new();
        for segment in &self.segments {
            let end = start + segment.len() as u64;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let at = |offset| usize::try_from(offset).expect("within a segment in memory");
                cut.push(segment.slice(at(from - start)..at(to - start)));
            }
            start = end;
        }
        cut
    }
}

/// A body and its digests: what a put, a part and a copy have in common.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) segments: Vec<Bytes>,
    pub(super) len: u64,
    pub(super) md5: [u8; 16],
    pub(super) crc: Crc,
}

impl Content {
    pub(super) fn of(segments: Vec<Bytes>) -> Self {
        let mut digests = Digests::default();
        segments.iter().for_each(|segment| digests.update(segment));
        digests.finish(segments)
    }

    pub(super) fn etag(&self) -> String {
        hex(&self.md5)
    }

    pub(super) fn into_object(self, properties: Properties) -> Object {
        Object {
            etag: self.etag(),
            len: self.len,
            last_modified: now(),
            crc64nvme: self.crc.finalize(),
            segments: self.segments,
            properties,
        }
    }
}

/// The running digests of a body on its way in.
pub(super) struct Digests {
    md5: Md5,
    crc: Crc,
    len: u64,
}

impl Default for Digests {
    fn default() -> Self {
        Self {
            md5: Md5::new(),
            crc: Crc::new(CrcAlgorithm::Crc64Nvme),
            len: 0,
        }
    }
}

impl Digests {
    pub(super) fn update(&mut self, segment: &[u8]) {
        self.md5.update(segment);
        self.crc.update(segment);
        self.len += segment.len() as u64;
    }

    pub(super) fn finish(self, segments: Vec<Bytes>) -> Content {
        Content {
            segments,
            len: self.len,
            md5: self.md5.finalize().into(),
            crc: self.crc,
        }
    }
}

impl Properties {
    /// What a PUT's headers say.
    ///
    /// # Errors
    /// `MetadataTooLarge` beyond two kilobytes of user metadata, `InvalidTag` for tags S3 refuses.
    pub(super) fn from_headers(headers: &HeaderMap) -> S3Result<Self> {
        let mut properties = Self::default();
        for (name, slot) in properties.slots() {
            *slot = headers.get(name).map(text);
        }
        properties
            .content_type
            .get_or_insert_with(|| DEFAULT_CONTENT_TYPE.to_owned());
        for name in headers.keys() {
            if let Some(short) = name.as_str().strip_prefix(METADATA_PREFIX) {
                let values: Vec<_> = headers.get_all(name).iter().map(text).collect();
                properties
                    .metadata
                    .insert(short.to_owned(), values.join(","));
            }
        }
        properties.storage_class = headers
            .get(STORAGE_CLASS)
            .map(text)
            .filter(|class| class != "STANDARD");
        let class = properties.storage_class.as_deref();
        if class.is_some_and(|class| !STORAGE_CLASSES.contains(&class)) {
            return Err(s3_error!(InvalidStorageClass));
        }
        let size: usize = properties
            .metadata
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if size > METADATA_LIMIT {
            return Err(s3_error!(MetadataTooLarge));
        }
        if let Some(tags) = headers.get("x-amz-tagging") {
            let pairs = url::form_urlencoded::parse(tags.as_bytes());
            properties.tags =
                checked_tags(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())))?;
        }
        Ok(properties)
    }

    /// The headers of a GET or HEAD answer.
    pub(super) fn to_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            // Control characters cannot have come in by a header, only by `Store::put_object`.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.insert(name, value);
            }
        };
        for (name, slot) in self.clone().slots() {
            if let Some(value) = slot {
                put(name, value);
            }
        }
        for (name, value) in &self.metadata {
            if let Ok(name) = format!("{METADATA_PREFIX}{name}").parse() {
                put(name, value);
            }
        }
        if let Some(class) = &self.storage_class {
            put(HeaderName::from_static(STORAGE_CLASS), class);
        }
        if !self.tags.is_empty() {
            put(
                HeaderName::from_static("x-amz-tagging-count"),
                &self.tags.len().to_string(),
            );
        }
        headers
    }

    fn slots(&mut self) -> [(HeaderName, &mut Option<String>); 6] {
        [
            (CONTENT_TYPE, &mut self.content_type),
            (CACHE_CONTROL, &mut self.cache_control),
            (CONTENT_DISPOSITION, &mut self.content_disposition),
            (CONTENT_ENCODING, &mut self.content_encoding),
            (CONTENT_LANGUAGE, &mut self.content_language),
            (EXPIRES, &mut self.expires),
        ]
    }
}

/// At most ten tags, each key once, keys up to 128 characters and values up to 256.
pub(super) fn checked_tags(
    pairs: impl Iterator<Item = (String, String)>,
) -> S3Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for (key, value) in pairs {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(s3_error!(InvalidTag));
        }
        if tags.insert(key, value).is_some() {
            return Err(s3_error!(
                InvalidTag,
                "Cannot provide multiple Tags with the same key"
            ));
        }
    }
    if tags.len() > 10 {
        let mut refused = S3Error::with_message(
            S3ErrorCode::Custom("BadRequest".into()),
            "Object tags cannot be greater than 10",
        );
        refused.set_status_code(StatusCode::BAD_REQUEST);
        return Err(refused);
    }
    Ok(tags)
}

/// The time, without the fraction of a second that S3 does not keep.
pub(super) fn now() -> SystemTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// A CRC64NVME as the wire spells it: base64 of eight big-endian bytes.
pub(super) fn crc_text(crc64nvme: u64) -> String {
    STANDARD.encode(crc64nvme.to_be_bytes())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
