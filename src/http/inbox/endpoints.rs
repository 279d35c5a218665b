//! Endpoints of one's own: made, listed and removed by who is logged in.

use super::{Inbox, as_json, error, failed};
use crate::app::endpoints::{Made, NotMade};
use crate::domain::endpoint::{Endpoint, EndpointId};
use crate::domain::instant::instant;
use crate::http::base::base;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    days: u64,
    #[serde(default)]
    forward: bool,
}

pub(super) fn routes() -> Router<Arc<Inbox>> {
    Router::new()
        .route("/api/endpoints", get(list).post(make))
        .route("/api/endpoints/{endpoint}", delete(remove))
}

async fn list(State(inbox): State<Arc<Inbox>>, parts: Parts) -> Response {
    match inbox.app.all_endpoints().await {
        Ok(found) => {
            let now = inbox.now();
            let found = found.iter();
            let found: Vec<_> = found
                .map(|(id, endpoint)| shown(&parts, id, endpoint, now))
                .collect();
            as_json(StatusCode::OK, &json!({ "endpoints": found }))
        }
        Err(cause) => failed("endpoints cannot be listed", &cause),
    }
}

async fn make(
    State(inbox): State<Arc<Inbox>>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    const EXPECTED: &str = "expected {\"name\":\"…\",\"days\":7,\"forward\":false}";
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return error(rejection.status(), EXPECTED),
    };
    let Ok(Wanted {
        name,
        days,
        forward,
    }) = serde_json::from_slice(&body)
    else {
        return error(StatusCode::BAD_REQUEST, EXPECTED);
    };
    let now = inbox.now();
    match inbox.app.make_endpoint(&name, now, days, forward).await {
        Ok(Made {
            id,
            endpoint,
            token,
        }) => {
            tracing::info!(endpoint = %id, days, forward, "an endpoint is made");
            let shown = shown(&parts, &id, &endpoint, now);
            as_json(
                StatusCode::CREATED,
                &json!({"endpoint": shown, "token": token}),
            )
        }
        Err(NotMade::Wrong(why)) => error(StatusCode::BAD_REQUEST, why),
        Err(NotMade::Refused(why)) => error(StatusCode::CONFLICT, why),
        Err(NotMade::State(cause)) => failed("the endpoint was not made", &cause),
    }
}

async fn remove(
    State(inbox): State<Arc<Inbox>>,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let id = path.ok().and_then(|Path(id)| EndpointId::parse(&id));
    let Some(id) = id else {
        return error(StatusCode::NOT_FOUND, "no such endpoint");
    };
    match inbox.app.remove_endpoint(&id).await {
        Ok(true) => {
            tracing::info!(endpoint = %id, "an endpoint is removed");
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(false) => error(StatusCode::NOT_FOUND, "no such endpoint"),
        Err(cause) => failed("the endpoint was not removed", &cause),
    }
}

fn shown(parts: &Parts, id: &EndpointId, endpoint: &Endpoint, now: u64) -> Value {
    let url = base(&parts.headers, &parts.extensions).map(|base| format!("{base}/in/{id}"));
    let at = |seconds: u64| instant(seconds.saturating_mul(1000));
    json!({
        "endpoint": id.to_string(), "name": endpoint.name, "created": at(endpoint.created),
        "expires": at(endpoint.expires), "forward": endpoint.forward, "url": url,
        "expired": endpoint.has_expired(now),
    })
}
