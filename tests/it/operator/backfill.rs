//! `hookctl backfill` copies what is missing, once, however often it is killed, and removes no more than an audit.

use super::{HOUR, Ran, Site};
use crate::world::bytes;
use hookwork::twin::faults::{Fault, On};
use serde_json::json;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

/// How long a run may take to come so far.
const PATIENCE: Duration = Duration::from_secs(60);

impl Site {
    async fn filled(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["backfill", "vk", "origin", "--json"], arguments].concat())
            .await
    }

    /// Waits until so many copies were written.
    async fn copied(&self, count: usize) {
        let enough = async {
            while self.faults.count("PutObject") < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.unwrap();
    }

    /// How often each key of the backup was written.
    fn writes(&self) -> BTreeMap<String, usize> {
        let mut writes = BTreeMap::new();
        let calls = self.faults.calls().into_iter();
        for call in calls.filter(|call| call.operation == "PutObject" && call.bucket == "backup") {
            *writes.entry(call.key).or_default() += 1;
        }
        writes
    }
}

#[tokio::test]
async fn killed_in_the_middle_it_goes_on_and_copies_nothing_twice() {
    for state in [false, true] {
        let site = Site::new(json!({}), state).await;
        for number in 0..300 {
            site.put(&format!("photos/{number:03}"), format!("body {number}"));
        }
        site.put("video", bytes(20 << 20));
        let slow = On::every().of("PutObject").bucket("backup");
        site.faults
            .inject(slow, Fault::Delay(Duration::from_millis(20)));
        let mut run = site.start(&["backfill", "vk", "origin", "--concurrency", "8"]);
        site.copied(60).await;
        run.kill().unwrap();
        run.wait().unwrap();
        site.faults.clear();
        let before = site.bodies("backup").len();
        assert!((30..300).contains(&before), "{before}");
        let ran = site.filled(&[]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(site.bodies("backup"), site.bodies("origin"));
        let twice: Vec<_> = site
            .writes()
            .into_iter()
            .filter(|(_, writes)| *writes > 1)
            .collect();
        assert!(twice.len() <= 8, "only those in hand: {twice:?}");
        assert!(ran.last()["made_right"].as_u64().unwrap() <= 301 - before as u64);

        let writes = site.faults.count("PutObject") - site.store.keys("state").len();
        let again = site.filled(&[]).await;
        assert_eq!(
            (again.code, &again.last()["made_right"]),
            (Some(0), &json!(0)),
            "{again:?}"
        );
        assert!(
            site.faults.count("PutObject") <= writes + 3,
            "but for what the state bucket has"
        );
    }
}

#[tokio::test]
async fn ctrl_c_ends_it_in_order_and_the_next_run_goes_on_at_the_cursor() {
    let site = Site::new(json!({}), true).await;
    for number in 0..200 {
        site.put(&format!("{number:03}"), "x");
    }
    let slow = On::every().of("PutObject").bucket("backup");
    site.faults
        .inject(slow, Fault::Delay(Duration::from_millis(20)));
    let run = site.start(&["backfill", "vk", "origin", "--concurrency", "4"]);
    site.copied(40).await;
    Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .status()
        .unwrap();
    let ended = tokio::task::spawn_blocking(|| run.wait_with_output())
        .await
        .unwrap();
    let ran = Ran::of(ended.unwrap());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("stopped"), "{ran:?}");
    site.faults.clear();
    let ran = site.filled(&[]).await;
    let last = ran.last();
    assert_eq!(
        (ran.code, &last["resumed"], &last["keys"]),
        (Some(0), &json!(true), &json!(200)),
        "{last}"
    );
    assert_eq!(site.bodies("backup"), site.bodies("origin"));
    assert!(
        site.writes().values().all(|writes| *writes == 1),
        "nothing was in hand"
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_changes_nothing() {
    let site = Site::new(json!({}), true).await;
    site.put("gone", "1");
    site.put("kept", "1");
    site.mirrored().await;
    site.put("new/ü +%", "12345");
    site.put("kept", "another");
    site.store.delete("origin", "gone");
    let before = (site.bodies("backup"), site.bodies("state"));
    let ran = site.run(&["backfill", "vk", "origin", "--dry-run"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for line in [
        " copy           5 B  new/ü +%",
        " copy           7 B  kept",
        " remove         1 B  gone",
        "2 of 2 objects would be copied, 12 B",
    ] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    assert_eq!((site.bodies("backup"), site.bodies("state")), before);
    let mut site = site;
    site.variables.remove("STATE_BUCKET");
    let ran = site.run(&["backfill", "vk", "origin", "--dry-run"]).await;
    assert!(ran.out.contains(" left           1 B  gone"), "{ran:?}");
}

#[tokio::test]
async fn removals_are_an_audits() {
    let keys = |count: usize| (0..count).map(|number| format!("{number}"));
    // A few are proven and removed, many are held, and without a state bucket they are an audit's.
    for (state, gone, expected) in [(true, 1, "removals"), (true, 8, "held"), (false, 1, "left")] {
        let site = Site::new(json!({"hold": {"count": 2, "share": 0.1}}), state).await;
        keys(10).for_each(|key| site.put(&key, "x"));
        site.mirrored().await;
        keys(gone).for_each(|key| site.store.delete("origin", &key));
        let ran = site.filled(&[]).await;
        assert_eq!(ran.last()[expected], json!(gone), "{expected}: {ran:?}");
        let left = if expected == "removals" { 9 } else { 10 };
        assert_eq!(site.bodies("backup").len(), left, "{expected}");
        assert_eq!(ran.code, Some(0));
    }
}

#[tokio::test]
async fn what_fails_is_told_by_name_and_stops_nothing() {
    let site = Site::new(json!({}), true).await;
    for key in ["a", "b\u{1b}[2J", "c"] {
        site.put(key, "x");
    }
    let odd = On::every().of("PutObject").key("b\u{1b}[2J");
    site.faults
        .inject(odd, Fault::Status(400, "InvalidRequest"));
    let ran = site.run(&["backfill", "vk", "origin"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err.contains("failed  b\\u{1b}[2J: backup: PutObject"),
        "{ran:?}"
    );
    assert!(ran.out.contains("1 objects failed"), "{ran:?}");
    assert_eq!(site.store.keys("backup"), ["a", "c"]);
    site.faults.clear();
    let ran = site.filled(&[]).await;
    assert_eq!(
        (ran.code, &ran.last()["made_right"]),
        (Some(0), &json!(1)),
        "{ran:?}"
    );
    assert_eq!(site.bodies("backup"), site.bodies("origin"));
}

#[tokio::test]
async fn one_bucket_that_fails_does_not_stop_the_next_and_denied_is_an_error() {
    let site = Site::new(json!({}), false).await;
    site.put("a", "x");
    site.faults.inject(
        On::every().of("ListObjectsV2").bucket("origin"),
        Fault::Status(403, "AccessDenied"),
    );
    let ran = site.filled(&[]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("vk/mcs1/origin: origin: ListObjectsV2"),
        "{ran:?}"
    );
    assert_eq!(
        site.run(&["backfill", "vk"]).await.code,
        Some(2),
        "which bucket?"
    );
    site.faults.clear();
    site.mirrored().await;
    site.age("backup", "a", 20 * HOUR);
    let ran = site.filled(&[]).await;
    assert_eq!(
        (ran.code, &ran.last()["made_right"]),
        (Some(0), &json!(0)),
        "a doubt of the listings is only looked at"
    );
}
