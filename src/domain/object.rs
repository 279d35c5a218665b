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
pub struct ETag(String);

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

impl Properties {
    /// The mark, if these are the properties of one of our copies.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        self.metadata
            .get(Mark::NAME)
            .or_else(|| self.tags.get(Mark::NAME))
            .and_then(|value| Mark::parse(value))
    }
}

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

/// An ETag up to this length stands in a mark as it is.
const ETAG_MAX: usize = 64;

/// A state in 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

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

/// What a copy says of itself: which origin bucket it came from, and which state of the object it is. It makes a copy
/// ours: only a marked object is ever deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The origin bucket: `<source>/<bucket as the allow-list spells it>`. Without the source, a bucket of the same name in
    /// another store could pass for it.
    pub origin: String,
    /// The origin's ETag: whether its bytes changed since.
    pub etag: ETag,
    /// The whole state: whether anything changed since.
    pub fingerprint: Fingerprint,
}

impl Mark {
    /// Name of the metadata field, or of the tag.
    pub const NAME: &'static str = "hookwork-mark";

    /// The mark of a copy of `state`.
    #[must_use]
    pub fn of(origin: &str, state: &ObjectState) -> Self {
        let etag = &state.etag.0;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.+=/".contains(&b);
        // Stores write hashes. What else one writes might be longer than a tag, or shift the fields.
        let etag = if etag.len() <= ETAG_MAX && etag.bytes().all(plain) {
            etag.clone()
        } else {
            hex(&Sha256::digest(etag)[..16])
        };
        Self {
            origin: origin.to_owned(),
            etag: ETag(etag),
            fingerprint: state.fingerprint(),
        }
    }

    /// Reads `1:<fingerprint>:<etag>:<origin>`; anything else is not a mark.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(4, ':');
        (fields.next()? == "1").then_some(())?;
        let fingerprint = Fingerprint(fields.next()?.to_owned());
        let etag = ETag::new(fields.next()?);
        Some(Self {
            origin: fields.next()?.to_owned(),
            etag,
            fingerprint,
        })
    }
}

impl fmt::Display for Mark {
    /// Only characters that both a header and a tag take.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1:{}:{}:{}", self.fingerprint, self.etag, self.origin)
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

    #[test]
    fn a_mark_reads_back() {
        let mark = Mark::of("mcs1/bucket", &state());
        assert_eq!(Mark::parse(&mark.to_string()), Some(mark.clone()));
        assert_eq!(Mark::parse("something else"), None);
        assert_eq!(Mark::parse("2:a:b:c"), None);
    }

    #[test]
    fn a_mark_takes_any_etag() {
        let long = "a".repeat(500);
        let mut marks = Vec::new();
        for etag in [
            "a:b",
            "a_b",
            "",
            "\u{e9}",
            "\u{e8}",
            "a*b",
            &long,
            &long[1..],
        ] {
            let mut state = state();
            state.etag = ETag::new(etag);
            let mark = Mark::of("mcs1/bucket", &state);
            assert_eq!(Mark::parse(&mark.to_string()), Some(mark.clone()));
            assert!(mark.to_string().len() < 130);
            marks.push(mark.etag.0);
        }
        marks.sort();
        marks.dedup();
        assert_eq!(marks.len(), 8, "and keeps them apart: {marks:?}");
    }
}
