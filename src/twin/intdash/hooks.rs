//! The hooks of a project: made, listed, removed, and tested by a delivery that is really posted.
//!
//! At the paths of v2.6, and at the one of v2.7, whose test wants PATCH. What they answer has secrets in it where the real
//! one's has.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{get, patch, put};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Delivery, Intdash, NOT_FOUND, Refusal, SIGNATURE_HEADER, answer, rfc3339, signature};
use crate::twin::sender::post;

/// Hooks of one page, unless asked otherwise.
const PER_PAGE: usize = 100;
const V26: &str = "/api/projects/{project}/hooks";
const V27: &str = "/api/v1/webhook/projects/{project}/hooks";

/// A hook as it was made.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    project: String,
    url: String,
    secret: String,
    measurements: bool,
}

impl Hook {
    fn shown(&self, uuid: &str) -> Value {
        json!({
            "uuid": uuid, "project_uuid": self.project, "url": self.url, "enabled": true,
            "measurements_event": self.measurements, "edge_connections_event": false,
        })
    }
}

pub(super) fn routes() -> Router<Intdash> {
    let one = |path: &str| format!("{path}/{{uuid}}");
    let test = |path: &str| format!("{path}/{{uuid}}/test");
    Router::new()
        .route(V26, get(list).post(create))
        .route(V27, get(list).post(create))
        .route(&one(V26), get(read).delete(remove))
        .route(&one(V27), get(read).delete(remove))
        .route(&test(V26), put(tested))
        .route(&test(V27), patch(tested))
}

fn told(status: StatusCode, body: &Value) -> Response {
    answer(status, Body::from(body.to_string()))
}

async fn list(
    State(server): State<Intdash>,
    Path(project): Path<String>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    server.admit(format!("GET {uri}"), &headers)?;
    let query = query.unwrap_or_default();
    let page = url::form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "page").then(|| value.parse().ok())?)
        .unwrap_or(1);
    let inner = server.lock();
    let hooks = inner.hooks.iter();
    let hooks = hooks.filter(|(_, hook)| hook.project == project);
    let items: Vec<_> = hooks
        .skip(PER_PAGE * (page - 1))
        .take(PER_PAGE)
        .map(|(uuid, hook)| hook.shown(uuid))
        .collect();
    Ok(told(StatusCode::OK, &json!({"items": items})))
}

async fn create(
    State(server): State<Intdash>,
    Path(project): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    server.admit(format!("POST {uri}"), &headers)?;
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| asked[name].as_str().map(str::to_owned);
    let Some(url) = text("url") else {
        return Err(Refusal(
            StatusCode::BAD_REQUEST,
            "bad_request",
            "a hook has a url",
        ));
    };
    let secret = text("secret").filter(|secret| !secret.is_empty());
    let hook = Hook {
        project,
        url,
        secret: secret.unwrap_or_else(|| Uuid::now_v7().to_string()),
        measurements: asked["measurements_event"] == true,
    };
    let uuid = Uuid::now_v7().to_string();
    let mut shown = hook.shown(&uuid);
    shown["secret"] = json!(hook.secret);
    server.lock().hooks.insert(uuid, hook);
    Ok(told(StatusCode::CREATED, &shown))
}

impl Intdash {
    fn hook(&self, project: &str, uuid: &str) -> Result<Hook, Refusal> {
        let found = self.lock().hooks.get(uuid).cloned();
        found
            .filter(|hook| hook.project == project)
            .ok_or(NOT_FOUND)
    }
}

async fn read(
    State(server): State<Intdash>,
    Path((project, uuid)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    server.admit(format!("GET {uri}"), &headers)?;
    let hook = server.hook(&project, &uuid)?;
    Ok(told(StatusCode::OK, &hook.shown(&uuid)))
}

async fn remove(
    State(server): State<Intdash>,
    Path((project, uuid)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    server.admit(format!("DELETE {uri}"), &headers)?;
    server.hook(&project, &uuid)?;
    server.lock().hooks.remove(&uuid);
    Ok(answer(StatusCode::NO_CONTENT, Body::empty()))
}

/// Posts a signed test delivery, whose measurement nobody made.
async fn tested(
    State(server): State<Intdash>,
    Path((project, uuid)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    server.admit(format!("TEST {uri}"), &headers)?;
    let hook = server.hook(&project, &uuid)?;
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (Some("measurement"), Some(action)) =
        (asked["resource_type"].as_str(), asked["action"].as_str())
    else {
        return Err(Refusal(
            StatusCode::BAD_REQUEST,
            "bad_request",
            "what is to be tested?",
        ));
    };
    let delivery = Delivery {
        hook_uuid: uuid.clone(),
        is_test: Some(true),
        project_uuid: project,
        ..Delivery::new(&Uuid::now_v7().to_string(), action)
    };
    let body = delivery.body();
    let signed = signature(&hook.secret, body.as_bytes());
    let fields = [
        (SIGNATURE_HEADER, signed.as_str()),
        ("content-type", "application/json"),
    ];
    let answered = post(&reqwest::Client::new(), &hook.url, &fields, &body).await;
    let (status, reason) = match &answered {
        Ok(answer) if answer.status < 300 => ("succeeded", String::new()),
        Ok(answer) => ("failed", format!("status {}", answer.status)),
        // The library's own words have the URL in them.
        Err(error) => ("failed", format!("no answer: {error}")),
    };
    let response = answered.ok().map(
        |answer| json!({"status": answer.status, "headers": "content-type: application/json", "body": answer.body}),
    );
    let now = rfc3339(Some(DateTime::from(SystemTime::now())));
    let delivery = json!({
        "uuid": delivery.delivery_uuid, "hook_uuid": uuid, "status": status, "reason": reason, "is_test": true,
        "request": {"headers": format!("{SIGNATURE_HEADER}: {signed}"), "body": body},
        "response": response, "created_at": now, "finished_at": now,
    });
    Ok(told(StatusCode::OK, &delivery))
}
