//! The proof: the shipped machine of a reconcile, walked through everything that can happen to one key within bounds.
//! `docs/proof.md` says what is shown and what came out; `make proof` makes it anew.

mod driver;
mod model;
mod runs;
mod stored;
mod view;
mod world;

use driver::Answer;
use stored::{Obj, TWIN};
use world::{Change, Name, Phase, Sight, World};

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// In one request.
    Whole,
    /// As an upload of two parts.
    Parts,
    /// As an upload that a ledger in the state bucket names, so that another worker goes on with it.
    Ledger,
}

/// The rules with one of them taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    NoConditionOnCreate,
    NoConditionOnReplace,
    NoConditionInPlace,
    NoConditionOnDelete,
    NoLookAfterWrite,
    NoLookAfterDelete,
    StartsOverAfterUnknown,
    TakesRefusalForSuccess,
    TrustsAny404,
    TrustsOneAnswer,
    TrustsOneAnswerAfterwards,
    ComparesETagsOnly,
    FingerprintWithoutTime,
    DeletesUnmarked,
    NoChecksum,
    NoProperties,
    TrustsWithoutSeal,
    OverwritesForeign,
    OverwritesAnothers,
    AdoptsByETag,
    NoCopyInsteadOfInPlace,
    NoRedelivery,
    RedeliversTooSoon,
    NoIfMatchOnRanges,
    NoAbort,
    LedgerNotCreateNew,
    LedgerUnchecked,
}

/// What can happen, and how often.
#[derive(Clone, Debug)]
struct Proof {
    mutant: Option<Mutant>,
    way: Way,
    workers: usize,
    hints: u8,
    /// Changes of the origin.
    changes: u8,
    /// Deaths, time-outs, lost answers, refusals, false and denied reads.
    faults: u8,
    /// Objects that somebody else puts into the backup under the key.
    strangers: u8,
    /// The rule `foreign` says `overwrite`.
    overwrites: bool,
    refuses_in_place: bool,
}

/// What somebody else does to the key in the backup.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stranger {
    /// Puts an object of his own.
    Unmarked,
    /// Puts other bytes and keeps the mark.
    OtherBytes,
    /// Changes the properties and keeps bytes and mark.
    OtherProperties,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    LooksAtOrigin,
    Lists,
    LooksAtBackup,
    IsDenied,
    IsToldNoSuchKeyFalsely,
    Carries,
    WriteLands,
    WriteLandsUnheard,
    WriteTimesOut,
    WriteIsRefused,
    CompletionIsAnsweredAsBefore,
    Dies,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Begins,
    ComesBack,
    Worker(Name, usize, Call),
    LateWriteLands(usize),
    LateWriteNeverLands(usize),
    OriginBecomes(Option<Obj>, u8),
    StrangerPuts(Stranger),
}

impl Proof {
    fn multipart(&self) -> bool {
        self.way != Way::Whole
    }

    fn ledger(&self) -> bool {
        self.way == Way::Ledger
    }

    fn calls(&self, world: &World, phase: &Phase, calls: &mut Vec<Call>) {
        let faults = world.faults > 0;
        let look = |origin: Sight, calls: &mut Vec<Call>| match origin {
            Sight::Not => {
                calls.push(Call::LooksAtOrigin);
                if faults {
                    calls.push(Call::IsDenied);
                    if world.origin.is_some() {
                        calls.push(Call::IsToldNoSuchKeyFalsely);
                    }
                }
            }
            Sight::NoKey => calls.push(Call::Lists),
            Sight::Gone | Sight::Here(_) => {}
        };
        match phase {
            Phase::Looking { origin, backup, .. } => {
                look(*origin, calls);
                if backup.is_none() {
                    calls.push(Call::LooksAtBackup);
                }
            }
            Phase::Again { origin, .. } => look(*origin, calls),
            Phase::Carrying { .. } => calls.push(Call::Carries),
            Phase::Sent { request, .. } => {
                if self.refuses_in_place && matches!(request.change, Change::Adopt(_)) {
                    calls.push(Call::WriteIsRefused);
                } else {
                    calls.push(Call::WriteLands);
                    if let Change::Complete(id, _) = request.change
                        && world.completed & (1 << id) != 0
                    {
                        calls.push(Call::CompletionIsAnsweredAsBefore);
                    }
                    if faults {
                        calls.push(Call::WriteIsRefused);
                        calls.push(Call::WriteLandsUnheard);
                        calls.push(Call::WriteTimesOut);
                    }
                }
            }
        }
        if faults {
            calls.push(Call::Dies);
        }
    }

    /// Nothing has changed and nothing has failed.
    fn undisturbed(&self, world: &World) -> bool {
        (world.changes, world.faults, world.strangers)
            == (self.changes, self.faults, self.strangers)
    }

    fn call(&self, world: &mut World, at: usize, call: Call) {
        let refused = self.refuses_in_place;
        let phase = &mut world.workers[at].phase;
        match (call, phase) {
            (Call::LooksAtOrigin, Phase::Looking { origin, .. }) => {
                *origin = match world.origin {
                    Some(of) => Sight::Here(of),
                    None if self.mutant == Some(Mutant::TrustsOneAnswer) => Sight::Gone,
                    None => Sight::NoKey,
                };
                self.looked(world, at);
            }
            (Call::Lists, Phase::Looking { origin, .. }) => {
                if world.origin.is_some() {
                    return self.fail(world, at);
                }
                *origin = Sight::Gone;
                self.looked(world, at);
            }
            (Call::LooksAtBackup, Phase::Looking { backup, .. }) => {
                *backup = Some(world.backup);
                self.looked(world, at);
            }
            (Call::LooksAtOrigin, Phase::Again { origin, .. }) => match world.origin {
                None if self.mutant != Some(Mutant::TrustsOneAnswerAfterwards) => {
                    *origin = Sight::NoKey;
                }
                now => self.looked_again(world, at, now),
            },
            (Call::Lists, Phase::Again { .. }) => match world.origin {
                Some(_) => self.fail(world, at),
                None => self.looked_again(world, at, None),
            },
            (Call::IsToldNoSuchKeyFalsely, Phase::Looking { origin, .. }) => {
                world.faults -= 1;
                *origin = if self.mutant == Some(Mutant::TrustsOneAnswer) {
                    Sight::Gone
                } else {
                    Sight::NoKey
                };
                self.looked(world, at);
            }
            (Call::IsToldNoSuchKeyFalsely, Phase::Again { origin, .. }) => {
                world.faults -= 1;
                *origin = Sight::NoKey;
                if self.mutant == Some(Mutant::TrustsOneAnswerAfterwards) {
                    self.looked_again(world, at, None);
                }
            }
            (Call::IsDenied, Phase::Looking { origin, .. })
                if self.mutant == Some(Mutant::TrustsAny404) =>
            {
                world.faults -= 1;
                *origin = Sight::Gone;
                self.looked(world, at);
            }
            (Call::IsDenied, _) => {
                world.faults -= 1;
                self.fail(world, at);
            }
            (Call::Carries, _) => self.carry(world, at),
            (Call::WriteLands | Call::WriteLandsUnheard, Phase::Sent { request, .. }) => {
                let request = *request;
                let answer = match (world.land(request), call) {
                    (_, Call::WriteLandsUnheard) => Answer::Unknown,
                    (true, _) => Answer::Done,
                    (false, _) => Answer::Nothing,
                };
                world.faults -= u8::from(call == Call::WriteLandsUnheard);
                self.answered(world, at, answer, false);
            }
            (Call::WriteTimesOut, _) => {
                world.faults -= 1;
                self.answered(world, at, Answer::Unknown, true);
            }
            (Call::WriteIsRefused, Phase::Sent { request, .. }) => {
                let in_place = refused && matches!(request.change, Change::Adopt(_));
                world.faults -= u8::from(!in_place);
                let answer = if in_place {
                    Answer::Refused
                } else {
                    Answer::Nothing
                };
                self.answered(world, at, answer, false);
            }
            (Call::CompletionIsAnsweredAsBefore, _) => {
                self.answered(world, at, Answer::Done, false);
            }
            (Call::Dies, phase) => {
                let phase = phase.clone();
                world.faults -= 1;
                self.dies(world, at, &phase);
            }
            (call, phase) => unreachable!("{call:?} {phase:?}"),
        }
    }

    fn dies(&self, world: &mut World, at: usize, phase: &Phase) {
        let unnoted = match phase {
            Phase::Carrying { stage, .. } => matches!(
                stage,
                world::Stage::LayDown(_) | world::Stage::Parts { noted: false, .. }
            ),
            Phase::Sent { request, noted, .. } => {
                matches!(request.change, Change::Complete(..)) && !noted
            }
            _ => false,
        };
        world.lost_upload |= unnoted;
        if let Phase::Sent { request, .. } = phase {
            world.workers.remove(at);
            self.orphan(world, *request, true);
        } else {
            self.fail(world, at);
        }
    }

    fn changes(&self, world: &World) -> impl Iterator<Item = (Option<Obj>, u8)> + use<> {
        let second = world.second;
        let of = |bytes, meta, second| {
            let of = Obj {
                bytes,
                meta,
                second,
            };
            (Some(of), second)
        };
        let mut all = Vec::new();
        // Two changes may fall into one second.
        for second in [second, second + 1] {
            match world.origin {
                Some(now) => {
                    all.push(of(if now.bytes == 2 { 1 } else { 2 }, 0, second));
                    all.push(of(now.bytes, 1 - now.meta, second));
                    // Within one second nothing tells these from one another.
                    if now.bytes == 1 && second > world.second && !self.multipart() {
                        all.push(of(TWIN, 0, second));
                    }
                }
                None => all.extend([of(1, 0, second), of(2, 0, second)]),
            }
        }
        if world.origin.is_some() {
            all.push((None, second));
        }
        all.into_iter()
    }
}
