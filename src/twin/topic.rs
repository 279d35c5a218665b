//! A topic in process: the part of SNS's query protocol that publishing needs.
//!
//! It refuses what the real service refuses (an unknown topic, a subject that no mail could carry, a message that is
//! too long), so that a notice accepted here is accepted there. It must never mail anything.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use uuid::Uuid;

use wire::{Attribute, Fault, Form, NAMESPACE, xml};

mod wire;

/// What SNS takes at most of one message with its attributes.
const MESSAGE_BYTES: usize = 256 * 1024;
/// A subject must be shorter than this.
const SUBJECT_CHARS: usize = 100;
/// Notices that a slow subscriber may lag behind before it misses some.
const BACKLOG: usize = 256;

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The topic it went to.
    pub topic_arn: String,
    /// The subject of the mail, if one was given.
    pub subject: Option<String>,
    /// The text of the mail: of one with `MessageStructure=json` the one by `default`.
    pub message: String,
    /// Of such a one, what each protocol is told that has a text of its own.
    pub by_protocol: BTreeMap<String, String>,
    /// Message attributes of type String, name to value.
    pub attributes: BTreeMap<String, String>,
    /// Message attributes of type Number, name to value.
    pub numbers: BTreeMap<String, String>,
}

/// A running topic: clones share their state.
#[derive(Debug, Clone)]
pub struct Topic(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    arn: String,
    inner: Mutex<Inner>,
    published: broadcast::Sender<Notice>,
}

#[derive(Debug, Default)]
struct Inner {
    notices: Vec<Notice>,
    failures: usize,
    calls: usize,
}

impl Topic {
    /// An endpoint that knows the one topic `arn`.
    pub fn new(arn: &str) -> Self {
        Self(Arc::new(Shared {
            arn: arn.to_owned(),
            inner: Mutex::default(),
            published: broadcast::channel(BACKLOG).0,
        }))
    }

    /// The topic's ARN.
    pub fn arn(&self) -> &str {
        &self.0.arn
    }

    /// Everything published so far, oldest first.
    pub fn notices(&self) -> Vec<Notice> {
        self.lock().notices.clone()
    }

    /// Calls so far, the failed ones included.
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// Every notice from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.published.subscribe()
    }

    /// Fails the next `calls` calls with 500. A client that retries makes several calls of one publish.
    pub fn fail_next(&self, calls: usize) {
        self.lock().failures = calls;
    }

    /// The one route.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", post(call))
            .with_state(self.clone())
    }

    /// Serves on `listener` until `stop` resolves.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        axum::serve(listener, self.router())
            .with_graceful_shutdown(stop)
            .await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, form: &Form) -> Result<String, Fault> {
        let topic_arn = form.text("TopicArn").unwrap_or_default();
        if topic_arn != self.0.arn {
            return Err(Fault::new(404, "NotFound", "Topic does not exist"));
        }
        let subject = form.text("Subject");
        if let Some(subject) = subject
            && !is_legal_subject(subject)
        {
            return Err(Fault::new(
                400,
                "InvalidParameter",
                "Invalid parameter: Subject",
            ));
        }
        let message = form.text("Message").unwrap_or_default();
        if message.is_empty() {
            return Err(Fault::new(
                400,
                "InvalidParameter",
                "Invalid parameter: Empty message",
            ));
        }
        let all = form.attributes();
        if all.iter().any(|attribute| attribute.value.is_empty()) {
            return Err(Fault::new(
                400,
                "ParameterValueInvalid",
                "The message attribute must contain a value",
            ));
        }
        let bytes = all.iter().map(Attribute::bytes).sum::<usize>();
        if message.len() + bytes > MESSAGE_BYTES {
            return Err(Fault::new(
                400,
                "InvalidParameter",
                "Invalid parameter: Message too long",
            ));
        }
        let (numbers, attributes): (Vec<_>, Vec<_>) =
            all.into_iter().partition(Attribute::is_number);
        if numbers.iter().any(|number| !number.is_legal_number()) {
            return Err(Fault::new(
                400,
                "ParameterValueInvalid",
                "Could not cast message attribute value to number",
            ));
        }
        let mut by_protocol = match form.text("MessageStructure") {
            Some("json") => texts(message)?,
            _ => BTreeMap::new(),
        };
        let by_name =
            |all: Vec<Attribute>| all.into_iter().map(|one| (one.name, one.value)).collect();
        let notice = Notice {
            topic_arn: topic_arn.to_owned(),
            subject: subject.map(str::to_owned),
            message: by_protocol
                .remove("default")
                .unwrap_or_else(|| message.to_owned()),
            by_protocol,
            attributes: by_name(attributes),
            numbers: by_name(numbers),
        };
        self.lock().notices.push(notice.clone());
        // Nobody listening is no failure.
        self.0.published.send(notice).ok();
        Ok(Uuid::now_v7().to_string())
    }
}

/// The texts of a message with `MessageStructure=json`. What is no string is passed over, as the service does.
fn texts(message: &str) -> Result<BTreeMap<String, String>, Fault> {
    let read = serde_json::from_str::<BTreeMap<String, serde_json::Value>>(message);
    let refused = |message| Fault::new(400, "InvalidParameter", message);
    let read = read.map_err(|_| {
        refused("Invalid parameter: Message Structure - JSON message body failed to parse")
    })?;
    let texts = read.into_iter();
    let texts: BTreeMap<_, _> = texts
        .filter_map(|(protocol, text)| Some((protocol, text.as_str()?.to_owned())))
        .collect();
    if !texts.contains_key("default") {
        return Err(refused(
            "Invalid parameter: Message Structure - No default entry in JSON message body",
        ));
    }
    Ok(texts)
}

/// A subject as the service takes it: ASCII in one line, less than 100 characters, beginning with no space.
fn is_legal_subject(subject: &str) -> bool {
    (1..SUBJECT_CHARS).contains(&subject.len())
        && subject.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !subject.starts_with(' ')
}

async fn call(State(topic): State<Topic>, body: Bytes) -> Response {
    let form = Form::parse(&body);
    {
        let mut inner = topic.lock();
        inner.calls += 1;
        if inner.failures > 0 {
            inner.failures -= 1;
            return Fault::new(500, "InternalFailure", "told to fail this call").response();
        }
    }
    match form.text("Action") {
        Some("Publish") => match topic.publish(&form) {
            Ok(id) => {
                let result = format!("<PublishResult><MessageId>{id}</MessageId></PublishResult>");
                let metadata = format!(
                    "<ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>",
                    Uuid::now_v7()
                );
                xml(
                    StatusCode::OK,
                    format!(
                        "<PublishResponse xmlns=\"{NAMESPACE}\">{result}{metadata}</PublishResponse>"
                    ),
                )
            }
            Err(fault) => fault.response(),
        },
        _ => Fault::new(
            400,
            "InvalidAction",
            "The action is not valid for this endpoint",
        )
        .response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    const ARN: &str = "arn:aws:sns:us-east-1:000000000000:notices";

    async fn ask(topic: &Topic, fields: &[(&str, &str)]) -> (u16, String) {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = Request::post("/").body(Body::from(body)).unwrap();
        let response = topic.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn publish<'a>(subject: &'a str, message: &'a str) -> [(&'a str, &'a str); 4] {
        [
            ("Action", "Publish"),
            ("TopicArn", ARN),
            ("Subject", subject),
            ("Message", message),
        ]
    }

    #[tokio::test]
    async fn keeps_and_hands_out_what_is_published() {
        let topic = Topic::new(ARN);
        let mut live = topic.subscribe();
        let mut fields = publish("A subject", "Average: 1\nsecond & third=line").to_vec();
        fields.extend([
            ("MessageAttributes.entry.1.Name", "source"),
            ("MessageAttributes.entry.1.Value.DataType", "String"),
            ("MessageAttributes.entry.1.Value.StringValue", "intdash"),
        ]);
        let (status, answer) = ask(&topic, &fields).await;
        assert_eq!(status, 200);
        assert!(answer.contains("<PublishResult><MessageId>"), "{answer}");
        let notice = live.recv().await.unwrap();
        assert_eq!(topic.notices(), std::slice::from_ref(&notice));
        assert_eq!(notice.subject.as_deref(), Some("A subject"));
        assert_eq!(notice.message, "Average: 1\nsecond & third=line");
        assert_eq!(notice.attributes["source"], "intdash");
    }

    #[tokio::test]
    async fn refuses_what_the_real_service_refuses() {
        let topic = Topic::new(ARN);
        let unknown = [
            ("Action", "Publish"),
            ("TopicArn", "arn:other"),
            ("Message", "x"),
        ];
        let (status, answer) = ask(&topic, &unknown).await;
        assert_eq!(status, 404);
        assert!(answer.contains("<Code>NotFound</Code>"), "{answer}");
        let (status, answer) = ask(&topic, &[("Action", "Dance")]).await;
        assert_eq!(status, 400);
        assert!(answer.contains("<Code>InvalidAction</Code>"), "{answer}");
        let long = "x".repeat(MESSAGE_BYTES + 1);
        for (subject, message) in [
            ("two\nlines", "x"),
            ("кириллица", "x"),
            ("fine", ""),
            ("fine", &long),
        ] {
            let (status, _) = ask(&topic, &publish(subject, message)).await;
            assert_eq!(status, 400, "{subject:?}");
        }
        for (value, fill) in [("", 1), ("x", MESSAGE_BYTES)] {
            let message = "x".repeat(fill);
            let mut fields = publish("fine", &message).to_vec();
            fields.extend([
                ("MessageAttributes.entry.1.Name", "kind"),
                ("MessageAttributes.entry.1.Value.StringValue", value),
            ]);
            assert_eq!(ask(&topic, &fields).await.0, 400, "{value:?}");
        }
        assert!(topic.notices().is_empty());
    }

    #[tokio::test]
    async fn tells_each_protocol_its_own_text() {
        let topic = Topic::new(ARN);
        let publish = |message: &'static str| {
            let mut fields = publish("fine", message).to_vec();
            fields.push(("MessageStructure", "json"));
            fields
        };
        for wrong in ["no json", "[]", r#"{"sqs":"x"}"#, r#"{"default":7}"#] {
            let (status, answer) = ask(&topic, &publish(wrong)).await;
            assert_eq!(status, 400, "{wrong}");
            assert!(answer.contains("Message Structure - "), "{answer}");
        }
        let mut fields = publish(r#"{"default":"a mail","sqs":"{}","http":7}"#);
        fields.extend([
            ("MessageAttributes.entry.1.Name", "count"),
            ("MessageAttributes.entry.1.Value.DataType", "Number"),
            ("MessageAttributes.entry.1.Value.StringValue", "ten"),
        ]);
        assert_eq!(ask(&topic, &fields).await.0, 400);
        fields.pop();
        fields.push(("MessageAttributes.entry.1.Value.StringValue", "1.5"));
        assert_eq!(ask(&topic, &fields).await.0, 200);
        let notice = topic.notices().remove(0);
        assert_eq!(notice.message, "a mail");
        let by_protocol: Vec<_> = notice.by_protocol.iter().collect();
        assert_eq!(by_protocol, [(&"sqs".to_owned(), &"{}".to_owned())]);
        assert_eq!(notice.numbers["count"], "1.5");
        assert!(notice.attributes.is_empty());
    }

    #[tokio::test]
    async fn fails_as_often_as_told() {
        let topic = Topic::new(ARN);
        topic.fail_next(1);
        let (status, answer) = ask(&topic, &publish("s", "m")).await;
        assert_eq!(status, 500);
        assert!(answer.contains("<Type>Receiver</Type>"), "{answer}");
        assert_eq!(ask(&topic, &publish("s", "m")).await.0, 200);
        assert_eq!((topic.calls(), topic.notices().len()), (2, 1));
    }
}
