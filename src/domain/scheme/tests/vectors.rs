//! Every published delivery, as it was, and with every bit of it flipped.

use super::*;

/// A published delivery.
#[derive(Clone)]
struct Vector {
    scheme: Scheme,
    secret: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    received: u64,
}

impl Vector {
    fn verifies(&self) -> bool {
        let delivery = delivery(&self.headers, &self.body, self.received);
        let secrets = [Secret::new("bGl2ZQ=="), Secret::new(&self.secret)];
        self.scheme.verifies(&delivery, &secrets, false)
    }
}

/// Under which schemes, and in which headers, a vector is a delivery.
fn spellings(
    scheme: &str,
    value: &str,
    time: &str,
    id: &str,
) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let one = |scheme, header| vec![(scheme, vec![(header, value.to_owned())])];
    let three = |scheme, names: [&'static str; 3]| {
        let values = [value, time, id].map(ToOwned::to_owned);
        (scheme, std::iter::zip(names, values).collect::<Vec<_>>())
    };
    let standard = ["webhook-signature", "webhook-timestamp", "webhook-id"];
    match scheme {
        "github" => one("github", "X-Hub-Signature-256"),
        "meta" => one("meta", "X-Hub-Signature-256"),
        "stripe" => one("stripe", "Stripe-Signature"),
        "backblaze_b2" => one("backblaze-b2", "X-Bz-Event-Notification-Signature"),
        "slack" => {
            let time = ("X-Slack-Request-Timestamp", time.to_owned());
            vec![("slack", vec![("X-Slack-Signature", value.to_owned()), time])]
        }
        "standard-webhooks" => vec![
            three("standard-webhooks", standard),
            three("svix", standard),
            three("gitlab", standard),
            three("svix", ["svix-signature", "svix-timestamp", "svix-id"]),
        ],
        other => panic!("no test knows the scheme {other}"),
    }
}

fn vectors() -> Vec<Vector> {
    let all = published();
    let text = |vector: &Value, field: &str| vector[field].as_str().unwrap_or_default().to_owned();
    let mut vectors = Vec::new();
    for vector in all["generic_signatures"].as_array().unwrap() {
        let name = vector["scheme"].as_str().unwrap();
        if name == "x_crc" {
            continue;
        }
        let (value, time, id) = (
            text(vector, "value"),
            text(vector, "timestamp"),
            text(vector, "id"),
        );
        for (name, headers) in spellings(name, &value, &time, &id) {
            vectors.push(Vector {
                scheme: scheme(name),
                secret: text(vector, "secret"),
                headers,
                body: text(vector, "body"),
                received: time.parse().unwrap_or(1_700_000_000),
            });
        }
    }
    // intdash's own, in the words of a template.
    let official = &all["intdash_signature"][0];
    let template = json!({"header": "x-intdash-signature-256", "encoding": "base64"});
    vectors.push(Vector {
        scheme: Scheme::try_from(template).unwrap(),
        secret: text(official, "secret"),
        headers: vec![("x-intdash-signature-256", text(official, "signature"))],
        body: text(official, "body"),
        received: 0,
    });
    vectors
}

#[test]
fn every_published_vector_is_authentic() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 14);
    for vector in vectors {
        assert!(vector.verifies(), "{} {}", vector.scheme.name, vector.body);
    }
}

/// A text with one bit of it flipped; none where that is no text any more.
fn flipped(text: &str, at: usize, bit: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] ^= 1 << bit;
    String::from_utf8(bytes).ok()
}

/// Every text that differs from this one in a bit.
fn flips(text: &str) -> impl Iterator<Item = (usize, String)> {
    let bits = (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit)));
    bits.filter_map(|(at, bit)| Some((at, flipped(text, at, bit)?)))
}

#[test]
fn none_is_authentic_with_a_bit_flipped_in_body_secret_or_header_or_without_a_header() {
    let mut tried = 0;
    let mut refused = |vector: &Vector, what: &str| {
        tried += 1;
        assert!(!vector.verifies(), "{}: {what}", vector.scheme.name);
    };
    for original in vectors() {
        for (at, body) in flips(&original.body) {
            let vector = Vector {
                body,
                ..original.clone()
            };
            refused(&vector, &format!("body {at}"));
        }
        for (at, secret) in flips(&original.secret) {
            let vector = Vector {
                secret,
                ..original.clone()
            };
            refused(&vector, &format!("secret {at}: {}", vector.secret));
        }
        for (number, (header, value)) in original.headers.iter().enumerate() {
            for (at, other) in flips(value) {
                // Hex has no case, and the signature is what such a header ends with.
                let case_of_hex = other.eq_ignore_ascii_case(value) && value.len() - at <= 64;
                if HeaderValue::from_str(&other).is_err() || (case_of_hex && !value.ends_with('='))
                {
                    continue;
                }
                let mut vector = original.clone();
                vector.headers[number].1 = other;
                refused(
                    &vector,
                    &format!("{header} {at}: {}", vector.headers[number].1),
                );
            }
            let mut vector = original.clone();
            vector.headers.remove(number);
            refused(&vector, &format!("without {header}"));
        }
    }
    assert!(tried > 17_000, "{tried}");
}

#[test]
fn a_time_that_is_signed_and_too_old_or_to_come_is_refused() {
    for original in vectors() {
        let timed = original.headers.len() > 1 || original.scheme.name == "stripe";
        for off in [-301i64, -300, 300, 301] {
            let received = original.received.saturating_add_signed(off);
            let vector = Vector {
                received,
                ..original.clone()
            };
            let expected = !timed || off.abs() <= 300;
            assert_eq!(
                vector.verifies(),
                expected,
                "{} {off}",
                original.scheme.name
            );
        }
    }
}
