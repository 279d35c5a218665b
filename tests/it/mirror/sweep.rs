//! A fault at every call that the function makes, one after the other, in every scenario: whatever happens, the next deliveries
//! make the key right, and meanwhile the backup is what the origin once was.

use crate::world::{World, bytes, created, removed};
use futures_util::stream::{self, StreamExt as _};
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::Store;
use proptest::prelude::*;
use std::collections::BTreeMap;

const MIB: usize = 1 << 20;
const KEY: &str = "a";

/// Something that happens to the origin's key.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Other bytes, in one piece.
    Small(u8),
    /// Other bytes, more than one part.
    Large(u8),
    /// The same bytes with other metadata.
    Touch(u8),
    Remove,
}

impl Change {
    fn apply(self, store: &Store) {
        match self {
            Self::Small(seed) => store.put("origin", KEY, vec![seed; 100]),
            Self::Large(seed) => {
                let from = usize::from(seed);
                store.put("origin", KEY, bytes(9 * MIB + from).slice(from..));
            }
            Self::Touch(seed) => {
                if let Some(object) = store.get("origin", KEY) {
                    let mut object = (*object).clone();
                    let metadata = &mut object.properties.metadata;
                    metadata.insert("touched".to_owned(), seed.to_string());
                    store.put_object("origin", KEY, object);
                }
            }
            Self::Remove => store.delete("origin", KEY),
        }
    }
}

/// All that a client sees of an object.
type Seen = Option<(Vec<u8>, BTreeMap<String, String>)>;

impl World {
    fn change(&self, change: Change) {
        change.apply(&self.store);
    }

    fn seen(&self, bucket: &str) -> Seen {
        let object = self.store.get(bucket, KEY)?;
        let mut metadata = object.properties.metadata.clone();
        metadata.remove("hookwork-mark");
        Some((object.body(), metadata))
    }

    /// Delivers until it is done, as a sender does that is told 500.
    async fn settle(&self) {
        for _ in 0..4 {
            if self.deliver([created(KEY)]).await.status == 200 {
                return;
            }
        }
        panic!("never done");
    }
}

fn faults() -> [Fault; 6] {
    [
        Fault::Drop,
        Fault::DropAfter,
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Status(403, "AccessDenied"),
        Fault::Status(404, ""),
    ]
}

#[tokio::test]
async fn a_fault_at_every_call_of_every_scenario_is_made_good() {
    let scenarios: [&[Change]; 7] = [
        &[Change::Small(1)],
        &[Change::Small(1), Change::Small(2)],
        &[Change::Small(1), Change::Touch(2)],
        &[Change::Small(1), Change::Remove],
        &[Change::Large(1)],
        &[Change::Large(1), Change::Large(2)],
        &[Change::Large(1), Change::Remove],
    ];
    let pairs = scenarios
        .iter()
        .flat_map(|scenario| faults().map(|fault| (*scenario, fault)));
    // Most of the time is spent waiting before something is tried again: side by side.
    let runs = stream::iter(pairs)
        .map(|(scenario, fault)| swept(scenario, fault))
        .buffer_unordered(12);
    let runs: usize = runs.fold(0, async |sum, runs| sum + runs).await;
    println!("{runs} faults, 0 differences");
    assert!(runs > 200, "{runs}");
}

/// The fault at every call in turn, until there is no such call. Returns at how many.
async fn swept(scenario: &[Change], fault: Fault) -> usize {
    for nth in 1.. {
        let world = World::resumable().await;
        let (last, before) = scenario.split_last().unwrap();
        for change in before {
            world.change(*change);
            world.settle().await;
        }
        let was = world.seen("origin");
        world.change(*last);
        let calls = world.faults.calls().len();
        world.faults.inject(On::nth(nth), fault.clone());
        world.deliver([removed(KEY)]).await;
        if world.faults.calls().len() - calls < nth {
            return nth - 1;
        }
        let (now, origin) = (world.seen("backup"), world.seen("origin"));
        assert!(
            now == was || now == origin,
            "{scenario:?} {fault:?} {nth}: a state that never was"
        );
        world.faults.clear();
        world.settle().await;
        assert!(
            world.seen("backup") == origin,
            "{scenario:?} {fault:?} {nth} {:?}",
            world.faults.calls()
        );
    }
    unreachable!("a delivery has an end")
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<u8>().prop_map(Change::Small),
        (0..4u8).prop_map(Change::Large),
        any::<u8>().prop_map(Change::Touch),
        Just(Change::Remove),
    ]
}

/// What happens in turn: a change, perhaps under a fault at the nth call, and how many deliveries tell of it at once.
fn history() -> impl Strategy<Value = Vec<(Change, usize, usize, usize)>> {
    prop::collection::vec((change(), 1..12usize, 0..6usize, 0..4usize), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happened_the_last_delivery_makes_it_right(history in history()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::resumable().await;
            let mut once: Vec<Seen> = vec![None];
            for (change, nth, fault, deliveries) in &history {
                // While the function works, too: at its first calls.
                let (store, of) = (world.store.clone(), *change);
                if *nth < 5 {
                    world.faults.before(On::nth(*nth), move || of.apply(&store));
                } else {
                    world.change(of);
                }
                world.faults.inject(On::nth(nth + 1), faults()[*fault].clone());
                let hints = (0..*deliveries).map(|_| world.deliver([removed(KEY)]));
                futures_util::future::join_all(hints).await;
                world.faults.clear();
                once.push(world.seen("origin"));
            }
            world.settle().await;
            prop_assert!(world.seen("backup") == world.seen("origin"), "{history:?}");
            prop_assert!(once.contains(&world.seen("backup")));
            Ok(())
        })?;
    }
}

fn cases() -> u32 {
    std::env::var("CASES").map_or(40, |cases| cases.parse().unwrap())
}
