//! The SQS queue of jobs, and the one of dead letters.

use super::error::{CallError, Kind};
use crate::domain::bound::Bound;
use crate::domain::job::takes;
use crate::domain::trace::Trace;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    QueueAttributeName, SendMessageBatchRequestEntry,
};
use futures_util::stream::{self, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// SQS takes this many messages in one call. Ten jobs are far from the bytes that it takes: a key has 1,024 at
/// most, and of what is handed on, which may be nearly all of them, a delivery has one.
static BATCH: Bound<usize> = Bound::new("queue.batch", 10);
/// Calls at a time for the messages of one delivery.
static CALLS_AT_A_TIME: Bound<usize> = Bound::new("queue.calls_at_a_time", 16);
/// The longest text of an attribute that is sent, in characters.
const REASON_MAX: usize = 1000;

/// What X-Ray and Lambda look for in a message.
const TRACE: MessageSystemAttributeNameForSends =
    MessageSystemAttributeNameForSends::AwsTraceHeader;

/// The longest name of a group, in characters.
const GROUP_MAX: usize = 128;

/// One queue.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(super) client: Client,
    pub(super) url: String,
    /// Whether it takes messages with a group. A substitute of SQS may know groups of FIFO queues only.
    groups: Arc<AtomicBool>,
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its text.
    pub body: String,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
    /// The source that it is for. SQS hands over messages of groups with a short backlog first (fair queues), so that one
    /// source's backlog does not delay the others.
    pub group: Option<String>,
}

impl Outgoing {
    /// The group as SQS takes it: letters, digits and punctuation.
    fn group(&self) -> Option<&str> {
        let group = self.group.as_deref()?;
        let plain = group.bytes().all(|byte| byte.is_ascii_graphic());
        (plain && (1..=GROUP_MAX).contains(&group.len())).then_some(group)
    }
}

/// What a queue says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    /// Messages that can be received, about.
    pub waiting: u64,
    /// Messages that somebody works at, about.
    pub hidden: u64,
    /// How long a received message is hidden, in seconds.
    pub visibility: u64,
}

impl Queue {
    pub(super) fn new(client: Client, url: &str) -> Self {
        Self {
            client,
            url: url.to_owned(),
            groups: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Sends messages. What became of each, in their order: a batch may be taken in part.
    pub async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), CallError>> {
        let batches: Vec<_> = messages.chunks(BATCH.get()).map(<[_]>::to_vec).collect();
        let sent: Vec<_> = stream::iter(batches)
            .map(async |batch| self.send_batch(&batch).await)
            .buffered(CALLS_AT_A_TIME.get())
            .collect()
            .await;
        sent.into_iter().flatten().collect()
    }

    async fn send_batch(&self, messages: &[Outgoing]) -> Vec<Result<(), CallError>> {
        let grouped = self.groups.load(Ordering::Relaxed);
        let sent = self.send_batch_as(messages, grouped).await;
        // Nothing of the batch was taken, for the sake of the groups alone.
        if grouped && !sent.is_empty() && sent.iter().all(|sent| refuses_groups(sent.as_ref())) {
            self.forget_groups();
            return self.send_batch_as(messages, false).await;
        }
        sent
    }

    fn forget_groups(&self) {
        self.groups.store(false, Ordering::Relaxed);
        tracing::warn!("the queue takes no message groups: a source's backlog can delay others");
    }

    async fn send_batch_as(
        &self,
        messages: &[Outgoing],
        grouped: bool,
    ) -> Vec<Result<(), CallError>> {
        let entries = messages.iter().enumerate().map(|(number, message)| {
            let mut entry = SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .set_message_group_id(message.group().filter(|_| grouped).map(str::to_owned))
                .message_body(&message.body);
            if let Some(trace) = &message.trace {
                entry = entry.message_system_attributes(TRACE, header(trace));
            }
            entry.build().expect("id and body are there")
        });
        let send = self.client.send_message_batch().queue_url(&self.url);
        let answer = match send.set_entries(Some(entries.collect())).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = CallError::of("SendMessageBatch", &self.url, &error);
                return vec![Err(error); messages.len()];
            }
        };
        // Only what the queue says it has counts as sent.
        let taken = |id: &str| answer.successful().iter().any(|entry| entry.id() == id);
        let why_not = |id: &str| {
            let failed = answer.failed().iter().find(|entry| entry.id() == id);
            failed.map_or("it is in neither list of the answer".to_owned(), |entry| {
                let message = entry.message().unwrap_or_default();
                format!("{}: {message}", entry.code())
            })
        };
        (0..messages.len())
            .map(|number| {
                let id = number.to_string();
                if taken(&id) {
                    return Ok(());
                }
                let cause = why_not(&id);
                Err(CallError::new(
                    Kind::Refused,
                    "SendMessageBatch",
                    &self.url,
                    cause,
                ))
            })
            .collect()
    }

    /// Sends a message with attributes, such as the reason for it.
    ///
    /// # Errors
    /// The queue refused or did not answer.
    pub async fn send_with(
        &self,
        message: &Outgoing,
        attributes: &[(&str, &str)],
    ) -> Result<(), CallError> {
        let grouped = self.groups.load(Ordering::Relaxed);
        let sent = self.send_one(message, attributes, grouped).await;
        if grouped && refuses_groups(sent.as_ref()) {
            self.forget_groups();
            return self.send_one(message, attributes, false).await;
        }
        sent
    }

    async fn send_one(
        &self,
        message: &Outgoing,
        attributes: &[(&str, &str)],
        grouped: bool,
    ) -> Result<(), CallError> {
        let send = self.client.send_message().queue_url(&self.url);
        let group = message.group().filter(|_| grouped).map(str::to_owned);
        let mut send = send.message_body(&message.body).set_message_group_id(group);
        for (name, value) in attributes {
            let value: String = value
                .chars()
                .map(|c| if takes(c) { c } else { ' ' })
                .take(REASON_MAX)
                .collect();
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .expect("a type is there");
            send = send.message_attributes(*name, value);
        }
        if let Some(trace) = &message.trace {
            send = send.message_system_attributes(TRACE, header(trace));
        }
        send.send()
            .await
            .map(drop)
            .map_err(|e| CallError::of("SendMessage", &self.url, &e))
    }

    /// Hides a received message for this long, from now.
    ///
    /// # Errors
    /// The queue refused or did not answer.
    pub async fn hide(&self, receipt_handle: &str, time: Duration) -> Result<(), CallError> {
        let seconds = i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
        let hide = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds);
        hide.send()
            .await
            .map(drop)
            .map_err(|e| CallError::of("ChangeMessageVisibility", &self.url, &e))
    }

    /// How much there is in it.
    ///
    /// # Errors
    /// The queue refused or did not answer.
    pub async fn depth(&self) -> Result<Depth, CallError> {
        let ask = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = ask.attribute_names(QueueAttributeName::All).send().await;
        let answer = answer.map_err(|e| CallError::of("GetQueueAttributes", &self.url, &e))?;
        let of = |name| {
            let value = answer.attributes().and_then(|known| known.get(&name));
            value.and_then(|value| value.parse().ok())
        };
        Ok(Depth {
            waiting: of(QueueAttributeName::ApproximateNumberOfMessages).unwrap_or_default(),
            hidden: of(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
                .unwrap_or_default(),
            visibility: of(QueueAttributeName::VisibilityTimeout).unwrap_or_default(),
        })
    }
}

/// Whether a message was refused because it names a group.
fn refuses_groups(sent: Result<&(), &CallError>) -> bool {
    sent.is_err_and(|error| error.kind == Kind::Refused && error.cause.contains("MessageGroupId"))
}

fn header(trace: &Trace) -> MessageSystemAttributeValue {
    MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(trace.header())
        .build()
        .expect("a type is there")
}
