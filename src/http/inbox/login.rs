//! Login and logout: the token once, then a cookie that no script can read and no other site can send.

use super::{COOKIE, COOKIE_IN_PLAIN, Inbox, error, locked};
use crate::domain::session::SESSION_LASTS;
use crate::http::in_plain;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    token: String,
}

pub(super) async fn login(
    State(inbox): State<Arc<Inbox>>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return error(rejection.status(), "expected {\"token\":\"…\"}"),
    };
    // Its error may quote what it could not read.
    let Ok(Login { token }) = serde_json::from_slice(&body) else {
        return error(StatusCode::BAD_REQUEST, "expected {\"token\":\"…\"}");
    };
    match inbox.admit(&token, &parts.extensions).await {
        Ok(Some(key)) => {
            tracing::info!(from = ?super::sender(&parts.extensions), "somebody logs in to the inbox");
            let session = key.issue(inbox.now());
            with_cookie(&parts, &session, SESSION_LASTS)
        }
        Ok(None) => error(StatusCode::UNAUTHORIZED, "the token is wrong"),
        Err(seconds) => locked(seconds),
    }
}

/// The browser forgets the session. Nothing of it is stored here: a copy of the cookie counts until it expires.
pub(super) async fn logout(parts: Parts) -> Response {
    with_cookie(&parts, "", 0)
}

fn with_cookie(parts: &Parts, value: &str, max_age: u64) -> Response {
    let (name, path, secure) = if in_plain(&parts.headers, &parts.extensions) {
        (COOKIE_IN_PLAIN, "/inbox", "")
    } else {
        (COOKIE, "/", "; Secure")
    };
    let cookie = format!(
        "{name}={value}; HttpOnly; SameSite=Strict; Path={path}; Max-Age={max_age}{secure}"
    );
    let cookie: HeaderValue = cookie.try_into().expect("plain text");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}
