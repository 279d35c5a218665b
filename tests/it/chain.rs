//! The whole chain of built functions: a delivery reaches the receiver, its jobs the queue, a worker performs them. The queue
//! is moto's; each function runs under the emulator and dies at random moments (SIGKILL). What Lambda itself does between
//! queue and worker is done here: a batch of ten, and what did not fail is removed.
//!
//! `make soak` runs the long ones.

mod drift;
mod storm;

use crate::emulator::{emulated, post};
use crate::kills::Buckets;
use crate::moto::moto;
use crate::queue::{event, make_queue_with, receive, remove, waiting};
use crate::servers::Emulator;
use crate::world::{Chance, delivery, record};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a message is hidden that nobody removed.
const VISIBILITY: Duration = Duration::from_secs(6);
/// As in the template.
const MAX_RECEIVES: u32 = 30;
/// What the registered URL ends in, and nobody else knows.
const URL_KEY: &str = "a-long-url-key";

/// How much of it, by the environment.
fn number(name: &str, usually: u64) -> u64 {
    std::env::var(name).map_or(usually, |number| number.parse().unwrap())
}

/// A receiver, two workers, and the queue between them.
struct Chain {
    receiver: Emulator,
    workers: [Emulator; 2],
    queue: String,
    dead_letters: String,
    kills: AtomicUsize,
    batches: AtomicUsize,
    /// In KiB: of the receiver, of a worker.
    peaks: [AtomicU64; 2],
}

impl Chain {
    /// With these buckets of one store: origin, backup, state.
    async fn new(endpoint: &str, buckets: &[String; 3]) -> Self {
        let [origin, backup, state] = buckets;
        let dead_letters = make_queue_with(json!({})).await;
        let name = dead_letters.rsplit('/').next().unwrap();
        let redrive = json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:123456789012:{name}"), "maxReceiveCount": MAX_RECEIVES,
        });
        let attributes = json!({"VisibilityTimeout": VISIBILITY.as_secs().to_string(), "RedrivePolicy": redrive.to_string()});
        let queue = make_queue_with(attributes).await;
        let moto = &moto().await.endpoint;
        // A storm removes more within an hour than the brake lets go.
        let rule = json!({"hold": {"count": 1_000_000, "share": 1.0}});
        let sources = json!({"vk": {
            "kind": "s3", "flavor": "vk", "endpoint": endpoint, "region": "us-east-1", "buckets": {format!("mcs1/{origin}"): rule},
        }});
        let keys = json!({"access_key_id": "local", "secret_access_key": "local"});
        let settings = |secrets: Value| {
            let settings = [
                ("SOURCES", sources.to_string()),
                ("SECRETS", json!({"vk": secrets}).to_string()),
                ("BACKUP_BUCKET", backup.clone()),
                ("STATE_BUCKET", state.clone()),
                ("QUEUE_URL", queue.clone()),
                ("DEAD_LETTERS_URL", dead_letters.clone()),
                ("AWS_ENDPOINT_URL_S3", endpoint.to_owned()),
                ("AWS_ENDPOINT_URL_SQS", moto.clone()),
                ("AWS_ACCESS_KEY_ID", "local".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
                ("AWS_SESSION_TOKEN", String::new()),
            ];
            settings
                .map(|(name, value)| (name.to_owned(), value))
                .into()
        };
        let worker = || emulated(settings(keys.clone()));
        Self {
            receiver: emulated(settings(json!({"url_key": URL_KEY}))),
            workers: [worker(), worker()],
            queue,
            dead_letters,
            kills: AtomicUsize::new(0),
            batches: AtomicUsize::new(0),
            peaks: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    /// Invokes a function that may die meanwhile, or that died since its last answer: then there is no answer.
    fn invoke(&self, function: &Emulator, event: &Value, dies_after: Option<Duration>) -> Value {
        let answer = tokio::task::block_in_place(|| function.invoke_dying(event, dies_after));
        let peak = &self.peaks[usize::from(!std::ptr::eq(function, &raw const self.receiver))];
        peak.fetch_max(function.peak_memory(), Ordering::Relaxed);
        let died = answer.is_null() || answer["errorType"] == "Runtime.ExitError";
        self.kills.fetch_add(usize::from(died), Ordering::Relaxed);
        if died { Value::Null } else { answer }
    }

    /// Delivers, as a sender that repeats what was not answered. Returns the status.
    fn deliver(&self, url_key: &str, records: &[Value], dies_after: Option<Duration>) -> u64 {
        let path = format!("/hooks/vk/{url_key}");
        let event = post(&path, &delivery(records.iter().cloned()));
        let mut answer = self.invoke(&self.receiver, &event, dies_after);
        for _ in 0..3 {
            if answer.is_null() {
                answer = self.invoke(&self.receiver, &event, None);
            }
        }
        answer["statusCode"]
            .as_u64()
            .unwrap_or_else(|| panic!("{answer}\n{}", self.receiver.log()))
    }

    /// Hands a batch of the queue to a worker, and removes what did not fail; where that is forgotten it comes again, as the
    /// queue may do at any time. Returns whether there was anything.
    async fn work(&self, worker: usize, dies_after: Option<Duration>, forgetful: bool) -> bool {
        let messages = receive(&self.queue).await;
        if messages.is_empty() {
            return false;
        }
        self.batches.fetch_add(1, Ordering::Relaxed);
        let answer = self.invoke(&self.workers[worker], &event(&messages), dies_after);
        if answer.is_null() {
            return true;
        }
        let failed = answer["batchItemFailures"].as_array();
        let failed = failed.unwrap_or_else(|| panic!("{answer}\n{}", self.workers[worker].log()));
        let failed: BTreeSet<_> = failed
            .iter()
            .map(|failure| failure["itemIdentifier"].as_str().unwrap())
            .collect();
        for message in messages {
            if !failed.contains(message["MessageId"].as_str().unwrap()) && !forgetful {
                remove(&self.queue, &message).await;
            }
        }
        true
    }

    /// What the schedule says to a worker.
    fn tick(&self) {
        let audit = json!({"hookwork": "audit"});
        let mut told = Value::Null;
        while told.is_null() {
            told = self.invoke(&self.workers[0], &audit, None);
        }
        assert_eq!(told, json!({"count": 1}));
    }

    /// Works until the queue is empty; what is hidden is waited for.
    async fn settle(&self, worker: usize) {
        let began = Instant::now();
        while waiting(&self.queue).await != [0, 0] {
            if !self.work(worker, None, false).await {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            assert!(
                began.elapsed() < Duration::from_secs(1500),
                "the queue never empties"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_chain_that_is_killed_in_the_middle_loses_nothing() {
    let mut origin = Buckets::new().await;
    let chain = Chain::new(&origin.endpoint, &origin.names).await;
    let keys: Vec<_> = (0..12).map(|n| format!("key {n}")).collect();
    let mut chance = Chance::new();
    for round in 0..40_u64 {
        let key = &keys[chance.pick(12)];
        origin.change(key, 10_000).await;
        let mut hint = record("s3:ObjectCreated:Put", key);
        hint["s3"]["bucket"]["name"] = json!(origin.names[0]);
        let mut dies = |every: u64, within: u64| {
            let dies = round % every == 0;
            dies.then(|| Duration::from_micros(chance.below(within)))
        };
        let (receiver_dies, worker_dies) = (dies(4, 8_000), dies(3, 60_000));
        let status = chain.deliver(URL_KEY, &[hint], receiver_dies);
        assert_eq!(status, 200, "{}", chain.receiver.log());
        let _ = chain
            .work(usize::from(round % 2 == 1), worker_dies, round % 7 == 0)
            .await;
    }
    chain.settle(0).await;
    let kills = chain.kills.load(Ordering::Relaxed);
    assert!(kills > 5, "{kills} kills: too few to show anything");
    for key in &keys {
        let [there, here] = [origin.seen(0, key).await, origin.seen(1, key).await];
        assert!(there == here, "{key}\n{}", chain.workers[0].log());
    }
    assert_eq!(waiting(&chain.dead_letters).await, [0, 0]);
}
