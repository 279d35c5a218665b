//! Requests that no route takes as they are spelled, and what every answer says to browsers.

use super::base::{Called, over_tls};
use super::{Account, answer, arrived, no_body, refused};
use crate::app::App;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A browser that came by TLS once comes by nothing else for a year.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// So deliveries are addressed, and so by mistake.
const HOOKS: [&str; 2] = ["hooks", "hook"];

/// Asks the router for the path without its empty segments: a slash at the end, or two in a row, are the commonest slips of a
/// registration. What was called is kept, since it is what a sender signs.
pub(super) fn without_empty_segments(mut request: Request) -> Request {
    let uri = request.uri();
    let path = uri.path();
    if path == "/" || !(path.ends_with('/') || path.contains("//")) {
        return request;
    }
    let mut target = String::with_capacity(uri.path().len());
    for segment in segments(path) {
        target.push('/');
        target.push_str(segment);
    }
    if target.is_empty() {
        target.push('/');
    }
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    if let Ok(plain) = target.parse::<Uri>() {
        let called = std::mem::replace(request.uri_mut(), plain);
        request.extensions_mut().insert(Called(called));
    }
    request
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// A request that no route takes. Below `/hooks` it is a delivery that was addressed wrongly, so that it is recorded.
pub(super) async fn elsewhere(State(app): State<Arc<App>>, request: Request) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let path = uri.path();
    let reads = matches!(method, Method::GET | Method::HEAD);
    if path == "/" && reads {
        return hint(&app, &request);
    }
    let mut below = segments(path).map(|segment| percent_decode_str(segment).decode_utf8_lossy());
    let first = below.next().unwrap_or_default();
    let is_hook = HOOKS.iter().any(|root| root.eq_ignore_ascii_case(&first))
        || app.paths().any(|(own, _)| is_below(path, own));
    if !is_hook {
        return refused(StatusCode::NOT_FOUND, "no such route", &uri);
    }
    if !matches!(method, Method::POST | Method::GET | Method::OPTIONS) {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", &uri);
    }
    // Each may be a secret of somebody who left something out, or put something in.
    let segments: Vec<_> = below.map(std::borrow::Cow::into_owned).collect();
    let (parts, body) = request.into_parts();
    let whole = Request::from_parts(parts.clone(), body);
    let body = Bytes::from_request(whole, &()).await;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let (mut delivery, trace, _) = arrived(parts, since_1970.unwrap_or_default());
    let id = delivery.id;
    let mut account = Account::new(id, trace, &body);
    let unread = match body {
        Ok(body) => {
            delivery.body = body;
            None
        }
        Err(rejection) => Some(no_body(&rejection)),
    };
    let received = app.receive_elsewhere(&segments, &delivery, unread).await;
    account.cause = Some("no such route".to_owned());
    account.close(&app, received.recorded, answer(id, received.answer))
}

fn is_below(path: &str, own: &str) -> bool {
    let rest = path.strip_prefix(own);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// Where somebody finds what he looks for who comes to the domain itself.
fn hint(app: &App, request: &Request<Body>) -> Response {
    // Behind a named stage or a mapping all is below that.
    let arrival = request.extensions().get::<super::Arrival>();
    let url = arrival.and_then(|arrival| arrival.url.as_deref());
    let base = url.and_then(|url| url.split_once("://")?.1.split(['?', '#']).next());
    let base = base.and_then(|place| place.find('/').map(|at| &place[at..]));
    let base = base.unwrap_or_default().trim_end_matches('/');
    let mut text = format!("Deliveries are received below {base}/hooks\n");
    if app.keeps() {
        text += &format!("The inbox is at {base}/inbox\n");
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (kind, text).into_response()
}

/// What every answer says to browsers.
pub(super) async fn guarded(request: Request, next: Next) -> Response {
    let by_tls = over_tls(request.headers(), request.extensions());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    if by_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TLS_ONLY);
    }
    response
}
