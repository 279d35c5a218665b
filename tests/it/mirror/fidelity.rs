//! A copy has the same bytes, headers, metadata and tags, under every legal key and at every size.

use crate::world::{World, bytes, created, record, removed};
use hookwork::twin::s3::{Object, Properties};
use std::collections::BTreeMap;

const MIB: usize = 1 << 20;

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
        storage_class: None,
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
