//! The lines are what CloudWatch takes, and say what was counted.

use super::*;
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

fn metrics() -> Metrics {
    Metrics::new(Some("worker".to_owned()), LevelFilter::INFO)
}

fn read(metrics: &Metrics) -> Vec<Value> {
    let lines = metrics.lines();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.inspect(check).collect()
}

/// The format's own rules.
fn check(line: &Value) {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    assert!(line["_aws"]["Timestamp"].is_u64());
    let mut seen = 0;
    for directive in directives {
        assert_eq!(directive["Namespace"], NAMESPACE);
        for dimension in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{line}");
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            let known = METRICS.iter().find(|(known, _)| *known == name);
            assert_eq!(metric["Unit"], known.unwrap().1);
            let values = line[name].as_array().map_or(1, Vec::len);
            assert!(
                values <= 100 && (values > 1 || !line[name].is_null()),
                "{line}"
            );
            seen += 1;
        }
    }
    assert!((1..=100).contains(&seen), "{line}");
}

#[test]
fn an_invocation_is_one_line() {
    let metrics = metrics();
    metrics.delivery(None);
    metrics.delivery(Some("unauthentic"));
    for _ in 0..3 {
        metrics.job("copied");
        metrics.copied(5, 0, true);
    }
    metrics.audit(4, 0);
    metrics.subscription_ended();
    let lines = read(&metrics);
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(line["function"], "worker");
    for (name, value) in [
        ("deliveries", json!(2)),
        ("rejections", json!(1)),
        ("reason", json!("unauthentic")),
        ("subscriptions_ended", json!(1)),
        ("jobs", json!(3)),
        ("outcome", json!("copied")),
        ("copied_bytes", json!(15)),
        ("missed_hints", json!(4)),
        ("held_deletions", json!(0)),
        ("cold_starts", json!(1)),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert_eq!(line["lag"].as_array().unwrap().len(), 3);
    assert!(line["lag"][0].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(metrics.lines(), "", "each number is written once");
}

#[test]
fn each_further_outcome_has_a_line_of_its_own() {
    let metrics = metrics();
    for word in ["copied", "failed", "unchanged", "failed"] {
        metrics.job(word);
    }
    metrics.delivery(Some("malformed"));
    let lines = read(&metrics);
    let found: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["outcome"].as_str().unwrap(),
                line["jobs"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(found, [("copied", 1), ("failed", 2), ("unchanged", 1)]);
    let all = |name: &str| {
        lines
            .iter()
            .filter_map(|line| line[name].as_u64())
            .sum::<u64>()
    };
    assert_eq!(
        (all("deliveries"), all("rejections"), all("cold_starts")),
        (1, 1, 1)
    );
}

#[test]
fn nothing_is_written_without_a_name_and_nothing_where_nothing_was_counted() {
    let nameless = Metrics::new(None, LevelFilter::INFO);
    nameless.delivery(None);
    assert!(
        (0..1000).all(|_| !nameless.add_copy(1, Some(1))),
        "none is kept"
    );
    assert_eq!(nameless.lines(), "");
    let metrics = metrics();
    assert_eq!(read(&metrics).len(), 1, "the cold start");
    assert_eq!(metrics.lines(), "");
}

#[test]
fn a_line_has_at_most_a_hundred_values() {
    let metrics = metrics();
    let full: Vec<_> = (0..100).filter(|n| metrics.add_copy(1, Some(*n))).collect();
    assert_eq!(full, [99]);
    assert_eq!(read(&metrics)[0]["lag"].as_array().unwrap().len(), 100);
    assert!(!metrics.add_copy(1, Some(0)), "it begins anew");
}

#[test]
fn no_level_that_lambda_drops_drops_them() {
    for (level, said) in [
        (LevelFilter::INFO, "INFO"),
        (LevelFilter::ERROR, "ERROR"),
        (LevelFilter::OFF, "ERROR"),
    ] {
        let metrics = Metrics::new(Some("f".to_owned()), level);
        let line = &read(&metrics)[0];
        assert_eq!(line["level"], said);
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(
            timestamp.ends_with('Z') && timestamp.contains('T'),
            "{timestamp}"
        );
    }
}

#[test]
fn counts_from_many_threads() {
    let metrics = metrics();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| metrics.job("copied")));
        }
    });
    assert_eq!(read(&metrics)[0]["jobs"], 4000);
}

#[test]
fn how_late_a_copy_is_counts_where_an_event_told_of_it() {
    let metrics = Metrics::new(Some("worker".to_owned()), LevelFilter::INFO);
    let _ = metrics.lines();
    metrics.copied(5, 0, false);
    let lines = metrics.lines();
    assert!(
        lines.contains("\"copied_bytes\":5") && !lines.contains("lag"),
        "{lines}"
    );
    metrics.audit_age(7);
    metrics.audit_age(3);
    let lines = metrics.lines();
    assert!(
        lines.contains("\"audit_age\":7") && !lines.contains("copied"),
        "{lines}"
    );
}
