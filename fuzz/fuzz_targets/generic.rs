//! Any sender by its scheme: any request, from somebody who does not know the secret. The letter before it is the scheme. What is
//! opened a second time, as an operator has it, shows what is read once a delivery is believed.

#![no_main]

use hookwork_fuzz::domain::event::Event;
use hookwork_fuzz::domain::forward::Forward;
use hookwork_fuzz::domain::record::Record;
use hookwork_fuzz::domain::source::{Message, Proof, Source};
use hookwork_fuzz::{Request, choice, secrets};
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use std::sync::LazyLock;

const SCHEMES: [&str; 17] = [
    "github",
    "gitlab",
    "bitbucket",
    "stripe",
    "slack",
    "standard-webhooks",
    "svix",
    "meta",
    "shopify",
    "x",
    "backblaze-b2",
    "harbor",
    "sns",
    "bearer",
    "basic",
    "secret-header",
    "none",
];
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let sources = SCHEMES.map(|scheme| {
        let mut source = json!({"kind": "generic", "verify": scheme});
        if scheme == "sns" {
            source["topics"] = json!(["arn:aws:sns:us-east-1:123456789012:topic"]);
        }
        serde_json::from_value(source).unwrap()
    });
    sources.into()
});

fuzz_target!(|data: &[u8]| {
    let Some((scheme, rest)) = choice(data, SCHEMES.len()) else {
        return;
    };
    let Some(delivery) = Request::of(rest).and_then(|request| request.delivery()) else {
        return;
    };
    let (source, secrets) = (&SOURCES[scheme], secrets());
    let _ = source.claim(&delivery);
    let proof = Proof::Sender {
        secrets: &secrets,
        vouched: false,
    };
    let opened = source.open("s", &delivery, proof);
    let believed = matches!(opened, Ok(Message::Events(_) | Message::Confirm(_)));
    assert!(
        !believed || SCHEMES[scheme] == "none",
        "{} believes {opened:?}",
        SCHEMES[scheme]
    );
    if let Ok(Message::Events(events)) = source.open("s", &delivery, Proof::Operator) {
        for event in events {
            if let Event::Forward(forward) = event {
                let text = serde_json::to_string(&forward).unwrap();
                assert!(text.len() <= 256 << 10, "{}", text.len());
                let read: Forward = serde_json::from_str(&text).unwrap();
                assert_eq!(read.of_delivery(delivery.id), forward);
            }
        }
    }
    let record = Record::new("s", &delivery, None);
    let kept = Record::from_bytes(record.to_bytes().into()).expect("what is kept can be read");
    assert_eq!(
        (kept.delivery.body, kept.delivery.headers),
        (record.delivery.body, record.delivery.headers)
    );
});
