//! Which records are hints: those whose bucket and key can be read, whatever else is in them.

use super::tests::{events, object, record, source};
use super::*;
use serde_json::json;

/// Each storage has its own list of names, and it grows.
#[test]
fn a_record_that_names_bucket_and_key_is_a_hint_whatever_its_event_is_called() {
    let hints = [
        "s3:ObjectCreated:Put",
        "ObjectRemoved:DeleteMarkerCreated",
        "s3:Replication:Create",
        "s3:Replication:OperationCompletedReplication",
        "s3:ObjectLifecycle:Expiration:Current",
        "s3:LifecycleExpiration:Delete",
        "ObjectSynced:Create",
        "ObjectRestore:Completed",
        "s3:ObjectRestore:Delete",
        "LifecycleTransition",
        "IntelligentTiering",
        "ReducedRedundancyLostObject",
        "ObjectTransition:Complete",
        "ObjectAccessedOnce",
        "objectcreated:put",
        "",
        "\u{1}",
    ];
    let odd = [
        json!(null),
        json!(7),
        json!({"a": 1}),
        json!([[]]),
        json!(true),
    ];
    let names = hints.into_iter().map(|name| json!(name)).chain(odd);
    for flavor in ["vk", "minio", "ceph", "aws"] {
        let source = source(flavor, json!({"b": {}}));
        for name in names.clone() {
            let mut record = record("", "b", "k");
            record["eventName"] = name;
            let found = events(&source, json!({"Records": [record]}));
            assert_eq!(found, [object("b", "k")], "{flavor}: {record}");
        }
        let mut record = record("", "b", "k");
        record.as_object_mut().unwrap().remove("eventName");
        let found = events(&source, json!({"Records": [record]}));
        assert_eq!(found, [object("b", "k")], "{flavor}");
    }
}

#[test]
fn an_event_after_which_nothing_has_changed_is_no_hint() {
    let source = source("minio", json!({"b": {}}));
    for name in [
        "s3:ObjectAccessed:Get",
        "s3:ObjectAccessed:Head",
        "ObjectAccessed:GetRetention",
        "ObjectAccessed",
        "s3:TestEvent",
        "s3:ObjectRestore:Post",
        "s3:ObjectAcl:Put",
        "s3:BucketCreated:*",
        "s3:BucketRemoved:*",
        "s3:Scanner:ManyVersions",
        "GetObject",
        "HeadObject",
        "CreateMultipartUpload",
    ] {
        let found = events(&source, json!({"Records": [record(name, "b", "k")]}));
        assert!(matches!(found[..], [Event::Nothing { .. }]), "{name}");
    }
    // Of a bucket as a whole, by a name that nobody has heard of.
    for key in [json!(""), json!(null)] {
        let mut whole = record("s3:BucketPolicy:Put", "b", "");
        whole["s3"]["object"]["key"] = key;
        let found = events(&source, json!({"Records": [whole]}));
        assert!(matches!(found[..], [Event::Nothing { .. }]), "{found:?}");
    }
}

#[test]
fn what_stands_beside_the_records_is_no_matter_to_them() {
    let source = source("minio", json!({"b": {}}));
    for odd in [json!(7), json!(null), json!({}), json!(["x"])] {
        let body = json!({
            "Type": odd, "Event": odd, "EventName": odd, "Key": odd, "Records": [record("x", "b", "k")],
        });
        assert_eq!(events(&source, body), [object("b", "k")], "{odd}");
        let around = json!({"EventName": odd, "Key": "b/k", "Records": null});
        assert_eq!(events(&source, around), [object("b", "k")], "{odd}");
        let mut owned = record("x", "b", "k");
        owned["s3"]["bucket"]["ownerIdentity"] = odd.clone();
        owned["s3"]["bucket"]["arn"] = odd;
        let found = events(&source, json!({"Records": [owned]}));
        assert_eq!(found, [object("b", "k")]);
    }
}

#[test]
fn bytes_that_are_no_utf8_spoil_the_record_whose_name_they_are_in_and_no_other() {
    let source = source("minio", json!({"b": {}}));
    let good = record("ObjectCreated:Put", "b", "good");
    let body = |odd: &[u8], places: [&str; 3]| {
        let [user, bucket, key] = places;
        let text = format!(
            r#"{{"Records":[{{"userIdentity":"{user}","s3":{{"bucket":{{"name":"b{bucket}"}},"object":{{"key":"k{key}"}}}}}},{good}]}}"#
        );
        let mut bytes = Vec::new();
        for (number, piece) in text.split('@').enumerate() {
            if number > 0 {
                bytes.extend_from_slice(odd);
            }
            bytes.extend_from_slice(piece.as_bytes());
        }
        bytes
    };
    let read = |body: Vec<u8>| {
        let secrets = SourceSecrets::default();
        let proof = Proof::Sender {
            secrets: &secrets,
            vouched: false,
        };
        source.open("src", &Delivery::post(http::HeaderMap::new(), body), proof)
    };
    for odd in [
        &b"\xff"[..],
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xf8\x88",
        b"\xe2\x82",
    ] {
        for (places, first) in [
            (["@", "", ""], Some(object("b", "k"))),
            (["", "@", ""], None),
            (["", "", "@"], None),
            (
                ["\u{10fffd}@", "", "\u{10fffd}"],
                Some(object("b", "k\u{10fffd}")),
            ),
            (
                ["@", "", "\\uDBFF\\uDFFD"],
                Some(object("b", "k\u{10fffd}")),
            ),
            (["@", "", "\u{fffd}"], Some(object("b", "k\u{fffd}"))),
        ] {
            let Ok(Message::Events(events)) = read(body(odd, places)) else {
                panic!("{odd:?} {places:?}")
            };
            match first {
                Some(first) => assert_eq!(events[0], first, "{odd:?} {places:?}"),
                None => assert!(
                    matches!(events[0], Event::Malformed(_)),
                    "{odd:?} {places:?}"
                ),
            }
            assert_eq!(events[1], object("b", "good"), "{odd:?} {places:?}");
        }
    }
    let outside = read(b"{\"Records\":[]\xff}".to_vec());
    assert!(matches!(outside, Err(Rejection::Malformed(_))));
    // A body that has every stand-in is refused, in time.
    let all: String = ('\u{10ff00}'..='\u{10fffd}').collect();
    let all = read(body(b"\xff", [&format!("@{all}"), "", ""]));
    assert!(matches!(all, Err(Rejection::Malformed(_))));
}
