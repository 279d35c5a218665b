//! Every scheme, with the vectors that its sender published.

use super::super::delivery::Rejection;
use super::super::handshake::{self, Answer};
use super::known::TEMPLATES;
use super::*;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::json;

fn scheme(name: &str) -> Scheme {
    Scheme::named(name).unwrap()
}

fn delivery(headers: &[(&str, String)], body: &str, received: u64) -> Delivery {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    Delivery {
        received,
        ..Delivery::post(map, body.to_owned())
    }
}

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

fn published() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/vectors.json")).unwrap()
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

#[test]
fn a_secret_in_a_header_is_compared_whole() {
    let secrets = [
        Secret::new("old"),
        Secret::new("user:pass word"),
        Secret::new("tok en"),
    ];
    let verifies = |name: &str, header: &str, value: &str| {
        let delivery = delivery(&[(header, value.to_owned())], "", 0);
        scheme(name).verifies(&delivery, &secrets, false)
    };
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for (name, header, value) in [
        ("bearer", "Authorization", "Bearer old"),
        ("bearer", "authorization", "bearer tok en"),
        ("harbor", "Authorization", "tok en"),
        ("harbor", "Authorization", "Bearer old"),
        ("basic", "Authorization", &basic("user:pass word")),
        ("gitlab", "X-Gitlab-Token", "old"),
        ("secret-header", "Secret", "old"),
    ] {
        assert!(verifies(name, header, value), "{name} {value}");
    }
    for (name, header, value) in [
        ("bearer", "Authorization", "old"),
        ("bearer", "Authorization", "Bearer"),
        ("bearer", "Authorization", "Bearer ol"),
        ("bearer", "Authorization", "Bearer oldd"),
        ("bearer", "Authorization", "Token old"),
        ("harbor", "Authorization", "Basic old"),
        ("basic", "Authorization", "Basic user:pass word"),
        ("basic", "Authorization", &basic("user:pass")),
        ("gitlab", "X-Gitlab-Token", ""),
        ("gitlab", "Authorization", "old"),
        ("secret-header", "Secret", "OLD"),
    ] {
        assert!(!verifies(name, header, value), "{name} {value}");
    }
    let in_query = |query: &str| {
        let delivery = Delivery {
            query: Some(query.to_owned()),
            ..delivery(&[], "", 0)
        };
        scheme("bearer").verifies(&delivery, &secrets, false)
    };
    assert!(in_query("a=b&access_token=tok+en"));
    assert!(!in_query("access_token=tok"));
    let mut elsewhere = scheme("secret-header");
    elsewhere.in_header("X-Mine").unwrap();
    assert!(elsewhere.verifies(
        &delivery(&[("x-mine", "old".to_owned())], "", 0),
        &secrets,
        false
    ));
    assert!(!elsewhere.verifies(
        &delivery(&[("secret", "old".to_owned())], "", 0),
        &secrets,
        false
    ));
}

#[test]
fn a_signature_and_a_token_beside_it_do_not_help_each_other() {
    let secrets = [Secret::new("token")];
    let headers = [
        ("x-gitlab-token", "token".to_owned()),
        ("webhook-signature", "v1,AAAA".to_owned()),
    ];
    assert!(!scheme("gitlab").verifies(&delivery(&headers, "", 0), &secrets, false));
    assert!(scheme("gitlab").verifies(&delivery(&headers[..1], "", 0), &secrets, false));
}

#[test]
fn x_is_answered_as_its_sample_says_and_signs_nothing_that_could_be_a_delivery() {
    let all = published();
    let vectors = all["generic_signatures"].as_array().unwrap();
    let vector = vectors
        .iter()
        .find(|vector| vector["scheme"] == "x_crc")
        .unwrap();
    let secret = Secret::new(vector["secret"].as_str().unwrap());
    let answer = handshake::crc(vector["crc_token"].as_str().unwrap(), &secret);
    let expected = vector["value"].as_str().unwrap().to_owned();
    assert_eq!(answer, Ok(Answer::ResponseToken(expected)));
    for forged in [
        "{}",
        "{\"for_user_id\":\"1\"}",
        "a b",
        "",
        "é",
        &"a".repeat(3000),
    ] {
        let answer = handshake::crc(forged, &secret);
        assert!(matches!(answer, Err(Rejection::Malformed(_))), "{forged}");
    }
}

#[test]
fn a_delivery_says_what_it_is_called() {
    let named = |name: &str, headers: &[(&str, &str)], body: &str| {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let found = scheme(name).named_by(&delivery(&headers, body, 0));
        (
            found.id.unwrap_or_default(),
            found.event.unwrap_or_default(),
            found.id_is_signed,
        )
    };
    let of = |id: &str, event: &str, signed| (id.to_owned(), event.to_owned(), signed);
    let github = [
        ("x-hub-signature-256", ""),
        ("x-github-delivery", "7"),
        ("x-github-event", "push"),
    ];
    assert_eq!(named("github", &github, "{}"), of("7", "push", false));
    let stripe = named(
        "stripe",
        &[("stripe-signature", "")],
        r#"{"id":"evt_1","type":"charge.succeeded"}"#,
    );
    assert_eq!(stripe, of("evt_1", "charge.succeeded", true));
    let standard = [("webhook-signature", ""), ("webhook-id", "msg_1")];
    assert_eq!(
        named("svix", &standard, r#"{"type":"a.b"}"#),
        of("msg_1", "a.b", true)
    );
    let gitlab = [
        ("x-gitlab-token", ""),
        ("idempotency-key", "k"),
        ("x-gitlab-event", "Push Hook"),
    ];
    assert_eq!(named("gitlab", &gitlab, "{}"), of("k", "Push Hook", false));
    let signed = [
        ("webhook-signature", ""),
        ("webhook-id", "k"),
        ("x-gitlab-event", "Push Hook"),
    ];
    assert_eq!(named("gitlab", &signed, "{}"), of("k", "Push Hook", true));
    let slack = named(
        "slack",
        &[("x-slack-signature", "")],
        r#"{"event_id":"Ev1","event":{"type":"message"}}"#,
    );
    assert_eq!(slack, of("Ev1", "message", true));
    assert_eq!(named("none", &[], r#"{"id":"1"}"#), of("", "", false));
}

#[test]
fn an_unknown_scheme_is_told_which_there_are() {
    let found = Scheme::named("git-hub").unwrap_err();
    for name in ["github", "standard-webhooks", "none", "sns", "\"git-hub\""] {
        assert!(found.contains(name), "{found}");
    }
    assert!(scheme("github").in_header("x-a").is_err());
    assert!(scheme("secret-header").in_header("x a").is_err());
    assert!(Scheme::try_from(json!(7)).is_err());
}

#[test]
fn what_a_scheme_lacks_is_told() {
    let secrets = |text: &str| [Secret::new(text)];
    assert!(scheme("github").missing(&[]).is_some());
    assert_eq!(scheme("github").missing(&secrets("x")), None);
    assert!(
        scheme("svix")
            .missing(&secrets("whsec_!"))
            .unwrap()
            .contains("base64")
    );
    assert_eq!(scheme("gitlab").missing(&secrets("!")), None);
    assert_eq!(scheme("none").missing(&[]), None);
    assert_eq!(scheme("sns").missing(&[]), None);
}

#[test]
fn every_name_is_a_scheme_without_problems() {
    for (name, _) in TEMPLATES {
        assert!(scheme(name).problems().is_empty(), "{name}");
    }
}

proptest! {
    #[test]
    fn no_header_body_or_query_is_authentic_by_chance(
        name in proptest::sample::select(vec!["github", "gitlab", "bitbucket", "stripe", "slack", "standard-webhooks", "svix", "meta",
            "shopify", "x", "backblaze-b2", "harbor", "sns", "bearer", "basic", "secret-header"]),
        value in "(t=1700000000,v1=|v1,|v0=|sha256=|Bearer |Basic )?[ -~]{0,90}",
        body in ".{0,40}", query in "[ -~]{0,40}",
    ) {
        let headers = ["x-hub-signature-256", "x-hub-signature", "x-gitlab-token", "stripe-signature", "x-slack-signature",
            "x-slack-request-timestamp", "webhook-signature", "webhook-id", "webhook-timestamp", "svix-signature", "authorization",
            "secret", "x-shopify-hmac-sha256", "x-twitter-webhooks-signature", "x-bz-event-notification-signature"];
        let headers = headers.map(|header| (header, value.clone()));
        let delivery = Delivery { query: Some(query), ..delivery(&headers, &body, 1_700_000_000) };
        let secrets = [Secret::new("bm90IHRvIGJlIGd1ZXNzZWQ=")];
        prop_assert!(!scheme(name).verifies(&delivery, &secrets, false));
        let named = scheme(name).named_by(&delivery);
        prop_assert!(named.id.is_none() || name != "none");
    }
}
