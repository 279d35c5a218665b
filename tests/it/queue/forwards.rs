//! Any sender's deliveries on their way through the queue to the topic, against moto's SQS and SNS.

use super::{event, make_queue, receive, remove, waiting};
use crate::events::dispatched;
use crate::moto::{call, moto, query, subscribed};
use crate::servers::unique;
use crate::world::{app, far_sides, send};
use axum::body::Body;
use hookwork::app::App;
use hookwork::domain::inbox::{FOLDER, rows};
use hookwork::twin::s3::Store;
use http::Request;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const ACCOUNT: &str = "arn:aws:sns:us-east-1:123456789012";

/// A receiver that knows the token, a worker that does not, a queue between them, and a subscriber of the topic.
struct Line {
    store: Store,
    receiver: Arc<App>,
    worker: Arc<App>,
    jobs: String,
    heard: String,
}

impl Line {
    async fn new() -> Self {
        let (topic, jobs) = (unique("forwards"), make_queue().await);
        query("sns", &[("Action", "CreateTopic"), ("Name", &topic)]).await;
        let topic = format!("{ACCOUNT}:{topic}");
        let policy = r#"{"kind":["forward"],"source":["ci"]}"#;
        let attributes = [("FilterPolicy", policy), ("RawMessageDelivery", "true")];
        let heard = subscribed(&topic, &attributes).await;
        let (store, _, _, _, [s3_url, ..]) = far_sides().await;
        let setting = |secrets: Value| {
            let known = [
                (
                    "SOURCES",
                    json!({"ci": {"kind": "generic", "verify": "gitlab"}}).to_string(),
                ),
                ("SECRETS", secrets.to_string()),
                ("STATE_BUCKET", "state".to_owned()),
                ("SNS_TOPIC_ARN", topic.clone()),
                ("QUEUE_URL", jobs.clone()),
            ];
            move |key: &str| {
                let found = known.iter().find(|(name, _)| *name == key);
                found.map(|(_, value)| value.clone())
            }
        };
        let moto = &moto().await.endpoint;
        let known = setting(json!({"ci": {"secrets": ["token"]}}));
        Self {
            store,
            receiver: app(known, &s3_url, moto).await,
            worker: app(setting(json!({})), &s3_url, moto).await,
            heard: format!("{moto}/123456789012/{heard}"),
            jobs,
        }
    }

    async fn deliver(&self, id: &str, body: &str) -> Value {
        let mut request = Request::post("/hooks/ci")
            .header("X-Gitlab-Token", "token")
            .header("X-Gitlab-Event", "Push Hook");
        if !id.is_empty() {
            request = request.header("Idempotency-Key", id);
        }
        let request = request.body(Body::from(body.to_owned()));
        let answer = send(
            hookwork::http::router(self.receiver.clone()),
            request.unwrap(),
        )
        .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Has the worker perform what is queued, one message after the other.
    async fn work(&self) {
        while waiting(&self.jobs).await != [0, 0] {
            for message in receive(&self.jobs).await {
                let answer = dispatched(&self.worker, &event(std::slice::from_ref(&message))).await;
                assert_eq!(answer["batchItemFailures"], json!([]));
                remove(&self.jobs, &message).await;
            }
        }
    }

    async fn hear(&self) -> Vec<String> {
        let receive = json!({"QueueUrl": self.heard, "MaxNumberOfMessages": 10});
        let received = call("sqs", "AmazonSQS.ReceiveMessage", receive);
        let received = tokio::time::timeout(Duration::from_secs(30), received)
            .await
            .unwrap();
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        messages
            .iter()
            .map(|message| message["Body"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn a_delivery_is_kept_and_queued_and_then_published_once() {
    let line = Line::new().await;
    let body = "{\"object_kind\": \"push\",\n \"é\": \"🎉\"}";
    let first = line.deliver("k1", body).await;
    assert_eq!(first["queued"], 1);
    let id = first["delivery"].as_str().unwrap();
    let files = line.store.keys("state");
    let [row] = &rows(files.iter().filter_map(|place| place.strip_prefix(FOLDER)))[..] else {
        panic!("one delivery: {files:?}")
    };
    let kept = (row.id.to_string(), row.state().word());
    assert_eq!(kept, (id.to_owned(), "pending"), "kept, and not yet done");
    line.deliver("k1", body).await;
    line.work().await;
    assert_eq!(line.hear().await, [body]);
    line.deliver("k1", body).await;
    line.work().await;
    assert_eq!(line.hear().await, [""; 0]);
    // What SQS and SNS could not carry as it is.
    let long = format!("[{}0]", "\"\\n\",".repeat(60_000));
    line.deliver("k2", &long).await;
    line.work().await;
    let [heard] = &line.hear().await[..] else {
        panic!("one notice")
    };
    assert!(heard.contains("[cut here; the whole delivery: s3://state/deliveries/"));
}

#[tokio::test]
async fn an_operator_replays_through_the_queue() {
    let line = Line::new().await;
    let first = line.deliver("k1", "{}").await;
    line.work().await;
    assert_eq!(line.hear().await, ["{}"]);
    let replay = json!({"hookwork": "replay", "delivery": first["delivery"]});
    assert_eq!(dispatched(&line.worker, &replay).await, json!({"count": 1}));
    line.work().await;
    assert_eq!(line.hear().await, ["{}"]);
}

#[tokio::test]
async fn two_deliveries_that_read_the_same_are_two_unless_an_id_says_otherwise() {
    let line = Line::new().await;
    for (id, times) in [("", 2), ("k1", 1)] {
        for _ in 0..2 {
            line.deliver(id, "{\"tick\":1}").await;
        }
        let mut messages = Vec::new();
        while messages.len() < 2 {
            messages.extend(receive(&line.jobs).await);
        }
        let answer = dispatched(&line.worker, &event(&messages)).await;
        assert_eq!(answer["batchItemFailures"], json!([]));
        for message in &messages {
            remove(&line.jobs, message).await;
        }
        assert_eq!(line.hear().await, vec!["{\"tick\":1}"; times], "{id}");
    }
}
