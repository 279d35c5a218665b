//! Every file of `events/`, as it is used: in process through the function's door towards Lambda, to the built function
//! under the runtime emulator, and by `sam local invoke` in a container. One table of expectations, three ways to run it.
//!
//! It must never repair a file: what is committed is what is invoked, and env.json's settings are what it is run with.

mod container;

use crate::emulator::{emulated, invoke};
use crate::world::{TOPIC, app, far_sides_on};
use hookwork::app::App;
use hookwork::lambda;
use hookwork::twin::s3::Store;
use hookwork::twin::topic::Topic;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// VK's published signatures: of the article, and of the documentation.
const ARTICLE: &str = "3754ce36636f80dfd606c5254d64ecb2fd8d555c27962b70b4f759f32c76b66d";
const DOCS: &str = "ea3fce4bb15c6de4fec365d36bcebbc34ccddf54616d5ca12e1972f82b6d37af";
const MEASUREMENT: &str = "1a14f158-2a0c-44c7-ace1-e0d21ecc93e9";

/// What is in the origins before each event: bucket and key. Its bytes are the two, with a slash.
const ORIGINS: [(&str, &str); 9] = [
    ("myfiles-ash", "untouched.txt"),
    ("origin", "hello.txt"),
    ("origin", "photos/Ünï 100%+1.jpg"),
    ("origin", "kept.txt"),
    ("bucketA", "some-file-to-bucket"),
    ("photos", "red flower/a+b.jpg"),
    ("mybucket1", "myimage1.jpg"),
    ("mybucket", "HappyFace.jpg"),
    ("mySampleBucket", "objectName.txt"),
];

/// What a file is answered with, and what is there afterwards.
struct Row {
    file: &'static str,
    /// The file that is invoked before; `hello.txt` is removed from the origin then.
    after: Option<&'static str>,
    status: u16,
    answer: Answer,
    /// Keys of the backup, each with the object it is a copy of.
    backup: &'static [(&'static str, &'static str)],
    notices: usize,
}

enum Answer {
    Says(&'static str),
    Signs(&'static str),
    /// Keys and what became of them.
    Mirrors(&'static [(&'static str, &'static str)]),
    /// What became of the measurement.
    Summarises(&'static str),
    /// It triggers no job.
    Ignores,
    Refuses(&'static str),
    /// No request: the answer is this JSON.
    Tells(&'static str),
}
use Answer::{Ignores, Mirrors, Refuses, Says, Signs, Summarises, Tells};

const fn row(file: &'static str, status: u16, answer: Answer) -> Row {
    Row {
        file,
        after: None,
        status,
        answer,
        backup: &[],
        notices: 0,
    }
}

/// Of what is no request.
const fn told(file: &'static str, answer: &'static str) -> Row {
    row(file, 0, Tells(answer))
}

impl Row {
    const fn copies(self, backup: &'static [(&'static str, &'static str)]) -> Self {
        Self { backup, ..self }
    }

    const fn publishes(self) -> Self {
        Self { notices: 1, ..self }
    }

    const fn after(self, file: &'static str) -> Self {
        Self {
            after: Some(file),
            ..self
        }
    }

    fn check(&self, answer: &Value) {
        let file = self.file;
        if let Tells(expected) = self.answer {
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert_eq!(*answer, expected, "{file}");
            return;
        }
        assert_eq!(answer["statusCode"], self.status, "{file}: {answer}");
        assert_eq!(answer["isBase64Encoded"], false, "{file}: {answer}");
        self.answer.check(file, answer);
    }
}

const HELLO: (&str, &str) = ("origin/hello.txt", "origin/hello.txt");
const PHOTO: (&str, &str) = (
    "origin/photos/Ünï 100%+1.jpg",
    "origin/photos/Ünï 100%+1.jpg",
);
const COPIED: Answer = Mirrors(&[("hello.txt", "copied")]);
const PUBLISHED: Answer = Summarises("published");
const UNAUTHENTIC: Answer = Refuses("signature or token missing or wrong");

const TABLE: [Row; 34] = [
    row("ping", 200, Says("Pong\n")),
    row("vk-handshake-article", 200, Signs(ARTICLE)),
    row("vk-handshake-docs", 200, Signs(DOCS)),
    row("vk-handshake-rest-v1", 200, Signs(ARTICLE)),
    row("vk-handshake-base64", 200, Signs(ARTICLE)),
    row("vk-handshake-spaces", 200, Signs(ARTICLE)),
    row("vk-handshake-no-content-type", 200, Signs(ARTICLE)),
    row("vk-handshake-function-url", 200, Signs(ARTICLE)),
    row("vk-created", 200, COPIED).copies(&[HELLO]),
    row("vk-webhook-path", 200, COPIED).copies(&[HELLO]),
    row("vk-removed", 200, Mirrors(&[("hello.txt", "deleted")])).after("vk-created"),
    // The photo's key is looked at as it is and decoded; only the first is there.
    row(
        "vk-multi-record",
        200,
        Mirrors(&[
            ("hello.txt", "copied"),
            ("photos/Ünï 100%+1.jpg", "copied"),
            ("photos/Ünï 100% 1.jpg", "unchanged"),
            ("old.txt", "unchanged"),
            ("kept.txt", "ignored"),
        ]),
    )
    .copies(&[HELLO, PHOTO]),
    row(
        "vk-docs-created",
        200,
        Mirrors(&[("some-file-to-bucket", "copied")]),
    )
    .copies(&[("docs/some-file-to-bucket", "bucketA/some-file-to-bucket")]),
    row(
        "minio-created",
        200,
        Mirrors(&[("red flower/a+b.jpg", "copied")]),
    )
    .copies(&[("minio/red flower/a+b.jpg", "photos/red flower/a+b.jpg")]),
    row(
        "minio-created-token",
        200,
        Mirrors(&[("red flower/a+b.jpg", "copied")]),
    )
    .copies(&[(
        "minio-token/red flower/a+b.jpg",
        "photos/red flower/a+b.jpg",
    )]),
    row("minio-created-no-token", 401, UNAUTHENTIC),
    row("b2-created", 200, Mirrors(&[("objectName.txt", "copied")]))
        .copies(&[("b2/objectName.txt", "mySampleBucket/objectName.txt")]),
    row("b2-hidden", 200, Mirrors(&[("hidden.txt", "unchanged")])),
    row("b2-test-event", 200, Ignores),
    row("ceph-created", 200, Mirrors(&[("myimage1.jpg", "copied")]))
        .copies(&[("ceph/myimage1.jpg", "mybucket1/myimage1.jpg")]),
    row("aws-created", 200, Mirrors(&[("HappyFace.jpg", "copied")]))
        .copies(&[("aws/HappyFace.jpg", "mybucket/HappyFace.jpg")]),
    row("aws-test-event", 200, Ignores),
    // Of some day in March: what is as old as that is refused before anything is called.
    row("aws-sns-confirmation", 401, UNAUTHENTIC),
    row("aws-sns-created", 401, UNAUTHENTIC),
    row(
        "aws-sns-other-topic",
        403,
        Refuses("arn:aws:sns:us-west-2:123456789012:MyTopic is not one of the source's topics"),
    ),
    row("intdash-completed", 200, PUBLISHED).publishes(),
    row("intdash-completed-rest-v1", 200, PUBLISHED).publishes(),
    row("intdash-completed-base64", 200, PUBLISHED).publishes(),
    row("intdash-finished", 200, PUBLISHED).publishes(),
    row("intdash-test-delivery", 200, Ignores),
    row("intdash-bad-signature", 401, UNAUTHENTIC),
    told("queue-mirror", r#"{"batchItemFailures":[]}"#).copies(&[HELLO, PHOTO]),
    // As many as env.json has origin buckets. What is younger than a quarter of an hour is left to its event.
    told("audit", r#"{"count":8}"#),
    told("release", r#"{"count":0}"#).after("audit"),
];

#[test]
fn every_file_has_a_row() {
    let mut files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| Some(file.strip_suffix(".json")?.to_owned()))
        .collect();
    assert!(files.remove("env"), "the settings are there");
    let rows: BTreeSet<String> = TABLE.iter().map(|row| row.file.to_owned()).collect();
    assert_eq!(files, rows);
}

#[tokio::test]
async fn every_file_is_answered_in_process() {
    let side = Side::on("127.0.0.1").await;
    let settings = side.settings();
    let [s3_url, topic_url, _] = &side.urls;
    let app = app(|key| settings.get(key).cloned(), s3_url, topic_url).await;
    side.run(async |event| dispatched(&app, &event).await).await;
}

/// What the function answers to an event, in process.
pub(crate) async fn dispatched(app: &Arc<App>, event: &Value) -> Value {
    dispatched_within(app, event, Duration::from_secs(60)).await
}

/// The same of a function that has this much time.
pub(crate) async fn dispatched_within(app: &Arc<App>, event: &Value, time: Duration) -> Value {
    let answer = invoked(app, event, time, None).await.unwrap();
    serde_json::to_value(answer).unwrap()
}

/// The same of an invocation whose trace header is this.
pub(crate) async fn dispatched_in_trace(app: &Arc<App>, event: &Value, header: &str) -> Value {
    let time = Duration::from_secs(60);
    let answer = invoked(app, event, time, Some(header)).await.unwrap();
    serde_json::to_value(answer).unwrap()
}

/// Why the function fails an event.
pub(crate) async fn refused(app: &Arc<App>, event: &Value) -> String {
    let answer = invoked(app, event, Duration::from_secs(60), None).await;
    answer.unwrap_err().to_string()
}

async fn invoked(
    app: &Arc<App>,
    event: &Value,
    time: Duration,
    trace: Option<&str>,
) -> Result<lambda::Response, lambda_runtime::Error> {
    let mut context = Context::default();
    context.xray_trace_id = trace.map(ToOwned::to_owned);
    let ends = SystemTime::now() + time;
    let ends = ends.duration_since(UNIX_EPOCH).unwrap().as_millis();
    context.deadline = ends.try_into().unwrap();
    let payload = RawValue::from_string(event.to_string()).unwrap();
    let event = LambdaEvent::new(payload, context);
    let router = hookwork::http::router(app.clone());
    lambda::dispatch(app.clone(), router, event).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_answered_by_the_built_function() {
    let side = Side::on("127.0.0.1").await;
    let function = emulated(side.settings());
    side.run(async |event| invoke(&function, &event).await)
        .await;
}

/// The far sides that env.json's settings are pointed at.
struct Side {
    store: Store,
    topic: Topic,
    urls: [String; 3],
}

impl Side {
    async fn on(address: &str) -> Self {
        let (store, _, topic, intdash, urls) = far_sides_on(address).await;
        intdash.rotate_token("local");
        Self { store, topic, urls }
    }

    /// env.json's settings, its addresses replaced by those of the far sides.
    fn settings(&self) -> BTreeMap<String, String> {
        let [s3_url, topic_url, intdash_url] = &self.urls;
        let outside = "http://host.docker.internal";
        let parameters: BTreeMap<String, String> =
            serde_json::from_value(read("env")["Parameters"].take()).unwrap();
        let replaced = parameters.into_iter().map(|(key, value)| {
            let value = value
                .replace(&format!("{outside}:9000"), s3_url)
                .replace(&format!("{outside}:9001"), intdash_url)
                .replace(&format!("{outside}:5000"), topic_url)
                .replace("arn:aws:sns:us-east-1:123456789012:hookwork-notices", TOPIC);
            assert!(!value.contains("docker"), "{key} points outside: {value}");
            (key, value)
        });
        replaced.collect()
    }

    /// Every row of the table.
    async fn run(&self, invoke: impl AsyncFn(Value) -> Value) {
        for row in &TABLE {
            self.reset();
            if let Some(before) = row.after {
                let before = TABLE.iter().find(|row| row.file == before).unwrap();
                before.check(&invoke(read(before.file)).await);
                self.store.delete("origin", "hello.txt");
            }
            let published = self.topic.notices().len();
            row.check(&invoke(read(row.file)).await);
            let file = row.file;
            let copies: Vec<String> = row.backup.iter().map(|(key, _)| (*key).into()).collect();
            assert_eq!(self.store.keys("backup"), copies, "{file}");
            for (key, original) in row.backup {
                let copy = self.store.get("backup", key).unwrap();
                assert_eq!(copy.body(), original.as_bytes(), "{file}: {key}");
            }
            let notices = self.topic.notices().split_off(published);
            assert_eq!(notices.len(), row.notices, "{file}");
            for notice in notices {
                let text = "Average: 99.506109\nUnbiased Variance: 243.961858\n";
                assert!(notice.message.starts_with(text), "{file}: {notice:?}");
            }
        }
    }

    fn reset(&self) {
        for bucket in ["backup", "state"] {
            for key in self.store.keys(bucket) {
                self.store.delete(bucket, &key);
            }
        }
        for (bucket, key) in ORIGINS {
            self.store.put(bucket, key, format!("{bucket}/{key}"));
        }
    }
}

impl Answer {
    fn check(&self, file: &str, answer: &Value) {
        let body = answer["body"].as_str().unwrap();
        let is_json = answer["headers"]["content-type"] == "application/json";
        assert_ne!(is_json, matches!(self, Says(_)), "{file}: {answer}");
        let parsed = || serde_json::from_str::<Value>(body).unwrap();
        let outcomes = |expected: Value| {
            let parsed = parsed();
            let id = parsed["delivery"].as_str().unwrap();
            let id = uuid::Uuid::parse_str(id).unwrap();
            assert_eq!(id.get_version_num(), 7, "{file}");
            assert_eq!(parsed["outcomes"], expected, "{file}");
        };
        match self {
            Tells(_) => unreachable!("no request"),
            Says(text) => assert_eq!(body, *text, "{file}"),
            Signs(signature) => {
                assert_eq!(body, json!({"signature": signature}).to_string(), "{file}");
            }
            Mirrors(keys) => {
                let found = parsed()["outcomes"].as_array().cloned().unwrap_or_default();
                let found: Vec<_> = found
                    .iter()
                    .map(|one| {
                        (
                            one["key"].as_str().unwrap(),
                            one["outcome"].as_str().unwrap(),
                        )
                    })
                    .collect();
                assert_eq!(found, *keys, "{file}: {body}");
            }
            Summarises(outcome) => {
                outcomes(
                    json!([{"job": "summary", "measurement": MEASUREMENT, "outcome": outcome}]),
                );
            }
            Ignores => outcomes(json!([{"outcome": "ignored"}])),
            Refuses(why) => {
                let parsed = parsed();
                assert_eq!(parsed["error"], *why, "{file}");
                assert!(parsed["delivery"].is_string(), "{file}");
                assert_eq!(
                    parsed.as_object().unwrap().len(),
                    2,
                    "{file}: no more is told"
                );
            }
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn read(file: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{file}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}
