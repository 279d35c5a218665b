//! The mirror through the function's own door: whatever is told, the backup becomes what the origin is.

use crate::world::{World, bytes, created, record, removed};
use futures_util::stream::{self, StreamExt as _};
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::{Object, Properties};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_forged_removal_leaves_the_backup() {
    let world = World::new().await;
    world.put("a", "1");
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert_eq!(
        world.deliver([removed("a")]).await.outcomes(),
        ["unchanged"]
    );
    assert_eq!(world.backup("a").unwrap(), b"1");
}

#[tokio::test]
async fn a_replayed_creation_does_not_resurrect() {
    let world = World::new().await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    world.remove("a");
    assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["deleted"]);
    assert_eq!(
        world.deliver([created("a")]).await.outcomes(),
        ["unchanged"]
    );
    assert_eq!(world.backup("a"), None);
}

#[tokio::test]
async fn an_unknown_event_after_a_removal_is_no_removal() {
    let world = World::new().await;
    world.put("kept", "1");
    world.put("gone", "1");
    world.deliver([created("kept"), created("gone")]).await;
    world.remove("gone");
    let answer = world
        .deliver([removed("gone"), record("s3:Unheard:Of", "kept")])
        .await;
    assert_eq!(
        (answer.status, answer.outcomes()),
        (200, vec!["deleted".into(), "ignored".into()])
    );
    assert_eq!(world.backup("kept").unwrap(), b"1");
}

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
        (500, "copied failed failed copied".into())
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
async fn a_copy_keeps_bytes_headers_metadata_and_tags() {
    let world = World::new().await;
    let properties = Properties {
        content_type: Some("text/plain; charset=utf-8".into()),
        cache_control: Some("max-age=60".into()),
        content_disposition: Some("attachment; filename=\"a b.txt\"".into()),
        content_encoding: Some("gzip".into()),
        content_language: Some("ru".into()),
        expires: Some("when it is ready".into()),
        metadata: BTreeMap::from([
            ("author".into(), "A. U. Thor".into()),
            ("empty".into(), String::new()),
        ]),
        tags: BTreeMap::from([("class".into(), "a/b=c +d".into())]),
    };
    for (key, length) in [("small", 10), ("large", 9 * MIB), ("empty", 0)] {
        world.store.put_object(
            "origin",
            key,
            Object::new(bytes(length), properties.clone()),
        );
        assert_eq!(
            world.deliver([created(key)]).await.outcomes(),
            ["copied"],
            "{key}"
        );
        let copy = world.backup_object(key).unwrap();
        assert_eq!(copy.properties, properties, "{key}");
        assert_eq!(copy.body(), bytes(length), "{key}");
    }
}

#[tokio::test]
async fn a_change_of_metadata_alone_is_mirrored_without_moving_the_bytes() {
    let world = World::new().await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    for change in ["one", "two"] {
        let mut properties = Properties {
            content_type: Some("text/html".into()),
            ..Properties::default()
        };
        properties.tags.insert("change".into(), change.into());
        world
            .store
            .put_object("origin", "a", Object::new("1", properties.clone()));
        assert_eq!(
            world
                .deliver([record("s3:ObjectTagging:Put", "a")])
                .await
                .outcomes(),
            ["copied"]
        );
        assert_eq!(world.backup_object("a").unwrap().properties, properties);
    }
    assert_eq!(
        (
            world.faults.count("PutObject"),
            world.faults.count("CopyObject")
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn every_legal_key_arrives() {
    let world = World::new().await;
    let long = "k".repeat(1024);
    let keys = [
        "a//b",
        "a/./b",
        "a/../b",
        "../up",
        "/leading",
        "trailing/",
        "a+b",
        "a%20b",
        "100%",
        "^",
        "a:b",
        "a b",
        " a ",
        "caf\u{e9}",
        "cafe\u{301}",
        "日本語/キー",
        "?",
        "#",
        "&<>\"'",
        "a\\b",
        "~",
        "*",
        "a\tb",
        "\u{1F600}",
        &long,
    ];
    for key in keys {
        world.put(key, key.to_owned());
        assert_eq!(
            world.deliver([created(key)]).await.outcomes()[0],
            "copied",
            "{key:?}"
        );
        assert_eq!(world.backup(key).unwrap(), key.as_bytes(), "{key:?}");
    }
    for key in keys {
        world.remove(key);
        assert_eq!(
            world.deliver([removed(key)]).await.outcomes()[0],
            "deleted",
            "{key:?}"
        );
    }
    assert_eq!(world.store.keys("backup"), [""; 0]);
}

#[tokio::test]
async fn vks_keys_are_read_both_ways() {
    let world = World::new().await;
    world.put("a b+c.txt", "1");
    assert_eq!(
        world.deliver([created("a+b%2Bc.txt")]).await.outcomes(),
        ["unchanged", "copied"]
    );
    assert_eq!(world.backup("a b+c.txt").unwrap(), b"1");
}

#[tokio::test]
async fn every_size_around_a_part_arrives() {
    let world = World::new().await;
    for length in [
        0,
        1,
        8 * MIB - 1,
        8 * MIB,
        8 * MIB + 1,
        16 * MIB,
        25 * MIB + 7,
    ] {
        world.put("a", bytes(length));
        assert_eq!(
            world.deliver([created("a")]).await.outcomes(),
            ["copied"],
            "{length}"
        );
        assert!(world.backup("a").unwrap() == bytes(length), "{length}");
    }
    assert_eq!(world.store.open_uploads("backup"), 0);
}

#[tokio::test]
async fn a_small_copy_takes_four_calls_and_an_unchanged_key_two() {
    let world = World::new().await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    let mut operations: Vec<_> = world
        .faults
        .calls()
        .into_iter()
        .map(|call| (call.operation, call.bucket))
        .collect();
    operations.sort();
    let expected = [
        ("GetObject", "origin"),
        ("GetObject", "origin"),
        ("HeadObject", "backup"),
        ("PutObject", "backup"),
    ];
    assert_eq!(
        operations,
        expected.map(|(operation, bucket)| (operation, bucket.to_owned()))
    );
    world.deliver([created("a")]).await;
    assert_eq!(world.faults.calls().len(), 6);
}

#[tokio::test]
async fn equal_keys_of_a_delivery_are_looked_at_once() {
    let world = World::new().await;
    world.put("a", "1");
    assert_eq!(
        world
            .deliver([created("a"), removed("a"), created("a")])
            .await
            .outcomes(),
        ["copied"; 3]
    );
    assert_eq!(world.faults.count("PutObject"), 1);
}

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
async fn parts_of_two_generations_are_never_mixed() {
    let world = World::new().await;
    let new = bytes(25 * MIB).slice(MIB..);
    world.put("a", bytes(24 * MIB));
    let (store, newer) = (world.store.clone(), new.clone());
    world.faults.on_call("UploadPart", 2, move || {
        store.put("origin", "a", newer.clone())
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
        Fault::WrongEtag,
    );
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert!(world.backup("a").unwrap() == bytes(24 * MIB));
    assert_eq!(world.store.open_uploads("backup"), 0);
}

#[tokio::test]
async fn a_stale_writer_is_stopped_by_its_condition() {
    let world = World::new().await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    world.put("a", "2");
    // Another worker writes the backup between our look and our write.
    let store = world.store.clone();
    world.faults.on_call("PutObject", 2, move || {
        store.put("backup", "a", "of another worker")
    });
    // The first PutObject of this world is over, so count anew.
    world.faults.clear();
    let store = world.store.clone();
    world.faults.on_call("PutObject", 1, move || {
        store.put("backup", "a", "of another worker")
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
    lands.notify_one();
    // The late write is handled by then: every call before it is over once this one is.
    while world.deliver([created("a")]).await.outcomes() != ["unchanged"] {}
    assert_eq!(world.store.get("backup", "a").unwrap().etag, etag);
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
async fn another_key_that_starts_alike_does_not_hide_an_absence() {
    let world = World::new().await;
    world.put("a", "1");
    world.put("a/b", "2");
    world.deliver([created("a")]).await;
    world.remove("a");
    assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["deleted"]);
}

#[tokio::test]
async fn only_a_marked_copy_of_this_origin_is_ever_deleted() {
    let world = World::new().await;
    world.store.put("backup", "foreign", "theirs");
    let mut properties = Properties::default();
    properties
        .metadata
        .insert("hookwork-mark".into(), "1:00:00:mcs2/origin".into());
    world.store.put_object(
        "backup",
        "of another origin",
        Object::new("theirs", properties),
    );
    for key in ["foreign", "of another origin"] {
        assert_eq!(
            world.deliver([removed(key)]).await.outcomes(),
            ["unchanged"]
        );
        assert_eq!(world.backup(key).unwrap(), b"theirs");
        world.put(key, "ours");
        assert_eq!(world.deliver([created(key)]).await.outcomes(), ["copied"]);
        assert_eq!(world.backup(key).unwrap(), b"ours");
    }
}

#[tokio::test]
async fn what_a_script_copied_before_is_adopted_without_a_transfer() {
    let world = World::new().await;
    world.put("a", "same");
    world.store.put("backup", "a", "same");
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert_eq!(
        (
            world.faults.count("CopyObject"),
            world.faults.count("PutObject")
        ),
        (1, 0)
    );
    assert!(world.backup_object("a").is_some());
    world.remove("a");
    assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["deleted"]);
}

#[tokio::test]
async fn a_backup_that_does_not_copy_in_place_gets_the_bytes_again() {
    let world = World::new().await;
    world.put("a", "same");
    world.store.put("backup", "a", "same");
    world.faults.inject(
        On::every().of("CopyObject"),
        Fault::Status(400, "NotImplemented"),
    );
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert!(world.backup_object("a").is_some());
}

#[tokio::test]
async fn a_rule_prefixes_filters_and_keeps() {
    let world = World::with_rule(
        json!({"prefix": "p/", "include": ["in/*"], "exclude": ["*.tmp"], "deletes": "keep"}),
    )
    .await;
    for key in ["in/a", "in/a.tmp", "out"] {
        world.put(key, "1");
    }
    let answer = world
        .deliver([created("in/a"), created("in/a.tmp"), created("out")])
        .await;
    assert_eq!(answer.outcomes(), ["copied", "ignored", "ignored"]);
    assert_eq!(world.store.keys("backup"), ["p/in/a"]);
    world.remove("in/a");
    assert_eq!(
        world.deliver([removed("in/a")]).await.outcomes(),
        ["unchanged"]
    );
    assert_eq!(world.backup("p/in/a").unwrap(), b"1");
}

#[tokio::test]
async fn a_mark_that_does_not_fit_beside_full_metadata_goes_into_a_tag() {
    let world = World::new().await;
    let properties = Properties {
        metadata: BTreeMap::from([("big".into(), "x".repeat(2000))]),
        ..Properties::default()
    };
    world
        .store
        .put_object("origin", "a", Object::new("1", properties.clone()));
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert_eq!(
        world.backup_object("a").unwrap().properties.metadata,
        properties.metadata
    );
    assert_eq!(
        world.deliver([created("a")]).await.outcomes(),
        ["unchanged"]
    );
    world.remove("a");
    assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["deleted"]);
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
