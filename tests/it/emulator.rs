//! The built function, as Lambda starts it: under the real runtime emulator, with far sides in process.
//!
//! What only shows in a process of its own is tested here: the start, the log, and what an invocation may carry.

use crate::servers::Emulator;
use crate::world::{SECRET, TOPIC, created, delivery, far_sides, vk};
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::intdash::{SAMPLE_MEASUREMENT, signature};
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Another build of it may be named by the environment.
const FUNCTION: &str = env!("CARGO_BIN_EXE_hookwork");
/// As much of an event as Lambda hands over: 6 MB and what it adds to a request.
const EVENT_MAX: usize = 6 * 1024 * 1024 + 100;

/// The built function under the emulator, with these settings beside those that Lambda itself sets.
pub(crate) fn emulated(settings: BTreeMap<String, String>) -> Emulator {
    let lambda = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "role-key-id"),
        ("AWS_SECRET_ACCESS_KEY", "role-secret-key"),
        ("AWS_SESSION_TOKEN", "role-session-token"),
    ];
    let mut env: Vec<(&str, String)> = lambda
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec();
    env.extend(
        settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone())),
    );
    let built = std::env::var("FUNCTION").unwrap_or_else(|_| FUNCTION.to_owned());
    Emulator::start(Path::new(&built), &env)
}

/// Invokes the function; the far sides go on meanwhile.
pub(crate) async fn invoke(function: &Emulator, event: &Value) -> Value {
    tokio::task::block_in_place(|| function.invoke(event))
}

/// A request as an HTTP API hands it over.
fn event(method: &str, path: &str, headers: Value, body: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers,
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "a.execute-api.us-east-1.amazonaws.com", "domainPrefix": "a",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": ""},
            "requestId": "r", "routeKey": "$default", "stage": "$default", "time": "12/Jan/2024:05:06:10 +0000",
            "timeEpoch": 1_705_035_970_123_u64,
        },
        "body": body, "isBase64Encoded": false,
    })
}

fn ping() -> Value {
    event("GET", "/ping", json!({}), "")
}

pub(crate) fn post(path: &str, body: &str) -> Value {
    event("POST", path, json!({}), body)
}

/// A finished measurement, signed with this secret.
fn finished(secret: &str) -> Value {
    let body = json!({"resource_type": "measurement", "action": "completed", "measurement_uuid": SAMPLE_MEASUREMENT}).to_string();
    let signature = signature(secret, body.as_bytes());
    event(
        "POST",
        "/hooks/intdash",
        json!({"x-intdash-signature-256": signature}),
        &body,
    )
}

/// The handshake that VK's article published.
fn handshake() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/vk-handshake-article.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Settings with a bucket of VK's and an intdash server.
pub(crate) fn settings(urls: &[String; 3], secrets: &Value) -> BTreeMap<String, String> {
    let [s3_url, topic_url, intdash_url] = urls;
    let mut vk = vk(s3_url, json!({}));
    vk["buckets"]["mcs5259999770/myfiles-ash"] = json!({"prefix": "article/"});
    vk["buckets"]["mcs1/origin"] = json!({"prefix": "origin/"});
    let sources = json!({"vk": vk, "intdash": {"kind": "intdash", "url": intdash_url}});
    let settings = [
        ("SOURCES", sources.to_string()),
        ("SECRETS", secrets.to_string()),
        ("BACKUP_BUCKET", "backup".to_owned()),
        ("SNS_TOPIC_ARN", TOPIC.to_owned()),
        ("AWS_ENDPOINT_URL_S3", s3_url.clone()),
        ("AWS_ENDPOINT_URL_SNS", topic_url.clone()),
    ];
    settings
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

pub(crate) fn keys() -> Value {
    json!({"access_key_id": "local", "secret_access_key": "local"})
}

/// The function's own lines of the emulator's log, without those of its metrics.
pub(crate) fn lines(log: &str) -> Vec<Value> {
    let mut lines = printed(log);
    lines.retain(|line| line.get("_aws").is_none());
    lines
}

/// All that the function printed to the emulator's log.
pub(crate) fn printed(log: &str) -> Vec<Value> {
    let is_rapid = |line: &&str| {
        let begins = ["START ", "END ", "REPORT "];
        begins.iter().any(|word| line.starts_with(word)) || line.contains("] (rapid) ")
    };
    log.lines()
        .filter(|line| !line.trim().is_empty() && !is_rapid(line))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

#[test]
fn a_wrong_environment_stops_the_start_with_one_message_that_lists_every_problem() {
    let wrong = [
        (
            "SOURCES",
            r#"{"a": {"kind": "nats"}, "b": {"kind": "intdash", "url": "ftp://x"}}"#,
        ),
        ("SECRETS", r#"{"b": "hunter2"}"#),
        ("SECRETS_ARN", "arn:aws:secretsmanager:x"),
        ("LOG_LEVEL", "loud"),
    ];
    let message = "5 problems in the settings:
  - SOURCES: a: unknown variant `nats`, expected one of `s3`, `intdash`, `generic`
  - SOURCES: b: url: expected an http or https URL, found \"ftp://x\"
  - SECRETS and SECRETS_ARN are both set: set one
  - SNS_TOPIC_ARN is not set: source b is of kind intdash and needs a topic to publish to
  - LOG_LEVEL: expected off, error, warn, info, debug or trace, found \"loud\"
";
    let ended = Command::new(FUNCTION)
        .env_clear()
        .envs(wrong)
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "");
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), message);

    // And where Lambda shows it: the log of an invocation that fails.
    let wrong = wrong.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let function = emulated(wrong.into());
    assert_eq!(function.answer(&ping()), "");
    let log = function.log();
    assert!(log.contains(message), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_the_environment_reaches_the_log() {
    let (store, faults, _topic, intdash, urls) = far_sides().await;
    let secrets = json!({
        "vk": {"keys": [{"access_key_id": "id-1", "secret_access_key": "vk-key-Zq81"}, {"access_key_id": "id-2", "secret_access_key": "vk-key-Zq82"}],
               "url_key": "vk-url-key-Zq83"},
        "intdash": {"secrets": ["signing-Zq84", "signing-Zq85"], "api_token": "token-Zq86"},
        "inbox": {"token": "inbox-Zq87"},
    });
    let mut settings = settings(&urls, &secrets);
    settings.insert("LOG_LEVEL".to_owned(), "trace".to_owned());
    let function = emulated(settings);
    let told = async |event: &Value| invoke(&function, event).await["statusCode"].clone();

    let mut shaken = handshake();
    shaken["rawPath"] = json!("/hooks/vk/vk-url-key-Zq83");
    assert_eq!(told(&shaken).await, 200);
    let copy = post("/hooks/vk/vk-url-key-Zq83", &delivery([created("a")]));
    store.put("origin", "a", "1");
    assert_eq!(told(&copy).await, 200);
    assert_eq!(told(&post("/hooks/vk", &delivery([]))).await, 404);
    assert_eq!(told(&post("/hooks/vk/vk-url-key-Zq8", "{}")).await, 404);
    assert_eq!(told(&finished("forged")).await, 401);
    intdash.rotate_token("token-Zq86");
    assert_eq!(told(&finished("signing-Zq85")).await, 200);
    intdash.rotate_token("another");
    assert_eq!(told(&finished("signing-Zq84")).await, 500);
    intdash.rotate_token("token-Zq86");
    intdash.refuse_next(100, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(told(&finished("signing-Zq84")).await, 500);
    for fault in [
        Fault::Status(403, "SignatureDoesNotMatch"),
        Fault::Status(500, "InternalError"),
        Fault::Drop,
    ] {
        faults.inject(On::every().bucket("origin"), fault);
        assert_eq!(told(&copy).await, 500);
        faults.clear();
    }
    faults.inject(
        On::every().bucket("backup"),
        Fault::Status(403, "AccessDenied"),
    );
    assert_eq!(told(&copy).await, 500);

    let log = function.log();
    for secret in ["Zq8", "role-secret-key", "role-session-token"] {
        let told: Vec<_> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{secret} in the log:\n{}", told.join("\n"));
    }
    let failed = lines(&log)
        .iter()
        .filter(|line| line["job.outcome"] == "failed")
        .count();
    assert_eq!(failed, 6, "each failure is there:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_its_secret_fails_alone() {
    let (store, _, topic, _intdash, urls) = far_sides().await;
    store.put("origin", "a", "1");
    let function = emulated(settings(&urls, &json!({"vk": keys()})));
    let answer = invoke(&function, &finished(SECRET)).await;
    assert_eq!(answer["statusCode"], 500, "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["outcomes"], json!([]));
    assert_eq!(body.as_object().unwrap().len(), 2, "the cause is not told");
    assert_eq!(invoke(&function, &ping()).await["body"], "Pong\n");
    let copy = post("/hooks/vk", &delivery([created("a")]));
    assert_eq!(invoke(&function, &copy).await["statusCode"], 200);
    assert_eq!(store.get("backup", "origin/a").unwrap().body(), b"1");
    assert!(topic.notices().is_empty());
    let log = lines(&function.log());
    let refused = log.iter().find(|line| line["status"] == 500).unwrap();
    assert_eq!(refused["delivery.id"], body["delivery"]);
    assert_eq!(
        refused["cause"],
        "source intdash has no secret: it wants secrets (the signing secrets)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_about_a_delivery_is_json_with_its_id() {
    let (store, faults, _topic, intdash, urls) = far_sides().await;
    intdash.rotate_token("local");
    store.put("origin", "a", "1");
    store.put("origin", "b", "2");
    let secrets = json!({"vk": keys(), "intdash": {"secrets": [SECRET], "api_token": "local"}});
    let function = emulated(settings(&urls, &secrets));
    // The mirror starts over once, and says so.
    let again = store.clone();
    faults.on_call("PutObject", 1, move || again.put("origin", "a", "3"));
    faults.inject(
        On::every().bucket("origin").key("b"),
        Fault::Status(403, "AccessDenied"),
    );
    let mut ids = Vec::new();
    let unknown = json!({"eventName": "s3:Unheard:Of", "s3": created("c")["s3"]});
    let elsewhere = json!({"s3": {"bucket": {"name": "another"}, "object": {"key": "k"}}});
    for body in [
        delivery([created("a")]),
        delivery([created("b")]),
        delivery([unknown]),
        delivery([elsewhere]),
        delivery([json!({})]),
        "no JSON".to_owned(),
    ] {
        let answer = invoke(&function, &post("/hooks/vk", &body)).await;
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        ids.push(body["delivery"].clone());
    }
    let lines = lines(&function.log());
    for line in &lines {
        assert!(ids.contains(&line["delivery.id"]), "whose is it? {line}");
        for field in ["timestamp", "level", "message", "target"] {
            assert!(line[field].is_string(), "{field} is missing: {line}");
        }
    }
    for id in ids {
        let own = lines.iter().filter(|line| line["delivery.id"] == id);
        let ends = own.filter(|line| line["message"] == "delivery");
        assert_eq!(ends.count(), 1, "one line tells how it was answered: {id}");
    }
    let started_over = |line: &&Value| line["round"].is_number();
    assert_eq!(lines.iter().filter(started_over).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_all_that_lambda_hands_over() {
    let (_store, _, _topic, _intdash, urls) = far_sides().await;
    let function = emulated(settings(&urls, &json!({"vk": keys()})));
    let mut event = handshake();
    let published = invoke(&function, &event).await["body"].clone();
    let body = event["body"].as_str().unwrap().to_owned();
    // What JSON allows after a value, as much of it as fits.
    let room = EVENT_MAX - event.to_string().len();
    event["body"] = json!(body + &" ".repeat(room));
    assert_eq!(event.to_string().len(), EVENT_MAX);
    let answer = invoke(&function, &event).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["body"], published);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_unknown_shape_fails_and_says_what_is_expected() {
    let (_store, _, _topic, _intdash, urls) = far_sides().await;
    let function = emulated(settings(&urls, &json!({"vk": keys()})));
    for unknown in [
        json!({}),
        json!("ping"),
        json!({"Records": [{"eventSource": "aws:sns", "Sns": {"Message": "hello"}}]}),
        json!({"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET", "path": "/ping", "headers": {}, "body": "",
               "queryStringParameters": {}, "isBase64Encoded": false}),
    ] {
        let answer = invoke(&function, &unknown).await;
        let message = answer["errorMessage"].as_str().unwrap_or_default();
        assert!(
            message.starts_with("expected an event of an API Gateway"),
            "{answer}"
        );
    }
    assert_eq!(invoke(&function, &ping()).await["body"], "Pong\n");
}
