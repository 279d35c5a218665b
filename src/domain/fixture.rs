//! A recorded delivery as the event that API Gateway would hand over for it (HTTP API, payload 2.0): to be invoked with, or to
//! become a test. What is secret in it, or signs, is left out.

use super::curl::is_hidden;
use super::instant::instant;
use super::record::Record;
use super::redact::LEFT_OUT;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The event. `signed_in` is the header of the source's own choice that has the signature.
#[must_use]
pub fn fixture(record: &Record, signed_in: Option<&str>) -> Value {
    let of = &record.delivery;
    let url = of.url.as_deref().unwrap_or("https://localhost/");
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let place = place.split_once("://").map_or(place, |(_, place)| place);
    let (domain, path) = place.split_once('/').unwrap_or((place, ""));
    let path = format!("/{path}");
    // As the gateway joins those that come more than once.
    let mut headers = Map::new();
    for (name, value) in &record.headers {
        let hidden = is_hidden(name, value.as_deref(), signed_in);
        let value = value.as_deref().filter(|_| !hidden).unwrap_or(LEFT_OUT);
        match headers.get_mut(name) {
            Some(Value::String(known)) => *known = format!("{known},{value}"),
            _ => drop(headers.insert(name.clone(), json!(value))),
        }
    }
    let agent = headers.get("user-agent").cloned();
    let (body, encoded) = match std::str::from_utf8(&of.body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(&of.body), true),
    };
    let milliseconds = of.received.saturating_mul(1000);
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "fixture",
            "domainName": domain,
            "domainPrefix": domain.split('.').next().unwrap_or_default(),
            "http": {
                "method": of.method.as_str(), "path": path, "protocol": "HTTP/1.1",
                "sourceIp": of.from.map(|from| from.to_string()).unwrap_or_default(),
                "userAgent": agent.unwrap_or(json!("")),
            },
            "requestId": of.id.to_string(),
            "routeKey": "$default",
            "stage": "$default",
            "time": instant(milliseconds),
            "timeEpoch": milliseconds,
        },
        "body": body,
        "isBase64Encoded": encoded,
    })
}
