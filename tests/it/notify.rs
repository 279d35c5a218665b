//! Outcomes are published where a rule says so: each at least once, whatever fails or dies between the commit and the topic.

use crate::events::dispatched;
use crate::moto::{call, moto, query, subscribed};
use crate::servers::unique;
use crate::world::{
    World, app, created, delivery, far_sides, function, removed, secrets, send, variables, vk,
};
use axum::body::Body;
use hookwork::app::App;
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::Store;
use hookwork::twin::topic::{Notice, Topic};
use http::Request;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// As often as the SDK tries one call.
const TRIES: usize = 3;

fn notifying() -> Value {
    json!({"notify": true, "prefix": "p/"})
}

/// What a notice of an outcome says: outcome and key.
fn told(notices: &[Notice]) -> Vec<(String, String)> {
    let said = notices.iter().map(|notice| {
        assert_eq!(notice.attributes["kind"], "mirror");
        let said: Value = serde_json::from_str(&notice.message).unwrap();
        assert_eq!(said["outcome"], notice.attributes["outcome"]);
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        (text("outcome"), text("key"))
    });
    said.collect()
}

fn pair(outcome: &str, key: &str) -> (String, String) {
    (outcome.to_owned(), key.to_owned())
}

#[tokio::test]
async fn a_copy_and_a_removal_are_published_with_all_that_there_is_to_know() {
    let world = World::with_rule(notifying()).await;
    world.put("a", "12345");
    let answer = world.deliver([created("a")]).await;
    assert_eq!(answer.outcomes(), ["copied"]);
    world.remove("a");
    let gone = world.deliver([removed("a")]).await;
    assert_eq!(gone.outcomes(), ["deleted"]);
    let notices = world.topic.notices();
    assert_eq!(told(&notices), [pair("copied", "a"), pair("deleted", "a")]);
    let expected =
        json!({"kind": "mirror", "source": "vk", "bucket": "origin", "outcome": "copied"});
    assert_eq!(json!(notices[0].attributes), expected);
    let copied: Value = serde_json::from_str(&notices[0].message).unwrap();
    assert_eq!(
        copied["fingerprint"].as_str().unwrap().len(),
        32,
        "{copied}"
    );
    assert_eq!(
        (&copied["size"], &copied["backup_key"]),
        (&json!(5), &json!("p/a"))
    );
    assert_eq!(
        (&copied["source"], &copied["bucket"]),
        (&json!("vk"), &json!("origin"))
    );
    assert_eq!(copied["delivery"], answer.json()["delivery"]);
    let deleted: Value = serde_json::from_str(&notices[1].message).unwrap();
    assert_eq!(
        (&deleted["size"], &deleted["fingerprint"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn nothing_is_published_where_the_rule_does_not_say_so() {
    let world = World::new().await;
    world.put("a", "1");
    for _ in 0..2 {
        world.deliver([created("a")]).await;
    }
    assert_eq!(world.topic.calls(), 0);
}

#[tokio::test]
async fn hostile_keys_survive() {
    let world = World::with_rule(json!({"notify": true})).await;
    let long = "\u{1}".repeat(1024);
    let keys = [
        "a b",
        "it's \"quoted\"",
        "$(rm -rf ~)`id`",
        "-rf",
        "two\r\nlines\ttab",
        "Ünï/\u{ffff}\u{fffe}\u{7f}",
        "\u{1f600}",
        "</Message>&amp;",
        &long,
    ];
    for key in keys {
        world.put(key, "1");
        let answer = world.deliver([created(key)]).await;
        assert_eq!(
            answer.outcomes().first().map(String::as_str),
            Some("copied"),
            "{key:?} {answer:?}"
        );
        // A key that reads differently decoded names two.
        let told = told(&world.topic.notices());
        assert!(told.contains(&pair("copied", key)), "{key:?}");
    }
}

#[tokio::test]
async fn what_could_not_be_published_has_failed_and_is_published_by_the_next_delivery() {
    let world = World::with_rule(notifying()).await;
    world.put("a", "1");
    world.topic.fail_next(TRIES);
    let failed = world.deliver([created("a")]).await;
    assert_eq!(
        (failed.status, failed.outcomes()),
        (500, vec!["failed".to_owned()])
    );
    assert!(
        world.backup("p/a").is_some(),
        "the copy is there all the same"
    );
    assert!(world.topic.notices().is_empty());
    assert_eq!(
        world.deliver([created("a")]).await.outcomes(),
        ["unchanged"]
    );
    assert_eq!(told(&world.topic.notices()), [pair("copied", "a")]);
    world.remove("a");
    world.topic.fail_next(TRIES);
    assert_eq!(world.deliver([removed("a")]).await.status, 500);
    assert_eq!(
        world.deliver([removed("a")]).await.outcomes(),
        ["unchanged"]
    );
    assert_eq!(told(&world.topic.notices())[1..], [pair("deleted", "a")]);
}

#[tokio::test]
async fn of_what_is_left_as_it_is_nothing_is_told() {
    let world = World::with_rule(json!({"notify": true, "deletes": "keep"})).await;
    world.put("a", "1");
    world.deliver([created("a")]).await;
    world.remove("a");
    world.store.put("backup", "foreign", "x");
    world.deliver([removed("a"), removed("foreign")]).await;
    assert_eq!(told(&world.topic.notices()), [pair("copied", "a")]);
}

/// A worker, the store and the topic. Its queue is not there: what it says to it is not heard.
async fn worker() -> (Store, hookwork::twin::faults::Faults, Topic, Arc<App>) {
    worker_with(&secrets()).await
}

async fn worker_with(secrets: &Value) -> (Store, hookwork::twin::faults::Faults, Topic, Arc<App>) {
    let (store, faults, topic, _, [s3_url, topic_url, _]) = far_sides().await;
    let sources = json!({"vk": vk(&s3_url, notifying())});
    let known = variables(&sources, secrets, "backup", Some("state"));
    let queue = format!("{topic_url}/123456789012/jobs");
    let setting = |key: &str| match key {
        "QUEUE_URL" => Some(queue.clone()),
        _ => known(key),
    };
    let app = app(setting, &s3_url, &topic_url).await;
    (store, faults, topic, app)
}

/// One job about this key, as a queue hands it over.
fn message(key: &str, receives: u32, attributes: Value) -> Value {
    let work = json!({"mirror": {"source": "vk", "origin": "mcs1/origin", "key": key}});
    let body =
        json!({"version": 1, "delivery": "00000000-0000-0000-0000-000000000007", "work": work});
    json!({
        "messageId": format!("{key} {receives}"), "receiptHandle": "r", "body": body.to_string(), "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": receives.to_string()}, "messageAttributes": attributes,
    })
}

async fn work(worker: &Arc<App>, messages: &[Value]) -> usize {
    let answer = dispatched(worker, &json!({"Records": messages})).await;
    answer["batchItemFailures"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_worker_that_died_before_it_told_is_made_up_for_by_the_next_attempt_and_a_first_one_says_nothing()
 {
    let (store, _, topic, worker) = worker().await;
    store.put("origin", "a", "1");
    assert_eq!(work(&worker, &[message("a", 1, json!({}))]).await, 0);
    assert_eq!(told(&topic.notices()), [pair("copied", "a")]);
    // Another event of the same key, for the first time: it was told.
    assert_eq!(work(&worker, &[message("a", 1, json!({}))]).await, 0);
    assert_eq!(topic.notices().len(), 1);
    // The same message once more: nobody knows.
    assert_eq!(work(&worker, &[message("a", 2, json!({}))]).await, 0);
    assert_eq!(told(&topic.notices())[1..], [pair("copied", "a")]);
    // Equal jobs are done once; that one of them was tried before counts.
    let both = [message("a", 1, json!({})), message("a", 3, json!({}))];
    assert_eq!(work(&worker, &both).await, 0);
    assert_eq!(topic.notices().len(), 3);
    // A dead letter that was sent again counts its attempts anew.
    let reason = json!({"reason": {"stringValue": "5 attempts", "dataType": "String"}});
    assert_eq!(work(&worker, &[message("a", 1, reason)]).await, 0);
    assert_eq!(topic.notices().len(), 4);
    store.delete("origin", "a");
    assert_eq!(work(&worker, &[message("a", 1, json!({}))]).await, 0);
    assert_eq!(work(&worker, &[message("a", 2, json!({}))]).await, 0);
    let deleted = pair("deleted", "a");
    assert_eq!(told(&topic.notices())[4..], [deleted.clone(), deleted]);
}

#[tokio::test]
async fn a_job_fails_alone_whose_notice_is_not_taken_or_whose_commit_is_not_known() {
    let (store, faults, topic, worker) = worker().await;
    store.put("origin", "a", "1");
    topic.fail_next(TRIES);
    assert_eq!(work(&worker, &[message("a", 1, json!({}))]).await, 1);
    assert!(store.get("backup", "p/a").is_some());
    assert_eq!(work(&worker, &[message("a", 2, json!({}))]).await, 0);
    assert_eq!(told(&topic.notices()), [pair("copied", "a")]);
    // The copy lands and its answer is lost.
    store.put("origin", "b", "1");
    faults.inject(On::nth(1).of("PutObject"), Fault::DropAfter);
    assert_eq!(work(&worker, &[message("b", 1, json!({}))]).await, 1);
    assert!(store.get("backup", "p/b").is_some());
    assert_eq!(work(&worker, &[message("b", 2, json!({}))]).await, 0);
    assert_eq!(told(&topic.notices())[1..], [pair("copied", "b")]);
}

#[tokio::test]
async fn a_subscriber_filters_by_outcome() {
    let topic = unique("outcomes");
    let account = "arn:aws:sns:us-east-1:123456789012";
    query("sns", &[("Action", "CreateTopic"), ("Name", &topic)]).await;
    let policy = r#"{"kind":["mirror"],"outcome":["deleted"]}"#;
    let queue = subscribed(&format!("{account}:{topic}"), &[("FilterPolicy", policy)]).await;
    let (store, _, _, _, [s3_url, ..]) = far_sides().await;
    let sources = json!({"vk": vk(&s3_url, notifying())});
    let known = variables(&sources, &secrets(), "backup", None);
    let setting = |key: &str| match key {
        "SNS_TOPIC_ARN" => Some(format!("{account}:{topic}")),
        _ => known(key),
    };
    let router = function(setting, &s3_url, &moto().await.endpoint).await;
    let deliver = async |record: Value| {
        let body = Body::from(delivery([record]));
        let request = Request::post("/hooks/vk").body(body).unwrap();
        assert_eq!(send(router.clone(), request).await.status, 200);
    };
    let key = "it's \"a\" $(key)\n\u{1}";
    store.put("origin", key, "1");
    deliver(created(key)).await;
    store.delete("origin", key);
    deliver(removed(key)).await;
    let receive = json!({"QueueUrl": format!("{}/123456789012/{queue}", moto().await.endpoint), "MaxNumberOfMessages": 10, "WaitTimeSeconds": 5});
    let received = tokio::time::timeout(
        Duration::from_secs(30),
        call("sqs", "AmazonSQS.ReceiveMessage", receive),
    );
    let received = received.await.unwrap();
    let messages = received["Messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1, "{received}");
    let envelope: Value = serde_json::from_str(messages[0]["Body"].as_str().unwrap()).unwrap();
    let said: Value = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&said["key"], &said["outcome"]),
        (&json!(key), &json!("deleted"))
    );
}

#[tokio::test]
async fn a_key_that_is_refused_half_way_does_not_swallow_the_notice() {
    let key = |id: &str| json!({"access_key_id": id, "secret_access_key": "local"});
    let secrets = json!({"vk": {"keys": [key("local"), key("another")]}});
    let (store, faults, topic, worker) = worker_with(&secrets).await;
    store.put("origin", "a", "1");
    // The look after the write.
    let refused = Fault::Status(403, "AccessDenied");
    let looks = On::nth(2).of("GetObject").bucket("origin");
    faults.inject(looks, refused);
    assert_eq!(work(&worker, &[message("a", 1, json!({}))]).await, 0);
    assert_eq!(told(&topic.notices()), [pair("copied", "a")]);
}
