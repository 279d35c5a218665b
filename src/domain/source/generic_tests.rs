//! What a delivery of any sender is read as.

use super::*;
use crate::domain::signature::{Secret, hmac_sha256};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

fn source(definition: Value) -> Result<GenericSource, String> {
    serde_json::from_value(definition).map_err(|problem| problem.to_string())
}

struct Case {
    source: GenericSource,
    secrets: SourceSecrets,
    delivery: Delivery,
}

fn case(definition: Value) -> Case {
    Case {
        source: source(definition).unwrap(),
        secrets: SourceSecrets {
            secrets: vec![Secret::new("k"), Secret::new("previous")],
            ..SourceSecrets::default()
        },
        delivery: Delivery::post(HeaderMap::new(), ""),
    }
}

impl Case {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).unwrap();
        self.delivery.headers.insert(name, value);
        self
    }

    fn body(mut self, body: &str) -> Self {
        self.delivery.body = body.to_owned().into();
        self
    }

    fn asked(mut self, method: Method, query: &str) -> Self {
        (self.delivery.method, self.delivery.query) = (method, Some(query.to_owned()));
        self
    }

    fn open(&self) -> Result<Message, Rejection> {
        let proof = Proof::Sender {
            secrets: &self.secrets,
            vouched: false,
        };
        self.source.open("s", &self.delivery, proof)
    }

    fn forward(&self, proof: Proof<'_>) -> Forward {
        match self.source.open("s", &self.delivery, proof) {
            Ok(Message::Events(events)) => match &events[..] {
                [Event::Forward(forward)] => forward.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn forwarded(&self) -> Forward {
        self.forward(Proof::Sender {
            secrets: &self.secrets,
            vouched: false,
        })
    }
}

fn github(body: &str, id: &str) -> Case {
    let signature = handshake::hex(&hmac_sha256(b"previous", body.as_bytes()));
    case(json!({"verify": "github"}))
        .with("x-hub-signature-256", &format!("sha256={signature}"))
        .with("x-github-delivery", id)
        .with("x-github-event", "push")
        .body(body)
}

fn echoed(text: &str) -> Result<Message, Rejection> {
    Ok(Message::Challenge(Answer::Echo(text.to_owned())))
}

#[test]
fn what_is_proven_is_handed_on_and_anything_else_is_not() {
    let forward = github("{}", "7").forwarded();
    assert_eq!(
        (forward.event.as_deref(), forward.id.as_deref()),
        (Some("push"), Some("7"))
    );
    assert_eq!(forward.source, "s");
    assert_eq!(
        github("{}", "7").body("{ }").open(),
        Err(Rejection::Unauthentic)
    );
    assert_eq!(
        case(json!({"verify": "github"})).open(),
        Err(Rejection::Unauthentic)
    );
    assert_eq!(case(json!({"verify": "none"})).forwarded().id, None);
    assert_eq!(
        case(json!({"verify": "sns"})).open(),
        Err(Rejection::Unauthentic)
    );
}

#[test]
fn an_id_that_nobody_signed_makes_no_other_body_pass_for_done() {
    let first = github("{}", "7").forwarded().occurrence;
    assert!(first.is_some());
    assert_eq!(github("{}", "7").forwarded().occurrence, first);
    assert_ne!(github("[]", "7").forwarded().occurrence, first);
    assert_ne!(github("{}", "8").forwarded().occurrence, first);
    let replayed = github("{}", "7").forward(Proof::Operator);
    assert_eq!(replayed.occurrence, None, "an operator means it");
    assert_eq!(replayed.id.as_deref(), Some("7"));
}

#[test]
fn an_operator_needs_no_signature_and_no_fresh_time() {
    let stale = case(json!({"verify": "slack"}))
        .with("x-slack-signature", "v0=00")
        .with("x-slack-request-timestamp", "1")
        .body("{}");
    assert_eq!(stale.open(), Err(Rejection::Unauthentic));
    stale.forward(Proof::Operator);
}

#[test]
fn a_body_that_is_nothing_but_a_challenge_is_answered_where_it_is_proven() {
    let asked = |body: &str| {
        case(json!({"verify": "secret-header"}))
            .with("secret", "k")
            .body(body)
    };
    assert_eq!(asked(r#"{"challenge":"abc"}"#).open(), echoed("abc"));
    let slack_like = r#"{"token":"t","challenge":"3eZ<b>","type":"url_verification"}"#;
    assert_eq!(asked(slack_like).open(), echoed("3eZ<b>"));
    asked(r#"{"challenge":"abc","ref":"main"}"#).forwarded();
    asked(r#"{"challenge":{"id":1}}"#).forwarded();
    let unproven = case(json!({"verify": "secret-header"})).body(r#"{"challenge":"abc"}"#);
    assert_eq!(unproven.open(), Err(Rejection::Unauthentic));
    let long = format!(r#"{{"challenge":"{}"}}"#, "a".repeat(3000));
    assert!(matches!(asked(&long).open(), Err(Rejection::Malformed(_))));
    assert!(matches!(
        asked(r#"{"challenge":""}"#).open(),
        Err(Rejection::Malformed(_))
    ));
    // Of GitHub nothing of the kind is known.
    github(r#"{"challenge":"abc"}"#, "7").forwarded();
}

#[test]
fn slack_signs_its_handshake_too() {
    let body = r#"{"token":"t","challenge":"c","type":"url_verification"}"#;
    let signed = handshake::hex(&hmac_sha256(
        b"k",
        format!("v0:1700000000:{body}").as_bytes(),
    ));
    let asked = |signature: &str| {
        case(json!({"verify": "slack"}))
            .with("x-slack-signature", signature)
            .with("x-slack-request-timestamp", "1700000000")
            .body(body)
            .open()
    };
    assert_eq!(asked(&format!("v0={signed}")), echoed("c"));
    assert_eq!(asked("v0=00"), Err(Rejection::Unauthentic));
}

#[test]
fn a_subscription_is_answered_with_the_right_token_alone() {
    let asked =
        |verify: &str, query: &str| case(json!({"verify": verify})).asked(Method::GET, query);
    let query = |token: &str| {
        format!("hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158%2B201444")
    };
    assert_eq!(asked("meta", &query("k")).open(), echoed("1158+201444"));
    assert_eq!(
        asked("meta", &query("previous")).open(),
        echoed("1158+201444")
    );
    for wrong in ["", "x", "K"] {
        assert_eq!(
            asked("meta", &query(wrong)).open(),
            Err(Rejection::Unauthentic),
            "{wrong}"
        );
    }
    let mut own = asked("meta", &query("k"));
    own.secrets.verify_token = Some(Secret::new("v"));
    assert_eq!(
        own.open(),
        Err(Rejection::Unauthentic),
        "where it has its own, only that one"
    );
    let mut own = asked("meta", &query("v"));
    own.secrets.verify_token = Some(Secret::new("v"));
    assert_eq!(own.open(), echoed("1158+201444"));
    let odd = asked("meta", "hub.mode=x&hub.verify_token=k&hub.challenge=1");
    assert!(matches!(odd.open(), Err(Rejection::Malformed(_))));
    assert_eq!(asked("meta", "").open(), Err(Rejection::Method));
    assert_eq!(asked("github", &query("k")).open(), Err(Rejection::Method));
    let mut nobody = asked("none", &query("any"));
    nobody.secrets = SourceSecrets::default();
    assert_eq!(
        nobody.open(),
        echoed("1158+201444"),
        "who believes anybody subscribes to anything"
    );
}

#[test]
fn a_validation_token_is_sent_back_decoded() {
    let query = "validationToken=Validation%3a+Testing%20%3Cscript%3E";
    for method in [Method::POST, Method::GET] {
        let asked = case(json!({"verify": "bearer"})).asked(method, query);
        assert_eq!(asked.open(), echoed("Validation: Testing <script>"));
    }
    let asked = case(json!({"verify": "github"})).asked(Method::POST, query);
    assert_eq!(asked.open(), Err(Rejection::Unauthentic));
    let long = format!("validationToken={}", "a".repeat(3000));
    let asked = case(json!({"verify": "none"})).asked(Method::POST, &long);
    assert!(matches!(asked.open(), Err(Rejection::Malformed(_))));
}

#[test]
fn x_is_answered_by_get_and_delivers_objects() {
    let asked = |query: &str| {
        case(json!({"verify": "x"}))
            .asked(Method::GET, query)
            .open()
    };
    assert!(matches!(
        asked("crc_token=abc"),
        Ok(Message::Challenge(Answer::ResponseToken(_)))
    ));
    assert!(matches!(
        asked("crc_token=%7B%7D"),
        Err(Rejection::Malformed(_))
    ));
    assert_eq!(asked("x=y"), Err(Rejection::Method));
    // What the handshake would sign can be no delivery.
    use base64::Engine as _;
    let delivered = |body: &str| {
        let signature =
            base64::engine::general_purpose::STANDARD.encode(hmac_sha256(b"k", body.as_bytes()));
        case(json!({"verify": "x"}))
            .with(
                "x-twitter-webhooks-signature",
                &format!("sha256={signature}"),
            )
            .body(body)
            .open()
    };
    assert!(matches!(delivered(" {\"a\":1}"), Ok(Message::Events(_))));
    for token in ["abc", "", "9b4507b3-9040-4669-9ca3-6b94edb50553"] {
        assert!(
            matches!(delivered(token), Err(Rejection::Malformed(_))),
            "{token}"
        );
    }
}

#[test]
fn leave_to_deliver_is_given_to_who_asks() {
    let asked = case(json!({"verify": "github"}))
        .asked(Method::OPTIONS, "")
        .with("webhook-request-origin", "eventemitter.example.com");
    let allowed = |rate| {
        let origin = HeaderValue::from_static("eventemitter.example.com");
        Ok(Message::Challenge(Answer::Allowed { origin, rate }))
    };
    assert_eq!(asked.open(), allowed(None));
    assert_eq!(
        asked.with("webhook-request-rate", "120").open(),
        allowed(Some(120))
    );
    let other = case(json!({"verify": "github"})).asked(Method::OPTIONS, "");
    assert_eq!(other.open(), Err(Rejection::Method));
}

#[test]
fn other_methods_are_not_answered() {
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD] {
        let asked = case(json!({"verify": "none"})).asked(method, "");
        assert_eq!(asked.open(), Err(Rejection::Method));
    }
}

#[test]
fn settings_that_fit_nothing_are_errors() {
    for (definition, expected) in [
        (json!({}), "missing field `verify`"),
        (
            json!({"verify": "nobody"}),
            "expected a template (an object) or one of backblaze-b2, basic",
        ),
        (
            json!({"verify": "github", "header": "x-a"}),
            "only verify \"secret-header\"",
        ),
        (
            json!({"verify": "github", "topics": ["arn:aws:sns:x"]}),
            "only verify \"sns\"",
        ),
        (
            json!({"verify": "github", "secret": "x"}),
            "unknown field `secret`",
        ),
        (
            json!({"verify": {"header": "x"}}),
            "missing field `encoding`",
        ),
        (
            json!({"verify": "github", "from": ["nowhere"]}),
            "an address or a network",
        ),
    ] {
        let found = source(definition).unwrap_err();
        assert!(found.contains(expected), "{found}");
    }
    let odd =
        source(json!({"verify": {"header": "x", "encoding": "hex", "signed": "v0"}})).unwrap();
    assert!(odd.problems()[0].starts_with("verify: signed: expected {body}"));
}
