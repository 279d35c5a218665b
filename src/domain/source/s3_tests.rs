//! What each dialect's deliveries are read as.

use super::*;
use crate::domain::signature::Secret;
use serde_json::{Value, json};

pub(super) fn source(flavor: &str, buckets: Value) -> S3Source {
    serde_json::from_value(
        json!({"flavor": flavor, "endpoint": "http://o", "region": "r", "buckets": buckets}),
    )
    .unwrap()
}

pub(super) fn open(source: &S3Source, body: impl ToString) -> Result<Message, Rejection> {
    open_with(source, &[], None, body)
}

/// The same of a source with secrets, and a delivery with a header.
pub(super) fn open_with(
    source: &S3Source,
    secrets: &[&str],
    header: Option<(&'static str, &str)>,
    body: impl ToString,
) -> Result<Message, Rejection> {
    let mut headers = http::HeaderMap::new();
    if let Some((name, value)) = header {
        headers.insert(name, value.parse().unwrap());
    }
    let secrets = SourceSecrets {
        secrets: secrets.iter().map(|text| Secret::new(text)).collect(),
        ..SourceSecrets::default()
    };
    let proof = Proof::Sender {
        secrets: &secrets,
        vouched: false,
    };
    source.open("src", &Delivery::post(headers, body.to_string()), proof)
}

#[test]
fn where_topics_are_named_nothing_else_is_believed() {
    let mut source = source("aws", json!({"b": {}}));
    let bare = json!({"Records": []});
    assert!(open(&source, &bare).is_ok());
    source.topics = vec!["arn:aws:sns:us-east-1:123456789012:t".to_owned()];
    assert_eq!(open(&source, &bare), Err(Rejection::Unauthentic));
}

#[test]
fn a_list_without_end_is_refused_and_what_else_is_in_a_record_is_no_matter() {
    let vk = source("vk", json!({"b": {}}));
    let long = format!("{{\"Records\":[{}0]}}", "0,".repeat(100_000));
    assert!(
        matches!(open(&vk, long), Err(Rejection::Malformed(why)) if why.contains("at most 1000"))
    );
    let odd = format!(
        "{{\"Records\":[{{\"s3\":{{\"z\":[{}[0]]}}}}]}}",
        "[0],".repeat(100_000)
    );
    assert!(matches!(events(&vk, odd)[..], [Event::Malformed(_)]));
}

pub(super) fn events(source: &S3Source, body: impl ToString) -> Vec<Event> {
    match open(source, body).unwrap() {
        Message::Events(events) => events,
        other => panic!("expected events, found {other:?}"),
    }
}

pub(super) fn object(origin: &str, key: &str) -> Event {
    Event::Object(vec![ObjectRef {
        source: "src".into(),
        origin: origin.into(),
        key: key.into(),
    }])
}

pub(super) fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/vectors.json")).unwrap()
}

#[test]
fn every_dialects_published_sample_names_its_object() {
    let samples = &vectors()["s3_event_samples"];
    for (sample, flavor, origin, key) in [
        ("vk", "vk", "mcs2883541269/bucketA", "some-file-to-bucket"),
        ("aws", "aws", "mybucket", "HappyFace.jpg"),
        ("ceph", "ceph", "mybucket1", "myimage1.jpg"),
        (
            "minio_constructed_from_source",
            "minio",
            "photos",
            "red flower/a+b.jpg",
        ),
    ] {
        let source = source(flavor, json!({origin: {}}));
        assert_eq!(
            events(&source, &samples[sample]),
            [object(origin, key)],
            "{sample}"
        );
    }
    let test_event = events(
        &source("aws", json!({"bucketname": {}})),
        &samples["aws_test_event"],
    );
    assert!(matches!(&test_event[..], [Event::Nothing { .. }]));
}

#[test]
fn keys_are_decoded_as_each_dialect_encodes_them() {
    for vector in vectors()["s3_key_decoding"].as_array().unwrap() {
        let text = |field: &str| vector[field].as_str().unwrap().to_owned();
        let flavor = Flavor::deserialize(&vector["provider"]).unwrap();
        assert_eq!(
            readings(flavor.encoding(), &text("wire")),
            [text("key")],
            "{vector}"
        );
    }
    assert_eq!(readings(Encoding::Either, "a+b%20c"), ["a+b%20c", "a b c"]);
    assert!(readings(Encoding::Form, "%FF").is_empty());
    // As a raw key it would be too long.
    let long = "%D0%BA".repeat(171);
    assert_eq!(readings(Encoding::Either, &long), ["\u{43a}".repeat(171)]);
    assert!(readings(Encoding::Either, "").is_empty());
}

pub(super) fn record(name: &str, bucket: &str, key: &str) -> Value {
    json!({"eventName": name, "s3": {"bucket": {"name": bucket, "ownerIdentity": {"principalId": "mcs1"}}, "object": {"key": key}}})
}

#[test]
fn each_record_stands_alone() {
    let source = source("vk", json!({"mcs1/b": {"exclude": ["tmp/*"]}}));
    let body = json!({"Records": [
        record("s3:ObjectRemoved:Delete", "b", "gone"),
        record("s3:Unheard:Of", "b", "kept"),
        {"eventName": "s3:ObjectCreated:Put"},
        record("s3:ObjectCreated:Put", "other", "x"),
        record("s3:ObjectCreated:Put", "b", "tmp/x"),
        record("CompleteMultipartUpload", "b", "big"),
        record("ObjectCreated:Put", "b", ""),
        7,
    ]});
    let events = events(&source, body);
    assert_eq!(events[0], object("mcs1/b", "gone"));
    assert_eq!(events[1], object("mcs1/b", "kept"));
    assert!(matches!(&events[2], Event::Malformed(_)));
    assert_eq!(
        events[3],
        Event::Forbidden {
            bucket: "other".into(),
            key: "x".into()
        }
    );
    assert!(matches!(&events[4], Event::Nothing { .. }));
    assert_eq!(events[5], object("mcs1/b", "big"));
    assert!(matches!(
        &events[6..],
        [Event::Malformed(_), Event::Malformed(_)]
    ));
}

#[test]
fn what_is_about_no_object_is_nothing_to_do() {
    let source = source("minio", json!({"b": {}}));
    let created = json!({"eventName": "s3:BucketCreated:*", "s3": {"bucket": {"name": "b"}}});
    assert!(matches!(
        events(&source, json!({"Records": [created]}))[..],
        [Event::Nothing { .. }]
    ));
}

#[test]
fn a_flood_of_records_is_refused_as_a_whole() {
    let source = source("vk", json!({"mcs1/b": {}}));
    let flood = |count| json!({"Records": vec![record("s3:ObjectCreated:Put", "b", "a+b"); count]});
    assert_eq!(
        events(&source, flood(RECORDS_MAX.get())).len(),
        RECORDS_MAX.get()
    );
    assert!(matches!(
        open(&source, flood(RECORDS_MAX.get() + 1)),
        Err(Rejection::Malformed(_))
    ));
}

#[test]
fn sizes_and_sequencers_of_any_type_are_taken() {
    let source = source("ceph", json!({"b": {}}));
    for odd in [
        json!(1577453615),
        json!("0055AED6DCD90281E5"),
        json!(null),
        json!({"x": 1}),
    ] {
        let mut record = record("ObjectCreated:Put", "b", "k");
        record["s3"]["object"]["sequencer"] = odd.clone();
        record["s3"]["object"]["size"] = odd;
        assert_eq!(
            events(&source, json!({"Records": [record]})),
            [object("b", "k")]
        );
    }
}

#[test]
fn another_projects_bucket_of_the_same_name_is_forbidden() {
    let source = source("vk", json!({"mcs2/b": {}}));
    assert_eq!(
        events(
            &source,
            json!({"Records": [record("s3:ObjectCreated:Put", "b", "k")]})
        ),
        [Event::Forbidden {
            bucket: "b".into(),
            key: "k".into()
        }]
    );
}

#[test]
fn a_handshake_needs_an_allowed_bucket_and_a_url() {
    let challenge = |topic: &str| json!({"Type": "SubscriptionConfirmation", "Timestamp": "t", "TopicArn": topic, "Token": "k", "SignatureVersion": 1});
    let mut source = source("vk", json!({"mcs1/b": {}}));
    assert!(
        matches!(
            open(&source, challenge("mcs1|b|e")),
            Err(Rejection::Malformed(_))
        ),
        "no url known"
    );
    source.url = Some("http://test.com".into());
    assert!(matches!(
        open(&source, challenge("mcs1|b|e")),
        Ok(Message::Challenge(_))
    ));
    assert_eq!(
        open(&source, challenge("mcs2|b|e")),
        Err(Rejection::Forbidden)
    );
    assert_eq!(
        open(&source, challenge("mcs1|c|e")),
        Err(Rejection::Forbidden)
    );
    assert!(matches!(
        open(&source, challenge("arn:aws:sns")),
        Err(Rejection::Malformed(_))
    ));
    source.flavor = Flavor::Minio;
    assert!(
        matches!(
            open(&source, challenge("mcs1|b|e")),
            Err(Rejection::Malformed(_))
        ),
        "only VK shakes hands so"
    );
}

#[test]
fn what_is_not_the_shape_is_malformed() {
    let source = source("vk", json!({"b": {}}));
    for body in [
        "",
        "x",
        "[]",
        "{}",
        "7",
        r#"{"Records":7}"#,
        r#"{"Records":[}"#,
        "\u{0}",
    ] {
        assert!(
            matches!(open(&source, body), Err(Rejection::Malformed(_))),
            "{body:?}"
        );
    }
    assert_eq!(events(&source, r#"{"Records":[]}"#), []);
}

proptest::proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in ".{0,300}") {
        let _ = open(&source("vk", json!({"b": {}})), body);
    }

    #[test]
    fn any_key_survives_minios_encoding(key in "\\PC{1,60}") {
        let wire = percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC).to_string();
        proptest::prop_assert_eq!(readings(Encoding::Form, &wire.replace("%20", "+")), [key]);
    }
}

#[test]
fn a_slash_on_the_wire_names_no_bucket_of_the_allow_list() {
    let mut source = source("vk", json!({"mcs1/b": {}}));
    source.url = Some("http://test.com".into());
    let mut forged = record("s3:ObjectCreated:Put", "mcs1/b", "k");
    forged["s3"]["bucket"]["ownerIdentity"]["principalId"] = json!("evil");
    assert!(matches!(
        events(&source, json!({"Records": [forged]}))[..],
        [Event::Forbidden { .. }]
    ));
    let challenge = |topic: &str| json!({"Type": "SubscriptionConfirmation", "Timestamp": "t", "TopicArn": topic, "Token": "k"});
    for topic in ["evil|mcs1/b|e", "mcs1/b|b|e"] {
        assert_eq!(
            open(&source, challenge(topic)),
            Err(Rejection::Forbidden),
            "{topic}"
        );
    }
}

#[test]
fn what_is_told_back_or_logged_is_bounded() {
    let source = source("vk", json!({"mcs1/b": {}}));
    let long = "x".repeat(1 << 20);
    let records = [
        record("s3:Unheard:Of", "b", &long),
        record("s3:ObjectCreated:Put", &long, "k"),
        record(&long, "b", "k"),
    ];
    for event in events(&source, json!({"Records": records})) {
        assert!(format!("{event:?}").len() < 1000);
    }
}
