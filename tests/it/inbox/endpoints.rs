//! "Get my webhook": an endpoint is made, takes what is posted with its token, and ends.

use super::{Desk, Seen, UNKNOWN, holds};
use crate::world::Logs;
use axum::body::Body;
use hookwork::domain::delivery::BODY_MAX;
use hookwork::http::Arrival;
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

const DAY: Duration = Duration::from_secs(86_400);

impl Desk {
    /// A new endpoint: its id and its token.
    pub(super) async fn endpoint(&self, forward: bool) -> (String, String) {
        let wanted = json!({"name": "try stripe", "days": 7, "forward": forward});
        let seen = self.call("POST", "/inbox/api/endpoints", wanted).await;
        assert_eq!(seen.status, 201, "{:?}", seen.body);
        let made = seen.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made["endpoint"]["endpoint"]), text(&made["token"]))
    }

    pub(super) async fn post(
        &self,
        path: &str,
        token: Option<&str>,
        body: impl Into<Body>,
    ) -> Seen {
        let mut request = Request::post(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(body.into()).unwrap()).await
    }
}

#[tokio::test]
async fn is_made_listed_used_and_removed() {
    let desk = Desk::new().await;
    let wanted = json!({"name": " try stripe ", "days": 7, "forward": false});
    let made = desk
        .call("POST", "/inbox/api/endpoints", wanted)
        .await
        .json();
    let endpoint = &made["endpoint"];
    let (id, token) = (
        endpoint["endpoint"].as_str().unwrap(),
        made["token"].as_str().unwrap(),
    );
    assert_eq!((id.len(), token.len()), (16, 43));
    assert_eq!(endpoint["name"], "try stripe");
    assert_eq!(endpoint["url"], format!("http://127.0.0.1:8080/in/{id}"));
    assert_eq!(
        (&endpoint["forward"], &endpoint["expired"]),
        (&json!(false), &json!(false))
    );
    let listed = desk.read("/inbox/api/endpoints").await;
    assert_eq!(
        listed,
        json!({"endpoints": [endpoint]}),
        "without the token"
    );
    for (path, header) in [
        (format!("/in/{id}"), Some(token)),
        (format!("/in/{id}/{token}"), None),
    ] {
        let seen = desk.post(&path, header, "hello").await;
        assert_eq!(seen.status, 200, "{:?}", seen.body);
        let answer = seen.json();
        assert_eq!(
            answer,
            json!({"delivery": answer["delivery"], "recorded": true})
        );
        let kept = desk
            .read(&format!(
                "/inbox/api/deliveries/{}",
                answer["delivery"].as_str().unwrap()
            ))
            .await;
        assert_eq!(kept["source"], format!("in/{id}"));
        assert_eq!(
            (&kept["state"], &kept["verdict"]),
            (&json!("recorded"), &json!("accepted"))
        );
        assert_eq!(kept["body"]["base64"], "aGVsbG8=");
        assert_eq!(kept["replayable"], false);
        assert_eq!(kept["title"], "recorded for try stripe");
    }
    let paid = r#"{"type":"invoice.paid"}"#;
    desk.post(&format!("/in/{id}"), Some(token), paid).await;
    assert_eq!(
        desk.look().await["title"],
        "invoice.paid: recorded for try stripe"
    );
    let rows = desk
        .read(&format!("/inbox/api/deliveries?source=in%2F{id}"))
        .await;
    assert_eq!(rows["deliveries"].as_array().unwrap().len(), 3);
    let path = format!("/inbox/api/endpoints/{id}");
    assert_eq!(desk.call("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(desk.call("DELETE", &path, Value::Null).await.status, 404);
    assert_eq!(
        desk.post(&format!("/in/{id}"), Some(token), "hello")
            .await
            .status,
        404
    );
    assert_eq!(
        desk.read("/inbox/api/endpoints").await,
        json!({"endpoints": []})
    );
}

#[tokio::test]
async fn takes_nothing_without_its_token_and_tells_what_came() {
    let desk = Desk::new().await;
    let ((id, token), (_, other)) = (desk.endpoint(false).await, desk.endpoint(false).await);
    let path = format!("/in/{id}");
    for claimed in [
        None,
        Some(""),
        Some("wrong"),
        Some(&token[1..]),
        Some(&other),
    ] {
        let seen = desk.post(&path, claimed, "hello").await;
        assert_eq!(seen.status, 401, "{claimed:?}");
        assert_eq!(seen.json()["error"], "token missing or wrong");
    }
    assert_eq!(
        desk.post(&format!("{path}/wrong"), None, "hello")
            .await
            .status,
        401
    );
    // In the path it is the one in the path that counts.
    assert_eq!(
        desk.post(&format!("{path}/wrong"), Some(&token), "hello")
            .await
            .status,
        401
    );
    let rows = desk.read("/inbox/api/deliveries?status=unauthentic").await;
    assert_eq!(rows["deliveries"].as_array().unwrap().len(), 7);
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let request = Request::builder().method(method).uri(&path);
        let seen = desk.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(seen.status, 405, "{method}");
    }
    let long = vec![b'x'; BODY_MAX + 1];
    assert_eq!(desk.post(&path, Some(&token), long).await.status, 413);
    let rows = desk.read("/inbox/api/deliveries?status=too_large").await;
    assert_eq!(rows["deliveries"][0]["source"], format!("in/{id}"));
    let long = || vec![b'x'; BODY_MAX + 1];
    assert_eq!(desk.post(&path, Some("wrong"), long()).await.status, 401);
    let unknown = format!("/in/{UNKNOWN}");
    assert_eq!(desk.post(&unknown, Some(&token), long()).await.status, 404);
    let largest = vec![b'x'; BODY_MAX];
    assert_eq!(desk.post(&path, Some(&token), largest).await.status, 200);
}

#[tokio::test]
async fn ends_when_its_days_are_over() {
    let desk = Desk::new().await;
    let (id, token) = desk.endpoint(false).await;
    let path = format!("/in/{id}");
    desk.wait(7 * DAY - Duration::from_secs(1));
    assert_eq!(desk.post(&path, Some(&token), "x").await.status, 200);
    desk.wait(Duration::from_secs(1));
    let seen = desk.post(&path, Some(&token), "x").await;
    assert_eq!(
        (seen.status, &seen.json()["error"]),
        (404, &json!("no such endpoint"))
    );
    let listed = desk.read("/inbox/api/endpoints").await;
    assert_eq!(
        listed["endpoints"][0]["expired"], true,
        "it is shown until it is removed"
    );
}

#[tokio::test]
async fn hands_on_what_its_owner_wants_to_have_handed_on() {
    let desk = Desk::new().await;
    let (id, token) = desk.endpoint(true).await;
    let body = r#"{"type":"invoice.paid"}"#;
    let seen = desk.post(&format!("/in/{id}"), Some(&token), body).await;
    assert_eq!(seen.status, 200, "{:?}", seen.body);
    let delivery = seen.json()["delivery"].as_str().unwrap().to_owned();
    let notices = desk.world.topic.notices();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].message, body);
    assert_eq!(notices[0].attributes["event"], "invoice.paid");
    let kept = desk
        .read(&format!("/inbox/api/deliveries/{delivery}"))
        .await;
    assert_eq!((&kept["state"], &kept["jobs"]), (&json!("done"), &json!(1)));
    assert_eq!(kept["history"][0]["jobs"][0]["outcome"], "published");
    let again = desk
        .call(
            "POST",
            &format!("/inbox/api/deliveries/{delivery}/replay"),
            Value::Null,
        )
        .await;
    assert_eq!(again.json(), json!({"delivery": delivery, "jobs": 1}));
    let notices = desk.world.topic.notices();
    assert_eq!(notices.len(), 2);
    assert_eq!(notices[1].attributes, notices[0].attributes);
    // What is a secret is no name, when it comes and when it is received again.
    let body = format!(r#"{{"type":"{token}"}}"#);
    let secret = Request::post(format!("/in/{id}/{token}"))
        .header("x-token-event", "s3cr3t")
        .header("x-event", format!("of {token}"));
    let seen = desk.send(secret.body(Body::from(body)).unwrap()).await;
    let delivery = seen.json()["delivery"].as_str().unwrap().to_owned();
    let path = format!("/inbox/api/deliveries/{delivery}");
    let replay = format!("{path}/replay");
    assert_eq!(desk.call("POST", &replay, Value::Null).await.status, 200);
    let shown = desk.read(&path).await;
    assert_eq!(
        (&shown["title"], shown["history"].as_array().unwrap().len()),
        (&json!("forward"), 2)
    );
    for attempt in shown["history"].as_array().unwrap() {
        assert_eq!(attempt["jobs"][0]["event"], Value::Null, "{attempt}");
    }
    let notices = desk.world.topic.notices();
    assert_eq!(notices.len(), 4);
    assert!(
        notices[2..]
            .iter()
            .all(|one| !one.attributes.contains_key("event"))
    );
    desk.world.topic.fail_next(100);
    let seen = desk.post(&format!("/in/{id}"), Some(&token), "hello").await;
    assert_eq!(
        (seen.status, &seen.json()["error"]),
        (
            500,
            &json!("it was recorded, and not handed on: send it again")
        )
    );
}

#[tokio::test]
async fn its_token_is_kept_nowhere_and_logged_nowhere() {
    let desk = Desk::new().await;
    let logs = Logs::new();
    let (id, token) = desk.endpoint(true).await;
    let path = format!("/in/{id}/{token}?access_token={token}&x=1");
    let arrival = Arrival {
        url: Some(format!("https://x.example{path}")),
        from: None,
        trace: None,
        deadline: Instant::now() + Duration::from_secs(20),
    };
    for (body, status) in [(5, 200), (BODY_MAX + 1, 413)] {
        let mut request = Request::post(&path)
            .header("x-custom", format!("see {token}"))
            .header("x-event", format!("of {token}"))
            .body(Body::from(vec![b'x'; body]))
            .unwrap();
        request.extensions_mut().insert(arrival.clone());
        assert_eq!(desk.send(request).await.status, status);
    }
    desk.post(&format!("/in/{id}"), Some(&token), "hello").await;
    desk.post(&format!("/in/{UNKNOWN}/{token}"), None, "hello")
        .await;
    desk.post(&format!("/in/{token}"), None, "hello").await;
    let text = logs.text();
    assert!(text.contains(&format!("in/{id}")), "{text}");
    assert!(!text.contains(&token), "{text}");
    let state = desk.state();
    assert!(
        holds(&state, "[left out]?access_token=[left out]&x=1"),
        "{}",
        String::from_utf8_lossy(&state)
    );
    assert!(!holds(&state, &token));
    assert!(
        !desk
            .world
            .topic
            .notices()
            .iter()
            .any(|notice| format!("{notice:?}").contains(&token))
    );
}

#[tokio::test]
async fn what_cannot_be_one_is_not_made() {
    let desk = Desk::new().await;
    for (wanted, told) in [
        (json!({"name": "", "days": 7}), "name: "),
        (json!({"name": "x".repeat(61), "days": 7}), "name: "),
        (json!({"name": "a\u{7}b", "days": 7}), "name: "),
        (json!({"name": "x", "days": 0}), "days: "),
        (json!({"name": "x", "days": 91}), "days: "),
        (json!({"name": "x", "days": -1}), "expected {"),
        (json!({"name": "x"}), "expected {"),
        (
            json!({"name": "x", "days": 7, "token": "mine"}),
            "expected {",
        ),
        (json!([]), "expected {"),
    ] {
        let seen = desk
            .call("POST", "/inbox/api/endpoints", wanted.clone())
            .await;
        assert_eq!(seen.status, 400, "{wanted}");
        let error = seen.json()["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(told), "{wanted}: {error}");
    }
    assert_eq!(desk.world.store.keys("state"), [""; 0]);
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let (id, token) = desk.endpoint(false).await;
        assert!(ids.insert(id) && ids.insert(token), "no two are alike");
    }
    let more = json!({"name": "x", "days": 7});
    let seen = desk.call("POST", "/inbox/api/endpoints", more).await;
    assert_eq!(
        (seen.status, &seen.json()["error"]),
        (
            409,
            &json!("there are 100 endpoints already: remove one first")
        )
    );
    let listed = desk.read("/inbox/api/endpoints").await;
    assert_eq!(listed["endpoints"].as_array().unwrap().len(), 100);
}
