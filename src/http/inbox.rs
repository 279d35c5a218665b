//! The inbox's routes: who may look, what every answer says to browsers, and where each request goes.
//!
//! Nothing below it is done before somebody is let in, and no answer of it may be kept, framed or guessed at by a browser.

mod api;
mod endpoints;
mod limit;
mod login;
mod mirror;
mod page;
mod shown;

pub(super) use shown::encoded;
pub use shown::row;

use super::credentials::{bearer, cookies, text};
use super::{Arrival, Clock, Peer, TIME_WITHOUT_GATEWAY, in_plain};
use crate::app::App;
use crate::domain::secrets::Secrets;
use crate::domain::session::{SessionKey, is_guessable};
use crate::domain::trace::Trace;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use limit::Limit;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};
use std::time::UNIX_EPOCH;
use tokio::time::Instant;

/// The longest body of a request, in bytes: nothing but small objects of JSON is sent here.
const BODY_MAX: usize = 16 * 1024;
/// The session's cookie. A browser takes one of such a name only over TLS, for this very host and all of its paths, so that no
/// other host under the same domain can put one of its own before it.
const COOKIE: &str = "__Host-hookwork_inbox";
/// The same on this machine without TLS, where browsers do not take the other.
const COOKIE_IN_PLAIN: &str = "hookwork_inbox";
/// What a browser may let the page do: nothing that asks its user.
const FEATURES: &str =
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";
/// What a page of another site cannot send with a request that has the cookie.
const OWN_HEADER: &str = "x-hookwork-inbox";
/// Of all but the page: there is nothing to run or to load in it.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// What the routes share.
pub(super) struct Inbox {
    app: Arc<App>,
    clock: Clock,
    failures: Mutex<Limit>,
    policy: OnceLock<HeaderValue>,
    warned: Once,
}

/// Whether somebody is let in.
enum Door {
    /// By the token, or by the cookie of a session.
    Open { by_cookie: bool },
    /// Nothing was shown that opens it.
    Closed,
    /// What was shown does not open it, and there were too many failures: nothing more is said for so many seconds.
    Locked(u64),
    /// There is no token to open it with.
    Missing,
}

/// All routes, relative to `/inbox`.
pub(super) fn routes(app: Arc<App>, clock: Clock) -> Router {
    let inbox = Arc::new(Inbox {
        app,
        clock,
        failures: Mutex::default(),
        policy: OnceLock::new(),
        warned: Once::new(),
    });
    Router::new()
        .route("/", get(page))
        .route("/api/login", post(login::login))
        .route("/api/logout", post(login::logout))
        .merge(api::routes())
        .merge(mirror::routes())
        .merge(endpoints::routes())
        .fallback(async || error(StatusCode::NOT_FOUND, "no such route"))
        .method_not_allowed_fallback(async || {
            error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(Arc::clone(&inbox), at_the_door))
        .with_state(inbox)
}

/// Every request comes by here, and every answer goes by here.
async fn at_the_door(State(inbox): State<Arc<Inbox>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let is_page = path == "/" && matches!(method, Method::GET | Method::HEAD);
    let is_login = path == "/api/login" && method == Method::POST;
    let door = inbox.door(request.headers(), request.extensions()).await;
    let reads = matches!(method, Method::GET | Method::HEAD);
    let own = text(request.headers(), OWN_HEADER) == Some("1");
    let let_in = matches!(door, Door::Open { .. });
    let mut response = match door {
        Door::Missing => not_set_up(),
        Door::Locked(seconds) if !is_login => locked(seconds),
        Door::Open { by_cookie: true } if !reads && !own && !is_login => error(
            StatusCode::FORBIDDEN,
            "with a cookie this wants the header x-hookwork-inbox: 1",
        ),
        Door::Open { .. } => next.run(request).await,
        _ if is_login => next.run(request).await,
        _ if is_page => {
            let mut response = next.run(request).await;
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            response
        }
        _ => error(StatusCode::UNAUTHORIZED, "log in first"),
    };
    // What strangers ask for is not repeated.
    let path = let_in.then_some(path);
    let status = response.status();
    if reads && status.is_success() {
        // The page asks each second.
        tracing::debug!(%method, path, status = status.as_u16(), "inbox");
    } else {
        tracing::info!(%method, path, status = status.as_u16(), "inbox");
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("permissions-policy", FEATURES),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(NO_PAGE);
    response
}

async fn page(State(inbox): State<Arc<Inbox>>) -> Response {
    let policy = inbox.policy.get_or_init(page::policy).clone();
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, page::PAGE).into_response()
}

impl Inbox {
    /// Seconds since 1970.
    fn now(&self) -> u64 {
        let since = (self.clock)().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_secs()
    }

    async fn door(&self, headers: &HeaderMap, extensions: &Extensions) -> Door {
        let mut secrets = self.app.inbox_secrets().await;
        if key(&secrets).is_none()
            && let Some(newer) = self.app.newer_inbox_secrets(&secrets).await
        {
            secrets = newer;
        }
        let Some(known) = key(&secrets) else {
            return Door::Missing;
        };
        if secrets.inbox_token().is_some_and(is_guessable) {
            self.warned.call_once(|| {
                tracing::warn!("the token of the inbox could be guessed: it wants a long random one, as of openssl rand -hex 32");
            });
        }
        let now = self.now();
        let shown = || {
            let plain = in_plain(headers, extensions).then(|| cookies(headers, COOKIE_IN_PLAIN));
            cookies(headers, COOKIE).chain(plain.into_iter().flatten())
        };
        let session = |key: &SessionKey| shown().any(|value| key.accepts(value, now));
        if session(&known) {
            return Door::Open { by_cookie: true };
        }
        if shown().next().is_some() {
            // It may be of a newer token than we know.
            let newer = self.app.newer_inbox_secrets(&secrets).await;
            if newer.as_deref().and_then(key).as_ref().is_some_and(session) {
                return Door::Open { by_cookie: true };
            }
        }
        match bearer(headers) {
            Some(token) => match self.admit(token, extensions).await {
                Ok(Some(_)) => Door::Open { by_cookie: false },
                Ok(None) => Door::Closed,
                Err(seconds) => Door::Locked(seconds),
            },
            None => Door::Closed,
        }
    }

    /// The key for sessions of who comes with the right token, however many wrong ones came before it; none where it is wrong.
    ///
    /// # Errors
    /// It is wrong, as were too many: for so many seconds no wrong one is told more, nor does it cost a line of the log.
    async fn admit(&self, token: &str, extensions: &Extensions) -> Result<Option<SessionKey>, u64> {
        let opened = |secrets: &Secrets| {
            let right = secrets.inbox_token().is_some_and(|known| known.is(token));
            right.then(|| key(secrets)).flatten()
        };
        let secrets = self.app.inbox_secrets().await;
        let mut found = opened(&secrets);
        if found.is_none()
            && let Some(newer) = self.app.newer_inbox_secrets(&secrets).await
        {
            found = opened(&newer);
        }
        if found.is_none() {
            let from = sender(extensions);
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.count(from, (self.clock)())?;
            tracing::warn!(?from, "a wrong token of the inbox");
        }
        Ok(found)
    }
}

/// The key of the token, where there is one that may open the inbox.
fn key(secrets: &Secrets) -> Option<SessionKey> {
    SessionKey::of(secrets.inbox_token()?)
}

/// Who is at the other end.
fn sender(extensions: &Extensions) -> Option<IpAddr> {
    match extensions.get::<Arrival>() {
        Some(arrival) => arrival.from,
        None => extensions.get().map(|Peer(from)| *from),
    }
}

fn not_set_up() -> Response {
    tracing::error!(
        "the inbox wants {{\"inbox\": {{\"token\": \"…\"}}}} in the secrets, a token of at least 16 characters"
    );
    error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the inbox is not set up: the log says what it wants",
    )
}

fn locked(seconds: u64) -> Response {
    let mut response = error(
        StatusCode::TOO_MANY_REQUESTS,
        "too many wrong tokens: wait a minute",
    );
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, seconds.into());
    response
}

fn error(status: StatusCode, sentence: &str) -> Response {
    as_json(status, &json!({ "error": sentence }))
}

/// Something of ours failed; the cause is for the log alone.
fn failed(what: &str, cause: &dyn std::fmt::Display) -> Response {
    tracing::error!(error = %cause, what, "the inbox");
    error(StatusCode::INTERNAL_SERVER_ERROR, what)
}

/// The same of what is told to who may look, in the words of the inbox itself.
fn failed_with(why: &str) -> Response {
    tracing::error!(error = why, "the inbox");
    error(StatusCode::INTERNAL_SERVER_ERROR, why)
}

/// The trace that a request belongs to, and until when the work for it may take.
fn time_for(mut parts: Parts) -> (Option<Trace>, Instant) {
    match parts.extensions.remove::<Arrival>() {
        Some(arrival) => (arrival.trace, arrival.deadline),
        None => (None, Instant::now() + TIME_WITHOUT_GATEWAY),
    }
}

fn as_json(status: StatusCode, answer: &Value) -> Response {
    super::as_json(status, answer)
}
