//! A backup under Object Lock: S3 takes no part whose checksum is not in a header, and lets go of no version before its time.

use crate::world::{Chance, World, bytes, created, removed};
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::{Retention, Store};
use serde_json::Value;

const MIB: usize = 1 << 20;
const DENIED: Fault = Fault::Status(403, "AccessDenied");

fn lock(store: &Store) {
    let retention = Retention {
        mode: "COMPLIANCE".to_owned(),
        days: 30,
    };
    store.lock_bucket("backup", Some(retention));
}

impl World {
    async fn locked() -> Self {
        let world = Self::resumable().await;
        lock(&world.store);
        world
    }

    /// Puts an object of this size, and sees that it arrives.
    async fn arrives(&self, key: &str, size: usize) {
        self.put(key, bytes(size));
        let answer = self.deliver([created(key)]).await;
        assert_eq!(answer.outcomes(), ["copied"], "{key}");
        assert!(self.backup(key).unwrap() == bytes(size), "{key}");
        let mut left = self.store.keys("state");
        left.retain(|place| place.starts_with("uploads/"));
        assert_eq!(left, [""; 0], "no ledger is left");
        assert_eq!(self.store.open_uploads("backup"), 0);
    }
}

#[tokio::test]
async fn objects_of_every_size_arrive_and_are_retained() {
    let world = World::locked().await;
    let part = 8 * MIB;
    // Around each limit: nothing, a part, all that may be in memory at a time, more of it.
    let sizes = [
        0,
        1,
        part - 1,
        part,
        part + 1,
        2 * part - 1,
        2 * part,
        2 * part + 1,
        3 * part,
        40 * MIB + 7,
    ];
    let mut chance = Chance::new();
    let small = std::iter::repeat_with(|| chance.pick(200_000)).take(40);
    let sizes: Vec<_> = sizes.into_iter().chain(small).collect();
    let keys: Vec<_> = (0..sizes.len()).map(|at| format!("object {at}")).collect();
    for (key, size) in keys.iter().zip(&sizes) {
        world.put(key, bytes(*size));
    }
    let answer = world.deliver(keys.iter().map(|key| created(key))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for (key, size) in keys.iter().zip(&sizes) {
        assert!(world.backup(key).unwrap() == bytes(*size), "{key}: {size}");
        let versions = world.store.versions("backup", key);
        assert_eq!(versions.len(), 1, "nothing was written twice: {key}");
        assert!(versions[0].retained.is_some(), "{key}");
    }
    assert_eq!(world.faults.count("GetObjectLockConfiguration"), 1);
    assert_eq!(world.store.open_uploads("backup"), 0);
}

#[tokio::test]
async fn a_removal_leaves_the_version_that_it_hides() {
    let world = World::locked().await;
    world.arrives("key", 9 * MIB).await;
    world.remove("key");
    let answer = world.deliver([removed("key")]).await;
    assert_eq!(answer.outcomes(), ["deleted"]);
    assert_eq!(world.backup("key"), None);
    let versions = world.store.versions("backup", "key");
    let [kept, marker] = &versions[..] else {
        panic!("{versions:?}")
    };
    assert!(kept.object.as_ref().unwrap().body() == bytes(9 * MIB));
    assert!(marker.object.is_none() && marker.retained.is_none());
    // What is put again is a version of its own, and a change of properties is one, too.
    world.arrives("key", 10).await;
    assert_eq!(world.store.versions("backup", "key").len(), 3);
}

#[tokio::test]
async fn who_may_not_ask_finds_out_by_a_part_that_is_refused() {
    let world = World::locked().await;
    let asks = On::every().of("GetObjectLockConfiguration");
    world.faults.inject(asks, DENIED);
    world.arrives("first", 40 * MIB).await;
    let refused = world.faults.count("UploadPart") - 5;
    assert!((1..=5).contains(&refused), "{refused} parts were refused");
    assert_eq!(world.faults.count("CreateMultipartUpload"), 1);
    world.arrives("second", 40 * MIB).await;
    assert_eq!(world.faults.count("UploadPart"), 10 + refused);
    assert_eq!(world.faults.count("GetObjectLockConfiguration"), 1);
}

#[tokio::test]
async fn a_lock_that_is_put_on_while_the_process_lives_is_noticed() {
    let world = World::resumable().await;
    world.arrives("before", 9 * MIB).await;
    lock(&world.store);
    world.arrives("after", 9 * MIB).await;
    assert_eq!(world.store.versions("backup", "after").len(), 1);
}

#[tokio::test]
async fn a_store_that_hangs_up_on_a_part_gets_its_checksum_first() {
    let world = World::locked().await;
    let asks = On::every().of("GetObjectLockConfiguration");
    world.faults.inject(asks, DENIED);
    for nth in 1..=2 {
        world
            .faults
            .inject(On::nth(nth).of("UploadPart"), Fault::Drop);
    }
    world.arrives("key", 16 * MIB).await;
    assert_eq!(world.faults.count("UploadPart"), 4);
}

#[tokio::test]
async fn a_question_without_an_answer_holds_nobody_up() {
    for fault in [
        Fault::Status(503, "SlowDown"),
        Fault::Status(500, "InternalError"),
        Fault::Status(501, "NotImplemented"),
        Fault::Status(405, "MethodNotAllowed"),
        Fault::Drop,
    ] {
        for locked in [false, true] {
            let world = World::resumable().await;
            if locked {
                lock(&world.store);
            }
            let asks = On::every().of("GetObjectLockConfiguration");
            world.faults.inject(asks, fault.clone());
            world.arrives("first", 9 * MIB).await;
            let asked = world.faults.count("GetObjectLockConfiguration");
            world.arrives("second", 9 * MIB).await;
            assert_eq!(
                world.faults.count("GetObjectLockConfiguration"),
                asked,
                "{fault:?}: not for each object"
            );
        }
    }
}

#[tokio::test]
async fn bytes_that_are_damaged_on_their_way_are_sent_again() {
    let world = World::locked().await;
    let first = On::nth(1).of("UploadPart");
    world.faults.inject(first, Fault::Status(400, "BadDigest"));
    world.arrives("key", 16 * MIB).await;
    assert_eq!(world.faults.count("UploadPart"), 3);
}

#[tokio::test]
async fn a_part_that_memory_has_no_room_for_is_read_twice() {
    let world = World::locked().await;
    world.put("giant", bytes(80 * MIB));
    let late = On::every().of("UploadPart");
    world.faults.inject(late, DENIED);
    assert_eq!(world.deliver([created("giant")]).await.status, 500);
    world.faults.clear();
    // As for an object of 300 GiB.
    let place = world.store.keys("state").pop().expect("a ledger");
    let file = world.store.get("state", &place).unwrap();
    let mut ledger: Value = serde_json::from_slice(&file.body()).unwrap();
    ledger["part_size"] = (32 * MIB).into();
    world.store.put("state", &place, ledger.to_string());
    let (sent, read) = (
        world.faults.count("UploadPart"),
        world.faults.count("GetObject"),
    );
    let answer = world.deliver([created("giant")]).await;
    assert_eq!(answer.outcomes(), ["copied"]);
    assert!(world.backup("giant").unwrap() == bytes(80 * MIB));
    assert_eq!(world.faults.count("UploadPart") - sent, 3);
    // Two looks; each of two parts of 32 MiB twice; the one of 16 MiB once. And the ledger.
    assert_eq!(world.faults.count("GetObject") - read, 2 + 5 + 1);
}
