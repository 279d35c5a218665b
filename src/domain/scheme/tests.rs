//! Every scheme, with the vectors that its sender published.

mod vectors;

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

fn published() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/vectors.json")).unwrap()
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
    let b2 = [("x-bz-event-notification-signature", "")];
    let b2 = named(
        "backblaze-b2",
        &b2,
        r#"{"events":[{"eventType":"b2:ObjectCreated:Upload"}]}"#,
    );
    assert_eq!(b2, of("", "b2:ObjectCreated:Upload", true));
    let harbor = named(
        "harbor",
        &[("authorization", "")],
        r#"{"type":"PUSH_ARTIFACT"}"#,
    );
    assert_eq!(harbor, of("", "PUSH_ARTIFACT", false));
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
    let told = scheme("svix").missing(&secrets("whsec_hunter2!")).unwrap();
    assert!(
        told.contains("secrets[0] is no base64: sign 8 of the key"),
        "{told}"
    );
    assert!(!told.contains("hunter"), "{told}");
    let several = ["v1,whsec_AQI=", "v1a,whpk_AQI=", "whsec_!"].map(Secret::new);
    assert_eq!(scheme("svix").missing(&several), None, "one is enough");
    let problems = scheme("svix").secret_problems(&several);
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0].starts_with("secrets[1] is a key for Ed25519"),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("secrets[2] is no base64"),
        "{problems:?}"
    );
    assert_eq!(scheme("gitlab").missing(&secrets("!")), None);
    assert_eq!(scheme("github").secret_problems(&secrets("!")), [""; 0]);
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

#[test]
fn a_secret_counts_in_the_spellings_in_which_it_is_copied() {
    let verifies = |name: &str, secret: &str, header: &str, value: &str| {
        let delivery = delivery(&[(header, value.to_owned())], "", 0);
        scheme(name).verifies(&delivery, &[Secret::new(secret)], false)
    };
    for secret in ["t", " t ", "\"t\"", "Bearer t", "Authorization: Bearer t\n"] {
        assert!(
            verifies("bearer", secret, "authorization", "Bearer t"),
            "{secret}"
        );
        assert!(
            verifies("harbor", secret, "authorization", "Bearer t"),
            "{secret}"
        );
    }
    for secret in [
        "u:p",
        "'u:p'",
        "dTpw",
        "Basic dTpw",
        "Authorization: Basic dTpw",
    ] {
        assert!(
            verifies("basic", secret, "authorization", "Basic dTpw"),
            "{secret}"
        );
    }
    for secret in ["t", " t", "\u{201c}t\u{201d}"] {
        assert!(
            verifies("gitlab", secret, "x-gitlab-token", "t"),
            "{secret}"
        );
        assert!(verifies("secret-header", secret, "secret", "t"), "{secret}");
    }
    for (name, secret, header, value) in [
        ("bearer", "Bearer ", "authorization", "Bearer "),
        ("bearer", "Basic t", "authorization", "Bearer t"),
        ("bearer", "t", "authorization", "Bearer \"t\""),
        ("basic", "dTpw", "authorization", "Basic dTpwcA=="),
        ("secret-header", "Bearer t", "secret", "t"),
        ("secret-header", "\"\"", "secret", ""),
    ] {
        assert!(!verifies(name, secret, header, value), "{name} {secret}");
    }
}
