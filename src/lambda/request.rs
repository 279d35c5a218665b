//! A request, whatever brought it: an HTTP API, a Function URL or a REST API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::COOKIE;
use http::{HeaderMap, Method};
use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use lambda_runtime::Error;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What an API in front of the function waits for an answer: REST APIs 29 s, HTTP APIs 30 s.
const REST_API_WAITS: Duration = Duration::from_secs(29);
pub(super) const HTTP_API_WAITS: Duration = Duration::from_secs(30);

/// A request, whatever brought it.
pub(super) struct Http {
    pub(super) method: Method,
    /// What the router is asked for: the path without the stage, and the query.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) url: Option<String>,
    /// Who took up the connection to the gateway.
    pub(super) from: Option<IpAddr>,
    /// Until when somebody waits at the other end, counted from when the request came.
    pub(super) waiting: Option<(SystemTime, Duration)>,
}

impl Http {
    /// Of an HTTP API or a Function URL.
    pub(super) fn of_v2(v2: ApiGatewayV2httpRequest) -> Result<Self, Error> {
        let context = v2.request_context;
        let path = v2.raw_path.unwrap_or_else(|| "/".to_owned());
        let query = v2.raw_query_string.filter(|query| !query.is_empty());
        let is_function_url = context
            .domain_name
            .as_deref()
            .is_some_and(|domain| domain.contains(".lambda-url."));
        let since = context.time_epoch;
        Ok(Self {
            method: context.http.method,
            url: context
                .domain_name
                .map(|domain| with_query(format!("https://{domain}{path}"), query.as_deref())),
            target: with_query(
                without_stage(&path, context.stage.as_deref()),
                query.as_deref(),
            ),
            body: raw(v2.body, v2.is_base64_encoded)?,
            headers: with_cookies(v2.headers, v2.cookies.unwrap_or_default()),
            from: address(context.http.source_ip),
            waiting: (!is_function_url).then(|| (at(since), HTTP_API_WAITS)),
        })
    }

    /// Of a REST API.
    pub(super) fn of_v1(v1: ApiGatewayProxyRequest) -> Result<Self, Error> {
        let context = v1.request_context;
        let path = v1.path.unwrap_or_else(|| "/".to_owned());
        let called = context.path.unwrap_or_else(|| path.clone());
        let parameters = if v1.multi_value_query_string_parameters.is_empty() {
            v1.query_string_parameters
        } else {
            v1.multi_value_query_string_parameters
        };
        // The event has them unordered, so of several the URL cannot be told.
        let known = parameters.iter().count() <= 1;
        let query = Some(parameters.to_query_string()).filter(|query| !query.is_empty());
        let mut headers = v1.multi_value_headers;
        for (name, value) in &v1.headers {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        Ok(Self {
            method: v1.http_method,
            url: context
                .domain_name
                .filter(|_| known)
                .map(|domain| with_query(format!("https://{domain}{called}"), query.as_deref())),
            target: with_query(path, query.as_deref()),
            body: raw(v1.body, v1.is_base64_encoded)?,
            headers,
            from: address(context.identity.source_ip),
            waiting: Some((at(context.request_time_epoch), REST_API_WAITS)),
        })
    }
}

/// This form of event has the cookies beside the headers, one by one.
fn with_cookies(mut headers: HeaderMap, cookies: Vec<String>) -> HeaderMap {
    for cookie in cookies {
        if let Ok(cookie) = cookie.try_into() {
            headers.append(COOKIE, cookie);
        }
    }
    headers
}

fn address(text: Option<String>) -> Option<IpAddr> {
    text?.parse().ok()
}

fn at(epoch_ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(epoch_ms).unwrap_or_default())
}

/// A gateway may hand over the path decoded, so what cannot stand in a URI is encoded again.
pub(super) fn as_uri(target: &str) -> String {
    const ODD: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'<')
        .add(b'>')
        .add(b'`')
        .add(b'\\')
        .add(b'^')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    utf8_percent_encode(target, ODD).to_string()
}

fn with_query(path: String, query: Option<&str>) -> String {
    query.map_or(path.clone(), |query| format!("{path}?{query}"))
}

/// A named stage of an HTTP API is the first segment of the path.
fn without_stage(path: &str, stage: Option<&str>) -> String {
    let stage = stage.filter(|stage| *stage != "$default" && !stage.is_empty());
    let rest = stage
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.starts_with('/'));
    rest.unwrap_or(path).to_owned()
}

fn raw(body: Option<String>, is_base64: bool) -> Result<Bytes, Error> {
    match body {
        None => Ok(Bytes::new()),
        Some(text) if is_base64 => Ok(STANDARD
            .decode(text)
            .map_err(|_| "the event's body is not the base64 that it says it is")?
            .into()),
        Some(text) => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_stage_is_no_part_of_the_route() {
        assert_eq!(without_stage("/prod/hooks/vk", Some("prod")), "/hooks/vk");
        assert_eq!(without_stage("/hooks/vk", Some("$default")), "/hooks/vk");
        assert_eq!(without_stage("/production", Some("prod")), "/production");
        assert_eq!(without_stage("/hooks/vk", Some("prod")), "/hooks/vk");
        assert_eq!(without_stage("/hooks/hooks/vk", Some("hooks")), "/hooks/vk");
    }

    #[test]
    fn a_decoded_path_becomes_a_uri_again() {
        assert_eq!(
            as_uri("/hooks/vk/a%20b?x=1&y=%2F"),
            "/hooks/vk/a%20b?x=1&y=%2F"
        );
        assert_eq!(as_uri("/hooks/é ü"), "/hooks/%C3%A9%20%C3%BC");
        assert!(as_uri("/\u{0}<>{}|^`\"").parse::<http::Uri>().is_ok());
    }

    #[test]
    fn cookies_that_come_beside_the_headers_are_one_of_them() {
        let event = serde_json::json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/inbox", "rawQueryString": "",
            "cookies": ["hookwork_inbox=1.2.x", "bad=\n", "other=\u{e9}"], "headers": {"host": "x"},
            "requestContext": {"http": {"method": "GET", "path": "/inbox"}, "timeEpoch": 0},
            "isBase64Encoded": false,
        });
        let http = Http::of_v2(serde_json::from_value(event).unwrap()).unwrap();
        let cookies: Vec<_> = http
            .headers
            .get_all(COOKIE)
            .iter()
            .map(http::HeaderValue::as_bytes)
            .collect();
        assert_eq!(
            cookies,
            [&b"hookwork_inbox=1.2.x"[..], "other=\u{e9}".as_bytes()]
        );
    }

    #[test]
    fn a_body_that_is_not_the_base64_it_claims_is_an_error() {
        assert_eq!(raw(Some("eA==".into()), true).unwrap(), "x");
        assert_eq!(raw(Some("eA==".into()), false).unwrap(), "eA==");
        assert!(raw(Some("!".into()), true).is_err());
        assert_eq!(raw(None, true).unwrap(), "");
    }
}
