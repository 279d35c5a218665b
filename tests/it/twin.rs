//! Tests of the twin's own side: what a test sees of the store, and the faults that it can order.
//! They must never wait for time to pass: what is awaited is announced or notified.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use hookwork::twin::faults::{Call, Fault, Faults, On};
use hookwork::twin::s3::{Change, ChangeKind, Object, Properties, Store, serve};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::conformance::client;

struct Twin {
    client: Client,
    store: Store,
    faults: Faults,
}

async fn twin() -> Twin {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (store, faults) = (Store::new(&["origin", "backup"]), Faults::new());
    tokio::spawn(serve(listener, store.clone(), faults.clone()));
    Twin {
        client: client(
            &endpoint,
            Credentials::new("any", "key", None, None, "tests"),
        ),
        store,
        faults,
    }
}

impl Twin {
    async fn put(&self, key: &str, body: &str) -> Result<(), Option<u16>> {
        let put = self
            .client
            .put_object()
            .bucket("backup")
            .key(key)
            .body(body.as_bytes().to_vec().into());
        let error = put.send().await.map(|_| ());
        error.map_err(|error| {
            error
                .raw_response()
                .map(|response| response.status().as_u16())
        })
    }

    fn body(&self, key: &str) -> Option<Vec<u8>> {
        self.store.get("backup", key).map(|object| object.body())
    }
}

fn drained(changes: &mut UnboundedReceiver<Change>) -> Vec<(ChangeKind, String, u64)> {
    std::iter::from_fn(|| changes.try_recv().ok())
        .map(|change| (change.event, change.key, change.size))
        .collect()
}

#[tokio::test]
async fn announces_every_effective_change_once_and_in_order() {
    let twin = twin().await;
    let mut changes = twin.store.watch();
    twin.put("a b", "one").await.unwrap();
    let refused = twin
        .client
        .put_object()
        .bucket("backup")
        .key("a b")
        .if_none_match("*")
        .send()
        .await;
    assert!(refused.is_err());
    let copy = twin
        .client
        .copy_object()
        .bucket("backup")
        .key("c")
        .copy_source("backup/a%20b");
    copy.send().await.unwrap();
    let create = twin
        .client
        .create_multipart_upload()
        .bucket("backup")
        .key("m")
        .send()
        .await
        .unwrap();
    let id = create.upload_id.unwrap();
    assert_eq!(twin.store.open_uploads("backup"), 1);
    let part = twin
        .client
        .upload_part()
        .bucket("backup")
        .key("m")
        .upload_id(&id)
        .part_number(1);
    let etag = part
        .body(b"parts".to_vec().into())
        .send()
        .await
        .unwrap()
        .e_tag
        .unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(etag).build();
    let complete = twin
        .client
        .complete_multipart_upload()
        .bucket("backup")
        .key("m")
        .upload_id(&id);
    complete
        .multipart_upload(CompletedMultipartUpload::builder().parts(part).build())
        .send()
        .await
        .unwrap();
    assert_eq!(twin.store.open_uploads("backup"), 0);
    for key in ["c", "c", "missing"] {
        twin.client
            .delete_object()
            .bucket("backup")
            .key(key)
            .send()
            .await
            .unwrap();
    }
    twin.store.put("origin", "direct", "1234");
    twin.store.delete("origin", "direct");
    let seen = drained(&mut changes);
    let seen: Vec<_> = seen
        .iter()
        .map(|(event, key, size)| (*event, key.as_str(), *size))
        .collect();
    let expected = [
        (ChangeKind::Put, "a b", 3),
        (ChangeKind::Copy, "c", 3),
        (ChangeKind::CompleteMultipartUpload, "m", 5),
        (ChangeKind::Delete, "c", 0),
        (ChangeKind::Put, "direct", 4),
        (ChangeKind::Delete, "direct", 0),
    ];
    assert_eq!(seen, expected);
    assert_eq!(twin.store.keys("backup"), ["a b", "m"]);
}

#[tokio::test]
async fn serves_what_was_put_with_properties() {
    let twin = twin().await;
    let mut properties = Properties {
        expires: Some("0".to_owned()),
        ..Properties::default()
    };
    properties
        .metadata
        .insert("colour".to_owned(), "blue".to_owned());
    properties.tags.insert("x".to_owned(), "1".to_owned());
    twin.store
        .put_object("origin", "a", Object::new("body", properties.clone()));
    let found = twin
        .client
        .get_object()
        .bucket("origin")
        .key("a")
        .send()
        .await
        .unwrap();
    assert_eq!(found.expires_string(), Some("0"));
    assert_eq!(found.tag_count(), Some(1));
    assert_eq!(
        twin.store.get("origin", "a").unwrap().properties,
        properties
    );
}

#[tokio::test]
async fn takes_a_body_with_its_checksum_after_it() {
    let twin = twin().await;
    let mut config = twin.client.config().to_builder();
    config.set_request_checksum_calculation(Some(
        aws_sdk_s3::config::RequestChecksumCalculation::WhenSupported,
    ));
    config.set_response_checksum_validation(Some(
        aws_sdk_s3::config::ResponseChecksumValidation::WhenSupported,
    ));
    let client = Client::from_conf(config.build());
    let body = vec![7; 300_000];
    client
        .put_object()
        .bucket("backup")
        .key("a")
        .body(body.clone().into())
        .send()
        .await
        .unwrap();
    assert_eq!(twin.body("a"), Some(body.clone()));
    let found = client
        .get_object()
        .bucket("backup")
        .key("a")
        .send()
        .await
        .unwrap();
    assert_eq!(found.body.collect().await.unwrap().to_vec(), body);
    assert_eq!(
        twin.store
            .get("backup", "a")
            .unwrap()
            .properties
            .content_encoding,
        None
    );
}

#[tokio::test]
async fn fails_the_nth_call_of_a_kind_and_counts_all() {
    let twin = twin().await;
    twin.faults.inject(
        On::nth(2).of("PutObject").bucket("backup"),
        Fault::Status(503, "SlowDown"),
    );
    twin.put("a", "1").await.unwrap();
    assert_eq!(twin.put("b/c d", "2").await, Err(Some(503)));
    twin.put("c", "3").await.unwrap();
    assert_eq!(twin.store.keys("backup"), ["a", "c"]);
    assert_eq!(twin.faults.count("PutObject"), 3);
    let call = |key: &str| Call {
        operation: "PutObject",
        bucket: "backup".to_owned(),
        key: key.to_owned(),
    };
    assert_eq!(twin.faults.calls(), [call("a"), call("b/c d"), call("c")]);
}

#[tokio::test]
async fn drops_the_connection_before_or_after_the_effect() {
    let twin = twin().await;
    twin.faults.inject(On::every().key("before"), Fault::Drop);
    twin.faults
        .inject(On::every().key("after"), Fault::DropAfter);
    assert_eq!(twin.put("before", "x").await, Err(None));
    assert_eq!(twin.put("after", "x").await, Err(None));
    assert_eq!(twin.store.keys("backup"), ["after"]);
    twin.faults.clear();
    twin.put("before", "x").await.unwrap();
}

#[tokio::test]
async fn applies_a_late_write_when_told() {
    let twin = twin().await;
    let (mut changes, gate) = (twin.store.watch(), Arc::new(Notify::new()));
    twin.faults
        .inject(On::nth(1).of("PutObject"), Fault::Late(gate.clone()));
    assert_eq!(twin.put("a", "late").await, Err(None));
    twin.put("a", "early").await.unwrap();
    gate.notify_one();
    assert_eq!(changes.recv().await.unwrap().size, 5);
    assert_eq!(changes.recv().await.unwrap().size, 4);
    assert_eq!(twin.body("a"), Some(b"late".to_vec()));
}

#[tokio::test]
async fn delays_cuts_and_mislabels_answers() {
    let twin = twin().await;
    twin.store.put("backup", "a", vec![1; 1000]);
    twin.faults
        .inject(On::nth(1).of("GetObject"), Fault::Truncate(10));
    let cut = twin
        .client
        .get_object()
        .bucket("backup")
        .key("a")
        .send()
        .await
        .unwrap();
    assert_eq!(cut.content_length(), Some(1000));
    assert!(cut.body.collect().await.is_err());
    twin.faults.inject(
        On::nth(1).of("GetObject"),
        Fault::Set("etag", b"\"00000000000000000000000000000000\""),
    );
    let mislabelled = twin
        .client
        .get_object()
        .bucket("backup")
        .key("a")
        .send()
        .await
        .unwrap();
    assert_ne!(
        mislabelled.e_tag().unwrap().trim_matches('"'),
        twin.store.get("backup", "a").unwrap().etag
    );
    twin.faults.inject(
        On::nth(1).of("HeadObject"),
        Fault::Delay(Duration::from_millis(50)),
    );
    let started = Instant::now();
    twin.client
        .head_object()
        .bucket("backup")
        .key("a")
        .send()
        .await
        .unwrap();
    assert!(started.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn runs_a_hook_just_before_the_nth_call() {
    let twin = twin().await;
    twin.store.put("origin", "a", "old");
    let (store, ran) = (twin.store.clone(), Arc::new(AtomicUsize::new(0)));
    let counter = ran.clone();
    twin.faults.on_call("GetObject", 2, move || {
        counter.fetch_add(1, Ordering::Relaxed);
        store.put("origin", "a", "new");
    });
    let get = || async {
        twin.client
            .get_object()
            .bucket("origin")
            .key("a")
            .send()
            .await
            .unwrap()
            .e_tag
            .unwrap()
    };
    let (first, second, third) = (get().await, get().await, get().await);
    assert_ne!(first, second);
    assert_eq!(second, third);
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn refuses_a_body_that_is_not_what_its_headers_say() {
    let twin = twin().await;
    let put = |name: &'static str, value: &'static str| {
        let put = twin
            .client
            .put_object()
            .bucket("backup")
            .key("a")
            .body(b"body".to_vec().into());
        put.customize().mutate_request(move |request| {
            request.headers_mut().insert(name, value);
        })
    };
    for (name, value, code) in [
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc32c", "AAAAAA==", "BadDigest"),
        (
            "x-amz-checksum-sha1",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "BadDigest",
        ),
        (
            "x-amz-checksum-sha256",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "BadDigest",
        ),
        ("x-amz-checksum-crc64nvme", "short", "InvalidRequest"),
        ("content-md5", "short", "InvalidDigest"),
    ] {
        let refused = put(name, value).send().await.unwrap_err();
        assert_eq!(refused.code(), Some(code), "{name}");
    }
    assert_eq!(twin.store.keys("backup"), Vec::<String>::new());
}
