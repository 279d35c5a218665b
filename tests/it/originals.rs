//! The two programs that this one replaces, and this one, on the same requests, side by side. Their answers are recorded
//! (`tests/originals/record.py`, from the programs themselves); ours are made here, through the function's door towards
//! Lambda. Each row is the same, or says why it is not; a difference without a reason fails, and a reason without a difference.
//!
//! *The same* is, of s3-webhook: an answer of the same kind (2xx, 4xx, 5xx), and the same backup afterwards. The original's is
//! what comes of doing what its script was called for; which is not the script's own, with its defects. Of a handshake, the same JSON
//! under the same content type; of `/ping`, the same text. Of intdash-webhook-example: an answer of the same kind, and the
//! same text published, which ours may go on after. Other bodies are not compared: the originals' are empty, or Go's errors.

mod recorded;
mod table;

use crate::events::dispatched;
use crate::world::{Logs, TOKEN, World, created, secrets, vk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::intdash::{Line, SAMPLE_MEASUREMENT};
use recorded::{Objects, OfIntdash, OfS3, Request, Row, recorded, rows};
use serde_json::{Map, Value, json};
use table::{Pair, Side, page};

#[tokio::test]
async fn the_originals_are_answered_alike_but_where_a_reason_says_otherwise() {
    let recorded = recorded();
    let mut pages = Vec::new();
    let s3 = &recorded.programs["s3-webhook"];
    let mut pairs = Vec::new();
    for row in rows::<OfS3>(s3) {
        pairs.push(s3_pair(row).await);
    }
    pages.push((&s3.from, pairs));
    let intdash = &recorded.programs["intdash-webhook-example"];
    let mut pairs = Vec::new();
    for row in rows::<OfIntdash>(intdash) {
        pairs.push(intdash_pair(row).await);
    }
    pages.push((&intdash.from, pairs));

    let mut used: Vec<&str> = Vec::new();
    let mut wrong = Vec::new();
    for Pair {
        name,
        differs,
        same,
        original,
        ours,
    } in pages.iter().flat_map(|(_, pairs)| pairs)
    {
        if *same == differs.is_some() {
            let found = if *same {
                "no difference"
            } else {
                "a difference"
            };
            wrong.push(format!(
                "{name}: {found} ({differs:?}): {original:?} and {ours:?}"
            ));
        }
        used.extend(differs.as_deref());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let compared: usize = pages.iter().map(|(_, pairs)| pairs.len()).sum();
    assert!(compared >= 100, "{compared} requests");
    for reason in recorded.reasons.keys() {
        assert!(used.contains(&reason.as_str()), "{reason}: no row needs it");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/originals.md");
    let page = page(&recorded.reasons, &pages);
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/originals.md is not what this found: RECORD=1 writes it"
    );
}

#[tokio::test]
async fn the_original_logs_bodies_and_expected_signatures_and_this_program_neither() {
    let recorded = recorded();
    let (mut bodies, mut signatures) = (0, 0);
    for row in rows::<OfIntdash>(&recorded.programs["intdash-webhook-example"]) {
        let logs = Logs::new();
        let (body, of) = (row.request.body.clone().unwrap(), &row.of);
        let right = of.right_signature_hex.clone();
        bodies += usize::from(of.original.logs_the_body);
        signatures += usize::from(of.original.logs_the_signature);
        let name = row.name.clone();
        let _ = intdash_pair(row).await;
        let logged = logs.text();
        assert!(logged.contains("delivery.id"), "{name}: nothing is logged");
        let bytes: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&right[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        for secret in [&body, &right, &STANDARD.encode(bytes)] {
            assert!(
                secret.is_empty() || !logged.contains(secret.as_str()),
                "{name}: {logged}"
            );
        }
    }
    assert!(
        bodies > 30 && signatures > 5,
        "{bodies} bodies, {signatures} signatures"
    );
}

/// Two answers are of one kind: taken, refused, failed.
fn same_kind(one: u16, other: u16) -> bool {
    one / 100 == other / 100
}

// ---- s3-webhook

async fn s3_pair(row: Row<OfS3>) -> Pair {
    let mut found = Vec::new();
    // As a gateway hands it over: as text, or as base64 where it takes the body for binary.
    for encoded in [true, false] {
        if encoded || row.request.body.is_some() {
            found.push(ours_of_s3(&row, encoded).await);
        }
    }
    let (answer, backup) = found.pop().unwrap();
    let told = |answer: &Value| (answer["statusCode"].clone(), outcomes(answer));
    for (other, kept) in &found {
        assert_eq!(
            (told(&answer), &backup),
            (told(other), kept),
            "{}: as base64",
            row.name
        );
    }
    let original = &row.of.original;
    let status = status(&answer);
    let body = answer["body"].as_str().unwrap();
    let same_body = match original.body.as_str() {
        "Pong\n" => body == original.body,
        signed if signed.contains("signature") => {
            let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            json(body) == json(signed)
                && answer["headers"]["content-type"]
                    == original.content_type.as_deref().unwrap_or_default()
        }
        _ => signature_of(body).is_none(),
    };
    let calls = original.calls.iter();
    let calls = calls.map(|[_, key, action, ended]| {
        (
            key.clone(),
            if ended == "done" {
                action.clone()
            } else {
                "failed".to_owned()
            },
        )
    });
    Pair {
        same: same_kind(original.status, status)
            && same_body
            && backup == backup_of_original(&row.of),
        original: Side::new(
            original.status,
            signature_of(&original.body),
            calls.collect(),
        ),
        ours: Side::new(status, signature_of(body), outcomes(&answer)),
        name: row.name,
        differs: row.differs,
    }
}

/// What the original's backup holds if its script does what it is called for.
fn backup_of_original(of: &OfS3) -> Objects {
    let mut backup = of.backup.clone();
    for [bucket, key, action, ended] in &of.original.calls {
        match (ended.as_str(), action.as_str()) {
            ("done", "copy") if bucket == "origin" => {
                if let Some(bytes) = of.origin.get(key) {
                    backup.insert(key.clone(), bytes.clone());
                }
            }
            ("done", "copy") => drop(backup.insert(key.clone(), format!("of {bucket}"))),
            ("done", "delete") => drop(backup.remove(key)),
            _ => {}
        }
    }
    backup
}

/// Our answer, and the backup afterwards.
async fn ours_of_s3(row: &Row<OfS3>, encoded: bool) -> (Value, Objects) {
    let of = &row.of;
    let world = World::with(|s3_url, _| {
        let mut source = vk(s3_url, json!({}));
        source["buckets"] = json!({&of.allowed: {}});
        source["url"] = json!(of.registered);
        (json!({"vk": source}), secrets())
    })
    .await;
    for (key, bytes) in &of.backup {
        world.put(key, bytes.clone());
        assert_eq!(world.deliver([created(key)]).await.status, 200);
        if !of.origin.contains_key(key) {
            world.remove(key);
        }
    }
    // What the backup has as it is stays: put again, it would be younger than its copy, or not, as the second has it.
    for (key, bytes) in &of.origin {
        if of.backup.get(key) != Some(bytes) {
            world.put(key, bytes.clone());
        }
    }
    for key in &of.fails {
        let on = On::every().bucket("origin").key(key);
        world.faults.inject(on, Fault::Status(403, "AccessDenied"));
    }
    let answer = dispatched(world.app(), &http_api_event(&row.request, encoded)).await;
    let keys = world.store.keys("backup").into_iter();
    let object = |key: String| {
        let body = world.backup(&key).unwrap();
        (key, String::from_utf8(body).unwrap())
    };
    (answer, keys.map(object).collect())
}

/// The request as an HTTP API hands it over, its headers in lower case.
fn http_api_event(request: &Request, encoded: bool) -> Value {
    let mut event: Value =
        serde_json::from_str(include_str!("../../events/vk-webhook-path.json")).unwrap();
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut headers: Map<String, Value> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()))
        .collect();
    headers.insert("host".to_owned(), json!(request.host));
    event["headers"] = json!(headers);
    event["rawPath"] = json!(path);
    event["rawQueryString"] = json!(query);
    event["requestContext"]["http"]["method"] = json!(request.method);
    event["requestContext"]["http"]["path"] = json!(path);
    event["requestContext"]["domainName"] = json!(request.host);
    let (text, base64) = (&request.body, &request.body_base64);
    event["body"] = match text {
        Some(text) if encoded => json!(STANDARD.encode(text)),
        text => json!(text.as_ref().or(base64.as_ref()).unwrap()),
    };
    event["isBase64Encoded"] = json!(encoded);
    event
}

// ---- intdash-webhook-example

async fn intdash_pair(row: Row<OfIntdash>) -> Pair {
    let of = row.of;
    let world = World::with(|_, intdash_url| {
        let source = json!({"kind": "intdash", "url": intdash_url, "path": "/hello"});
        let secrets = json!({"secrets": [of.secret_file], "api_token": TOKEN});
        (json!({"intdash": source}), json!({"intdash": secrets}))
    })
    .await;
    if let Some(points) = of.points {
        world
            .intdash
            .insert(SAMPLE_MEASUREMENT, Line::floats(points));
    }
    if of.reading_fails {
        let status = http::StatusCode::INTERNAL_SERVER_ERROR;
        world.intdash.refuse_next(10, status);
    }
    if of.publishing_fails {
        world.topic.fail_next(10);
    }
    let answer = dispatched(world.app(), &rest_api_event(&row.request)).await;
    let ours: Vec<_> = world
        .topic
        .notices()
        .into_iter()
        .map(|notice| notice.message)
        .collect();
    let theirs = &of.original.published;
    let same = theirs.len() == ours.len()
        && ours
            .iter()
            .zip(theirs)
            .all(|(ours, theirs)| ours.starts_with(theirs));
    let told = |texts: &[String]| {
        let texts = texts.iter().map(|text| {
            let lines: Vec<_> = text.lines().take_while(|line| !line.is_empty()).collect();
            (lines.join(", "), "published".to_owned())
        });
        texts.collect::<Vec<_>>()
    };
    Pair {
        same: same && same_kind(of.original.status, status(&answer)),
        original: Side::new(of.original.status, None, told(theirs)),
        ours: Side::new(status(&answer), None, told(&ours)),
        name: row.name,
        differs: row.differs,
    }
}

/// The request as a REST API hands it over, its headers as the sender wrote them.
fn rest_api_event(request: &Request) -> Value {
    let mut event: Value =
        serde_json::from_str(include_str!("../../events/intdash-completed-rest-v1.json")).unwrap();
    let lists = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), json!([value])));
    event["multiValueHeaders"] = Value::Object(lists.collect());
    event["headers"] = json!(request.headers);
    event["httpMethod"] = json!(request.method);
    event["path"] = json!(request.path);
    event["body"] = json!(request.body);
    event["isBase64Encoded"] = json!(request.base64);
    event
}

// ---- Our answers

fn status(answer: &Value) -> u16 {
    answer["statusCode"]
        .as_u64()
        .and_then(|status| status.try_into().ok())
        .unwrap()
}

fn signature_of(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    body["signature"].as_str().map(ToOwned::to_owned)
}

/// Keys and what became of them.
fn outcomes(answer: &Value) -> Vec<(String, String)> {
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default();
    let outcomes = body["outcomes"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    outcomes
        .map(|one| (text(&one["key"]), text(&one["outcome"])))
        .collect()
}
