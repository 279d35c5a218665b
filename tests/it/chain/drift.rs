//! Drift of every kind, planted among many alike: the audit finds all of it and invents none, though its worker dies at random
//! slices. `make soak` has a million keys.

use super::{Chain, URL_KEY, number};
use crate::emulator::lines;
use crate::queue::waiting;
use crate::world::{Chance, created, far_sides};
use hookwork::twin::s3::{Object, Properties, Store};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

fn object(body: String, hours: u32) -> Object {
    let mut object = Object::new(body, Properties::default());
    object.last_modified = SystemTime::now() - hours * HOUR;
    object
}

fn age(store: &Store, bucket: &str, key: &str, hours: u32) {
    let mut object = Object::clone(&store.get(bucket, key).unwrap());
    object.last_modified = SystemTime::now() - hours * HOUR;
    store.put_object(bucket, key, object);
}

/// The lines of the worker that carries the audit.
fn log(chain: &Chain) -> Vec<Value> {
    lines(&chain.workers[0].log())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_audit_finds_every_planted_difference_and_invents_none() {
    let total = number("AUDIT_KEYS", 6_000);
    let each = (total / 5_000).max(8);
    let (store, faults, _topic, _intdash, [endpoint, ..]) = far_sides().await;
    let buckets = ["origin", "backup", "state"].map(str::to_owned);
    let chain = Chain::new(&endpoint, &buckets).await;

    // Where they lie among the others, nobody knows.
    let mut chance = Chance::new();
    let mut some = |kind: &'static str| -> Vec<String> {
        let place = |_| format!("{:07} {kind}", chance.below(total));
        let mut keys: Vec<_> = (0..2 * each).map(place).collect();
        keys.sort();
        keys.dedup();
        keys.truncate(usize::try_from(each).unwrap());
        assert_eq!(keys.len() as u64, each);
        keys
    };
    let kinds = [
        "bytes", "size", "metadata", "gone", "missing", "young", "foreign",
    ]
    .map(&mut some);
    let [bytes, size, metadata, gone, missing, young, foreign] = &kinds;

    // These have been mirrored, as the function does it.
    let mirrored: Vec<_> = kinds[..4].iter().flatten().collect();
    for key in &mirrored {
        store.put_object("origin", key, object(format!("of {key}"), 10));
    }
    for some in mirrored.chunks(500) {
        let records: Vec<_> = some.iter().map(|key| created(key)).collect();
        assert_eq!(chain.deliver(URL_KEY, &records, None), 200);
    }
    chain.settle(0).await;
    for key in &mirrored {
        age(&store, "backup", key, 5);
    }
    // And then nothing was heard of this.
    for key in bytes {
        store.put_object("origin", key, object(format!("Of {key}"), 1));
    }
    for key in size {
        store.put_object("origin", key, object("longer than before".repeat(3), 1));
    }
    for key in metadata {
        let mut changed = object(format!("of {key}"), 1);
        let cached = Some("no-store".to_owned());
        changed.properties.cache_control = cached;
        store.put_object("origin", key, changed);
    }
    for key in gone {
        store.delete("origin", key);
    }
    for key in missing {
        store.put_object("origin", key, object("new".to_owned(), 1));
    }
    for key in young {
        store.put_object(
            "origin",
            key,
            object("its event is on its way".to_owned(), 0),
        );
    }
    for key in foreign {
        store.put_object("backup", key, object("nobody's".to_owned(), 5));
    }
    // Of these both have the same, and they are not looked at one by one.
    for n in 0..total {
        let (key, body) = (format!("{n:07}"), (n % 100).to_string());
        store.put_object("origin", &key, object(body.clone(), 10));
        store.put_object("backup", &key, object(body, 5));
    }

    let calls = faults.calls().len();
    let known = log(&chain).len();
    let kills = || chain.kills.load(Ordering::Relaxed) as u64;
    let (before, wanted) = (kills(), 2 + total / 100_000);
    let began = Instant::now();
    chain.tick();
    while waiting(&chain.queue).await != [0, 0] {
        let dies = kills() - before < wanted;
        let dies_after =
            (dies && chance.below(4) == 0).then(|| Duration::from_millis(chance.below(2_000)));
        if !chain.work(0, dies_after, false).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let seconds = began.elapsed().as_secs_f64();

    let lines = log(&chain);
    let ended: Vec<_> = lines
        .iter()
        .filter(|line| line["message"] == "audit")
        .collect();
    let [line] = &ended[..] else {
        panic!("{ended:?}")
    };
    println!(
        "{total} keys and {} planted differences: {line}; {} kills, {} calls of the store, {seconds:.0} s, peak memory {} MiB",
        5 * each,
        kills() - before,
        faults.calls().len() - calls,
        chain.peaks[1].load(Ordering::Relaxed) / 1024,
    );
    let of = |name: &str| line[name].as_u64().unwrap();
    assert_eq!(
        ["removals", "foreign", "unreadable"].map(of),
        [each, each, 0]
    );
    // What a slice that died had found is repaired before the next one looks.
    assert!(of("hints") == 4 * each || (of("hints") < 4 * each && kills() > before));
    assert_eq!(line["keys"], total + 5 * each);

    // The mirror was sent to these keys and to no others.
    let jobs = lines[known..]
        .iter()
        .filter(|line| line["job.kind"] == "mirror");
    let jobs: BTreeSet<_> = jobs
        .map(|line| line["object.key"].as_str().unwrap())
        .collect();
    let planted: BTreeSet<_> = kinds[..5].iter().flatten().map(String::as_str).collect();
    assert!(jobs == planted, "{:?}", jobs.symmetric_difference(&planted));

    // Every copy is as it should be, and none was touched without need.
    let body = |bucket, key: &String| store.get(bucket, key).map(|object| object.body());
    for key in kinds[..5].iter().flatten() {
        assert_eq!(body("origin", key), body("backup", key), "{key}");
    }
    for key in metadata {
        let copy = store.get("backup", key).unwrap();
        assert_eq!(copy.properties.cache_control.as_deref(), Some("no-store"));
    }
    for key in young {
        assert!(body("backup", key).is_none(), "{key}: left to its event");
    }
    for key in foreign {
        assert_eq!(body("backup", key).unwrap(), b"nobody's");
    }
    for n in 0..total {
        let copy = store.get("backup", &format!("{n:07}")).unwrap();
        assert!(
            copy.last_modified < SystemTime::now() - 4 * HOUR,
            "{n} was written"
        );
    }
    assert_eq!(waiting(&chain.dead_letters).await, [0, 0]);
}
