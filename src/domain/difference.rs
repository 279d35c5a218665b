//! In what a key's backup differs from its original, in the words of a report. What follows from it is the mirror's to decide;
//! this only names what it would decide. Pure.

use super::reconcile::{Action, BackupState, Condition};
use serde::Serialize;

/// How an origin and its backup differ in one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// The origin alone has it.
    Missing,
    /// Both have it, with other bytes.
    Bytes,
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
    /// It could not be looked at.
    Unreadable,
}

impl Difference {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 8] = [
        Self::Missing,
        Self::Bytes,
        Self::Properties,
        Self::Unmarked,
        Self::Removed,
        Self::Kept,
        Self::Foreign,
        Self::Unreadable,
    ];

    /// What an action of the mirror makes good; none where nothing is wrong. `origin` is the origin bucket as a mark names it.
    #[must_use]
    pub fn of(action: &Action, origin: &str, backup: &BackupState) -> Option<Self> {
        let ours = matches!(backup, BackupState::Present { mark: Some(mark), .. } if mark.origin == origin);
        Some(match action {
            Action::Keep => return None,
            Action::Copy(Condition::Absent) => Self::Missing,
            Action::Copy(Condition::Unchanged(_)) => Self::Bytes,
            Action::Adopt(_) if ours => Self::Properties,
            Action::Adopt(_) => Self::Unmarked,
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
            Self::Properties => "properties",
            Self::Unmarked => "unmarked",
            Self::Removed => "removed",
            Self::Kept => "kept",
            Self::Foreign => "foreign",
            Self::Unreadable => "unreadable",
        }
    }

    /// What the mirror would do about it, in one word; none where it leaves the key alone.
    #[must_use]
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::Bytes => Some("copy"),
            Self::Properties | Self::Unmarked => Some("mark"),
            Self::Removed => Some("remove"),
            Self::Kept | Self::Foreign | Self::Unreadable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::object::{ETag, Fingerprint, Mark};

    #[test]
    fn every_action_has_its_name() {
        let copy_of = |origin: &str| BackupState::Present {
            etag: ETag::new("e"),
            size: 1,
            mark: Some(Mark {
                origin: origin.to_owned(),
                etag: ETag::new("e"),
                fingerprint: Fingerprint::parse("f"),
            }),
        };
        let etag = || ETag::new("e");
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
            (Action::Adopt(etag()), &ours, Some("properties")),
            (Action::Adopt(etag()), &others, Some("unmarked")),
            (Action::Delete(etag()), &ours, Some("removed")),
            (Action::LeaveKept, &ours, Some("kept")),
            (Action::LeaveForeign, &others, Some("foreign")),
        ] {
            let found = Difference::of(&action, "vk/b", backup);
            assert_eq!(found.map(Difference::word), expected, "{action:?}");
        }
    }
}
