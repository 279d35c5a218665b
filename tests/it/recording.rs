//! Every delivery is recorded before it is acknowledged, with what became of it and every attempt at its jobs; and what is
//! recorded can be received again.

mod addresses;
mod list;
mod replays;
mod strangers;

use crate::events::dispatched_text;
use crate::world::{World, created, delivery, secrets, send, vk};
use axum::body::Body;
use hookwork::app::App;
use hookwork::app::deliveries::Unreplayed;
use hookwork::app::inbox::Found;
use hookwork::domain::delivery::DeliveryId;
use hookwork::domain::handshake::hex;
use hookwork::domain::inbox::{By, Verdict};
use hookwork::domain::signature::hmac_sha256;
use hookwork::twin::faults::{Fault, On};
use http::Request;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const SECRET: &str = "It's a Secret to Everybody";

fn generic() -> Value {
    json!({"github": {"kind": "generic", "verify": "github"}})
}

fn knows(secret: &str) -> Value {
    json!({"github": {"secrets": [secret], "url_key": "the-url-key"}})
}

async fn github() -> World {
    World::with_state(|_, _| (generic(), knows(SECRET))).await
}

/// A delivery as GitHub makes it, signed with this secret.
fn push(secret: &str, body: &str) -> Request<Body> {
    let signature = hex(&hmac_sha256(secret.as_bytes(), body.as_bytes()));
    Request::post("/hooks/github/the-url-key")
        .header("X-Hub-Signature-256", format!("sha256={signature}"))
        .header("X-GitHub-Event", "push")
        .header("X-Gitlab-Token", "hunter2!")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn newest(world: &World) -> Found {
    let id = world.inbox()[0].id;
    world.app().find(id).await.unwrap().unwrap()
}

async fn replayed(app: &Arc<App>, id: DeliveryId) -> Result<u64, Unreplayed> {
    app.replay(id, None, deadline()).await
}

#[tokio::test]
async fn what_was_accepted_is_recorded_as_it_came_with_its_attempt_and_its_receipt() {
    let world = World::mirroring(json!({})).await;
    world.put("a", "one");
    let body = delivery([created("a")]);
    let answer = world.post("/hooks/vk", body.clone()).await;
    assert_eq!(answer.outcomes(), ["copied"]);
    assert!(!answer.headers.contains_key("hookwork-recorded"));
    let Found {
        row,
        record,
        attempts,
    } = newest(&world).await;
    assert_eq!(answer.json()["delivery"], row.id.to_string());
    assert_eq!(
        (row.state().word(), &*row.facts.unwrap().title),
        ("done", "a")
    );
    let record = record.unwrap();
    assert_eq!(&record.delivery.body[..], body.as_bytes());
    assert_eq!(record.told.verdict, Verdict::Accepted);
    let planned = &record.told.planned[0];
    assert_eq!(
        (planned.bucket.as_deref(), planned.key.as_deref()),
        (Some("mcs1/origin"), Some("a"))
    );
    let [attempt] = &attempts[..] else {
        panic!("{attempts:?}")
    };
    let job = &attempt.jobs[0];
    assert_eq!(
        (attempt.by, &*job.outcome, job.copied_bytes),
        (By::Inline, "copied", 3)
    );
    assert!(job.fingerprint.is_some() && job.etag.is_some() && job.crc64nvme.is_some());
    assert!(job.calls >= 4 && job.lag_ms.is_some());
}

#[tokio::test]
async fn a_key_that_a_delivery_names_twice_is_one_job_and_a_broken_record_is_told() {
    let world = World::mirroring(json!({})).await;
    world.put("a", "one");
    world.deliver([created("a"), created("a")]).await;
    let row = &world.inbox()[0];
    assert_eq!(row.facts.as_ref().unwrap().jobs, 1);
    assert_eq!(row.state().word(), "done");
    let broken = json!({"eventName": "s3:ObjectCreated:Put", "s3": {}});
    assert_eq!(world.deliver([created("a"), broken]).await.status, 200);
    let found = newest(&world).await;
    assert_eq!(found.record.unwrap().told.verdict, Verdict::Partial);
    assert_eq!(
        found.row.state().word(),
        "failed",
        "though its jobs are done: what is lost of it no attempt mends"
    );
    let ignored = json!({"eventName": "s3:TestEvent", "s3": {"bucket": {"name": "origin"}}});
    let broken = json!({"eventName": "s3:ObjectCreated:Put", "s3": {}});
    assert_eq!(world.deliver([ignored, broken]).await.status, 200);
    assert_eq!(world.inbox()[0].state().word(), "failed");
}

#[tokio::test]
async fn a_body_that_broke_off_is_told_and_never_received_again() {
    let world = github().await;
    let broken = [Ok("{\"a\""), Err(std::io::Error::other("reset"))];
    let body = Body::from_stream(futures_util::stream::iter(broken));
    let request = Request::post("/hooks/github/the-url-key").body(body);
    assert_eq!(world.send(request.unwrap()).await.status, 400);
    let found = newest(&world).await;
    let record = found.record.unwrap();
    assert_eq!(record.told.verdict, Verdict::Malformed);
    assert_eq!(record.told.reason.as_deref(), Some("the body broke off"));
    let not = replayed(world.app(), found.row.id).await;
    let why = "its body was not read".to_owned();
    assert_eq!(not, Err(Unreplayed::Never(why)));
}

#[tokio::test]
async fn of_who_names_no_source_little_is_kept() {
    let world = github().await;
    world.post("/hooks/nobody", vec![b'x'; 100_000]).await;
    let found = newest(&world).await;
    assert_eq!(found.row.facts.unwrap().bytes, 100_000);
    let record = found.record.unwrap();
    assert_eq!(record.delivery.body.len(), 4096);
    let lacks = record.lacks().unwrap();
    assert!(lacks.contains("the first 4096 of its 100000 bytes"));
}

#[tokio::test]
async fn what_is_refused_is_recorded_with_the_reason_and_without_its_secrets() {
    let world = github().await;
    let answer = world.send(push("wrong", "{\"a\": 1}")).await;
    assert_eq!(answer.status, 401);
    let found = newest(&world).await;
    let record = found.record.unwrap();
    assert_eq!(record.told.verdict, Verdict::Unauthentic);
    assert_eq!(
        record.told.reason.as_deref(),
        Some("signature or token missing or wrong")
    );
    assert_eq!(&record.delivery.body[..], b"{\"a\": 1}");
    let left_out = record.headers.iter().filter(|(_, value)| value.is_none());
    let left_out: Vec<_> = left_out.map(|(name, _)| name.as_str()).collect();
    assert_eq!(left_out, ["x-gitlab-token"]);
    for (path, verdict) in [
        ("/hooks/github/another", Verdict::Unknown),
        ("/hooks/nobody/the-url-key", Verdict::Unknown),
        ("/hooks/the-url-key", Verdict::Unknown),
    ] {
        assert_eq!(world.post(path, "{}").await.status, 404);
        assert_eq!(newest(&world).await.record.unwrap().told.verdict, verdict);
    }
    for place in world.store.keys("state") {
        let kept = world.store.get("state", &place).unwrap().body();
        let kept = String::from_utf8_lossy(&kept).into_owned() + &place;
        for secret in ["the-url-key", "hunter2", "another", "nobody"] {
            assert!(!kept.contains(secret), "{secret} in {kept}");
        }
    }
    let stranger = world.inbox()[0].facts.clone().unwrap();
    assert_eq!(stranger.source, None);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_recorded_without_it() {
    let world = github().await;
    let long = vec![b' '; 6 * 1024 * 1024 + 1];
    assert_eq!(
        world.post("/hooks/github/the-url-key", long).await.status,
        413
    );
    let found = newest(&world).await;
    let facts = found.row.facts.unwrap();
    assert_eq!((facts.verdict, facts.bytes), (Verdict::TooLarge, 0));
    let not = replayed(world.app(), found.row.id).await;
    assert_eq!(
        not,
        Err(Unreplayed::Never("its body was not read".to_owned()))
    );
}

#[tokio::test]
async fn of_a_handshake_the_signed_url_and_its_other_spellings_are_recorded() {
    let url = "https://Hooks.example/hooks/vk/the-url-key";
    let world = World::with_state(|s3_url, _| {
        let mut source = vk(s3_url, json!({}));
        source["url"] = url.into();
        let mut known = secrets();
        known["vk"]["url_key"] = "the-url-key".into();
        (json!({"vk": source}), known)
    })
    .await;
    let body = json!({"Type": "SubscriptionConfirmation", "Timestamp": "2019-12-26T19:29:12+03:00",
        "TopicArn": "mcs1|origin|s3:ObjectCreated:*", "SignatureVersion": 1, "Token": "RPE5UuG94rGgBH6kHXN9FUPugFxj1hs2aUQc99btJp3E49tA"});
    let answer = world.post("/hooks/vk/the-url-key", body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let found = newest(&world).await;
    let shaken = found.record.unwrap().told.handshake.unwrap();
    assert_eq!(shaken.signed, "https://Hooks.example/hooks/vk/[left out]");
    assert_eq!(answer.json()["signature"], shaken.signature.as_str());
    let spelled = |url: &str| shaken.spellings.iter().find(|(other, _)| other == url);
    let (_, lower) = spelled("https://hooks.example/hooks/vk/[left out]").unwrap();
    let challenge: hookwork::domain::handshake::VkChallenge = serde_json::from_value(body).unwrap();
    assert_eq!(
        *lower,
        challenge.sign("https://hooks.example/hooks/vk/the-url-key")
    );
    assert!(spelled("http://Hooks.example/hooks/vk/[left out]/").is_some());
    assert!(spelled(&shaken.signed).is_none());
    assert_eq!(found.row.state().word(), "handshake");
}

#[tokio::test]
async fn a_store_that_fails_is_told_and_changes_no_fate() {
    let world = World::mirroring(json!({})).await;
    world.put("a", "one");
    world.faults.inject(
        On::every().bucket("state"),
        Fault::Status(503, "ServiceUnavailable"),
    );
    let answer = world.deliver([created("a")]).await;
    assert_eq!(
        (answer.status, answer.outcomes()),
        (200, vec!["copied".to_owned()])
    );
    assert_eq!(answer.headers["hookwork-recorded"], "false");
    assert_eq!(
        world.post("/hooks/vk", "{").await.headers["hookwork-recorded"],
        "false"
    );
    assert_eq!(world.backup("a").unwrap(), b"one");
    world.faults.clear();
    let answer = world.deliver([created("a")]).await;
    assert!(!answer.headers.contains_key("hookwork-recorded"));
    assert_eq!(world.inbox().len(), 1);
}

#[tokio::test]
async fn failures_only_are_recorded_or_nothing_where_the_settings_say_so() {
    let world = github().await;
    let posted = async |app: &Arc<App>, request| {
        send(hookwork::http::router(Arc::clone(app)), request).await
    };
    let failures = world
        .recording("failures", &generic(), &knows(SECRET))
        .await;
    assert_eq!(posted(&failures, push(SECRET, "1")).await.status, 200);
    assert!(world.inbox().is_empty());
    assert_eq!(posted(&failures, push("wrong", "2")).await.status, 401);
    world.topic.fail_next(9);
    assert_eq!(posted(&failures, push(SECRET, "3")).await.status, 500);
    world.topic.fail_next(0);
    let states: Vec<_> = world
        .inbox()
        .iter()
        .map(|row| (row.state().word(), row.attempts.len()))
        .collect();
    assert_eq!(states, [("failed", 1), ("refused", 0)]);
    assert_eq!(
        replayed(&failures, world.inbox()[0].id).await,
        Ok(1),
        "and what failed can be received again"
    );
    assert_eq!(world.inbox()[0].state().word(), "done");

    let nothing = world.recording("nothing", &generic(), &knows(SECRET)).await;
    let before = world.store.keys("state").len();
    for secret in [SECRET, "wrong"] {
        posted(&nothing, push(secret, "4")).await;
    }
    assert_eq!(world.store.keys("state").len(), before);
    // But for what would be nowhere else.
    let long = format!("\"{}\"", "a".repeat(300_000));
    assert_eq!(posted(&nothing, push(SECRET, &long)).await.status, 200);
    assert_eq!(world.store.keys("state").len(), before + 1);
}

#[tokio::test]
async fn headers_are_recorded_in_the_order_in_which_the_gateway_hands_them_over() {
    let world = World::with_state(|_, _| {
        (
            json!({"any": {"kind": "generic", "verify": "none"}}),
            json!({}),
        )
    })
    .await;
    let names = [
        "zeta",
        "content-type",
        "alpha",
        "x-b",
        "authorization",
        "x-a",
    ];
    let headers: Vec<_> = names
        .iter()
        .map(|name| format!("\"{name}\":\"1\""))
        .collect();
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/hooks/any", "rawQueryString": "token=1&b=2", "headers": {}, "body": "{}", "isBase64Encoded": false,
        "requestContext": {"domainName": "x.example", "stage": "$default", "timeEpoch": 0,
            "http": {"method": "POST", "path": "/hooks/any", "sourceIp": "192.0.2.7", "protocol": "HTTP/1.1", "userAgent": ""}},
    });
    let event = event.to_string().replace(
        "\"headers\":{}",
        &format!("\"headers\":{{{}}}", headers.join(",")),
    );
    let answer: Value = dispatched_text(world.app(), &event).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let record = newest(&world).await.record.unwrap();
    let order: Vec<_> = record
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(order, names);
    assert_eq!(
        record.delivery.url.as_deref(),
        Some("https://x.example/hooks/any?token=[left out]&b=2")
    );
    assert_eq!(
        record.delivery.from.map(|from| from.to_string()).as_deref(),
        Some("192.0.2.7")
    );
}
