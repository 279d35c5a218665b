//! The routes of the mirror: how it stands, what is held, and what a human has decided on that.

use super::shown::{self, LISTS_MAX, within};
use super::{Inbox, as_json, error, failed_with};
use crate::app::inbox::{Decision, Refusal, Seen};
use crate::domain::bound::Bound;
use crate::domain::event::OriginRef;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use url::form_urlencoded;
use uuid::Uuid;

/// Keys of held removals that are shown.
static KEYS_MAX: Bound<usize> = Bound::new("inbox.held_keys", 1_000);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    source: String,
    bucket: String,
    run: Uuid,
    removals: u64,
    decision: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Approve,
    Reject,
}

pub(super) fn routes() -> Router<Arc<Inbox>> {
    Router::new()
        .route("/api/mirror", get(mirror))
        .route("/api/mirror/held", get(held).post(decide))
}

async fn mirror(State(inbox): State<Arc<Inbox>>) -> Response {
    match inbox.app.mirror_state().await {
        Ok(state) => as_json(StatusCode::OK, &shown::mirror(&state)),
        Err(why) => failed_with(&why),
    }
}

async fn held(State(inbox): State<Arc<Inbox>>, uri: Uri) -> Response {
    let (mut source, mut bucket) = (None, None);
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "source" => source = Some(value.into_owned()),
            "bucket" => bucket = Some(value.into_owned()),
            _ => {}
        }
    }
    let (Some(source), Some(origin)) = (source, bucket) else {
        return error(StatusCode::BAD_REQUEST, "expected source and bucket");
    };
    let of = OriginRef { source, origin };
    match inbox.app.held_keys(&of, KEYS_MAX.get()).await {
        Ok((keys, removals)) => {
            let mut room = LISTS_MAX.get();
            let keys = within(keys.iter().map(|key| json!(key)), &mut room);
            as_json(StatusCode::OK, &json!({"keys": keys, "removals": removals}))
        }
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let why = refusal.to_string();
    match refusal {
        Refusal::Unknown(_) => error(StatusCode::NOT_FOUND, &why),
        Refusal::Changed(_) => error(StatusCode::CONFLICT, &why),
        Refusal::Failed(_) => failed_with(&why),
    }
}

async fn decide(
    State(inbox): State<Arc<Inbox>>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    const EXPECTED: &str = "expected {\"source\":\"…\",\"bucket\":\"…\",\"run\":\"…\",\"removals\":<the number that was shown>,\"decision\":\"approve\"} or \"reject\"";
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return error(rejection.status(), EXPECTED),
    };
    let Ok(Decided {
        source,
        bucket,
        run,
        removals,
        decision,
    }) = serde_json::from_slice(&body)
    else {
        return error(StatusCode::BAD_REQUEST, EXPECTED);
    };
    let decision = match decision {
        Word::Approve => Decision::Approve,
        Word::Reject => Decision::Reject,
    };
    let origin = bucket;
    let of = OriginRef { source, origin };
    let (trace, deadline) = super::time_for(parts);
    let seen = Seen { run, removals };
    let decided = inbox.app.decide(&of, seen, decision, trace, deadline).await;
    match decided {
        Ok(removals) => as_json(StatusCode::OK, &json!({ "removals": removals })),
        Err(refusal) => refused(&refusal),
    }
}
