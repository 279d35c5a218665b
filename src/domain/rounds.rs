//! One reconcile of one key without its calls: what to do next, and what each answer means. Pure, so that the very
//! machine that runs is the one whose every interleaving is checked.
//!
//! Each step holds what may follow it, and nothing else does: no write without a look, no end without the look after it.

use super::job::Outcome;
use super::mark::Mark;
use super::object::{ETag, Fingerprint, ObjectState, Properties};
use super::reconcile::{Action, BackupState, Condition, OriginState, Rules, decide};
use std::time::Duration;

/// How often a reconcile looks and decides before it gives up, because something moves under it each time.
pub const ROUNDS: u32 = 6;

/// What is to be done next.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
pub enum Step<'a> {
    /// Look at both sides; neither's state depends on the other's.
    Look(Look<'a>),
    /// Change the backup, with one call that takes effect at most once.
    Write(Write, Writing<'a>),
    /// Look at the origin once more.
    LookAgain(LookAgain<'a>),
    /// The backup was right at some moment since the first look.
    Ended {
        /// What was done.
        outcome: Outcome,
        /// Why nothing was, where the backup has something that was left.
        left: Option<&'static str>,
    },
    /// The backup is left as it is, since what would have to be done is not ours to do.
    Refused(Refusal),
    /// Something moved in every round: another attempt may mend it.
    Contended,
}

/// Why a backup is left as it is, which no other attempt mends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Under the key are other bytes, which are no copy of this origin's.
    Foreign,
    /// Origin and backup show one and the same object.
    SameObject,
}

/// A change of the backup.
#[derive(Debug)]
pub enum Write {
    /// Copy the bytes of this state.
    Copy {
        /// The state as the origin has it.
        state: ObjectState,
        /// What must still hold of the backup.
        condition: Condition,
    },
    /// Write the properties anew, in place.
    Adopt {
        /// What must still be there.
        etag: ETag,
        /// The properties as the origin has them.
        properties: Properties,
        /// What the copy says of itself.
        mark: Mark,
    },
    /// Remove the copy.
    Delete {
        /// What must still be there.
        etag: ETag,
    },
}

/// Why a write failed, as far as it matters to what follows.
#[derive(Debug)]
pub enum Failure<E> {
    /// Nothing was written and nothing will be: a condition did not hold, another request got in between, the store is
    /// busy, or what was to be changed is gone.
    Nothing,
    /// The store does not do this at all; nothing was written.
    Refused(E),
    /// It may have taken effect, or may yet.
    Unknown(E),
}

/// What all rounds share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rounds<'a> {
    rules: Rules<'a>,
    round: u32,
    /// Whether the store is known to refuse a copy in place.
    refuses_in_place: bool,
    /// What was done so far.
    outcome: Outcome,
}

/// Both sides are to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look<'a>(Rounds<'a>);

/// A write is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Writing<'a> {
    rounds: Rounds<'a>,
    seen: Option<Fingerprint>,
    in_place: bool,
    /// The outcome, should it succeed.
    outcome: Outcome,
}

/// A write succeeded, and the origin is to be looked at again: conditions see only the backup, this look sees whether the
/// origin moved between the first look and the write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LookAgain<'a> {
    rounds: Rounds<'a>,
    seen: Option<Fingerprint>,
}

/// Begins a reconcile by these rules.
#[must_use]
pub fn begin(rules: Rules<'_>) -> Step<'_> {
    Step::Look(Look(Rounds {
        rules,
        round: 0,
        refuses_in_place: false,
        outcome: Outcome::Unchanged,
    }))
}

impl<'a> Rounds<'a> {
    fn start_over(self) -> Step<'a> {
        let round = self.round + 1;
        if round < ROUNDS {
            Step::Look(Look(Rounds { round, ..self }))
        } else {
            Step::Contended
        }
    }

    fn ended(self, left: Option<&'static str>) -> Step<'a> {
        Step::Ended {
            outcome: self.outcome,
            left,
        }
    }
}

impl<'a> Look<'a> {
    /// How long to wait before this look: longer from round to round.
    #[must_use]
    pub fn pause(&self) -> Duration {
        Duration::from_millis(50) * (self.0.round * self.0.round)
    }

    /// Decides on what was seen.
    #[must_use]
    pub fn looked(self, seen: OriginState, backup: &BackupState) -> Step<'a> {
        let Self(rounds) = self;
        let action = match decide(&rounds.rules, &seen, backup) {
            Action::Adopt { etag, .. } if rounds.refuses_in_place => {
                Action::Copy(Condition::Unchanged(etag))
            }
            action => action,
        };
        let (write, outcome) = match (action, &seen) {
            (Action::Copy(condition), OriginState::Present(state, _)) => (
                Write::Copy {
                    state: state.clone(),
                    condition,
                },
                Outcome::Copied,
            ),
            (Action::Adopt { etag, bytes }, OriginState::Present(state, _)) => (
                Write::Adopt {
                    etag,
                    properties: state.properties.clone(),
                    mark: Mark::of(rounds.rules.origin, state, bytes),
                },
                Outcome::Copied,
            ),
            (Action::Delete(etag), OriginState::Absent(_)) => {
                (Write::Delete { etag }, Outcome::Deleted)
            }
            (Action::Keep, _) => return rounds.ended(None),
            (Action::LeaveForeign, _) => {
                return rounds.ended(Some("not marked as a copy of this origin"));
            }
            (Action::LeaveKept, _) => return rounds.ended(Some("deletes: keep")),
            (Action::LeaveReplica, _) => {
                let outcome = Outcome::Ignored;
                return Rounds { outcome, ..rounds }.ended(Some("a copy that hookwork made"));
            }
            (Action::RefuseForeign, _) => return Step::Refused(Refusal::Foreign),
            (Action::RefuseSame, _) => return Step::Refused(Refusal::SameObject),
            (Action::Copy(_) | Action::Adopt { .. }, OriginState::Absent(_))
            | (Action::Delete(_), OriginState::Present(..)) => {
                unreachable!("what is there is copied, what is not is removed")
            }
        };
        let writing = Writing {
            rounds,
            seen: fingerprint(&seen),
            in_place: matches!(write, Write::Adopt { .. }),
            outcome,
        };
        Step::Write(write, writing)
    }
}

impl<'a> Writing<'a> {
    /// The round, from 0.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.rounds.round
    }

    /// What the write's answer leads to.
    ///
    /// # Errors
    /// Nobody knows whether it took effect. It is never started over in place: it may land after the next look.
    pub fn written<E>(self, answer: Result<(), Failure<E>>) -> Result<Step<'a>, E> {
        let Self { rounds, seen, .. } = self;
        match answer {
            Ok(()) => {
                let rounds = Rounds {
                    outcome: self.outcome,
                    ..rounds
                };
                Ok(Step::LookAgain(LookAgain { rounds, seen }))
            }
            Err(Failure::Nothing) => Ok(rounds.start_over()),
            Err(Failure::Refused(_)) if self.in_place => Ok(Rounds {
                refuses_in_place: true,
                ..rounds
            }
            .start_over()),
            Err(Failure::Refused(error) | Failure::Unknown(error)) => Err(error),
        }
    }
}

impl<'a> LookAgain<'a> {
    /// The round, from 0.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.rounds.round
    }

    /// Ends if the origin is as it was before the write, and starts over if it moved.
    #[must_use]
    pub fn looked(self, now: &OriginState) -> Step<'a> {
        if fingerprint(now) == self.seen {
            self.rounds.ended(None)
        } else {
            self.rounds.start_over()
        }
    }
}

fn fingerprint(seen: &OriginState) -> Option<Fingerprint> {
    seen.state().map(ObjectState::fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reconcile::{Absence, BackupObject, NoSuchKey, NotListed};

    fn here(etag: &str) -> OriginState {
        let state = ObjectState {
            etag: ETag::new(etag),
            size: 3,
            last_modified: 1,
            properties: Properties::default(),
        };
        OriginState::Present(state, None)
    }

    fn rules() -> Rules<'static> {
        Rules {
            origin: "b",
            ..Rules::default()
        }
    }

    fn gone() -> OriginState {
        OriginState::Absent(Absence::proven(NoSuchKey(()), NotListed(())))
    }

    /// An object that is nobody's copy.
    fn plain(etag: &str) -> BackupState {
        BackupState::Present(BackupObject {
            etag: ETag::new(etag),
            size: 3,
            last_modified: None,
            checksum: None,
            properties: Properties::default(),
            tags_read: true,
            tag_count: None,
        })
    }

    fn looked<'a>(step: Step<'a>, seen: OriginState, backup: &BackupState) -> (Write, Writing<'a>) {
        let Step::Look(look) = step else {
            panic!("{step:?}")
        };
        match look.looked(seen, backup) {
            Step::Write(write, writing) => (write, writing),
            step => panic!("{step:?}"),
        }
    }

    fn written<'a>(writing: Writing<'a>, answer: Result<(), Failure<&'static str>>) -> Step<'a> {
        writing.written(answer).unwrap()
    }

    #[test]
    fn ends_only_after_a_look_that_finds_the_origin_as_it_was() {
        let step = begin(rules());
        let (write, writing) = looked(step, here("1"), &BackupState::Absent);
        assert!(matches!(
            &write,
            Write::Copy {
                condition: Condition::Absent,
                ..
            }
        ));
        let Step::LookAgain(again) = written(writing, Ok(())) else {
            panic!("no look after the write")
        };
        for (now, ends) in [(here("1"), true), (here("2"), false), (gone(), false)] {
            match again.clone().looked(&now) {
                Step::Ended { outcome, left } => {
                    assert!(ends, "{now:?}");
                    assert_eq!((outcome, left), (Outcome::Copied, None));
                }
                Step::Look(look) => {
                    assert!(!ends && look.pause() > Duration::ZERO, "{now:?}");
                }
                step => panic!("{step:?}"),
            }
        }
    }

    #[test]
    fn starts_over_only_where_nothing_was_written() {
        let write = || looked(begin(rules()), here("1"), &BackupState::Absent).1;
        assert!(matches!(
            written(write(), Err(Failure::Nothing)),
            Step::Look(_)
        ));
        assert_eq!(
            write().written(Err(Failure::Unknown("?"))).unwrap_err(),
            "?"
        );
        assert_eq!(
            write().written(Err(Failure::Refused("no"))).unwrap_err(),
            "no"
        );
    }

    #[test]
    fn copies_where_the_store_refuses_to_copy_in_place() {
        let (write, writing) = looked(begin(rules()), here("1"), &plain("1"));
        assert!(matches!(write, Write::Adopt { .. }));
        let step = written(writing, Err(Failure::Refused("501")));
        let (write, _) = looked(step, here("1"), &plain("1"));
        assert!(
            matches!(write, Write::Copy { condition: Condition::Unchanged(etag), .. } if etag == ETag::new("1"))
        );
    }

    #[test]
    fn gives_up_after_six_rounds() {
        let mut step = begin(rules());
        for round in 0..ROUNDS {
            let (_, writing) = looked(step, here("1"), &BackupState::Absent);
            step = written(writing, Err(Failure::Nothing));
            assert_eq!(matches!(step, Step::Contended), round + 1 == ROUNDS);
        }
    }
}
