//! Where a delivery does not get into the queue, and what a receiver needs to know.

use super::{Line, make_queue};
use crate::moto::moto;
use crate::servers::unique;
use crate::world::{TOKEN, app, created, delivery, far_sides, send, vk};
use axum::body::Body;
use hookwork::http::Arrival;
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn what_the_queue_does_not_take_has_failed_and_the_sender_is_told() {
    use axum::routing::post;
    // Takes the first message of a batch, refuses the second, and forgets the others.
    let handler = async |body: String| {
        let batch: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(batch["Entries"].as_array().unwrap().len(), 3);
        let answer = json!({
            "Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}],
            "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": false}],
        });
        (
            [("content-type", "application/x-amz-json-1.0")],
            answer.to_string(),
        )
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/123456789012/jobs",
        listener.local_addr().unwrap()
    );
    let server = axum::Router::new().fallback(post(handler));
    tokio::spawn(async move { axum::serve(listener, server).await });
    let line = Line::with(make_queue().await, &url).await;
    let answer = line.deliver(["a", "b", "c"].map(created)).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["queued"], 1, "{json}");
    let failed: Vec<_> = json["outcomes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["key"])
        .collect();
    assert_eq!(failed, ["b", "c"]);
}

#[tokio::test]
async fn a_queue_that_hangs_is_a_failure_in_time() {
    // It takes connections, and that is all.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/123456789012/jobs",
        listener.local_addr().unwrap()
    );
    let line = Line::with(make_queue().await, &url).await;
    let mut request = Request::post("/hooks/vk")
        .body(Body::from(delivery([created("a")])))
        .unwrap();
    let limit = Duration::from_secs(2);
    request.extensions_mut().insert(Arrival {
        url: None,
        from: None,
        trace: None,
        deadline: Instant::now() + limit,
    });
    let began = Instant::now();
    let answer = send(hookwork::http::router(line.receiver.clone()), request).await;
    assert_eq!(
        (answer.status, answer.outcomes()),
        (500, vec!["failed".to_owned()])
    );
    assert!(began.elapsed() < 2 * limit, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_a_failure() {
    let gone = format!("{}/123456789012/{}", moto().await.endpoint, unique("gone"));
    let line = Line::with(gone.clone(), &gone).await;
    let answer = line.deliver([created("a")]).await;
    assert_eq!(
        (answer.status, answer.outcomes()),
        (500, vec!["failed".to_owned()])
    );
    assert!(
        !answer.body.contains("Queue"),
        "the cause stays here: {answer:?}"
    );
}

#[tokio::test]
async fn a_receiver_needs_only_what_its_senders_prove_themselves_by() {
    let queue = make_queue().await;
    let (_, _, _, _, [s3_url, ..]) = far_sides().await;
    let sources = json!({
        "vk": vk(&s3_url, json!({})),
        "intdash": {"kind": "intdash", "url": "http://127.0.0.1:9"},
        "other": {"kind": "intdash", "url": "http://127.0.0.1:9"},
    });
    let secrets =
        json!({"intdash": {"secrets": [crate::world::SECRET]}, "other": {"api_token": TOKEN}});
    let setting = |key: &str| match key {
        "SOURCES" => Some(sources.to_string()),
        "SECRETS" => Some(secrets.to_string()),
        "BACKUP_BUCKET" => Some("backup".to_owned()),
        "SNS_TOPIC_ARN" => Some("arn:aws:sns:us-east-1:123456789012:x".to_owned()),
        "QUEUE_URL" => Some(queue.clone()),
        _ => None,
    };
    let router = hookwork::http::router(app(setting, &s3_url, &moto().await.endpoint).await);
    let finish =
        crate::world::finished("00000000-0000-0000-0000-000000000001", crate::world::SECRET);
    let queued = send(router.clone(), finish).await;
    assert_eq!(
        (queued.status, &queued.json()["queued"]),
        (200, &json!(1)),
        "{queued:?}"
    );
    // Without an entry it is not known whether there is a url_key: that is no leave to go without.
    let body = Body::from(delivery([created("a")]));
    let vk = send(router, Request::post("/hooks/vk").body(body).unwrap()).await;
    assert_eq!(vk.status, 500);
}
