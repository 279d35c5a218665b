//! The mirror: objects of every size around the bounds, and uploads that are cut short.

use super::{bodies, bounded, keys, small, told};
use crate::world::{Chance, World, bytes, created, removed};
use hookwork::twin::faults::{Fault, On};
use std::collections::BTreeMap;
use std::time::Duration;

impl World {
    fn rests(&self) {
        assert_eq!(
            bodies(&self.store, "backup"),
            bodies(&self.store, "origin"),
            "the backup is the origin"
        );
        assert_eq!(self.store.open_uploads("backup"), 0);
        let mut left = self.store.keys("state");
        left.retain(|place| place.starts_with("uploads/"));
        assert_eq!(left, [""; 0], "no ledger is left");
    }
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn objects_of_every_size_come_over_whole() {
    bounded(async {
        let world = World::resumable().await;
        let (part, count) = (small("parts.size"), small("parts.count"));
        let many = part * count;
        let sizes = [
            0,
            1,
            part - 1,
            part,
            part + 1,
            2 * part - 1,
            2 * part,
            2 * part + 1,
            7 * part + 5,
            many - 1,
            many,
            many + 1,
            3 * many,
        ];
        let keys = keys(sizes.len());
        for (key, size) in keys.iter().zip(sizes) {
            world.put(key, bytes(size));
        }
        told(&world, &keys).await;
        world.rests();
        let mut parts = BTreeMap::<_, usize>::new();
        for call in world.faults.calls() {
            *parts.entry(call.key).or_default() += usize::from(call.operation == "UploadPart");
        }
        for (key, size) in keys.iter().zip(sizes) {
            let wanted = if size <= part { 0 } else { size.div_ceil(part) };
            let sent = parts[key];
            assert!(sent <= count, "{size}: {sent} parts");
            assert!(sent == wanted || wanted > count, "{size}: {sent} parts");
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn whatever_changes_the_backup_follows() {
    bounded(async {
        let world = World::resumable().await;
        let (keys, mut chance) = (keys(40), Chance::new());
        for _ in 0..4 {
            let mut hints = Vec::new();
            for key in &keys {
                match chance.below(4) {
                    0 => world.remove(key),
                    1 => continue,
                    sizes => {
                        let size = chance.below(sizes * 3 * small("parts.size") as u64);
                        world.put(key, bytes(usize::try_from(size).unwrap()));
                    }
                }
                // Twice, and in whatever order.
                for _ in 0..2 {
                    hints.insert(chance.pick(hints.len() + 1), created(key));
                }
                hints.push(removed(key));
            }
            for some in hints.chunks(small("delivery.records")) {
                let answer = world.deliver(some.iter().cloned()).await;
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            world.rests();
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn an_upload_that_is_cut_short_again_and_again_goes_on() {
    bounded(async {
        let world = World::resumable().await;
        let parts = small("parts.count");
        let whole = bytes((parts - 1) * small("parts.size") + 7);
        world.put("giant", whole.clone());
        let mut sent = 0;
        for _ in 0..3 {
            // Two parts, and then the others never end.
            for nth in 3..3 + small("parts.in_flight") {
                let late = Fault::Delay(Duration::from_secs(600));
                world.faults.inject(On::nth(nth).of("UploadPart"), late);
            }
            let limit = Duration::from_secs(5);
            let answer = world.deliver_within(limit, [created("giant")]).await;
            assert_eq!(answer.outcomes(), ["failed"], "{answer:?}");
            world.faults.clear();
            let ledger = world.store.keys("state").pop().expect("a ledger");
            let ledger = world.store.get("state", &ledger).unwrap().body();
            let ledger: serde_json::Value = serde_json::from_slice(&ledger).unwrap();
            let stand = ledger["parts"].as_array().unwrap().len();
            assert!((sent..=sent + 2).contains(&stand), "{stand}");
            sent = stand;
        }
        assert!(sent > 0);
        let before = world.faults.count("UploadPart");
        let answer = world.deliver([created("giant")]).await;
        assert_eq!(answer.outcomes(), ["copied"], "{answer:?}");
        assert_eq!(world.faults.count("UploadPart") - before, parts - sent);
        assert_eq!(world.faults.count("CreateMultipartUpload"), 1);
        world.rests();
    })
    .await;
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn workers_at_once_share_what_they_carry() {
    bounded(async {
        let world = World::resumable().await;
        let keys = keys(6);
        for key in &keys {
            world.put(key, bytes(8 * small("parts.size")));
        }
        let some = || keys.iter().take(small("delivery.records"));
        let hints = (0..4).map(|_| world.deliver(some().map(|key| created(key))));
        for answer in futures_util::future::join_all(hints).await {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        told(&world, &keys).await;
        world.rests();
    })
    .await;
}
