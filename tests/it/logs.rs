//! One line of the log for each delivery, and one for each job, by the same names of fields, however it ended.

use crate::events::{dispatched, dispatched_in_trace};
use crate::world::{Logs, World, created, delivery, finished};
use serde_json::{Value, json};

const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
const ID: &str = "1-5759e988-bd862e3fe1be46a994272793";

#[tokio::test]
async fn every_delivery_leaves_one_line_whatever_it_was_answered() {
    let world = World::new().await;
    world.put("a", "1");
    let mut foreign = created("a");
    foreign["s3"]["bucket"]["name"] = json!("another");
    let logs = Logs::new();
    let one = |status: u16| {
        let lines = logs.lines("delivery");
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(line["status"], status, "{line}");
        assert!(
            line["delivery.id"].is_string() && line["ms"].is_u64(),
            "{line}"
        );
        line.clone()
    };
    let sent = [
        (delivery([created("a")]), 200, Value::Null),
        ("no JSON".to_owned(), 400, json!("vk")),
        (delivery([foreign]), 403, Value::Null),
        (
            " ".repeat(hookwork::domain::delivery::BODY_MAX + 1),
            413,
            json!("body too large"),
        ),
    ];
    for (body, status, cause) in sent {
        world.post("/hooks/vk", body).await;
        let line = one(status);
        assert_eq!(line["source"], "vk");
        assert_eq!(line["cause"].is_string(), cause.is_string(), "{line}");
    }
    world.send(finished("m", "forged")).await;
    assert_eq!(one(401)["cause"], "signature or token missing or wrong");
    // A part of such a path may be a secret.
    world.post("/hooks/a-secret-Zq81", "{}").await;
    assert!(!one(404).to_string().contains("Zq81"));
}

#[tokio::test]
async fn every_job_leaves_one_line_whatever_brought_it() {
    let world = World::resumable().await;
    let work = |key: &str| json!({"mirror": {"source": "vk", "origin": "mcs1/origin", "key": key}});
    let message = |key: &str| {
        let body = json!({"version": 1, "delivery": "00000000-0000-0000-0000-000000000007", "work": work(key)});
        json!({
            "messageId": key, "receiptHandle": "r", "body": body.to_string(), "eventSource": "aws:sqs",
            "attributes": {"ApproximateReceiveCount": "1"},
        })
    };
    let jobs = |logs: &Logs, count: usize| {
        let lines = logs.lines("job");
        assert_eq!(lines.len(), count, "{lines:?}");
        for line in &lines {
            for field in [
                "delivery.id",
                "source",
                "job.kind",
                "job.outcome",
                "object.bucket",
            ] {
                assert!(line[field].is_string(), "{field} is missing: {line}");
            }
            assert!(line["calls"].is_u64() && line["ms"].is_u64(), "{line}");
        }
        lines
    };
    world.put("a", "1");
    let logs = Logs::new();
    world.deliver([created("a"), created("a")]).await;
    let line = &jobs(&logs, 1)[0];
    assert_eq!(
        (&line["object.key"], &line["job.outcome"]),
        (&json!("a"), &json!("copied"))
    );
    let batch = json!({"Records": [message("a"), message(&"k".repeat(1025))]});
    dispatched(world.app(), &batch).await;
    let lines = jobs(&logs, 2);
    let mut outcomes: Vec<_> = lines
        .iter()
        .map(|line| line["job.outcome"].as_str().unwrap())
        .collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["failed", "unchanged"]);
    world.remove("a");
    dispatched_in_trace(world.app(), &json!({"hookwork": "audit"}), HEADER).await;
    let line = &jobs(&logs, 1)[0];
    assert_eq!(
        (&line["job.kind"], &line["job.outcome"]),
        (&json!("audit"), &json!("held"))
    );
    assert_eq!(line["trace"], ID);
    let release = json!({"hookwork": "release", "source": "vk", "bucket": "mcs1/origin"});
    dispatched_in_trace(world.app(), &release, HEADER).await;
    let line = &jobs(&logs, 1)[0];
    assert_eq!(
        (&line["job.outcome"], &line["trace"]),
        (&json!("deleted"), &json!(ID))
    );
}
