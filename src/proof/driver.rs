//! The calls of a reconcile, as `mirror.rs` and `transfer.rs` make them, against the world: what is decided is decided by
//! the shipped machine. A mutant lacks one rule, here and nowhere else.

use super::world::{
    Change, Cond, Name, ORIGIN, Obj, Open, Phase, Request, Sight, Stage, Worker, World,
};
use super::{Mutant, Proof};
use crate::domain::reconcile::{
    Absence, BackupState, Condition, Deletes, NoSuchKey, NotListed, OriginState,
};
use crate::domain::rounds::{Failure, Look, Step, Write, Writing, begin};

/// How the answer to a write comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// 412, 409, 503 `SlowDown`, `NoSuchUpload`.
    Nothing,
    /// The store does not do this.
    Refused,
    Unknown,
}

fn absent() -> OriginState {
    OriginState::Absent(Absence::proven(NoSuchKey(()), NotListed(())))
}

impl Proof {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// What a fingerprint covers of a state.
    fn view(&self, of: Obj) -> Obj {
        match self.mutant {
            Some(Mutant::ComparesETagsOnly) => Obj {
                meta: 0,
                second: 0,
                ..of
            },
            Some(Mutant::FingerprintWithoutTime) => Obj { second: 0, ..of },
            _ => of,
        }
    }

    fn seen(&self, sight: Option<Obj>) -> OriginState {
        sight.map_or_else(absent, |of| OriginState::Present(self.view(of).state()))
    }

    pub(super) fn start(&self, world: &mut World) {
        let name = world.next_name;
        world.next_name = Name(name.0 + 1);
        world.told = true;
        let at = world.workers.len();
        let Step::Look(machine) = begin(ORIGIN, Deletes::Mirror) else {
            unreachable!("a reconcile begins with a look")
        };
        let phase = looking(world, machine);
        world.workers.insert(at, Worker { name, phase });
    }

    /// One of the two looks came back.
    pub(super) fn looked(&self, world: &mut World, at: usize) {
        let Phase::Looking {
            machine,
            origin,
            backup,
            proven,
        } = world.workers[at].phase.clone()
        else {
            unreachable!("it looks")
        };
        let sight = match origin {
            Sight::Not | Sight::NoKey => return,
            Sight::Gone => None,
            Sight::Here(of) => Some(of),
        };
        let Some(backup) = backup else { return };
        let state = match backup {
            Some(stored) => {
                let mut shown = stored;
                if self.is(Mutant::DeletesUnmarked) && sight.is_none() {
                    shown.mark = shown.mark.or(Some(Obj {
                        bytes: 0,
                        meta: 0,
                        second: 0,
                    }));
                }
                shown.state(self.multipart(), |of| self.view(of))
            }
            None => BackupState::Absent,
        };
        let step = machine.looked(self.seen(sight), &state);
        let Step::Write(write, machine) = step else {
            return self.follow(world, at, step);
        };
        let saw = backup.map(|stored| stored.bytes);
        let (change, cond, lax) = match (write, sight) {
            (Write::Copy { condition, .. }, Some(of)) => match condition {
                Condition::Absent => (Change::Put(of), Cond::Absent, Mutant::NoConditionOnCreate),
                Condition::Unchanged(_) => (Change::Put(of), is(saw), Mutant::NoConditionOnReplace),
            },
            (Write::Adopt { .. }, Some(of)) => {
                (Change::Adopt(of), is(saw), Mutant::NoConditionInPlace)
            }
            (Write::Delete { .. }, None) => (Change::Delete, is(saw), Mutant::NoConditionOnDelete),
            (write, sight) => unreachable!("{write:?} {sight:?}"),
        };
        let cond = if self.is(lax) { Cond::Any } else { cond };
        world.workers[at].phase = match change {
            Change::Put(of) if self.multipart() => Phase::Carrying {
                machine,
                of,
                stage: if self.ledger() {
                    Stage::Ledger
                } else {
                    Stage::Create
                },
                cond,
                saw,
            },
            _ => Phase::Sent {
                machine,
                request: Request {
                    change,
                    cond,
                    saw,
                    proven,
                },
                noted: false,
            },
        };
    }

    /// Goes on as the machine says.
    pub(super) fn follow(&self, world: &mut World, at: usize, step: Step<'static>) {
        match step {
            Step::Look(machine) => world.workers[at].phase = looking(world, machine),
            Step::LookAgain(machine) => {
                world.workers[at].phase = Phase::Again {
                    machine,
                    origin: Sight::Not,
                };
            }
            Step::Ended { .. } => {
                world.workers.remove(at);
            }
            Step::Contended => {
                // Where others came in between, another attempt is due; where nobody did, there is no use.
                world.sins.gave_up |= self.undisturbed(world);
                self.fail(world, at);
            }
            Step::Write(..) => unreachable!("only a look leads to a write"),
        }
    }

    /// A look at the origin came back, with nothing where a proof of absence is.
    pub(super) fn looked_again(&self, world: &mut World, at: usize, now: Option<Obj>) {
        let Phase::Again { machine, .. } = world.workers[at].phase.clone() else {
            unreachable!("it looks again")
        };
        let step = machine.looked(&self.seen(now));
        self.follow(world, at, step);
    }

    /// The job is not acknowledged, and comes back.
    pub(super) fn fail(&self, world: &mut World, at: usize) {
        world.workers.remove(at);
        world.failed += u8::from(!self.is(Mutant::NoRedelivery));
    }

    /// The answer to a write came back, or will not.
    pub(super) fn answered(&self, world: &mut World, at: usize, answer: Answer, still: bool) {
        let (machine, request, noted) = match world.workers[at].phase.clone() {
            Phase::Sent {
                machine,
                request,
                noted,
            } => (machine, Some(request), noted),
            Phase::Carrying { machine, .. } => (machine, None, false),
            phase => unreachable!("{phase:?}"),
        };
        let upload = match request.map(|request| request.change) {
            Some(Change::Complete(id)) => Some(id),
            _ => None,
        };
        match (upload, answer) {
            (Some(id), Answer::Done) => {
                // Only the ledger that it found: another worker may have laid down a new one.
                world.ledger = world.ledger.filter(|(upload, _)| !noted || *upload != id);
            }
            (Some(id), _) if !noted => self.abort(world, id),
            _ => {}
        }
        let answer = match (answer, request) {
            (Answer::Nothing, _) if self.is(Mutant::TakesRefusalForSuccess) => Answer::Done,
            (Answer::Refused, _) if self.is(Mutant::NoCopyInsteadOfInPlace) => Answer::Nothing,
            (answer, _) => answer,
        };
        if answer == Answer::Unknown {
            let over = self.is(Mutant::StartsOverAfterUnknown);
            if still && let Some(request) = request {
                self.orphan(world, request, !over);
                if !over {
                    world.workers.remove(at);
                    return;
                }
            }
            let failure = if over {
                Failure::Nothing
            } else {
                Failure::Unknown(())
            };
            match machine.written(Err(failure)) {
                Ok(step) => self.follow(world, at, step),
                Err(()) => self.fail(world, at),
            }
            return;
        }
        self.went(world, at, machine, request, answer);
    }

    fn went(
        &self,
        world: &mut World,
        at: usize,
        machine: Writing<'static>,
        request: Option<Request>,
        answer: Answer,
    ) {
        let step = match answer {
            Answer::Done => machine.written::<()>(Ok(())),
            Answer::Nothing => machine.written(Err(Failure::Nothing)),
            _ => machine.written(Err(Failure::Refused(()))),
        };
        let removed = request.is_some_and(|request| request.change == Change::Delete);
        let blind = if removed {
            Mutant::NoLookAfterDelete
        } else {
            Mutant::NoLookAfterWrite
        };
        match step {
            Ok(Step::LookAgain(_)) if self.is(blind) => {
                world.workers.remove(at);
            }
            Ok(step) => self.follow(world, at, step),
            Err(()) => self.fail(world, at),
        }
    }

    /// A request whose worker does not wait for it any more.
    pub(super) fn orphan(&self, world: &mut World, request: Request, job: bool) {
        let job = job && !self.is(Mutant::NoRedelivery);
        let soon = job && self.is(Mutant::RedeliversTooSoon);
        world.failed += u8::from(soon);
        world.orphans.push((request, job && !soon));
    }

    fn abort(&self, world: &mut World, id: u8) {
        if !self.is(Mutant::NoAbort) {
            world.uploads.retain(|open| open.id != id);
        }
    }

    /// Makes the next call of an upload.
    pub(super) fn carry(&self, world: &mut World, at: usize) {
        let Phase::Carrying {
            machine,
            of,
            stage,
            cond,
            saw,
        } = world.workers[at].phase.clone()
        else {
            unreachable!("it carries")
        };
        let next = match stage {
            Stage::Ledger => match world.ledger {
                Some((upload, noted))
                    if self.view(noted) == self.view(of) || self.is(Mutant::LedgerUnchecked) =>
                {
                    if world.uploads.iter().all(|open| open.id != upload) {
                        world.ledger = None;
                        return self.answered(world, at, Answer::Nothing, false);
                    }
                    Stage::Parts {
                        upload,
                        noted: true,
                    }
                }
                Some((upload, _)) => {
                    self.abort(world, upload);
                    world.ledger = None;
                    Stage::Create
                }
                None => Stage::Create,
            },
            Stage::Create => {
                let id = world.next_upload;
                world.next_upload += 1;
                // The look has opened the first part.
                world.uploads.push(Open {
                    id,
                    of,
                    parts: [Some(of.bytes), None],
                });
                if self.ledger() {
                    Stage::LayDown(id)
                } else {
                    Stage::Parts {
                        upload: id,
                        noted: false,
                    }
                }
            }
            Stage::LayDown(id) => {
                if world.ledger.is_some() && !self.is(Mutant::LedgerNotCreateNew) {
                    self.abort(world, id);
                    return self.answered(world, at, Answer::Nothing, false);
                }
                world.ledger = Some((id, of));
                Stage::Parts {
                    upload: id,
                    noted: true,
                }
            }
            Stage::Parts { upload, noted } => {
                let Some(open) = world.uploads.iter_mut().find(|open| open.id == upload) else {
                    return self.answered(world, at, Answer::Nothing, false);
                };
                if open.parts[1].is_none() {
                    let lax = self.is(Mutant::NoIfMatchOnRanges);
                    match world.origin {
                        Some(now) if now.bytes == of.bytes || lax => {
                            open.parts[1] = Some(now.bytes);
                        }
                        _ => {
                            if !noted {
                                self.abort(world, upload);
                            }
                            return self.answered(world, at, Answer::Nothing, false);
                        }
                    }
                }
                world.workers[at].phase = Phase::Sent {
                    machine,
                    request: Request {
                        change: Change::Complete(upload),
                        cond,
                        saw,
                        proven: false,
                    },
                    noted,
                };
                return;
            }
        };
        world.workers[at].phase = Phase::Carrying {
            machine,
            of,
            stage: next,
            cond,
            saw,
        };
    }
}

fn looking(world: &World, machine: Look<'static>) -> Phase {
    Phase::Looking {
        machine,
        origin: Sight::Not,
        backup: None,
        proven: world.origin.is_none(),
    }
}

fn is(saw: Option<[u8; 2]>) -> Cond {
    saw.map_or(Cond::Absent, Cond::Is)
}
