//! Checks of keys that break naive servers, and of listings. They must never normalise a key to make a server pass.

use std::collections::BTreeSet;

use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, Delete, EncodingType, ObjectIdentifier,
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Endpoint, Server};

/// Keys that S3 takes and keeps apart.
fn hostile() -> Vec<String> {
    let mut keys: Vec<String> = [
        "plain",
        "a b",
        " leading",
        "trailing ",
        "a+b",
        "a%20b",
        "a%2Bb",
        "100%",
        "%",
        "^",
        "a:b",
        "a\\b",
        "a?b#c&d=e",
        "q'uo\"te",
        "<xml>&amp;",
        "a;b,c",
        "dir",
        "dir/inside",
        "dir/trailing/",
        "a//b",
        "//",
        "/leading",
        "a/./b",
        "a/../b",
        "../up",
        "..",
        "./a",
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{1f600}/\u{4e2d}\u{6587}",
        "tab\there",
        "%zz",
        "a&b",
        "~*!()[]{}|",
        "\u{a0}nbsp\u{2003}",
        "zero\u{200b}width",
    ]
    .map(str::to_owned)
    .to_vec();
    // 1,024 bytes three times: in short segments, in one, and in half as many characters.
    keys.extend([
        "123456789012345/".repeat(63) + "1234567890123456",
        "k".repeat(1024),
        "\u{e9}".repeat(512),
    ]);
    keys
}

/// What SeaweedFS makes of a key that it does not keep as it is.
#[derive(Debug, PartialEq)]
enum Bent {
    /// It refuses the put with 400.
    Refused,
    /// It stores the object under another key, found by listing.
    Renamed(&'static str),
    /// It takes the put for a directory, without the body.
    Emptied,
    /// It answers 200 and the object cannot be read.
    Lost,
}

/// SeaweedFS keeps keys as paths of a file system; these do not survive that.
fn bent_by_weed(key: &str) -> Option<Bent> {
    match key {
        "//" => Some(Bent::Lost),
        "a\\b" | "a//b" => Some(Bent::Renamed("a/b")),
        "/leading" => Some(Bent::Renamed("leading")),
        "dir/trailing/" => Some(Bent::Emptied),
        _ if key
            .split('/')
            .any(|segment| matches!(segment, "." | "..") || segment.len() > 255) =>
        {
            Some(Bent::Refused)
        }
        _ => None,
    }
}

/// The hostile keys that this server keeps: S3 and the twin keep all.
pub(crate) fn kept_by(server: Server) -> Vec<String> {
    let mut keys = hostile();
    keys.retain(|key| server == Server::Twin || bent_by_weed(key).is_none());
    keys
}

fn kept(at: &Endpoint) -> Vec<String> {
    kept_by(at.server)
}

/// A key as the copy-source header wants it.
fn encoded(key: &str) -> String {
    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()
}

/// A key as a listing with `encoding-type=url` spells it: a form's `+` is a space.
fn decoded(key: &str) -> String {
    percent_decode_str(&key.replace('+', " "))
        .decode_utf8()
        .unwrap()
        .into_owned()
}

async fn put_all(at: &Endpoint, keys: &[String]) {
    for key in keys {
        let put = at.put_object(key).body(key.as_bytes().to_vec().into());
        put.send()
            .await
            .unwrap_or_else(|error| panic!("{key:?}: {error:?}"));
    }
}

/// Every key of the bucket under a prefix, by as many pages as it takes.
async fn listed(at: &Endpoint, prefix: &str) -> Vec<String> {
    let list = at
        .client
        .list_objects_v2()
        .bucket(&at.bucket)
        .prefix(prefix)
        .encoding_type(EncodingType::Url);
    let mut pages = list.into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        keys.extend(
            page.unwrap()
                .contents()
                .iter()
                .map(|entry| decoded(entry.key().unwrap())),
        );
    }
    keys
}

pub(super) async fn keeps_hostile_keys_apart(at: &Endpoint) {
    let keys = kept(at);
    put_all(at, &keys).await;
    for key in &keys {
        assert_eq!(
            at.body(key).await.as_deref(),
            Some(key.as_bytes()),
            "{key:?}"
        );
    }
    for key in &keys {
        at.delete_object(key).send().await.unwrap();
        assert_eq!(at.body(key).await, None, "{key:?}");
    }
}

pub(super) async fn takes_parts_under_hostile_keys(at: &Endpoint) {
    for key in &kept(at) {
        let create = at.create_multipart_upload(key);
        let id = create
            .send()
            .await
            .unwrap_or_else(|error| panic!("{key:?}: {error:?}"))
            .upload_id
            .unwrap();
        let part = at
            .client
            .upload_part()
            .bucket(&at.bucket)
            .key(key)
            .upload_id(&id)
            .part_number(1);
        let etag = part
            .body(b"body".to_vec().into())
            .send()
            .await
            .unwrap()
            .e_tag
            .unwrap();
        let part = CompletedPart::builder().part_number(1).e_tag(etag).build();
        let complete = at
            .client
            .complete_multipart_upload()
            .bucket(&at.bucket)
            .key(key)
            .upload_id(&id);
        complete
            .multipart_upload(CompletedMultipartUpload::builder().parts(part).build())
            .send()
            .await
            .unwrap();
        assert_eq!(
            at.body(key).await.as_deref(),
            Some(b"body".as_slice()),
            "{key:?}"
        );
    }
}

pub(super) async fn copies_hostile_keys(at: &Endpoint) {
    let keys = kept(at);
    put_all(at, &keys).await;
    for key in &keys {
        let copy = at.copy_object("copy");
        let copy = copy.copy_source(format!("{}/{}", at.bucket, encoded(key)));
        copy.send()
            .await
            .unwrap_or_else(|error| panic!("{key:?}: {error:?}"));
        assert_eq!(
            at.body("copy").await.as_deref(),
            Some(key.as_bytes()),
            "{key:?}"
        );
    }
}

pub(super) async fn lists_hostile_keys_url_encoded(at: &Endpoint) {
    let keys = kept(at);
    put_all(at, &keys).await;
    let found: BTreeSet<_> = listed(at, "").await.into_iter().collect();
    assert_eq!(found, keys.iter().cloned().collect());
    for key in &keys {
        assert!(listed(at, key).await.contains(key), "{key:?}");
    }
}

pub(super) async fn deletes_many_hostile_keys(at: &Endpoint) {
    let keys = kept(at);
    put_all(at, &keys).await;
    let named = keys
        .iter()
        .map(|key| ObjectIdentifier::builder().key(key).build().unwrap())
        .collect();
    let delete = Delete::builder().set_objects(Some(named)).build().unwrap();
    let deleted = at
        .client
        .delete_objects()
        .bucket(&at.bucket)
        .delete(delete)
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.errors(), []);
    assert_eq!(listed(at, "").await, Vec::<String>::new());
}

pub(super) async fn lists_page_by_page_in_byte_order(at: &Endpoint) {
    let mut keys: Vec<String> = (0..7).map(|index| format!("p/{index}")).collect();
    keys.extend(["p/B".to_owned(), "p/a".to_owned(), "p/\u{e9}".to_owned()]);
    put_all(at, &keys).await;
    put_all(at, &["other".to_owned()]).await;
    keys.sort();
    let list = at
        .client
        .list_objects_v2()
        .bucket(&at.bucket)
        .prefix("p/")
        .max_keys(3);
    let mut pages = list.clone().into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.contents().len() <= 3);
        found.extend(
            page.contents()
                .iter()
                .map(|entry| entry.key().unwrap().to_owned()),
        );
    }
    assert_eq!(found, keys);
    let after = list.start_after("p/5").send().await.unwrap();
    assert_eq!(after.contents()[0].key(), Some("p/6"));
    let v1 = at
        .client
        .list_objects()
        .bucket(&at.bucket)
        .prefix("p/")
        .marker("p/5")
        .max_keys(1)
        .send()
        .await
        .unwrap();
    assert_eq!(v1.contents()[0].key(), Some("p/6"));
    assert_eq!(v1.is_truncated(), Some(true));
}

pub(super) async fn folds_keys_at_a_delimiter(at: &Endpoint) {
    put_all(at, &["a/1", "a/2", "b", "c/d/1", "c/e"].map(str::to_owned)).await;
    let list = at
        .client
        .list_objects_v2()
        .bucket(&at.bucket)
        .delimiter("/");
    let mut pages = list.max_keys(1).into_paginator().send();
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        keys.extend(
            page.contents()
                .iter()
                .map(|entry| entry.key().unwrap().to_owned()),
        );
        prefixes.extend(
            page.common_prefixes()
                .iter()
                .map(|it| it.prefix().unwrap().to_owned()),
        );
    }
    assert_eq!(keys, ["b"]);
    assert_eq!(prefixes, ["a/", "c/"]);
    let inner = at
        .client
        .list_objects_v2()
        .bucket(&at.bucket)
        .delimiter("/")
        .prefix("c/")
        .send()
        .await
        .unwrap();
    assert_eq!(inner.common_prefixes()[0].prefix(), Some("c/d/"));
    assert_eq!(inner.contents()[0].key(), Some("c/e"));
}

pub(super) async fn bends_only_the_keys_known_to_be_bent(at: &Endpoint) {
    for key in &hostile() {
        let put = at.put_object(key).body(key.as_bytes().to_vec().into());
        let put = put.send().await;
        let listed = listed(at, "").await;
        let bent = match (put, at.get_object(key).send().await) {
            (Err(error), _) => {
                assert_eq!(
                    error.raw_response().map(|raw| raw.status().as_u16()),
                    Some(400),
                    "{key:?}: {error:?}"
                );
                Some(Bent::Refused)
            }
            (Ok(_), Err(_)) => Some(Bent::Lost),
            (Ok(_), Ok(found)) => match found.body.collect().await.unwrap().to_vec() {
                body if body.is_empty() => Some(Bent::Emptied),
                body => {
                    assert_eq!(body, key.as_bytes(), "{key:?}");
                    let other = ["a/b", "leading"]
                        .into_iter()
                        .find(|other| listed.iter().any(|key| key == other));
                    other.map(Bent::Renamed)
                }
            },
        };
        let expected = match at.server {
            Server::Twin => None,
            Server::Weed => bent_by_weed(key),
        };
        assert_eq!(bent, expected, "{key:?}");
        for key in [key.as_str(), "a/b", "leading"] {
            // What was refused a put may be refused a delete.
            let _ = at.delete_object(key).send().await;
        }
    }
}
