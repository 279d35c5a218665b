//! A storm of deliveries: some are lost, doubled, out of order or forged; functions die, the store fails, the queue repeats
//! itself. When it is over and the audit has run, the backup equals the origin. `make soak` has 10,000 of them.

use super::{Chain, URL_KEY, number};
use crate::queue::waiting;
use crate::world::{Chance, far_sides, record};
use hookwork::twin::faults::{Fault, Faults, On};
use hookwork::twin::s3::{Object, Properties, Store};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How far the origin's clock is behind: its changes are old enough for the audit to judge.
const BEHIND: Duration = Duration::from_secs(24 * 3600);
/// How many deliveries are on their way at a time; each of them may be the next to arrive.
const ON_THEIR_WAY: usize = 40;

/// A worker that works until nothing is left, and sometimes dies, forgets, or finds the store failing.
async fn work(
    chain: Arc<Chain>,
    worker: usize,
    over: Arc<AtomicBool>,
    faults: Faults,
    faulty: u64,
) {
    let mut chance = Chance::new();
    for _ in 0..=worker {
        chance.next();
    }
    loop {
        let dies = chance.of_thousand(20);
        let dies_after = dies.then(|| Duration::from_micros(chance.below(80_000)));
        let blows = !over.load(Ordering::Relaxed);
        if blows && chance.of_thousand(faulty) {
            let bucket = ["origin", "backup", "state"][chance.pick(3)];
            let nth = On::nth(1 + chance.pick(8));
            faults.inject(nth.bucket(bucket), any_fault(&mut chance));
        }
        let forgetful = chance.of_thousand(30);
        if chain.work(worker, dies_after, forgetful).await {
            continue;
        }
        if !blows && waiting(&chain.queue).await == [0, 0] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn any_fault(chance: &mut Chance) -> Fault {
    match chance.below(6) {
        0 => Fault::Status(500, "InternalError"),
        1 => Fault::Status(503, "SlowDown"),
        2 => Fault::Drop,
        3 => Fault::DropAfter,
        4 => Fault::Truncate(10),
        _ => Fault::Delay(Duration::from_secs(2)),
    }
}

/// Keys whose copy does not equal the original, or that only one side has.
fn differences(store: &Store) -> Vec<String> {
    let mut keys = store.keys("origin");
    keys.extend(store.keys("backup"));
    keys.sort();
    keys.dedup();
    keys.retain(|key| {
        let body = |bucket| store.get(bucket, key).map(|object| object.body());
        body("origin") != body("backup")
    });
    keys
}

/// What an object is changed to, n changes after the storm began.
fn changed(n: u64, chance: &mut Chance) -> Object {
    let body = format!("{n} {}", "x".repeat(chance.pick(3000)));
    let mut object = Object::new(body, Properties::default());
    object.last_modified = object.last_modified - BEHIND + Duration::from_secs(n);
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_storm_and_an_audit_the_backup_equals_the_origin() {
    let (wanted, faulty) = (number("DELIVERIES", 150), number("FAULTY", 0));
    let keys = wanted / 10;
    let (store, faults, _topic, _intdash, [endpoint, ..]) = far_sides().await;
    let buckets = ["origin", "backup", "state"].map(str::to_owned);
    let chain = Arc::new(Chain::new(&endpoint, &buckets).await);
    let over = Arc::<AtomicBool>::default();
    let workers = [0, 1].map(|worker| {
        let (chain, over) = (Arc::clone(&chain), Arc::clone(&over));
        tokio::spawn(work(chain, worker, over, faults.clone(), faulty))
    });

    let (began, mut chance) = (Instant::now(), Chance::new());
    let (mut waiting_for, mut arrived) = (Vec::new(), 0_u64);
    let [mut lost, mut doubled, mut forged] = [0_u64; 3];
    for n in 0..wanted {
        let key = format!("key {}", chance.below(keys));
        let there = store.get("origin", &key).is_some();
        let event = if there && chance.of_thousand(300) {
            store.delete("origin", &key);
            "s3:ObjectRemoved:Delete"
        } else {
            store.put_object("origin", &key, changed(n, &mut chance));
            "s3:ObjectCreated:Put"
        };
        let mut hints = vec![record(event, &key)];
        if chance.of_thousand(50) {
            hints.clear();
            lost += 1;
        } else if chance.of_thousand(200) {
            hints.push(hints[0].clone());
            doubled += 1;
        }
        if chance.of_thousand(10) {
            forged += 3;
            forge(&chain, &key);
            // Of one who knows the URL: a removal that never was.
            hints.push(record(
                "s3:ObjectRemoved:Delete",
                &format!("key {}", chance.below(keys)),
            ));
        }
        waiting_for.extend(hints);
        while waiting_for.len() > ON_THEIR_WAY || (n + 1 == wanted && !waiting_for.is_empty()) {
            let next = chance.pick(waiting_for.len());
            let dies = chance.of_thousand(5);
            let dies_after = dies.then(|| Duration::from_micros(chance.below(5_000)));
            let hint = waiting_for.swap_remove(next);
            assert_eq!(chain.deliver(URL_KEY, &[hint], dies_after), 200);
            arrived += 1;
        }
    }
    over.store(true, Ordering::Relaxed);
    faults.clear();
    for worker in workers {
        worker.await.unwrap();
    }
    let (stormed, before) = (began.elapsed(), differences(&store).len());
    chain.tick();
    chain.settle(0).await;

    let left = differences(&store);
    let [receiver, worker] = chain
        .peaks
        .each_ref()
        .map(|peak| peak.load(Ordering::Relaxed) / 1024);
    println!(
        "{wanted} changes of {keys} keys, {arrived} deliveries ({lost} lost, {doubled} doubled, {forged} forged), {} batches, {} kills, {} calls of the store, in {:.0} s; {before} differences before the audit, {} after it ({:.0} s); peak memory {receiver} and {worker} MiB",
        chain.batches.load(Ordering::Relaxed),
        chain.kills.load(Ordering::Relaxed),
        faults.calls().len(),
        stormed.as_secs_f64(),
        left.len(),
        (began.elapsed() - stormed).as_secs_f64(),
    );
    assert!(left.is_empty(), "{left:?}\n{}", chain.workers[0].log());
    assert_eq!(
        waiting(&chain.dead_letters).await,
        [0, 0],
        "{}",
        chain.workers[0].log()
    );
    assert!(
        before >= usize::from(lost > 100),
        "what was lost shows before the audit"
    );
}

/// What must not get in: of one who does not know the URL, and about a bucket that is not ours.
fn forge(chain: &Chain, key: &str) {
    let removal = record("s3:ObjectRemoved:Delete", key);
    assert_eq!(
        chain.deliver("guessed", std::slice::from_ref(&removal), None),
        404
    );
    let mut foreign = removal;
    foreign["s3"]["bucket"]["name"] = json!("another");
    assert_eq!(chain.deliver(URL_KEY, &[foreign], None), 403);
}
