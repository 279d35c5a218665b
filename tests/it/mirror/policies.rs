//! Backups whose policy demands something of each write, and those that lie in another region.

use crate::world::{
    World, bytes, created, delivery, far_sides, removed, secrets, send, variables, vk,
};
use axum::body::Body;
use hookwork::twin::faults::Faults;
use hookwork::twin::s3::{Elsewhere, Store};
use http::Request;
use serde_json::json;

const MIB: usize = 1 << 20;
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A function with these settings of its backup, its store, and what it was called for.
struct Function {
    router: axum::Router,
    store: Store,
    faults: Faults,
}

impl Function {
    async fn with(settings: &[(&'static str, &str)]) -> Self {
        let (store, faults, _, _, [s3_url, aws_url, _]) = far_sides().await;
        let sources = json!({"vk": vk(&s3_url, json!({}))});
        let known = variables(&sources, &secrets(), "backup", Some("state"));
        let more: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let setting = move |name: &str| {
            let found = more.iter().find(|(known, _)| *known == name);
            match name {
                "RECORD" => Some("nothing".to_owned()),
                _ => found
                    .map(|(_, value)| value.clone())
                    .or_else(|| known(name)),
            }
        };
        let router = crate::world::function(setting, &s3_url, &aws_url).await;
        Self {
            router,
            store,
            faults,
        }
    }

    async fn deliver(&self, record: serde_json::Value) -> (u16, Vec<String>) {
        let request = Request::post("/hooks/vk")
            .body(Body::from(delivery([record])))
            .unwrap();
        let answer = send(self.router.clone(), request).await;
        (answer.status, answer.outcomes())
    }

    /// A small object, a large one, one that is there already and is adopted, a change, and a removal.
    async fn works(&self) {
        for (key, size) in [("small", 10), ("large", 9 * MIB)] {
            self.store.put("origin", key, bytes(size));
            assert_eq!(
                self.deliver(created(key)).await,
                (200, vec!["copied".to_owned()]),
                "{key}"
            );
            let copy = self.store.get("backup", key).unwrap();
            assert!(copy.body() == bytes(size), "{key}");
        }
        self.store.put("origin", "there", bytes(100));
        self.store.put("backup", "there", bytes(100));
        assert_eq!(self.deliver(created("there")).await.0, 200);
        let adopted = self.store.get("backup", "there").unwrap();
        assert!(adopted.properties.metadata.contains_key("hookwork-mark"));
        self.store.put("origin", "small", bytes(20));
        assert_eq!(self.deliver(created("small")).await.1, ["copied"]);
        self.store.delete("origin", "small");
        assert_eq!(self.deliver(removed("small")).await.1, ["deleted"]);
        assert_eq!(self.store.get("backup", "small").map(drop), None);
    }
}

#[tokio::test]
async fn an_encryption_that_is_demanded_is_named_on_each_write() {
    const KMS: [(&str, &str); 2] = [("BACKUP_SSE", "aws:kms"), ("BACKUP_SSE_KEY", KEY)];
    type Case = (
        &'static str,
        Option<&'static str>,
        &'static [(&'static str, &'static str)],
    );
    let cases: [Case; 4] = [
        ("AES256", None, &[("BACKUP_SSE", "AES256")]),
        ("aws:kms", None, &[("BACKUP_SSE", "aws:kms")]),
        ("aws:kms:dsse", None, &[("BACKUP_SSE", "aws:kms:dsse")]),
        ("aws:kms", Some(KEY), &KMS),
    ];
    for (algorithm, key, settings) in cases {
        let function = Function::with(settings).await;
        function.store.demand_encryption("backup", algorithm, key);
        function.works().await;
    }
    // Without the setting nothing is written.
    let function = Function::with(&[]).await;
    function.store.demand_encryption("backup", "AES256", None);
    for (key, size) in [("small", 10), ("large", 9 * MIB)] {
        function.store.put("origin", key, bytes(size));
        assert_eq!(function.deliver(created(key)).await.0, 500);
        assert_eq!(function.store.get("backup", key).map(drop), None);
    }
}

#[tokio::test]
async fn a_policy_may_insist_on_conditions_in_backup_and_state() {
    let function = Function::with(&[]).await;
    function.store.demand_conditions("backup");
    function.store.demand_conditions("state");
    function.works().await;
    // An upload that was cut short, and its ledger.
    let world = World::resumable().await;
    world.store.demand_conditions("backup");
    world.store.demand_conditions("state");
    world.put("key", bytes(40 * MIB));
    assert_eq!(world.deliver([created("key")]).await.outcomes(), ["copied"]);
    // What comes to the inbox is kept there.
    let world = World::mirroring(json!({})).await;
    world.store.demand_conditions("state");
    world.put("key", bytes(1));
    assert_eq!(world.deliver([created("key")]).await.outcomes(), ["copied"]);
    assert_eq!(world.inbox().len(), 1);
}

#[tokio::test]
async fn a_backup_in_another_region_is_found() {
    for way in [Elsewhere::Redirect, Elsewhere::Malformed] {
        let function = Function::with(&[]).await;
        function.store.place_bucket("backup", "eu-central-1", way);
        function.works().await;
        let looks = function.faults.count("HeadObject");
        function.store.put("origin", "one more", bytes(1));
        assert_eq!(function.deliver(created("one more")).await.0, 200);
        assert_eq!(
            function.faults.count("HeadObject") - looks,
            1,
            "once in a process"
        );
        // The setting saves that question.
        let function = Function::with(&[("BACKUP_REGION", "eu-central-1")]).await;
        function.store.place_bucket("backup", "eu-central-1", way);
        function.store.put("origin", "key", bytes(1));
        assert_eq!(function.deliver(created("key")).await.0, 200);
        assert_eq!(function.faults.count("HeadObject"), 1);
        // One that is wrong is put right.
        let function = Function::with(&[("BACKUP_REGION", "us-west-2")]).await;
        function.store.place_bucket("backup", "eu-central-1", way);
        function.works().await;
    }
}

#[tokio::test]
async fn a_state_bucket_in_another_region_is_found_too() {
    for way in [Elsewhere::Redirect, Elsewhere::Malformed] {
        let world = World::mirroring(json!({})).await;
        world.store.place_bucket("state", "eu-central-1", way);
        world.put("key", bytes(9 * MIB));
        assert_eq!(world.deliver([created("key")]).await.outcomes(), ["copied"]);
        assert_eq!(world.deliver([created("key")]).await.status, 200);
        assert!(!world.inbox().is_empty());
    }
}
