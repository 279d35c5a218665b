//! An endpoint, or a source, that publishes and is subscribed to the topic that it publishes to: nothing goes round.

use super::{Desk, INBOX_TOKEN};
use crate::world::{Logs, TOPIC};
use axum::body::Body;
use hookwork::domain::delivery::DeliveryId;
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

const REASON: &str = "it came through the topic that it would be published to";
const OTHER: &str = "arn:aws:sns:us-east-1:000000000000:others";

/// What SNS posts to a subscriber of a topic.
fn message(topic: &str, kind: &str, text: &str) -> Value {
    let unsubscribe = format!(
        "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={topic}:b24e11a2"
    );
    json!({"Type": kind, "MessageId": "22b80b92", "TopicArn": topic, "Message": text, "UnsubscribeURL": unsubscribe})
}

#[tokio::test]
async fn an_endpoint_that_is_subscribed_to_our_own_topic_does_not_publish_what_it_published() {
    let desk = Desk::new().await;
    let logs = Logs::new();
    let (id, token) = desk.endpoint(true).await;
    let path = format!("/in/{id}/{token}");
    assert_eq!(desk.post(&path, None, "first").await.status, 200);
    let notices = desk.world.topic.notices();
    assert_eq!(notices.len(), 1);
    let wrapped = message(TOPIC, "Notification", &notices[0].message);
    let through = |body: &Value| json!({"Records": [{"body": body.to_string()}]});
    for body in [
        wrapped.clone(),
        message(TOPIC, "SubscriptionConfirmation", "visit"),
        message(OTHER, "Notification", &wrapped.to_string()),
        through(&wrapped),
    ] {
        let seen = desk.post(&path, None, body.to_string()).await;
        assert_eq!(seen.status, 200, "{body}");
    }
    // Raw, with nothing of SNS around it but its headers.
    let raw = Request::post(&path)
        .header("x-amz-sns-rawdelivery", "true")
        .header("x-amz-sns-topic-arn", TOPIC)
        .body(Body::from("first"))
        .unwrap();
    assert_eq!(desk.send(raw).await.status, 200);
    assert_eq!(desk.world.topic.notices().len(), 1, "nothing goes round");
    let warned = logs.text();
    assert_eq!(
        warned.matches("end that subscription").count(),
        5,
        "{warned}"
    );
    // All of it is recorded, with the reason.
    let listed = desk.read("/inbox/api/deliveries").await;
    let rows = listed["deliveries"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    for row in &rows[..5] {
        let path = format!("/inbox/api/deliveries/{}", row["id"].as_str().unwrap());
        let shown = desk.read(&path).await;
        assert!(shown["remarks"].to_string().contains(REASON), "{shown}");
    }
    // What comes through another topic is published as ever.
    let other = message(OTHER, "Notification", "hello");
    assert_eq!(desk.post(&path, None, other.to_string()).await.status, 200);
    assert_eq!(desk.world.topic.notices().len(), 2);
}

#[tokio::test]
async fn nor_does_a_source_and_nor_does_a_replay() {
    let desk = Desk::new().await;
    let body = message(TOPIC, "Notification", "hello").to_string();
    let seen = desk.post("/hooks/open", None, body).await;
    assert_eq!(seen.status, 200);
    let answer = seen.json();
    assert_eq!(answer["outcomes"][0]["outcome"], "ignored", "{answer}");
    let id = DeliveryId(answer["delivery"].as_str().unwrap().parse().unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    let again = desk.world.app().replay(id, None, deadline).await;
    assert!(again.is_ok(), "{again:?}");
    assert_eq!(desk.world.topic.notices(), []);
}

#[tokio::test]
async fn who_reads_a_notice_or_the_inbox_cannot_end_the_subscription() {
    let desk = Desk::new().await;
    let body = message(OTHER, "Notification", "hello").to_string();
    let seen = desk.post("/hooks/open", None, body.clone()).await;
    let id = seen.json()["delivery"].as_str().unwrap().to_owned();
    let notices = desk.world.topic.notices();
    let published: Value = serde_json::from_str(&notices[0].message).unwrap();
    assert_eq!(published["Message"], "hello");
    let shown = desk.read(&format!("/inbox/api/deliveries/{id}")).await;
    let text = shown["body"]["base64"].as_str().unwrap();
    let text = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
    assert_eq!(
        (shown["body"]["bytes"].as_u64(), text.len()),
        (Some(body.len() as u64), body.len())
    );
    for text in [notices[0].message.as_bytes(), &text] {
        let text = String::from_utf8_lossy(text);
        assert!(
            text.contains("https://sns.us-east-1.amazonaws.com/?***"),
            "{text}"
        );
        assert!(
            !text.contains("b24e11a2") && !text.contains("Action="),
            "{text}"
        );
    }
    // The download is what came, byte for byte.
    let request = Request::get(format!("/inbox/api/deliveries/{id}/body?from=0"))
        .header("host", "127.0.0.1:8080")
        .header("authorization", format!("Bearer {INBOX_TOKEN}"));
    let whole = desk.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(whole.body, body.as_bytes());
}
