//! What lies in the backup of the proof: bytes, properties, a mark that may tell the truth of them.

use crate::domain::checksum::Crc64;
use crate::domain::mark::{Mark, MarkedBytes, Seal};
use crate::domain::object::{ETag, ObjectState, Properties};
use crate::domain::reconcile::{BackupObject, BackupState};
use std::collections::BTreeMap;

/// One state that the origin has: which bytes, which metadata, which second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Obj {
    pub bytes: u8,
    pub meta: u8,
    pub second: u8,
}

impl Obj {
    pub(super) fn state(self) -> ObjectState {
        let meta = ("m".to_owned(), self.meta.to_string());
        ObjectState {
            etag: ETag::new(&format!("{0}{0}", name(self.bytes))),
            size: 3,
            last_modified: self.second.into(),
            properties: Properties {
                metadata: BTreeMap::from([meta]),
                ..Properties::default()
            },
        }
    }
}

/// The bytes of an object of two parts; in one piece both are of one state.
pub(super) type Bytes = [u8; 2];

/// An ETag as a condition takes it: which bytes, and whether they went over in parts. Bytes of one ETag are told apart here (A5).
pub(super) type Tag = (Bytes, bool);

/// Properties that no origin has.
pub(super) const SPOILT: u8 = 8;

/// The origin bucket as marks name it.
pub(super) const ORIGIN: &str = "o";
/// Another origin bucket.
const ANOTHER: &str = "p";

/// Other bytes than the origin's first ones, with the same ETag.
pub(super) const TWIN: u8 = 7;

/// The ETag of these bytes in one piece.
fn name(bytes: u8) -> u8 {
    if bytes == TWIN { 1 } else { bytes }
}

/// The checksum of these bytes.
pub(super) fn checksum(bytes: Bytes) -> Crc64 {
    Crc64::of(&[bytes::Bytes::copy_from_slice(&bytes)])
}

/// What a copy says of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Says {
    /// In its mark.
    Mark(Bytes),
    /// In a tag that is written after the bytes.
    Seal(Option<Bytes>),
}

/// What a copy says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Marked {
    pub of: Obj,
    pub ours: bool,
    pub says: Says,
}

/// What the backup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stored {
    pub bytes: Bytes,
    /// Its properties, whatever the mark says.
    pub meta: u8,
    pub mark: Option<Marked>,
}

impl Stored {
    /// A copy that this origin's mirror made in one piece.
    pub(super) fn copy(of: Obj) -> Self {
        let bytes = [of.bytes; 2];
        let says = Says::Mark(bytes);
        Self {
            bytes,
            meta: of.meta,
            mark: Some(Marked {
                of,
                ours: true,
                says,
            }),
        }
    }

    /// A copy of another origin's, or nobody's.
    pub(super) fn is_foreign(self) -> bool {
        self.mark.is_none_or(|mark| !mark.ours)
    }

    /// Whether it is foreign and nothing of this object's.
    pub(super) fn is_refused(self, of: Obj) -> bool {
        self.is_foreign() && (self.mark.is_some() || self.bytes != [of.bytes; 2])
    }

    /// Its ETag; that of a copy in parts is another one than the origin's.
    pub(super) fn tag(self) -> Tag {
        let parts = |mark: Marked| matches!(mark.says, Says::Seal(_));
        (self.bytes, self.mark.is_some_and(parts))
    }

    /// The same without its seal.
    pub(super) fn unsealed(mut self) -> Self {
        if let Some(Marked {
            says: Says::Seal(seal),
            ..
        }) = &mut self.mark
        {
            *seal = None;
        }
        self
    }

    /// As a look sees it.
    pub(super) fn state(self, view: impl Fn(Obj) -> Obj) -> BackupState {
        let (bytes, parts) = self.tag();
        let names = bytes.map(name);
        let prefix = if parts { "m" } else { "" };
        let mut properties = Properties {
            metadata: [("m".to_owned(), self.meta.to_string())].into(),
            ..Properties::default()
        };
        if let Some(mark) = self.mark {
            let (bytes, seal) = match mark.says {
                Says::Mark(bytes) => (MarkedBytes::Checksum(checksum(bytes)), None),
                Says::Seal(seal) => (MarkedBytes::Sealed, seal),
            };
            let origin = if mark.ours { ORIGIN } else { ANOTHER };
            let text = Mark::of(origin, &view(mark.of).state(), bytes).to_string();
            properties.metadata.insert(Mark::NAME.to_owned(), text);
            if let Some(bytes) = seal {
                let checksum = checksum(bytes);
                let seal = Seal {
                    checksum,
                    etag: None,
                };
                properties
                    .tags
                    .insert(Seal::NAME.to_owned(), seal.to_string());
            }
        }
        BackupState::Present(BackupObject {
            etag: ETag::new(&format!("{prefix}{}{}", names[0], names[1])),
            size: 3,
            last_modified: None,
            checksum: Some(checksum(self.bytes)),
            properties,
            tags_read: true,
            tag_count: None,
        })
    }
}
