//! A batch of the queue as Lambda hands it over, and our answer to it.

use crate::app::queue::Message;
use crate::domain::trace::Trace;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The messages of an event that is a batch of an SQS queue.
pub(super) fn messages(event: &str) -> Option<Vec<Message>> {
    let SqsEvent { records } = serde_json::from_str(event).ok()?;
    let all = records.iter().all(|it| it.event_source == "aws:sqs");
    all.then(|| records.into_iter().map(Message::from).collect())
}

/// What Lambda makes of a batch of an SQS queue; of its many fields these. Any other queue-like service has another name.
#[derive(Deserialize)]
struct SqsEvent {
    #[serde(rename = "Records")]
    records: Vec<SqsRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SqsRecord {
    event_source: String,
    message_id: String,
    receipt_handle: String,
    body: String,
    attributes: SqsAttributes,
    #[serde(default)]
    message_attributes: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SqsAttributes {
    approximate_receive_count: String,
    /// Whatever it is: what is no trace header is none.
    #[serde(rename = "AWSTraceHeader", default)]
    trace_header: Value,
}

impl From<SqsRecord> for Message {
    fn from(record: SqsRecord) -> Self {
        Self {
            // The reason that a dead letter has goes with it when it is sent again.
            redriven: record.message_attributes.get("reason").is_some(),
            returns: number(&record.message_attributes["returns"]),
            trace: record
                .attributes
                .trace_header
                .as_str()
                .and_then(Trace::parse),
            id: record.message_id,
            receipt_handle: record.receipt_handle,
            body: record.body,
            // A count that is none is that of a first time: nothing is given up for it.
            receives: record
                .attributes
                .approximate_receive_count
                .parse()
                .unwrap_or(1),
        }
    }
}

/// The number in an attribute: Lambda spells its fields with a small first letter, SQS itself with a capital.
fn number(attribute: &Value) -> u32 {
    let value = ["stringValue", "StringValue"].map(|name| attribute[name].as_str());
    let value = value.into_iter().flatten().next();
    value
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// Which messages of a batch must come again; the others are done with. Lambda needs `ReportBatchItemFailures` to look.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

impl BatchResponse {
    /// These must come again.
    pub(super) fn of(again: Vec<String>) -> Self {
        let failures = again.into_iter();
        let failures = failures.map(|item_identifier| BatchItemFailure { item_identifier });
        Self {
            batch_item_failures: failures.collect(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}
