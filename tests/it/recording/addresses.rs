//! Deliveries that are addressed not quite as the URL is: what is meant is taken, and the rest is seen.

use super::{SECRET, generic, github, knows, newest};
use crate::world::{Answer, World, created, delivery, secrets, vk};
use axum::body::Body;
use hookwork::domain::handshake::{VkChallenge, hex};
use hookwork::domain::inbox::{STRANGERS, Verdict};
use hookwork::domain::signature::hmac_sha256;
use http::Request;
use serde_json::json;

async fn pushed(world: &World, path: &str) -> Answer {
    let signature = hex(&hmac_sha256(SECRET.as_bytes(), b"{}"));
    let request = Request::post(path)
        .header("X-Hub-Signature-256", format!("sha256={signature}"))
        .body(Body::from("{}"));
    world.send(request.unwrap()).await
}

#[tokio::test]
async fn a_slash_at_the_end_or_two_in_a_row_reach_the_same_source() {
    let world = github().await;
    for path in [
        "/hooks/github/the-url-key/",
        "/hooks/github/the-url-key//",
        "//hooks/github/the-url-key",
        "/hooks//github//the-url-key?a=b//c",
        "/hooks/github/the-url-key/?",
    ] {
        let answer = pushed(&world, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    assert_eq!(world.inbox().len(), 5);
    for path in ["/ping/", "//ping", "/ping//"] {
        let answer = world
            .send(Request::get(path).body(Body::empty()).unwrap())
            .await;
        assert_eq!((answer.status, &*answer.body), (200, "Pong\n"), "{path}");
    }
    // Without its key it is unknown, in whatever spelling.
    for path in ["/hooks/github/", "/hooks/github//", "/hooks/github/other/"] {
        assert_eq!(pushed(&world, path).await.status, 404, "{path}");
        assert_eq!(
            newest(&world).await.record.unwrap().told.verdict,
            Verdict::Unknown
        );
    }
}

#[tokio::test]
async fn the_url_that_a_handshake_signs_is_the_one_that_was_called() {
    let sources = |s3_url: &str, _: &str| {
        let mut vk = vk(s3_url, json!({}));
        vk.as_object_mut().unwrap().remove("url");
        (json!({ "vk": vk }), secrets())
    };
    let world = World::with_state(sources).await;
    let body = json!({"Type": "SubscriptionConfirmation", "Timestamp": "2019-12-26T19:29:12+03:00",
        "TopicArn": "mcs1|origin|s3:ObjectCreated:*", "SignatureVersion": 1, "Token": "RPE5UuG94rGgBH6kHXN9FUPugFxj1hs2aUQc99btJp3E49tA"});
    let challenge: VkChallenge = serde_json::from_value(body.clone()).unwrap();
    for path in [
        "/hooks/vk",
        "/hooks/vk/",
        "//hooks//vk/",
        "/hooks/vk/?a=/b/",
    ] {
        let request = Request::post(path).header("host", "hooks.example");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let answer = world.send(request).await;
        let signed = challenge.sign(&format!("http://hooks.example{path}"));
        assert_eq!(answer.json(), json!({ "signature": signed }), "{path}");
    }
    world.put("a", "one");
    let answer = world.post("/hooks/vk/", delivery([created("a")])).await;
    assert_eq!(answer.outcomes(), ["copied"]);
}

#[tokio::test]
async fn what_is_addressed_wrongly_is_seen_among_strangers_without_what_may_be_a_secret() {
    let world = github().await;
    for path in [
        "/hooks",
        "/hooks/",
        "/hooks/github/the-url-key/more",
        "/hooks/github/the-url-key/more/and/more/",
        "/Hooks/github/the-url-key",
        "/hook/github/the-url-key",
        "/hooks/nobody/",
    ] {
        let before = world.inbox().len();
        let answer = pushed(&world, path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["error"], "no such source", "{path}");
        assert_eq!(world.inbox().len(), before + 1, "{path}");
        let record = newest(&world).await.record.unwrap();
        assert_eq!(record.told.verdict, Verdict::Unknown, "{path}");
        assert_eq!(answer.json()["delivery"], record.delivery.id.to_string());
    }
    for place in world.store.keys("state") {
        assert!(place.starts_with(STRANGERS), "{place}");
        let kept = world.store.get("state", &place).unwrap().body();
        let kept = String::from_utf8_lossy(&kept).into_owned();
        assert!(
            !kept.contains("the-url-key") && !kept.contains("more"),
            "{kept}"
        );
    }
    let count = world.inbox().len();
    for path in [
        "/favicon.ico",
        "/.env",
        "/wp-login.php",
        "/hookshop",
        "/",
        "//",
        "/pin",
    ] {
        assert_eq!(pushed(&world, path).await.status, 404, "{path}");
    }
    let put = Request::put("/hooks/github/the-url-key/more").body(Body::empty());
    assert_eq!(world.send(put.unwrap()).await.status, 405);
    assert_eq!(world.inbox().len(), count, "others are not recorded");
    // It is bounded like all that strangers send.
    for _ in 0..1_100 {
        pushed(&world, "/hooks/a/b/c").await;
    }
    assert!(world.inbox().len() <= 1_100);
}

#[tokio::test]
async fn who_comes_to_the_domain_itself_is_told_where_the_inbox_is() {
    let world = github().await;
    for (method, path) in [("GET", "/"), ("HEAD", "/"), ("GET", "//")] {
        let request = Request::builder().method(method).uri(path);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "{method} {path}");
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        assert!(!answer.headers.contains_key("location"));
        let expected = "Deliveries are received below /hooks\nThe inbox is at /inbox\n";
        assert_eq!(answer.body, if method == "HEAD" { "" } else { expected });
    }
    let without = World::with(|_, _| (generic(), knows(SECRET))).await;
    let answer = without
        .send(Request::get("/").body(Body::empty()).unwrap())
        .await;
    assert_eq!(answer.body, "Deliveries are received below /hooks\n");
}
