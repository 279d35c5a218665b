//! Whatever is told, the backup becomes what the origin is, and nothing that is not ours is deleted.

use crate::world::{World, created, record, removed};
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::{Object, Properties};
use serde_json::json;

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
        (200, vec!["deleted".into(), "unchanged".into()])
    );
    assert_eq!(world.backup("kept").unwrap(), b"1");
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
    for foreign in ["refuse", "overwrite"] {
        only_ours_are_deleted(foreign).await;
    }
}

/// Objects of others under the prefix: none is deleted, and the rule says whether the origin's replaces it.
async fn only_ours_are_deleted(foreign: &str) {
    let world = World::with_rule(json!({ "foreign": foreign })).await;
    world.store.put("backup", "foreign", "theirs");
    let mut properties = Properties::default();
    properties
        .metadata
        .insert("hookwork-mark".into(), "1:00:00:vk2/mcs1/origin".into());
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
        let answer = world.deliver([created(key)]).await;
        let (outcome, bytes) = match foreign {
            "refuse" => ("failed", b"theirs".as_slice()),
            _ => ("copied", b"ours".as_slice()),
        };
        // No retry of the sender's mends it.
        assert_eq!(
            (answer.status, &answer.outcomes()[..]),
            (200, &[outcome.to_owned()][..])
        );
        assert_eq!(world.backup(key).unwrap(), bytes);
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
    // The second as SeaweedFS does of a marker of a directory.
    for (status, code) in [(400, "NotImplemented"), (404, "NoSuchKey")] {
        let world = World::new().await;
        world.put("a", "same");
        world.store.put("backup", "a", "same");
        let copies = On::every().of("CopyObject");
        world.faults.inject(copies, Fault::Status(status, code));
        assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
        assert!(world.backup_object("a").is_some());
    }
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
async fn whatever_is_told_in_whatever_order_the_backup_ends_as_the_origin() {
    const KEYS: [&str; 5] = ["a", "a/b", "b", "c d", "e"];
    for seed in 0..20_u32 {
        let world = World::new().await;
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        let mut next = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        for step in 0..30 {
            let key = KEYS[next(5)];
            match next(4) {
                0 => world.remove(key),
                1 => world.put(key, format!("{step}")),
                // Some changes are told, and much is told that did not happen.
                _ => {}
            }
            let hints = (0..next(4)).map(|_| (KEYS[next(5)], next(2)));
            let hints: Vec<_> = hints
                .map(|(key, kind)| {
                    if kind == 0 {
                        created(key)
                    } else {
                        removed(key)
                    }
                })
                .collect();
            assert_eq!(world.deliver(hints).await.status, 200, "seed {seed}");
        }
        // Once it is quiet, one hint a key, of whatever kind.
        world
            .deliver(KEYS.map(|key| {
                if next(2) == 0 {
                    created(key)
                } else {
                    removed(key)
                }
            }))
            .await;
        for key in KEYS {
            let origin = world.store.get("origin", key).map(|object| object.body());
            assert_eq!(world.backup(key), origin, "seed {seed}, {key}");
        }
    }
}
