//! The calls of a reconcile, as `mirror.rs` and `transfer.rs` make them, against the world: what is decided is decided by
//! the shipped machine. A mutant lacks one rule, here and nowhere else.

use super::stored::{Marked, Obj, Says, Stored, checksum};
use super::world::{Change, Cond, Name, Open, Phase, Request, Sight, Stage, Worker, World};
use super::{Mutant, Proof};
use crate::domain::reconcile::{BackupState, Condition, OriginState, wants_bytes};
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

impl Proof {
    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(super) fn start(&self, world: &mut World) {
        let name = world.next_name;
        world.next_name = Name(name.0 + 1);
        world.told = true;
        let at = world.workers.len();
        let Step::Look(machine) = begin(self.rules()) else {
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
            Some(stored) => self.shown(stored, sight.is_none()),
            None => BackupState::Absent,
        };
        let mut seen = self.seen(sight);
        // The look has opened all of a small object's bytes.
        let at_hand = !self.multipart() && !self.is(Mutant::AdoptsByETag);
        if at_hand
            && wants_bytes(&self.rules(), &seen, &state)
            && let (OriginState::Present(_, read), Some(of)) = (&mut seen, sight)
        {
            *read = Some(checksum([of.bytes; 2]));
        }
        let step = machine.looked(seen, &state);
        let Step::Write(write, machine) = step else {
            return self.follow(world, at, step);
        };
        let saw = backup.map(|stored| stored.bytes);
        let unchanged = backup.map_or(Cond::Absent, |stored| Cond::Is(stored.tag()));
        let (change, cond, lax) = match (write, sight) {
            (Write::Copy { condition, .. }, Some(of)) => match condition {
                Condition::Absent => (Change::Put(of), Cond::Absent, Mutant::NoConditionOnCreate),
                Condition::Unchanged(_) => {
                    (Change::Put(of), unchanged, Mutant::NoConditionOnReplace)
                }
            },
            (Write::Adopt { .. }, Some(of)) => {
                (Change::Adopt(of), unchanged, Mutant::NoConditionInPlace)
            }
            (Write::Delete { .. }, None) => {
                (Change::Delete, unchanged, Mutant::NoConditionOnDelete)
            }
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
            Step::Ended { .. } | Step::Refused(_) => {
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
            Some(Change::Complete(id, _)) => Some(id),
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
        if let (Some(Change::Complete(_, of)), Answer::Done) =
            (request.map(|request| request.change), answer)
        {
            let (ours, says) = (true, Says::Seal(None));
            let copied = Stored {
                bytes: [of.bytes; 2],
                meta: of.meta,
                mark: Some(Marked { of, ours, says }),
            };
            world.workers[at].phase = Phase::Sent {
                machine,
                request: Request {
                    change: Change::Seal(copied),
                    cond: Cond::Any,
                    saw: None,
                    proven: false,
                },
                noted: false,
            };
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
                        change: Change::Complete(upload, of),
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
