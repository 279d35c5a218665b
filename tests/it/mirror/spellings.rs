//! Stores that spell their answers in another way than S3: what can be read is mirrored, and nothing is taken for another thing.

use crate::world::{Logs, World, bytes, created, record, removed};
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::{Object, Properties};
use serde_json::json;
use std::collections::BTreeMap;

const MIB: usize = 1 << 20;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn put(world: &World, key: &str, length: usize, properties: &Properties) {
    let object = Object::new(bytes(length), properties.clone());
    world.store.put_object("origin", key, object);
}

#[tokio::test]
async fn a_time_of_any_spelling_is_that_of_the_object() {
    let other = "Fri, 01 Jan 2027 00:00:00 GMT";
    for fault in [
        Fault::Set("last-modified", b"1994-11-06T08:49:37Z"),
        Fault::Set("last-modified", b"Sun, 6 Nov 1994 08:49:37 GMT"),
        Fault::Set("last-modified", b"Sun, 06 Nov 1994 08:49:37 +0000"),
        Fault::Set("last-modified", b"sun, 06 nov 1994 08:49:37 gmt"),
        Fault::Set("last-modified", b"Sunday, 06-Nov-94 08:49:37 GMT"),
        Fault::Set("last-modified", b"Sun Nov  6 08:49:37 1994"),
        Fault::Add("last-modified", other),
        Fault::Add("x-amz-version-id", "another"),
        Fault::Add("x-amz-tagging-count", "many"),
        Fault::Set("x-amz-mp-parts-count", b"many"),
        Fault::Set("x-amz-delete-marker", b"no"),
        Fault::Set("x-amz-object-lock-retain-until-date", b"tomorrow"),
    ] {
        let world = World::new().await;
        for (key, length) in [("small", 10), ("large", 9 * MIB)] {
            put(&world, key, length, &Properties::default());
            let reads = On::every().of("GetObject").bucket("origin");
            world.faults.inject(reads, fault.clone());
            let answer = world.deliver([created(key)]).await;
            assert_eq!(answer.outcomes(), ["copied"], "{key} {fault:?}");
            let answer = world.deliver([created(key)]).await;
            assert_eq!(answer.outcomes(), ["unchanged"], "{key} {fault:?}");
            world.faults.clear();
        }
    }
}

#[tokio::test]
async fn an_answer_without_its_length_has_that_of_its_range() {
    let world = World::new().await;
    for (key, length) in [("small", 10), ("large", 9 * MIB)] {
        world.put(key, bytes(length));
        let reads = On::every().of("GetObject").bucket("origin");
        world.faults.inject(reads, Fault::Unset("content-length"));
        assert_eq!(world.deliver([created(key)]).await.outcomes(), ["copied"]);
        world.faults.clear();
        assert!(world.backup(key).unwrap() == bytes(length), "{key}");
    }
}

#[tokio::test]
async fn what_xml_cannot_say_fails_no_answer() {
    let odd = [
        (
            "CreateMultipartUpload",
            "<Key>",
            "<Key>\u{1}\0 & &nbsp;\u{ffff}",
        ),
        (
            "CompleteMultipartUpload",
            "<Key>",
            "<Key>\u{1}\0 & &nbsp;\u{ffff}",
        ),
        ("GetObjectTagging", "<TagSet>", "<Odd>\u{1f}&</Odd><TagSet>"),
        ("CopyObject", "<ETag>", "<Odd>\u{b}&</Odd><ETag>"),
        ("ListObjectsV2", "<Prefix>", "<Prefix>\u{2}&"),
        ("ListMultipartUploads", "<Prefix>", "<Prefix>\u{2}&"),
    ];
    let world = World::new().await;
    for (operation, old, new) in odd {
        let calls = On::every().of(operation);
        world.faults.inject(calls, Fault::Swap(old, new));
    }
    let tagged = Properties {
        tags: map(&[("k", "v")]),
        ..Properties::default()
    };
    for (key, length) in [
        ("small", 10),
        ("large", 9 * MIB),
        ("odd\u{1}\u{1f}key", 9 * MIB),
    ] {
        put(&world, key, length, &tagged);
        assert_eq!(world.deliver([created(key)]).await.outcomes(), ["copied"]);
        assert!(world.backup(key).unwrap() == bytes(length), "{key:?}");
        let changed = Properties {
            metadata: map(&[("changed", "yes")]),
            ..tagged.clone()
        };
        put(&world, key, length, &changed);
        assert_eq!(world.deliver([created(key)]).await.outcomes(), ["copied"]);
        let copy = world.backup_object(key).unwrap();
        assert_eq!(copy.properties.metadata, changed.metadata, "{key:?}");
        assert_eq!(copy.properties.tags, changed.tags, "{key:?}");
        world.remove(key);
        assert_eq!(world.deliver([removed(key)]).await.outcomes(), ["deleted"]);
    }
    assert_eq!(world.faults.count("CopyObject"), 3);
    assert!(world.faults.count("ListObjectsV2") >= 3);
}

#[tokio::test]
async fn an_error_that_xml_cannot_say_has_its_code() {
    let world = World::new().await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    world.remove("a");
    let reads = On::every().of("GetObject").bucket("origin");
    world
        .faults
        .inject(reads, Fault::Swap("<Code>", "<Key>\u{1}&</Key><Code>"));
    assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["deleted"]);
}

#[tokio::test]
async fn an_object_of_no_bytes_needs_no_etag_that_is_their_md5() {
    let world = World::new().await;
    let reads = On::every().bucket("origin");
    let etag = Fault::Set("etag", b"\"0123456789abcdef0123456789abcdef\"");
    world.faults.inject(reads, etag);
    for key in ["dir/", "empty"] {
        world.put(key, "");
        assert_eq!(world.deliver([created(key)]).await.outcomes(), ["copied"]);
        assert_eq!(
            world.deliver([created(key)]).await.outcomes(),
            ["unchanged"]
        );
        assert_eq!(world.backup(key).unwrap(), b"");
        let tagged = Properties {
            tags: map(&[("k", "v")]),
            ..Properties::default()
        };
        put(&world, key, 0, &tagged);
        assert_eq!(world.deliver([created(key)]).await.outcomes(), ["copied"]);
        assert_eq!(
            world.deliver([created(key)]).await.outcomes(),
            ["unchanged"]
        );
    }
}

#[tokio::test]
async fn an_object_that_was_archived_keeps_its_copy_and_changes_its_tags() {
    for class in ["GLACIER", "DEEP_ARCHIVE"] {
        for length in [10, 9 * MIB] {
            let world = World::new().await;
            put(&world, "a", length, &Properties::default());
            assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
            let archived = |tag| Properties {
                storage_class: Some(class.to_owned()),
                tags: map(&[("k", tag)]),
                ..Properties::default()
            };
            for tag in ["1", "2"] {
                put(&world, "a", length, &archived(tag));
                let tagged = || [record("s3:ObjectTagging:Put", "a")];
                assert_eq!(world.deliver(tagged()).await.outcomes(), ["copied"]);
                assert_eq!(world.deliver(tagged()).await.outcomes(), ["unchanged"]);
                let copy = world.backup_object("a").unwrap();
                assert_eq!(copy.properties.tags, map(&[("k", tag)]));
                assert_eq!(copy.properties.storage_class, None);
            }
            let puts = ["PutObject", "CompleteMultipartUpload"];
            let puts: usize = puts.map(|call| world.faults.count(call)).iter().sum();
            assert_eq!(puts, 1, "no bytes moved again");
            // Only a copy of other bytes fails, and no other attempt would end otherwise.
            put(&world, "a", length + 1, &archived("3"));
            let logs = Logs::new();
            let answer = world.deliver([created("a")]).await;
            assert_eq!(
                (answer.status, answer.outcomes()),
                (200, vec!["failed".to_owned()])
            );
            let error = logs.lines("job")[0]["error"].as_str().unwrap().to_owned();
            assert!(
                error.contains("archived") && error.contains("restore it"),
                "{error}"
            );
            assert!(world.backup("a").unwrap() == bytes(length));
            world.remove("a");
            assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["deleted"]);
        }
    }
}

#[tokio::test]
async fn what_a_store_refuses_is_left_out_and_told() {
    let class = json!({"storage_class": "STANDARD_IA"});
    let properties = || Properties {
        cache_control: Some("no-cache".to_owned()),
        metadata: map(&[("m", "1")]),
        tags: map(&[("plain", "1"), ("t\u{e9}g", "1")]),
        ..Properties::default()
    };
    for (code, left_out) in [
        ("InvalidTag", "tag \"t\u{e9}g\""),
        ("MetadataTooLarge", "metadata \"m\""),
        ("InvalidStorageClass", "header \"x-amz-storage-class\""),
        ("InvalidArgument", "header \"cache-control\""),
    ] {
        for (operation, length) in [
            ("PutObject", 10),
            ("CreateMultipartUpload", 9 * MIB),
            ("CopyObject", 10),
        ] {
            let what = format!("{code} {operation}");
            let world = World::with_rule(class.clone()).await;
            if operation == "CopyObject" {
                put(&world, "a", length, &Properties::default());
                world.deliver([created("a")]).await;
            }
            put(&world, "a", length, &properties());
            let once = On::nth(1).of(operation).bucket("backup");
            world.faults.inject(once, Fault::Status(400, code));
            let logs = Logs::new();
            let answer = world.deliver([created("a")]).await;
            assert_eq!(answer.outcomes(), ["copied"], "{what}");
            let told = logs.lines("the backup does not take all of the object's properties");
            let told = told[0]["left_out"].as_str().unwrap();
            assert!(told.contains(left_out), "{what}: {told}");
            let copy = world.backup_object("a").unwrap();
            assert!(copy.body() == bytes(length), "{what}");
            let kept = copy.properties;
            assert_eq!(
                kept.tags.contains_key("t\u{e9}g"),
                !["InvalidTag", "InvalidArgument"].contains(&code),
                "{what}"
            );
            assert_eq!(
                kept.tags.contains_key("plain"),
                code != "InvalidArgument",
                "{what}"
            );
            assert_eq!(
                kept.metadata.contains_key("m"),
                !["MetadataTooLarge", "InvalidArgument"].contains(&code),
                "{what}"
            );
            assert_eq!(
                kept.storage_class.is_some(),
                !["InvalidStorageClass", "InvalidArgument"].contains(&code),
                "{what}"
            );
            // It is tried once more with all of them, and that it was refused is no more so.
            // Where it is stored is no part of what a copy is.
            let outcome = match code {
                "InvalidStorageClass" => "unchanged",
                _ => "copied",
            };
            let again = world.deliver([created("a")]).await;
            assert_eq!(again.outcomes(), [outcome], "{what}");
            let copy = world.backup_object("a").unwrap();
            assert!(copy.properties.tags.contains_key("t\u{e9}g"), "{what}");
            let again = world.deliver([created("a")]).await;
            assert_eq!(again.outcomes(), ["unchanged"], "{what}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_with_nothing_left_to_leave_out_is_an_error() {
    for code in [
        "InvalidTag",
        "InvalidArgument",
        "MetadataTooLarge",
        "InvalidRequest",
    ] {
        let world = World::new().await;
        put(
            &world,
            "a",
            10,
            &Properties {
                tags: map(&[("\u{e9}", "1"), ("b", "2")]),
                ..Properties::default()
            },
        );
        let puts = On::every().of("PutObject");
        world.faults.inject(puts, Fault::Status(400, code));
        let answer = world.deliver([created("a")]).await;
        assert_eq!(answer.outcomes(), ["failed"], "{code}");
        assert!(world.faults.count("PutObject") <= 3, "{code}");
        assert_eq!(world.backup("a"), None);
    }
}
