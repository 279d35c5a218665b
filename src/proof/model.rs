//! The proof as the model checker takes it: where it begins, what can happen next, what must always hold.

use super::stored::{Marked, Obj, SPOILT, Stored, TWIN};
use super::world::{Name, Phase, Sins, World};
use super::{Action, Proof, Stranger};
use stateright::{Model, Property};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Bytes that the origin never has.
const STRANGE: Stored = Stored {
    bytes: [9, 9],
    meta: 0,
    mark: None,
};

impl Model for Proof {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let old = |bytes| Obj {
            bytes,
            meta: 0,
            second: 0,
        };
        let copy = |bytes| Stored::copy(old(bytes));
        let plain = |bytes| Stored {
            bytes: [bytes; 2],
            meta: 0,
            mark: None,
        };
        let others = |bytes| {
            let mut others = copy(bytes);
            others.mark = others.mark.map(|mark| Marked {
                ours: false,
                ..mark
            });
            others
        };
        let here = Some(old(1));
        let mut starts = vec![
            (here, None),
            (here, Some(copy(1))),
            (here, Some(copy(2))),
            (here, Some(plain(1))),
            (here, Some(STRANGE)),
            (here, Some(others(1))),
            (None, None),
            (None, Some(copy(1))),
            (None, Some(plain(1))),
            (None, Some(others(1))),
        ];
        // The bytes of a larger object are not at hand to be compared.
        if !self.multipart() {
            starts.push((here, Some(plain(TWIN))));
        }
        let world = |(origin, backup)| World {
            origin,
            second: 0,
            backup,
            uploads: Vec::new(),
            next_upload: 0,
            completed: 0,
            ledger: None,
            workers: Vec::new(),
            next_name: Name(0),
            orphans: Vec::new(),
            failed: 0,
            hints: self.hints,
            changes: self.changes,
            faults: self.faults,
            strangers: self.strangers,
            overwrites: self.overwrites,
            told: false,
            settled: false,
            lost_upload: false,
            sins: Sins::default(),
        };
        starts.into_iter().map(world).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.workers.len() < self.workers {
            if world.hints > 0 {
                actions.push(Action::Begins);
            }
            if world.failed > 0 {
                actions.push(Action::ComesBack);
            }
        }
        let mut calls = Vec::new();
        for (at, worker) in world.workers.iter().enumerate() {
            self.calls(world, &worker.phase, &mut calls);
            let named = |call| Action::Worker(worker.name, at, call);
            actions.extend(calls.drain(..).map(named));
        }
        for at in 0..world.orphans.len() {
            actions.push(Action::LateWriteLands(at));
            actions.push(Action::LateWriteNeverLands(at));
        }
        if world.changes > 0 {
            let becomes = |(origin, second)| Action::OriginBecomes(origin, second);
            actions.extend(self.changes(world).map(becomes));
        }
        if world.strangers > 0 {
            actions.push(Action::StrangerPuts(Stranger::Unmarked));
            if world.backup.is_some_and(|stored| stored.mark.is_some()) {
                let kept = [Stranger::OtherBytes, Stranger::OtherProperties];
                actions.extend(kept.map(Action::StrangerPuts));
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        match action {
            Action::Begins => {
                world.hints -= 1;
                self.start(&mut world);
            }
            Action::ComesBack => {
                world.failed -= 1;
                self.start(&mut world);
            }
            Action::Worker(_, at, call) => self.call(&mut world, at, call),
            Action::LateWriteLands(at) | Action::LateWriteNeverLands(at) => {
                let (request, job) = world.orphans.remove(at);
                if matches!(action, Action::LateWriteLands(_)) {
                    world.land(request);
                }
                world.failed += u8::from(job);
            }
            Action::OriginBecomes(origin, second) => {
                world.changes -= 1;
                (world.origin, world.second) = (origin, second);
                (world.told, world.settled) = (false, false);
                for worker in &mut world.workers {
                    if let Phase::Looking { proven, .. } = &mut worker.phase {
                        *proven |= origin.is_none();
                    }
                }
            }
            Action::StrangerPuts(stranger) => {
                world.strangers -= 1;
                world.backup = match stranger {
                    Stranger::Unmarked => Some(STRANGE),
                    Stranger::OtherBytes => world.backup.map(|stored| Stored {
                        bytes: STRANGE.bytes,
                        ..stored
                    }),
                    Stranger::OtherProperties => world.backup.map(|stored| Stored {
                        meta: SPOILT,
                        ..stored
                    }),
                };
                (world.told, world.settled) = (false, false);
            }
        }
        world.forget_completed();
        let right = world.right();
        world.settled |= right && world.told && world.quiet();
        world.sins.regressed |= world.settled && !right;
        // Two workers are the same two in either order.
        if world.workers.len() > 1 {
            world.workers.sort_by_cached_key(|worker| {
                let mut hasher = DefaultHasher::new();
                worker.hash(&mut hasher);
                hasher.finish()
            });
        }
        world
            .orphans
            .sort_by_key(|(request, job)| (request.cond, request.proven, *job));
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("converges", |_, world: &World| {
                !world.quiet() || !world.told || world.right()
            }),
            Property::always("stays right", |_, world: &World| !world.sins.regressed),
            Property::always("never torn", |_, world: &World| !world.sins.torn),
            Property::always("deletes on proof", |_, world: &World| {
                !world.sins.deleted_unproven
            }),
            Property::always("deletes nothing foreign", |_, world: &World| {
                !world.sins.deleted_foreign
            }),
            Property::always("replaces only what it saw", |_, world: &World| {
                !world.sins.replaced_unseen
            }),
            Property::always("overwrites nothing foreign", |_, world: &World| {
                !world.sins.replaced_foreign
            }),
            Property::always("leaves no upload", |_, world: &World| {
                let named = |id| world.ledger.is_some_and(|(upload, _)| upload == id);
                !world.quiet()
                    || world.lost_upload
                    || world.uploads.iter().all(|open| named(open.id))
            }),
            Property::always("gives up only if disturbed", |_, world: &World| {
                !world.sins.gave_up
            }),
        ]
    }
}
