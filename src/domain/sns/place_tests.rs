//! Which host is SNS for a topic, and that no other is.

use super::*;
use serde_json::Value;

const TOPIC: &str = "arn:aws:sns:us-west-2:131990247566:dongie-standard-topic";
const FILE: &str = "SimpleNotificationService-7506a1e35b36ef5a.pem";

fn place(topic: &str) -> Place {
    Place::of(topic).unwrap()
}

#[test]
fn the_host_follows_from_region_and_partition_of_the_topic() {
    for (topic, host) in [
        (TOPIC, "sns.us-west-2.amazonaws.com"),
        (
            "arn:aws:sns:ap-southeast-4:000000000000:a.fifo",
            "sns.ap-southeast-4.amazonaws.com",
        ),
        (
            "arn:aws-cn:sns:cn-north-1:123456789012:a_b",
            "sns.cn-north-1.amazonaws.com.cn",
        ),
        (
            "arn:aws-us-gov:sns:us-gov-west-1:123456789012:a-b",
            "sns.us-gov-west-1.amazonaws.com",
        ),
        (
            "arn:aws-eusc:sns:eusc-de-east-1:123456789012:t",
            "sns.eusc-de-east-1.amazonaws.eu",
        ),
        (
            "arn:aws-iso:sns:us-iso-east-1:123456789012:t",
            "sns.us-iso-east-1.c2s.ic.gov",
        ),
        (
            "arn:aws-iso-b:sns:us-isob-east-1:123456789012:t",
            "sns.us-isob-east-1.sc2s.sgov.gov",
        ),
        (
            "arn:aws-iso-e:sns:eu-isoe-west-1:123456789012:t",
            "sns.eu-isoe-west-1.cloud.adc-e.uk",
        ),
        (
            "arn:aws-iso-f:sns:us-isof-south-1:123456789012:t",
            "sns.us-isof-south-1.csp.hci.ic.gov",
        ),
    ] {
        let place = place(topic);
        assert_eq!(place.host(), host);
        let url = format!("https://{host}/{FILE}");
        assert_eq!(place.certificate_url(&url, None).unwrap().as_str(), url);
    }
}

#[test]
fn what_is_no_topic_of_a_region_of_its_partition_has_no_place() {
    for topic in [
        "",
        "t",
        "arn:aws:sns:us-west-2:123456789012",
        "arn:aws:sns:us-west-2:123456789012:",
        "arn:aws:sns:us-west-2:123456789012:a:subscription",
        "arn:aws:sns:us-west-2:123456789012:a/b",
        "arn:aws:sns:us-west-2:1:t",
        "arn:aws:sns:us-west-2:12345678901x:t",
        "arn:aws:sqs:us-west-2:123456789012:t",
        "urn:aws:sns:us-west-2:123456789012:t",
        "arn:aws-evil:sns:us-west-2:123456789012:t",
        "arn::sns:us-west-2:123456789012:t",
        "arn:aws:sns::123456789012:t",
        // Hosts of S3 and of others, were they taken for regions.
        "arn:aws:sns:s3:123456789012:t",
        "arn:aws:sns:s3-us-west-2:123456789012:t",
        "arn:aws:sns:s3-external-1:123456789012:t",
        "arn:aws:sns:s3.us-west-2:123456789012:t",
        "arn:aws:sns:execute-api.us-west-2:123456789012:t",
        "arn:aws:sns:vpce-us-west-2:123456789012:t",
        "arn:aws:sns:evil.com/us-west-2:123456789012:t",
        "arn:aws:sns:US-WEST-2:123456789012:t",
        "arn:aws:sns:us-west-:123456789012:t",
        "arn:aws:sns:us-west:123456789012:t",
        "arn:aws:sns:us--2:123456789012:t",
        "arn:aws:sns:us-2:123456789012:t",
        "arn:aws:sns:us-west-2345:123456789012:t",
        "arn:aws:sns:us-west-\u{ff12}:123456789012:t",
        // Regions of other partitions.
        "arn:aws:sns:cn-north-1:123456789012:t",
        "arn:aws:sns:us-gov-west-1:123456789012:t",
        "arn:aws:sns:us-iso-east-1:123456789012:t",
        "arn:aws:sns:eusc-de-east-1:123456789012:t",
        "arn:aws-cn:sns:us-west-2:123456789012:t",
        "arn:aws-us-gov:sns:us-west-2:123456789012:t",
    ] {
        assert_eq!(Place::of(topic), None, "{topic}");
    }
    let long = |length| format!("arn:aws:sns:us-west-2:123456789012:{}", "t".repeat(length));
    assert!(Place::of(&long(256)).is_some() && Place::of(&long(257)).is_none());
}

#[test]
fn no_other_host_has_certificates_of_it() {
    let published: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/sns.json")).unwrap();
    let place = place(TOPIC);
    let right = &published["messages"]["notification_with_subject"]["SigningCertURL"];
    assert!(
        place
            .certificate_url(right.as_str().unwrap(), None)
            .is_some()
    );
    let urls = published["hostile_certificate_urls"].as_array().unwrap();
    for url in urls {
        let url = url.as_str().unwrap();
        assert_eq!(place.certificate_url(url, None), None, "{url}");
    }
    for host in published["hostile_hosts"].as_array().unwrap() {
        let url = format!("https://{}/{FILE}", host.as_str().unwrap());
        assert_eq!(place.certificate_url(&url, None), None, "{url}");
    }
    // The host of a region is none of another region's topic.
    let elsewhere = Place::of("arn:aws:sns:eu-west-1:131990247566:t").unwrap();
    assert_eq!(
        elsewhere.certificate_url(right.as_str().unwrap(), None),
        None
    );
    let long = format!(
        "https://{}/SimpleNotificationService-{}.pem",
        place.host(),
        "0".repeat(URL_MAX)
    );
    assert_eq!(place.certificate_url(&long, None), None);
}

#[test]
fn a_subscription_is_confirmed_at_the_place_of_its_topic_with_all_of_its_token() {
    let subscription = Subscription::new(TOPIC, "23 36&Action=DeleteTopic#/\u{e9}").unwrap();
    let url = subscription.url(None);
    assert_eq!(
        url,
        "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription\
         &TopicArn=arn%3Aaws%3Asns%3Aus-west-2%3A131990247566%3Adongie-standard-topic\
         &Token=23+36%26Action%3DDeleteTopic%23%2F%C3%A9&Version=2010-03-31"
    );
    let own = Url::parse("http://127.0.0.1:5000/any/path?x=y").unwrap();
    let at_own = subscription.url(Some(&own));
    assert!(at_own.starts_with("http://127.0.0.1:5000/?Action=ConfirmSubscription&TopicArn=arn"));
    assert_eq!(Subscription::new("arn:aws:sns:s3-us-west-2:1:t", "0"), None);
    let shown = format!("{:?}", Subscription::new(TOPIC, "hunter2"));
    assert!(shown.contains(TOPIC) && !shown.contains("hunter2"));
}

#[test]
fn an_endpoint_of_the_operators_own_is_that_one_alone() {
    let own = Url::parse("http://127.0.0.1:5000/any/path").unwrap();
    let own = Some(&own);
    let place = place(TOPIC);
    assert!(
        place
            .certificate_url("http://127.0.0.1:5000/a.pem", own)
            .is_some()
    );
    let there = format!("https://sns.us-west-2.amazonaws.com/{FILE}");
    assert!(
        place.certificate_url(&there, own).is_some(),
        "that of AWS stays right"
    );
    for other in [
        "https://127.0.0.1:5000/a.pem",
        "http://127.0.0.1:5001/a.pem",
        "http://127.0.0.1/a.pem",
        "http://localhost:5000/a.pem",
        "http://127.0.0.1:5000@evil.com/a.pem",
        "http://127.0.0.1:5000/a.pem?x",
        "http://127.0.0.1:5000/a",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
    ] {
        assert_eq!(place.certificate_url(other, own), None, "{other}");
    }
}

#[test]
fn the_names_that_sns_signs_with_are_those_of_the_topics_region() {
    for (topic, names) in [
        (
            TOPIC,
            &["sns.amazonaws.com", "sns.us-west-2.amazonaws.com"][..],
        ),
        (
            "arn:aws:sns:af-south-1:123456789012:t",
            &["sns-signing.af-south-1.amazonaws.com"],
        ),
        (
            "arn:aws-us-gov:sns:us-gov-west-1:123456789012:t",
            &["sns-us-gov-west-1.amazonaws.com"],
        ),
        (
            "arn:aws-cn:sns:cn-north-1:123456789012:t",
            &["sns-cn-north-1.amazonaws.com.cn", "sns.amazonaws.com.cn"],
        ),
    ] {
        for name in names {
            assert!(place(topic).signs_as(name), "{name}");
        }
    }
    for name in [
        "s3.amazonaws.com",
        "sns.s3.amazonaws.com",
        "sns.s3-us-west-2.amazonaws.com",
        "sns.eu-west-1.amazonaws.com",
        "sns-signing.af-south-1.amazonaws.com",
        "sns.amazonaws.com.cn",
        "sns.evil.com",
        "snsamazonaws.com",
        "sns.amazonaws.com.evil",
        "SNS.amazonaws.com",
        "*.amazonaws.com",
        "",
    ] {
        assert!(!place(TOPIC).signs_as(name), "{name}");
    }
}
