//! In what a key's backup differs from its original, in the words of a report. What follows from it is the mirror's to decide;
//! this only names what it would decide. Pure.

use super::reconcile::{Action, BackupObject, BackupState, Condition};
use serde::Serialize;

/// How an origin and its backup differ in one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// The origin alone has it.
    Missing,
    /// Both have it, and the origin has other bytes since.
    Bytes,
    /// Both have it, and the copy was changed in the backup: its bytes are not those that were copied.
    Damaged,
    /// The same bytes, other content headers, metadata or tags, or written again since.
    Properties,
    /// The same bytes, without our mark: a copy that something else made, and that the mirror would adopt.
    Unmarked,
    /// A copy whose original is gone.
    Removed,
    /// The same, and the rule keeps it.
    Kept,
    /// The backup alone has it, and it is nobody's copy of this origin: it is left alone.
    Foreign,
    /// Both have it, and the backup's has other bytes and is nobody's copy of this origin: it is not overwritten.
    Refused,
    /// It could not be looked at.
    Unreadable,
}

impl Difference {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 10] = [
        Self::Missing,
        Self::Bytes,
        Self::Damaged,
        Self::Properties,
        Self::Unmarked,
        Self::Removed,
        Self::Kept,
        Self::Foreign,
        Self::Refused,
        Self::Unreadable,
    ];

    /// What an action of the mirror makes good; none where nothing is wrong. `origin` is the origin bucket as a mark names it.
    #[must_use]
    pub fn of(action: &Action, origin: &str, backup: &BackupState) -> Option<Self> {
        let copy = match backup {
            BackupState::Present(copy) => Some(copy),
            BackupState::Absent => None,
        };
        let mark = copy.and_then(BackupObject::mark);
        let ours = mark.filter(|mark| mark.origin == origin);
        let damaged = || Some(!copy?.is_intact(ours.as_ref()?));
        Some(match action {
            Action::Keep | Action::LeaveReplica => return None,
            Action::Copy(Condition::Absent) => Self::Missing,
            Action::Copy(Condition::Unchanged(_)) if damaged() == Some(true) => Self::Damaged,
            Action::Copy(Condition::Unchanged(_)) => Self::Bytes,
            Action::Adopt { .. } if ours.is_some() => Self::Properties,
            Action::Adopt { .. } => Self::Unmarked,
            Action::RefuseForeign | Action::RefuseSame => Self::Refused,
            Action::Delete(_) => Self::Removed,
            Action::LeaveKept => Self::Kept,
            Action::LeaveForeign => Self::Foreign,
        })
    }

    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Bytes => "bytes",
            Self::Damaged => "damaged",
            Self::Properties => "properties",
            Self::Unmarked => "unmarked",
            Self::Removed => "removed",
            Self::Kept => "kept",
            Self::Foreign => "foreign",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
        }
    }

    /// What the mirror would do about it, in one word; none where it leaves the key alone.
    #[must_use]
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::Bytes | Self::Damaged => Some("copy"),
            Self::Properties | Self::Unmarked => Some("mark"),
            Self::Removed => Some("remove"),
            Self::Kept | Self::Foreign | Self::Refused | Self::Unreadable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::checksum::Crc64;
    use crate::domain::mark::{Mark, MarkedBytes};
    use crate::domain::object::{ETag, Properties};
    use bytes::Bytes;

    #[test]
    fn every_action_has_its_name() {
        let object = |origin: &str, told: &'static str| {
            let checksum = Crc64::of(&[Bytes::from_static(b"bytes")]);
            let mark = format!("2:f:e:1:{checksum}:{origin}");
            BackupState::Present(BackupObject {
                etag: ETag::new("e"),
                size: 1,
                last_modified: None,
                checksum: Some(Crc64::of(&[Bytes::from_static(told.as_bytes())])),
                properties: Properties {
                    metadata: [(Mark::NAME.to_owned(), mark)].into(),
                    ..Properties::default()
                },
                tags_read: false,
                tag_count: None,
            })
        };
        let copy_of = |origin| object(origin, "bytes");
        let etag = || ETag::new("e");
        let adopt = || Action::Adopt {
            etag: etag(),
            bytes: MarkedBytes::Unknown,
        };
        let (ours, others) = (copy_of("vk/b"), copy_of("vk/c"));
        for (action, backup, expected) in [
            (Action::Keep, &ours, None),
            (
                Action::Copy(Condition::Absent),
                &BackupState::Absent,
                Some("missing"),
            ),
            (
                Action::Copy(Condition::Unchanged(etag())),
                &others,
                Some("bytes"),
            ),
            (
                Action::Copy(Condition::Unchanged(etag())),
                &ours,
                Some("bytes"),
            ),
            (
                Action::Copy(Condition::Unchanged(etag())),
                &object("vk/b", "others"),
                Some("damaged"),
            ),
            (adopt(), &ours, Some("properties")),
            (adopt(), &others, Some("unmarked")),
            (Action::LeaveReplica, &BackupState::Absent, None),
            (Action::RefuseForeign, &others, Some("refused")),
            (Action::RefuseSame, &ours, Some("refused")),
            (Action::Delete(etag()), &ours, Some("removed")),
            (Action::LeaveKept, &ours, Some("kept")),
            (Action::LeaveForeign, &others, Some("foreign")),
        ] {
            let found = Difference::of(&action, "vk/b", backup);
            assert_eq!(found.map(Difference::word), expected, "{action:?}");
        }
    }
}
