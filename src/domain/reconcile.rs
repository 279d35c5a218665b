//! Decides what makes the backup of one key right. Pure, and every pair of states is on one screen.

use super::object::{ETag, Mark, ObjectState};

/// Proof that the origin has no such object.
///
/// A HEAD's 404 is no proof: it may mean that the bucket is gone, and without the right to list, a missing key reads 403.
/// So the only way to make one is from two independent observations.
#[derive(Debug, PartialEq, Eq)]
pub struct Absence(());

/// A read of the key was answered with the code `NoSuchKey`. Only the client that read it makes one.
#[derive(Debug)]
pub struct NoSuchKey(pub(crate) ());

/// A bucket that answered listed everything that starts with the key, and the key was not there. Only the client that
/// listed makes one.
#[derive(Debug)]
pub struct NotListed(pub(crate) ());

impl Absence {
    /// Two observations that agree.
    #[must_use]
    pub fn proven(_: NoSuchKey, _: NotListed) -> Self {
        Self(())
    }
}

/// What was seen of a key in the origin.
#[derive(Debug)]
pub enum OriginState {
    /// It is there, and this is its state.
    Present(ObjectState),
    /// It is proven not to be there.
    Absent(Absence),
}

impl OriginState {
    /// The object's state, if it is there.
    #[must_use]
    pub fn state(&self) -> Option<&ObjectState> {
        match self {
            Self::Present(state) => Some(state),
            Self::Absent(_) => None,
        }
    }
}

/// What was seen of a key in the backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupState {
    /// It is there.
    Present {
        /// Identity of what is there: the condition of every change.
        etag: ETag,
        /// Its length in bytes.
        size: u64,
        /// What it says it is a copy of.
        mark: Option<Mark>,
    },
    /// It is not there.
    Absent,
}

/// Whether removals reach the backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Deletes {
    /// What is gone from the origin is removed from the backup.
    #[default]
    Mirror,
    /// Nothing is ever removed.
    Keep,
}

/// The condition of a write: the backup is still as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match: <etag>`.
    Unchanged(ETag),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The backup is right.
    Keep,
    /// Copy bytes and properties.
    Copy(Condition),
    /// The bytes are right: write the properties and the mark anew, in place.
    Adopt(ETag),
    /// Remove it, if it is still as it was seen.
    Delete(ETag),
    /// The origin has none, but what the backup has is not ours to delete.
    LeaveForeign,
    /// The origin has none, and the setting keeps what was copied.
    LeaveKept,
}

/// A copy in place takes objects up to this size (S3's limit for one CopyObject).
pub const ADOPT_MAX: u64 = 5 << 30;

/// What makes the backup of this key right. `origin` is the origin bucket as a mark names it.
#[must_use]
pub fn decide(origin: &str, deletes: Deletes, seen: &OriginState, backup: &BackupState) -> Action {
    let ours = |mark: &Option<Mark>| mark.as_ref().filter(|mark| mark.origin == origin).cloned();
    match (seen, backup) {
        (OriginState::Absent(_), BackupState::Absent) => Action::Keep,
        (OriginState::Absent(_), BackupState::Present { etag, mark, .. }) => {
            match (ours(mark), deletes) {
                (None, _) => Action::LeaveForeign,
                (Some(_), Deletes::Keep) => Action::LeaveKept,
                (Some(_), Deletes::Mirror) => Action::Delete(etag.clone()),
            }
        }
        (OriginState::Present(_), BackupState::Absent) => Action::Copy(Condition::Absent),
        (OriginState::Present(state), BackupState::Present { etag, size, mark }) => {
            let mark = ours(mark);
            let right = Mark::of(origin, state);
            // A marked copy's own ETag may differ from the origin's (other part sizes), so its mark tells which bytes it has.
            let same_bytes =
                *size == state.size && mark.as_ref().map_or(etag, |mark| &mark.etag) == &right.etag;
            match mark {
                Some(mark) if mark == right && *size == state.size => Action::Keep,
                _ if same_bytes && state.size <= ADOPT_MAX => Action::Adopt(etag.clone()),
                _ => Action::Copy(Condition::Unchanged(etag.clone())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::object::Properties;

    fn origin(etag: &str, modified: i64) -> ObjectState {
        ObjectState {
            etag: ETag::new(etag),
            size: 3,
            last_modified: modified,
            properties: Properties::default(),
        }
    }

    fn copy_of(bucket: &str, state: &ObjectState) -> BackupState {
        BackupState::Present {
            etag: ETag::new("own"),
            size: state.size,
            mark: Some(Mark::of(bucket, state)),
        }
    }

    fn gone() -> OriginState {
        OriginState::Absent(Absence::proven(NoSuchKey(()), NotListed(())))
    }

    #[test]
    fn every_pair_of_states() {
        let (v1, v2, touched) = (origin("1", 1), origin("2", 2), origin("1", 9));
        let own = || ETag::new("own");
        let unmarked = |etag: &str, size| BackupState::Present {
            etag: ETag::new(etag),
            size,
            mark: None,
        };
        let shrunk = BackupState::Present {
            etag: own(),
            size: 2,
            mark: Some(Mark::of("b", &v1)),
        };
        let here = |state: &ObjectState| OriginState::Present(state.clone());
        let big = ObjectState {
            size: ADOPT_MAX + 1,
            ..touched.clone()
        };
        let cases = [
            (gone(), BackupState::Absent, Action::Keep),
            (gone(), copy_of("b", &v1), Action::Delete(own())),
            (gone(), copy_of("another", &v1), Action::LeaveForeign),
            (gone(), unmarked("1", 3), Action::LeaveForeign),
            (
                here(&v1),
                BackupState::Absent,
                Action::Copy(Condition::Absent),
            ),
            (here(&v1), copy_of("b", &v1), Action::Keep),
            (
                here(&v2),
                copy_of("b", &v1),
                Action::Copy(Condition::Unchanged(own())),
            ),
            (here(&touched), copy_of("b", &v1), Action::Adopt(own())),
            (
                here(&v1),
                copy_of("another", &v1),
                Action::Copy(Condition::Unchanged(own())),
            ),
            (here(&v1), unmarked("1", 3), Action::Adopt(ETag::new("1"))),
            (
                here(&v1),
                unmarked("1", 4),
                Action::Copy(Condition::Unchanged(ETag::new("1"))),
            ),
            (
                here(&v1),
                unmarked("2", 3),
                Action::Copy(Condition::Unchanged(ETag::new("2"))),
            ),
            (here(&v1), shrunk, Action::Copy(Condition::Unchanged(own()))),
            (
                here(&big),
                BackupState::Present {
                    etag: own(),
                    size: big.size,
                    mark: Some(Mark::of(
                        "b",
                        &ObjectState {
                            last_modified: 1,
                            ..big.clone()
                        },
                    )),
                },
                Action::Copy(Condition::Unchanged(own())),
            ),
        ];
        for (seen, backup, action) in cases {
            assert_eq!(
                decide("b", Deletes::Mirror, &seen, &backup),
                action,
                "{seen:?} {backup:?}"
            );
        }
        assert_eq!(
            decide("b", Deletes::Keep, &gone(), &copy_of("b", &v1)),
            Action::LeaveKept
        );
    }

    proptest::proptest! {
        #[test]
        fn what_was_done_once_needs_nothing_more(etag in "[0-9a-f]{4}", size in 0u64..10, modified in 0i64..3, own in "[0-9a-f]{4}", marked in 0u8..3) {
            let state = ObjectState { size, ..origin(&etag, modified) };
            let mark = match marked {
                0 => None,
                1 => Some(Mark::of("b", &origin("1", 1))),
                _ => Some(Mark::of("another", &state)),
            };
            let before = BackupState::Present { etag: ETag::new(&own), size: 3, mark };
            for before in [before, BackupState::Absent] {
                let action = decide("b", Deletes::Mirror, &OriginState::Present(state.clone()), &before);
                let after = match action {
                    // In place: the bytes stay, the mark is new.
                    Action::Adopt(_) => match &before {
                        BackupState::Present { etag, size, .. } => BackupState::Present { etag: etag.clone(), size: *size, mark: Some(Mark::of("b", &state)) },
                        BackupState::Absent => unreachable!("nothing to adopt"),
                    },
                    Action::Copy(_) => copy_of("b", &state),
                    Action::Keep => before.clone(),
                    other => panic!("{other:?}"),
                };
                let again = decide("b", Deletes::Mirror, &OriginState::Present(state.clone()), &after);
                proptest::prop_assert_eq!(again, Action::Keep);
            }
        }
    }
}
