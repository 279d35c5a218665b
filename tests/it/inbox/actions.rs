//! What somebody who looks can do: download, make a fixture, have it done again, and decide on what is held.

use super::shapes::{CHALLENGE, fields};
use super::{Desk, INBOX_TOKEN, NOBODY};
use crate::events::dispatched;
use crate::world::{created, delivery};
use axum::body::Body;
use hookwork::twin::s3::Object;
use http::Request;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

#[tokio::test]
async fn a_body_is_downloaded_piece_by_piece_and_never_opened_in_place() {
    let desk = Desk::new().await;
    let sent: Vec<u8> = (0..4_000_000u32)
        .flat_map(u32::to_le_bytes)
        .take(4_000_000)
        .collect();
    let id = desk
        .deliver(
            "/hooks/open",
            &[("content-type", "text/html")],
            sent.clone(),
        )
        .await;
    let shown = &desk.detail(&id).await["body"];
    assert_eq!(
        (&shown["bytes"], &shown["shown"], &shown["text"]),
        (&json!(4_000_000), &json!(262_144), &json!(false))
    );
    let mut whole = Vec::new();
    for length in [3 << 20, 4_000_000 - (3 << 20), 0] {
        let piece = desk
            .get(&format!(
                "/inbox/api/deliveries/{id}/body?from={}",
                whole.len()
            ))
            .await;
        assert_eq!((piece.status, piece.body.len()), (200, length));
        assert_eq!(piece.header("content-type"), "application/octet-stream");
        assert_eq!(
            piece.header("content-disposition"),
            format!("attachment; filename=\"{id}.body\"")
        );
        assert_eq!(piece.header("x-total-bytes"), "4000000");
        whole.extend_from_slice(&piece.body);
    }
    assert_eq!(whole, sent);
    for wrong in ["4000001", "-1", "x", "99999999999999999999"] {
        let path = format!("/inbox/api/deliveries/{id}/body?from={wrong}");
        assert_eq!(desk.get(&path).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_fixture_is_an_event_that_the_function_takes() {
    let desk = Desk::new().await;
    desk.world.put("a", "1");
    let id = desk
        .deliver(
            "/hooks/vk",
            &[("cookie", "Zq98"), ("x-signature", "Zq97")],
            delivery([created("a")]),
        )
        .await;
    let seen = desk
        .get(&format!("/inbox/api/deliveries/{id}/fixture"))
        .await;
    assert_eq!(
        seen.header("content-disposition"),
        format!("attachment; filename=\"{id}.json\"")
    );
    let mut event = seen.json();
    assert_eq!(
        (&event["version"], &event["headers"]),
        (
            &json!("2.0"),
            &json!({"cookie": "[left out]", "x-signature": "[left out]"})
        )
    );
    // Without a gateway it is not known where it came to.
    event["rawPath"] = json!("/hooks/vk");
    let answer = dispatched(desk.world.app(), &event).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let long = desk
        .deliver("/hooks/open", &[], vec![b'"'; 3_000_000])
        .await;
    assert_eq!(
        desk.get(&format!("/inbox/api/deliveries/{long}/fixture"))
            .await
            .status,
        413
    );
}

#[tokio::test]
async fn a_replay_does_the_work_again_or_says_why_not() {
    let desk = Desk::new().await;
    let pushed = desk.push("{}").await;
    let shaken = desk.deliver("/hooks/vk", &[], CHALLENGE).await;
    let replay = async |id: &str| {
        desk.call(
            "POST",
            &format!("/inbox/api/deliveries/{id}/replay"),
            Value::Null,
        )
        .await
    };
    let done = replay(&pushed).await;
    assert_eq!(
        (done.status, done.json()),
        (200, json!({"delivery": pushed, "jobs": 1}))
    );
    assert_eq!(desk.world.topic.notices().len(), 2);
    assert_eq!(desk.detail(&pushed).await["history"][1]["by"], "replay");
    for id in [&shaken, NOBODY] {
        let refused = replay(id).await;
        assert_eq!(refused.status, 409);
        assert!(refused.json()["error"].is_string());
    }
    assert_eq!(replay("x").await.status, 404);
    desk.world.topic.fail_next(100);
    let failed = replay(&pushed).await;
    assert_eq!(
        (failed.status, failed.json()["error"].is_string()),
        (500, true)
    );
}

#[tokio::test]
async fn the_sources_are_told_with_the_urls_to_register_and_no_key() {
    let desk = Desk::new().await;
    let told = desk.read("/inbox/api/sources").await;
    let source = |name: &str, kind: &str, url_key: bool, proves: bool| json!({"name": name, "kind": kind, "url": format!("http://127.0.0.1:8080/hooks/{name}"), "url_key": url_key, "proves": proves});
    let sources = [
        source("hub", "generic", false, true),
        source("intdash", "intdash", false, true),
        source("keyed", "generic", true, false),
        source("open", "generic", false, false),
        source("vk", "s3", false, false),
    ];
    assert_eq!(told, json!({"recording": "all", "sources": sources}));
    let request =
        Request::get("/inbox/api/sources").header("authorization", format!("Bearer {INBOX_TOKEN}"));
    let told = desk.send(request.body(Body::empty()).unwrap()).await.json();
    assert_eq!(told["sources"][0]["url"], Value::Null, "it is not known");
}

#[tokio::test]
async fn what_is_held_is_told_and_decided_on() {
    let desk = Desk::new().await;
    let store = &desk.world.store;
    let age = |bucket: &str, key: &str, hours: u64| {
        let mut object = Object::clone(&store.get(bucket, key).unwrap());
        object.last_modified = SystemTime::now() - Duration::from_secs(hours * 3600);
        store.put_object(bucket, key, object);
    };
    let empty = desk.read("/inbox/api/mirror").await;
    assert_eq!(
        fields(&empty),
        ["dead_letters", "lag", "origins", "outcomes", "queue"]
    );
    assert_eq!(
        empty["origins"],
        json!([{"source": "vk", "bucket": "mcs1/origin", "audit": null, "held": null}])
    );
    assert_eq!(
        (&empty["lag"], &empty["queue"], &empty["dead_letters"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    for key in ["a", "b"] {
        desk.world.put(key, "before");
        age("origin", key, 10);
    }
    desk.deliver("/hooks/vk", &[], delivery([created("a"), created("b")]))
        .await;
    for key in ["a", "b"] {
        age("backup", key, 5);
        desk.world.remove(key);
    }
    let path = "/inbox/api/mirror/held?source=vk&bucket=mcs1/origin";
    let decide_on = async |run: &Value, removals: u64, decision: &str| {
        desk.call(
            "POST",
            "/inbox/api/mirror/held",
            json!({"source": "vk", "bucket": "mcs1/origin", "run": run, "removals": removals, "decision": decision}),
        )
        .await
    };
    let decide = async |run: &Value, decision: &str| decide_on(run, 2, decision).await;
    for (decision, left) in [("reject", 2), ("approve", 0)] {
        dispatched(desk.world.app(), &json!({"hookwork": "audit"})).await;
        let state = desk.read("/inbox/api/mirror").await;
        let origin = &state["origins"][0];
        assert_eq!(
            fields(&origin["audit"]),
            [
                "began",
                "copies",
                "ended",
                "foreign",
                "hints",
                "keys",
                "missed",
                "unreadable"
            ]
        );
        assert_eq!(origin["held"]["removals"], 2, "{state}");
        assert!(origin["held"]["since"].is_string());
        assert_eq!(
            fields(&state["lag"]),
            ["copies", "longest_ms", "p50_ms", "p99_ms", "points"]
        );
        assert_eq!(state["outcomes"], json!({"copied": 1}));
        assert_eq!(
            desk.read(path).await,
            json!({"keys": ["a", "b"], "removals": 2})
        );
        let run = &origin["held"]["run"];
        assert_eq!(decide(run, "maybe").await.status, 400);
        let another = json!(uuid::Uuid::now_v7());
        assert_eq!(
            decide(&another, decision).await.status,
            409,
            "what nobody has seen is not decided on"
        );
        for number in [0, 1, 3] {
            let other = decide_on(run, number, decision).await;
            assert_eq!(
                other.status, 409,
                "a decision is on the number that was shown"
            );
        }
        let decided = decide(run, decision).await;
        assert_eq!(
            (decided.status, decided.json()),
            (200, json!({"removals": 2}))
        );
        assert_eq!(store.keys("backup").len(), left, "{decision}");
        assert_eq!(desk.read(path).await, json!({"keys": [], "removals": 0}));
        assert_eq!(
            decide(run, decision).await.status,
            409,
            "nothing is held any more"
        );
    }
    assert_eq!(
        desk.get("/inbox/api/mirror/held?source=vk").await.status,
        400
    );
    for unknown in ["source=vk&bucket=other", "source=other&bucket=mcs1/origin"] {
        let path = format!("/inbox/api/mirror/held?{unknown}");
        assert_eq!(desk.get(&path).await.status, 404, "{unknown}");
    }
    let unknown = json!({"source": "vk", "bucket": "other", "run": uuid::Uuid::nil(), "removals": 1, "decision": "approve"});
    let answer = desk.call("POST", "/inbox/api/mirror/held", unknown).await;
    assert_eq!(answer.status, 404);
}
