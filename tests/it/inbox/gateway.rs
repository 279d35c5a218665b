//! The inbox through API Gateway: cookies come and go in fields of their own, bytes in base64, and no answer is too long for Lambda.

use super::{Desk, INBOX_TOKEN, Seen};
use crate::events::dispatched;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use serde_json::{Value, json};

/// What Lambda takes of an answer, in bytes.
pub(super) const ANSWER_MAX: usize = 6_000_000;
const DOMAIN: &str = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";

/// A request in the form of an HTTP API, as API Gateway sends it.
pub(super) fn http_api(
    method: &str,
    path: &str,
    cookies: &[&str],
    headers: Value,
    body: &str,
) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "cookies": cookies, "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3d4e5", "domainName": DOMAIN, "domainPrefix": "a1b2c3d4e5",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"},
            "requestId": "r", "routeKey": "$default", "stage": "$default", "time": "12/Jan/2024:05:06:10 +0000", "timeEpoch": 1_705_035_970_123u64,
        },
        "body": body, "isBase64Encoded": false,
    })
}

fn rest_api(method: &str, path: &str, headers: Value, body: &str) -> Value {
    let many: serde_json::Map<_, _> = headers
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), json!([value])))
        .collect();
    json!({
        "resource": "/{proxy+}", "path": path, "httpMethod": method, "headers": headers, "multiValueHeaders": many,
        "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": null, "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3d4e5", "domainName": DOMAIN, "httpMethod": method, "path": format!("/prod{path}"),
            "stage": "prod", "identity": {"sourceIp": "192.0.2.1"}, "requestTimeEpoch": 1_705_035_970_123u64, "resourcePath": "/{proxy+}",
        },
        "body": body, "isBase64Encoded": false,
    })
}

impl Desk {
    /// The answer as Lambda gets it.
    pub(super) async fn through_gateway(&self, path: &str) -> Value {
        let headers = json!({"authorization": format!("Bearer {INBOX_TOKEN}")});
        let answer = dispatched(self.world.app(), &http_api("GET", path, &[], headers, "")).await;
        let length = answer.to_string().len();
        assert!(length < ANSWER_MAX, "{path}: {length} bytes");
        answer
    }

    pub(super) async fn post_raw(
        &self,
        path: &str,
        headers: &[(&str, &[u8])],
        body: impl Into<Body>,
    ) -> Seen {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }
}

#[tokio::test]
async fn a_session_goes_out_and_comes_back_in_the_field_of_its_own() {
    let desk = Desk::new().await;
    let app = desk.world.app();
    let login = json!({"token": INBOX_TOKEN}).to_string();
    let answer = dispatched(
        app,
        &http_api("POST", "/inbox/api/login", &[], json!({}), &login),
    )
    .await;
    assert_eq!(answer["statusCode"], 204, "{answer}");
    let cookie = answer["cookies"][0].as_str().unwrap();
    assert!(cookie.ends_with("; Max-Age=43200; Secure"), "{cookie}");
    assert!(answer["headers"]["set-cookie"].is_null(), "{answer}");
    let cookie = cookie.split(';').next().unwrap();
    let page = dispatched(
        app,
        &http_api("GET", "/inbox", &["theme=dark", cookie], json!({}), ""),
    )
    .await;
    assert_eq!(
        (&page["statusCode"], &page["isBase64Encoded"]),
        (&json!(200), &json!(false))
    );
    let forged = format!("{cookie}x");
    let page = dispatched(app, &http_api("GET", "/inbox", &[&forged], json!({}), "")).await;
    assert_eq!(page["statusCode"], 401);
}

#[tokio::test]
async fn a_rest_api_has_the_cookie_among_the_headers() {
    let desk = Desk::new().await;
    let app = desk.world.app();
    let login = json!({"token": INBOX_TOKEN}).to_string();
    let answer = dispatched(
        app,
        &rest_api("POST", "/inbox/api/login", json!({}), &login),
    )
    .await;
    let cookie = answer["headers"]["set-cookie"].as_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let page = dispatched(
        app,
        &rest_api("GET", "/inbox", json!({"Cookie": cookie}), ""),
    )
    .await;
    assert_eq!(page["statusCode"], 200);
    let sources = rest_api(
        "GET",
        "/inbox/api/sources",
        json!({"Authorization": format!("Bearer {INBOX_TOKEN}")}),
        "",
    );
    let told = dispatched(app, &sources).await;
    let told: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        told["sources"][0]["url"],
        format!("https://{DOMAIN}/prod/hooks/hub"),
        "with the stage"
    );
}

#[tokio::test]
async fn wrong_tokens_of_one_address_end_at_five_behind_a_gateway_too() {
    let desk = Desk::new().await;
    let router = hookwork::http::router(desk.world.app().clone());
    let wrong = json!({"token": "wrong"}).to_string();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let event = http_api(
            "POST",
            "/inbox/api/login",
            &[],
            json!({"x-forwarded-for": "203.0.113.1"}),
            &wrong,
        );
        let payload = serde_json::value::RawValue::from_string(event.to_string()).unwrap();
        let event = lambda_runtime::LambdaEvent::new(payload, lambda_runtime::Context::default());
        let answer = hookwork::lambda::dispatch(desk.world.app().clone(), router.clone(), event)
            .await
            .unwrap();
        statuses.push(serde_json::to_value(answer).unwrap()["statusCode"].clone());
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
}

#[tokio::test]
async fn a_download_leaves_in_base64_even_where_it_is_text() {
    let desk = Desk::new().await;
    // As text each of these would be six characters of JSON.
    for body in [vec![1u8; 5_000_000], vec![0xff; 5_000_000]] {
        let seen = desk.post_raw("/hooks/open", &[], body.clone()).await;
        let id = seen.json()["delivery"].as_str().unwrap().to_owned();
        let answer = desk
            .through_gateway(&format!("/inbox/api/deliveries/{id}/body?from=1000000"))
            .await;
        assert_eq!(
            (&answer["statusCode"], &answer["isBase64Encoded"]),
            (&json!(200), &json!(true))
        );
        let piece = STANDARD.decode(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(piece, body[..3 << 20]);
        desk.through_gateway(&format!("/inbox/api/deliveries/{id}"))
            .await;
        desk.through_gateway(&format!("/inbox/api/deliveries/{id}/fixture"))
            .await;
    }
}
