//! The only builder of an App in tests: the function's own router, with far sides in process.

mod chance;
mod logs;

pub(crate) use chance::Chance;
pub(crate) use logs::Logs;

use axum::body::Body;
use bytes::Bytes;
use hookwork::app::App;
use hookwork::clients::Aws;
use hookwork::config::Config;
use hookwork::domain::inbox::{FOLDER, Row, STRANGERS, group, rows};
use hookwork::http::Arrival;
use hookwork::twin::faults::Faults;
use hookwork::twin::intdash::{Intdash, SAMPLE_MEASUREMENT, signature};
use hookwork::twin::s3::{self, Object, Store};
use hookwork::twin::topic::Topic;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower::ServiceExt as _;

pub(crate) const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:notices";
pub(crate) const SECRET: &str = "stringstringstringstringstringst";
pub(crate) const TOKEN: &str = "token";

/// What a delivery was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The outcomes' words, in order.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let outcomes = self.json()["outcomes"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        outcomes
            .iter()
            .map(|outcome| outcome["outcome"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A function and its far sides.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) faults: Faults,
    pub(crate) topic: Topic,
    pub(crate) intdash: Intdash,
    app: Arc<App>,
    urls: [String; 3],
}

/// The far sides alone, for a function that runs elsewhere.
pub(crate) async fn far_sides() -> (Store, Faults, Topic, Intdash, [String; 3]) {
    far_sides_on("127.0.0.1").await
}

/// The same on another address of this machine.
pub(crate) async fn far_sides_on(address: &str) -> (Store, Faults, Topic, Intdash, [String; 3]) {
    let listen = async || TcpListener::bind((address, 0)).await.unwrap();
    let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let (s3_side, topic_side, intdash_side) = (listen().await, listen().await, listen().await);
    let urls = [url(&s3_side), url(&topic_side), url(&intdash_side)];
    let (store, faults) = (Store::new(&["origin", "backup", "state"]), Faults::new());
    tokio::spawn(s3::serve(s3_side, store.clone(), faults.clone()));
    let topic = Topic::new(TOPIC);
    tokio::spawn(topic.clone().serve(topic_side, std::future::pending()));
    let intdash = Intdash::with_sample(TOKEN);
    tokio::spawn(intdash.clone().serve(intdash_side, std::future::pending()));
    (store, faults, topic, intdash, urls)
}

/// The function's router, for a test that needs no more of it.
pub(crate) async fn function(
    setting: impl Fn(&str) -> Option<String>,
    s3_url: &str,
    aws_url: &str,
) -> axum::Router {
    hookwork::http::router(app(setting, s3_url, aws_url).await)
}

/// The function, from its settings by name, and with the endpoints of its storage and of everything else of AWS.
pub(crate) async fn app(
    setting: impl Fn(&str) -> Option<String>,
    s3_url: &str,
    aws_url: &str,
) -> Arc<App> {
    crate::small::shrink_where_asked();
    // Shown with a test that fails: the causes are in the log and nowhere else.
    let _ = tracing_subscriber::fmt()
        .with_test_writer()
        .with_max_level(tracing::Level::INFO)
        .try_init();
    let aws = Aws::local(s3_url, aws_url).await;
    App::new(Config::from_lookup(setting).unwrap(), aws)
}

/// The variables of a function that mirrors into this bucket, by name.
pub(crate) fn variables(
    sources: &Value,
    secrets: &Value,
    backup: &str,
    state: Option<&str>,
) -> impl Fn(&str) -> Option<String> + use<> {
    let known = [
        ("SOURCES", Some(sources.to_string())),
        ("SECRETS", Some(secrets.to_string())),
        ("BACKUP_BUCKET", Some(backup.to_owned())),
        ("STATE_BUCKET", state.map(ToOwned::to_owned)),
        ("SNS_TOPIC_ARN", Some(TOPIC.to_owned())),
    ];
    move |key| {
        let found = known.iter().find(|(name, _)| *name == key);
        found.and_then(|(_, value)| value.clone())
    }
}

/// Sends a request to a function's router.
pub(crate) async fn send(router: axum::Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// A source `vk` of one bucket with this rule.
pub(crate) fn vk(endpoint: &str, rule: Value) -> Value {
    json!({
        "kind": "s3", "flavor": "vk", "endpoint": endpoint, "region": "ru-msk", "url": "http://89.208.199.220/webhook", "path": "/webhook",
        "buckets": {"mcs1/origin": rule},
    })
}

pub(crate) fn secrets() -> Value {
    json!({
        "vk": {"access_key_id": "local", "secret_access_key": "local"},
        "intdash": {"secrets": ["previous", SECRET], "api_token": TOKEN},
    })
}

impl World {
    /// The deliveries in the inbox, newest first.
    pub(crate) fn inbox(&self) -> Vec<Row> {
        let files = self.store.keys("state");
        let of = |folder| rows(files.iter().filter_map(|place| place.strip_prefix(folder)));
        let mut all = [of(FOLDER), of(STRANGERS)].concat();
        all.sort_by_key(|row| group(row.id));
        // One that has proven itself since is in both.
        all.dedup_by_key(|row| row.id);
        all
    }

    /// One origin bucket without a prefix, and an intdash server with the sample measurement.
    pub(crate) async fn new() -> Self {
        Self::with_rule(json!({})).await
    }

    pub(crate) async fn with_rule(rule: Value) -> Self {
        Self::with(|s3_url, intdash_url| {
            (
                json!({"vk": vk(s3_url, rule), "intdash": {"kind": "intdash", "url": intdash_url}}),
                secrets(),
            )
        })
        .await
    }

    /// With a state bucket for ledgers and audits alone, so that uploads can be resumed: these tests count its calls.
    pub(crate) async fn resumable() -> Self {
        Self::resumable_with(json!({})).await
    }

    pub(crate) async fn resumable_with(rule: Value) -> Self {
        let sources = |s3_url: &str, _: &str| (json!({"vk": vk(s3_url, rule)}), secrets());
        Self::build(sources, Some("state"), "nothing").await
    }

    /// With a state bucket, and deliveries in it.
    pub(crate) async fn mirroring(rule: Value) -> Self {
        Self::with_state(|s3_url, _| (json!({"vk": vk(s3_url, rule)}), secrets())).await
    }

    /// With a state bucket, for what a notice has no room for.
    pub(crate) async fn summarising() -> Self {
        let intdash = |url: &str| json!({"intdash": {"kind": "intdash", "url": url}});
        Self::build(|_, url| (intdash(url), secrets()), Some("state"), "nothing").await
    }

    pub(crate) async fn with(settings: impl FnOnce(&str, &str) -> (Value, Value)) -> Self {
        Self::build(settings, None, "all").await
    }

    pub(crate) async fn with_state(settings: impl FnOnce(&str, &str) -> (Value, Value)) -> Self {
        Self::build(settings, Some("state"), "all").await
    }

    async fn build(
        settings: impl FnOnce(&str, &str) -> (Value, Value),
        state: Option<&str>,
        record: &str,
    ) -> Self {
        let (store, faults, topic, intdash, urls) = far_sides().await;
        let (sources, secrets) = settings(&urls[0], &urls[2]);
        let setting = recorded(variables(&sources, &secrets, "backup", state), record);
        let app = app(setting, &urls[0], &urls[1]).await;
        Self {
            store,
            faults,
            topic,
            intdash,
            app,
            urls,
        }
    }

    /// Another function of the same far sides, with this rule.
    pub(crate) async fn another(&self, rule: Value) -> Arc<App> {
        let sources = json!({"vk": vk(&self.urls[0], rule)});
        self.recording("nothing", &sources, &secrets()).await
    }

    /// Another function of the same far sides, with these sources and secrets, which records so much.
    pub(crate) async fn recording(
        &self,
        record: &str,
        sources: &Value,
        secrets: &Value,
    ) -> Arc<App> {
        let setting = recorded(variables(sources, secrets, "backup", Some("state")), record);
        app(setting, &self.urls[0], &self.urls[1]).await
    }

    pub(crate) fn app(&self) -> &Arc<App> {
        &self.app
    }

    pub(crate) fn put(&self, key: &str, body: impl Into<Bytes>) {
        self.store.put("origin", key, body);
    }

    pub(crate) fn remove(&self, key: &str) {
        self.store.delete("origin", key);
    }

    pub(crate) fn backup(&self, key: &str) -> Option<Vec<u8>> {
        self.store.get("backup", key).map(|object| object.body())
    }

    /// The backup's object without our mark.
    pub(crate) fn backup_object(&self, key: &str) -> Option<Object> {
        let mut object = Object::clone(&*self.store.get("backup", key)?);
        let mark = object
            .properties
            .metadata
            .remove("hookwork-mark")
            .or(object.properties.tags.remove("hookwork-mark"));
        assert!(mark.is_some(), "every copy is marked");
        Some(object)
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send(hookwork::http::router(self.app.clone()), request).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(Request::post(path).body(body.into()).unwrap())
            .await
    }

    /// Delivers records to the source `vk`.
    pub(crate) async fn deliver(&self, records: impl IntoIterator<Item = Value>) -> Answer {
        self.post("/hooks/vk", delivery(records)).await
    }

    /// The same, with only so long to do the work.
    pub(crate) async fn deliver_within(
        &self,
        limit: Duration,
        records: impl IntoIterator<Item = Value>,
    ) -> Answer {
        let mut request = Request::post("/hooks/vk")
            .body(Body::from(delivery(records)))
            .unwrap();
        request.extensions_mut().insert(Arrival {
            url: None,
            from: None,
            trace: None,
            deadline: Instant::now() + limit,
        });
        self.send(request).await
    }

    /// Delivers a signed finished measurement.
    pub(crate) async fn finish(&self, measurement: &str) -> Answer {
        self.send(finished(measurement, SECRET)).await
    }

    pub(crate) async fn finish_sample(&self) -> Answer {
        self.finish(SAMPLE_MEASUREMENT).await
    }
}

/// These settings, with so much recorded.
fn recorded(
    known: impl Fn(&str) -> Option<String>,
    record: &str,
) -> impl Fn(&str) -> Option<String> {
    move |name| match name {
        "RECORD" => Some(record.to_owned()),
        name => known(name),
    }
}

pub(crate) fn delivery(records: impl IntoIterator<Item = Value>) -> String {
    json!({"Records": records.into_iter().collect::<Vec<_>>()}).to_string()
}

/// A delivery of a finished measurement, signed with this secret.
pub(crate) fn finished(measurement: &str, secret: &str) -> Request<Body> {
    let body = json!({"resource_type": "measurement", "action": "completed", "measurement_uuid": measurement}).to_string();
    Request::post("/hooks/intdash")
        .header(
            "X-Intdash-Signature-256",
            signature(secret, body.as_bytes()),
        )
        .body(Body::from(body))
        .unwrap()
}

/// A record in VK's shape.
pub(crate) fn record(event: &str, key: &str) -> Value {
    json!({
        "eventName": event, "eventVersion": "1.0", "eventSource": "aws:s3", "awsRegion": "ru-msk",
        "s3": {"bucket": {"name": "origin", "ownerIdentity": {"principalId": "mcs1"}}, "object": {"key": key, "sequencer": 1577453615}},
    })
}

pub(crate) fn created(key: &str) -> Value {
    record("s3:ObjectCreated:Put", key)
}

pub(crate) fn removed(key: &str) -> Value {
    record("s3:ObjectRemoved:Delete", key)
}

/// Bytes that no two offsets share.
pub(crate) fn bytes(length: usize) -> Bytes {
    let mut chance = Chance::new();
    let words = std::iter::repeat_with(move || chance.next().to_le_bytes());
    words
        .take(length.div_ceil(8))
        .flatten()
        .take(length)
        .collect::<Vec<_>>()
        .into()
}
