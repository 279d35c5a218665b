//! Dead letters are received and removed; and who listens to a topic.

use super::error::{CallError, Kind};
use super::queue::Queue;
use super::topic::Topic;
use crate::domain::bound::Bound;
use crate::domain::trace::Trace;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use std::time::Duration;

/// SQS hands over this many messages in one call.
static BATCH: Bound<i32> = Bound::new("letters.batch", 10);
/// How long a call waits for messages, in seconds: so long that all of SQS's servers are asked.
const WAIT: i32 = 1;

/// A message of a queue, as it was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// What SQS names it by.
    pub id: String,
    /// What a call about it names it by.
    pub receipt_handle: String,
    /// Its text.
    pub body: String,
    /// Why it lies here, where somebody said so.
    pub reason: Option<String>,
    /// The remote service that was down, where that is the reason, in a word.
    pub remote: Option<String>,
    /// How often it has come back from the dead letters by itself.
    pub returns: u32,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was sent, in seconds since 1970.
    pub sent: i64,
}

impl Queue {
    /// Receives some messages, and hides them for this long; none where the queue has no more.
    ///
    /// # Errors
    /// The queue refused or did not answer.
    pub async fn receive(&self, hidden: Duration) -> Result<Vec<Received>, CallError> {
        let receive = self.client.receive_message().queue_url(&self.url);
        let receive = receive
            .max_number_of_messages(BATCH.get())
            .wait_time_seconds(WAIT)
            .visibility_timeout(i32::try_from(hidden.as_secs()).unwrap_or(i32::MAX))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All");
        let answer = receive.send().await;
        let answer = answer.map_err(|e| CallError::of("ReceiveMessage", &self.url, &e))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        let received: Option<Vec<_>> = messages.map(received).collect();
        received.ok_or_else(|| {
            let cause = "a message without id, receipt handle or body";
            CallError::new(Kind::BadAnswer, "ReceiveMessage", &self.url, cause)
        })
    }

    /// Removes a received message.
    ///
    /// # Errors
    /// The queue refused or did not answer.
    pub async fn remove(&self, receipt_handle: &str) -> Result<(), CallError> {
        let remove = self.client.delete_message().queue_url(&self.url);
        let removed = remove.receipt_handle(receipt_handle).send().await;
        removed
            .map(drop)
            .map_err(|e| CallError::of("DeleteMessage", &self.url, &e))
    }
}

fn received(message: Message) -> Option<Received> {
    let attribute = |name| message.attributes.as_ref()?.get(&name);
    let of = |name| attribute(name)?.parse::<i64>().ok();
    let trace = attribute(MessageSystemAttributeName::AwsTraceHeader);
    let trace = trace.and_then(|header| Trace::parse(header));
    let said = |name| {
        let known = message.message_attributes.as_ref()?;
        known.get(name)?.string_value.clone()
    };
    let (reason, remote) = (said("reason"), said("remote"));
    let returns = said("returns").and_then(|returns| returns.parse().ok());
    let receives = of(MessageSystemAttributeName::ApproximateReceiveCount);
    let sent = of(MessageSystemAttributeName::SentTimestamp);
    Some(Received {
        reason,
        remote,
        returns: returns.unwrap_or_default(),
        trace,
        receives: receives
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or_default(),
        sent: sent.unwrap_or_default() / 1000,
        id: message.message_id?,
        receipt_handle: message.receipt_handle?,
        body: message.body?,
    })
}

impl Topic {
    /// How many have confirmed that they want its notices.
    ///
    /// # Errors
    /// The topic refused or did not answer.
    pub async fn subscribers(&self) -> Result<u64, CallError> {
        let ask = self.client.get_topic_attributes().topic_arn(&self.arn);
        let answer = ask.send().await;
        let answer = answer.map_err(|e| CallError::of("GetTopicAttributes", &self.arn, &e))?;
        let known = answer
            .attributes()
            .and_then(|known| known.get("SubscriptionsConfirmed"));
        Ok(known
            .and_then(|count| count.parse().ok())
            .unwrap_or_default())
    }
}
