//! Endpoints of one's own, towards senders: whatever is posted with the right token is recorded.

use super::credentials::bearer;
use super::{Account, Clock, arrived, as_json, no_body, status_without};
use crate::app::App;
use crate::domain::delivery::Rejection;
use crate::domain::endpoint::EndpointId;
use crate::receipt::{Receipt, Received, Refusal};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use serde_json::json;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

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
    let now = clock().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut delivery, trace, deadline) = arrived(parts, now);
    let delivery_id = delivery.id;
    let mut account = Account::new(delivery_id, trace.clone(), &body);
    let now = now.as_secs();
    let token = token.as_deref();
    let received = match (&id, body) {
        (Some(id), Ok(body)) => {
            delivery.body = body;
            app.take(id, token, delivery, now, trace, deadline).await
        }
        (Some(id), Err(rejection)) => {
            let why = no_body(&rejection);
            app.take_unread(id, token, &delivery, now, why).await
        }
        (None, _) => Received {
            answer: Err(Refusal::Rejected(Rejection::Unknown)),
            recorded: true,
        },
    };
    let (status, error, cause) = told(&received.answer);
    account.cause = cause;
    account.source = id
        .filter(|_| status != StatusCode::NOT_FOUND)
        .map(|id| id.source());
    let delivery = delivery_id.to_string();
    let answer = match error {
        None => json!({"delivery": delivery, "recorded": true}),
        Some(error) => json!({"delivery": delivery, "error": error}),
    };
    account.close(&app, received.recorded, as_json(status, &answer))
}

/// Status, what the sender is told where it was not taken, and what the log is told.
fn told(answer: &Result<Receipt, Refusal>) -> (StatusCode, Option<&'static str>, Option<String>) {
    let refused = |status, why: &'static str| (status, Some(why), Some(why.to_owned()));
    let failed = |why: &'static str, cause| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        (status, Some(why), Some(cause))
    };
    match answer {
        Ok(receipt) if receipt.to_repeat() > 0 => {
            let why = "it was recorded, and not handed on: send it again";
            failed(why, why.to_owned())
        }
        Ok(_) => (StatusCode::OK, None, None),
        Err(Refusal::Rejected(Rejection::Unauthentic)) => {
            refused(StatusCode::UNAUTHORIZED, "token missing or wrong")
        }
        Err(Refusal::Rejected(_)) => refused(StatusCode::NOT_FOUND, "no such endpoint"),
        Err(Refusal::NoBody(why)) => refused(status_without(*why), why.reason()),
        Err(Refusal::TooMany(_)) => refused(StatusCode::TOO_MANY_REQUESTS, "too many deliveries"),
        Err(Refusal::Failed(error)) => {
            failed("it was not recorded: send it again", error.to_string())
        }
    }
}
