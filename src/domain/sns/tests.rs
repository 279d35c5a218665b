//! What is believed of a message of SNS, and where its certificate may be, with messages that AWS published.

use super::*;
use serde_json::{Value, json};

fn published() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/sns.json")).unwrap()
}

fn message(name: &str) -> Value {
    published()["messages"][name].clone()
}

fn read(message: &Value) -> Option<Envelope> {
    Envelope::read(message.to_string().as_bytes())
}

#[test]
fn what_is_signed_is_sorted_by_name_and_ends_in_a_line_end() {
    let mut notification = message("notification_with_subject");
    let signed = |message: &Value| {
        let claim = read(message).unwrap().claim().unwrap();
        String::from_utf8(claim.signed).unwrap()
    };
    let text = signed(&notification);
    let names: Vec<_> = text.lines().step_by(2).collect();
    let all = [
        "Message",
        "MessageId",
        "Subject",
        "Timestamp",
        "TopicArn",
        "Type",
    ];
    assert_eq!(names, all);
    assert!(text.starts_with("Message\nHello! This message has a subject.\nMessageId\n"));
    assert!(text.ends_with("\nType\nNotification\n"));
    // One that is there and says nothing is as one that is not.
    notification["Subject"] = Value::Null;
    assert!(!signed(&notification).contains("Subject"));
    for kind in ["subscription_confirmation", "unsubscribe_confirmation"] {
        let text = signed(&message(kind));
        for name in ["\nSubscribeURL\nhttps://", "\nToken\n2336"] {
            assert!(text.contains(name), "{kind}: {name}");
        }
    }
}

#[test]
fn what_is_no_message_of_sns_is_none() {
    let whole = message("subscription_confirmation");
    assert!(read(&whole).is_some());
    for field in [
        "Type",
        "Token",
        "SubscribeURL",
        "Message",
        "MessageId",
        "TopicArn",
        "Timestamp",
        "Signature",
        "SignatureVersion",
        "SigningCertURL",
    ] {
        let mut lacking = whole.clone();
        lacking.as_object_mut().unwrap().remove(field);
        assert!(read(&lacking).is_none(), "{field}");
    }
    assert!(read(&json!({"Records": []})).is_none());
    let mut other = whole.clone();
    other["Type"] = json!("Other");
    assert!(read(&other).is_none());
}

#[test]
fn a_value_cannot_pass_for_the_next_field() {
    for (field, value) in [
        ("Timestamp", "2026-03-06T19:53:21.424Z\nTopicArn\narn:other"),
        ("TopicArn", "arn:mine\nType\nNotification"),
        ("MessageId", "a\nSubject\nb"),
        ("TopicArn", "arn:\u{ff0e}"),
    ] {
        let mut forged = message("notification_with_subject");
        forged[field] = json!(value);
        assert!(read(&forged).is_none(), "{field}");
    }
}

#[test]
fn a_signature_of_another_version_claims_nothing() {
    for (field, value) in [
        ("SignatureVersion", json!("3")),
        ("SignatureVersion", json!("")),
        ("Signature", json!("no base64!")),
        ("Signature", json!(STANDARD.encode([0; SIGNATURE_MAX + 1]))),
    ] {
        let mut odd = message("notification_with_subject");
        odd[field] = value;
        assert_eq!(read(&odd).unwrap().claim(), None, "{field}");
    }
}

#[test]
fn a_message_lives_as_long_as_sns_tries_to_deliver_it() {
    // 2026-03-06T19:53:21.424Z
    let sent = 1_772_826_801;
    let envelope = read(&message("notification_with_subject")).unwrap();
    for (received, fresh) in [
        (sent, true),
        (sent + 3600, true),
        (sent + AGE_MAX, true),
        (sent + AGE_MAX + 1, false),
        (sent - CLOCKS_APART, true),
        (sent - CLOCKS_APART - 1, false),
        (0, false),
    ] {
        assert_eq!(envelope.is_fresh(received), fresh, "{received}");
    }
    for timestamp in [
        "",
        "yesterday",
        "2026-03-06",
        "1772826801",
        "1960-01-01T00:00:00Z",
    ] {
        let mut odd = message("notification_with_subject");
        odd["Timestamp"] = json!(timestamp);
        let odd = Envelope::deserialize(odd).unwrap();
        assert!(!odd.is_fresh(sent), "{timestamp}");
    }
}

#[test]
fn what_counts_is_the_topic_and_not_what_a_message_says_of_its_place() {
    let whole = message("notification_with_subject");
    let claimed = read(&whole).unwrap().claim().unwrap();
    assert_eq!(claimed.place.host(), "sns.us-west-2.amazonaws.com");
    for topic in [
        "arn:aws:sns:s3-us-west-2:131990247566:t",
        "arn:aws:sns:us-west-2:1:t",
        "t",
    ] {
        let mut odd = whole.clone();
        odd["TopicArn"] = json!(topic);
        assert_eq!(read(&odd).unwrap().claim(), None, "{topic}");
    }
    let mut elsewhere = whole.clone();
    elsewhere["TopicArn"] = json!("arn:aws:sns:eu-west-1:131990247566:t");
    let claimed = read(&elsewhere).unwrap().claim().unwrap();
    let (url, place) = (&claimed.certificate_url, &claimed.place);
    assert_eq!(place.certificate_url(url, None), None, "of another region");
}

#[test]
fn a_confirmation_is_of_the_place_that_its_certificate_is_of() {
    let mut confirmation = message("subscription_confirmation");
    let subscription = read(&confirmation).unwrap().subscription().unwrap();
    let (topic, token) = (&confirmation["TopicArn"], &confirmation["Token"]);
    let url = url::Url::parse(&subscription.url(None)).unwrap();
    let said: Vec<_> = url
        .query_pairs()
        .map(|(_, value)| value.into_owned())
        .collect();
    let expected = [
        "ConfirmSubscription",
        topic.as_str().unwrap(),
        token.as_str().unwrap(),
        "2010-03-31",
    ];
    assert_eq!(said, expected);
    for elsewhere in [
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.s3-us-west-2.amazonaws.com/?Action=ConfirmSubscription",
        "nowhere",
    ] {
        confirmation["SubscribeURL"] = json!(elsewhere);
        assert_eq!(
            read(&confirmation).unwrap().subscription(),
            None,
            "{elsewhere}"
        );
    }
    // Where else it leads to at that place is no matter: it is not followed.
    confirmation["SubscribeURL"] = json!("https://sns.us-west-2.amazonaws.com/?Action=DeleteTopic");
    assert_eq!(
        read(&confirmation).unwrap().subscription(),
        Some(subscription)
    );
}
