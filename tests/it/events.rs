//! Every file of `events/`, as it is used: in process through the function's door towards Lambda, to the built function
//! under the runtime emulator, and by `sam local invoke` in a container. One table of expectations, three ways to run it.
//!
//! It must never repair a file: what is committed is what is invoked, and env.json's settings are what it is run with.

mod apis;
mod container;
mod table;

use crate::emulator::{emulated, invoke};
use crate::world::{TOPIC, app, far_sides_on};
use hookwork::app::App;
use hookwork::lambda;
use hookwork::twin::s3::Store;
use hookwork::twin::topic::Topic;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use table::TABLE;

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
    let answer = invoked(app, &event.to_string(), time, None).await.unwrap();
    serde_json::to_value(answer).unwrap()
}

/// The same of an event in just these words.
pub(crate) async fn dispatched_text(app: &Arc<App>, event: &str) -> Value {
    let answer = invoked(app, event, Duration::from_secs(60), None).await;
    serde_json::to_value(answer.unwrap()).unwrap()
}

/// The same of an invocation whose trace header is this.
pub(crate) async fn dispatched_in_trace(app: &Arc<App>, event: &Value, header: &str) -> Value {
    let time = Duration::from_secs(60);
    let answer = invoked(app, &event.to_string(), time, Some(header))
        .await
        .unwrap();
    serde_json::to_value(answer).unwrap()
}

/// Why the function fails an event.
pub(crate) async fn refused(app: &Arc<App>, event: &Value) -> String {
    let answer = invoked(app, &event.to_string(), Duration::from_secs(60), None).await;
    answer.unwrap_err().to_string()
}

async fn invoked(
    app: &Arc<App>,
    event: &str,
    time: Duration,
    trace: Option<&str>,
) -> Result<lambda::Response, lambda_runtime::Error> {
    let mut context = Context::default();
    context.xray_trace_id = trace.map(ToOwned::to_owned);
    let ends = SystemTime::now() + time;
    let ends = ends.duration_since(UNIX_EPOCH).unwrap().as_millis();
    context.deadline = ends.try_into().unwrap();
    let payload = RawValue::from_string(event.to_owned()).unwrap();
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
            assert_eq!(notices.len(), usize::from(row.notice.is_some()), "{file}");
            for notice in notices {
                let begins = notice.message.starts_with(row.notice.unwrap());
                assert!(begins, "{file}: {notice:?}");
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

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn read(file: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{file}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}
