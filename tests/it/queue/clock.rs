//! SQS, and the topic beside it, with a clock that a test moves on: messages are hidden, and come again, by that clock alone.

use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Hidden for so long where nobody says otherwise, in seconds: as in the template.
const VISIBILITY: u64 = 5400;
/// SQS hides no message for longer.
const VISIBILITY_MAX: u64 = 12 * 3600;
/// Messages are kept for so long: as in the template.
const RETENTION: u64 = 14 * 24 * 3600;

#[derive(Clone, Debug)]
struct Kept {
    id: String,
    body: String,
    attributes: Value,
    group: Option<String>,
    sent: u64,
    visible: u64,
    receives: u64,
    handle: String,
}

#[derive(Debug, Default)]
struct State {
    /// In seconds.
    now: u64,
    made: u64,
    queues: HashMap<String, Vec<Kept>>,
    calls: Vec<String>,
    /// Whether the topic fails.
    topic_is_down: bool,
    published: usize,
    /// Whether groups are refused, as by a substitute of SQS that does not know them.
    refuses_groups: bool,
    /// Operations that fail, and how often.
    failing: HashMap<String, usize>,
}

/// The server, and what a test does with it.
#[derive(Clone, Debug)]
pub(crate) struct Clocked {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Clocked {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let clocked = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
        };
        let served = clocked.clone();
        let handler = async move |headers: HeaderMap, body: String| served.answer(&headers, &body);
        let server = axum::Router::new().fallback(post(handler));
        tokio::spawn(async move { axum::serve(listener, server).await });
        clocked
    }

    pub(crate) fn queue(&self, name: &str) -> String {
        format!("{}/123456789012/{name}", self.url)
    }

    pub(crate) fn now(&self) -> u64 {
        self.state.lock().unwrap().now
    }

    /// Moves the clock on until a message of the queue can be received; not beyond `until`. Says whether one can.
    pub(crate) fn pass_to_next(&self, queue: &str, until: u64) -> bool {
        let mut state = self.state.lock().unwrap();
        let next = state.queues.get(queue).into_iter().flatten();
        let next = next.map(|kept| kept.visible).min();
        let there = next.is_some_and(|next| next <= until);
        state.now = state.now.max(next.unwrap_or(until).min(until));
        there
    }

    /// All messages of a queue, hidden or not: body and attributes.
    pub(crate) fn all(&self, queue: &str) -> Vec<(String, Value)> {
        let state = self.state.lock().unwrap();
        let all = state.queues.get(queue).into_iter().flatten();
        all.map(|kept| (kept.body.clone(), kept.attributes.clone()))
            .collect()
    }

    /// The group of each message.
    pub(crate) fn groups(&self, queue: &str) -> Vec<Option<String>> {
        let state = self.state.lock().unwrap();
        let all = state.queues.get(queue).into_iter().flatten();
        all.map(|kept| kept.group.clone()).collect()
    }

    pub(crate) fn put(&self, queue: &str, body: &str, attributes: Value) {
        self.state
            .lock()
            .unwrap()
            .send(queue, body, attributes, None);
    }

    pub(crate) fn topic_is_down(&self, down: bool) {
        self.state.lock().unwrap().topic_is_down = down;
    }

    pub(crate) fn refuse_groups(&self) {
        self.state.lock().unwrap().refuses_groups = true;
    }

    /// So many calls of this operation fail.
    pub(crate) fn fail(&self, operation: &str, times: usize) {
        let mut state = self.state.lock().unwrap();
        state.failing.insert(operation.to_owned(), times);
    }

    pub(crate) fn published(&self) -> usize {
        self.state.lock().unwrap().published
    }

    pub(crate) fn count(&self, operation: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.calls.iter().filter(|call| *call == operation).count()
    }

    /// Up to ten messages, as Lambda hands them over.
    pub(crate) fn batch(&self, queue: &str) -> Vec<Value> {
        let mut state = self.state.lock().unwrap();
        let received = state.receive(queue, 10, VISIBILITY);
        received.iter().map(shown).collect()
    }

    pub(crate) fn remove(&self, queue: &str, message: &Value) {
        let handle = message["ReceiptHandle"].as_str().unwrap().to_owned();
        let mut state = self.state.lock().unwrap();
        state.of(queue).retain(|kept| kept.handle != handle);
    }

    fn answer(&self, headers: &HeaderMap, body: &str) -> impl IntoResponse + use<> {
        let target = headers.get("x-amz-target");
        let target = target.and_then(|target| target.to_str().ok());
        let mut state = self.state.lock().unwrap();
        let (status, answer) = match target {
            Some(target) => {
                let operation = target.rsplit('.').next().unwrap();
                state.call(operation, &serde_json::from_str(body).unwrap())
            }
            None => state.topic(body),
        };
        let kind = if target.is_some() {
            "application/x-amz-json-1.0"
        } else {
            "text/xml"
        };
        (status, [("content-type", kind)], answer)
    }
}

fn shown(kept: &Kept) -> Value {
    let mut system = json!({
        "ApproximateReceiveCount": kept.receives.to_string(), "SentTimestamp": (kept.sent * 1000).to_string(),
    });
    if let Some(group) = &kept.group {
        system["MessageGroupId"] = json!(group);
    }
    json!({
        "MessageId": kept.id, "ReceiptHandle": kept.handle, "Body": kept.body, "Attributes": system,
        "MessageAttributes": kept.attributes,
    })
}

fn refused(code: &str, why: &str) -> (StatusCode, String) {
    let answer = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": why});
    (StatusCode::BAD_REQUEST, answer.to_string())
}

impl State {
    fn of(&mut self, queue: &str) -> &mut Vec<Kept> {
        self.queues.entry(queue.to_owned()).or_default()
    }

    fn send(&mut self, queue: &str, body: &str, attributes: Value, group: Option<&str>) -> String {
        self.made += 1;
        let id = format!("m{}", self.made);
        let now = self.now;
        self.of(queue).push(Kept {
            id: id.clone(),
            body: body.to_owned(),
            attributes,
            group: group.map(ToOwned::to_owned),
            sent: now,
            visible: now,
            receives: 0,
            handle: String::new(),
        });
        id
    }

    fn receive(&mut self, queue: &str, most: usize, hidden: u64) -> Vec<Kept> {
        let now = self.now;
        let queue = self.of(queue);
        queue.retain(|kept| kept.sent + RETENTION > now);
        let there = queue.iter_mut().filter(|kept| kept.visible <= now);
        let received = there.take(most).map(|kept| {
            kept.receives += 1;
            kept.visible = now + hidden;
            kept.handle = format!("{}-{}", kept.id, kept.receives);
            kept.clone()
        });
        received.collect()
    }

    fn call(&mut self, operation: &str, asked: &Value) -> (StatusCode, String) {
        self.calls.push(operation.to_owned());
        if let Some(left) = self.failing.get_mut(operation)
            && *left > 0
        {
            *left -= 1;
            return refused("AccessDeniedException", "not now");
        }
        let queue = asked["QueueUrl"].as_str().unwrap().to_owned();
        let attributes = |of: &Value| match &of["MessageAttributes"] {
            Value::Null => json!({}),
            some => some.clone(),
        };
        let grouped = |of: &Value| !of["MessageGroupId"].is_null();
        let refuses = "Value for parameter MessageGroupId is invalid. Reason: The request include parameter that is not valid for this queue type.";
        let answer = match operation {
            "SendMessage" if self.refuses_groups && grouped(asked) => {
                return refused("InvalidParameterValue", refuses);
            }
            "SendMessage" => {
                let body = asked["MessageBody"].as_str().unwrap();
                let group = asked["MessageGroupId"].as_str();
                let id = self.send(&queue, body, attributes(asked), group);
                json!({"MessageId": id, "MD5OfMessageBody": "x"})
            }
            "SendMessageBatch" => {
                let entries = asked["Entries"].as_array().unwrap();
                if self.refuses_groups && entries.iter().any(grouped) {
                    return refused("InvalidParameterValue", refuses);
                }
                let sent = entries.iter().map(|entry| {
                    let body = entry["MessageBody"].as_str().unwrap();
                    let group = entry["MessageGroupId"].as_str();
                    let id = self.send(&queue, body, attributes(entry), group);
                    json!({"Id": entry["Id"], "MessageId": id, "MD5OfMessageBody": "x"})
                });
                json!({"Successful": sent.collect::<Vec<_>>(), "Failed": []})
            }
            "ReceiveMessage" => {
                let most = asked["MaxNumberOfMessages"].as_u64().unwrap_or(1);
                let hidden = asked["VisibilityTimeout"].as_u64().unwrap_or(VISIBILITY);
                let received = self.receive(&queue, usize::try_from(most).unwrap(), hidden);
                json!({"Messages": received.iter().map(shown).collect::<Vec<_>>()})
            }
            "DeleteMessage" => {
                let handle = asked["ReceiptHandle"].as_str().unwrap().to_owned();
                self.of(&queue).retain(|kept| kept.handle != handle);
                json!({})
            }
            "ChangeMessageVisibility" => {
                let seconds = asked["VisibilityTimeout"].as_u64().unwrap();
                if seconds > VISIBILITY_MAX {
                    return refused("InvalidParameterValue", "must be between 0 and 43200");
                }
                let handle = asked["ReceiptHandle"].as_str().unwrap().to_owned();
                let visible = self.now + seconds;
                for kept in self.of(&queue) {
                    if kept.handle == handle {
                        kept.visible = visible;
                    }
                }
                json!({})
            }
            other => panic!("{other} is no call of a queue here"),
        };
        (StatusCode::OK, answer.to_string())
    }

    fn topic(&mut self, body: &str) -> (StatusCode, String) {
        let fields: HashMap<_, _> = url::form_urlencoded::parse(body.as_bytes()).collect();
        let operation = fields["Action"].clone();
        self.calls.push(operation.to_string());
        if self.topic_is_down {
            return (StatusCode::SERVICE_UNAVAILABLE, String::new());
        }
        // The function has the right to publish and no other.
        if operation != "Publish" {
            let error = "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>";
            return (StatusCode::FORBIDDEN, error.to_owned());
        }
        self.published += 1;
        let answer = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
        (StatusCode::OK, answer.to_owned())
    }
}
