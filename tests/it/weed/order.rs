//! Listings that are not in the order of keys, as those of a store are that keeps files.

use super::Mirrored;
use crate::servers::unique;
use crate::world::{app, created, variables};
use hookwork::app::App;
use hookwork::domain::event::OriginRef;
use serde_json::json;
use std::sync::Arc;

impl Mirrored {
    /// The same with a state bucket, so that it can audit.
    async fn auditing(&self) -> Arc<App> {
        let state = unique("state");
        let made = self.client.create_bucket().bucket(&state).send().await;
        made.unwrap();
        let sources = json!({"vk": {
            "kind": "s3", "flavor": "vk", "endpoint": self.url, "region": "us-east-1", "buckets": {format!("mcs1/{}", self.origin): {}},
        }});
        let secrets = json!({"vk": {"access_key_id": "local", "secret_access_key": "local"}});
        let setting = variables(&sources, &secrets, &self.backup, Some(&state));
        app(setting, &self.url, "").await
    }
}

pub(super) async fn what_is_listed_out_of_order_is_compared_and_audited(at: &Mirrored) {
    let keys = ["a//b", "a b", "a/c", "a!x", "b/c/d", "b c/d", "z"];
    for key in keys {
        at.put(key, "1").await;
        at.tell(created(key), "copied").await;
    }
    let app = at.auditing().await;
    let of = OriginRef {
        source: "vk".to_owned(),
        origin: format!("mcs1/{}", at.origin),
    };
    let compared = app.compare(&of, false, |differing| panic!("{differing:?}"));
    let compared = compared.await.unwrap();
    assert_eq!((compared.keys, compared.copies), (7, 7));
    // No event told of this removal.
    at.remove("a b").await;
    let ends = || tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    assert_eq!(app.tick(None, ends()).await, Ok(1));
    assert!(at.backup("a b").await.is_none());
    let left = at.copies().await;
    // SeaweedFS takes two slashes for one.
    let one = |key: String| if key == "a//b" { "a/b".to_owned() } else { key };
    let mut left: Vec<_> = left.into_iter().map(one).collect();
    left.sort();
    assert_eq!(left, ["a!x", "a/b", "a/c", "b c/d", "b/c/d", "z"]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let filled = app.backfill(&of, 4, &stop, &|_| {}).await.unwrap();
    assert_eq!((filled.keys, filled.failed), (6, 0));
}
