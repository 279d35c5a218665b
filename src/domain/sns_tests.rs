//! What is believed of a message of SNS, and where its certificate may be, with messages that AWS published.

use super::*;
use serde_json::{Value, json};

fn published() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/sns.json")).unwrap()
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
fn only_places_of_sns_hold_certificates_of_sns() {
    for url in [
        "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-7506a1e35b36ef5a.pem",
        "https://sns.us-gov-west-1.amazonaws.com:443/SimpleNotificationService-0.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0.pem",
    ] {
        assert!(certificate_url(url, None).is_some(), "{url}");
    }
    for url in published()["hostile_certificate_urls"].as_array().unwrap() {
        let url = url.as_str().unwrap();
        assert_eq!(certificate_url(url, None), None, "{url}");
    }
}

#[test]
fn only_places_of_sns_confirm_and_only_confirming_is_done_there() {
    let confirms = "?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-west-2:1:t&Token=2336";
    let at = |place: &str| subscribe_url(&format!("{place}{confirms}"), None).is_some();
    assert!(at("https://sns.us-west-2.amazonaws.com/"));
    for place in [
        "http://sns.us-west-2.amazonaws.com/",
        "https://sns.us-west-2.amazonaws.com:8443/",
        "https://sns.us-west-2.amazonaws.com/x",
        "https://sns.us-west-2.amazonaws.com.evil.com/",
        "https://evil.com/",
        "https://sns.us-west-2.amazonaws.com@evil.com/",
    ] {
        assert!(!at(place), "{place}");
    }
    for query in [
        "",
        "?Action=Unsubscribe",
        "?Action=ConfirmSubscription&Action=DeleteTopic",
    ] {
        let url = format!("https://sns.us-west-2.amazonaws.com/{query}");
        assert_eq!(subscribe_url(&url, None), None, "{query}");
    }
}

#[test]
fn a_confirmation_is_of_the_place_that_its_certificate_is_of() {
    let mut confirmation = message("subscription_confirmation");
    assert!(read(&confirmation).unwrap().confirmation().is_some());
    let elsewhere = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription";
    confirmation["SubscribeURL"] = json!(elsewhere);
    assert_eq!(read(&confirmation).unwrap().confirmation(), None);
}

#[test]
fn an_endpoint_of_the_operators_own_is_that_one_alone() {
    let own = Url::parse("http://127.0.0.1:5000/any/path").unwrap();
    let own = Some(&own);
    assert!(certificate_url("http://127.0.0.1:5000/a.pem", own).is_some());
    assert!(subscribe_url("http://127.0.0.1:5000/x?Action=ConfirmSubscription", own).is_some());
    for other in [
        "https://127.0.0.1:5000/a.pem",
        "http://127.0.0.1:5001/a.pem",
        "http://127.0.0.1/a.pem",
        "http://localhost:5000/a.pem",
        "http://127.0.0.1:5000@evil.com/a.pem",
        "http://127.0.0.1:5000/a.pem?x",
        "http://127.0.0.1:5000/a",
    ] {
        assert_eq!(certificate_url(other, own), None, "{other}");
    }
}

#[test]
fn the_names_that_sns_signs_with_are_known() {
    for name in [
        "sns.amazonaws.com",
        "sns-signing.af-south-1.amazonaws.com",
        "sns.af-south-1.amazonaws.com",
        "sns-us-gov-west-1.amazonaws.com",
        "sns-cn-north-1.amazonaws.com.cn",
    ] {
        assert!(is_name_of_sns(name), "{name}");
    }
    for name in [
        "s3.amazonaws.com",
        "sns.evil.com",
        "snsamazonaws.com",
        "sns.amazonaws.com.evil",
    ] {
        assert!(!is_name_of_sns(name), "{name}");
    }
}
