//! What a process with small bounds runs: nothing is lost, nothing comes twice, no border is skipped over, nothing is endless.

mod audit;
mod mirror;
mod notices;
mod queue;

use super::{asked, small};
use crate::world::{World, created};
use hookwork::twin::s3::{Object, Store};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, timeout};

/// What takes longer is endless.
const PATIENCE: Duration = Duration::from_secs(90);
const HOUR: Duration = Duration::from_secs(3600);

/// Runs a test where bounds are small. Whoever runs all tests that are ignored has the usual ones, which these are not for.
async fn bounded(test: impl Future<Output = ()>) {
    if asked().is_some() {
        super::shrink_where_asked();
        let ended = timeout(PATIENCE, test).await;
        ended.expect("it ends");
    }
}

/// All that a bucket has.
fn bodies(store: &Store, bucket: &str) -> BTreeMap<String, Vec<u8>> {
    let keys = store.keys(bucket).into_iter();
    keys.map(|key| {
        let body = store.get(bucket, &key).unwrap().body();
        (key, body)
    })
    .collect()
}

/// Makes an object as old as this.
fn age(store: &Store, bucket: &str, key: &str, age: Duration) {
    let mut object = Object::clone(&store.get(bucket, key).expect("an object"));
    object.last_modified = SystemTime::now() - age;
    store.put_object(bucket, key, object);
}

/// Delivers that these keys were created, as many at a time as a delivery may have. Returns the ids of the deliveries.
async fn told(world: &World, keys: &[String]) -> Vec<String> {
    let mut ids = Vec::new();
    for some in keys.chunks(small("delivery.records")) {
        let answer = world.deliver(some.iter().map(|key| created(key))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        ids.push(text(&answer.json()["delivery"]));
    }
    ids
}

/// Keys that begin with their number and have what keys may have.
fn keys(count: usize) -> Vec<String> {
    const ENDS: [&str; 6] = ["", " +%20", "/ü", "/é+&=", "//x", "/..%2F"];
    let keys = (0..count).map(|number| format!("{number:03}{}", ENDS[number % ENDS.len()]));
    keys.collect()
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
