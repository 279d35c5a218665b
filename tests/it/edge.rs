//! What senders see: routes, statuses and bodies.

mod limits;
mod lost;

use crate::world::{Logs, SECRET, World, created, delivery, record, removed, secrets, vk};
use axum::body::Body;
use hookwork::twin::faults::{Fault, On};
use http::{Method, Request};
use serde_json::{Value, json};

const ARTICLE: &str = r#"{"Timestamp":"2020-06-15T15:01:13+03:00","Type":"SubscriptionConfirmation","TopicArn":"mcs5259999770|myfiles-ash|s3:ObjectCreated:*,s3:ObjectRemoved:*","SignatureVersion":1,"Token":"E2itMqAMUVVZc51pUhFWSp13DoxezvRxkUh5P7LEuk1dEe9y"}"#;

/// The bucket of the published handshake, behind whatever secrets.
async fn article(secrets: Value) -> World {
    World::with(|s3_url, _| {
        let mut source = vk(s3_url, json!({}));
        source["buckets"] = json!({"mcs5259999770/myfiles-ash": {}});
        (json!({"vk": source}), secrets)
    })
    .await
}

#[tokio::test]
async fn ping_answers_pong_and_touches_nothing() {
    let world = World::new().await;
    let answer = world
        .send(Request::get("/ping").body(Body::empty()).unwrap())
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "Pong\n"));
    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    assert_eq!(world.faults.calls(), []);
}

#[tokio::test]
async fn a_handshake_is_answered_without_a_call_to_any_store() {
    let world = article(secrets()).await;
    for path in ["/hooks/vk", "/webhook"] {
        let answer = world.post(path, ARTICLE).await;
        assert_eq!(
            (
                answer.status,
                answer.headers["content-type"].to_str().unwrap()
            ),
            (200, "application/json")
        );
        assert_eq!(
            answer.body,
            r#"{"signature":"3754ce36636f80dfd606c5254d64ecb2fd8d555c27962b70b4f759f32c76b66d"}"#
        );
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    let spaced =
        serde_json::to_string_pretty(&serde_json::from_str::<Value>(ARTICLE).unwrap()).unwrap();
    assert!(
        world
            .post("/hooks/vk", spaced)
            .await
            .body
            .contains("3754ce36")
    );
    let foreign = world
        .post("/hooks/vk", ARTICLE.replace("mcs5259999770", "mcs1"))
        .await;
    assert_eq!(foreign.status, 403);
    assert_eq!(world.faults.calls(), []);
}

#[tokio::test]
async fn a_url_key_must_be_right_wherever_the_source_answers() {
    let mut secrets = secrets();
    secrets["vk"]["url_key"] = json!("k3y");
    let world = article(secrets).await;
    for path in [
        "/hooks/vk",
        "/hooks/vk/",
        "/hooks/vk/wrong",
        "/hooks/vk/k3",
        "/webhook",
        "/webhook/wrong",
        "/hooks/other",
        "/hooks/other/k3y",
    ] {
        assert_eq!(world.post(path, ARTICLE).await.status, 404, "{path}");
    }
    for path in ["/hooks/vk/k3y", "/hooks/vk/k3y/", "/webhook/k3y"] {
        assert_eq!(world.post(path, ARTICLE).await.status, 200, "{path}");
    }
    // Registered without the source's name: what stands in its place must not get into the log.
    for (path, line) in [("/hooks/k3y", "delivery"), ("/hooks/vk/k3y/x", "delivery")] {
        let logs = Logs::new();
        assert_eq!(world.post(path, ARTICLE).await.status, 404);
        let told = logs.lines(line);
        assert_eq!(told.len(), 1, "{path}");
        assert!(!told[0].to_string().contains("k3y"), "{told:?}");
    }
    assert_eq!(
        article(self::secrets())
            .await
            .post("/hooks/vk/anything", ARTICLE)
            .await
            .status,
        404,
        "there is no key to be right"
    );
}

#[tokio::test]
async fn what_is_not_the_shape_is_400_and_what_is_elsewhere_404_405_413() {
    let world = World::new().await;
    for body in [
        "",
        "x",
        "{}",
        "[]",
        r#"{"Records":7}"#,
        r#"{"Records":[7]}"#,
    ] {
        assert_eq!(world.post("/hooks/vk", body).await.status, 400, "{body:?}");
    }
    for path in ["/", "/hooks", "/hooks/", "/hooks/nobody", "/inbox"] {
        assert_eq!(world.post(path, "{}").await.status, 404, "{path}");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder()
            .method(method.clone())
            .uri("/hooks/vk")
            .body(Body::empty())
            .unwrap();
        assert_eq!(world.send(request).await.status, 405, "{method}");
    }
    assert_eq!(world.post("/ping", "").await.status, 405);
    assert_eq!(
        world.post("/nowhere", "").await.json(),
        json!({"error": "no such route"})
    );
    let largest = " ".repeat(hookwork::domain::delivery::BODY_MAX);
    assert_eq!(world.post("/hooks/vk", largest.clone()).await.status, 400);
    assert_eq!(world.post("/hooks/vk", largest + " ").await.status, 413);
}

#[tokio::test]
async fn outcomes_name_bucket_and_key() {
    let world = World::new().await;
    world.put("a b", "1");
    let answer = world.deliver([created("a b")]).await;
    let id = answer.json()["delivery"].as_str().unwrap().to_owned();
    assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 7);
    let outcomes =
        json!([{"job": "mirror", "bucket": "origin", "key": "a b", "outcome": "copied"}]);
    assert_eq!(answer.json(), json!({"delivery": id, "outcomes": outcomes}));
}

#[tokio::test]
async fn a_delivery_off_the_allow_list_is_403_only_as_a_whole() {
    let world = World::new().await;
    world.put("a", "1");
    let foreign = |key| {
        let mut record = created(key);
        record["s3"]["bucket"]["ownerIdentity"]["principalId"] = json!("mcs2");
        record
    };
    assert_eq!(
        world.deliver([foreign("x"), foreign("y")]).await.status,
        403
    );
    let mixed = world.deliver([foreign("x"), created("a")]).await;
    assert_eq!(
        (mixed.status, mixed.outcomes()),
        (200, vec!["ignored".to_owned(), "copied".to_owned()])
    );
    assert_eq!(
        world
            .deliver([foreign("x"), record("s3:Unheard:Of", "a")])
            .await
            .status,
        200
    );
    assert_eq!(world.deliver([]).await.status, 200);
    world.faults.inject(
        On::every().bucket("backup"),
        Fault::Status(500, "InternalError"),
    );
    assert_eq!(
        world.deliver([foreign("x"), removed("a")]).await.status,
        500
    );
}

#[tokio::test]
async fn a_malformed_record_among_others_is_acknowledged_and_alone_400() {
    let world = World::new().await;
    world.put("a", "1");
    let malformed = || json!({"eventName": "s3:ObjectCreated:Put"});
    let answer = world.deliver([malformed(), created("a")]).await;
    assert_eq!(
        (answer.status, answer.outcomes()),
        (200, vec!["malformed".to_owned(), "copied".to_owned()])
    );
    assert_eq!(world.backup("a").unwrap(), b"1");
    assert_eq!(world.deliver([malformed(), malformed()]).await.status, 400);
}

#[tokio::test]
async fn a_flood_of_records_is_refused_before_any_work() {
    let world = World::new().await;
    let started = std::time::Instant::now();
    let flood = delivery(vec![
        json!({"eventName":"PutObject","s3":{"bucket":{"name":"origin"},"object":{"key":"a+"}}});
        50_000
    ]);
    assert!(flood.len() < hookwork::domain::delivery::BODY_MAX);
    assert_eq!(world.post("/hooks/vk", flood).await.status, 400);
    assert_eq!(world.faults.calls(), []);
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

#[tokio::test]
async fn a_path_that_is_no_utf8_names_no_source() {
    let world = World::new().await;
    for path in ["/hooks/%FF", "/hooks/vk/%FF", "/webhook/%FF"] {
        assert_eq!(world.post(path, "{}").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_test_event_is_200() {
    let world = World::new().await;
    let answer = world
        .post(
            "/hooks/vk",
            r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#,
        )
        .await;
    assert_eq!(
        (answer.status, answer.outcomes()),
        (200, vec!["ignored".to_owned()])
    );
}

#[tokio::test]
async fn a_source_without_its_secret_refuses_and_the_others_go_on() {
    for (missing, path) in [
        (json!({}), "/hooks/vk"),
        (json!({"vk": {}}), "/hooks/vk"),
        (json!({"vk": {"url_key": "x"}}), "/hooks/vk/x"),
    ] {
        let world = World::with(|s3_url, intdash_url| {
            let mut secrets = missing;
            secrets["intdash"] = secrets_of_intdash();
            (json!({"vk": vk(s3_url, json!({})), "intdash": {"kind": "intdash", "url": intdash_url}}), secrets)
        })
        .await;
        let answer = world.post(path, delivery([created("a")])).await;
        assert_eq!(
            (answer.status, answer.json()["outcomes"].clone()),
            (500, json!([]))
        );
        assert_eq!(world.finish_sample().await.status, 200);
        assert_eq!(
            world
                .send(Request::get("/ping").body(Body::empty()).unwrap())
                .await
                .status,
            200
        );
    }
}

fn secrets_of_intdash() -> Value {
    secrets()["intdash"].clone()
}

#[tokio::test]
async fn a_cause_never_leaves_with_the_answer() {
    let world = World::new().await;
    world.put("a", "1");
    world.faults.inject(
        On::every().bucket("backup"),
        Fault::Status(403, "ACCESS_DENIED_TO_BACKUP"),
    );
    let answer = world.deliver([created("a")]).await;
    assert_eq!(answer.status, 500);
    assert!(
        !answer.body.contains("ACCESS") && !answer.body.contains("backup/"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_wrong_and_a_missing_signature_are_told_with_one_text() {
    let world = World::new().await;
    let body = r#"{"resource_type":"measurement","action":"completed","measurement_uuid":"m"}"#;
    let missing = world.post("/hooks/intdash", body).await;
    let wrong = Request::post("/hooks/intdash")
        .header("x-intdash-signature-256", "AAAA")
        .body(Body::from(body))
        .unwrap();
    let wrong = world.send(wrong).await;
    assert_eq!((missing.status, wrong.status), (401, 401));
    assert_eq!(missing.json()["error"], wrong.json()["error"]);
    assert!(!wrong.body.contains(SECRET));
    assert_eq!(world.intdash.requests(), [""; 0]);
}

#[tokio::test]
async fn a_source_named_like_a_path_of_another_is_no_confusion() {
    let world = World::new().await;
    assert_eq!(world.post("/webhook", delivery([])).await.status, 200);
    assert_eq!(world.post("/webhook/x", delivery([])).await.status, 404);
    assert_eq!(world.post("/hooks/webhook", delivery([])).await.status, 404);
}
