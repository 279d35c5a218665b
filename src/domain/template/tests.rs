//! What the templates take and refuse.

use super::*;
use http::HeaderValue;
use serde_json::{Value, json};

fn template(json: Value) -> Template {
    serde_json::from_value(json).unwrap()
}

fn delivery(headers: &[(&str, &str)], body: &str) -> Delivery {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    Delivery::post(map, body.to_owned())
}

fn mac(key: &[u8], message: &str) -> String {
    super::super::handshake::hex(&super::super::signature::hmac_sha256(
        key,
        message.as_bytes(),
    ))
}

fn verifies(template: &Template, headers: &[(&str, &str)], body: &str) -> bool {
    template.verifies(
        &delivery(headers, body),
        &[Secret::new("other"), Secret::new("k")],
    )
}

#[test]
fn what_is_not_told_has_a_default() {
    let plain = template(json!({"header": "X-Sig", "encoding": "hex"}));
    assert!(verifies(&plain, &[("x-sig", &mac(b"k", "body"))], "body"));
    let upper = mac(b"k", "body").to_uppercase();
    assert!(
        verifies(&plain, &[("x-sig", &upper)], "body"),
        "hex has no case"
    );
    let empty = delivery(&[("x-sig", &mac(b"", "body"))], "body");
    assert!(!plain.verifies(&empty, &[]), "no secret verifies nothing");
    for odd in [
        "",
        "x",
        "00",
        &mac(b"k", "body")[1..],
        &format!("{}00", mac(b"k", "body")),
    ] {
        assert!(!verifies(&plain, &[("x-sig", odd)], "body"), "{odd}");
    }
}

#[test]
fn other_encodings_and_algorithms_are_possible() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut long = Hmac::<sha2::Sha512>::new_from_slice(b"k").unwrap();
    long.update(b"body");
    let signature = general_purpose::URL_SAFE_NO_PAD.encode(long.finalize().into_bytes());
    let of = template(json!({"header": "x-sig", "encoding": "base64url", "algorithm": "sha512"}));
    assert!(verifies(&of, &[("x-sig", &signature)], "body"));
    let of = template(json!({"header": "x-sig", "encoding": "base64url"}));
    assert!(!verifies(&of, &[("x-sig", &signature)], "body"));
}

#[test]
fn a_time_is_signed_and_may_be_off_by_the_tolerance_before_and_after() {
    let of = template(json!({
        "header": "x-sig", "separator": ",", "prefix": "v1=", "encoding": "hex", "signed": "{timestamp}.{body}",
        "timestamp_header": "x-sig", "timestamp_prefix": "t=", "tolerance": 10,
    }));
    let signed = |time: &str| format!("t={time}, v1={}", mac(b"k", &format!("{time}.body")));
    let at = |time: &str| verifies(&of, &[("x-sig", &signed(time))], "body");
    for right in ["1700000000", "1699999990", "1700000010", "01700000000"] {
        assert!(at(right), "{right}");
    }
    for wrong in [
        "1699999989",
        "1700000011",
        "",
        "-1",
        "+1700000000",
        "1.7e9",
        "1700000000000",
        "99999999999999999999999",
        "0x6553f100",
    ] {
        assert!(!at(wrong), "{wrong}");
    }
    let unsigned = format!("v1={}", mac(b"k", "1700000000.body"));
    assert!(!verifies(&of, &[("x-sig", &unsigned)], "body"));
}

#[test]
fn one_of_several_signatures_is_enough_but_not_of_any_number() {
    let of =
        template(json!({"header": "x-sig", "separator": " ", "prefix": "v1,", "encoding": "hex"}));
    let right = format!("v1,{}", mac(b"k", "body"));
    let wrong = format!("v1,{}", "00".repeat(32));
    let old = format!("v1a,{}", mac(b"k", "body"));
    assert!(verifies(
        &of,
        &[("x-sig", &format!("{old} {wrong} {right}"))],
        "body"
    ));
    assert!(!verifies(
        &of,
        &[("x-sig", &format!("{old} {wrong}"))],
        "body"
    ));
    let many = vec![wrong.as_str(); SIGNATURES_MAX].join(" ");
    assert!(!verifies(
        &of,
        &[("x-sig", &format!("{many} {right}"))],
        "body"
    ));
}

#[test]
fn what_is_signed_and_not_there_verifies_nothing() {
    let of = template(
        json!({"header": "x-sig", "encoding": "hex", "signed": "{id}.{body}", "id_header": "x-id"}),
    );
    let signature = mac(b"k", "7.body");
    assert!(verifies(
        &of,
        &[("x-sig", &signature), ("x-id", "7")],
        "body"
    ));
    assert!(!verifies(&of, &[("x-sig", &mac(b"k", ".body"))], "body"));
    assert!(of.signs_id());
    let of = template(json!({"header": "x-sig", "encoding": "hex", "id_header": "x-id"}));
    assert!(!of.signs_id());
}

#[test]
fn a_key_may_be_in_base64_after_a_prefix() {
    let of = template(
        json!({"header": "x-sig", "encoding": "hex", "key": "base64", "key_prefix": "whsec_"}),
    );
    let signed = delivery(&[("x-sig", &mac(b"\xfb\xff", "body"))], "body");
    for secret in [
        "whsec_+/8=",
        "whsec_+/8",
        "+/8=",
        "v1,whsec_+/8=",
        " \"whsec_-_8\" ",
    ] {
        assert!(of.verifies(&signed, &[Secret::new(secret)]), "{secret}");
    }
    let raw = template(json!({"header": "x-sig", "encoding": "hex", "key_prefix": "whsec_"}));
    assert!(raw.keys(&Secret::new("whsec_")).is_err() && raw.wants().contains("prefix"));
    // What is no key is none: it is never the empty one.
    let empty = delivery(&[("x-sig", &mac(b"", "body"))], "body");
    for secret in ["whsec_!", "whsec_"] {
        assert!(!of.verifies(&empty, &[Secret::new(secret)]), "{secret}");
    }
}

#[test]
fn what_cannot_be_meant_is_an_error_or_a_problem() {
    for (json, expected) in [
        (
            json!({"header": "x sig", "encoding": "hex"}),
            "the name of a header",
        ),
        (
            json!({"header": "x-sig", "encoding": "rot13"}),
            "unknown variant `rot13`",
        ),
        (
            json!({"header": "x-sig", "encoding": "hex", "algorithm": "md5"}),
            "unknown variant `md5`",
        ),
        (
            json!({"header": "x-sig", "encoding": "hex", "signed": "{bdoy}"}),
            "{timestamp} and {id}",
        ),
        (
            json!({"header": "x-sig", "encoding": "hex", "singed": "{body}"}),
            "unknown field `singed`",
        ),
        (json!({"encoding": "hex"}), "missing field `header`"),
    ] {
        let found = serde_json::from_value::<Template>(json)
            .unwrap_err()
            .to_string();
        assert!(found.contains(expected), "{found}");
    }
    for (more, expected) in [
        (json!({"signed": "v0"}), "expected {body} in it"),
        (json!({"signed": "{timestamp}{body}"}), "go together"),
        (json!({"timestamp_header": "x-time"}), "go together"),
        (json!({"signed": "{id}{body}"}), "id_header"),
        (json!({"id_field": "id"}), "a JSON pointer"),
        (json!({"tolerance": 60}), "want a timestamp_header"),
        (json!({"timestamp_prefix": "t="}), "want a timestamp_header"),
        (
            json!({"id_field": "/id", "id_header": "x-id"}),
            "id_header and id_field",
        ),
        (
            json!({"event_field": "/type", "event_header": "x-type"}),
            "event_header and event_field",
        ),
    ] {
        let mut json = json!({"header": "x-sig", "encoding": "hex"});
        json.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let found = template(json).problems().concat();
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn a_key_that_is_its_own_text_counts_as_it_stands_and_without_what_is_around_it() {
    let of = template(json!({"header": "x-sig", "encoding": "hex"}));
    let by = |key: &str, secret: &str| {
        let signed = delivery(&[("x-sig", &mac(key.as_bytes(), "body"))], "body");
        of.verifies(&signed, &[Secret::new(secret)])
    };
    for secret in ["k", " k", "k \t", "\"k\"", "'k'"] {
        assert!(by(secret, secret) && by("k", secret), "{secret}");
    }
    for (key, secret) in [
        ("", " "),
        ("", "\"\""),
        ("k", "\"k"),
        ("K", "k"),
        ("k", "k k"),
    ] {
        assert!(!by(key, secret), "{secret}");
    }
}
