//! What is kept of a delivery is read again, and no secret is kept.

use super::*;
use crate::domain::inbox::TITLE_MAX;
use proptest::prelude::*;

fn delivery(value: &[u8], body: Vec<u8>) -> Delivery {
    let mut headers = HeaderMap::new();
    headers.append("x-a", HeaderValue::from_bytes(value).unwrap());
    headers.append("x-a", HeaderValue::from_static("again"));
    headers.append("authorization", HeaderValue::from_static("Bearer hunter2"));
    headers.append("x-token", HeaderValue::from_static("hunter2"));
    let mut delivery = Delivery::post(headers, body);
    delivery.query = Some("access_token=hunter2".to_owned());
    delivery.url = Some("https://x/hooks/s/hunter2".to_owned());
    delivery.from = Some("192.0.2.1".parse().unwrap());
    delivery
}

/// What was kept by a version of this program is read by every later one.
#[test]
fn reads_the_first_version() {
    let golden: &[u8] = b"{\"version\":1,\"delivery\":\"00000000-0000-0000-0000-000000000000\",\"source\":\"s\",\"method\":\"POST\",\"received\":1700000000,\"from\":\"192.0.2.1\",\"headers\":[[\"x-a\",\"\xc3\xa9\"],[\"x-a\",\"again\"]]}\n{}\n\xff";
    let read = Record::from_bytes(Bytes::from_static(golden)).unwrap();
    assert_eq!(read.source.as_deref(), Some("s"));
    assert_eq!(read.told.verdict, Verdict::Accepted);
    assert_eq!(read.delivery.headers["x-a"].as_bytes(), b"\xe9");
    assert_eq!(&read.delivery.body[..], b"{}\n\xff");
    assert!(Record::from_bytes(Bytes::from_static(b"{}\n")).is_none());
    assert!(Record::from_bytes(Bytes::from_static(b"")).is_none());
}

fn told() -> Told {
    Told::refused(
        Verdict::Unauthentic,
        "why".to_owned(),
        &delivery(b"", vec![]),
    )
}

fn known(own: &HeaderName) -> Known<'_> {
    Known {
        secrets: Vec::new(),
        header: Some(own),
        segments: vec!["hunter2"],
        url_key: Some("hunter2"),
    }
}

/// What was kept by a version of this program is read by every later one.
#[test]
fn reads_the_second_version() {
    let own = HeaderName::from_static("x-own");
    let record = Record::new(
        Some("s"),
        &delivery(b"a", b"{}".to_vec()),
        &known(&own),
        told(),
    );
    let golden = "{\"version\":2,\"delivery\":\"00000000-0000-0000-0000-000000000000\",\"source\":\"s\",\"method\":\"POST\",\"received\":1700000000,\"from\":\"192.0.2.1\",\
        \"headers\":[[\"x-a\",\"a\"],[\"x-a\",\"again\"],[\"authorization\",null],[\"x-token\",null]],\"url\":\"https://x/hooks/s/[left out]\",\"claimed_key\":\"1167b37003b4a35ab32d3913a4f23eb9fa0bc3a8919babf318e9f639c9843c7c\",\"verdict\":\"unauthentic\",\
        \"reason\":\"why\",\"planned\":[],\"remarks\":[],\"unread\":false,\"all_bytes\":null,\"handshake\":null,\"same\":\"c389d784d6c787f8\"}\n{}";
    assert_eq!(String::from_utf8(record.to_bytes()).unwrap(), golden);
    let read = Record::from_bytes(Bytes::from_static(golden.as_bytes())).unwrap();
    assert_eq!((&read.told, &read.headers), (&record.told, &record.headers));
}

#[test]
fn a_title_says_what_a_delivery_is_about_in_few_bytes() {
    let forward = |key: &str| JobReport {
        job: "mirror".to_owned(),
        key: Some(key.to_owned()),
        ..JobReport::default()
    };
    let titled = |planned: Vec<JobReport>| Told { planned, ..told() }.title();
    assert_eq!(titled(vec![]), "why");
    assert_eq!(titled(vec![forward("a")]), "a");
    let long = titled(vec![forward(&"é".repeat(200)); 1000]);
    assert!(
        long.ends_with("é (+999)") && long.len() <= TITLE_MAX,
        "{long}"
    );
}

#[test]
fn what_a_delivery_with_a_thousand_long_keys_plans_is_bounded() {
    let key = "\u{1}".repeat(1024);
    let job = JobReport {
        key: Some(key),
        ..JobReport::default()
    };
    let planned = Told {
        planned: vec![job; 2000],
        ..told()
    };
    let own = HeaderName::from_static("x-own");
    let record = Record::new(None, &delivery(b"", vec![]), &known(&own), planned);
    assert_eq!(record.facts().jobs, 2000);
    let kept = record.to_bytes();
    assert!(kept.len() < HEAD_MAX, "{}", kept.len());
    assert!(Record::from_bytes(kept.into()).is_some());
}

proptest! {
    #[test]
    fn whatever_is_kept_is_read_and_no_secret_is_kept(
        value in proptest::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8..=0xff], 0..40),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let own = HeaderName::from_static("x-own");
        let kept = Record::new(Some("s"), &delivery(&value, body.clone()), &known(&own), told()).to_bytes();
        prop_assert!(!String::from_utf8_lossy(&kept).contains("hunter2"));
        let read = Record::from_bytes(kept.into()).unwrap();
        prop_assert_eq!(&read.delivery.body[..], &body[..]);
        let values: Vec<_> = read.delivery.headers.get_all("x-a").iter().collect();
        prop_assert_eq!(values[0].as_bytes(), &value[..]);
        prop_assert_eq!(values[1], "again");
        prop_assert_eq!(read.delivery.received, 1_700_000_000);
        let order: Vec<_> = read.headers.iter().map(|(name, _)| name.as_str()).collect();
        prop_assert_eq!(order, ["x-a", "x-a", "authorization", "x-token"]);
    }
}
