//! Who is answered at all: handshakes, methods, addresses, secrets that are missing.

use super::{deadline, world};
use crate::world::{World, secrets, vk};
use axum::body::Body;
use hookwork::http::Arrival;
use http::{Method, Request};
use serde_json::json;
use std::collections::BTreeSet;

fn request(method: Method, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn handshakes_are_answered_as_plain_text_and_by_the_methods_that_they_use() {
    let world = world(json!({
        "meta": {"kind": "generic", "verify": "meta"}, "x": {"kind": "generic", "verify": "x", "path": "/x"},
        "any": {"kind": "generic", "verify": "none"}, "github": {"kind": "generic", "verify": "github"},
    }))
    .await;
    let secret = "It%27s+a+Secret+to+Everybody";
    let meta = |token: &str| {
        format!("/hooks/meta?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=%3Cb%3E1")
    };
    let answer = world.send(request(Method::GET, &meta(secret))).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "<b>1"));
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(
        world.send(request(Method::GET, &meta("x"))).await.status,
        401
    );
    for path in ["/hooks/x?crc_token=9b4507b3", "/x?crc_token=9b4507b3"] {
        let answer = world.send(request(Method::GET, path)).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        assert!(
            answer.json()["response_token"]
                .as_str()
                .unwrap()
                .starts_with("sha256=")
        );
    }
    let validation = request(Method::POST, "/hooks/any?validationToken=a%20b");
    assert_eq!(world.send(validation).await.body, "a b");
    let challenge = Request::post("/hooks/any")
        .body(Body::from(r#"{"challenge":"c"}"#))
        .unwrap();
    assert_eq!(world.send(challenge).await.body, "c");
    let mut options = request(Method::OPTIONS, "/hooks/github");
    options
        .headers_mut()
        .insert("webhook-request-origin", "sender.example".parse().unwrap());
    options
        .headers_mut()
        .insert("webhook-request-rate", "100".parse().unwrap());
    let answer = world.send(options).await;
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("webhook-allowed-origin", "sender.example"),
        ("webhook-allowed-rate", "100"),
        ("allow", "POST"),
    ] {
        assert_eq!(answer.headers[name], value);
    }
    for (method, path, status) in [
        (Method::GET, "/hooks/github", 405),
        (Method::OPTIONS, "/hooks/github", 405),
        (Method::PUT, "/hooks/github", 405),
        (Method::HEAD, "/hooks/any", 405),
        (Method::GET, "/hooks/nobody", 404),
        (Method::GET, "/hooks/github/key", 404),
    ] {
        assert_eq!(
            world.send(request(method.clone(), path)).await.status,
            status,
            "{method} {path}"
        );
    }
    assert!(world.topic.notices().is_empty());
    let states: BTreeSet<_> = world.inbox().iter().map(|row| row.state().word()).collect();
    assert_eq!(
        states.into_iter().collect::<Vec<_>>(),
        ["handshake", "refused"]
    );
}

#[tokio::test]
async fn an_object_storage_answers_to_no_other_method() {
    let world = World::new().await;
    for (method, path) in [
        (Method::GET, "/hooks/vk"),
        (Method::OPTIONS, "/webhook"),
        (Method::GET, "/hooks/intdash"),
    ] {
        assert_eq!(
            world.send(request(method, path)).await.status,
            405,
            "{path}"
        );
    }
}

#[tokio::test]
async fn only_the_listed_addresses_are_let_in_and_no_header_makes_one() {
    let world = World::with(|s3_url, _| {
        let mut storage = vk(s3_url, json!({}));
        storage["from"] = json!(["95.163.216.92"]);
        let any = json!({"kind": "generic", "verify": "none", "from": ["192.0.2.0/24"]});
        (json!({"vk": storage, "any": any}), secrets())
    })
    .await;
    let from = |path: &str, from: Option<&str>| {
        let mut request = Request::post(path)
            .header("x-forwarded-for", "192.0.2.7, 95.163.216.92")
            .body(Body::from(r#"{"Records":[]}"#))
            .unwrap();
        request.extensions_mut().insert(Arrival {
            url: None,
            from: from.map(|from| from.parse().unwrap()),
            trace: None,
            deadline: deadline(),
        });
        request
    };
    for (path, address, status) in [
        ("/hooks/vk", Some("95.163.216.92"), 200),
        ("/hooks/vk", Some("192.0.2.7"), 403),
        ("/hooks/vk", None, 403),
        ("/webhook", Some("95.163.216.91"), 403),
        ("/hooks/any", Some("192.0.2.7"), 200),
        ("/hooks/any", Some("95.163.216.92"), 403),
    ] {
        let answer = world.send(from(path, address)).await;
        assert_eq!(answer.status, status, "{path} {address:?}");
    }
    assert_eq!(world.topic.notices().len(), 1);
}

#[tokio::test]
async fn a_source_without_its_secret_is_500_and_one_that_wants_none_is_not() {
    let world = World::with(|_, _| {
        let sources = json!({
            "github": {"kind": "generic", "verify": "github"}, "svix": {"kind": "generic", "verify": "svix"},
            "any": {"kind": "generic", "verify": "none"}, "keyed": {"kind": "generic", "verify": "none"},
        });
        (sources, json!({"svix": {"secrets": ["whsec_!"]}, "keyed": {"url_key": "k3y"}}))
    })
    .await;
    for (path, status) in [
        ("/hooks/github", 500),
        ("/hooks/svix", 500),
        ("/hooks/any", 200),
        ("/hooks/keyed", 404),
        ("/hooks/keyed/x", 404),
        ("/hooks/keyed/k3y", 200),
    ] {
        assert_eq!(world.post(path, "{}").await.status, status, "{path}");
    }
}
