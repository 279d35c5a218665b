//! A copy is believed only while it is what was copied: others change it in the backup, put objects of their own under its key, or
//! name one bucket as the other's backup.

use crate::world::{World, bytes, created, variables};
use hookwork::config::Config;
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::{Object, Properties};
use serde_json::json;

const MIB: usize = 1 << 20;

impl World {
    /// Puts other bytes over a copy and keeps everything that it says of itself.
    fn damage(&self, key: &str) {
        let copy = self.store.get("backup", key).unwrap();
        let mut other = copy.body();
        *other.last_mut().unwrap() ^= 1;
        let other = Object::new(other, copy.properties.clone());
        self.store.put_object("backup", key, other);
    }

    /// Changes the properties of a copy and keeps its bytes and its mark.
    fn respell(&self, key: &str, change: impl FnOnce(&mut Properties)) {
        let mut copy = Object::clone(&self.store.get("backup", key).unwrap());
        change(&mut copy.properties);
        self.store.put_object("backup", key, copy);
    }

    async fn hear_of(&self, key: &str) -> Vec<String> {
        self.deliver([created(key)]).await.outcomes()
    }

    /// The store tells no checksum of an object of the origin, as most S3-compatibles do.
    fn tells_no_checksum(&self, bucket: &'static str) {
        self.faults.inject(
            On::every().of("HeadObject").bucket(bucket),
            Fault::Unset("x-amz-checksum-crc64nvme"),
        );
    }
}

#[tokio::test]
async fn other_bytes_under_the_mark_of_a_copy_are_copied_again() {
    for size in [1, 100, 9 * MIB] {
        for told in [true, false] {
            let world = World::resumable().await;
            if !told {
                world.tells_no_checksum("origin");
            }
            world.put("a", bytes(size));
            assert_eq!(world.hear_of("a").await, ["copied"], "{size}");
            assert_eq!(world.hear_of("a").await, ["unchanged"], "{size} {told}");
            world.damage("a");
            assert!(world.backup("a").unwrap() != bytes(size));
            assert_eq!(world.hear_of("a").await, ["copied"], "{size} {told}");
            assert!(world.backup("a").unwrap() == bytes(size));
            assert_eq!(world.hear_of("a").await, ["unchanged"], "{size} {told}");
        }
    }
}

/// What the schedule says to the function finds them too, also where the names of both sides tell nothing of their bytes.
#[tokio::test]
async fn an_audit_repairs_a_copy_that_was_changed_in_the_backup() {
    let world = World::resumable().await;
    let audit = json!({"hookwork": "audit"});
    let settle = |key: &str| {
        let mut original = Object::clone(&world.store.get("origin", key).unwrap());
        original.last_modified -= std::time::Duration::from_secs(7200);
        world.store.put_object("origin", key, original);
    };
    for (key, size) in [("small", 100), ("large", 9 * MIB)] {
        world.put(key, bytes(size));
        settle(key);
        assert_eq!(world.hear_of(key).await, ["copied"]);
    }
    for round in 0..2 {
        world.damage("large");
        world.damage("small");
        if round > 0 {
            world.respell("small", |of| of.content_type = Some("text/html".to_owned()));
        }
        crate::events::dispatched(world.app(), &audit).await;
        for (key, size) in [("small", 100), ("large", 9 * MIB)] {
            assert!(world.backup(key).unwrap() == bytes(size), "{key} {round}");
        }
        world.respell("small", |of| of.content_type = Some("text/html".to_owned()));
        crate::events::dispatched(world.app(), &audit).await;
        let copy = world.backup_object("small").unwrap();
        assert_ne!(copy.properties.content_type.as_deref(), Some("text/html"));
    }
}

#[tokio::test]
async fn where_the_backup_tells_no_checksum_two_md5s_must_agree() {
    let world = World::new().await;
    world.tells_no_checksum("backup");
    world.put("a", "original");
    assert_eq!(world.hear_of("a").await, ["copied"]);
    assert_eq!(world.hear_of("a").await, ["unchanged"]);
    world.damage("a");
    assert_eq!(world.hear_of("a").await, ["copied"]);
    assert_eq!(world.backup("a").unwrap(), b"original");
}

#[tokio::test]
async fn the_seal_of_a_copy_in_parts_counts_only_for_its_own_bytes() {
    let world = World::resumable().await;
    world.tells_no_checksum("origin");
    world.put("a", bytes(9 * MIB));
    assert_eq!(world.hear_of("a").await, ["copied"]);
    let seal = |world: &World| {
        let copy = world.store.get("backup", "a").unwrap();
        copy.properties.tags.get("hookwork-checksum").cloned()
    };
    assert!(seal(&world).is_some());
    world.respell("a", |of| of.tags.clear());
    assert_eq!(world.hear_of("a").await, ["copied"], "its seal is gone");
    assert!(seal(&world).is_some());
}

#[tokio::test]
async fn changed_properties_of_a_copy_are_written_again_in_place() {
    let world = World::new().await;
    let mut properties = Properties {
        content_type: Some("text/plain".to_owned()),
        ..Properties::default()
    };
    properties.metadata.insert("a".into(), "b".into());
    properties.tags.insert("c".into(), "d".into());
    let original = Object::new("bytes", properties);
    world.store.put_object("origin", "a", original.clone());
    assert_eq!(world.hear_of("a").await, ["copied"]);
    let changes: [fn(&mut Properties); 5] = [
        |of| of.content_type = Some("text/html".to_owned()),
        |of| of.cache_control = Some("no-store".to_owned()),
        |of| drop(of.metadata.insert("a".into(), "other".into())),
        |of| drop(of.tags.insert("c".into(), "other".into())),
        |of| of.tags.clear(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(world.hear_of("a").await, ["unchanged"], "{number}");
        world.respell("a", change);
        let puts = world.faults.count("PutObject");
        assert_eq!(world.hear_of("a").await, ["copied"], "{number}");
        assert_eq!(world.faults.count("PutObject"), puts, "in place");
        let copy = world.backup_object("a").unwrap();
        assert_eq!(copy.properties, original.properties, "{number}");
    }
}

#[tokio::test]
async fn the_mark_says_what_a_copy_is_of_since_when_and_what_its_bytes_are() {
    let world = World::new().await;
    world.put("a", "123456789");
    world.hear_of("a").await;
    let original = world.store.get("origin", "a").unwrap();
    let since = original
        .last_modified
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let copy = world.store.get("backup", "a").unwrap();
    let mark = copy.properties.metadata["hookwork-mark"].clone();
    let fields: Vec<_> = mark.split(':').collect();
    let [version, _, etag, modified, checksum, of] = fields[..] else {
        panic!("{mark}")
    };
    assert_eq!(
        (version, etag, modified, checksum, of),
        (
            "2",
            &original.etag[..],
            &since.as_secs().to_string()[..],
            "rosUhgp5mIg=",
            "vk/mcs1/origin"
        )
    );
}

#[tokio::test]
async fn a_copy_of_the_first_version_is_marked_anew_in_place() {
    let world = World::new().await;
    world.put("a", "bytes");
    world.hear_of("a").await;
    world.respell("a", |of| {
        let mark = of.metadata["hookwork-mark"].clone();
        let fields: Vec<_> = mark.split(':').collect();
        let first = format!("1:{}:{}:{}", fields[1], fields[2], fields[5]);
        of.metadata.insert("hookwork-mark".into(), first);
    });
    let puts = world.faults.count("PutObject");
    assert_eq!(world.hear_of("a").await, ["copied"]);
    assert_eq!(world.faults.count("PutObject"), puts, "in place");
    let copy = world.store.get("backup", "a").unwrap();
    assert!(copy.properties.metadata["hookwork-mark"].starts_with("2:"));
    assert_eq!(world.hear_of("a").await, ["unchanged"]);
}

/// Two objects whose ETag is the same: the store's names lie, as MD5 can be made to.
#[tokio::test]
async fn two_objects_of_one_etag_are_told_apart_by_their_bytes() {
    for first_is_ours in [true, false] {
        let world = World::with_rule(json!({"foreign": "overwrite"})).await;
        let named = |body: &'static str| Object {
            etag: "0123456789abcdef0123456789abcdef".to_owned(),
            ..Object::new(body, Properties::default())
        };
        if first_is_ours {
            world.store.put_object("origin", "a", named("bytes one"));
            assert_eq!(world.hear_of("a").await, ["copied"]);
            let mut copy = Object::clone(&world.store.get("backup", "a").unwrap());
            copy.etag = named("").etag;
            world.store.put_object("backup", "a", copy);
        } else {
            world.store.put_object("backup", "a", named("bytes one"));
        }
        let mut second = named("bytes two");
        second.last_modified += std::time::Duration::from_secs(2);
        world.store.put_object("origin", "a", second);
        assert_eq!(world.hear_of("a").await, ["copied"]);
        assert_eq!(world.backup("a").unwrap(), b"bytes two");
    }
}

#[tokio::test]
async fn a_copy_that_hookwork_made_is_not_mirrored_on() {
    for (replicas, outcome) in [("ignore", "ignored"), ("mirror", "copied")] {
        let world = World::with_rule(json!({ "replicas": replicas })).await;
        let mut properties = Properties::default();
        properties
            .metadata
            .insert("hookwork-mark".into(), "1:00:00:vk2/elsewhere".into());
        let replica = Object::new("bytes", properties);
        world.store.put_object("origin", "a", replica);
        let answer = world.deliver([created("a")]).await;
        assert_eq!(
            (answer.status, answer.outcomes()),
            (200, vec![outcome.to_owned()])
        );
        assert_eq!(world.backup("a").is_some(), outcome == "copied");
    }
}

#[test]
fn a_bucket_is_not_its_own_backup() {
    let problems = |endpoint: &str, bucket: &str| {
        let rule = json!({bucket: {}});
        let source = json!({"kind": "s3", "flavor": "aws", "endpoint": endpoint, "region": "us-east-1", "buckets": rule});
        let known = variables(&json!({ "s": source }), &json!({}), "backup", Some("state"));
        let read = Config::from_lookup(known);
        read.err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    for (bucket, said) in [("backup", "its own backup"), ("state", "our own files")] {
        for endpoint in [
            "https://s3.us-east-1.amazonaws.com",
            "https://s3.amazonaws.com",
            "https://S3.eu-west-1.amazonaws.com/",
            "https://s3.dualstack.us-east-1.amazonaws.com:443",
        ] {
            let found = problems(endpoint, bucket);
            assert!(found.contains(said), "{endpoint} {bucket}: {found}");
        }
        assert_eq!(problems("https://storage.example", bucket), "", "{bucket}");
    }
    assert_eq!(problems("https://s3.amazonaws.com", "another"), "");
}

/// What a copy in parts says of its bytes takes the place of a read of the ledger that is not there: the origin's word, or a tag where
/// it has none, and without versions another look.
#[tokio::test]
async fn the_checksum_of_a_large_copy_takes_no_call_more() {
    let usual = [
        "GetObject origin",
        "GetObject origin",
        "GetObject origin",
        "HeadObject backup",
        "ListMultipartUploads backup",
        "CreateMultipartUpload backup",
        "UploadPart backup",
        "UploadPart backup",
        "CompleteMultipartUpload backup",
        "PutObject state",
        "PutObject state",
        "PutObject state",
        "DeleteObject state",
    ];
    for (told, more) in [
        (true, &["HeadObject origin"][..]),
        (false, &["PutObjectTagging backup", "HeadObject backup"]),
    ] {
        let world = World::resumable().await;
        if !told {
            world.tells_no_checksum("origin");
        }
        // That the origin tells none is found out once.
        world.put("first", bytes(9 * MIB));
        assert_eq!(world.hear_of("first").await, ["copied"]);
        world.put("large", bytes(9 * MIB));
        let before = world.faults.calls().len();
        assert_eq!(world.hear_of("large").await, ["copied"]);
        let calls = world.faults.calls();
        let calls = calls[before..].iter();
        let mut calls: Vec<_> = calls
            .map(|call| format!("{} {}", call.operation, call.bucket))
            .collect();
        let mut expected: Vec<_> = usual.iter().chain(more).copied().collect();
        calls.sort_unstable();
        expected.sort_unstable();
        assert_eq!(calls, expected, "{told}");
    }
}

/// An upload goes on whatever the origin tells of its checksum to whoever goes on with it, and waits where the question has no answer.
#[tokio::test]
async fn no_upload_ends_for_what_is_told_of_its_checksum() {
    for told in [true, false] {
        let world = World::resumable().await;
        if !told {
            world.tells_no_checksum("origin");
        }
        world.put("giant", bytes(80 * MIB));
        let stand = world.cut_after(4).await;
        assert!(stand > 0);
        if told {
            let asks = On::every().of("HeadObject").bucket("origin");
            world.faults.inject(asks, Fault::Status(503, "SlowDown"));
            assert_eq!(world.deliver([created("giant")]).await.status, 500);
            world.faults.clear();
        }
        assert_eq!(world.store.open_uploads("backup"), 1, "{told}");
        let before = world.faults.count("UploadPart");
        assert_eq!(world.hear_of("giant").await, ["copied"]);
        let sent = world.faults.count("UploadPart") - before;
        assert_eq!(sent, 10 - stand, "{told}");
        assert_eq!(world.hear_of("giant").await, ["unchanged"]);
    }
}

/// A copy whose seal cannot be written at once is not carried over once more.
#[tokio::test]
async fn a_seal_is_tried_again() {
    let world = World::resumable().await;
    world.tells_no_checksum("origin");
    for fault in [Fault::Status(503, "SlowDown"), Fault::DropAfter] {
        let seal = On::nth(1).of("PutObjectTagging").bucket("backup");
        world.faults.inject(seal, fault);
    }
    world.put("a", bytes(9 * MIB));
    assert_eq!(world.hear_of("a").await, ["copied"]);
    assert_eq!(world.faults.count("CompleteMultipartUpload"), 1);
    assert_eq!(world.hear_of("a").await, ["unchanged"]);
}
