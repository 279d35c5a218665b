//! The way through the queue, against moto's SQS: what is received is queued, what the queue hands over is performed, and what
//! cannot be done becomes a dead letter with its reason.

pub(crate) mod clock;
mod forwards;
mod outage;
mod receiving;
mod traces;

use crate::events::{dispatched, dispatched_within};
use crate::moto::{call, moto};
use crate::servers::unique;
use crate::world::{Answer, app, bytes, created, delivery, far_sides, record, send, vk};
use axum::body::Body;
use hookwork::app::App;
use hookwork::twin::faults::{Fault, Faults, On};
use hookwork::twin::s3::{Object, Properties, Store};
use http::Request;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What no test waits for.
const HIDDEN: &str = "3000";
const MIB: usize = 1 << 20;

/// A receiver and a worker with a queue between them.
struct Line {
    store: Store,
    faults: Faults,
    receiver: Arc<App>,
    worker: Arc<App>,
    queue: String,
    dead_letters: String,
}

impl Line {
    async fn new() -> Self {
        let queue = make_queue().await;
        Self::with(queue.clone(), &queue).await
    }

    /// Whose receiver sends elsewhere.
    async fn with(queue: String, sends_to: &str) -> Self {
        let (store, faults, _, _, [s3_url, ..]) = far_sides().await;
        let dead_letters = make_queue().await;
        let sources = json!({"vk": vk(&s3_url, json!({}))}).to_string();
        // The receiver has no key of the origin, the worker nothing that a sender proves itself by.
        let receiver_secrets = json!({"vk": {}});
        let worker_secrets =
            json!({"vk": {"access_key_id": "local", "secret_access_key": "local"}});
        let setting = |secrets: &Value, queue: &str| {
            let known = [
                ("SOURCES", sources.clone()),
                ("SECRETS", secrets.to_string()),
                ("BACKUP_BUCKET", "backup".to_owned()),
                ("STATE_BUCKET", "state".to_owned()),
                ("QUEUE_URL", queue.to_owned()),
                ("DEAD_LETTERS_URL", dead_letters.clone()),
            ];
            move |key: &str| {
                let found = known.iter().find(|(name, _)| *name == key);
                found.map(|(_, value)| value.clone())
            }
        };
        let aws = &moto().await.endpoint;
        let base = sends_to.split("/123456789012").next().unwrap();
        Self {
            store,
            faults,
            receiver: app(setting(&receiver_secrets, sends_to), &s3_url, base).await,
            worker: app(setting(&worker_secrets, &queue), &s3_url, aws).await,
            queue,
            dead_letters,
        }
    }

    async fn deliver(&self, records: impl IntoIterator<Item = Value>) -> Answer {
        let router = hookwork::http::router(self.receiver.clone());
        let body = Body::from(delivery(records));
        send(router, Request::post("/hooks/vk").body(body).unwrap()).await
    }

    /// Receives up to ten messages as Lambda would, has the worker perform them, and removes those that are done with.
    /// Returns the bodies of those that must come again.
    async fn work(&self) -> Vec<String> {
        self.work_for(Duration::from_secs(60)).await
    }

    async fn work_for(&self, time: Duration) -> Vec<String> {
        let messages = receive(&self.queue).await;
        let answer = dispatched_within(&self.worker, &event(&messages), time).await;
        let failed: BTreeSet<_> = answer["batchItemFailures"]
            .as_array()
            .unwrap()
            .iter()
            .map(|failure| failure["itemIdentifier"].as_str().unwrap())
            .collect();
        let mut again = Vec::new();
        for message in &messages {
            if failed.contains(message["MessageId"].as_str().unwrap()) {
                again.push(message["Body"].as_str().unwrap().to_owned());
            } else {
                remove(&self.queue, message).await;
            }
        }
        again
    }

    fn copied(&self, key: &str) -> bool {
        self.store.get("backup", key).is_some()
    }
}

async fn make_queue() -> String {
    make_queue_with(json!({"VisibilityTimeout": HIDDEN})).await
}

pub(crate) async fn make_queue_with(attributes: Value) -> String {
    let name = unique("jobs");
    let body = json!({"QueueName": name, "Attributes": attributes});
    call("sqs", "AmazonSQS.CreateQueue", body).await;
    format!("{}/123456789012/{name}", moto().await.endpoint)
}

/// Up to ten messages, each hidden from now on.
pub(crate) async fn receive(queue: &str) -> Vec<Value> {
    let body = json!({
        "QueueUrl": queue, "MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
    });
    let answer = call("sqs", "AmazonSQS.ReceiveMessage", body).await;
    answer["Messages"].as_array().cloned().unwrap_or_default()
}

pub(crate) async fn remove(queue: &str, message: &Value) {
    let body = json!({"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]});
    call("sqs", "AmazonSQS.DeleteMessage", body).await;
}

pub(crate) async fn waiting(queue: &str) -> [usize; 2] {
    let body = json!({"QueueUrl": queue, "AttributeNames": ["All"]});
    let answer = call("sqs", "AmazonSQS.GetQueueAttributes", body).await;
    ["", "NotVisible"].map(|which| {
        let count = &answer["Attributes"][format!("ApproximateNumberOfMessages{which}")];
        count.as_str().unwrap().parse().unwrap()
    })
}

/// As Lambda hands messages over.
pub(crate) fn event(messages: &[Value]) -> Value {
    let records = messages.iter().map(|message| {
        json!({
            "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
            "attributes": message["Attributes"], "messageAttributes": message["MessageAttributes"], "md5OfBody": message["MD5OfBody"], "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:jobs", "awsRegion": "us-east-1",
        })
    });
    json!({"Records": records.collect::<Vec<_>>()})
}

async fn put_message(queue: &str, body: &str) {
    let body = json!({"QueueUrl": queue, "MessageBody": body});
    call("sqs", "AmazonSQS.SendMessage", body).await;
}

/// The bodies and reasons of the dead letters.
async fn dead_letters(line: &Line) -> Vec<(String, String)> {
    let letters = receive(&line.dead_letters).await;
    let letters = letters.iter().map(|letter| {
        let reason = &letter["MessageAttributes"]["reason"]["StringValue"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&letter["Body"]), text(reason))
    });
    letters.collect()
}

#[tokio::test]
async fn a_delivery_is_queued_key_by_key_and_then_performed() {
    let line = Line::new().await;
    let keys: Vec<_> = (0..25).map(|n| format!("key {n}")).collect();
    for key in &keys {
        line.store.put("origin", key, key.clone());
    }
    let twice = keys.iter().chain(&keys[..5]);
    let answer = line.deliver(twice.map(|key| created(key))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["queued"], 25, "equal keys once: {answer:?}");
    assert!(answer.json()["delivery"].is_string());
    assert_eq!(line.faults.count("GetObject"), 0, "nothing is done yet");
    assert_eq!(waiting(&line.queue).await, [25, 0]);
    for _ in 0..3 {
        assert!(line.work().await.is_empty());
    }
    assert_eq!(waiting(&line.queue).await, [0, 0]);
    assert!(keys.iter().all(|key| line.copied(key)));
}

#[tokio::test]
async fn a_thousand_records_are_queued_in_one_delivery() {
    let line = Line::new().await;
    // Long ones, of characters that take six bytes each in JSON.
    let key = |n: usize| format!("{n:04}{}", "\u{1}".repeat(500));
    let answer = line.deliver((0..1000).map(|n| created(&key(n)))).await;
    assert_eq!(answer.json()["queued"], 1000, "{answer:?}");
    assert_eq!(waiting(&line.queue).await, [1000, 0]);
}

#[tokio::test]
async fn what_is_not_for_the_queue_is_answered_as_ever() {
    let line = Line::new().await;
    let nothing = line.deliver([record("s3:ObjectAccessed:Get", "a")]).await;
    assert_eq!(
        (nothing.status, nothing.outcomes()),
        (200, vec!["ignored".to_owned()])
    );
    let mut foreign = created("a");
    foreign["s3"]["bucket"]["name"] = json!("another");
    assert_eq!(line.deliver([foreign.clone()]).await.status, 403);
    let mixed = line.deliver([foreign, created("a")]).await;
    assert_eq!((mixed.status, &mixed.json()["queued"]), (200, &json!(1)));
    assert_eq!(waiting(&line.queue).await, [1, 0]);
    let malformed = line.deliver([json!({}), created("b")]).await;
    assert_eq!(
        (malformed.status, &malformed.json()["queued"]),
        (200, &json!(1))
    );
    assert_eq!(malformed.outcomes(), ["malformed"]);
}

#[tokio::test]
async fn one_message_fails_alone_and_comes_again_later() {
    let line = Line::new().await;
    for key in ["good", "bad"] {
        line.store.put("origin", key, key);
    }
    line.deliver([created("bad"), created("good")]).await;
    let denied = Fault::Status(500, "InternalError");
    line.faults
        .inject(On::every().of("GetObject").key("bad"), denied);
    let again = line.work().await;
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(again[0].contains("\"key\":\"bad\""));
    assert!(line.copied("good") && !line.copied("bad"));
    assert_eq!(waiting(&line.queue).await, [0, 1], "hidden for a while");
    line.faults.clear();
}

#[tokio::test]
async fn equal_jobs_of_a_batch_are_performed_once_and_settled_all() {
    let line = Line::new().await;
    line.store.put("origin", "a", "1");
    for _ in 0..4 {
        line.deliver([created("a")]).await;
    }
    assert!(line.work().await.is_empty());
    let copies = line.faults.calls().into_iter();
    let copies = copies.filter(|call| call.operation == "PutObject" && call.key == "a");
    assert_eq!(copies.count(), 1);
    assert_eq!(waiting(&line.queue).await, [0, 0]);
}

#[tokio::test]
async fn what_cannot_be_done_is_a_dead_letter_with_its_reason() {
    let line = Line::new().await;
    let of = |source: &str, origin: &str, key: &str| {
        json!({
            "version": 1, "delivery": "00000000-0000-0000-0000-000000000007",
            "work": {"mirror": {"source": source, "origin": origin, "key": key}},
        })
        .to_string()
    };
    let hopeless = [
        ("no job".to_owned(), "this is no job"),
        (
            "{\"version\":2}".to_owned(),
            "this is no job: missing field",
        ),
        (
            of("gone", "b", "a"),
            "no such source or bucket any more: gone",
        ),
        (of("vk", "mcs1/gone", "a"), "any more: vk/mcs1/gone"),
        (
            of("vk", "mcs1/origin", &"k".repeat(1025)),
            "longer than 1024 bytes",
        ),
    ];
    for (body, _) in &hopeless {
        put_message(&line.queue, body).await;
    }
    line.store.put("origin", "a", "1");
    line.deliver([created("a")]).await;
    let again = line.work().await;
    assert!(again.is_empty(), "none comes again: {again:?}");
    assert!(line.copied("a"), "the neighbours stop nothing");
    let found = dead_letters(&line).await;
    assert_eq!(found.len(), hopeless.len(), "{found:?}");
    for (body, reason) in &hopeless {
        let letter = found.iter().find(|(found, _)| found == body);
        assert!(letter.unwrap().1.contains(reason), "{found:?}");
    }
}

#[tokio::test]
async fn a_job_that_fails_time_and_again_is_a_dead_letter() {
    let line = Line::new().await;
    line.store.put("origin", "a", "1");
    line.deliver([created("a")]).await;
    let denied = Fault::Status(403, "AccessDenied");
    line.faults
        .inject(On::every().of("GetObject").bucket("origin"), denied);
    let mut messages = receive(&line.queue).await;
    let attempt = async |messages: &[Value]| {
        dispatched(&line.worker, &event(messages)).await["batchItemFailures"]
            .as_array()
            .unwrap()
            .len()
    };
    for (receives, failures) in [("1", 1), ("4", 1), ("5", 0)] {
        messages[0]["Attributes"]["ApproximateReceiveCount"] = json!(receives);
        assert_eq!(attempt(&messages).await, failures, "{receives}");
    }
    let found = dead_letters(&line).await;
    assert_eq!(found.len(), 1);
    assert!(
        found[0].1.starts_with("5 attempts, the last: origin: "),
        "{found:?}"
    );
    assert!(found[0].1.contains("AccessDenied"), "{found:?}");
}

#[tokio::test]
async fn an_audit_and_what_it_finds_go_through_the_queue() {
    let line = Line::new().await;
    let mut lost = Object::new("1", Properties::default());
    lost.last_modified -= Duration::from_secs(36_000);
    line.store.put_object("origin", "lost", lost);
    let told = dispatched(&line.worker, &json!({"hookwork": "audit"})).await;
    assert_eq!(told, json!({"count": 1}));
    assert_eq!(waiting(&line.queue).await, [1, 0], "the audit");
    assert!(line.work().await.is_empty());
    assert!(!line.copied("lost"));
    assert_eq!(waiting(&line.queue).await, [1, 0], "its hint");
    assert!(line.work().await.is_empty());
    assert!(line.copied("lost"));
    assert_eq!(waiting(&line.queue).await, [0, 0]);
}

#[tokio::test]
async fn a_giant_goes_on_as_a_message_of_its_own() {
    let line = Line::new().await;
    line.store.put("origin", "giant", bytes(40 * MIB));
    line.deliver([created("giant"), created("giant")]).await;
    let slow = On::nth(3).of("UploadPart");
    line.faults
        .inject(slow, Fault::Delay(Duration::from_secs(600)));
    let again = line.work_for(Duration::from_secs(12)).await;
    assert!(again.is_empty(), "it did not fail: {again:?}");
    assert!(!line.copied("giant"));
    assert_eq!(waiting(&line.queue).await, [1, 0], "what is left is queued");
    line.faults.clear();
    let before = line.faults.count("UploadPart");
    assert!(line.work().await.is_empty());
    assert!(line.copied("giant"));
    let parts = line.faults.count("UploadPart") - before;
    assert!(parts < 5, "{parts} of 5 parts were sent again");
    assert_eq!(waiting(&line.queue).await, [0, 0]);
}

#[tokio::test]
async fn a_giant_whose_progress_could_not_be_noted_has_failed() {
    let line = Line::new().await;
    line.store.put("origin", "giant", bytes(40 * MIB));
    line.deliver([created("giant")]).await;
    let slow = On::nth(3).of("UploadPart");
    line.faults
        .inject(slow, Fault::Delay(Duration::from_secs(600)));
    // The ledger is begun; from then on the state bucket takes nothing.
    for nth in 2..100 {
        let write = On::nth(nth).of("PutObject").bucket("state");
        line.faults
            .inject(write, Fault::Status(403, "AccessDenied"));
    }
    let again = line.work_for(Duration::from_secs(12)).await;
    assert_eq!(again.len(), 1, "it comes again, and its attempts count");
    assert_eq!(waiting(&line.queue).await, [0, 1], "nothing else is queued");
    line.faults.clear();
}
