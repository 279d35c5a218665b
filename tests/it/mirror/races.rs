//! Origin and backup change while they are looked at and written.

use crate::world::{World, bytes, created, removed};
use hookwork::twin::faults::{Fault, On};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Notify;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn sixteen_deliveries_at_once_for_one_key_all_succeed() {
    let world = World::new().await;
    for length in [10, 9 * MIB] {
        world.put("a", bytes(length));
        let answers =
            futures_util::future::join_all((0..16).map(|_| world.deliver([created("a")]))).await;
        assert!(
            answers.iter().all(|answer| answer.status == 200),
            "{answers:?}"
        );
        assert!(world.backup("a").unwrap() == bytes(length));
    }
}

#[tokio::test]
async fn an_origin_that_moves_between_look_and_write_is_looked_at_again() {
    let world = World::new().await;
    world.put("a", "old");
    let store = world.store.clone();
    world
        .faults
        .on_call("PutObject", 1, move || store.put("origin", "a", "new"));
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert_eq!(world.backup("a").unwrap(), b"new");
}

#[tokio::test]
async fn an_origin_that_is_removed_while_it_is_copied_leaves_no_copy() {
    let world = World::new().await;
    world.put("a", "old");
    let store = world.store.clone();
    world
        .faults
        .on_call("PutObject", 1, move || store.delete("origin", "a"));
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["deleted"]);
    assert_eq!(world.backup("a"), None);
}

#[tokio::test]
async fn an_origin_that_comes_back_while_its_copy_is_removed_is_copied_again() {
    let world = World::new().await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    world.remove("a");
    let store = world.store.clone();
    world
        .faults
        .on_call("DeleteObject", 1, move || store.put("origin", "a", "2"));
    assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["copied"]);
    assert_eq!(world.backup("a").unwrap(), b"2");
}

#[tokio::test]
async fn after_a_removal_one_false_answer_is_not_believed_either() {
    let world = World::new().await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    world.remove("a");
    let (store, faults) = (world.store.clone(), world.faults.clone());
    world.faults.on_call("DeleteObject", 1, move || {
        store.put("origin", "a", "2");
        faults.inject(
            On::nth(1).of("GetObject").bucket("origin"),
            Fault::Status(404, "NoSuchKey"),
        );
    });
    assert_eq!(world.deliver([removed("a")]).await.status, 500);
    assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["copied"]);
    assert_eq!(world.backup("a").unwrap(), b"2");
}

#[tokio::test]
async fn parts_of_two_generations_are_never_mixed() {
    let world = World::new().await;
    let new = bytes(25 * MIB).slice(MIB..);
    world.put("a", bytes(24 * MIB));
    let (store, newer) = (world.store.clone(), new.clone());
    world.faults.on_call("UploadPart", 2, move || {
        store.put("origin", "a", newer.clone());
    });
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert!(world.backup("a").unwrap() == new);
    assert_eq!(world.store.open_uploads("backup"), 0);
}

#[tokio::test]
async fn a_store_that_answers_another_generation_is_not_believed() {
    let world = World::new().await;
    world.put("a", bytes(24 * MIB));
    // The second read is a part's range: its answer names another ETag than the look's.
    world.faults.inject(
        On::nth(2).of("GetObject").bucket("origin"),
        Fault::Set("etag", b"\"00000000000000000000000000000000\""),
    );
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert!(world.backup("a").unwrap() == bytes(24 * MIB));
    assert_eq!(world.store.open_uploads("backup"), 0);
}

#[tokio::test]
async fn a_stale_writer_is_stopped_by_its_condition() {
    let world = World::with_rule(json!({"foreign": "overwrite"})).await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    world.put("a", "2");
    // Another worker writes the backup between our look and our write.
    let store = world.store.clone();
    world.faults.on_call("PutObject", 1, move || {
        store.put("backup", "a", "of another worker");
    });
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert_eq!(world.backup("a").unwrap(), b"2");
    assert_eq!(
        world.faults.count("PutObject"),
        3,
        "one was refused with 412"
    );
}

#[tokio::test]
async fn a_write_that_outlives_its_worker_is_fenced_by_what_came_after() {
    let world = World::new().await;
    world.put("a", "old");
    let lands = Arc::new(Notify::new());
    world
        .faults
        .inject(On::nth(1).of("PutObject"), Fault::Late(lands.clone()));
    assert_eq!(world.deliver([created("a")]).await.status, 500);
    world.put("a", "new");
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    let etag = world.store.get("backup", "a").unwrap().etag.clone();
    world.faults.clear();
    lands.notify_one();
    // The late write holds the other handle until it has been handled.
    while Arc::strong_count(&lands) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.store.get("backup", "a").unwrap().etag, etag);
}
