//! Every flavour of object storage drives the mirror, in its sender's own words and with its sender's own proof.

mod sns;

use crate::world::{Answer, World};
use axum::body::Body;
use hookwork::app::operator::hooks::event_of;
use hookwork::domain::event::OriginRef;
use hookwork::domain::handshake::hex;
use hookwork::domain::signature::hmac_sha256;
use hookwork::domain::source::s3::Flavor;
use http::Request;
use serde_json::{Value, json};

const SECRET: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0";
/// A key that no two encodings spell alike.
const KEY: &str = "a b+c/\u{fc}%20.txt";

/// A source of this flavour whose only bucket is `origin`; its secrets are these.
async fn world(flavor: &str, secrets: Value) -> World {
    World::with(|s3_url, _| {
        let source = json!({"kind": "s3", "flavor": flavor, "endpoint": s3_url, "region": "r", "buckets": {"origin": {}}});
        let keys = json!({"access_key_id": "local", "secret_access_key": "local", "secrets": secrets});
        (json!({flavor: source}), json!({flavor: keys}))
    })
    .await
}

fn sample(flavor: &str) -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/vectors.json")).unwrap();
    vectors["s3_event_samples"][flavor].clone()
}

/// The sender's published body, about this key as the sender spells it.
fn told(flavor: &str, event: &str, key: &str) -> Value {
    let name = match flavor {
        "minio" => "minio_constructed_from_source",
        other => other,
    };
    let mut body = sample(name);
    let spelled = match flavor {
        "aws" | "minio" => url::form_urlencoded::byte_serialize(key.as_bytes()).collect(),
        _ => key.to_owned(),
    };
    if flavor == "minio" {
        body["EventName"] = json!(event);
        body["Key"] = json!(format!("origin/{key}"));
    }
    let record = &mut body["Records"][0];
    record["eventName"] = json!(event);
    record["s3"]["bucket"]["name"] = json!("origin");
    record["s3"]["object"]["key"] = json!(spelled);
    body
}

/// Backblaze's published event, of this type and about this object.
fn b2_event(kind: &str, key: &str) -> Value {
    json!({
        "accountId": "e85c6a500333", "bucketId": "aea8c5bc362ae55070130333", "bucketName": "origin",
        "eventTimestamp": 1_684_793_309_123_u64, "eventType": kind, "eventVersion": 1, "matchedRuleName": "mySampleRule1",
        "objectName": key, "objectSize": 10_495_842,
        "objectVersionId": "4_zaea8c5bc362ae55070130333_f117c7bd5d6c6597c_d20230521_m235957_c001_v0001044_t0052_u01684713597235",
    })
}

async fn b2(world: &World, events: impl IntoIterator<Item = Value>) -> Answer {
    let body = json!({"events": events.into_iter().collect::<Vec<_>>()}).to_string();
    let signature = hex(&hmac_sha256(SECRET.as_bytes(), body.as_bytes()));
    let header = (
        "x-bz-event-notification-signature",
        format!("v1={signature}"),
    );
    with_header(world, "b2", Some(header), body).await
}

async fn with_header(
    world: &World,
    source: &str,
    header: Option<(&str, String)>,
    body: String,
) -> Answer {
    let mut request = Request::post(format!("/hooks/{source}"));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    world.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn what_every_flavour_tells_of_reaches_the_backup() {
    for (flavor, prefix) in [("vk", "s3:"), ("minio", "s3:"), ("ceph", ""), ("aws", "")] {
        let world = world(flavor, json!([])).await;
        world.put(KEY, "1");
        let told = |event: &str| told(flavor, &format!("{prefix}{event}"), KEY).to_string();
        let path = format!("/hooks/{flavor}");
        let created = world.post(&path, told("ObjectCreated:Put")).await;
        assert_eq!(created.status, 200, "{flavor}: {created:?}");
        assert_eq!(created.outcomes()[0], "copied", "{flavor}");
        assert_eq!(world.backup(KEY), Some(b"1".to_vec()), "{flavor}");
        world.remove(KEY);
        let removed = world.post(&path, told("ObjectRemoved:Delete")).await;
        assert_eq!(removed.outcomes()[0], "deleted", "{flavor}: {removed:?}");
        assert_eq!(world.backup(KEY), None, "{flavor}");
    }
}

#[tokio::test]
async fn of_minio_its_envelope_is_enough() {
    let world = world("minio", json!([])).await;
    world.put(KEY, "1");
    let mut body = told("minio", "s3:ObjectCreated:Put", KEY);
    body.as_object_mut().unwrap().remove("Records");
    let answer = world.post("/hooks/minio", body.to_string()).await;
    assert_eq!(answer.outcomes(), ["copied"]);
    assert_eq!(world.backup(KEY), Some(b"1".to_vec()));
}

#[tokio::test]
async fn minio_with_another_token_does_nothing() {
    let world = world("minio", json!(["current", "previous"])).await;
    world.put(KEY, "1");
    let body = || told("minio", "s3:ObjectCreated:Put", KEY).to_string();
    let with = async |value: Option<&str>| {
        let header = value.map(|value| ("authorization", value.to_owned()));
        with_header(&world, "minio", header, body()).await
    };
    for value in [None, Some("Bearer other"), Some("other"), Some("Bearer ")] {
        let refused = with(value).await;
        assert_eq!(refused.status, 401, "{value:?}");
        let error = "signature or token missing or wrong";
        assert_eq!(refused.json()["error"], error);
    }
    assert_eq!(world.backup(KEY), None);
    assert_eq!(with(Some("Bearer previous")).await.outcomes(), ["copied"]);
    assert_eq!(with(Some("current")).await.outcomes(), ["unchanged"]);
}

#[tokio::test]
async fn of_backblaze_an_upload_is_copied_and_a_hide_marker_removes_the_copy() {
    let world = world("b2", json!([SECRET])).await;
    world.put(KEY, "1");
    let upload = b2(&world, [b2_event("b2:ObjectCreated:Upload", KEY)]).await;
    assert_eq!(upload.outcomes(), ["copied"], "{upload:?}");
    assert_eq!(world.backup(KEY), Some(b"1".to_vec()));
    // A version went, and not the newest: the key is still there.
    let version = b2(&world, [b2_event("b2:ObjectDeleted:Delete", KEY)]).await;
    assert_eq!(version.outcomes(), ["unchanged"]);
    assert_eq!(world.backup(KEY), Some(b"1".to_vec()));
    world.remove(KEY);
    let hidden = b2(&world, [b2_event("b2:HideMarkerCreated:Hide", KEY)]).await;
    assert_eq!(hidden.outcomes(), ["deleted"]);
    assert_eq!(world.backup(KEY), None);
}

#[tokio::test]
async fn of_backblaze_every_event_of_a_delivery_counts_by_itself() {
    let world = world("b2", json!(["older", SECRET])).await;
    for key in ["a", "b"] {
        world.put(key, key);
    }
    let mut test = b2_event("b2:TestEvent", "");
    test.as_object_mut().unwrap().remove("objectName");
    let mut other = b2_event("b2:ObjectCreated:Upload", "c");
    other["bucketName"] = json!("other");
    let events = [
        b2_event("b2:ObjectCreated:Upload", "a"),
        test.clone(),
        b2_event("b2:MultipartUploadCreated:LiveRead", "c"),
        other,
        b2_event("b2:ObjectCreated:MultipartUpload", "b"),
    ];
    let answer = b2(&world, events).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let copied = answer.outcomes().into_iter().filter(|one| one == "copied");
    assert_eq!(copied.count(), 2, "{answer:?}");
    assert_eq!(world.store.keys("backup"), ["a", "b"]);
    let tested = b2(&world, [test]).await;
    assert_eq!(
        (tested.status, tested.outcomes()),
        (200, vec!["ignored".to_owned()])
    );
}

#[tokio::test]
async fn backblaze_with_another_signature_does_nothing() {
    let world = world("b2", json!([SECRET])).await;
    world.put(KEY, "1");
    let body = json!({"events": [b2_event("b2:ObjectCreated:Upload", KEY)]}).to_string();
    let signed = |secret: &str, body: &str| {
        let signature = hex(&hmac_sha256(secret.as_bytes(), body.as_bytes()));
        (
            "x-bz-event-notification-signature",
            format!("v1={signature}"),
        )
    };
    let longer = format!("{body} ");
    for header in [
        None,
        Some(signed("other", &body)),
        Some(signed(SECRET, &longer)),
        Some(("x-bz-event-notification-signature", "v1=".to_owned())),
    ] {
        let refused = with_header(&world, "b2", header, body.clone()).await;
        assert_eq!(refused.status, 401);
    }
    assert_eq!(world.backup(KEY), None);
}

#[tokio::test]
async fn backblaze_without_a_secret_of_ours_is_refused() {
    let world = world("b2", json!([])).await;
    world.put(KEY, "1");
    let refused = b2(&world, [b2_event("b2:ObjectCreated:Upload", KEY)]).await;
    assert_eq!(refused.status, 500, "it never falls open");
    assert_eq!(world.backup(KEY), None);
}

#[tokio::test]
async fn what_hookctl_signs_as_each_flavour_is_accepted() {
    for (name, flavor, secrets) in [
        ("vk", Flavor::Vk, json!([])),
        ("minio", Flavor::Minio, json!([])),
        ("minio", Flavor::Minio, json!(["a-token"])),
        ("ceph", Flavor::Ceph, json!([])),
        ("aws", Flavor::Aws, json!([])),
        ("b2", Flavor::B2, json!([SECRET])),
    ] {
        let world = world(name, secrets).await;
        world.put(KEY, "1");
        let of = OriginRef {
            source: name.to_owned(),
            origin: "origin".to_owned(),
        };
        for (removed, outcome) in [(false, "copied"), (true, "deleted")] {
            if removed {
                world.remove(KEY);
            }
            let body = event_of(flavor, &of, KEY, removed);
            let url = format!("http://x/hooks/{name}");
            let signed = world.app().signed(name, &url, body).await.unwrap();
            let mut request = Request::post(format!("/hooks/{name}"));
            for (header, value) in &signed.headers {
                request = request.header(header, value);
            }
            let request = request.body(Body::from(signed.body)).unwrap();
            let answer = world.send(request).await;
            assert_eq!(
                answer.outcomes().first().map(String::as_str),
                Some(outcome),
                "{name}: {answer:?}"
            );
        }
    }
    let world = world("b2", json!([])).await;
    let lacking = world
        .app()
        .signed("b2", "http://x/hooks/b2", Vec::new())
        .await;
    assert!(lacking.unwrap_err().contains("secrets"), "it signs nothing");
}
