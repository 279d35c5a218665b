//! The sender's wire: the bodies that VK posts, byte for byte where it matters, and the signature that it expects.

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::twin::s3::{Change, ChangeKind};

/// HMAC-SHA256 of `message` under `key`.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC takes a key of any length")
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The signature that the receiver of a handshake owes: three HMACs in a chain, raw bytes between them, hex at the end.
pub fn handshake_signature(token: &str, timestamp: &str, topic_arn: &str, url: &str) -> String {
    let first = hmac_sha256(token.as_bytes(), timestamp.as_bytes());
    let second = hmac_sha256(&first, topic_arn.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in hmac_sha256(&second, url.as_bytes()) {
        // Writing to a String cannot fail.
        write!(hex, "{byte:02x}").ok();
    }
    hex
}

/// The body of a handshake, compact as on the wire.
pub fn confirmation_body(token: &str, timestamp: &str, topic_arn: &str) -> String {
    let [token, timestamp, topic_arn] =
        [token, timestamp, topic_arn].map(|text| Value::from(text).to_string());
    // By hand, for the order of the fields and the literal `$topic\\n` of the real one.
    format!(
        concat!(
            r#"{{"Timestamp":{timestamp},"Type":"SubscriptionConfirmation","Message":"You have chosen to subscribe to "#,
            r#"the topic $topic\\nTo confirm the subscription you need to response with calculated signature","#,
            r#""TopicArn":{topic_arn},"SignatureVersion":1,"Token":{token}}}"#
        ),
        timestamp = timestamp,
        topic_arn = topic_arn,
        token = token
    )
}

/// The body of an event's delivery: one record, no event time, the key raw, the sequencer in whole seconds.
pub fn event_body(project: &str, change: &Change) -> String {
    let mut object = json!({"sequencer": unix_seconds(change.at), "key": change.key});
    if change.event != ChangeKind::Delete {
        object["eTag"] = change.etag.trim_matches('"').into();
        object["size"] = change.size.into();
    }
    json!({"Records": [{
        "s3": {
            "object": object,
            "configurationId": "1",
            "bucket": {"name": change.bucket, "ownerIdentity": {"principalId": project}},
            "s3SchemaVersion": "1.0",
        },
        "eventVersion": "1.0",
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "userIdentity": {"principalId": "2407013e-cbc1-415f-9102-16fb9bd6946b"},
        "eventName": event_name(change.event),
        "awsRegion": "ru-msk",
        "eventSource": "aws:s3",
        "responseElements": {"x-amz-request-id": "VGJR5rtJ"},
    }]})
    .to_string()
}

/// The event's name as VK spells it, the `s3:` kept.
pub fn event_name(event: ChangeKind) -> &'static str {
    match event {
        ChangeKind::Put => "s3:ObjectCreated:Put",
        ChangeKind::Copy => "s3:ObjectCreated:Copy",
        ChangeKind::CompleteMultipartUpload => "s3:ObjectCreated:CompleteMultipartUpload",
        ChangeKind::Delete => "s3:ObjectRemoved:Delete",
    }
}

/// 48 characters, as many as the real token has.
pub(super) fn token() -> String {
    (0..3)
        .map(|_| format!("{:016x}", Uuid::now_v7().as_u64_pair().1))
        .collect()
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

/// Now, in seconds and with Moscow's offset, as the real sender writes it.
pub(super) fn moscow_time() -> String {
    let shifted = DateTime::from_secs(unix_seconds(SystemTime::now()) as i64 + 3 * 3600);
    let text = shifted.fmt(Format::DateTime).unwrap_or_default();
    text.trim_end_matches('Z').to_owned() + "+03:00"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/vectors.json")).unwrap()
    }

    #[test]
    fn computes_the_signatures_of_the_published_handshakes() {
        let vectors = vectors();
        let cases = vectors["vk_handshake"].as_array().unwrap();
        assert!(cases.iter().filter(|v| v["status"] == "official").count() >= 2);
        for case in cases {
            let text = |name: &str| case[name].as_str().unwrap();
            let signature = handshake_signature(
                text("token"),
                text("timestamp"),
                text("topic_arn"),
                text("url"),
            );
            assert_eq!(signature, case["signature"], "{}", case["name"]);
        }
    }

    #[test]
    fn writes_the_handshake_as_the_published_one() {
        let body = confirmation_body(
            "9fbYYWYGANVGeQ3s9VKxrYgynwqu65PwQ6zr7bVvU4WKXf2W",
            "2021-04-22T16:48:37+03:00",
            "mcs00000000|test|s3:ObjectCreated:Put",
        );
        assert_eq!(body, vectors()["vk_handshake_body_sample"]);
        assert_eq!(token().len(), 48);
        assert_ne!(token(), token());
        let time = moscow_time();
        assert!(time.len() == 25 && time.ends_with("+03:00"), "{time}");
    }

    #[test]
    fn writes_events_in_the_published_shape() {
        let change = Change {
            bucket: "bucketA".to_owned(),
            key: "a b/+%20é".to_owned(),
            event: ChangeKind::Put,
            etag: "\"aed563ecafb4bcc5654c597a421547b2\"".to_owned(),
            size: 100,
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_453_615),
        };
        let sent: Value = serde_json::from_str(&event_body("mcs2883541269", &change)).unwrap();
        let record = &sent["Records"][0];
        assert_eq!(record["eventName"], "s3:ObjectCreated:Put");
        assert_eq!(record["s3"]["object"]["key"], "a b/+%20é", "raw");
        assert_eq!(
            record["s3"]["object"]["eTag"],
            "aed563ecafb4bcc5654c597a421547b2"
        );
        assert_eq!(record["s3"]["object"]["sequencer"], 1_577_453_615);
        assert_eq!(
            record["s3"]["bucket"]["ownerIdentity"]["principalId"],
            "mcs2883541269"
        );
        assert!(record.get("eventTime").is_none());
        let removed = Change {
            event: ChangeKind::Delete,
            ..change
        };
        let sent: Value = serde_json::from_str(&event_body("mcs1", &removed)).unwrap();
        assert_eq!(sent["Records"][0]["eventName"], "s3:ObjectRemoved:Delete");
        assert!(sent["Records"][0]["s3"]["object"].get("size").is_none());
    }
}
