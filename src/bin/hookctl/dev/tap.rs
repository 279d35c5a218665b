//! A tap on the function's router: tells what was delivered and how it was answered, and changes nothing of either.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use crate::print::Row;

/// As much of a body as is kept to say what it was.
const HEARD_BYTES: usize = 64 * 1024;

/// `router`, with every request that is a delivery told to `rows`.
pub(super) fn tapped(router: Router, rows: UnboundedSender<Row>) -> Router {
    router.layer(from_fn_with_state(rows, tap))
}

async fn tap(State(rows): State<UnboundedSender<Row>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    // Who looks delivers nothing, and a page that is open looks each second.
    if path == "/ping" || path == "/inbox" || path.starts_with("/inbox/") {
        return next.run(request).await;
    }
    let started = Instant::now();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let response = next.run(listen(request, Arc::clone(&heard))).await;
    let (parts, body) = response.into_parts();
    let answer = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    // Nobody printing is no failure.
    rows.send(Row {
        time: time_of_day(SystemTime::now()),
        source: source(&path),
        what: what(&heard),
        status: parts.status.as_u16(),
        outcome: outcome(parts.status, &answer),
        took: started.elapsed(),
    })
    .ok();
    Response::from_parts(parts, Body::from(answer))
}

/// The request, its body overheard as it streams by.
fn listen(request: Request, heard: Arc<Mutex<Vec<u8>>>) -> Request {
    request.map(|body| {
        Body::new(body.map_frame(move |frame| {
            if let Some(data) = frame.data_ref() {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                let room = HEARD_BYTES.saturating_sub(heard.len()).min(data.len());
                heard.extend_from_slice(&data[..room]);
            }
            frame
        }))
    })
}

/// `HH:MM:SSZ`.
pub(super) fn time_of_day(time: SystemTime) -> String {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}Z", seconds % 60)
}

/// Of which source; never what comes after it, which may be its secret.
fn source(path: &str) -> String {
    let first = |rest: &str| rest.split('/').next().unwrap_or(rest).to_owned();
    if let Some(rest) = path.strip_prefix("/hooks/") {
        first(rest)
    } else if let Some(rest) = path.strip_prefix("/in/") {
        format!("in/{}", first(rest))
    } else {
        path.to_owned()
    }
}

fn what(body: &[u8]) -> String {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |pointer: &str| parsed.pointer(pointer).and_then(Value::as_str);
    if let Some(topic) = text("/TopicArn") {
        return format!("handshake {topic}");
    }
    if let Some(records) = parsed.get("Records").and_then(Value::as_array) {
        let more = match records.len() {
            0 | 1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let event = text("/Records/0/eventName").unwrap_or("no event");
        let event = event.strip_prefix("s3:").unwrap_or(event);
        let bucket = text("/Records/0/s3/bucket/name").unwrap_or("?");
        let key = text("/Records/0/s3/object/key").unwrap_or("?");
        return format!("{event} {bucket}/{key}{more}");
    }
    if let (Some(resource), Some(action)) = (text("/resource_type"), text("/action")) {
        // The first group of a UUID is enough to tell two apart by eye.
        let id = text("/measurement_uuid").unwrap_or_default();
        let id = id.split('-').next().unwrap_or(id);
        return format!("{resource} {action} {id}");
    }
    match body.len() {
        HEARD_BYTES.. => format!("{} KiB or more", HEARD_BYTES / 1024),
        length => format!("{length} bytes"),
    }
}

/// A status in words that have room in their column.
fn reason(status: StatusCode) -> String {
    let short = match status.as_u16() {
        405 => "not allowed",
        413 => "too large",
        429 => "too many",
        500 => "failed",
        503 => "unavailable",
        _ => status.canonical_reason().unwrap_or_default(),
    };
    short.to_ascii_lowercase()
}

/// The distinct outcomes of the answer, or what else the status means.
fn outcome(status: StatusCode, answer: &[u8]) -> String {
    let parsed: Value = serde_json::from_slice(answer).unwrap_or_default();
    if parsed.get("signature").is_some() {
        return "answered".to_owned();
    }
    if let Some(jobs) = parsed.get("queued").and_then(Value::as_u64) {
        return format!("queued {jobs}");
    }
    let mut outcomes: Vec<&str> = parsed
        .get("outcomes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|job| job.get("outcome")?.as_str())
        .collect();
    outcomes.dedup();
    if outcomes.is_empty() {
        reason(status)
    } else {
        outcomes.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_delivered_and_how_it_ended() {
        let event = br#"{"Records":[{"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"origin"},"object":{"key":"a b"}}}]}"#;
        assert_eq!(what(event), "ObjectCreated:Put origin/a b");
        let intdash =
            br#"{"resource_type":"measurement","action":"completed","measurement_uuid":"1a14f158-2a0c-44c7-ace1-e0d21ecc93e9"}"#;
        assert_eq!(what(intdash), "measurement completed 1a14f158");
        assert_eq!(what(b"oops"), "4 bytes");
        let answer = br#"{"delivery":"d","outcomes":[{"job":"mirror","outcome":"copied"},{"outcome":"copied"}]}"#;
        assert_eq!(outcome(StatusCode::OK, answer), "copied");
        assert_eq!(outcome(StatusCode::UNAUTHORIZED, b"no"), "unauthorized");
        for status in (200..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
            // Those that the function answers with, as they stand in their column of 16.
            let answered = [200, 400, 401, 403, 404, 405, 413, 429, 500, 503];
            let whole = format!("{} {}", status.as_u16(), outcome(status, b"")).len() <= 16;
            assert!(whole || !answered.contains(&status.as_u16()), "{status}");
        }
        assert_eq!(source("/hooks/vk/key"), "vk");
        assert_eq!(source("/webhook"), "/webhook");
        assert_eq!(source("/in/k3v9/token"), "in/k3v9");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 + 3_723);
        assert_eq!(time_of_day(time), "01:02:03Z");
    }

    #[tokio::test]
    async fn changes_neither_the_delivery_nor_the_answer() {
        use tower::ServiceExt as _;
        let (rows, mut told) = tokio::sync::mpsc::unbounded_channel();
        let echo = axum::routing::post(|body: Bytes| async move { body });
        let router = tapped(Router::new().route("/hooks/{source}", echo), rows);
        let sent = vec![7; HEARD_BYTES + 5];
        let request = Request::post("/hooks/x")
            .body(Body::from(sent.clone()))
            .unwrap();
        let response = router.oneshot(request).await.unwrap();
        let back = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(back, sent);
        let row = told.recv().await.unwrap();
        assert_eq!((row.source.as_str(), row.status), ("x", 200));
        assert_eq!(row.what, "64 KiB or more");
    }
}
