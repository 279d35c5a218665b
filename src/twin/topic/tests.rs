//! The topic, asked as a client of SNS asks it.

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
async fn counts_who_listens_as_subscribed() {
    let topic = Topic::new(ARN);
    let of = |arn| [("Action", "GetTopicAttributes"), ("TopicArn", arn)];
    let expect =
        |count| format!("<entry><key>SubscriptionsConfirmed</key><value>{count}</value></entry>");
    let (status, answer) = ask(&topic, &of(ARN)).await;
    assert!(status == 200 && answer.contains(&expect(0)), "{answer}");
    let _live = topic.subscribe();
    let (_, answer) = ask(&topic, &of(ARN)).await;
    assert!(answer.contains(&expect(1)), "{answer}");
    let (status, answer) = ask(&topic, &of("arn:other")).await;
    assert_eq!(status, 404);
    assert!(answer.contains("<Code>NotFound</Code>"), "{answer}");
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
