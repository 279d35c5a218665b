//! Every published handshake of VK, and every one that must differ, through every way in which a request can be wrapped.

use crate::events::dispatched;
use crate::world::{World, secrets, vk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookwork::domain::handshake::VkChallenge;
use serde_json::{Value, json};
use std::path::Path;

const WRAPPINGS: [&str; 6] = [
    "article",
    "rest-v1",
    "base64",
    "spaces",
    "no-content-type",
    "function-url",
];

/// The event of a wrapping, with this handshake in it.
fn wrapped(wrapping: &str, challenge: &Value) -> Value {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("events/vk-handshake-{wrapping}.json"));
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    event["body"] = match wrapping {
        "base64" => STANDARD.encode(challenge.to_string()),
        "spaces" => serde_json::to_string_pretty(challenge).unwrap(),
        _ => challenge.to_string(),
    }
    .into();
    event
}

fn challenge(vector: &Value) -> Value {
    json!({
        "Timestamp": vector["timestamp"], "Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe",
        "TopicArn": vector["topic_arn"], "SignatureVersion": 1, "Token": vector["token"],
    })
}

/// A function whose source allows the vector's bucket, registered as `url`.
async fn registered(vector: &Value, url: Option<&Value>) -> World {
    let mut topic = vector["topic_arn"].as_str().unwrap().split('|');
    let bucket = format!("{}/{}", topic.next().unwrap(), topic.next().unwrap());
    World::with(|s3_url, _| {
        let mut source = vk(s3_url, json!({}));
        source["buckets"] = json!({bucket: {}});
        source["url"] = url.cloned().unwrap_or_default();
        (json!({"vk": source}), secrets())
    })
    .await
}

async fn signature(world: &World, event: &Value) -> String {
    let answer = dispatched(world.app(), event).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    body["signature"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_published_handshake_reproduces_in_every_wrapping_and_the_negative_ones_differ() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/vectors.json")).unwrap();
    let vectors = vectors["vk_handshake"].as_array().unwrap();
    let official = |vector: &&Value| vector["status"] == "official";
    let published: Vec<_> = vectors
        .iter()
        .filter(official)
        .map(|vector| &vector["signature"])
        .collect();
    assert_eq!((published.len(), vectors.len()), (2, 8));
    for vector in vectors {
        let world = registered(vector, Some(&vector["url"])).await;
        for wrapping in WRAPPINGS {
            let signed = json!(signature(&world, &wrapped(wrapping, &challenge(vector))).await);
            assert_eq!(signed, vector["signature"], "{} {wrapping}", vector["name"]);
            assert_eq!(
                published.contains(&&signed),
                official(&vector),
                "{} {wrapping}",
                vector["name"]
            );
        }
    }
}

#[tokio::test]
async fn without_a_url_setting_the_signed_url_is_that_of_the_request_context() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/vectors.json")).unwrap();
    let challenge = challenge(&vectors["vk_handshake"][0]);
    let expected: VkChallenge = serde_json::from_value(challenge.clone()).unwrap();
    let world = registered(&vectors["vk_handshake"][0], None).await;
    for wrapping in WRAPPINGS {
        let event = wrapped(wrapping, &challenge);
        let context = &event["requestContext"];
        // A REST API's own path lacks the stage; the one in the context has it, as the sender called it.
        let path = if wrapping == "rest-v1" {
            &context["path"]
        } else {
            &event["rawPath"]
        };
        let url = format!(
            "https://{}{}",
            context["domainName"].as_str().unwrap(),
            path.as_str().unwrap()
        );
        assert_eq!(
            signature(&world, &event).await,
            expected.sign(&url),
            "{wrapping}: {url}"
        );
    }
}
