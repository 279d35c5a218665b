//! A sender like VK Cloud's: the handshake when a hook is registered, then one unsigned delivery per change of a bucket.
//!
//! It checks the handshake's answer against its own computation, never against the function's code.

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use uuid::Uuid;

use super::s3::{Change, ChangeEvent};

/// What the receiver of a delivery answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Posts `body` and waits for the answer.
///
/// # Errors
/// When no answer came.
pub async fn post(
    client: &reqwest::Client,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer, reqwest::Error> {
    let request = headers
        .iter()
        .fold(client.post(url), |request, (name, value)| {
            request.header(*name, *value)
        });
    let response = request.body(body.to_owned()).send().await?;
    Ok(Answer {
        status: response.status().as_u16(),
        body: response.text().await?,
    })
}

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
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// A hook as it was registered: what the console's "Add hook" asks for.
#[derive(Debug, Clone)]
pub struct Hook {
    /// The project, `mcs` and digits.
    pub project: String,
    /// The bucket whose changes are sent.
    pub bucket: String,
    /// The registered events, as the topic's name lists them.
    pub events: String,
    /// The registered URL: where deliveries go, and what the handshake signs.
    pub url: String,
    /// How often a delivery is tried, at least once.
    pub attempts: u32,
    /// The wait after the first failed try; it doubles with every further one.
    pub backoff: Duration,
}

/// A handshake as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// `<project>|<bucket>|<events>`.
    pub topic_arn: String,
    /// The registered URL.
    pub url: String,
    /// What the receiver answered.
    pub answer: Answer,
    /// What it should have answered.
    pub expected: String,
}

impl Handshake {
    /// The signature in the answer, if there is one.
    pub fn signature(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Body {
            signature: String,
        }
        serde_json::from_str::<Body>(&self.answer.body)
            .ok()
            .map(|body| body.signature)
    }

    /// Whether the real sender would save the registration now.
    pub fn is_right(&self) -> bool {
        self.answer.status == 200 && self.signature().as_deref() == Some(self.expected.as_str())
    }
}

/// How one delivery ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// The change that was told.
    pub change: Change,
    /// The last answer; `None` when no try got one.
    pub answer: Option<Answer>,
    /// How many tries it took.
    pub attempts: u32,
    /// From the first try to the end of the last one.
    pub took: Duration,
}

impl Report {
    /// Whether the receiver accepted it in the end.
    pub fn is_accepted(&self) -> bool {
        self.answer
            .as_ref()
            .is_some_and(|answer| answer.status == 200)
    }
}

impl Hook {
    /// A hook for every creation and removal in a bucket, with five tries per delivery.
    pub fn new(project: &str, bucket: &str, url: &str) -> Self {
        Self {
            project: project.to_owned(),
            bucket: bucket.to_owned(),
            events: "s3:ObjectCreated:*,s3:ObjectRemoved:*".to_owned(),
            url: url.to_owned(),
            attempts: 5,
            backoff: Duration::from_millis(500),
        }
    }

    /// The topic that the handshake names.
    pub fn topic_arn(&self) -> String {
        format!("{}|{}|{}", self.project, self.bucket, self.events)
    }

    /// Performs the handshake with a new token.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn shake(&self, client: &reqwest::Client) -> Result<Handshake, reqwest::Error> {
        let (token, timestamp, topic_arn) = (token(), moscow_time(), self.topic_arn());
        let headers = [
            ("X-Amz-Sns-Message-Type", "SubscriptionConfirmation"),
            ("content-type", "application/json"),
        ];
        let body = confirmation_body(&token, &timestamp, &topic_arn);
        let answer = post(client, &self.url, &headers, &body).await?;
        Ok(Handshake {
            expected: handshake_signature(&token, &timestamp, &topic_arn, &self.url),
            url: self.url.clone(),
            topic_arn,
            answer,
        })
    }

    /// Posts one change, once.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn tell(
        &self,
        client: &reqwest::Client,
        change: &Change,
    ) -> Result<Answer, reqwest::Error> {
        let headers = [("X-Amz-Sns-Message-Type", "Notification")];
        let body = event_body(&self.project, change);
        post(client, &self.url, &headers, &body).await
    }

    /// Posts every change of the bucket, one after the other and each until it is accepted or its tries are used up,
    /// and reports how each ended. Returns when the changes end.
    pub async fn run(
        self,
        client: reqwest::Client,
        mut changes: UnboundedReceiver<Change>,
        reports: UnboundedSender<Report>,
    ) {
        while let Some(change) = changes.recv().await {
            if change.bucket == self.bucket {
                let report = self.insist(&client, change).await;
                // Nobody reading the reports is no reason to stop delivering.
                let _ = reports.send(report);
            }
        }
    }

    async fn insist(&self, client: &reqwest::Client, change: Change) -> Report {
        let started = Instant::now();
        let mut attempts = 0;
        let mut wait = self.backoff;
        loop {
            attempts += 1;
            let answer = self.tell(client, &change).await.ok();
            let accepted = answer.as_ref().is_some_and(|answer| answer.status == 200);
            if accepted || attempts >= self.attempts {
                return Report {
                    change,
                    answer,
                    attempts,
                    took: started.elapsed(),
                };
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }
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
    let mut object = json!({"sequencer": unix_seconds(), "key": change.key});
    if change.event != ChangeEvent::Delete {
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
pub fn event_name(event: ChangeEvent) -> &'static str {
    match event {
        ChangeEvent::Put => "s3:ObjectCreated:Put",
        ChangeEvent::Copy => "s3:ObjectCreated:Copy",
        ChangeEvent::CompleteMultipartUpload => "s3:ObjectCreated:CompleteMultipartUpload",
        ChangeEvent::Delete => "s3:ObjectRemoved:Delete",
    }
}

/// 48 characters, as many as the real token has.
fn token() -> String {
    (0..3)
        .map(|_| format!("{:016x}", Uuid::now_v7().as_u64_pair().1))
        .collect()
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}

/// Now, in seconds and with Moscow's offset, as the real sender writes it.
fn moscow_time() -> String {
    let shifted = DateTime::from_secs(unix_seconds() as i64 + 3 * 3600);
    let text = shifted.fmt(Format::DateTime).unwrap_or_default();
    text.trim_end_matches('Z').to_owned() + "+03:00"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/vectors.json")).unwrap()
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
    fn a_handshake_is_right_only_with_the_expected_signature() {
        let shake = |status, body: &str| Handshake {
            topic_arn: "t".to_owned(),
            url: "u".to_owned(),
            answer: Answer {
                status,
                body: body.to_owned(),
            },
            expected: "ab".to_owned(),
        };
        assert!(shake(200, "{\"signature\":\"ab\"}\n").is_right());
        assert!(!shake(200, "{\"signature\":\"AB\"}").is_right());
        assert!(!shake(500, "{\"signature\":\"ab\"}").is_right());
        assert!(!shake(200, "ab").is_right());
    }

    #[test]
    fn writes_events_in_the_published_shape() {
        let change = Change {
            bucket: "bucketA".to_owned(),
            key: "a b/+%20é".to_owned(),
            event: ChangeEvent::Put,
            etag: "\"aed563ecafb4bcc5654c597a421547b2\"".to_owned(),
            size: 100,
        };
        let sent: Value = serde_json::from_str(&event_body("mcs2883541269", &change)).unwrap();
        let record = &sent["Records"][0];
        assert_eq!(record["eventName"], "s3:ObjectCreated:Put");
        assert_eq!(record["s3"]["object"]["key"], "a b/+%20é", "raw");
        assert_eq!(
            record["s3"]["object"]["eTag"],
            "aed563ecafb4bcc5654c597a421547b2"
        );
        assert!(record["s3"]["object"]["sequencer"].is_u64());
        assert_eq!(
            record["s3"]["bucket"]["ownerIdentity"]["principalId"],
            "mcs2883541269"
        );
        assert!(record.get("eventTime").is_none());
        let removed = Change {
            event: ChangeEvent::Delete,
            ..change
        };
        let sent: Value = serde_json::from_str(&event_body("mcs1", &removed)).unwrap();
        assert_eq!(sent["Records"][0]["eventName"], "s3:ObjectRemoved:Delete");
        assert!(sent["Records"][0]["s3"]["object"].get("size").is_none());
    }
}
