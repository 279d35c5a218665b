//! The built function copies into a bucket under Object Lock, and dies at random moments (SIGKILL): every copy equals its original,
//! byte for byte, and memory stays within what the function has. `make soak` does it with a thousand objects.

use crate::emulator::{emulated, post};
use crate::world::{Chance, bytes, created, delivery, far_sides, vk};
use bytes::Bytes;
use hookwork::twin::s3::{Retention, Store};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const MIB: usize = 1 << 20;
/// Objects of one delivery.
const AT_A_TIME: usize = 20;

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// The size of the nth object: most are small, some cross a limit each, one is as large as `largest`.
fn size(nth: usize, largest: usize, chance: &mut Chance) -> usize {
    let part = 8 * MIB;
    match nth % 100 {
        0 if nth == 0 => largest,
        0 => chance.pick(largest / 2 + 1),
        1 => [part - 1, part, part + 1, 2 * part, 2 * part + 1][nth / 100 % 5],
        2..5 => part + chance.pick(2 * part),
        5..12 => chance.pick(part),
        12 => 0,
        _ => chance.pick(64 << 10),
    }
}

fn same(store: &Store, key: &str, whole: &Bytes, size: usize) -> bool {
    let Some(copy) = store.get("backup", key) else {
        return false;
    };
    let mut at = 0;
    copy.len == size as u64
        && copy.segments.iter().all(|piece| {
            let from = at;
            at += piece.len();
            whole[from..at] == piece[..]
        })
}

/// Copies so many objects with a function of so much memory, which is killed so many times. Returns its peak in MiB.
async fn copied(objects: usize, largest: usize, kills: usize, memory: usize) -> u64 {
    let (store, _, _, _, [s3_url, aws_url, _]) = far_sides().await;
    let retention = Retention {
        mode: "GOVERNANCE".to_owned(),
        days: 1,
    };
    let settings = [
        ("SOURCES", json!({"vk": vk(&s3_url, json!({}))}).to_string()),
        (
            "SECRETS",
            json!({"vk": {"access_key_id": "local", "secret_access_key": "local"}}).to_string(),
        ),
        ("BACKUP_BUCKET", "backup".to_owned()),
        ("STATE_BUCKET", "state".to_owned()),
        ("RECORD", "nothing".to_owned()),
        ("AWS_ENDPOINT_URL_S3", s3_url),
        ("AWS_ENDPOINT_URL", aws_url),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.to_string()),
    ];
    let settings: BTreeMap<_, _> = settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let function = emulated(settings);
    let (whole, mut chance) = (bytes(largest), Chance::new());
    let (mut killed, mut peak, mut attempts, mut total) = (0, 0, 0, 0);
    for first in (0..objects).step_by(AT_A_TIME) {
        // All at once would not fit into the memory of this machine.
        store.clear("backup");
        store.clear("origin");
        store.lock_bucket("backup", Some(retention.clone()));
        let sizes: Vec<_> = (first..objects.min(first + AT_A_TIME))
            .map(|nth| (format!("{nth:04}"), size(nth, largest, &mut chance)))
            .collect();
        for (key, size) in &sizes {
            store.put("origin", key, whole.slice(..*size));
            total += size;
        }
        let keys: Vec<_> = sizes.iter().map(|(key, _)| created(key)).collect();
        let event = post("/hooks/vk", &delivery(keys));
        // Where much is on its way, a death is worth most.
        let volume: usize = sizes.iter().map(|(_, size)| size).sum();
        let mut tries = 0;
        loop {
            let wanted = kills * (first + AT_A_TIME).min(objects) / objects;
            let dies = (killed < wanted.max(1) && killed < kills && volume > 0)
                .then(|| Duration::from_millis(20 + chance.below(20 + (volume / MIB) as u64 * 6)));
            let answer = tokio::task::block_in_place(|| function.invoke_dying(&event, dies));
            peak = peak.max(function.peak_memory());
            attempts += 1;
            killed += usize::from(dies.is_some() && answer["statusCode"].is_null());
            if answer["statusCode"] == 200 {
                break;
            }
            tries += 1;
            assert!(tries < 60, "{answer}: {}", function.log());
        }
        for (key, size) in &sizes {
            assert!(same(&store, key, &whole, *size), "{key}: {size} bytes");
            let versions = store.versions("backup", key);
            assert!(versions.iter().all(|version| version.retained.is_some()));
        }
        assert_eq!(store.keys("state"), [""; 0], "no ledger is left");
    }
    println!(
        "{objects} objects, {} MiB, largest {} MiB, memory {memory} MB: {killed} kills, {attempts} attempts, peak {} MiB",
        total / MIB,
        largest / MIB,
        peak / 1024
    );
    peak / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_backup_is_equal_whatever_dies_within_little_memory() {
    let objects = number("LOCKED_OBJECTS", 40);
    let largest = number("LOCKED_LARGEST_MIB", 48) * MIB;
    let kills = number("LOCKED_KILLS", 2);
    for memory in [128, 256] {
        let peak = copied(objects, largest, kills, memory).await;
        // Lambda itself needs some of it.
        assert!(peak < memory as u64 * 7 / 10, "{peak} MiB of {memory}");
    }
}
