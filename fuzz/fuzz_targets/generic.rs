//! Any sender by its scheme: any request, from somebody who does not know the secret. The letter before it is the scheme. What is
//! opened a second time, as an operator has it, shows what is read once a delivery is believed.

#![no_main]

use hookwork_fuzz::domain::event::Event;
use hookwork_fuzz::domain::export::{curl, fixture};
use hookwork_fuzz::domain::forward::Forward;
use hookwork_fuzz::domain::inbox::{FOLDER, Verdict, rows};
use hookwork_fuzz::domain::record::{Record, Told};
use hookwork_fuzz::domain::redact::Known;
use hookwork_fuzz::domain::source::{Message, Proof, Source};
use hookwork_fuzz::{Request, SECRET, choice, secrets};
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

fn delivery_says(body: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(body).contains(text)
}

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
    let believed = matches!(
        opened,
        Ok(Message::Events(_) | Message::Confirm(_) | Message::Ended(_))
    );
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
    let known = Known {
        secrets: secrets.secrets.iter().collect(),
        header: source.secret_header(),
        ..Known::default()
    };
    let told = match source.open("s", &delivery, Proof::Operator) {
        Ok(Message::Events(events)) => Told::events(&events, &delivery),
        other => Told::refused(Verdict::Malformed, format!("{other:?}"), &delivery),
    };
    let record = Record::new(Some("s"), &delivery, &known, told);
    let place = record.place();
    let name = place.strip_prefix(FOLDER).expect("it is in the folder");
    assert!(place.len() < 1024 && rows(std::iter::once(name)).len() == 1);
    let own = source.signature_header();
    let line = curl(&record, own.map(|name| name.as_str()));
    // What a terminal is asked to paste does nothing by itself.
    let harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    assert!(line.chars().all(harmless), "{line:?}");
    let event = fixture(&record, own.map(|name| name.as_str())).to_string();
    let of_headers = |text: &str| text.contains(SECRET) && !delivery_says(&delivery.body, SECRET);
    assert!(!of_headers(&event) && !of_headers(&line));
    let kept = Record::from_bytes(record.to_bytes().into()).expect("what is kept can be read");
    assert_eq!(
        (kept.delivery.body, kept.delivery.headers),
        (record.delivery.body, record.delivery.headers)
    );
});
