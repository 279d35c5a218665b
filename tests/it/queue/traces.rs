//! The trace of a delivery goes with its jobs: through the queue, into the log, on with what is left, and with a dead letter.
//!
//! moto keeps what a message sent alone has of it, and drops what one of a batch has: batches are looked at as they are sent.

use super::{Line, event, make_queue, receive};
use crate::events::{dispatched, dispatched_in_trace, dispatched_within};
use crate::world::{Logs, app, bytes, created, delivery, far_sides, secrets, variables, vk};
use hookwork::app::App;
use hookwork::twin::faults::{Fault, On};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ID: &str = "1-5759e988-bd862e3fe1be46a994272793";
const HEADER: &str =
    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:0";

/// A queue that takes everything and keeps what it was sent.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Value>>>);

impl Recorder {
    async fn start() -> (Self, String) {
        let recorder = Self::default();
        let entries = recorder.clone();
        let handler = async move |body: String| {
            let batch: Value = serde_json::from_str(&body).unwrap();
            let sent = batch["Entries"].as_array().cloned().unwrap_or_default();
            let taken: Vec<_> = sent
                .iter()
                .map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"}))
                .collect();
            entries.0.lock().unwrap().extend(sent);
            let answer = json!({"Successful": taken, "Failed": []});
            (
                [("content-type", "application/x-amz-json-1.0")],
                answer.to_string(),
            )
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = axum::Router::new().fallback(axum::routing::post(handler));
        tokio::spawn(async move { axum::serve(listener, server).await });
        (recorder, url)
    }

    /// The trace headers of the messages since the last look.
    fn headers(&self) -> Vec<Value> {
        let entries = std::mem::take(&mut *self.0.lock().unwrap());
        let header = |entry: &Value| entry["MessageSystemAttributes"]["AWSTraceHeader"].clone();
        entries.iter().map(header).collect()
    }
}

/// A request as a Function URL hands it over.
fn request(body: &str) -> Value {
    crate::emulator::post("/hooks/vk", body)
}

/// A function that sends to a recorder.
async fn recorded() -> (
    hookwork::twin::s3::Store,
    hookwork::twin::faults::Faults,
    Recorder,
    Arc<App>,
) {
    let (store, faults, _, _, [s3_url, ..]) = far_sides().await;
    let (recorder, url) = Recorder::start().await;
    let sources = json!({"vk": vk(&s3_url, json!({}))});
    let known = variables(&sources, &secrets(), "backup", Some("state"));
    let queue = format!("{url}/123456789012/jobs");
    let setting = |key: &str| match key {
        "QUEUE_URL" => Some(queue.clone()),
        _ => known(key),
    };
    let app = app(setting, &s3_url, &url).await;
    (store, faults, recorder, app)
}

fn carried() -> Value {
    json!({"DataType": "String", "StringValue": HEADER})
}

#[tokio::test]
async fn every_job_of_a_delivery_is_sent_with_its_trace() {
    let (_, _, recorder, receiver) = recorded().await;
    let event = request(&delivery(["a", "b"].map(created)));
    let answer = dispatched_in_trace(&receiver, &event, HEADER).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(recorder.headers(), [carried(), carried()]);
    let told = dispatched_in_trace(&receiver, &json!({"hookwork": "audit"}), HEADER).await;
    assert_eq!(told["count"], 1);
    assert_eq!(recorder.headers(), [carried()]);
}

#[tokio::test]
async fn a_trace_that_is_none_fails_no_delivery() {
    let (_, _, recorder, receiver) = recorded().await;
    let event = request(&delivery([created("a")]));
    let long = format!("{HEADER};X={}", "x".repeat(4096));
    for header in ["", "Root=", "Root=1-2-3", "\u{fffd}é\n", &long] {
        let answer = dispatched_in_trace(&receiver, &event, header).await;
        assert_eq!(answer["statusCode"], 200, "{header}: {answer}");
        assert_eq!(recorder.headers(), [Value::Null], "{header}");
    }
}

#[tokio::test]
async fn a_jobs_line_names_the_trace_of_its_own_message_whatever_the_neighbours_have() {
    let line = Line::new().await;
    let keys = ["with", "without", "number", "garbage"];
    for key in keys {
        line.store.put("origin", key, "1");
    }
    line.deliver(keys.map(created)).await;
    let mut messages = receive(&line.queue).await;
    for message in &mut messages {
        let body = message["Body"].as_str().unwrap().to_owned();
        let is = |key: &str| body.contains(&format!("\"key\":\"{key}\""));
        let attributes = &mut message["Attributes"];
        assert_eq!(
            attributes["AWSTraceHeader"],
            Value::Null,
            "the sender had none"
        );
        if is("with") {
            attributes["AWSTraceHeader"] = json!(HEADER);
        } else if is("number") {
            attributes["AWSTraceHeader"] = json!(7);
        } else if is("garbage") {
            attributes["AWSTraceHeader"] = json!("Root=x;;é");
        }
    }
    let logs = Logs::new();
    let answer = dispatched(&line.worker, &event(&messages)).await;
    assert_eq!(answer["batchItemFailures"], json!([]));
    let jobs = logs.lines("job");
    assert_eq!(jobs.len(), keys.len());
    for job in jobs {
        let expected = (job["object.key"] == "with").then_some(ID);
        assert_eq!(job["trace"].as_str(), expected, "{job}");
        assert!(
            keys.iter()
                .any(|key| line.copied(key) && job["object.key"] == *key)
        );
    }
}

#[tokio::test]
async fn what_is_left_of_a_giant_goes_on_in_its_trace() {
    let (store, faults, recorder, worker) = recorded().await;
    store.put("origin", "giant", bytes(40 << 20));
    let slow = On::nth(3).of("UploadPart");
    faults.inject(slow, Fault::Delay(Duration::from_secs(600)));
    let work = json!({"mirror": {"source": "vk", "origin": "mcs1/origin", "key": "giant"}});
    let body =
        json!({"version": 1, "delivery": "00000000-0000-0000-0000-000000000007", "work": work});
    let message = json!({
        "messageId": "m", "receiptHandle": "r", "body": body.to_string(), "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": "1", "AWSTraceHeader": HEADER},
    });
    let batch = json!({"Records": [message]});
    let answer = dispatched_within(&worker, &batch, Duration::from_secs(12)).await;
    assert_eq!(answer["batchItemFailures"], json!([]));
    assert_eq!(recorder.headers(), [carried()]);
}

#[tokio::test]
async fn a_dead_letter_keeps_its_trace() {
    let line = Line::with(make_queue().await, "http://127.0.0.1:9/123456789012/none").await;
    let message = json!({
        "messageId": "m", "receiptHandle": "r", "body": "no job", "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": "1", "AWSTraceHeader": HEADER}, "messageAttributes": {},
    });
    let batch = json!({"Records": [message]});
    let answer = dispatched(&line.worker, &batch).await;
    assert_eq!(answer["batchItemFailures"], json!([]));
    let letters = receive(&line.dead_letters).await;
    assert_eq!(
        letters[0]["Attributes"]["AWSTraceHeader"], HEADER,
        "{letters:?}"
    );
}
