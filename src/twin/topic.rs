//! A topic in process: the part of SNS's query protocol that publishing needs, and the question who has subscribed.
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

#[cfg(test)]
mod tests;
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

    /// The topic that a call names, which must be this one.
    fn named<'a>(&self, form: &'a Form) -> Result<&'a str, Fault> {
        let named = form.text("TopicArn").unwrap_or_default();
        if named == self.0.arn {
            return Ok(named);
        }
        Err(Fault::new(404, "NotFound", "Topic does not exist"))
    }

    /// Who reads the notices in this process counts as a confirmed subscription.
    fn attributes(&self, form: &Form) -> Result<String, Fault> {
        let arn = self.named(form)?;
        let confirmed = self.0.published.receiver_count().to_string();
        let known = [
            ("TopicArn", arn),
            ("SubscriptionsConfirmed", &confirmed),
            ("SubscriptionsPending", "0"),
            ("SubscriptionsDeleted", "0"),
        ];
        let entries = known
            .map(|(key, value)| format!("<entry><key>{key}</key><value>{value}</value></entry>"));
        Ok(format!("<Attributes>{}</Attributes>", entries.concat()))
    }

    fn publish(&self, form: &Form) -> Result<String, Fault> {
        let topic_arn = self.named(form)?;
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
    let (action, result) = match form.text("Action") {
        Some("Publish") => {
            let published = topic.publish(&form);
            let id = |id| format!("<MessageId>{id}</MessageId>");
            ("Publish", published.map(id))
        }
        Some("GetTopicAttributes") => ("GetTopicAttributes", topic.attributes(&form)),
        _ => {
            let unknown = "The action is not valid for this endpoint";
            ("", Err(Fault::new(400, "InvalidAction", unknown)))
        }
    };
    match result {
        Ok(result) => {
            let metadata = format!(
                "<ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>",
                Uuid::now_v7()
            );
            xml(
                StatusCode::OK,
                format!(
                    "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{result}</{action}Result>{metadata}</{action}Response>"
                ),
            )
        }
        Err(fault) => fault.response(),
    }
}
