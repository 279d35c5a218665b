//! The built function dies at random moments (SIGKILL), time and again, while SeaweedFS goes on: in the end every copy equals
//! its original, byte for byte. `make soak` kills it hundreds of times.

use crate::conformance::client;
use crate::emulator::{emulated, post};
use crate::servers::{Emulator, Weed, unique};
use crate::world::{Chance, bytes, delivery, record};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::MetadataDirective;
use bytes::Bytes;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// Keys, the size of their objects, and for how many microseconds a worker lives at most when it is to die.
const KEYS: [(&str, usize, u64); 3] = [
    ("small", 10_000, 80_000),
    ("two parts", 9 * MIB, 400_000),
    ("giant", 72 * MIB, 2_500_000),
];

/// What a client sees of an object.
pub(crate) type Seen = Option<(Bytes, HashMap<String, String>)>;

/// An origin that changes at random, its backup, and the state, in SeaweedFS.
pub(crate) struct Buckets {
    client: Client,
    pub(crate) endpoint: String,
    /// Origin, backup, state.
    pub(crate) names: [String; 3],
    pub(crate) chance: Chance,
}

struct Soak {
    buckets: Buckets,
    function: Emulator,
    kills: usize,
    attempts: usize,
}

impl Buckets {
    pub(crate) async fn new() -> Self {
        let weed = tokio::task::spawn_blocking(Weed::shared).await.unwrap();
        let local = Credentials::new("local", "local", None, None, "tests");
        let client = client(&weed.endpoint, local);
        let names = ["origin", "backup", "state"].map(unique);
        for bucket in &names {
            client.create_bucket().bucket(bucket).send().await.unwrap();
        }
        Self {
            client,
            endpoint: weed.endpoint.clone(),
            names,
            chance: Chance::new(),
        }
    }

    /// Changes an object of the origin: other bytes, other metadata, or none at all.
    pub(crate) async fn change(&mut self, key: &str, size: usize) {
        let (origin, client) = (self.names[0].clone(), self.client.clone());
        let there = self.seen(0, key).await.is_some();
        let mark = self.chance.below(1 << 40).to_string();
        match self.chance.below(4) {
            0 if there => {
                let delete = client.delete_object().bucket(&origin).key(key);
                delete.send().await.unwrap();
            }
            1 if there => {
                let copy = client.copy_object().bucket(&origin).key(key);
                copy.copy_source(format!("{origin}/{}", key.replace(' ', "%20")))
                    .metadata_directive(MetadataDirective::Replace)
                    .metadata("mark", mark)
                    .send()
                    .await
                    .unwrap();
            }
            _ => {
                let from = usize::try_from(self.chance.below(1000)).unwrap();
                let put = client.put_object().bucket(&origin).key(key);
                put.body(ByteStream::from(bytes(size + from).slice(from..)))
                    .metadata("mark", mark)
                    .send()
                    .await
                    .unwrap();
            }
        }
    }

    pub(crate) async fn seen(&self, bucket: usize, key: &str) -> Seen {
        let get = self.client.get_object().bucket(&self.names[bucket]);
        match get.key(key).send().await {
            Ok(found) => {
                let mut metadata = found.metadata.clone().unwrap_or_default();
                metadata.remove("hookwork-mark");
                Some((found.body.collect().await.unwrap().into_bytes(), metadata))
            }
            Err(error) => {
                assert!(error.into_service_error().is_no_such_key());
                None
            }
        }
    }

    /// Ledgers of uploads under way.
    async fn ledgers(&self) -> usize {
        let list = self.client.list_objects_v2().bucket(&self.names[2]);
        let list = list.prefix("uploads/");
        list.send().await.unwrap().contents().len()
    }

    /// Uploads that are open in the backup.
    async fn open_uploads(&self) -> usize {
        let list = self.client.list_multipart_uploads();
        let open = list.bucket(&self.names[1]).send().await.unwrap();
        open.uploads().len()
    }
}

impl Soak {
    async fn begin() -> Self {
        let buckets = Buckets::new().await;
        let [origin, backup, state] = &buckets.names;
        let sources = json!({"vk": {
            "kind": "s3", "flavor": "vk", "endpoint": buckets.endpoint, "region": "us-east-1", "buckets": {format!("mcs1/{origin}"): {}},
        }});
        let secrets = json!({"vk": {"access_key_id": "local", "secret_access_key": "local"}});
        let settings = BTreeMap::from([
            ("SOURCES".to_owned(), sources.to_string()),
            ("SECRETS".to_owned(), secrets.to_string()),
            ("BACKUP_BUCKET".to_owned(), backup.clone()),
            ("STATE_BUCKET".to_owned(), state.clone()),
            ("AWS_ENDPOINT_URL_S3".to_owned(), buckets.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID".to_owned(), "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), "local".to_owned()),
            ("AWS_SESSION_TOKEN".to_owned(), String::new()),
        ]);
        Self {
            buckets,
            function: emulated(settings),
            kills: 0,
            attempts: 0,
        }
    }

    /// Tells the function of a key; where it is to die, it has so many microseconds. Returns whether it said that it is done.
    fn tell(&mut self, key: &str, dies_after: Option<u64>) -> bool {
        self.attempts += 1;
        let mut hint = record("s3:ObjectCreated:Put", key);
        hint["s3"]["bucket"]["name"] = self.buckets.names[0].as_str().into();
        let event = post("/hooks/vk", &delivery([hint]));
        let answer = tokio::task::block_in_place(|| {
            let moment = dies_after.map(Duration::from_micros);
            self.function.invoke_dying(&event, moment)
        });
        // A moment that came after the answer kills nothing that matters.
        self.kills += usize::from(dies_after.is_some() && answer["statusCode"].is_null());
        answer["statusCode"] == 200
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_killed_again_and_again_loses_nothing() {
    let wanted: usize = std::env::var("KILLS").map_or(20, |kills| kills.parse().unwrap());
    let mut soak = Soak::begin().await;
    let (mut rounds, mut differences) = (0, 0);
    while soak.kills < wanted {
        rounds += 1;
        // Giants are dear: every eighth time.
        let (key, size, lives) = KEYS[[0, 1, 0, 1, 0, 1, 0, 2][rounds % 8]];
        soak.buckets.change(key, size).await;
        for _ in 0..3 {
            let limit = soak.buckets.chance.below(lives);
            if soak.tell(key, Some(limit)) {
                break;
            }
        }
        // The origin is quiet; the job comes back until it is done.
        let mut more = 20;
        while !soak.tell(key, None) {
            more -= 1;
            assert!(more > 0, "{key}: {}", soak.function.log());
        }
        differences +=
            usize::from(soak.buckets.seen(0, key).await != soak.buckets.seen(1, key).await);
    }
    println!(
        "{} kills in {rounds} changes of the origin, {} attempts: {differences} differences, {} uploads open",
        soak.kills,
        soak.attempts,
        soak.buckets.open_uploads().await
    );
    assert_eq!(differences, 0);
    for (key, ..) in KEYS {
        assert!(
            soak.buckets.seen(0, key).await == soak.buckets.seen(1, key).await,
            "{key}"
        );
    }
    assert_eq!(soak.buckets.ledgers().await, 0);
    // An upload whose worker died between opening it and noting it is nobody's, until an hour has passed.
    assert!(soak.buckets.open_uploads().await <= soak.kills);
}
