//! The mirror from one bucket of a server to another: the same scenarios against the twin and against SeaweedFS, which
//! checks signatures and conditions and is nobody's twin.
//!
//! A scenario must look at both sides as any S3 client does, so that neither server is asked what the other cannot tell.

use crate::conformance::{Server, client, keys::kept_by};
use crate::servers::{Weed, unique};
use crate::world::{
    Answer, bytes, created, delivery, far_sides, function, record, removed, send, variables,
};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Tag, Tagging};
use axum::body::Body;
use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod order;

use order::what_is_listed_out_of_order_is_compared_and_audited;

const MIB: usize = 1 << 20;

/// An origin and a backup bucket on one server, and a function that mirrors the one to the other.
struct Mirrored {
    client: Client,
    origin: String,
    backup: String,
    router: axum::Router,
    server: Server,
    url: String,
}

/// What a copy has beside its bytes, without our mark.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    headers: [Option<String>; 6],
    metadata: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

impl Mirrored {
    async fn twin() -> Self {
        let (.., [s3_url, _, _]) = far_sides().await;
        Self::at(&s3_url, Server::Twin).await
    }

    async fn weed() -> Self {
        let weed = tokio::task::spawn_blocking(Weed::shared).await.unwrap();
        Self::at(&weed.endpoint, Server::Weed).await
    }

    async fn at(url: &str, server: Server) -> Self {
        let local = Credentials::new("local", "local", None, None, "tests");
        let client = client(url, local);
        let [origin, backup] = [unique("origin"), unique("backup")];
        for bucket in [&origin, &backup] {
            client.create_bucket().bucket(bucket).send().await.unwrap();
        }
        let sources = json!({"vk": {
            "kind": "s3", "flavor": "vk", "endpoint": url, "region": "us-east-1", "buckets": {format!("mcs1/{origin}"): {}},
        }});
        let secrets = json!({"vk": {"access_key_id": "local", "secret_access_key": "local"}});
        let setting = variables(&sources, &secrets, &backup, None);
        let router = function(setting, url, "").await;
        Self {
            client,
            origin,
            backup,
            router,
            server,
            url: url.to_owned(),
        }
    }

    fn putting(&self, bucket: &str, key: &str, body: impl Into<Bytes>) -> PutObjectFluentBuilder {
        let put = self.client.put_object().bucket(bucket).key(key);
        put.body(ByteStream::from(body.into()))
    }

    async fn put(&self, key: &str, body: impl Into<Bytes>) {
        let put = self.putting(&self.origin, key, body).send().await;
        put.unwrap_or_else(|error| panic!("{key:?}: {error:?}"));
    }

    async fn remove(&self, key: &str) {
        let delete = self.client.delete_object().bucket(&self.origin).key(key);
        delete.send().await.unwrap();
    }

    /// The bytes of the backup.
    async fn backup(&self, key: &str) -> Option<Bytes> {
        let get = self.client.get_object().bucket(&self.backup).key(key);
        match get.send().await {
            Ok(found) => Some(found.body.collect().await.unwrap().into_bytes()),
            Err(error) => {
                let service = error.into_service_error();
                assert!(service.is_no_such_key(), "{key:?}: {service:?}");
                None
            }
        }
    }

    /// What an object has beside its bytes; of the backup, it must be marked.
    async fn kept(&self, bucket: &str, key: &str) -> Kept {
        let head = self.client.head_object().bucket(bucket).key(key);
        let head = head.send().await.unwrap();
        let tags = self.client.get_object_tagging().bucket(bucket).key(key);
        let tags = tags.send().await.unwrap().tag_set;
        let mut tags: BTreeMap<_, _> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
        let headers = [
            head.content_type(),
            head.cache_control(),
            head.content_disposition(),
            head.content_encoding(),
            head.content_language(),
            head.expires_string(),
        ];
        let headers = headers.map(|value| value.map(ToOwned::to_owned));
        let mut metadata: BTreeMap<_, _> = head.metadata.unwrap_or_default().into_iter().collect();
        let mark = "hookwork-mark";
        let marked = metadata.remove(mark).or(tags.remove(mark)).is_some();
        assert_eq!(marked, bucket == self.backup, "{bucket}/{key}");
        // The checksum of a copy in parts, where the origin's store tells none.
        tags.remove("hookwork-checksum");
        Kept {
            headers,
            metadata,
            tags,
        }
    }

    /// Every key of the backup.
    async fn copies(&self) -> Vec<String> {
        let list = self.client.list_objects_v2().bucket(&self.backup);
        let list = list.send().await.unwrap();
        let keys = list.contents().iter().map(|entry| entry.key().unwrap());
        keys.map(ToOwned::to_owned).collect()
    }

    async fn open_uploads(&self) -> usize {
        let list = self.client.list_multipart_uploads().bucket(&self.backup);
        list.send().await.unwrap().uploads().len()
    }

    async fn deliver(&self, records: impl IntoIterator<Item = Value>) -> Answer {
        let records = records.into_iter().map(|mut record| {
            record["s3"]["bucket"]["name"] = json!(self.origin);
            record
        });
        let body = Body::from(delivery(records));
        send(
            self.router.clone(),
            Request::post("/hooks/vk").body(body).unwrap(),
        )
        .await
    }

    /// Delivers one record that must end like this.
    async fn tell(&self, record: Value, outcome: &str) {
        let answer = self.deliver([record]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.outcomes(), [outcome], "{answer:?}");
    }
}

async fn copies_creations_and_overwrites(at: &Mirrored) {
    for body in ["one", "two"] {
        at.put("a", body).await;
        at.tell(created("a"), "copied").await;
        assert_eq!(at.backup("a").await.unwrap(), body);
        at.tell(created("a"), "unchanged").await;
    }
}

/// A put with everything that can go with an object.
fn dressed(put: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
    put.content_type("text/plain; charset=utf-8")
        .cache_control("max-age=60")
        .content_disposition("attachment; filename=\"a b.txt\"")
        .content_encoding("gzip")
        .content_language("ru")
        .expires(DateTime::from_secs(1_792_567_680))
        .metadata("author", "A. U. Thor")
        .tagging("class=a%2Fb&empty=")
}

async fn copies_headers_metadata_and_tags(at: &Mirrored) {
    for (key, length) in [("small", 10), ("large", 9 * MIB), ("empty", 0)] {
        let put = dressed(at.putting(&at.origin, key, bytes(length)));
        put.send().await.unwrap();
        at.tell(created(key), "copied").await;
        let original = at.kept(&at.origin, key).await;
        assert!(original.headers.iter().all(Option::is_some));
        assert_eq!((original.metadata.len(), original.tags.len()), (1, 2));
        assert_eq!(at.kept(&at.backup, key).await, original, "{key}");
        assert!(at.backup(key).await.unwrap() == bytes(length), "{key}");
    }
}

async fn what_is_not_plain_ascii_is_spelled_as_s3_takes_it(at: &Mirrored) {
    for (key, length) in [("small", 10), ("large", 9 * MIB)] {
        let put = at.putting(&at.origin, key, bytes(length));
        let put = put
            .metadata("author", "Ñandú 日本")
            .metadata("word", "=?UTF-8?Q?=C3=A9?=")
            .tagging("%D0%B0%D0%B2%D1%82%D0%BE%D1%80=%C3%91");
        // The twin refuses such a header; what it was given by hand, it hands out.
        let disposition = "attachment; filename=\"отчёт 1.txt\"";
        let raw = (at.server == Server::Weed).then(|| disposition.to_owned());
        let put = put.set_content_disposition(raw.clone());
        put.send().await.unwrap();
        let original = at.kept(&at.origin, key).await;
        assert_eq!(original.metadata["author"], "Ñandú 日本");
        at.tell(created(key), "copied").await;
        at.tell(created(key), "unchanged").await;
        let copy = at.kept(&at.backup, key).await;
        let spelled = "=?UTF-8?B?w5FhbmTDuiDml6XmnKw=?=";
        assert_eq!(copy.metadata["author"], spelled);
        assert_eq!(copy.metadata["word"], original.metadata["word"]);
        assert_eq!(copy.tags, original.tags);
        let spelled = "attachment; filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82%201.txt";
        assert_eq!(copy.headers[2], raw.map(|_| spelled.to_owned()));
    }
}

async fn follows_a_change_of_metadata_and_of_tags(at: &Mirrored) {
    for (key, length) in [("small", 10), ("large", 9 * MIB)] {
        at.put(key, bytes(length)).await;
        at.tell(created(key), "copied").await;
        let put = dressed(at.putting(&at.origin, key, bytes(length)));
        put.send().await.unwrap();
        at.tell(created(key), "copied").await;
        let tag = Tag::builder().key("class").value("new").build().unwrap();
        let tags = Tagging::builder().tag_set(tag).build().unwrap();
        let change = at.client.put_object_tagging().bucket(&at.origin).key(key);
        change.tagging(tags).send().await.unwrap();
        at.deliver([record("s3:ObjectTagging:Put", key)]).await;
        let original = at.kept(&at.origin, key).await;
        assert_eq!(original.tags["class"], "new");
        assert_eq!(at.kept(&at.backup, key).await, original, "{key}");
        assert!(at.backup(key).await.unwrap() == bytes(length), "{key}");
    }
}

async fn carries_large_objects_however_they_were_put(at: &Mirrored) {
    let body = bytes(25 * MIB + 7);
    at.put("whole", body.clone()).await;
    at.tell(created("whole"), "copied").await;
    assert!(at.backup("whole").await.unwrap() == body);
    at.tell(created("whole"), "unchanged").await;

    // Parts of other sizes than the mirror's own.
    let (bucket, key) = (&at.origin, "parts");
    let upload = at.client.create_multipart_upload().bucket(bucket).key(key);
    let upload = upload.send().await.unwrap().upload_id.unwrap();
    let mut parts = CompletedMultipartUpload::builder();
    for (number, part) in (1..).zip(body.chunks(11 * MIB)) {
        let put = at.client.upload_part().bucket(bucket).key(key);
        let put = put.upload_id(&upload).part_number(number);
        let put = put.body(body.slice_ref(part).into()).send().await.unwrap();
        let part = CompletedPart::builder().part_number(number);
        parts = parts.parts(part.set_e_tag(put.e_tag).build());
    }
    let complete = at
        .client
        .complete_multipart_upload()
        .bucket(bucket)
        .key(key);
    let complete = complete.upload_id(&upload).multipart_upload(parts.build());
    complete.send().await.unwrap();
    let record = record("s3:ObjectCreated:CompleteMultipartUpload", key);
    at.tell(record, "copied").await;
    assert!(at.backup(key).await.unwrap() == body);
    assert_eq!(at.open_uploads().await, 0);
}

async fn every_hostile_key_arrives_and_goes(at: &Mirrored) {
    // Of what a record's key may stand for, one is there; the other has nothing to do.
    let told = |answer: Answer, outcome: &str, key: &str| {
        let outcomes = answer.outcomes();
        let of_this = outcomes.iter().filter(|one| *one == outcome).count();
        assert_eq!((answer.status, of_this), (200, 1), "{key:?}: {outcomes:?}");
    };
    for key in kept_by(at.server) {
        at.put(&key, key.clone()).await;
        told(at.deliver([created(&key)]).await, "copied", &key);
        assert_eq!(at.backup(&key).await.unwrap(), key, "{key:?}");
        at.remove(&key).await;
        told(at.deliver([removed(&key)]).await, "deleted", &key);
        assert_eq!(at.backup(&key).await, None, "{key:?}");
    }
    assert_eq!(at.copies().await, [""; 0]);
}

async fn a_removal_is_believed_only_of_what_is_gone(at: &Mirrored) {
    for (key, length) in [("small", 10), ("large", 9 * MIB)] {
        at.put(key, bytes(length)).await;
        at.tell(created(key), "copied").await;
        at.tell(removed(key), "unchanged").await;
        assert!(at.backup(key).await.unwrap() == bytes(length));
        at.remove(key).await;
        at.tell(removed(key), "deleted").await;
        assert_eq!(at.backup(key).await, None);
        at.tell(created(key), "unchanged").await;
        assert_eq!(at.backup(key).await, None, "and nothing comes back");
    }
}

async fn what_is_not_ours_is_never_deleted(at: &Mirrored) {
    let put = at.putting(&at.backup, "foreign", "theirs");
    put.send().await.unwrap();
    at.tell(removed("foreign"), "unchanged").await;
    assert_eq!(at.backup("foreign").await.unwrap(), "theirs");
    // Where the origin has the key it is left alone, too.
    at.put("foreign", "ours").await;
    at.tell(created("foreign"), "failed").await;
    assert_eq!(at.backup("foreign").await.unwrap(), "theirs");
}

async fn a_copy_without_a_mark_is_adopted(at: &Mirrored) {
    for bucket in [&at.origin, &at.backup] {
        let put = dressed(at.putting(bucket, "a", "the same"));
        put.send().await.unwrap();
    }
    at.tell(created("a"), "copied").await;
    let original = at.kept(&at.origin, "a").await;
    assert_eq!(at.kept(&at.backup, "a").await, original, "and it is marked");
    assert_eq!(at.backup("a").await.unwrap(), "the same");
    at.tell(created("a"), "unchanged").await;
    at.remove("a").await;
    at.tell(removed("a"), "deleted").await;
}

async fn sixteen_deliveries_at_once_all_succeed(at: &Mirrored) {
    for length in [10, 9 * MIB] {
        at.put("a", bytes(length)).await;
        let answers = join_all((0..16).map(|_| at.deliver([created("a")]))).await;
        for answer in answers {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        assert!(at.backup("a").await.unwrap() == bytes(length));
        assert_eq!(at.open_uploads().await, 0);
        at.tell(created("a"), "unchanged").await;
    }
}

macro_rules! scenarios {
    ($($scenario:ident),* $(,)?) => {
        mod twin {
            $(#[tokio::test] async fn $scenario() { super::$scenario(&super::Mirrored::twin().await).await; })*
        }
        mod weed {
            $(#[tokio::test] async fn $scenario() { super::$scenario(&super::Mirrored::weed().await).await; })*
        }
    };
}

scenarios! {
    copies_creations_and_overwrites,
    copies_headers_metadata_and_tags,
    what_is_not_plain_ascii_is_spelled_as_s3_takes_it,
    follows_a_change_of_metadata_and_of_tags,
    carries_large_objects_however_they_were_put,
    every_hostile_key_arrives_and_goes,
    a_removal_is_believed_only_of_what_is_gone,
    what_is_not_ours_is_never_deleted,
    a_copy_without_a_mark_is_adopted,
    sixteen_deliveries_at_once_all_succeed,
    what_is_listed_out_of_order_is_compared_and_audited,
}
