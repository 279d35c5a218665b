//! The world that a reconcile is proven in: one key, its origin, its backup, and every request that is still on its way.

use super::stored::{Bytes, Marked, Obj, SPOILT, Says, Stored, Tag};
use crate::domain::rounds::{Look, LookAgain, Writing};
use std::hash::{Hash, Hasher};

/// What a write asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Cond {
    Any,
    Absent,
    Is(Tag),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Change {
    Put(Obj),
    Complete(u8, Obj),
    /// What the copy's bytes are, as a tag: it has no condition.
    Seal(Stored),
    Adopt(Obj),
    Delete,
}

/// A request on its way to the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Request {
    pub change: Change,
    pub cond: Cond,
    /// What its worker saw in the backup.
    pub saw: Option<Bytes>,
    /// Whether the origin had no such object at some moment of its worker's look.
    pub proven: bool,
}

/// What a worker knows of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sight {
    Not,
    /// A read was answered `NoSuchKey`; the listing is to come.
    NoKey,
    /// Proven.
    Gone,
    Here(Obj),
}

/// The next call of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// With a state bucket: is there a ledger?
    Ledger,
    Create,
    LayDown(u8),
    Parts {
        upload: u8,
        noted: bool,
    },
}

/// Where a worker stands. The machine in it is the shipped one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Looking {
        machine: Look<'static>,
        origin: Sight,
        backup: Option<Option<Stored>>,
        proven: bool,
    },
    Carrying {
        machine: Writing<'static>,
        of: Obj,
        stage: Stage,
        cond: Cond,
        saw: Option<Bytes>,
    },
    Sent {
        machine: Writing<'static>,
        request: Request,
        noted: bool,
    },
    Again {
        machine: LookAgain<'static>,
        origin: Sight,
    },
}

/// A name for the reader: it makes no difference between states.
#[derive(Clone, Copy)]
pub(super) struct Name(pub u8);

impl PartialEq for Name {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", char::from(b'A' + self.0))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Worker {
    pub name: Name,
    pub phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Open {
    pub id: u8,
    pub of: Obj,
    pub parts: [Option<u8>; 2],
}

/// What must never happen, and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sins {
    pub deleted_unproven: bool,
    pub deleted_foreign: bool,
    pub replaced_unseen: bool,
    pub replaced_foreign: bool,
    pub torn: bool,
    pub gave_up: bool,
    pub regressed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub origin: Option<Obj>,
    pub second: u8,
    pub backup: Option<Stored>,
    pub uploads: Vec<Open>,
    pub next_upload: u8,
    /// The uploads that were completed, a bit each: some stores answer a repeated completion as they answered the first.
    pub completed: u16,
    /// The upload and the state that the ledger names.
    pub ledger: Option<(u8, Obj)>,
    pub workers: Vec<Worker>,
    pub next_name: Name,
    /// Requests whose worker is gone, and whether a job waits for them to settle before it comes back.
    pub orphans: Vec<(Request, bool)>,
    /// Jobs that failed and come back.
    pub failed: u8,
    pub hints: u8,
    pub changes: u8,
    pub faults: u8,
    pub strangers: u8,
    /// Whether foreign objects are replaced.
    pub overwrites: bool,
    /// Whether a reconcile has begun since the origin changed last.
    pub told: bool,
    /// All was acknowledged and right, and nothing has changed the origin since.
    pub settled: bool,
    /// A worker died with an upload that no ledger names: the bucket's lifecycle rule drops it.
    pub lost_upload: bool,
    pub sins: Sins,
}

impl World {
    /// Nothing is under way: every job has been acknowledged, every request has taken effect or never will.
    pub(super) fn quiet(&self) -> bool {
        self.workers.is_empty() && self.failed == 0 && self.orphans.is_empty()
    }

    /// The backup has the bytes and the properties that the origin has; or nothing that it should not have.
    pub(super) fn right(&self) -> bool {
        match (self.origin, self.backup) {
            (Some(origin), Some(stored)) => {
                let equal = stored.bytes == [origin.bytes; 2]
                    && stored.meta == origin.meta
                    && !stored.is_foreign();
                equal || (!self.overwrites && stored.is_refused(origin))
            }
            (Some(_), None) => false,
            (None, backup) => backup.is_none_or(Stored::is_foreign),
        }
    }

    /// That an upload was completed matters only while somebody may complete it again.
    pub(super) fn forget_completed(&mut self) {
        let awaited = |id: u8| {
            self.ledger.is_some_and(|(upload, _)| upload == id)
                || self.workers.iter().any(|worker| match &worker.phase {
                    Phase::Carrying { stage, .. } => {
                        matches!(stage, Stage::Parts { upload, .. } if *upload == id)
                    }
                    Phase::Sent { request, .. } => {
                        matches!(request.change, Change::Complete(sent, _) if sent == id)
                    }
                    Phase::Looking { .. } | Phase::Again { .. } => false,
                })
        };
        let kept = (0..self.next_upload).filter(|id| awaited(*id));
        self.completed &= kept.fold(0, |kept, id| kept | 1 << id);
    }

    /// A request takes effect now, if it can. Whether it did.
    pub(super) fn land(&mut self, request: Request) -> bool {
        let now = self.backup.map(Stored::tag);
        let holds = match request.cond {
            Cond::Any => true,
            Cond::Absent => now.is_none(),
            Cond::Is(tag) => now == Some(tag),
        };
        let new = match request.change {
            Change::Put(of) => Some(Stored::copy(of)),
            Change::Adopt(of) => match (self.backup, request.saw) {
                (Some(stored), Some(saw)) => {
                    let says = Says::Mark(saw);
                    let (ours, meta) = (true, of.meta);
                    let mark = Some(Marked { of, ours, says });
                    Some(Stored {
                        mark,
                        meta,
                        ..stored
                    })
                }
                _ => return false,
            },
            Change::Seal(meant) => match &mut self.backup {
                Some(stored) if stored.unsealed() == meant => {
                    let seal = Says::Seal(Some(meant.bytes));
                    stored.mark = stored.mark.map(|mark| Marked { says: seal, ..mark });
                    return true;
                }
                // The tags of another object are replaced: its own are lost, and the worker sees it afterwards.
                Some(stored) => {
                    stored.meta = SPOILT;
                    return false;
                }
                None => return false,
            },
            Change::Delete => None,
            Change::Complete(id, _) => {
                let Some(open) = self.uploads.iter().find(|open| open.id == id) else {
                    return false;
                };
                let [Some(first), Some(second)] = open.parts else {
                    return false;
                };
                let (of, ours, says) = (open.of, true, Says::Seal(None));
                Some(Stored {
                    bytes: [first, second],
                    meta: of.meta,
                    mark: Some(Marked { of, ours, says }),
                })
            }
        };
        if !holds {
            return false;
        }
        if let Change::Complete(id, _) = request.change {
            self.uploads.retain(|open| open.id != id);
            self.completed |= 1 << id;
        }
        let gone = self.backup.filter(|_| new.is_none());
        self.sins.replaced_unseen |= request.saw != now.map(|(bytes, _)| bytes);
        self.sins.deleted_foreign |= gone.is_some_and(Stored::is_foreign);
        self.sins.deleted_unproven |= gone.is_some() && !request.proven;
        let marked = new.and_then(|new| Some((new, new.mark?)));
        if let Some((new, mark)) = marked {
            self.sins.torn |= new.bytes != [mark.of.bytes; 2] || new.meta != mark.of.meta;
            let replaced = self.backup.is_some_and(|before| before.is_refused(mark.of));
            self.sins.replaced_foreign |= replaced && !self.overwrites;
        }
        self.backup = new;
        true
    }
}
