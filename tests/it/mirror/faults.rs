//! Calls fail: nothing is lost, nothing is deleted without proof, and the next delivery makes it right.

use crate::world::{World, bytes, created, removed};
use futures_util::stream::{self, StreamExt as _};
use hookwork::twin::faults::{Fault, On};
use serde_json::json;
use std::time::Duration;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn one_failing_record_never_stops_the_others() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        world.put(key, key.to_owned());
    }
    world.faults.inject(
        On::every().bucket("backup").key("b"),
        Fault::Status(500, "InternalError"),
    );
    let answer = world
        .deliver([created("a"), created("b"), json!({"s3": {}}), created("c")])
        .await;
    assert_eq!(
        (answer.status, answer.outcomes().join(" ")),
        (500, "copied failed malformed copied".into())
    );
    assert_eq!(
        (
            world.backup("a").unwrap(),
            world.backup("b"),
            world.backup("c").unwrap()
        ),
        (b"a".to_vec(), None, b"c".to_vec())
    );
    world.faults.clear();
    assert_eq!(world.deliver([created("b")]).await.status, 200);
    assert_eq!(world.backup("b").unwrap(), b"b");
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_an_error_and_not_tried_again() {
    for (key, body, operation) in [
        ("small", bytes(10), "PutObject"),
        ("large", bytes(9 * MIB), "CompleteMultipartUpload"),
    ] {
        for fault in [
            Fault::DropAfter,
            Fault::Drop,
            Fault::Status(500, "InternalError"),
        ] {
            let world = World::new().await;
            world.put(key, body.clone());
            world
                .faults
                .inject(On::every().of(operation), fault.clone());
            let answer = world.deliver([created(key)]).await;
            assert_eq!(
                (answer.status, answer.outcomes()),
                (500, vec!["failed".to_owned()]),
                "{operation} {fault:?}"
            );
            assert_eq!(world.faults.count(operation), 1, "{operation} {fault:?}");
            assert_eq!(
                world.store.open_uploads("backup"),
                0,
                "{operation} {fault:?}"
            );
            world.faults.clear();
            assert_eq!(world.deliver([created(key)]).await.status, 200);
            assert!(world.backup(key).unwrap() == body, "{operation} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_failed_removal_of_unknown_outcome_is_an_error() {
    let world = World::new().await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    world.remove("a");
    world
        .faults
        .inject(On::every().of("DeleteObject"), Fault::DropAfter);
    assert_eq!(world.deliver([removed("a")]).await.status, 500);
    assert_eq!(
        world.deliver([removed("a")]).await.outcomes(),
        ["unchanged"]
    );
}

#[tokio::test]
async fn an_origin_that_cannot_be_read_deletes_nothing() {
    for (operation, fault) in [
        ("GetObject", Fault::Status(403, "AccessDenied")),
        ("GetObject", Fault::Status(404, "NoSuchBucket")),
        ("GetObject", Fault::Status(404, "")),
        ("GetObject", Fault::Status(500, "InternalError")),
        ("GetObject", Fault::Status(503, "SlowDown")),
        ("GetObject", Fault::Drop),
        ("ListObjectsV2", Fault::Status(403, "AccessDenied")),
        ("ListObjectsV2", Fault::Status(404, "NoSuchBucket")),
        ("ListObjectsV2", Fault::Drop),
    ] {
        let world = World::new().await;
        world.put("a", "1");
        world.deliver([created("a")]).await;
        world.remove("a");
        world
            .faults
            .inject(On::every().of(operation).bucket("origin"), fault.clone());
        let answer = world.deliver([removed("a")]).await;
        assert_eq!(
            (answer.status, answer.outcomes()),
            (500, vec!["failed".to_owned()]),
            "{operation} {fault:?}"
        );
        assert_eq!(world.backup("a").unwrap(), b"1", "{operation} {fault:?}");
    }
}

#[tokio::test]
async fn a_read_that_denies_what_the_listing_has_deletes_nothing() {
    let world = World::new().await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    world.faults.inject(
        On::every().of("GetObject").bucket("origin"),
        Fault::Status(404, "NoSuchKey"),
    );
    assert_eq!(world.deliver([removed("a")]).await.status, 500);
    assert_eq!(world.backup("a").unwrap(), b"1");
}

#[tokio::test]
async fn bytes_that_break_off_are_read_again() {
    for (length, reads) in [
        (10, On::nth(1)),
        (24 * MIB, On::nth(1)),
        (24 * MIB, On::nth(3)),
    ] {
        for fault in [Fault::Truncate(5), Fault::Drop] {
            let world = World::new().await;
            world.put("a", bytes(length));
            world.faults.inject(
                reads.clone().of("GetObject").bucket("origin"),
                fault.clone(),
            );
            assert_eq!(
                world.deliver([created("a")]).await.outcomes(),
                ["copied"],
                "{length} {fault:?}"
            );
            assert!(
                world.backup("a").unwrap() == bytes(length),
                "{length} {fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_part_that_fails_is_sent_again_and_only_that() {
    for fault in [
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Drop,
        Fault::DropAfter,
    ] {
        let world = World::new().await;
        world.put("a", bytes(40 * MIB));
        world
            .faults
            .inject(On::nth(3).of("UploadPart"), fault.clone());
        assert_eq!(
            world.deliver([created("a")]).await.outcomes(),
            ["copied"],
            "{fault:?}"
        );
        assert!(world.backup("a").unwrap() == bytes(40 * MIB), "{fault:?}");
        assert_eq!(
            (
                world.faults.count("UploadPart"),
                world.faults.count("CreateMultipartUpload")
            ),
            (6, 1),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn bytes_that_stand_still_are_read_again_and_hold_up_nobody() {
    let world = World::new().await;
    for (key, length) in [
        ("small", 8 * MIB),
        ("other", 8 * MIB),
        ("third", 8 * MIB),
        ("large", 17 * MIB),
    ] {
        world.put(key, bytes(length));
        if key != "third" {
            let once = On::nth(1).of("GetObject").bucket("origin").key(key);
            world.faults.inject(once, Fault::Stall(MIB));
        }
    }
    let records = ["small", "other", "third", "large"].map(created);
    let answer = world.deliver_within(Duration::from_secs(25), records).await;
    assert_eq!(answer.outcomes(), ["copied"; 4]);
}

#[tokio::test]
async fn an_error_in_the_body_of_a_200_leaves_the_outcome_unknown() {
    let world = World::new().await;
    world.put("large", bytes(9 * MIB));
    world.faults.inject(
        On::nth(1).of("CompleteMultipartUpload"),
        Fault::ErrorIn200("InternalError"),
    );
    assert_eq!(world.deliver([created("large")]).await.status, 500);
    assert_eq!(
        world.deliver([created("large")]).await.outcomes(),
        ["unchanged"]
    );
    world.put("a", "same");
    world.store.put("backup", "a", "same");
    world.faults.inject(
        On::nth(1).of("CopyObject"),
        Fault::ErrorIn200("InternalError"),
    );
    assert_eq!(world.deliver([created("a")]).await.status, 500);
    assert_eq!(
        world.faults.count("PutObject"),
        0,
        "it is not started over in place"
    );
}

#[tokio::test]
async fn a_busy_backup_is_asked_again_without_a_part_sent_twice() {
    let world = World::new().await;
    world.put("large", bytes(9 * MIB));
    world.faults.inject(
        On::nth(1).of("CompleteMultipartUpload"),
        Fault::Status(503, "SlowDown"),
    );
    assert_eq!(
        world.deliver([created("large")]).await.outcomes(),
        ["copied"]
    );
    assert_eq!(
        (
            world.faults.count("UploadPart"),
            world.faults.count("CompleteMultipartUpload")
        ),
        (2, 2)
    );
}

#[tokio::test]
async fn an_origin_whose_bytes_always_break_off_fails_and_leaves_nothing() {
    let world = World::new().await;
    for length in [10, 24 * MIB] {
        world.put("a", bytes(length));
        world.faults.inject(
            On::every().of("GetObject").bucket("origin"),
            Fault::Truncate(5),
        );
        assert_eq!(world.deliver([created("a")]).await.status, 500);
        assert_eq!(
            (world.backup("a"), world.store.open_uploads("backup")),
            (None, 0)
        );
        world.faults.clear();
    }
}

#[tokio::test]
async fn a_store_that_is_slow_to_drop_an_upload_is_waited_for() {
    let world = World::new().await;
    world.put("a", bytes(9 * MIB));
    let once = On::nth(1).of("CompleteMultipartUpload");
    world
        .faults
        .inject(once, Fault::Status(412, "PreconditionFailed"));
    world.faults.inject(
        On::every().of("AbortMultipartUpload"),
        Fault::Delay(Duration::from_secs(3)),
    );
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert_eq!(world.store.open_uploads("backup"), 0);
}

#[tokio::test]
async fn work_that_does_not_fit_into_its_time_stops_cleanly() {
    let world = World::new().await;
    world.put("a", bytes(24 * MIB));
    world.faults.inject(
        On::nth(3).of("UploadPart"),
        Fault::Delay(Duration::from_secs(60)),
    );
    let started = std::time::Instant::now();
    let answer = world
        .deliver_within(Duration::from_secs(2), [created("a")])
        .await;
    assert!(started.elapsed() < Duration::from_secs(6));
    assert_eq!(
        (answer.status, answer.outcomes()),
        (500, vec!["failed".to_owned()])
    );
    assert_eq!(
        (world.backup("a"), world.store.open_uploads("backup")),
        (None, 0),
        "the upload was dropped"
    );
}

#[tokio::test]
async fn keys_of_the_origin_rotate() {
    let world = World::with(|s3_url, _| {
        let key = |id: &str| json!({"access_key_id": id, "secret_access_key": id});
        (
            json!({"vk": crate::world::vk(s3_url, json!({}))}),
            json!({"vk": {"keys": [key("old"), key("new")]}}),
        )
    })
    .await;
    world.put("a", "1");
    world.faults.inject(
        On::nth(1).of("GetObject"),
        Fault::Status(403, "InvalidAccessKeyId"),
    );
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
}

#[tokio::test]
async fn after_a_fault_at_any_call_the_next_delivery_makes_it_right() {
    for length in [10, 9 * MIB] {
        let faults = [
            Fault::Status(500, "InternalError"),
            Fault::Drop,
            Fault::DropAfter,
        ];
        // More than there are calls, retries of the SDK included: the last ones hit nothing.
        let sweep = (1..=24).flat_map(|nth| {
            faults
                .iter()
                .map(move |fault| faulted(length, nth, fault.clone()))
        });
        let hits: Vec<bool> = stream::iter(sweep).buffer_unordered(12).collect().await;
        assert!(hits.contains(&false), "the sweep went past the last call");
        assert!(hits.iter().filter(|hit| **hit).count() >= 24, "{hits:?}");
    }
}

/// One round with a fault at the nth call. Whether there was an nth call.
async fn faulted(length: usize, nth: usize, fault: Fault) -> bool {
    let world = World::new().await;
    world.put("a", "before");
    world.put("gone", "before");
    world.deliver([created("a"), created("gone")]).await;
    world.put("a", bytes(length));
    world.remove("gone");
    let calls = world.faults.calls().len();
    world.faults.inject(On::nth(nth), fault.clone());
    let faulty = world.deliver([created("a"), removed("gone")]).await;
    let hit = world.faults.calls().len() - calls >= nth;
    world.faults.clear();
    if faulty.status == 500 {
        assert_eq!(
            world.deliver([created("a"), removed("gone")]).await.status,
            200,
            "{nth} {fault:?}"
        );
    }
    assert!(
        world.backup("a").unwrap() == bytes(length),
        "{nth} {fault:?}"
    );
    assert_eq!(world.backup("gone"), None, "{nth} {fault:?}");
    // An upload that was opened without an answer is known to nobody: the bucket's lifecycle rule drops it.
    let untold =
        matches!(fault, Fault::DropAfter) && world.faults.count("CreateMultipartUpload") > 1;
    assert_eq!(
        world.store.open_uploads("backup"),
        usize::from(untold),
        "{nth} {fault:?}"
    );
    hit
}
