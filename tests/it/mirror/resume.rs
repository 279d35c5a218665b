//! An upload outlives its worker: the next one goes on, copies nothing twice that stands, and leaves nothing behind.

use crate::world::{World, bytes, created, removed};
use hookwork::twin::faults::{Fault, On};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const MIB: usize = 1 << 20;
/// Ten parts.
const GIANT: usize = 80 * MIB;

impl World {
    /// A world in which the copy of a giant was cut short, and how many of its parts stand.
    async fn cut_short() -> (Self, usize) {
        let world = Self::resumable().await;
        world.put("giant", bytes(GIANT));
        let stand = world.cut_after(4).await;
        (world, stand)
    }

    /// Delivers a giant's creation to a worker whose time is up after `parts` parts, or fewer on a slow machine. Returns how
    /// many stand then.
    pub(super) async fn cut_after(&self, parts: usize) -> usize {
        self.cut(parts, 500).await
    }

    /// The same, answered with this status: what no other attempt mends is acknowledged.
    async fn cut(&self, parts: usize, status: u16) -> usize {
        for nth in parts + 1..=parts + 16 {
            let late = On::nth(nth).of("UploadPart");
            self.faults
                .inject(late, Fault::Delay(Duration::from_secs(600)));
        }
        let limit = Duration::from_secs(4);
        let answer = self.deliver_within(limit, [created("giant")]).await;
        assert_eq!(
            (answer.status, answer.outcomes()),
            (status, vec!["failed".to_owned()])
        );
        self.faults.clear();
        assert!(self.store.open_uploads("backup") <= 1);
        self.parts_in_ledger()
    }

    fn ledger(&self) -> Option<Value> {
        let place = self.store.keys("state").pop()?;
        let file = self.store.get("state", &place)?;
        Some(serde_json::from_slice(&file.body()).unwrap())
    }

    fn parts_in_ledger(&self) -> usize {
        self.ledger()
            .map_or(0, |ledger| ledger["parts"].as_array().unwrap().len())
    }

    /// Changes the ledger behind the function's back.
    fn forge(&self, change: impl FnOnce(&mut Value)) {
        let place = self.store.keys("state").pop().expect("a ledger");
        let mut ledger = self.ledger().expect("a ledger");
        change(&mut ledger);
        self.store.put("state", &place, ledger.to_string());
    }

    /// Delivers until it is done, and checks that nothing is left behind. Returns how many parts were sent for it.
    async fn finish_giant(&self, whole: &[u8]) -> usize {
        let sent = self.faults.count("UploadPart");
        let answer = self.deliver([created("giant")]).await;
        assert_eq!(answer.outcomes(), ["copied"]);
        assert!(self.backup("giant").unwrap() == whole);
        assert_eq!(self.store.open_uploads("backup"), 0);
        assert_eq!(self.store.keys("state"), [""; 0]);
        self.faults.count("UploadPart") - sent
    }
}

#[tokio::test]
async fn a_worker_whose_time_is_up_leaves_its_upload_to_the_next() {
    let (world, stand) = World::cut_short().await;
    assert!((1..=4).contains(&stand));
    assert_eq!(world.finish_giant(&bytes(GIANT)).await, 10 - stand);
    assert_eq!(world.faults.count("CreateMultipartUpload"), 1);
}

#[tokio::test]
async fn many_workers_in_turn_carry_one_object() {
    let world = World::resumable().await;
    world.put("giant", bytes(GIANT));
    let mut stand = 0;
    for _ in 1..=4 {
        let now = world.cut_after(2).await;
        assert!((stand..=stand + 2).contains(&now));
        stand = now;
    }
    assert_eq!(world.finish_giant(&bytes(GIANT)).await, 10 - stand);
}

#[tokio::test]
async fn a_part_that_one_side_alone_vouches_for_is_copied_again() {
    type Change = fn(&mut Value);
    let changes: [Change; 3] = [
        |ledger| drop(ledger["parts"].as_array_mut().unwrap().pop()),
        |ledger| ledger["parts"][0][1] = "another".into(),
        // A part that nobody has sent.
        |ledger| ledger["parts"][0][0] = 10.into(),
    ];
    for change in changes {
        let (world, stand) = World::cut_short().await;
        world.forge(change);
        assert_eq!(world.finish_giant(&bytes(GIANT)).await, 11 - stand);
    }
}

#[tokio::test]
async fn a_checksum_that_is_wrong_in_the_ledger_is_refused_and_the_next_attempt_starts_anew() {
    let (world, _) = World::cut_short().await;
    world.forge(|ledger| ledger["parts"][0][2] = "rosUhgp5mIg=".into());
    assert_eq!(world.deliver([created("giant")]).await.status, 500);
    assert_eq!(world.backup("giant"), None);
    assert_eq!(world.store.open_uploads("backup"), 0);
    assert_eq!(world.finish_giant(&bytes(GIANT)).await, 10);
}

#[tokio::test]
async fn an_origin_that_moved_drops_the_upload_and_starts_anew() {
    let (world, _) = World::cut_short().await;
    let other = bytes(GIANT + 1).slice(1..);
    world.put("giant", other.clone());
    assert_eq!(world.finish_giant(&other).await, 10);
    assert_eq!(world.faults.count("AbortMultipartUpload"), 1);
}

#[tokio::test]
async fn an_origin_that_is_gone_drops_the_upload() {
    let (world, _) = World::cut_short().await;
    world.remove("giant");
    let answer = world.deliver([removed("giant")]).await;
    assert_eq!(answer.outcomes(), ["unchanged"]);
    assert_eq!(world.store.open_uploads("backup"), 0);
    assert_eq!(world.store.keys("state"), [""; 0]);
}

#[tokio::test]
async fn a_completion_whose_answer_got_lost_is_found_done() {
    let world = World::resumable().await;
    world.put("giant", bytes(GIANT));
    let completion = On::nth(1).of("CompleteMultipartUpload");
    world.faults.inject(completion, Fault::DropAfter);
    assert_eq!(world.deliver([created("giant")]).await.status, 500);
    let answer = world.deliver([created("giant")]).await;
    assert_eq!(answer.outcomes(), ["unchanged"]);
    assert!(world.backup("giant").unwrap() == bytes(GIANT));
    assert_eq!(world.store.keys("state"), [""; 0]);
    assert_eq!(world.faults.count("UploadPart"), 10);
}

#[tokio::test]
async fn a_completion_that_never_came_is_all_that_is_sent_again() {
    let world = World::resumable().await;
    world.put("giant", bytes(GIANT));
    let completion = On::nth(1).of("CompleteMultipartUpload");
    world.faults.inject(completion, Fault::Drop);
    assert_eq!(world.deliver([created("giant")]).await.status, 500);
    assert_eq!(world.finish_giant(&bytes(GIANT)).await, 0);
}

#[tokio::test]
async fn a_completion_that_is_still_on_its_way_when_the_origin_goes_does_not_land() {
    let world = World::resumable().await;
    world.put("giant", bytes(GIANT));
    let late = Arc::new(Notify::new());
    let completion = On::nth(1).of("CompleteMultipartUpload");
    world
        .faults
        .inject(completion, Fault::Late(Arc::clone(&late)));
    assert_eq!(world.deliver([created("giant")]).await.status, 500);
    world.remove("giant");
    assert_eq!(world.deliver([removed("giant")]).await.status, 200);
    late.notify_one();
    // The late request is handled in its own time; a later one of ours is answered after it.
    for _ in 0..20 {
        world.deliver([removed("giant")]).await;
    }
    assert_eq!(world.backup("giant"), None);
}

#[tokio::test]
async fn an_upload_that_the_store_has_dropped_starts_anew() {
    let (world, _) = World::cut_short().await;
    world.forge(|ledger| ledger["upload"] = "long gone".into());
    world.store.age_uploads("backup", Duration::from_secs(7200));
    assert_eq!(world.finish_giant(&bytes(GIANT)).await, 10);
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_is_replaced() {
    let (world, _) = World::cut_short().await;
    world.forge(|ledger| ledger["version"] = 2.into());
    world.store.age_uploads("backup", Duration::from_secs(7200));
    assert_eq!(world.finish_giant(&bytes(GIANT)).await, 10);
}

#[tokio::test]
async fn orphans_are_dropped_and_young_uploads_left_alone() {
    for (age, left) in [(7200, 0), (60, 1)] {
        let world = World::new().await;
        world.put("a", bytes(9 * MIB));
        // Opened, and nobody was told which: the next try opens another one.
        let answer = On::nth(1).of("CreateMultipartUpload");
        world.faults.inject(answer, Fault::DropAfter);
        assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
        assert_eq!(world.store.open_uploads("backup"), 1);
        world.store.age_uploads("backup", Duration::from_secs(age));
        world.put("a", bytes(10 * MIB));
        assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
        assert_eq!(world.store.open_uploads("backup"), left, "{age}");
    }
}

#[tokio::test]
async fn workers_at_once_share_one_upload() {
    let world = World::resumable().await;
    world.put("giant", bytes(GIANT));
    let hints = (0..4).map(|_| world.deliver([created("giant")]));
    let answers = futures_util::future::join_all(hints).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
    assert!(world.backup("giant").unwrap() == bytes(GIANT));
    assert_eq!(world.store.open_uploads("backup"), 0);
    assert_eq!(world.store.keys("state"), [""; 0]);
}

#[tokio::test]
async fn a_state_bucket_that_fails_costs_no_copy() {
    for (operation, fault) in [
        ("GetObject", Fault::Status(403, "AccessDenied")),
        ("GetObject", Fault::Status(404, "NoSuchBucket")),
        ("PutObject", Fault::Status(403, "AccessDenied")),
        ("PutObject", Fault::Drop),
        ("PutObject", Fault::DropAfter),
        ("DeleteObject", Fault::Drop),
    ] {
        let world = World::resumable().await;
        world.put("giant", bytes(GIANT));
        let state = On::every().bucket("state");
        world.faults.inject(state.of(operation), fault.clone());
        let answer = world.deliver([created("giant")]).await;
        assert_eq!(answer.outcomes(), ["copied"], "{operation} {fault:?}");
        assert!(world.backup("giant").unwrap() == bytes(GIANT));
        assert_eq!(world.store.open_uploads("backup"), 0);
    }
}

#[tokio::test]
async fn an_old_ledger_that_cannot_be_taken_away_costs_no_copy() {
    let world = World::resumable().await;
    world.put("giant", bytes(GIANT));
    world.cut_after(2).await;
    let other = bytes(9 * MIB);
    world.put("giant", other.clone());
    let delete = On::every().of("DeleteObject").bucket("state");
    world
        .faults
        .inject(delete, Fault::Status(500, "InternalError"));
    let answer = world.deliver([created("giant")]).await;
    assert_eq!(answer.outcomes(), ["copied"]);
    assert!(world.backup("giant").unwrap() == other);
    // The ledger names an upload that is gone; the next reconcile takes it away.
    world.faults.clear();
    world.deliver([created("giant")]).await;
    assert_eq!(world.store.keys("state"), [""; 0]);
}

#[tokio::test]
async fn a_state_bucket_that_hangs_is_not_waited_for() {
    let world = World::resumable().await;
    world.put("giant", bytes(GIANT));
    let hangs = On::nth(2).of("PutObject").bucket("state");
    world
        .faults
        .inject(hangs, Fault::Delay(Duration::from_secs(600)));
    let answer = world
        .deliver_within(Duration::from_secs(25), [created("giant")])
        .await;
    assert_eq!(answer.outcomes(), ["copied"]);
}

#[tokio::test]
async fn a_chain_that_carries_nothing_over_ends() {
    let world = World::resumable().await;
    world.put("giant", bytes(GIANT));
    world.cut_after(0).await;
    assert_eq!(world.ledger().unwrap()["fruitless"], 1);
    world.forge(|ledger| ledger["fruitless"] = 4.into());
    world.cut(0, 200).await;
    assert_eq!(world.store.open_uploads("backup"), 0);
    assert_eq!(world.store.keys("state"), [""; 0]);
    // A part ends the count.
    world.cut_after(0).await;
    world.cut_after(1).await;
    assert_eq!(world.ledger().unwrap()["fruitless"], 0);
}

#[tokio::test]
async fn what_goes_over_in_one_piece_has_no_ledger() {
    let world = World::resumable().await;
    world.put("a", bytes(8 * MIB));
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    let state = world
        .faults
        .calls()
        .iter()
        .filter(|call| call.bucket == "state")
        .count();
    assert_eq!(state, 0);
}

#[tokio::test]
async fn a_ledger_that_is_not_of_this_object_is_not_gone_by() {
    type Change = fn(&mut Value);
    let changes: [Change; 4] = [
        |ledger| {
            ledger["size"] = (16 * MIB).into();
            ledger["parts"]
                .as_array_mut()
                .unwrap()
                .retain(|part| part[0].as_u64() <= Some(2));
        },
        |ledger| ledger["size"] = (GIANT + 5).into(),
        |ledger| ledger["key"] = "another".into(),
        |ledger| ledger["upload"] = "".into(),
    ];
    for change in changes {
        let (world, _) = World::cut_short().await;
        world.forge(change);
        let answer = world.deliver([created("giant")]).await;
        assert_eq!(answer.outcomes(), ["copied"], "{answer:?}");
        assert!(world.backup("giant").unwrap() == bytes(GIANT));
        assert_eq!(world.store.keys("state"), [""; 0]);
    }
}

#[tokio::test]
async fn what_lies_in_the_place_of_a_ledger_is_cleared_away() {
    for file in [vec![b' '; 5 * MIB], b"{}".to_vec(), Vec::new()] {
        let (world, _) = World::cut_short().await;
        let place = world.store.keys("state").pop().unwrap();
        world.store.put("state", &place, file.clone());
        assert_eq!(
            world.deliver([created("giant")]).await.outcomes(),
            ["copied"]
        );
        assert!(world.backup("giant").unwrap() == bytes(GIANT));
        assert_eq!(world.store.keys("state"), [""; 0]);
    }
    // An upload that no store would have given away.
    let (world, _) = World::cut_short().await;
    world.forge(|ledger| ledger["upload"] = "".into());
    world.remove("giant");
    assert_eq!(world.deliver([removed("giant")]).await.status, 200);
    assert_eq!(world.store.keys("state"), [""; 0]);
}

#[tokio::test]
async fn a_state_bucket_that_cannot_be_read_while_others_write_is_not_waited_for() {
    let world = World::resumable().await;
    world.put("giant", bytes(GIANT));
    let hangs = Fault::Delay(Duration::from_secs(600));
    let reads = On::nth(1).of("GetObject").bucket("state");
    world.faults.inject(reads, hangs);
    for nth in 2..=20 {
        let conflict = Fault::Status(412, "PreconditionFailed");
        world
            .faults
            .inject(On::nth(nth).of("PutObject").bucket("state"), conflict);
    }
    let answer = world.deliver([created("giant")]).await;
    assert_eq!(answer.outcomes(), ["copied"], "{answer:?}");
    assert_eq!(
        world.faults.count("PutObject"),
        2,
        "the ledger's, and one that failed"
    );
}
