//! The topic and the secrets over the wire, against moto's SNS, SQS and Secrets Manager.
//!
//! It must never wait for the clock: where time has to pass, tokio's is moved on.

use crate::servers::{Moto, unique};
use crate::world::{Answer, SECRET, TOKEN, created, delivery, far_sides, finished, function, send};
use axum::body::Body;
use hookwork::twin::intdash::{Intdash, Line, SAMPLE_MEASUREMENT};
use hookwork::twin::s3::Store;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long moto may take to hand a message from the topic to the queue.
const PATIENCE: Duration = Duration::from_secs(20);
const ACCOUNT: &str = "arn:aws:sns:us-east-1:123456789012";

/// A function whose topic and secrets are moto's.
struct Far {
    store: Store,
    intdash: Intdash,
    router: axum::Router,
    topic: String,
    /// Names of its secrets, merged in this order.
    secrets: [String; 2],
}

impl Far {
    /// With these values of its two secrets; one may have none.
    async fn new(values: [Option<Value>; 2]) -> Self {
        let topic = unique("notices");
        let (store, _, _, intdash_side, [s3_url, _, intdash_url]) = far_sides().await;
        let [one, two] = values;
        let secrets = [secret(one).await, secret(two).await];
        let sources = json!({
            "vk": crate::world::vk(&s3_url, json!({})),
            "intdash": {"kind": "intdash", "url": intdash_url},
        });
        let setting = |key: &str| match key {
            "SOURCES" => Some(sources.to_string()),
            "SECRETS_ARN" => Some(secrets.join(",")),
            "BACKUP_BUCKET" => Some("backup".to_owned()),
            "SNS_TOPIC_ARN" => Some(format!("{ACCOUNT}:{topic}")),
            _ => None,
        };
        let moto = &moto().await.endpoint;
        Self {
            store,
            intdash: intdash_side,
            router: function(setting, &s3_url, moto).await,
            topic,
            secrets,
        }
    }

    /// With nothing to wish for.
    async fn complete() -> Self {
        let far = Self::new([Some(vk()), Some(intdash(&[SECRET]))]).await;
        query("sns", &[("Action", "CreateTopic"), ("Name", &far.topic)]).await;
        far
    }

    async fn finish(&self, secret: &str) -> Answer {
        send(self.router.clone(), finished(SAMPLE_MEASUREMENT, secret)).await
    }

    async fn copy(&self, key: &str) -> Answer {
        self.store.put("origin", key, key.to_owned());
        let body = Body::from(delivery([created(key)]));
        send(
            self.router.clone(),
            Request::post("/hooks/vk").body(body).unwrap(),
        )
        .await
    }

    async fn ping(&self) -> Answer {
        let ping = Request::get("/ping").body(Body::empty()).unwrap();
        send(self.router.clone(), ping).await
    }
}

fn vk() -> Value {
    json!({"vk": {"access_key_id": "local", "secret_access_key": "local"}})
}

fn intdash(secrets: &[&str]) -> Value {
    json!({"intdash": {"secrets": secrets, "api_token": TOKEN}})
}

pub(crate) async fn moto() -> &'static Moto {
    tokio::task::spawn_blocking(Moto::shared).await.unwrap()
}

/// Posts to one of moto's services, which it tells apart by what the signature would say. Where two calls meet it may stumble
/// (500): as any client of AWS, this one tries again.
async fn post(service: &str, target: Option<&str>, body: String) -> String {
    let scope = format!("Credential=local/20260101/us-east-1/{service}/aws4_request");
    let authorization = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0");
    let mut attempts = 0;
    loop {
        let request = reqwest::Client::new().post(&moto().await.endpoint);
        let request = request.header("Authorization", &authorization);
        let request = match target {
            Some(target) => request
                .header("X-Amz-Target", target)
                .header("Content-Type", "application/x-amz-json-1.1"),
            None => request.header("Content-Type", "application/x-www-form-urlencoded"),
        };
        let answer = request.body(body.clone()).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        if status.is_success() {
            return text;
        }
        attempts += 1;
        let passing = status.is_server_error() && attempts < 5;
        assert!(passing, "{service} {target:?}: {status} {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn query(service: &str, fields: &[(&str, &str)]) -> String {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    post(service, None, body.extend_pairs(fields).finish()).await
}

pub(crate) async fn call(service: &str, target: &str, body: Value) -> Value {
    let answer = post(service, Some(target), body.to_string()).await;
    serde_json::from_str(&answer).unwrap()
}

/// Makes a secret of a name of its own, as the template does: a value is put later, or never.
async fn secret(value: Option<Value>) -> String {
    let name = unique("secret");
    call(
        "secretsmanager",
        "secretsmanager.CreateSecret",
        json!({"Name": name}),
    )
    .await;
    if let Some(value) = value {
        put_value(&name, &value).await;
    }
    name
}

async fn put_value(name: &str, value: &Value) {
    let body = json!({"SecretId": name, "SecretString": value.to_string()});
    call("secretsmanager", "secretsmanager.PutSecretValue", body).await;
}

/// Lets so much time pass for everything that runs on tokio's clock.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// A queue that has subscribed to a topic with these attributes: its name.
pub(crate) async fn subscribed(topic_arn: &str, attributes: &[(&str, &str)]) -> String {
    let queue = unique("subscriber");
    query("sqs", &[("Action", "CreateQueue"), ("QueueName", &queue)]).await;
    let endpoint = format!("arn:aws:sqs:us-east-1:123456789012:{queue}");
    let mut subscribe = vec![
        ("Action".to_owned(), "Subscribe"),
        ("Protocol".to_owned(), "sqs"),
        ("TopicArn".to_owned(), topic_arn),
        ("Endpoint".to_owned(), &endpoint),
    ];
    for (number, (key, value)) in (1..).zip(attributes) {
        subscribe.push((format!("Attributes.entry.{number}.key"), key));
        subscribe.push((format!("Attributes.entry.{number}.value"), value));
    }
    let subscribe: Vec<_> = subscribe
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    query("sns", &subscribe).await;
    queue
}

/// What a queue has got, once it has got something.
async fn received(queue: &str) -> Vec<Value> {
    let url = format!("{}/123456789012/{queue}", moto().await.endpoint);
    let started = Instant::now();
    let mut messages = Vec::new();
    while messages.is_empty() && started.elapsed() < PATIENCE {
        let body = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1});
        let answer = call("sqs", "AmazonSQS.ReceiveMessage", body).await;
        messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    }
    messages
}

#[tokio::test]
async fn a_subscriber_filters_summaries_by_their_numbers() {
    let far = Far::complete().await;
    let policy =
        r#"{"kind":["summary"],"count":[{"numeric":["<",1000]}],"mean":[{"numeric":[">=",2]}]}"#;
    let topic = format!("{ACCOUNT}:{}", far.topic);
    let queue = subscribed(&topic, &[("FilterPolicy", policy)]).await;
    far.intdash.insert("low", Line::floats([1.0, 1.5]));
    far.intdash.insert("right", Line::floats([1.0, 4.0]));
    for measurement in [SAMPLE_MEASUREMENT, "low", "right"] {
        let delivered = finished(measurement, SECRET);
        assert_eq!(send(far.router.clone(), delivered).await.status, 200);
    }
    let messages = received(&queue).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let notice: Value = serde_json::from_str(messages[0]["Body"].as_str().unwrap()).unwrap();
    let told: Value = serde_json::from_str(notice["Message"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&told["measurement"], &told["mean"]),
        (&json!("right"), &json!(2.5))
    );
    assert_eq!(notice["MessageAttributes"]["mean"]["Type"], "Number");
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_again_wherever_it_is_refused() {
    for part in ["/measurements/", "/data?"] {
        let far = Far::complete().await;
        assert_eq!(far.finish(SECRET).await.status, 200);
        far.intdash
            .refuse_next_to(part, 1, StatusCode::UNAUTHORIZED);
        let refused = far.finish(SECRET).await;
        assert_eq!(refused.status, 500, "{part}: there is no newer one");
        pass(Duration::from_secs(31)).await;
        // Anything newer will do: the server has refused one request only.
        put_value(&far.secrets[1], &intdash(&[SECRET, "another"])).await;
        far.intdash
            .refuse_next_to(part, 1, StatusCode::UNAUTHORIZED);
        assert_eq!(far.finish(SECRET).await.status, 200, "{part}");
    }
    let far = Far::complete().await;
    assert_eq!(far.finish(SECRET).await.status, 200);
    pass(Duration::from_secs(31)).await;
    far.intdash.rotate_token("newer");
    let newer = json!({"intdash": {"secrets": [SECRET], "api_token": "newer"}});
    put_value(&far.secrets[1], &newer).await;
    assert_eq!(far.finish(SECRET).await.status, 200, "without a restart");
}

#[tokio::test]
async fn a_signed_delivery_arrives_in_the_queue_behind_the_topic() {
    let far = Far::complete().await;
    let queue = subscribed(&format!("{ACCOUNT}:{}", far.topic), &[]).await;

    let answer = far.finish(SECRET).await;
    assert_eq!(answer.outcomes(), ["published"], "{answer:?}");

    let messages = received(&queue).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let notice: Value = serde_json::from_str(messages[0]["Body"].as_str().unwrap()).unwrap();
    let subject = notice["Subject"].as_str().unwrap();
    assert!(subject.contains(SAMPLE_MEASUREMENT), "{subject}");
    // A queue is told what is for programs.
    let told: Value = serde_json::from_str(notice["Message"].as_str().unwrap()).unwrap();
    let text = "Average: 99.506109\nUnbiased Variance: 243.961858\n";
    assert_eq!(
        (&told["text"], &told["measurement"]),
        (&json!(text), &json!(SAMPLE_MEASUREMENT))
    );
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_a_failure() {
    let far = Far::new([Some(vk()), Some(intdash(&[SECRET]))]).await;
    let answer = far.finish(SECRET).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(answer.outcomes(), ["failed"]);
}

#[tokio::test]
async fn two_secrets_are_merged() {
    let far = Far::complete().await;
    assert_eq!(far.copy("a").await.outcomes(), ["copied"]);
    assert_eq!(far.finish(SECRET).await.outcomes(), ["published"]);
    assert_eq!(far.finish("another").await.status, 401);
}

#[tokio::test]
async fn a_secret_that_rotated_is_fetched_again_but_not_for_every_forgery() {
    let far = Far::complete().await;
    let rotate = async |secret: &str| put_value(&far.secrets[1], &intdash(&[secret])).await;
    let status = async |secret: &str| far.finish(secret).await.status;
    assert_eq!(status(SECRET).await, 200);
    pass(Duration::from_secs(31)).await;

    rotate("second").await;
    assert_eq!(status("second").await, 200, "without a restart");
    assert_eq!(status(SECRET).await, 401);

    rotate("third").await;
    assert_eq!(status("forged").await, 401);
    assert_eq!(status("third").await, 401, "it has asked a moment ago");
    pass(Duration::from_secs(29)).await;
    assert_eq!(status("third").await, 401);
    pass(Duration::from_secs(2)).await;
    assert_eq!(status("third").await, 200);
}

#[tokio::test]
async fn secrets_without_a_value_refuse_deliveries_until_they_have_one() {
    let far = Far::new([None, None]).await;
    query("sns", &[("Action", "CreateTopic"), ("Name", &far.topic)]).await;
    for _ in 0..2 {
        assert_eq!(far.copy("a").await.status, 500);
        let refused = far.finish(SECRET).await;
        assert_eq!(refused.status, 500);
        assert_eq!(refused.json()["outcomes"], json!([]));
        assert_eq!(far.ping().await.body, "Pong\n");
    }
    put_value(&far.secrets[0], &vk()).await;
    put_value(&far.secrets[1], &intdash(&[SECRET])).await;
    pass(Duration::from_secs(5)).await;
    assert_eq!(far.copy("a").await.outcomes(), ["copied"]);
    assert_eq!(far.finish(SECRET).await.outcomes(), ["published"]);
}

#[tokio::test]
async fn a_secret_without_a_value_stops_only_the_sources_that_it_is_for() {
    let far = Far::new([Some(vk()), None]).await;
    query("sns", &[("Action", "CreateTopic"), ("Name", &far.topic)]).await;
    assert_eq!(far.finish(SECRET).await.status, 500);
    assert_eq!(far.copy("a").await.outcomes(), ["copied"]);
    assert_eq!(far.finish(SECRET).await.status, 500);
    put_value(&far.secrets[1], &intdash(&[SECRET])).await;
    pass(Duration::from_secs(5)).await;
    assert_eq!(far.finish(SECRET).await.outcomes(), ["published"]);
    assert_eq!(far.copy("b").await.outcomes(), ["copied"]);
}
