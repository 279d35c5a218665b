//! A request, whatever brought it: an HTTP API, a Function URL or a REST API.

use super::route::{Path, without_mapping, without_stage};
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
    /// What the router is asked for: the path without the stage and the mapping, and the query.
    pub(super) target: String,
    /// Whether a mapping that nothing tells may still be before it.
    mapped: bool,
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
        let domain = context.domain_name.as_deref();
        let is_function_url = domain.is_some_and(|domain| domain.contains(".lambda-url."));
        let is_custom = domain.is_some_and(is_custom);
        let stage = context.stage.as_deref();
        let route_key = v2.route_key.as_deref();
        let (route, certain) = Path {
            path: &path,
            template: route_key.and_then(|key| Some(key.split_once(' ')?.1)),
            parameters: &v2.path_parameters,
            stage,
        }
        .route();
        // At a domain of one's own nobody calls the stage. Its mapping is in none of the fields, as AWS documents them.
        let mut called = if is_custom {
            without_stage(&path, stage)
        } else {
            path.clone()
        };
        if let Some(told) = context
            .http
            .path
            .filter(|told| *told != path && told.ends_with(&called))
        {
            called = told;
        }
        let since = context.time_epoch;
        Ok(Self {
            method: context.http.method,
            url: context
                .domain_name
                .map(|domain| with_query(format!("https://{domain}{called}"), query.as_deref())),
            target: with_query(route, query.as_deref()),
            mapped: is_custom && !is_function_url && !certain,
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
        // Of a REST API's own domain the context has the stage, and of a custom domain both have the mapping. An HTTP API with events
        // of this version has the stage in both.
        let stage = context.stage.as_deref();
        let stage = stage.filter(|_| context.path.as_ref().is_none_or(|told| *told == path));
        let (route, certain) = Path {
            path: &path,
            template: v1.resource.as_deref(),
            parameters: &v1.path_parameters,
            stage,
        }
        .route();
        let is_custom = context.domain_name.as_deref().is_some_and(is_custom);
        let called = match context.path {
            Some(told) if told.len() >= path.len() || !path.ends_with(&told) => told,
            _ => path,
        };
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
            target: with_query(route, query.as_deref()),
            mapped: is_custom && !certain,
            body: raw(v1.body, v1.is_base64_encoded)?,
            headers,
            from: address(context.identity.source_ip),
            waiting: Some((at(context.request_time_epoch), REST_API_WAITS)),
        })
    }

    /// The same without a mapping before its route; `own` are the paths of sources.
    pub(super) fn routed<'a>(mut self, own: impl Iterator<Item = &'a str>) -> Self {
        if self.mapped {
            self.target = without_mapping(&self.target, own).to_owned();
        }
        self
    }
}

/// Whether it is a domain of one's own, before which there may be a mapping.
fn is_custom(domain: &str) -> bool {
    !domain.contains(".execute-api.") && !domain.contains(".lambda-url.")
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
            "cookies": ["__Host-hookwork_inbox=1.2.x", "bad=\n", "other=\u{e9}"], "headers": {"host": "x"},
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
            [
                &b"__Host-hookwork_inbox=1.2.x"[..],
                "other=\u{e9}".as_bytes()
            ]
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
