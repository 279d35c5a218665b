//! What is counted, as it reaches CloudWatch: from the built function's standard output, and from one in process.

use crate::emulator::{emulated, invoke, keys, post, printed, settings};
use crate::events::{dispatched, dispatched_within, refused};
use crate::world::{app, created, delivery, far_sides, removed, secrets, send, variables, vk};
use axum::body::Body;
use hookwork::app::App;
use hookwork::http::Arrival;
use hookwork::metrics::{METRICS, NAMESPACE};
use hookwork::twin::faults::{Fault, Faults, On};
use hookwork::twin::s3::{Object, Properties, Store};
use http::Request;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A function with a name, and its far sides.
async fn named() -> (Store, Faults, Arc<App>) {
    recording("all").await
}

/// The same, which records as told.
async fn recording(what: &str) -> (Store, Faults, Arc<App>) {
    let (store, faults, _, _, [s3_url, topic_url, _]) = far_sides().await;
    let sources = json!({"vk": vk(&s3_url, json!({}))});
    let known = variables(&sources, &secrets(), "backup", Some("state"));
    let setting = |key: &str| match key {
        "AWS_LAMBDA_FUNCTION_NAME" => Some("receiver".to_owned()),
        "RECORD" => Some(what.to_owned()),
        _ => known(key),
    };
    let app = app(setting, &s3_url, &topic_url).await;
    // The cold start.
    assert_eq!(counted(&app)[0]["cold_starts"], 1);
    (store, faults, app)
}

fn counted(app: &App) -> Vec<Value> {
    let lines = app.metrics().lines();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

async fn deliver(app: &Arc<App>, path: &str, body: String) -> u16 {
    let router = hookwork::http::router(app.clone());
    let request = Request::post(path).body(Body::from(body)).unwrap();
    send(router, request).await.status
}

/// Every value of a metric, by the value of its dimension.
fn of(lines: &[Value], dimension: &str, metric: &str) -> Vec<(String, u64)> {
    let with = lines.iter().filter(|line| !line[metric].is_null());
    with.map(|line| {
        (
            line[dimension].as_str().unwrap().to_owned(),
            line[metric].as_u64().unwrap(),
        )
    })
    .collect()
}

#[tokio::test]
async fn deliveries_jobs_bytes_and_lag() {
    let (store, faults, app) = named().await;
    let mut old = Object::new("12345", Properties::default());
    old.last_modified = SystemTime::now() - Duration::from_secs(100);
    store.put_object("origin", "old", old);
    store.put("origin", "new", "123");
    store.put("origin", "bad", "1");
    let denied = Fault::Status(403, "AccessDenied");
    faults.inject(On::every().bucket("origin").key("bad"), denied);
    let records = [
        created("old"),
        created("new"),
        created("bad"),
        removed("none"),
    ];
    assert_eq!(deliver(&app, "/hooks/vk", delivery(records)).await, 500);
    let lines = counted(&app);
    assert_eq!(
        of(&lines, "outcome", "jobs"),
        [
            ("copied".to_owned(), 2),
            ("failed".to_owned(), 1),
            ("unchanged".to_owned(), 1)
        ]
    );
    assert_eq!(
        (&lines[0]["deliveries"], &lines[0]["copied_bytes"]),
        (&json!(1), &json!(8))
    );
    let mut lags: Vec<_> = lines[0]["lag"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ms| ms.as_u64().unwrap())
        .collect();
    lags.sort_unstable();
    let [new, old] = lags[..] else {
        panic!("{lags:?}")
    };
    assert!(new < 20_000 && (99_000..130_000).contains(&old), "{lags:?}");
    assert!(counted(&app).is_empty(), "each number once");
}

#[tokio::test]
async fn rejections_by_their_reason() {
    let (_, _, app) = named().await;
    let mut foreign = created("a");
    foreign["s3"]["bucket"]["name"] = json!("another");
    for (path, body, status) in [
        ("/hooks/vk", "no JSON".to_owned(), 400),
        ("/hooks/nobody", "{}".to_owned(), 404),
        ("/hooks/vk/wrong", "{}".to_owned(), 404),
        ("/hooks/vk", delivery([foreign]), 403),
        (
            "/hooks/vk",
            " ".repeat(hookwork::domain::delivery::BODY_MAX + 1),
            413,
        ),
    ] {
        assert_eq!(deliver(&app, path, body).await, status);
    }
    let lines = counted(&app);
    let found: Vec<_> = of(&lines, "reason", "rejections");
    let expected = [
        ("forbidden", 1),
        ("malformed", 1),
        ("too_large", 1),
        ("unknown", 2),
    ];
    assert_eq!(
        found,
        expected.map(|(reason, count)| (reason.to_owned(), count))
    );
    assert_eq!(lines[0]["deliveries"], 5);
}

#[tokio::test]
async fn records_that_are_acknowledged_and_lost() {
    let (store, _, app) = named().await;
    store.put("origin", "a", "1");
    let mut foreign = created("a");
    foreign["s3"]["bucket"]["name"] = json!("another");
    let broken = json!({"eventName": "s3:ObjectCreated:Put"});
    let lost = async |records: Vec<Value>, status: u16| {
        assert_eq!(deliver(&app, "/hooks/vk", delivery(records)).await, status);
        counted(&app)[0]["lost_records"].clone()
    };
    let mixed = vec![broken.clone(), foreign.clone(), created("a")];
    assert_eq!(lost(mixed, 200).await, 2);
    assert_eq!(lost(vec![created("a")], 200).await, Value::Null);
    // Those are counted as rejections.
    assert_eq!(lost(vec![broken], 400).await, Value::Null);
    assert_eq!(lost(vec![foreign], 403).await, Value::Null);
}

#[tokio::test]
async fn a_copy_counts_although_its_job_fails_afterwards() {
    let (store, faults, app) = named().await;
    store.put("origin", "a", "12345");
    // The look after the write.
    let denied = Fault::Status(403, "AccessDenied");
    faults.inject(On::nth(2).of("GetObject").bucket("origin"), denied);
    assert_eq!(
        deliver(&app, "/hooks/vk", delivery([created("a")])).await,
        500
    );
    let lines = counted(&app);
    assert_eq!(lines[0]["copied_bytes"], 5);
    assert_eq!(of(&lines, "outcome", "jobs"), [("failed".to_owned(), 1)]);
}

#[tokio::test]
async fn what_an_audit_found_and_held() {
    let (store, _, app) = named().await;
    for key in ["a", "b"] {
        store.put("origin", key, "1");
    }
    deliver(&app, "/hooks/vk", delivery(["a", "b"].map(created))).await;
    let mut lost = Object::new("1", Properties::default());
    lost.last_modified -= Duration::from_secs(36_000);
    store.put_object("origin", "lost", lost);
    counted(&app);
    // Not by the edge, which would write it.
    let ends = || Instant::now() + Duration::from_secs(60);
    assert_eq!(app.tick(None, ends()).await, Ok(1));
    let lines = counted(&app);
    assert_eq!(
        (&lines[0]["missed_hints"], &lines[0]["held_deletions"]),
        (&json!(1), &json!(0))
    );
    for key in ["a", "b", "lost"] {
        store.delete("origin", key);
    }
    assert_eq!(app.tick(None, ends()).await, Ok(1));
    let lines = counted(&app);
    assert_eq!(
        (&lines[0]["missed_hints"], &lines[0]["held_deletions"]),
        (&json!(0), &json!(3))
    );
}

#[tokio::test]
async fn an_invocation_writes_what_it_counted_whether_it_fails_or_not() {
    let (_, _, app) = named().await;
    app.metrics().job("copied");
    assert!(
        refused(&app, &json!({}))
            .await
            .starts_with("expected an event")
    );
    assert_eq!(counted(&app), [Value::Null; 0]);
    app.metrics().job("copied");
    dispatched(&app, &post("/hooks/vk", "{}")).await;
    assert_eq!(counted(&app), [Value::Null; 0]);
}

#[tokio::test]
async fn a_failure_that_there_is_no_time_to_record_is_counted() {
    let (_store, faults, app) = recording("failures").await;
    faults.inject(
        On::every().bucket("state"),
        Fault::Delay(Duration::from_secs(60)),
    );
    faults.inject(
        On::every().bucket("origin"),
        Fault::Status(503, "ServiceUnavailable"),
    );
    let body = delivery([created("a")]);
    let mut request = Request::post("/hooks/vk").body(Body::from(body)).unwrap();
    request.extensions_mut().insert(Arrival {
        url: None,
        from: None,
        trace: None,
        deadline: Instant::now(),
    });
    let answer = send(hookwork::http::router(app.clone()), request).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.headers["hookwork-recorded"], "false");
    // The delivery, and the attempt.
    let lines = counted(&app);
    let unrecorded: Vec<_> = of(&lines, "function", "unrecorded");
    assert_eq!(unrecorded, [("receiver".to_owned(), 2)]);
}

#[tokio::test]
async fn what_an_endpoint_could_not_record_is_counted() {
    let (_store, faults, app) = named().await;
    faults.inject(
        On::every().bucket("state"),
        Fault::Status(503, "ServiceUnavailable"),
    );
    assert_eq!(
        deliver(&app, "/in/abcdefghijkmnpqr/t", "1".into()).await,
        500
    );
    let lines = counted(&app);
    let unrecorded: Vec<_> = of(&lines, "function", "unrecorded");
    assert_eq!(unrecorded, [("receiver".to_owned(), 1)]);
}

#[tokio::test]
async fn what_was_counted_is_written_before_lambda_ends_an_invocation_that_hangs() {
    let (_store, _, _, _, [s3_url, ..]) = far_sides().await;
    // Takes the connection and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let aws_url = format!("http://{}", silent.local_addr().unwrap());
    let sources = json!({"vk": vk(&s3_url, json!({}))});
    let setting = |key: &str| match key {
        "SOURCES" => Some(sources.to_string()),
        "BACKUP_BUCKET" => Some("backup".to_owned()),
        "SECRETS_ARN" => Some("never".to_owned()),
        "AWS_LAMBDA_FUNCTION_NAME" => Some("receiver".to_owned()),
        _ => None,
    };
    let app = app(setting, &s3_url, &aws_url).await;
    let event = post("/hooks/vk", "{}");
    let hanging = dispatched_within(&app, &event, Duration::from_secs(4));
    let late = tokio::time::timeout(Duration::from_millis(3_900), hanging).await;
    assert!(late.is_err(), "it hangs");
    assert_eq!(counted(&app), [Value::Null; 0], "the cold start is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_function_prints_them_and_nothing_secret() {
    let (store, _, _topic, _intdash, urls) = far_sides().await;
    let mut settings = settings(&urls, &json!({"vk": keys()}));
    settings.insert(
        "AWS_LAMBDA_FUNCTION_NAME".to_owned(),
        "hookwork-Receiver-x".to_owned(),
    );
    // Lambda drops lines below the level; these are not to be.
    settings.insert("LOG_LEVEL".to_owned(), "error".to_owned());
    let function = emulated(settings);
    store.put("origin", "a-key-Zq81", "12345");
    let event = post("/hooks/vk", &delivery([created("a-key-Zq81")]));
    assert_eq!(invoke(&function, &event).await["statusCode"], 200);
    assert_eq!(
        invoke(&function, &post("/hooks/vk", "?")).await["statusCode"],
        400
    );
    invoke(&function, &json!({})).await;
    let log = function.log();
    let printed = printed(&log);
    let lines: Vec<_> = printed
        .iter()
        .filter(|line| line.get("_aws").is_some())
        .collect();
    assert_eq!(
        lines.len(),
        2,
        "one line an invocation that counted something:\n{log}"
    );
    for line in &lines {
        // The emulator gives its function a name of its own.
        assert!(
            line["function"].is_string() && line["level"] == "ERROR",
            "{line}"
        );
        assert!(!line.to_string().contains("Zq81"), "{line}");
        let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert!(directives.iter().all(|it| it["Namespace"] == NAMESPACE));
    }
    assert_eq!(
        (&lines[0]["cold_starts"], &lines[0]["copied_bytes"]),
        (&json!(1), &json!(5))
    );
    assert_eq!(
        (&lines[0]["jobs"], &lines[0]["outcome"]),
        (&json!(1), &json!("copied"))
    );
    assert_eq!(
        (&lines[1]["cold_starts"], &lines[1]["reason"]),
        (&Value::Null, &json!("malformed"))
    );
}

#[test]
fn every_metric_is_in_the_readme_with_its_unit() {
    let readme = include_str!("../../README.md");
    let listed: BTreeSet<_> = METRICS
        .iter()
        .map(|(name, unit)| format!("| `{name}` | {unit} |"))
        .collect();
    for row in &listed {
        assert!(readme.contains(row), "{row}");
    }
    assert_eq!(listed.len(), METRICS.len());
}
