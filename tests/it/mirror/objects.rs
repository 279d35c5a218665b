//! What is not plain about an object: markers of directories, odd headers, what the backup cannot take, storage classes.

use crate::world::{Logs, World, bytes, created, record, removed};
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::{Object, Properties};
use serde_json::json;
use std::collections::BTreeMap;

const MIB: usize = 1 << 20;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

impl World {
    fn put_object(&self, key: &str, length: usize, properties: &Properties) {
        let object = Object::new(bytes(length), properties.clone());
        self.store.put_object("origin", key, object);
    }

    /// Copies it, and finds nothing to do the next time.
    async fn copy(&self, key: &str) -> Object {
        assert_eq!(
            self.deliver([created(key)]).await.outcomes(),
            ["copied"],
            "{key}"
        );
        assert_eq!(
            self.deliver([created(key)]).await.outcomes(),
            ["unchanged"],
            "{key}"
        );
        self.backup_object(key).unwrap()
    }
}

#[tokio::test]
async fn empty_objects_and_markers_of_directories_are_objects_like_others() {
    let dressed = Properties {
        content_type: Some("application/x-directory".into()),
        cache_control: Some("no-cache".into()),
        metadata: map(&[("mode", "0755")]),
        tags: map(&[("kind", "marker")]),
        ..Properties::default()
    };
    let plain = Properties {
        content_type: Some("binary/octet-stream".into()),
        ..Properties::default()
    };
    let world = World::new().await;
    for key in ["empty", "dir/", "dir//", "dir/inside", "/"] {
        for length in [0, 10, 9 * MIB, 0] {
            for properties in [&dressed, &plain] {
                world.put_object(key, length, properties);
                let copy = world.copy(key).await;
                assert_eq!(&copy.properties, properties, "{key} {length}");
                assert!(copy.body() == bytes(length), "{key} {length}");
            }
        }
    }
    // A directory's end is not the end of what is inside.
    world.remove("dir/");
    assert_eq!(
        world.deliver([removed("dir/")]).await.outcomes(),
        ["deleted"]
    );
    assert_eq!(
        world.store.keys("backup"),
        ["/", "dir//", "dir/inside", "empty"]
    );
}

#[tokio::test]
async fn no_content_type_is_made_up() {
    let world = World::new().await;
    for length in [0, 10, 9 * MIB] {
        world.put_object("a", length, &Properties::default());
        // S3 has none without one, and this is what it says then.
        let s3s = Some("binary/octet-stream".to_owned());
        assert_eq!(world.copy("a").await.properties.content_type, s3s);
    }
}

#[tokio::test]
async fn encoded_bytes_stay_encoded() {
    // Not even gzip: whoever decodes it fails.
    let properties = Properties {
        content_type: Some("text/html".into()),
        content_encoding: Some("gzip, br".into()),
        cache_control: Some("x".repeat(4000)),
        ..Properties::default()
    };
    let world = World::new().await;
    for length in [10, 9 * MIB] {
        world.put_object("a", length, &properties);
        let copy = world.copy("a").await;
        assert_eq!(copy.properties, properties);
        assert!(copy.body() == bytes(length));
    }
}

#[tokio::test]
async fn what_is_not_plain_ascii_is_spelled_as_s3_takes_it() {
    let properties = Properties {
        content_type: Some("text/plain".into()),
        content_disposition: Some("attachment; filename=\"отчёт 1.txt\"".into()),
        metadata: map(&[
            ("author", "Ñandú 日本"),
            ("plain", "a b"),
            ("word", "=?UTF-8?Q?=C3=A9?="),
        ]),
        tags: map(&[("автор", "Ñandú 日本")]),
        ..Properties::default()
    };
    let spelled = Properties {
        content_disposition: Some(
            "attachment; filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82%201.txt".into(),
        ),
        metadata: map(&[
            ("author", "=?UTF-8?B?w5FhbmTDuiDml6XmnKw=?="),
            ("plain", "a b"),
            ("word", "=?UTF-8?Q?=C3=A9?="),
        ]),
        ..properties.clone()
    };
    let world = World::new().await;
    for length in [10, 9 * MIB] {
        world.put_object("a", length, &properties);
        assert_eq!(world.copy("a").await.properties, spelled, "{length}");
    }
    // In place, too.
    world.put_object("b", 10, &properties);
    world.store.put("backup", "b", bytes(10));
    assert_eq!(world.copy("b").await.properties, spelled);
    assert_eq!(world.faults.count("CopyObject"), 1);
}

#[tokio::test]
async fn headers_of_any_bytes_and_any_number_are_read() {
    let world = World::new().await;
    for length in [10, 9 * MIB] {
        for (fault, metadata, disposition) in [
            (
                Fault::Set("x-amz-meta-a", b"caf\xe9"),
                Some("=?UTF-8?B?Y2Fmw6k=?="),
                None,
            ),
            (Fault::Add("x-amz-meta-a", "two"), Some("one,two"), None),
            (
                Fault::Set("content-disposition", b"attachment; filename=caf\xe9"),
                Some("one"),
                Some("attachment; filename*=UTF-8''caf%C3%A9"),
            ),
            // Neither a date nor a text: S3 would take it for another one than was signed.
            (Fault::Set("expires", b"\xe9"), Some("one"), None),
            (
                Fault::Set("x-amz-expiration", b"rule-id=\"\xe9\""),
                Some("one"),
                None,
            ),
        ] {
            let properties = Properties {
                metadata: map(&[("a", "one")]),
                ..Properties::default()
            };
            world.put_object("a", length, &properties);
            let gets = On::every().bucket("origin").of("GetObject");
            world.faults.inject(gets, fault.clone());
            let copy = world.copy("a").await.properties;
            assert_eq!(
                copy.metadata.get("a").map(String::as_str),
                metadata,
                "{fault:?}"
            );
            assert_eq!(
                copy.content_disposition.as_deref(),
                disposition,
                "{fault:?}"
            );
            assert_eq!(copy.expires, None, "{fault:?}");
            world.faults.clear();
        }
    }
}

#[tokio::test]
async fn what_the_backup_cannot_take_is_told_and_the_rest_is_mirrored() {
    let mut properties = Properties {
        content_type: Some("text/plain".into()),
        content_language: Some("język".into()),
        metadata: map(&[("big", &"x".repeat(2000)), ("bigger", &"x".repeat(2000))]),
        tags: (0..12)
            .map(|n| (format!("{n:02}"), String::new()))
            .collect(),
        ..Properties::default()
    };
    properties.tags.insert("00*".into(), String::new());
    let world = World::new().await;
    for length in [10, 9 * MIB] {
        let logs = Logs::new();
        world.put_object("a", length, &properties);
        let copy = world.copy("a").await;
        assert!(copy.body() == bytes(length));
        assert_eq!(copy.properties.content_type, properties.content_type);
        assert_eq!(copy.properties.metadata.keys().collect::<Vec<_>>(), ["big"]);
        // The mark has the place of the tenth.
        assert_eq!(copy.properties.tags.len(), 9);
        let left_out = "header \"content-language\", metadata \"bigger\", tag \"00*\", tag \"10\", tag \"11\", tag \"09\"";
        // Once: of a copy that is right, nothing is told.
        let told = logs.lines("the backup does not take all of the object's properties");
        let [told] = &told[..] else {
            panic!("{told:?}")
        };
        let of_copy = (&told["level"], &told["object.key"], &told["left_out"]);
        assert_eq!(of_copy, (&json!("WARN"), &json!("a"), &json!(left_out)));
    }
    // What was left out still tells that the object changed.
    properties.tags.insert("11".into(), "changed".into());
    world.put_object("a", 9 * MIB, &properties);
    let tagging = record("s3:ObjectTagging:Put", "a");
    assert_eq!(world.deliver([tagging]).await.outcomes(), ["copied"]);
    world.remove("a");
    assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["deleted"]);
}

#[tokio::test]
async fn tags_are_asked_for_only_where_the_origin_counts_some() {
    let world = World::new().await;
    world.put("a", "1");
    world.copy("a").await;
    assert_eq!(world.faults.count("GetObjectTagging"), 0);
    let tagged = Properties {
        tags: map(&[("a", "b")]),
        ..Properties::default()
    };
    world.put_object("a", 10, &tagged);
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert_eq!(
        world.faults.count("GetObjectTagging"),
        2,
        "before and after"
    );
}

#[tokio::test]
async fn no_copy_has_the_tags_of_another_state() {
    let world = World::new().await;
    let tagged = |tag: &str| Properties {
        tags: map(&[("state", tag)]),
        ..Properties::default()
    };
    world.put_object("a", 10, &tagged("old"));
    let (store, new) = (world.store.clone(), Object::new(bytes(11), tagged("new")));
    world.faults.on_call("GetObjectTagging", 1, move || {
        store.put_object("origin", "a", new.clone());
    });
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert_eq!(world.faults.count("PutObject"), 1, "the old bytes never");
    let copy = world.backup_object("a").unwrap();
    assert_eq!(
        (copy.body().len(), &copy.properties.tags["state"][..]),
        (11, "new")
    );
    // Gone while it is looked at.
    let store = world.store.clone();
    world.put_object("a", 12, &tagged("newer"));
    world
        .faults
        .on_call("GetObjectTagging", 1, move || store.delete("origin", "a"));
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["deleted"]);
}

#[tokio::test]
async fn metadata_may_be_many() {
    let world = World::new().await;
    let names: Vec<_> = (0..400).map(|n| format!("m{n:03}")).collect();
    let properties = Properties {
        metadata: map(&names.iter().map(|name| (&name[..], "")).collect::<Vec<_>>()),
        ..Properties::default()
    };
    for length in [10, 9 * MIB] {
        world.put_object("a", length, &properties);
        let copy = world.copy("a").await;
        // What is more does not fit into one request.
        assert!(copy.properties.metadata.len() > 150);
    }
    world.remove("a");
    assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["deleted"]);
}

#[tokio::test]
async fn copies_have_the_storage_class_of_their_rule() {
    let world = World::with_rule(json!({"storage_class": "STANDARD_IA"})).await;
    let class = |key: &str| world.backup_object(key).unwrap().properties.storage_class;
    for length in [0, 10, 9 * MIB] {
        world.put_object("a", length, &Properties::default());
        world.copy("a").await;
        assert_eq!(class("a").as_deref(), Some("STANDARD_IA"), "{length}");
    }
    world.put("adopted", "same");
    world.store.put("backup", "adopted", "same");
    world.copy("adopted").await;
    assert_eq!(world.faults.count("CopyObject"), 1);
    assert_eq!(class("adopted").as_deref(), Some("STANDARD_IA"));
}

#[tokio::test]
async fn an_archived_copy_is_followed_by_another() {
    for class in ["GLACIER", "DEEP_ARCHIVE"] {
        let world = World::with_rule(json!({"storage_class": class})).await;
        for (length, changed) in [(10, "a"), (10, "b"), (9 * MIB, "c"), (9 * MIB, "d")] {
            let properties = Properties {
                content_type: Some("text/plain".into()),
                metadata: map(&[("changed", changed)]),
                storage_class: Some(class.to_owned()),
                ..Properties::default()
            };
            // The origin has classes of its own, which are its own affair.
            let at_origin = Properties {
                storage_class: Some("STANDARD_IA".to_owned()),
                ..properties.clone()
            };
            world.put_object("a", length, &at_origin);
            let copy = world.copy("a").await;
            assert_eq!(copy.properties, properties);
            assert!(copy.body() == bytes(length));
        }
        // Tried in place where the bytes were the same: an archived object refuses it.
        assert_eq!(world.faults.count("CopyObject"), 2);
        world.remove("a");
        assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["deleted"]);
    }
}
