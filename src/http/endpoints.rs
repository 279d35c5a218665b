//! Endpoints of one's own, towards senders: whatever is posted with the right token is recorded.

use super::credentials::bearer;
use super::{Clock, arrived, as_json, rejected};
use crate::app::App;
use crate::domain::delivery::Rejection;
use crate::domain::endpoint::EndpointId;
use crate::domain::trace::Trace;
use crate::receipt::{Received, Refusal};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::post;
use serde_json::json;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tokio::time::Instant;

/// The token comes in a header, or in the path from senders that cannot set one.
pub(super) fn routes(clock: Clock) -> Router<Arc<App>> {
    let other = Arc::clone(&clock);
    let with_header =
        async move |State(app), path: Result<Path<String>, PathRejection>, parts: Parts, body| {
            let id = path.ok().and_then(|Path(id)| EndpointId::parse(&id));
            let token = bearer(&parts.headers).map(ToOwned::to_owned);
            take(app, id, token, parts, body, &clock).await
        };
    let with_segment = async move |State(app),
                                   path: Result<Path<(String, String)>, PathRejection>,
                                   parts: Parts,
                                   body| {
        let (id, token) = path.map_or((None, None), |Path((id, token))| {
            (EndpointId::parse(&id), Some(token))
        });
        take(app, id, token, parts, body, &other).await
    };
    Router::new()
        .route("/in/{endpoint}", post(with_header))
        .route("/in/{endpoint}/{token}", post(with_segment))
}

async fn take(
    app: Arc<App>,
    id: Option<EndpointId>,
    token: Option<String>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
    clock: &Clock,
) -> Response {
    let started = Instant::now();
    let now = clock().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut delivery, trace, deadline) = arrived(parts, now);
    let delivery_id = delivery.id;
    let trace_id = trace.as_ref().map(Trace::id).map(ToOwned::to_owned);
    let now = now.as_secs();
    let bytes = body.as_ref().ok().map(Bytes::len);
    let received = match (&id, body) {
        (Some(id), Ok(body)) => {
            delivery.body = body;
            let token = token.as_deref();
            Ok(app.take(id, token, delivery, now, trace, deadline).await)
        }
        (Some(_), Err(rejection)) => Err(rejection.status()),
        (None, _) => Ok(Received::new(
            Err(Refusal::Rejected(Rejection::Unknown)),
            true,
        )),
    };
    let (status, error, cause) = told(&received);
    let delivery = delivery_id.to_string();
    let answer = match error {
        None => json!({"delivery": delivery, "recorded": true}),
        Some(error) => json!({"delivery": delivery, "error": error}),
    };
    app.metrics().delivery(rejected(status));
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    // What stands in the place of a name that there is not may be a token.
    let known = status != StatusCode::NOT_FOUND;
    let source = id.filter(|_| known).map(|id| id.source());
    let (trace, status_code) = (trace_id, status.as_u16());
    if status.is_server_error() {
        tracing::error!(delivery.id = %delivery, trace, source, status = status_code, bytes, ms, cause, "delivery");
    } else {
        tracing::info!(delivery.id = %delivery, trace, source, status = status_code, bytes, ms, cause, "delivery");
    }
    let mut answer = as_json(status, &answer);
    if matches!(&received, Ok(received) if !received.recorded) {
        let no = HeaderValue::from_static("false");
        answer.headers_mut().insert("hookwork-recorded", no);
    }
    answer
}

/// Status, what the sender is told where it was not taken, and what the log is told.
fn told(
    received: &Result<Received, StatusCode>,
) -> (StatusCode, Option<&'static str>, Option<String>) {
    let refused = |status, why: &'static str| (status, Some(why), Some(why.to_owned()));
    let failed = |why: &'static str, cause| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        (status, Some(why), Some(cause))
    };
    match received {
        Err(StatusCode::PAYLOAD_TOO_LARGE) => {
            refused(StatusCode::PAYLOAD_TOO_LARGE, "body too large")
        }
        Err(_) => refused(StatusCode::BAD_REQUEST, "the body broke off"),
        Ok(received) => match &received.answer {
            Ok(receipt) if receipt.failed() > 0 => {
                let why = "it was recorded, and not handed on: send it again";
                failed(why, why.to_owned())
            }
            Ok(_) => (StatusCode::OK, None, None),
            Err(Refusal::Rejected(Rejection::Unauthentic)) => {
                refused(StatusCode::UNAUTHORIZED, "token missing or wrong")
            }
            Err(Refusal::Rejected(_)) => refused(StatusCode::NOT_FOUND, "no such endpoint"),
            Err(Refusal::Failed(error)) => {
                failed("it was not recorded: send it again", error.to_string())
            }
        },
    }
}
