//! One brake for removals, whichever way they come: what an origin tells removed beyond the rule's `hold` within an hour waits
//! for a human.

use crate::events::dispatched;
use crate::world::{Logs, World, created, removed};
use hookwork::app::inbox::{Decision, Held, Refusal, Seen};
use hookwork::domain::brake::{HELD, folder, name};
use hookwork::domain::event::OriginRef;
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::{Object, Properties};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

fn of() -> OriginRef {
    OriginRef {
        source: "vk".to_owned(),
        origin: "mcs1/origin".to_owned(),
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:04}")).collect()
}

/// A world with so many copies.
async fn mirrored(rule: Value, count: usize) -> World {
    let world = World::resumable_with(rule).await;
    for key in keys(count) {
        world.put(&key, "1");
    }
    let answer = world
        .deliver(keys(count).iter().map(|key| created(key)))
        .await;
    assert_eq!(answer.status, 200);
    world
}

/// The origin loses these keys, and says so.
async fn loses(world: &World, keys: &[String]) -> Vec<String> {
    for key in keys {
        world.remove(key);
    }
    let answer = world.deliver(keys.iter().map(|key| removed(key))).await;
    assert_eq!(answer.status, 200);
    answer.outcomes()
}

fn count(outcomes: &[String], of: &str) -> usize {
    outcomes.iter().filter(|outcome| *outcome == of).count()
}

async fn held(world: &World) -> Option<Held> {
    let state = world.app().mirror_state().await.expect("a state");
    state.origins[0].held.clone()
}

async fn decide(world: &World, removals: u64, decision: Decision) -> Result<u64, Refusal> {
    let run = held(world).await.expect("something is held").run;
    let seen = Seen { run, removals };
    let app = world.app();
    app.decide(&of(), seen, decision, None, deadline()).await
}

#[tokio::test]
async fn removals_beyond_the_hold_wait_though_events_told_of_them() {
    for (copies, told, removed) in [(240, 150, 100), (30, 30, 25), (60, 60, 30), (20, 20, 20)] {
        let world = mirrored(json!({}), copies).await;
        let outcomes = loses(&world, &keys(told)).await;
        let name = format!("{told} of {copies}");
        assert_eq!(count(&outcomes, "deleted"), removed, "{name}");
        assert_eq!(count(&outcomes, "held"), told - removed, "{name}");
        assert_eq!(world.store.keys("backup").len(), copies - removed, "{name}");
        let waits = held(&world).await.map_or(0, |held| held.removals);
        assert_eq!(waits, (told - removed) as u64, "{name}");
        let notices = world.topic.notices().len();
        assert_eq!(
            notices,
            usize::from(told > removed),
            "{name}: one is told of"
        );
        // Told again, they wait all the same, and are counted once.
        let told_again = keys(told);
        let records = told_again.iter().map(|key| crate::world::removed(key));
        let again = world.deliver(records).await.outcomes();
        assert_eq!(count(&again, "held"), told - removed, "{name}");
        assert_eq!(count(&again, "unchanged"), removed, "{name}");
        let waits = held(&world).await.map_or(0, |held| held.removals);
        assert_eq!(waits, (told - removed) as u64, "{name}");
    }
}

#[tokio::test]
async fn many_workers_let_no_more_go_than_one() {
    let world = mirrored(json!({}), 240).await;
    let others = [
        world.another(json!({})).await,
        world.another(json!({})).await,
    ];
    for key in keys(200) {
        world.remove(&key);
    }
    let all = keys(200);
    let batches = all.chunks(25).enumerate().map(|(at, chunk)| {
        let messages = chunk.iter().map(|key| {
            let work = json!({"mirror": {"source": "vk", "origin": "mcs1/origin", "key": key}});
            let body = json!({"version": 1, "delivery": uuid::Uuid::now_v7(), "work": work});
            json!({
                "messageId": key, "receiptHandle": "r", "body": body.to_string(), "eventSource": "aws:sqs",
                "attributes": {"ApproximateReceiveCount": "1"},
            })
        });
        let batch = json!({"Records": messages.collect::<Vec<_>>()});
        let app = others.get(at % 3).unwrap_or(world.app());
        async move { dispatched(app, &batch).await }
    });
    futures_util::future::join_all(batches).await;
    assert_eq!(world.store.keys("backup").len(), 140);
    assert_eq!(held(&world).await.unwrap().removals, 100);
}

#[tokio::test]
async fn what_is_held_goes_when_a_human_says_so_and_is_proven_even_then() {
    let world = mirrored(json!({"hold": {"count": 10}}), 12).await;
    let outcomes = loses(&world, &keys(12)).await;
    assert_eq!(count(&outcomes, "held"), 2);
    let (waiting, number) = world.app().held_keys(&of(), 10).await.unwrap();
    assert_eq!((waiting.len(), number), (2, 2));
    // One is there again.
    world.put(&waiting[0], "again");
    for other in [0, 1, 3] {
        let decided = decide(&world, other, Decision::Approve).await;
        assert!(matches!(decided, Err(Refusal::Changed(_))), "{decided:?}");
    }
    assert_eq!(world.store.keys("backup").len(), 2);
    assert_eq!(decide(&world, 2, Decision::Approve).await, Ok(2));
    assert_eq!(world.store.keys("backup"), [waiting[0].clone()]);
    assert!(held(&world).await.is_none());
    let state = world.app().mirror_state().await.unwrap();
    let (decided, became) = state.origins[0].decided.clone().expect("it is told");
    assert!(decided.approved);
    assert_eq!(
        (decided.removals, became.removed, became.left, became.failed),
        (2, 1, 1, 0)
    );
}

#[tokio::test]
async fn what_fails_after_an_approval_is_told() {
    let world = mirrored(json!({"hold": {"count": 10}}), 12).await;
    loses(&world, &keys(12)).await;
    let denied = Fault::Status(403, "AccessDenied");
    let removals = On::every().of("DeleteObject").bucket("backup");
    world.faults.inject(removals, denied);
    let refused = decide(&world, 2, Decision::Approve).await;
    assert!(matches!(refused, Err(Refusal::Failed(_))), "{refused:?}");
    let became = async || {
        let state = world.app().mirror_state().await.unwrap();
        let (_, became) = state.origins[0].decided.clone().expect("it is told");
        (became.removed, became.left, became.failed)
    };
    assert_eq!(became().await, (0, 0, 2));
    world.faults.clear();
    assert_eq!(
        decide(&world, 2, Decision::Approve).await,
        Ok(2),
        "once more"
    );
    assert_eq!(became().await, (2, 0, 0));
    assert_eq!(world.store.keys("backup"), [""; 0]);
}

#[tokio::test]
async fn what_a_human_has_refused_stays_whoever_asks() {
    let world = mirrored(json!({"hold": {"count": 20}}), 40).await;
    let outcomes = loses(&world, &keys(25)).await;
    assert_eq!(count(&outcomes, "held"), 5);
    assert_eq!(decide(&world, 5, Decision::Reject).await, Ok(5));
    assert!(held(&world).await.is_none());
    assert_eq!(world.store.keys("backup").len(), 20);
    // An event, and an audit, which would let so few go.
    let again = world.deliver(keys(25).iter().map(|key| removed(key))).await;
    assert_eq!(count(&again.outcomes(), "held"), 5);
    assert_eq!(held(&world).await.unwrap().removals, 5);
    assert_eq!(decide(&world, 5, Decision::Reject).await, Ok(5));
    dispatched(world.app(), &json!({"hookwork": "audit"})).await;
    assert_eq!(world.store.keys("backup").len(), 20);
    assert_eq!(held(&world).await.unwrap().removals, 5, "it asks once more");
    assert_eq!(decide(&world, 5, Decision::Approve).await, Ok(5));
    assert_eq!(world.store.keys("backup").len(), 15);
}

#[tokio::test]
async fn an_audit_counts_what_the_brake_holds_once() {
    let world = mirrored(json!({"hold": {"count": 20}}), 40).await;
    loses(&world, &keys(25)).await;
    // These were not told of.
    for key in &keys(40)[25..39] {
        world.remove(key);
    }
    dispatched(world.app(), &json!({"hookwork": "audit"})).await;
    let waits = held(&world).await.unwrap().removals;
    assert_eq!(waits, 19, "5 by the brake, 14 by the audit");
    assert_eq!(world.store.keys("backup").len(), 20);
    assert_eq!(decide(&world, 19, Decision::Approve).await, Ok(19));
    assert_eq!(world.store.keys("backup").len(), 1);
}

#[tokio::test]
async fn where_the_state_cannot_be_read_nothing_is_removed_and_it_is_tried_again() {
    for call in ["GetObject", "PutObject", "ListObjectsV2"] {
        let world = mirrored(json!({}), 3).await;
        let key = &keys(1)[0];
        world.remove(key);
        let down = Fault::Status(503, "SlowDown");
        world
            .faults
            .inject(On::every().of(call).bucket("state"), down);
        assert_eq!(world.deliver([removed(key)]).await.status, 500, "{call}");
        assert!(world.backup(key).is_some(), "{call}");
        world.faults.clear();
        assert_eq!(world.deliver([removed(key)]).await.status, 200, "{call}");
        assert!(world.backup(key).is_none(), "{call}");
    }
}

#[tokio::test]
async fn a_rule_may_hold_every_removal_or_none() {
    let world = mirrored(json!({"hold": {"count": 0, "share": 0.0}}), 3).await;
    assert_eq!(loses(&world, &keys(1)).await, ["held"]);
    let world = mirrored(json!({"hold": {"count": 0, "share": 1.0}}), 40).await;
    assert_eq!(count(&loses(&world, &keys(40)).await, "deleted"), 40);
}

#[tokio::test]
async fn of_a_large_bucket_the_last_audit_says_how_many_may_go() {
    let world = mirrored(json!({"hold": {"count": 3, "share": 0.5}}), 12).await;
    dispatched(world.app(), &json!({"hookwork": "audit"})).await;
    let logs = Logs::new();
    let outcomes = loses(&world, &keys(8)).await;
    assert_eq!(count(&outcomes, "deleted"), 6, "half of twelve");
    let jobs = logs.lines("job");
    let held = jobs.iter().filter(|job| job["job.outcome"] == "held");
    for job in held {
        assert!(
            job["reason"].as_str().unwrap().contains("wait for a human"),
            "{job}"
        );
    }
}

#[tokio::test]
async fn a_notice_that_failed_is_published_when_the_job_comes_again() {
    let world = mirrored(json!({"hold": {"count": 0, "share": 0.0}}), 2).await;
    for key in keys(2) {
        world.remove(&key);
    }
    world.topic.fail_next(100);
    assert_eq!(world.deliver([removed(&keys(2)[0])]).await.status, 500);
    world.topic.fail_next(0);
    let published = world.topic.notices().len();
    assert_eq!(world.deliver([removed(&keys(2)[1])]).await.status, 200);
    assert_eq!(
        world.topic.notices().len(),
        published,
        "it is told of the first one"
    );
    assert_eq!(world.deliver([removed(&keys(2)[0])]).await.status, 200);
    assert_eq!(world.topic.notices().len(), published + 1);
}

#[tokio::test]
async fn what_is_held_while_an_approval_goes_on_waits_for_the_next() {
    let world = mirrored(json!({"hold": {"count": 0, "share": 0.0}}), 3).await;
    assert_eq!(count(&loses(&world, &keys(3)[1..]).await, "held"), 2);
    world.remove("0000");
    let store = world.store.clone();
    let later = move || {
        let place = format!("{}{}{HELD}", folder(&of().id()), name("0000"));
        let mut file = Object::new(br#""0000""#.to_vec(), Properties::default());
        file.last_modified = SystemTime::now() + Duration::from_secs(60);
        store.put_object("state", &place, file);
    };
    let decides = On::nth(1).of("PutObject").bucket("state");
    world.faults.before(decides, later);
    assert_eq!(decide(&world, 2, Decision::Approve).await, Ok(2));
    assert_eq!(world.store.keys("backup"), ["0000"]);
    assert_eq!(held(&world).await.unwrap().removals, 1);
}
