//! Hostile keys from end to end: put into the origin over HTTP, told over HTTP in every dialect's spelling, copied and
//! removed over HTTP. The backup must have exactly that key, and no other.

use crate::conformance::{Server, client, keys::kept_by};
use crate::servers::{Weed, unique};
use crate::world::{far_sides, function, variables};
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use hookwork::twin::s3::Store;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;

fn raw(key: &str) -> String {
    key.to_owned()
}

/// As AWS writes keys: a form's encoding, in which a slash stays.
fn form(key: &str) -> String {
    query_escaped(key).replace("%2F", "/")
}

/// As Go's `url.QueryEscape` and so MinIO writes keys.
fn query_escaped(key: &str) -> String {
    let spelled: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    spelled.replace('*', "%2A").replace("%7E", "~")
}

type Spelling = (&'static str, fn(&str) -> String);

/// VK does not document which of the two it is.
const SPELLINGS: [Spelling; 5] = [
    ("vk", raw),
    ("vk", form),
    ("minio", query_escaped),
    ("ceph", raw),
    ("aws", form),
];

/// Signs that no listing in XML can carry as they are, and keys that only look like none.
const UNSPEAKABLE: [&str; 5] = [
    "new\nline",
    "car\rriage",
    "\u{1}\u{1f}",
    "del\u{7f}",
    "a\u{85}",
];

/// A function behind a socket, with an origin and a backup bucket of its own.
struct Function {
    client: aws_sdk_s3::Client,
    origin: String,
    backup: String,
    hook: String,
    spell: fn(&str) -> String,
}

impl Function {
    async fn at(s3_url: &str, (flavor, spell): Spelling) -> Self {
        let client = client(
            s3_url,
            Credentials::new("local", "local", None, None, "tests"),
        );
        let [origin, backup] = [unique("origin"), unique("backup")];
        for bucket in [&origin, &backup] {
            client.create_bucket().bucket(bucket).send().await.unwrap();
        }
        let sources = json!({flavor: {
            "kind": "s3", "flavor": flavor, "endpoint": s3_url, "region": "us-east-1", "buckets": {&*origin: {}},
        }});
        let secrets = json!({flavor: {"access_key_id": "local", "secret_access_key": "local"}});
        let setting = variables(&sources, &secrets, &backup, None);
        let router = function(setting, s3_url, "").await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let hook = format!("http://{}/hooks/{flavor}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self {
            client,
            origin,
            backup,
            hook,
            spell,
        }
    }

    /// Delivers an event of this key. One thing must be done for it, and of another reading nothing.
    async fn tell(&self, event: &str, key: &str, outcome: &str) {
        let body = json!({"Records": [{
            "eventName": event, "s3": {"bucket": {"name": self.origin}, "object": {"key": (self.spell)(key)}},
        }]});
        let post = reqwest::Client::new()
            .post(&self.hook)
            .body(body.to_string());
        let answer = post.send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        let answer: Value = serde_json::from_str(&text).unwrap();
        let mut outcomes: Vec<_> = answer["outcomes"].as_array().unwrap().iter().collect();
        outcomes.retain(|one| one["outcome"] != "unchanged");
        assert_eq!((status, outcomes.len()), (200, 1), "{key:?}: {text}");
        assert_eq!(
            (&outcomes[0]["outcome"], &outcomes[0]["key"]),
            (&json!(outcome), &json!(key))
        );
    }

    async fn put(&self, key: &str) {
        let put = self.client.put_object().bucket(&self.origin).key(key);
        let body = ByteStream::from(key.as_bytes().to_vec());
        put.body(body).send().await.unwrap();
    }

    async fn remove(&self, key: &str) {
        let delete = self.client.delete_object().bucket(&self.origin).key(key);
        delete.send().await.unwrap();
    }

    /// The backup's keys.
    async fn copies(&self) -> Vec<String> {
        let list = self.client.list_objects_v2().bucket(&self.backup);
        let list = list.encoding_type(EncodingType::Url).send().await.unwrap();
        let keys = list
            .contents()
            .iter()
            .map(|entry| entry.key().unwrap().replace('+', " "));
        keys.map(|key| percent_decode_str(&key).decode_utf8().unwrap().into_owned())
            .collect()
    }

    async fn comes_and_goes(&self, key: &str) {
        self.put(key).await;
        self.tell("s3:ObjectCreated:Put", key, "copied").await;
        assert_eq!(self.copies().await, [key]);
        let get = self.client.get_object().bucket(&self.backup).key(key);
        let copy = get.send().await.unwrap().body.collect().await.unwrap();
        assert_eq!(copy.into_bytes(), key.as_bytes(), "{key:?}");
        self.remove(key).await;
        self.tell("s3:ObjectRemoved:Delete", key, "deleted").await;
        assert_eq!(self.copies().await, [""; 0], "{key:?}");
    }
}

#[tokio::test]
async fn every_hostile_key_in_every_dialect_comes_and_goes() {
    let (.., [s3_url, _, _]) = far_sides().await;
    for spelling in SPELLINGS {
        let function = Function::at(&s3_url, spelling).await;
        let keys = kept_by(Server::Twin);
        for key in keys.iter().map(String::as_str).chain(UNSPEAKABLE) {
            function.comes_and_goes(key).await;
        }
    }
}

/// What SeaweedFS bends or refuses is listed, and asserted, where the servers are held against what AWS documents.
#[tokio::test]
async fn every_hostile_key_that_seaweedfs_keeps_comes_and_goes_in_every_dialect() {
    let weed = tokio::task::spawn_blocking(Weed::shared).await.unwrap();
    for spelling in SPELLINGS {
        let function = Function::at(&weed.endpoint, spelling).await;
        for key in kept_by(Server::Weed) {
            function.comes_and_goes(&key).await;
        }
    }
}

/// The SDK takes such a key for a missing one, on our side and on the tests'.
#[tokio::test]
async fn a_key_of_nothing_but_blanks_comes_and_goes() {
    let (store, .., [s3_url, _, _]) = far_sides().await;
    let put = |store: &Store, bucket: &str, key: &str, length| {
        store.put(bucket, key, vec![7; length]);
    };
    for spelling in SPELLINGS {
        let function = Function::at(&s3_url, spelling).await;
        for (key, length) in [(" ", 5), ("\t", 5), ("   ", 9 << 20), ("\u{a0}", 0)] {
            put(&store, &function.origin, key, length);
            function.tell("s3:ObjectCreated:Put", key, "copied").await;
            assert_eq!(store.keys(&function.backup), [key]);
            let copy = store.get(&function.backup, key).unwrap();
            assert_eq!(copy.len, length as u64);
            // Adopted in place.
            put(&store, &function.backup, key, length);
            function.tell("s3:ObjectCreated:Put", key, "copied").await;
            store.delete(&function.origin, key);
            function
                .tell("s3:ObjectRemoved:Delete", key, "deleted")
                .await;
            assert_eq!(store.keys(&function.backup), [""; 0]);
        }
    }
}
