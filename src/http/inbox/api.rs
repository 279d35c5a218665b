//! The routes of deliveries: the list, one in full, its body, a fixture of it, and its replay.

use super::{Inbox, as_json, error, failed_with};
use crate::app::deliveries::Unreplayed;
use crate::app::inbox::Found;
use crate::domain::bound::Bound;
use crate::domain::delivery::DeliveryId;
use crate::domain::export::fixture;
use crate::domain::inbox::{Filter, Row, known_status};
use crate::domain::instant;
use crate::domain::record::Record;
use crate::http::base::base;
use crate::http::inbox::shown;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::sync::Arc;
use url::form_urlencoded;

/// Rows of a page.
static ROWS: Bound<usize> = Bound::new("inbox.rows", 50);
static ROWS_MAX: Bound<usize> = Bound::new("inbox.rows_max", 200);
/// The longest value of a parameter, in bytes.
const PARAMETER_MAX: usize = 1024;
/// So many bytes of a body are one download: base64 makes a third more of it, and Lambda takes 6 MB.
static PIECE_MAX: Bound<usize> = Bound::new("inbox.piece", 3 << 20);
/// So long may a fixture be, in bytes as Lambda counts them.
static FIXTURE_MAX: Bound<usize> = Bound::new("inbox.fixture", 5 << 20);

pub(super) fn routes() -> Router<Arc<Inbox>> {
    Router::new()
        .route("/api/deliveries", get(list))
        .route("/api/deliveries/{id}", get(detail))
        .route("/api/deliveries/{id}/body", get(body))
        .route("/api/deliveries/{id}/fixture", get(download_fixture))
        .route("/api/deliveries/{id}/replay", post(replay))
        .route("/api/sources", get(sources))
}

type Id = Result<Path<String>, PathRejection>;

async fn list(State(inbox): State<Arc<Inbox>>, uri: Uri) -> Response {
    let wanted = match Wanted::of(uri.query().unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(sentence) => return error(StatusCode::BAD_REQUEST, &sentence),
    };
    let before = wanted.before.as_deref();
    match inbox.app.list(&wanted.filter, before, wanted.limit).await {
        Ok(page) => as_json(StatusCode::OK, &shown::page(&page)),
        Err(why) => failed_with(&why),
    }
}

/// What a list is asked for.
struct Wanted {
    filter: Filter,
    before: Option<String>,
    limit: usize,
}

impl Wanted {
    fn of(query: &str) -> Result<Self, String> {
        let mut wanted = Self {
            filter: Filter::default(),
            before: None,
            limit: ROWS.get(),
        };
        let time = |value: &str| {
            let expected = || "after, until: expected a time of RFC 3339".to_owned();
            instant::parse(value).map(Some).ok_or_else(expected)
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // So a form says that it does not care.
            if value.is_empty() {
                continue;
            }
            if value.len() > PARAMETER_MAX || value.chars().any(char::is_control) {
                return Err(format!("expected up to {PARAMETER_MAX} bytes of text"));
            }
            match &*name {
                "source" => wanted.filter.source = Some(value.into_owned()),
                "status" => {
                    known_status(&value)?;
                    wanted.filter.status = Some(value.into_owned());
                }
                "strangers" => {
                    let words = ["yes", "no"].contains(&&*value);
                    words.then_some(()).ok_or("strangers: expected yes or no")?;
                    wanted.filter.without_strangers = value == "no";
                }
                "text" => wanted.filter.text = Some(value.into_owned()),
                "after" => wanted.filter.after = time(&value)?,
                "until" => wanted.filter.until = time(&value)?,
                "before" => wanted.before = Some(value.into_owned()),
                "limit" => {
                    let limit = value.parse().ok();
                    let limit = limit.filter(|limit| (1..=ROWS_MAX.get()).contains(limit));
                    wanted.limit = limit.ok_or("limit: expected 1 to 200")?;
                }
                _ => {
                    let known =
                        "expected source, status, text, after, until, strangers, before or limit";
                    return Err(known.to_owned());
                }
            }
        }
        Ok(wanted)
    }
}

async fn detail(State(inbox): State<Arc<Inbox>>, id: Id) -> Response {
    match found(&inbox, id).await {
        Ok(mut found) => {
            found.row.duplicate_of = duplicate_of(&inbox, &found.row).await;
            as_json(StatusCode::OK, &shown::detail(&inbox.app, &found))
        }
        Err(response) => *response,
    }
}

/// What the list says of this: only its neighbours tell. Where they cannot be read it is told of none.
async fn duplicate_of(inbox: &Inbox, row: &Row) -> Option<DeliveryId> {
    row.facts.as_ref().filter(|facts| facts.can_repeat())?;
    let filter = Filter {
        until: Some(row.received()),
        text: Some(row.id.to_string()),
        without_strangers: true,
        ..Filter::default()
    };
    let page = inbox.app.list(&filter, None, 1).await.ok()?;
    page.rows.first()?.duplicate_of
}

async fn body(State(inbox): State<Arc<Inbox>>, id: Id, uri: Uri) -> Response {
    let mut from = Some(0);
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name == "from" {
            from = value.parse::<usize>().ok();
        }
    }
    let record = match record(&inbox, id).await {
        Ok(record) => record,
        Err(response) => return *response,
    };
    let all = &record.delivery.body;
    let Some(from) = from.filter(|from| *from <= all.len()) else {
        return error(
            StatusCode::BAD_REQUEST,
            "from: expected an offset in the body",
        );
    };
    let piece = all.slice(from..all.len().min(from.saturating_add(PIECE_MAX.get())));
    // As the line of curl names it.
    let name = format!("{}.body", record.delivery.id);
    let mut response = attachment(&name, "application/octet-stream", piece);
    response
        .headers_mut()
        .insert("x-total-bytes", all.len().into());
    response
}

async fn download_fixture(State(inbox): State<Arc<Inbox>>, id: Id) -> Response {
    let record = match record(&inbox, id).await {
        Ok(record) => record,
        Err(response) => return *response,
    };
    if let Some(why) = record.lacks() {
        return error(StatusCode::CONFLICT, &why);
    }
    let own = inbox.app.signature_header(record.source.as_deref());
    let event = fixture(&record, own);
    if shown::encoded(&event) > FIXTURE_MAX.get() {
        let long = "its body is too long for an event: download it instead";
        return error(StatusCode::PAYLOAD_TOO_LARGE, long);
    }
    let text = serde_json::to_string_pretty(&event).unwrap_or_default() + "\n";
    let name = format!("{}.json", record.delivery.id);
    attachment(&name, "application/json", text)
}

async fn replay(State(inbox): State<Arc<Inbox>>, id: Id, parts: Parts) -> Response {
    let id = match parsed(id) {
        Ok(id) => id,
        Err(response) => return *response,
    };
    let (trace, deadline) = super::time_for(parts);
    match inbox.app.replay(id, trace, deadline).await {
        Ok(jobs) => as_json(
            StatusCode::OK,
            &json!({"delivery": id.to_string(), "jobs": jobs}),
        ),
        Err(Unreplayed::Never(why) | Unreplayed::Unknown(why)) => error(StatusCode::CONFLICT, &why),
        Err(Unreplayed::Failed(why) | Unreplayed::Unread(why)) => failed_with(&why),
    }
}

async fn sources(State(inbox): State<Arc<Inbox>>, parts: Parts) -> Response {
    let base = base(&parts.headers, &parts.extensions);
    let secrets = inbox.app.inbox_secrets().await;
    let sources = inbox.app.kinds().map(|(name, kind, proves)| -> Value {
        let url = base.as_ref().map(|base| format!("{base}/hooks/{name}"));
        let known = secrets.of(name);
        let url_key = known.is_some_and(|known| known.url_key.is_some());
        json!({"name": name, "kind": kind, "url": url, "url_key": url_key, "proves": proves})
    });
    let sources: Vec<_> = sources.collect();
    let recording = inbox.app.recording_word();
    as_json(
        StatusCode::OK,
        &json!({"recording": recording, "sources": sources}),
    )
}

/// The id that a path names.
fn parsed(id: Id) -> Result<DeliveryId, Box<Response>> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    id.map(DeliveryId).ok_or_else(|| {
        let sentence = "no delivery of this id is kept";
        Box::new(error(StatusCode::NOT_FOUND, sentence))
    })
}

async fn found(inbox: &Inbox, id: Id) -> Result<Found, Box<Response>> {
    let id = parsed(id)?;
    match inbox.app.find(id).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => {
            let sentence = format!("no delivery {id} is kept");
            Err(Box::new(error(StatusCode::NOT_FOUND, &sentence)))
        }
        Err(why) => Err(Box::new(failed_with(&why))),
    }
}

async fn record(inbox: &Inbox, id: Id) -> Result<Record, Box<Response>> {
    let found = found(inbox, id).await?;
    found.record.ok_or_else(|| {
        let sentence = "only attempts of it are kept, and not the delivery itself";
        Box::new(error(StatusCode::NOT_FOUND, sentence))
    })
}

/// A file to be saved, and never to be opened in place.
fn attachment(name: &str, kind: &'static str, bytes: impl IntoResponse) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Its name is of an id of ours.
    if let Ok(value) = format!("attachment; filename=\"{name}\"").try_into() {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
