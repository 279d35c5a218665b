//! What an object is, apart from its bytes: its identity, the properties a copy keeps, its fingerprint and the mark.

use super::handshake::hex;
use bytes::Bytes;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// An entity tag, without its quotes. It compares for equality only: of a multipart object it is not a hash, and it does
/// not change with the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(pub(super) String);

impl ETag {
    /// Takes the header's value, quoted or not.
    #[must_use]
    pub fn new(header: &str) -> Self {
        Self(
            header
                .trim()
                .trim_start_matches("W/")
                .trim_matches('"')
                .to_owned(),
        )
    }

    /// Whether it looks like an MD5, as that of an object which was put in one piece. Not every one that does is one (SSE-KMS).
    #[must_use]
    pub fn looks_like_md5(&self) -> bool {
        self.0.len() == 32 && self.0.bytes().all(|b| b.is_ascii_hexdigit())
    }

    /// Whether these can be the bytes that it names: `false` only where it looks like an MD5 and is not theirs.
    #[must_use]
    pub fn may_name(&self, bytes: &[Bytes]) -> bool {
        !self.looks_like_md5() || {
            let mut md5 = Md5::new();
            bytes.iter().for_each(|piece| md5.update(piece));
            hex(&md5.finalize()).eq_ignore_ascii_case(&self.0)
        }
    }

    /// As conditions want it: in quotes.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a copy keeps beside the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// `Content-Type`, `Cache-Control`, `Content-Disposition`, `Content-Encoding`, `Content-Language`, `Expires`, by their
    /// lower-case names, values as the origin sends them.
    pub headers: BTreeMap<&'static str, String>,
    /// User metadata, names in lower case without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// Object tags.
    pub tags: BTreeMap<String, String>,
}

/// S3's longest key, in bytes.
pub const KEY_MAX: usize = 1024;

/// One state that an object had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectState {
    /// Identity of the bytes.
    pub etag: ETag,
    /// Length in bytes.
    pub size: u64,
    /// Seconds since 1970. One-second resolution: it compares for equality and orders nothing.
    pub last_modified: i64,
    /// What a copy keeps.
    pub properties: Properties,
}

impl ObjectState {
    /// 128 bits over everything that makes this state differ from another one: the ETag alone is blind to metadata, and
    /// Last-Modified alone to two changes in one second.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(self.etag.0.as_bytes());
        field(&self.size.to_be_bytes());
        field(&self.last_modified.to_be_bytes());
        for (name, value) in &self.properties.headers {
            field(name.as_bytes());
            field(value.as_bytes());
        }
        for map in [&self.properties.metadata, &self.properties.tags] {
            field(&(map.len() as u64).to_be_bytes());
            for (name, value) in map {
                field(name.as_bytes());
                field(value.as_bytes());
            }
        }
        Fingerprint(hex(&hash.finalize()[..16]))
    }
}

/// A state in 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub(super) String);

impl Fingerprint {
    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> ObjectState {
        ObjectState {
            etag: ETag::new("\"abc\""),
            size: 3,
            last_modified: 1,
            properties: Properties {
                headers: BTreeMap::from([("content-type", "text/plain".to_owned())]),
                metadata: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
                tags: BTreeMap::new(),
            },
        }
    }

    #[test]
    fn a_fingerprint_sees_every_change() {
        let mut changed = vec![state(); 7];
        changed[1].etag = ETag::new("abd");
        changed[2].size = 4;
        changed[3].last_modified = 2;
        changed[4]
            .properties
            .headers
            .insert("content-type", "text/html".into());
        changed[5]
            .properties
            .metadata
            .insert("a".into(), "c".into());
        // The same pair as a tag instead of metadata.
        changed[6].properties.metadata.clear();
        changed[6].properties.tags.insert("a".into(), "b".into());
        for (i, a) in changed.iter().enumerate() {
            for (j, b) in changed.iter().enumerate() {
                assert_eq!(a.fingerprint() == b.fingerprint(), i == j, "{i} {j}");
            }
        }
    }
}
