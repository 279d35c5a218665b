//! What no other delivery mends is acknowledged: it must not hold up a sender that goes on only after a 2xx, as MinIO does. And
//! no answer is longer than Lambda hands back.

use crate::world::{World, created, delivery, record, removed, secrets, vk};
use hookwork::domain::inbox::Verdict;
use hookwork::metrics::METRICS;
use hookwork::twin::faults::{Fault, On};
use serde_json::{Value, json};

fn malformed() -> Value {
    json!({"eventName": "s3:ObjectCreated:Put"})
}

fn foreign() -> Value {
    let mut record = created("x");
    record["s3"]["bucket"]["name"] = json!("another");
    record
}

#[tokio::test]
async fn a_record_that_never_can_succeed_is_acknowledged_with_its_neighbours() {
    let world = World::mirroring(json!({"prefix": "p/"})).await;
    world.put("a", "1");
    let long = "k".repeat(1023);
    world.put(&long, "1");
    let spellings = [
        malformed(),
        json!(7),
        json!(null),
        json!([]),
        json!("x"),
        json!({"s3": {"bucket": {"name": "origin"}, "object": {"key": 7}}}),
        json!({"s3": {"bucket": "origin", "object": {"key": "a"}}}),
        created(&"k".repeat(4000)),
    ];
    for lost in spellings {
        let answer = world.deliver([lost.clone(), created("a")]).await;
        assert_eq!(answer.status, 200, "{lost}: {answer:?}");
        let outcomes = answer.outcomes();
        assert_eq!(outcomes[0], "malformed", "{lost}");
        assert!(["copied", "unchanged"].contains(&&*outcomes[1]), "{lost}");
        let row = &world.inbox()[0];
        assert_eq!(row.facts.as_ref().unwrap().verdict, Verdict::Partial);
        assert_eq!(row.state().word(), "failed", "somebody must look");
    }
    let answer = world
        .deliver([created(&long), foreign(), created("a")])
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.outcomes(), ["failed", "ignored", "unchanged"]);
    let reason = &answer.json()["outcomes"][0]["reason"];
    assert_eq!(reason, "the backup cannot hold it");
    assert_eq!(world.inbox()[0].state().word(), "failed");
    // Alone it is acknowledged, too: no other delivery would end otherwise.
    let answer = world.deliver([created(&long)]).await;
    assert_eq!((answer.status, &*answer.outcomes()[0]), (200, "failed"));
}

#[tokio::test]
async fn four_hundred_is_for_whole_bodies_and_five_hundred_for_what_may_be_mended() {
    let world = World::new().await;
    for (records, status) in [
        (vec![malformed(), malformed()], 400),
        (vec![foreign(), foreign()], 403),
        (vec![malformed(), foreign()], 200),
        (vec![foreign(), record("s3:ObjectAccessed:Get", "a")], 200),
    ] {
        let answer = world.deliver(records.clone()).await;
        assert_eq!(answer.status, status, "{records:?}");
    }
    let down = Fault::Status(500, "InternalError");
    world.faults.inject(On::every().bucket("backup"), down);
    let answer = world.deliver([malformed(), foreign(), removed("a")]).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.outcomes(), ["malformed", "ignored", "failed"]);
}

#[tokio::test]
async fn one_byte_that_is_no_utf8_hides_no_record_beside_it() {
    let world = World::new().await;
    world.put("good", "1");
    let body = delivery([created("bad@"), created("good")]);
    let mut bytes = Vec::new();
    for (number, piece) in body.split('@').enumerate() {
        if number > 0 {
            bytes.push(0xff);
        }
        bytes.extend_from_slice(piece.as_bytes());
    }
    let answer = world.post("/hooks/vk", bytes).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.outcomes(), ["malformed", "copied"]);
}

#[tokio::test]
async fn minio_goes_on_after_a_record_of_an_odd_name() {
    let world = World::with(|s3_url, _| {
        let mut source = vk(s3_url, json!({}));
        source["flavor"] = json!("minio");
        source["buckets"] = json!({"origin": {}});
        (json!({"vk": source}), secrets())
    })
    .await;
    world.put("a", "1");
    for name in [json!("s3:Replication:Create"), json!(7), json!(null)] {
        let mut odd = created("a");
        odd["eventName"] = name.clone();
        let answer = world.deliver([odd]).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_ne!(answer.outcomes(), ["ignored"], "{name}");
    }
    let whole = json!({"eventName": "s3:BucketCreated:*", "s3": {"bucket": {"name": "origin"}, "object": {"key": ""}}});
    let answer = world.deliver([whole]).await;
    assert_eq!(
        (answer.status, answer.outcomes()),
        (200, vec!["ignored".to_owned()])
    );
}

#[tokio::test]
async fn the_longest_answer_and_the_longest_attempt_are_bounded() {
    let world = World::mirroring(json!({})).await;
    // Six bytes each in JSON, and seven in the JSON of Lambda's answer around it.
    let key = |n: usize| format!("{n:04}{}", "\u{1}".repeat(1000));
    let answer = world.deliver((0..1000).map(|n| removed(&key(n)))).await;
    assert_eq!(answer.status, 200);
    let told = answer.json();
    let handed_back = json!({"body": answer.body}).to_string().len();
    assert!(handed_back < 2 << 20, "{handed_back} bytes");
    let listed = told["outcomes"].as_array().unwrap();
    assert!((10..1000).contains(&listed.len()), "{}", listed.len());
    assert_eq!(listed[0]["key"], key(0));
    assert_eq!(told["counts"], json!({"unchanged": 1000}));
    assert!(told["delivery"].is_string());
    let row = &world.inbox()[0];
    assert_eq!((row.attempts[0].jobs, row.attempts[0].good), (1000, 1000));
    let found = world.app().find(row.id).await.unwrap().unwrap();
    let attempt = &found.attempts[0];
    let kept = attempt.jobs.len();
    assert!((10..1000).contains(&kept), "{kept} jobs are kept");
    assert_eq!(attempt.left_out["unchanged"], 1000 - kept);
    assert!(attempt.to_json().len() < 1 << 20);
    // Where all have room, there is nothing to count.
    let short = world.deliver([removed("a"), removed("b")]).await;
    assert!(short.json()["counts"].is_null(), "{short:?}");
}

#[test]
fn what_is_lost_is_counted_under_a_name_of_its_own() {
    assert!(METRICS.iter().any(|(name, _)| *name == "lost_records"));
}
