//! Audit, comparison and backfill over many slices, pages and files of removals.

use super::{HOUR, age, bodies, bounded, keys, text, told};
use crate::events::dispatched;
use crate::world::{Logs, World, created};
use hookwork::app::operator::backfill::{Progress, Removals};
use hookwork::domain::event::OriginRef;
use hookwork::twin::faults::Faults;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn origin() -> OriginRef {
    OriginRef {
        source: "vk".to_owned(),
        origin: "mcs1/origin".to_owned(),
    }
}

/// What no event told of.
struct Drift {
    world: World,
    changed: BTreeSet<String>,
    missing: BTreeSet<String>,
    gone: BTreeSet<String>,
}

impl Drift {
    async fn new() -> Self {
        let world = World::resumable().await;
        let keys = keys(40);
        let of = |from: usize, to: usize| {
            let some = keys.iter().enumerate();
            let some = some.filter(|(at, _)| (from..to).contains(&(at % 10)));
            some.map(|(_, key)| key.clone()).collect::<BTreeSet<_>>()
        };
        let (missing, gone, changed) = (of(0, 1), of(1, 3), of(3, 5));
        for key in &keys {
            world.put(key, format!("of {key}"));
            age(&world.store, "origin", key, 10 * HOUR);
        }
        let there: Vec<_> = keys
            .iter()
            .filter(|key| !missing.contains(*key))
            .cloned()
            .collect();
        told(&world, &there).await;
        for key in &there {
            age(&world.store, "backup", key, 5 * HOUR);
        }
        for key in &changed {
            world.put(key, format!("another {key}"));
            age(&world.store, "origin", key, HOUR);
        }
        gone.iter().for_each(|key| world.remove(key));
        for number in 0..5 {
            let foreign = format!("{:03} of nobody", number * 9);
            world.store.put("backup", &foreign, "x");
        }
        Self {
            world,
            changed,
            missing,
            gone,
        }
    }

    /// What a comparison tells, by kind; no key twice.
    async fn compared(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut told = BTreeMap::<_, BTreeSet<String>>::new();
        let mut all = BTreeSet::new();
        let of = origin();
        let compared = self.world.app().compare(&of, false, |one| {
            assert!(all.insert(one.key.clone()), "{} twice", one.key);
            let kind = json!(one.difference);
            told.entry(text(&kind)).or_default().insert(one.key.clone());
        });
        let compared = compared.await.unwrap();
        let keys = self.world.store.keys("origin").len();
        assert_eq!(compared.keys, keys as u64);
        for (difference, count) in &compared.differences {
            assert_eq!(told[&text(&json!(difference))].len() as u64, *count);
        }
        told
    }

    /// The backup without what is nobody's.
    fn rests(&self) {
        let mut backup = bodies(&self.world.store, "backup");
        let before = backup.len();
        backup.retain(|key, _| !key.ends_with("of nobody"));
        assert_eq!(before - backup.len(), 5, "what is nobody's stays");
        assert_eq!(backup, bodies(&self.world.store, "origin"));
    }
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn an_audit_finds_each_difference_once() {
    bounded(async {
        let drift = Drift::new().await;
        let found = drift.compared().await;
        assert_eq!(found["missing"], drift.missing, "{found:?}");
        assert_eq!(found["removed"], drift.gone, "{found:?}");
        assert_eq!(found["foreign"].len(), 5, "{found:?}");
        let others: BTreeSet<_> = found
            .iter()
            .filter(|(kind, _)| !["missing", "removed", "foreign"].contains(&kind.as_str()))
            .flat_map(|(_, keys)| keys.clone())
            .collect();
        assert_eq!(others, drift.changed, "{found:?}");
        let logs = Logs::new();
        let ticked = dispatched(drift.world.app(), &json!({"hookwork": "audit"})).await;
        assert_eq!(ticked, json!({"count": 1}));
        let lines = logs.lines("audit");
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        let of = |name: &str| line[name].as_u64().unwrap();
        assert_eq!(
            [of("keys"), of("hints"), of("foreign"), of("removals")],
            [32, 12, 5, 8],
            "{line}"
        );
        drift.rests();
        let left = drift.compared().await;
        assert_eq!(left.keys().collect::<Vec<_>>(), ["foreign"]);
    })
    .await;
}

/// How often each key of the backup was written.
fn writes(faults: &Faults) -> BTreeMap<String, usize> {
    let mut writes = BTreeMap::new();
    for call in faults.calls() {
        if call.operation == "PutObject" && call.bucket == "backup" {
            *writes.entry(call.key).or_default() += 1;
        }
    }
    writes
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn a_backfill_that_is_stopped_again_and_again_copies_each_key_once() {
    bounded(async {
        let world = World::resumable().await;
        let keys = keys(40);
        for key in &keys[..8] {
            world.put(key, "x");
        }
        told(&world, &keys[..8]).await;
        keys[..8].iter().for_each(|key| world.remove(key));
        for key in &keys[8..] {
            world.put(key, format!("of {key}"));
        }
        let (mut runs, mut resumed) = (0, 0);
        let last = loop {
            runs += 1;
            let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
            let watch = |progress: Progress<'_>| match progress {
                Progress::Done(..) => {
                    let all = done.fetch_add(1, Ordering::Relaxed) + 1;
                    stop.store(all >= 11, Ordering::Relaxed);
                }
                Progress::Failed(key, _, error) => panic!("{key}: {error}"),
                _ => {}
            };
            let filled = world.app().backfill(&origin(), 2, &stop, &watch).await;
            let filled = filled.unwrap();
            resumed += usize::from(filled.resumed);
            if !filled.stopped {
                break filled;
            }
        };
        assert!((3..9).contains(&runs) && resumed == runs - 1, "{runs}");
        assert_eq!((last.keys, last.failed), (32, 0), "{last:?}");
        assert_eq!(last.removals, Removals::Done(8), "{last:?}");
        assert_eq!(
            bodies(&world.store, "backup"),
            bodies(&world.store, "origin")
        );
        let writes = writes(&world.faults);
        assert_eq!(writes.len(), 40);
        assert!(writes.values().all(|writes| *writes == 1), "{writes:?}");
        assert_eq!(
            world.deliver([created(&keys[12])]).await.outcomes(),
            ["unchanged"]
        );
    })
    .await;
}
