//! A notice of our own that has come back: where something that hands deliveries on is subscribed to the topic that they are
//! handed on to, each would be published again, for ever.

use super::delivery::Delivery;
use memchr::memmem;
use serde_json::Value;

/// The header in which SNS names the topic, with raw delivery, too.
const TOPIC: &str = "x-amz-sns-topic-arn";
/// In how many texts within texts a message of SNS is looked for. Each hop that wraps a message makes one.
const DEPTH: usize = 6;

/// Why such a delivery is not handed on.
pub const REASON: &str =
    "it came through the topic that it would be published to: it is not published again";

/// Whether a delivery came through `topic`: from SNS itself, or through something in between that left the message of SNS whole, as
/// a queue, a function, an event bus or another topic does.
#[must_use]
pub fn came_through(delivery: &Delivery, topic: &str) -> bool {
    let mut named = delivery.headers.get_all(TOPIC).iter();
    let named = named.any(|value| value.as_bytes().trim_ascii() == topic.as_bytes());
    named || carries(&delivery.body, topic, DEPTH)
}

/// Whether a text has a message of this topic in it, at any depth.
fn carries(text: &[u8], topic: &str, depth: usize) -> bool {
    // Few bodies have the topic's name in them, so that few are read.
    depth > 0
        && memmem::find(text, topic.as_bytes()).is_some()
        && serde_json::from_slice(text).is_ok_and(|value| holds(&value, topic, depth))
}

fn holds(value: &Value, topic: &str, depth: usize) -> bool {
    match value {
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            // That a delivery speaks of the topic is nothing: it must be a message of it.
            let message = text("Message").is_some() && text("MessageId").is_some();
            let ours = message && text("TopicArn") == Some(topic);
            ours || fields.values().any(|value| holds(value, topic, depth))
        }
        Value::Array(values) => values.iter().any(|value| holds(value, topic, depth)),
        Value::String(text) => carries(text.as_bytes(), topic, depth - 1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use serde_json::json;

    const OURS: &str = "arn:aws:sns:us-east-1:000000000000:notices";

    fn through(header: Option<&str>, body: &str) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(topic) = header {
            headers.insert(TOPIC, topic.parse().unwrap());
        }
        came_through(&Delivery::post(headers, body.to_owned()), OURS)
    }

    fn envelope(topic: &str, kind: &str, message: &str) -> Value {
        json!({"Type": kind, "MessageId": "1", "TopicArn": topic, "Message": message, "Signature": "x"})
    }

    #[test]
    fn what_came_through_the_topic_is_known_by_header_and_by_message() {
        for kind in [
            "Notification",
            "SubscriptionConfirmation",
            "UnsubscribeConfirmation",
        ] {
            assert!(
                through(None, &envelope(OURS, kind, "m").to_string()),
                "{kind}"
            );
        }
        assert!(through(Some(OURS), "the text of a notice, raw"));
        assert!(through(Some(&format!(" {OURS} ")), ""));
        let mut pretty =
            serde_json::to_string_pretty(&envelope(OURS, "Notification", "m")).unwrap();
        pretty.insert_str(0, "\n ");
        assert!(through(None, &pretty));
    }

    #[test]
    fn so_is_what_was_handed_on_in_between() {
        let ours = envelope(OURS, "Notification", "m");
        let other = "arn:aws:sns:us-east-1:000000000000:other";
        let text = ours.to_string();
        for wrapped in [
            // A function that SNS called, a queue, a pipe, and another topic.
            json!({"Records": [{"EventSource": "aws:sns", "Sns": ours}]}),
            json!({"Records": [{"eventSource": "aws:sqs", "body": text}]}),
            json!([{"messageId": "2", "body": text}]),
            json!({"detail-type": "Event from SNS", "detail": {"body": ours}}),
            envelope(other, "Notification", &text),
            envelope(
                other,
                "Notification",
                &envelope(other, "Notification", &text).to_string(),
            ),
        ] {
            assert!(through(None, &wrapped.to_string()), "{wrapped}");
        }
        let deep = (0..2 * DEPTH).fold(text, |text, _| json!([text]).to_string());
        assert!(!through(None, &deep), "the looking ends");
    }

    #[test]
    fn what_only_speaks_of_the_topic_is_handed_on() {
        let other = "arn:aws:sns:us-east-1:000000000000:noticesX";
        assert!(!through(
            Some(other),
            &envelope(other, "Notification", OURS).to_string()
        ));
        for body in [
            json!({"AlarmActions": [OURS], "Message": "m", "MessageId": "1"}).to_string(),
            json!({"TopicArn": OURS}).to_string(),
            json!({"requestParameters": {"topicArn": OURS, "message": "m"}}).to_string(),
            json!({"TopicArn": {"is": OURS}, "Message": "m", "MessageId": "1"}).to_string(),
            format!("{OURS} is not JSON"),
            format!("\"{OURS}\""),
            String::new(),
        ] {
            assert!(!through(None, &body), "{body}");
        }
    }
}
