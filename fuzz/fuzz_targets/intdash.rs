//! intdash: a body that is signed (a), and any header with any body (b).

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookwork_fuzz::domain::delivery::Rejection;
use hookwork_fuzz::domain::signature::hmac_sha256;
use hookwork_fuzz::domain::source::intdash::SIGNATURE_HEADER;
use hookwork_fuzz::domain::source::{Message, Proof, Source};
use hookwork_fuzz::{SECRET, choice, delivery, secrets};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SOURCE: LazyLock<Source> = LazyLock::new(|| {
    serde_json::from_str(r#"{"kind": "intdash", "url": "https://example.intdash.jp"}"#).unwrap()
});

/// What becomes of a body under this header.
fn open(header: &[u8], body: &[u8]) -> Result<Message, Rejection> {
    let mut delivery = delivery(body);
    if let Ok(value) = HeaderValue::from_bytes(header) {
        delivery.headers.insert(SIGNATURE_HEADER, value);
    }
    let secrets = secrets();
    SOURCE.open(
        "s",
        &delivery,
        Proof::Sender {
            secrets: &secrets,
            vouched: false,
        },
    )
}

fuzz_target!(|data: &[u8]| {
    match choice(data, 2) {
        Some((0, body)) => {
            let signature = STANDARD.encode(hmac_sha256(SECRET.as_bytes(), body));
            assert_ne!(
                open(signature.as_bytes(), body),
                Err(Rejection::Unauthentic)
            );
            let mut changed = body.to_vec();
            changed.push(0);
            assert_eq!(
                open(signature.as_bytes(), &changed),
                Err(Rejection::Unauthentic)
            );
        }
        Some((1, rest)) => {
            let end = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len());
            let (header, body) = rest.split_at(end);
            assert_eq!(open(header, body), Err(Rejection::Unauthentic));
        }
        _ => {}
    }
});
