//! The mark: what a copy in the backup says of itself, and the seal of a copy that went over in parts.

use super::checksum::Crc64;
use super::handshake::hex;
use super::object::{ETag, Fingerprint, ObjectState, Properties};
use sha2::{Digest, Sha256};
use std::fmt;

/// An ETag up to this length stands in a mark as it is.
const ETAG_MAX: usize = 64;

/// What a copy says of its own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkedBytes {
    /// Nothing: the mark is of the first version.
    Unknown,
    /// Their CRC64NVME.
    Checksum(Crc64),
    /// The checksum is in a tag of its own, the [`Seal`]: an upload in parts is opened before its bytes have passed.
    Sealed,
}

/// What a copy says of itself: which origin bucket it came from, which state of the object it is, and what its bytes are. It makes
/// a copy ours: only a marked object is ever deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The origin bucket: `<source>/<bucket as the allow-list spells it>`. Without the source, a bucket of the same name in
    /// another store could pass for it.
    pub origin: String,
    /// The origin's ETag: whether its bytes changed since.
    pub etag: ETag,
    /// The whole state: whether anything changed since.
    pub fingerprint: Fingerprint,
    /// The origin's Last-Modified, in seconds since 1970; none in a mark of the first version.
    pub last_modified: Option<i64>,
    /// What the copy's bytes are.
    pub bytes: MarkedBytes,
}

impl Mark {
    /// Name of the metadata field, or of the tag.
    pub const NAME: &'static str = "hookwork-mark";

    /// The mark of a copy of `state`, with these bytes.
    #[must_use]
    pub fn of(origin: &str, state: &ObjectState, bytes: MarkedBytes) -> Self {
        Self {
            origin: origin.to_owned(),
            etag: Self::spelled(&state.etag),
            fingerprint: state.fingerprint(),
            last_modified: Some(state.last_modified),
            bytes,
        }
    }

    /// An ETag as a mark has it. Stores write hashes. Anything else might be longer than a tag, or shift the fields.
    fn spelled(etag: &ETag) -> ETag {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.+=/".contains(&b);
        if etag.0.len() <= ETAG_MAX && etag.0.bytes().all(plain) {
            etag.clone()
        } else {
            ETag(hex(&Sha256::digest(&etag.0)[..16]))
        }
    }

    /// Whether it names the bytes of this state.
    #[must_use]
    pub fn names_bytes_of(&self, state: &ObjectState) -> bool {
        self.etag == Self::spelled(&state.etag)
    }

    /// Whether it is of this very state.
    #[must_use]
    pub fn is_of(&self, state: &ObjectState) -> bool {
        self.names_bytes_of(state) && self.fingerprint == state.fingerprint()
    }

    /// Reads `2:<fingerprint>:<etag>:<last-modified>:<crc64nvme>:<origin>`, where the checksum may be the word `tag`; and the first
    /// version, `1:<fingerprint>:<etag>:<origin>`. Anything else is not a mark.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_once(':')?;
        let (fingerprint, rest) = rest.split_once(':')?;
        let (etag, rest) = rest.split_once(':')?;
        let (last_modified, bytes, origin) = match version {
            "1" => (None, MarkedBytes::Unknown, rest),
            "2" => {
                let (time, rest) = rest.split_once(':')?;
                let (checksum, origin) = rest.split_once(':')?;
                let bytes = match checksum {
                    SEALED => MarkedBytes::Sealed,
                    checksum => MarkedBytes::Checksum(Crc64::parse(checksum)?),
                };
                (Some(time.parse().ok()?), bytes, origin)
            }
            _ => return None,
        };
        Some(Self {
            origin: origin.to_owned(),
            etag: ETag::new(etag),
            fingerprint: Fingerprint(fingerprint.to_owned()),
            last_modified,
            bytes,
        })
    }
}

/// Stands for the checksum in a mark whose copy has it in a tag.
const SEALED: &str = "tag";

impl fmt::Display for Mark {
    /// Only characters that both a header and a tag take.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            etag,
            fingerprint,
            ..
        } = self;
        let checksum = match (self.bytes, self.last_modified) {
            (MarkedBytes::Unknown, _) | (_, None) => {
                return write!(f, "1:{fingerprint}:{etag}:{origin}");
            }
            (MarkedBytes::Checksum(checksum), _) => checksum.to_string(),
            (MarkedBytes::Sealed, _) => SEALED.to_owned(),
        };
        let time = self.last_modified.unwrap_or_default();
        write!(f, "2:{fingerprint}:{etag}:{time}:{checksum}:{origin}")
    }
}

/// What a tag says of the bytes of a copy that went over in parts, once they were put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Of all its bytes.
    pub checksum: Crc64,
    /// The backup's ETag of the copy, where the store told one: for stores that keep no checksum.
    pub etag: Option<ETag>,
}

impl Seal {
    /// Name of the tag.
    pub const NAME: &'static str = "hookwork-checksum";

    /// Reads `<crc64nvme>:<etag>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (checksum, etag) = text.split_once(':')?;
        Some(Self {
            checksum: Crc64::parse(checksum)?,
            etag: Some(ETag::new(etag)).filter(|etag| !etag.0.is_empty()),
        })
    }
}

impl fmt::Display for Seal {
    /// Only characters that a tag takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let etag = self
            .etag
            .as_ref()
            .map(Mark::spelled)
            .unwrap_or(ETag(String::new()));
        write!(f, "{}:{etag}", self.checksum)
    }
}

impl Properties {
    /// The mark, if these are the properties of one of our copies.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        self.metadata
            .get(Mark::NAME)
            .or_else(|| self.tags.get(Mark::NAME))
            .and_then(|value| Mark::parse(value))
    }

    /// The seal, if its tag is among these.
    #[must_use]
    pub fn seal(&self) -> Option<Seal> {
        self.tags
            .get(Seal::NAME)
            .and_then(|value| Seal::parse(value))
    }

    /// The same without what we add to a copy.
    #[must_use]
    pub fn unmarked(mut self) -> Self {
        for name in [Mark::NAME, Seal::NAME] {
            self.metadata.remove(name);
            self.tags.remove(name);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn state() -> ObjectState {
        ObjectState {
            etag: ETag::new("\"abc\""),
            size: 3,
            last_modified: 1,
            properties: Properties::default(),
        }
    }

    #[test]
    fn a_mark_reads_back() {
        let checksum = Crc64::of(&[Bytes::from_static(b"123456789")]);
        for bytes in [MarkedBytes::Checksum(checksum), MarkedBytes::Sealed] {
            let mark = Mark::of("mcs1/bucket:x", &state(), bytes);
            assert_eq!(Mark::parse(&mark.to_string()), Some(mark.clone()));
            assert!(mark.is_of(&state()));
        }
        let mark = Mark::of("mcs1/bucket", &state(), MarkedBytes::Checksum(checksum));
        let fingerprint = state().fingerprint();
        let golden = format!("2:{fingerprint}:abc:1:rosUhgp5mIg=:mcs1/bucket");
        assert_eq!(mark.to_string(), golden);
        for wrong in [
            "something else",
            "2:a:b:c",
            "2:a:b:1:rosUhgp5mA==:o",
            "2:a:b:x:tag:o",
            "3:a:b:1:tag:o",
            "1:a:b",
        ] {
            assert_eq!(Mark::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_mark_of_the_first_version_is_read() {
        let mark = Mark::parse("1:f:abc:mcs1/bucket:x").unwrap();
        assert_eq!(mark.to_string(), "1:f:abc:mcs1/bucket:x");
        assert_eq!(
            (mark.last_modified, mark.bytes),
            (None, MarkedBytes::Unknown)
        );
        assert!(mark.names_bytes_of(&state()) && !mark.is_of(&state()));
    }

    #[test]
    fn a_seal_reads_back() {
        let checksum = Crc64::of(&[Bytes::from_static(b"123456789")]);
        for etag in [None, Some(ETag::new("abc-3"))] {
            let seal = Seal { checksum, etag };
            assert_eq!(Seal::parse(&seal.to_string()), Some(seal.clone()));
        }
        assert_eq!(Seal::parse("rosUhgp5mIg="), None);
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
            let mark = Mark::of("mcs1/bucket", &state, MarkedBytes::Sealed);
            assert_eq!(Mark::parse(&mark.to_string()), Some(mark.clone()));
            assert!(mark.to_string().len() < 140);
            marks.push(mark.etag.0);
        }
        marks.sort();
        marks.dedup();
        assert_eq!(marks.len(), 8, "and keeps them apart: {marks:?}");
    }
}
