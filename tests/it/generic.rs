//! Any sender: what it delivers is verified, kept, handed on once, and received again when an operator says so.

mod edge;

use crate::world::{Logs, World, secrets};
use axum::body::Body;
use hookwork::domain::delivery::DeliveryId;
use hookwork::domain::handshake::hex;
use hookwork::domain::signature::hmac_sha256;
use hookwork::twin::faults::{Fault, On};
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

const SECRET: &str = "It's a Secret to Everybody";

/// A function with a state bucket and these sources, all of one secret.
async fn world(sources: Value) -> World {
    let names = sources.as_object().unwrap().keys();
    let known = names.map(|name| (name.clone(), json!({"secrets": ["previous", SECRET]})));
    let known: serde_json::Map<_, _> = known.collect();
    World::with_state(|_, _| (sources, known.into())).await
}

async fn github() -> World {
    world(json!({"github": {"kind": "generic", "verify": "github"}})).await
}

/// A delivery as GitHub makes it.
fn push(id: &str, body: &str) -> Request<Body> {
    let signature = hex(&hmac_sha256(SECRET.as_bytes(), body.as_bytes()));
    Request::post("/hooks/github")
        .header("X-Hub-Signature-256", format!("sha256={signature}"))
        .header("X-GitHub-Delivery", id)
        .header("X-GitHub-Event", "push")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// What the state bucket has under a prefix.
fn kept(world: &World, prefix: &str) -> Vec<String> {
    let keys = world.store.keys("state");
    keys.into_iter()
        .filter(|key| key.starts_with(prefix))
        .collect()
}

#[tokio::test]
async fn an_authentic_delivery_is_published_as_it_came_with_what_it_is_called() {
    let world = github().await;
    let body = "{\"ref\": \"refs/heads/main\",\n \"é\": 1}";
    let answer = world.send(push("72d3162e", body)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let outcome =
        json!({"job": "forward", "event": "push", "id": "72d3162e", "outcome": "published"});
    assert_eq!(answer.json()["outcomes"], json!([outcome]));
    let [notice] = &world.topic.notices()[..] else {
        panic!("one notice")
    };
    assert_eq!(
        (notice.subject.as_deref(), notice.message.as_str()),
        (Some("github: push"), body)
    );
    let id = answer.json()["delivery"].as_str().unwrap().to_owned();
    for (name, value) in [
        ("kind", "forward"),
        ("source", "github"),
        ("event", "push"),
        ("id", "72d3162e"),
        ("delivery", &id),
        ("encoding", "text"),
    ] {
        assert_eq!(notice.attributes[name], value);
    }
    let [row] = &world.inbox()[..] else {
        panic!("one delivery")
    };
    assert_eq!((row.id.to_string(), row.state().word()), (id, "done"));
    let facts = row.facts.as_ref().unwrap();
    assert_eq!(facts.title, "push 72d3162e");
}

#[tokio::test]
async fn a_forged_one_is_401_with_one_text_and_only_recorded() {
    let world = github().await;
    let mut texts = Vec::new();
    for forged in [
        push("1", "{}").map(|_| Body::from("{ }")),
        Request::post("/hooks/github")
            .body(Body::from("{}"))
            .unwrap(),
        Request::post("/hooks/github")
            .header("x-hub-signature-256", "sha256=")
            .body(Body::from("{}"))
            .unwrap(),
    ] {
        let answer = world.send(forged).await;
        assert_eq!(answer.status, 401);
        texts.push(answer.json()["error"].clone());
    }
    assert!(texts.iter().all(|text| *text == texts[0]));
    assert!(world.topic.notices().is_empty());
    let states: Vec<_> = world.inbox().iter().map(|row| row.state().word()).collect();
    assert_eq!(states, ["refused"; 3], "and each is in the inbox");
}

#[tokio::test]
async fn an_id_that_is_done_is_200_and_no_second_work_but_one_that_failed_is() {
    let world = github().await;
    world.topic.fail_next(100);
    let failed = world.send(push("7", "{}")).await;
    assert_eq!(
        (failed.status, failed.outcomes()),
        (500, vec!["failed".to_owned()])
    );
    world.topic.fail_next(0);
    assert_eq!(world.send(push("7", "{}")).await.outcomes(), ["published"]);
    let again = world.send(push("7", "{}")).await;
    assert_eq!(
        (again.status, again.outcomes()),
        (200, vec!["ignored".to_owned()])
    );
    assert_eq!(world.topic.notices().len(), 1);
    // Nobody signs GitHub's ids: with one that was seen another body is not passed over.
    assert_eq!(world.send(push("7", "[]")).await.outcomes(), ["published"]);
    assert_eq!(world.send(push("8", "{}")).await.outcomes(), ["published"]);
    assert_eq!(world.topic.notices().len(), 3);
}

#[tokio::test]
async fn a_store_that_fails_changes_the_fate_of_no_delivery() {
    let world = github().await;
    world.faults.inject(
        On::every().bucket("state"),
        Fault::Status(503, "ServiceUnavailable"),
    );
    assert_eq!(world.send(push("7", "{}")).await.outcomes(), ["published"]);
    assert_eq!(
        world.send(push("7", "{}")).await.outcomes(),
        ["published"],
        "twice rather than never"
    );
    // But for one of which a part would then be nowhere.
    let long = "\"".repeat(200_000);
    let failed = world.send(push("8", &long)).await;
    assert_eq!((failed.status, world.topic.notices().len()), (500, 2));
    world.faults.clear();
    assert_eq!(world.send(push("7", "{}")).await.outcomes(), ["published"]);
    assert_eq!(world.send(push("7", "{}")).await.outcomes(), ["ignored"]);
}

#[tokio::test]
async fn an_operator_has_it_done_again_whatever_its_time_its_id_and_todays_secret() {
    let world = world(json!({"slack": {"kind": "generic", "verify": "slack"}})).await;
    let body = r#"{"type":"event_callback","event_id":"Ev1","event":{"type":"message"}}"#;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let signed = |time: u64| {
        let signature = hex(&hmac_sha256(
            SECRET.as_bytes(),
            format!("v0:{time}:{body}").as_bytes(),
        ));
        Request::post("/hooks/slack")
            .header("X-Slack-Signature", format!("v0={signature}"))
            .header("X-Slack-Request-Timestamp", time.to_string())
            .body(Body::from(body))
            .unwrap()
    };
    assert_eq!(world.send(signed(now - 400)).await.status, 401);
    assert_eq!(world.send(signed(now + 400)).await.status, 401);
    let first = world.send(signed(now)).await;
    assert_eq!(first.outcomes(), ["published"]);
    assert_eq!(world.send(signed(now)).await.outcomes(), ["ignored"]);
    let id = DeliveryId(first.json()["delivery"].as_str().unwrap().parse().unwrap());
    for times in 2..4 {
        assert_eq!(world.app().replay(id, None, deadline()).await, Ok(1));
        let notices = world.topic.notices();
        assert_eq!(
            (notices.len(), notices[times - 1].message.as_str()),
            (times, body)
        );
        assert_eq!(notices[times - 1].attributes["id"], "Ev1");
    }
    let nothing = DeliveryId(uuid::Uuid::nil());
    let not = world
        .app()
        .replay(nothing, None, deadline())
        .await
        .unwrap_err();
    assert!(not.to_string().contains("no delivery 00000000"), "{not}");
    let place = kept(&world, "deliveries/").into_iter();
    let mut place = place.filter(|place| place.contains(&id.to_string()) && place.contains("/0."));
    world
        .store
        .put("state", &place.next_back().unwrap(), "nonsense");
    let not = world.app().replay(id, None, deadline()).await.unwrap_err();
    assert!(not.to_string().contains("is not what was written"), "{not}");
}

#[tokio::test]
async fn an_intdash_delivery_is_summarised_once_and_again_when_an_operator_says_so() {
    let world = World::with_state(|_, intdash| {
        (
            json!({"intdash": {"kind": "intdash", "url": intdash}}),
            secrets(),
        )
    })
    .await;
    let body = json!({
        "hook_uuid": "h", "resource_type": "measurement", "action": "completed", "occurred_at": "2024-12-25T00:23:50.972454Z",
        "measurement_uuid": hookwork::twin::intdash::SAMPLE_MEASUREMENT,
    });
    let deliver = |uuid: &str, at: &str| {
        let mut body = body.clone();
        (body["delivery_uuid"], body["occurred_at"]) = (uuid.into(), at.into());
        let body = body.to_string();
        let signature = hookwork::twin::intdash::signature(crate::world::SECRET, body.as_bytes());
        Request::post("/hooks/intdash")
            .header("x-intdash-signature-256", signature)
            .body(Body::from(body))
            .unwrap()
    };
    let at = "2024-12-25T00:23:50.972454Z";
    world.topic.fail_next(100);
    assert_eq!(
        world.send(deliver("a", at)).await.status,
        500,
        "not done, and so not seen"
    );
    world.topic.fail_next(0);
    let first = world.send(deliver("a", at)).await;
    assert_eq!(first.outcomes(), ["published"]);
    // A redelivery has a UUID of its own and tells of the same.
    assert_eq!(world.send(deliver("b", at)).await.outcomes(), ["ignored"]);
    assert_eq!(
        world
            .send(deliver("c", "2024-12-26T00:00:00Z"))
            .await
            .outcomes(),
        ["published"]
    );
    assert_eq!(world.topic.notices().len(), 2);
    let id = DeliveryId(first.json()["delivery"].as_str().unwrap().parse().unwrap());
    assert_eq!(world.app().replay(id, None, deadline()).await, Ok(1));
    assert_eq!(world.topic.notices().len(), 3);
}

#[tokio::test]
async fn what_a_delivery_proves_itself_by_is_not_kept() {
    let world = world(json!({
        "bearer": {"kind": "generic", "verify": "bearer"}, "header": {"kind": "generic", "verify": "secret-header", "header": "X-Mine"},
    }))
    .await;
    let logs = Logs::new();
    for (path, name, value) in [
        ("/hooks/bearer", "authorization", format!("Bearer {SECRET}")),
        (
            "/hooks/bearer?access_token=previous",
            "x-other",
            "kept".to_owned(),
        ),
        ("/hooks/header", "x-mine", SECRET.to_owned()),
    ] {
        let request = Request::post(path)
            .header(name, value)
            .body(Body::from("{}"))
            .unwrap();
        assert_eq!(
            world.send(request).await.outcomes(),
            ["published"],
            "{path}"
        );
    }
    let kept = kept(&world, "deliveries/");
    assert_eq!(world.inbox().len(), 3);
    for key in kept {
        let text = String::from_utf8(world.store.get("state", &key).unwrap().body()).unwrap();
        assert!(
            !text.contains(SECRET) && !text.contains("previous"),
            "{text}"
        );
    }
    assert!(
        logs.lines("delivery")
            .iter()
            .all(|line| !line.to_string().contains(SECRET))
    );
}

#[tokio::test]
async fn a_long_body_is_cut_with_a_pointer_to_the_whole_and_an_odd_one_is_in_base64() {
    let world = github().await;
    let long = format!("{{\"a\": \"{}\"}}", "\\\"é".repeat(200_000));
    let answer = world.send(push("1", &long)).await;
    assert_eq!(answer.outcomes(), ["published"]);
    let id = answer.json()["delivery"].as_str().unwrap().to_owned();
    let message = world.topic.notices()[0].message.clone();
    let place = kept(&world, "deliveries/")
        .into_iter()
        .find(|place| place.contains(&id) && place.contains("/0."))
        .unwrap();
    let pointer = format!("\n[cut here; the whole delivery: s3://state/{place}]\n");
    let text = message.strip_suffix(&pointer).unwrap();
    assert!(long.starts_with(text) && text.len() > 100_000);
    let whole = world.store.get("state", &place).unwrap().body();
    assert!(whole.ends_with(long.as_bytes()));
    assert_eq!(
        world.send(push("2", "a\u{0}b")).await.outcomes(),
        ["published"]
    );
    assert_eq!(world.topic.notices()[1].message, "YQBi");
    assert_eq!(world.topic.notices()[1].attributes["encoding"], "base64");
    assert_eq!(world.send(push("3", "")).await.outcomes(), ["published"]);
    assert_eq!(world.topic.notices()[2].attributes["encoding"], "empty");
}

#[tokio::test]
async fn a_delivery_that_hookctl_signs_is_one() {
    let world = world(json!({
        "github": {"kind": "generic", "verify": "github"}, "stripe": {"kind": "generic", "verify": "stripe"},
        "slack": {"kind": "generic", "verify": "slack"}, "bearer": {"kind": "generic", "verify": "bearer"},
    }))
    .await;
    for name in ["github", "stripe", "slack", "bearer"] {
        let url = format!("https://x.example/hooks/{name}");
        let signed = world
            .app()
            .signed(name, &url, b"{\"a\":1}".to_vec())
            .await
            .unwrap();
        let mut request = Request::post(signed.url.strip_prefix("https://x.example").unwrap());
        for (name, value) in &signed.headers {
            request = request.header(name, value);
        }
        let answer = world
            .send(request.body(Body::from(signed.body)).unwrap())
            .await;
        assert_eq!(answer.outcomes(), ["published"], "{name}");
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_told_at_the_start_and_others_go_on() {
    let logs = Logs::new();
    let world = World::with_state(|_, _| {
        let hooks = json!({"kind": "generic", "verify": "standard-webhooks"});
        let broken = json!(["whsec_hunter2!"]);
        (
            json!({"hooks": hooks, "broken": hooks}),
            json!({"hooks": {"secrets": [broken[0], "v1,whsec_+//+YQ"]}, "broken": {"secrets": broken}}),
        )
    })
    .await;
    let told = logs.lines("a secret cannot be used");
    let told: Vec<_> = told
        .iter()
        .map(|line| (&line["source"], &line["level"]))
        .collect();
    let expected = [
        (&json!("broken"), &json!("ERROR")),
        (&json!("hooks"), &json!("ERROR")),
    ];
    assert_eq!(told, expected);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let now = now.as_secs();
    let signed = hmac_sha256(
        &[0xfb, 0xff, 0xfe, 0x61],
        format!("i.{now}.{{}}").as_bytes(),
    );
    let signed = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signed);
    let post = |source: &str| {
        Request::post(format!("/hooks/{source}"))
            .header("webhook-id", "i")
            .header("webhook-timestamp", now.to_string())
            .header("webhook-signature", format!("v1,{signed}"))
            .body(Body::from("{}"))
            .unwrap()
    };
    assert_eq!(world.send(post("hooks")).await.outcomes(), ["published"]);
    let refused = world.send(post("broken")).await;
    assert_eq!(refused.status, 500);
    let lines = logs.text();
    assert!(
        lines.contains("secrets[0] is no base64: sign 8 of the key"),
        "{lines}"
    );
    assert!(
        !lines.contains("hunter2") && !refused.body.contains("base64"),
        "{lines}"
    );
}
