//! What MinIO and Backblaze say in words of their own, and how they prove that it was them.

use super::tests::{events, object, open, open_with, source, vectors};
use super::*;
use crate::domain::handshake::hex;
use crate::domain::signature::hmac_sha256;
use serde_json::{Value, json};

#[test]
fn minio_says_it_around_its_record_too() {
    let source = source("minio", json!({"photos": {}}));
    let mut sample = vectors()["s3_event_samples"]["minio_constructed_from_source"].clone();
    let key = "red flower/a+b.jpg";
    assert_eq!(events(&source, &sample), [object("photos", key)]);
    sample["Records"] = json!([]);
    assert_eq!(events(&source, &sample), [object("photos", key)]);
    sample.as_object_mut().unwrap().remove("Records");
    assert_eq!(events(&source, &sample), [object("photos", key)]);
    sample["EventName"] = json!("s3:BucketCreated:*");
    assert!(matches!(
        events(&source, &sample)[..],
        [Event::Nothing { .. }]
    ));
    sample["Key"] = json!("photos");
    assert!(matches!(
        open(&source, &sample),
        Err(Rejection::Malformed(_))
    ));
    let other = source_of_photos("ceph");
    sample["Key"] = json!("photos/x");
    assert!(
        matches!(open(&other, &sample), Err(Rejection::Malformed(_))),
        "only MinIO"
    );
}

fn source_of_photos(flavor: &str) -> S3Source {
    source(flavor, json!({"photos": {}}))
}

#[test]
fn minio_proves_itself_where_there_is_a_token() {
    let source = source_of_photos("minio");
    let body = &vectors()["s3_event_samples"]["minio_constructed_from_source"];
    let with = |secrets: &[&str], value: Option<&str>| {
        let header = value.map(|value| ("authorization", value));
        open_with(&source, secrets, header, body)
    };
    assert!(with(&[], None).is_ok());
    let live = ["current", "previous", "Token two-words"];
    for value in [
        "Bearer current",
        "Bearer previous",
        "current",
        "Token two-words",
    ] {
        assert!(with(&live, Some(value)).is_ok(), "{value}");
    }
    for value in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer other"),
        Some("Bearer current x"),
        Some("Token"),
        Some("Basic current"),
    ] {
        assert_eq!(with(&live, value), Err(Rejection::Unauthentic), "{value:?}");
    }
}

/// Backblaze's published event, in the reference guide and in its SDK's tests, of this type and about this object.
fn b2_event(kind: &str, key: &str) -> Value {
    json!({
        "accountId": "e85c6a500333", "bucketId": "aea8c5bc362ae55070130333", "bucketName": "mySampleBucket",
        "eventTimestamp": 1_684_793_309_123_u64, "eventType": kind, "eventVersion": 1, "matchedRuleName": "mySampleRule1",
        "objectName": key, "objectSize": 10_495_842,
        "objectVersionId": "4_zaea8c5bc362ae55070130333_f117c7bd5d6c6597c_d20230521_m235957_c001_v0001044_t0052_u01684713597235",
    })
}

const B2_SECRET: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0";

fn open_b2(source: &S3Source, events: Value) -> Result<Message, Rejection> {
    let body = json!({"events": events}).to_string();
    let signature = hex(&hmac_sha256(B2_SECRET.as_bytes(), body.as_bytes()));
    let header = (
        "x-bz-event-notification-signature",
        &*format!("v1={signature}"),
    );
    open_with(source, &["older", B2_SECRET], Some(header), body)
}

#[test]
fn backblazes_events_are_read_each_on_its_own() {
    let b2 = source("b2", json!({"mySampleBucket": {}}));
    let key = "a b+c/%20\u{fc}.txt";
    let mut test = b2_event("b2:TestEvent", "");
    for field in ["objectName", "objectSize", "objectVersionId"] {
        test.as_object_mut().unwrap().remove(field);
    }
    let mut lacking = test.clone();
    lacking["eventType"] = json!("b2:ObjectCreated:Copy");
    let mut other = b2_event("b2:ObjectCreated:Upload", "x");
    other["bucketName"] = json!("other");
    let told = json!([
        b2_event("b2:ObjectCreated:MultipartUpload", key),
        b2_event("b2:ObjectDeleted:LifecycleRule", key),
        b2_event("b2:HideMarkerCreated:Hide", key),
        b2_event("b2:MultipartUploadCreated:LiveRead", key),
        test,
        lacking,
        other,
        7,
    ]);
    let Ok(Message::Events(events)) = open_b2(&b2, told) else {
        panic!("refused");
    };
    let one = object("mySampleBucket", key);
    assert_eq!(events[..3], [one.clone(), one.clone(), one]);
    assert!(matches!(
        events[3..],
        [
            Event::Nothing { .. },
            Event::Nothing { .. },
            Event::Malformed(_),
            Event::Forbidden { .. },
            Event::Malformed(_)
        ]
    ));
    let of_account = source("b2", json!({"e85c6a500333/mySampleBucket": {}}));
    let told = json!([b2_event("b2:ObjectCreated:Upload", "k")]);
    assert_eq!(
        open_b2(&of_account, told),
        Ok(Message::Events(vec![object(
            "e85c6a500333/mySampleBucket",
            "k"
        )]))
    );
}

#[test]
fn backblaze_always_proves_itself() {
    let b2 = source("b2", json!({"mySampleBucket": {}}));
    let vectors = vectors();
    let vectors = vectors["generic_signatures"].as_array().unwrap();
    let vector = vectors
        .iter()
        .find(|vector| vector["scheme"] == "backblaze_b2")
        .unwrap();
    let text = |name: &str| vector[name].as_str().unwrap();
    let header = |value| Some(("x-bz-event-notification-signature", value));
    let right = header(text("value"));
    let opened = |secrets: &[&str], header, body: &str| open_with(&b2, secrets, header, body);
    assert_eq!(
        opened(&[text("secret")], right, text("body")),
        Ok(Message::Events(Vec::new()))
    );
    for (secrets, header, body) in [
        (&["other"][..], right, text("body")),
        (&[], right, text("body")),
        (&[text("secret")], None, text("body")),
        (&[text("secret")], right, "{\"events\":[ ]}"),
        (&[text("secret")], header(&text("value")[3..]), text("body")),
        (
            &[text("secret")],
            header(&text("value").replace("v1", "v0")),
            text("body"),
        ),
        (&[text("secret")], header("v1="), text("body")),
    ] {
        assert_eq!(
            opened(secrets, header, body),
            Err(Rejection::Unauthentic),
            "{header:?} {body}"
        );
    }
}

#[test]
fn topics_are_arns_and_of_aws_alone() {
    let with = |flavor: &str, topic: &str| {
        let mut source = source(flavor, json!({"b": {}}));
        source.topics = vec![topic.to_owned()];
        source.bucket_problems().len()
    };
    assert_eq!(with("aws", "arn:aws:sns:us-west-2:123456789012:t"), 0);
    assert_eq!(with("ceph", "arn:aws:sns:us-west-2:123456789012:t"), 1);
    for topic in [
        "t",
        "",
        "arn:aws:sqs:us-west-2:1:t",
        "arn:aws:sns:us-west-2:1:",
    ] {
        assert_eq!(with("aws", topic), 1, "{topic}");
    }
}
