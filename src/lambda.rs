//! The edge towards Lambda: every way in which the function can be started, told apart by the shape of the event.

mod request;
mod route;
mod sqs;

use crate::app::App;
use crate::app::queue::Message;
use crate::domain::delivery::DeliveryId;
use crate::domain::event::OriginRef;
use crate::domain::trace::Trace;
use crate::http::Arrival;
use axum::Router;
use axum::body::Body;
use futures_util::FutureExt as _;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayV2httpResponse};
use lambda_http::aws_lambda_events::encodings::Body as LambdaBody;
use lambda_http::request::LambdaRequest;
use lambda_runtime::{Context, Error, LambdaEvent};
use request::{Http, as_uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqs::BatchResponse;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, timeout};
use tower::ServiceExt as _;
use uuid::Uuid;

/// Work stops this long before somebody stops waiting: time to drop an upload and to answer.
const MARGIN: Duration = Duration::from_secs(3);
/// What was counted is written this long before Lambda ends an invocation, whatever is still under way.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// A way in which the function can be started.
enum Invocation {
    /// API Gateway's HTTP API, or a Function URL, which has the same shape.
    HttpV2(Http),
    /// API Gateway's REST API.
    RestV1(Http),
    /// Messages of the queue.
    Queue(Vec<Message>),
    /// The schedule, or an operator.
    Told(Told),
}

/// What tells one event from another, in one pass that keeps nothing of it: most are requests, and may be long.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<&'a RawValue>,
    #[serde(borrow)]
    hookwork: Option<&'a RawValue>,
}

/// What the schedule, or an operator, says to the function itself.
#[derive(Deserialize)]
#[serde(tag = "hookwork", rename_all = "lowercase", deny_unknown_fields)]
enum Told {
    /// `{"hookwork":"audit"}`
    Audit,
    /// `{"hookwork":"release","source":"vk","bucket":"mcs1/b","removals":120}`
    Release {
        source: String,
        bucket: String,
        /// How many were shown to who says this; without it, however many there are.
        removals: Option<u64>,
    },
    /// `{"hookwork":"replay","delivery":"0197…"}`
    Replay { delivery: Uuid },
    /// `{"hookwork":"redrive"}`
    Redrive,
}

/// An answer in the shape of the invocation.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// For an HTTP API or a Function URL.
    HttpV2(ApiGatewayV2httpResponse),
    /// For a REST API.
    RestV1(ApiGatewayProxyResponse),
    /// For a queue.
    Queue(BatchResponse),
    /// For who told it.
    Told {
        /// How many audits were begun, one for each origin bucket; how many removals were released; how many jobs were done
        /// again; how many dead letters are back in the queue.
        count: u64,
    },
}

/// Answers one invocation, and writes what was counted meanwhile.
///
/// # Errors
/// The event has none of the known shapes: the invocation fails and says so.
pub async fn dispatch(
    app: Arc<App>,
    router: Router,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Response, Error> {
    let left = time_left(SystemTime::now(), deadline_of(&event.context), None);
    // Its type is erased: nested any deeper, the compiler gives up on the future's layout.
    let mut answered = answered(Arc::clone(&app), router, event).boxed();
    let answer = match timeout(left + MARGIN.saturating_sub(LAST_WORDS), &mut answered).await {
        Ok(answer) => answer,
        Err(_) => {
            // Work stops before this; should some not, Lambda is about to end it, and what it counted with it.
            app.metrics().flush();
            answered.await
        }
    };
    app.metrics().flush();
    answer
}

async fn answered(
    app: Arc<App>,
    router: Router,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Response, Error> {
    let function_ends = deadline_of(&event.context);
    let trace = event.context.xray_trace_id.as_deref();
    let trace = trace.and_then(Trace::parse);
    let all_its_time = || Instant::now() + time_left(SystemTime::now(), function_ends, None);
    let own = app.paths().map(|(path, _)| path);
    match parse(event.payload.get())? {
        Invocation::HttpV2(http) => {
            answer(router, http.routed(own), trace, false, function_ends).await
        }
        Invocation::RestV1(http) => {
            answer(router, http.routed(own), trace, true, function_ends).await
        }
        Invocation::Queue(messages) => {
            let again = app.perform_batch(messages, all_its_time()).await;
            Ok(Response::Queue(BatchResponse::of(again)))
        }
        Invocation::Told(Told::Audit) => {
            let count = app.tick(trace, all_its_time()).await?;
            Ok(Response::Told { count })
        }
        Invocation::Told(Told::Redrive) => {
            let count = app.return_letters(all_its_time()).await?;
            Ok(Response::Told { count })
        }
        Invocation::Told(Told::Release {
            source,
            bucket,
            removals,
        }) => {
            let origin = bucket;
            let of = OriginRef { source, origin };
            let count = app.release(&of, removals, trace, all_its_time()).await?;
            Ok(Response::Told { count })
        }
        Invocation::Told(Told::Replay { delivery }) => {
            let id = DeliveryId(delivery);
            let count = app.replay_proven(id, trace, all_its_time()).await?;
            Ok(Response::Told { count })
        }
    }
}

/// Answers a request, as a REST API or an HTTP API wants it.
async fn answer(
    router: Router,
    http: Http,
    trace: Option<Trace>,
    rest: bool,
    function_ends: SystemTime,
) -> Result<Response, Error> {
    let left = time_left(SystemTime::now(), function_ends, http.waiting);
    let mut request = Request::new(Body::from(http.body));
    *request.method_mut() = http.method;
    *request.headers_mut() = http.headers;
    // Whatever cannot be a URI even so names no route.
    *request.uri_mut() = as_uri(&http.target).parse().unwrap_or_default();
    request.extensions_mut().insert(Arrival {
        url: http.url,
        from: http.from,
        trace,
        deadline: Instant::now() + left,
    });
    let (parts, body) = router.oneshot(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let status = i64::from(parts.status.as_u16());
    // Bytes are told as such even where they are text: spelled in JSON they could be six times as long.
    let text = std::str::from_utf8(&body).ok();
    let (body, encoded) = match text.filter(|_| !is_bytes(&parts.headers)) {
        Some(text) => (LambdaBody::Text(text.to_owned()), false),
        None => (LambdaBody::Binary(body.to_vec()), true),
    };
    let mut headers = parts.headers;
    Ok(if rest {
        let mut answer = ApiGatewayProxyResponse::default();
        (
            answer.status_code,
            answer.headers,
            answer.body,
            answer.is_base64_encoded,
        ) = (status, headers, Some(body), encoded);
        Response::RestV1(answer)
    } else {
        let mut answer = ApiGatewayV2httpResponse::default();
        // In this form of answer they are no headers.
        let cookies = headers.get_all(SET_COOKIE).iter();
        let cookies = cookies.filter_map(|cookie| cookie.to_str().ok().map(ToOwned::to_owned));
        answer.cookies = cookies.collect();
        headers.remove(SET_COOKIE);
        (
            answer.status_code,
            answer.headers,
            answer.body,
            answer.is_base64_encoded,
        ) = (status, headers, Some(body), encoded);
        Response::HttpV2(answer)
    })
}

fn is_bytes(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind == "application/octet-stream")
}

fn deadline_of(context: &Context) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(context.deadline)
}

/// How long the work may take. An event whose sender has stopped waiting long ago did not come through a gateway: it was
/// invoked directly, and has all the function's time.
fn time_left(
    now: SystemTime,
    function_ends: SystemTime,
    waiting: Option<(SystemTime, Duration)>,
) -> Duration {
    let function = function_ends.duration_since(now).unwrap_or_default();
    let sender = waiting.and_then(|(since, patience)| {
        patience.checked_sub(now.duration_since(since).unwrap_or_default())
    });
    sender
        .map_or(function, |sender| sender.min(function))
        .saturating_sub(MARGIN)
}

fn parse(event: &str) -> Result<Invocation, Error> {
    const EXPECTED: &str = "expected an event of an API Gateway HTTP API (2.0), of a REST API (1.0), of a Function URL, of an SQS queue, {\"hookwork\":\"audit\"} or {\"hookwork\":\"redrive\"}";
    let shape: Shape<'_> = serde_json::from_str(event).map_err(|_| EXPECTED)?;
    if shape.records.is_some() {
        let messages = sqs::messages(event).ok_or(EXPECTED)?;
        return Ok(Invocation::Queue(messages));
    }
    if shape.hookwork.is_some() {
        return Ok(Invocation::Told(serde_json::from_str(event)?));
    }
    let request = serde_json::from_str::<LambdaRequest>(event).map_err(|_| EXPECTED)?;
    match request {
        LambdaRequest::ApiGatewayV2(v2) => Ok(Invocation::HttpV2(Http::of_v2(v2)?)),
        LambdaRequest::ApiGatewayV1(v1) => Ok(Invocation::RestV1(Http::of_v1(v1)?)),
        _ => Err(EXPECTED.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::Invocation::{HttpV2, RestV1};
    use super::request::HTTP_API_WAITS;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn work_stops_before_the_gateway_does_and_a_direct_invocation_has_all_the_time() {
        let now = UNIX_EPOCH + 10_000 * SECOND;
        let ends = now + 900 * SECOND;
        let left = |came: Option<u32>| {
            let waiting = came.map(|ago| (now - ago * SECOND, HTTP_API_WAITS));
            time_left(now, ends, waiting)
        };
        assert_eq!(left(Some(0)), 27 * SECOND);
        assert_eq!(left(Some(10)), 17 * SECOND);
        assert_eq!(left(Some(29)), Duration::ZERO);
        assert_eq!(left(Some(31)), 897 * SECOND, "nobody waits any more");
        assert_eq!(left(None), 897 * SECOND);
        assert_eq!(time_left(now, now + 10 * SECOND, None), 7 * SECOND);
        assert_eq!(time_left(now, now - SECOND, None), Duration::ZERO);
        let ahead = Some((now + SECOND, HTTP_API_WAITS));
        assert_eq!(time_left(now, ends, ahead), 27 * SECOND, "clocks differ");
    }

    #[test]
    fn what_is_no_event_of_ours_is_told_what_was_expected() {
        let refused = |event: &str| match parse(event) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{event}"),
        };
        let s3 = r#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#;
        for other in ["[]", "{}", s3, r#"{"Records":{}}"#] {
            assert!(refused(other).starts_with("expected an event"), "{other}");
        }
        let told = refused(r#"{"hookwork":"sweep"}"#);
        assert!(
            told.contains("`sweep`, expected one of `audit`, `release`, `replay`"),
            "{told}"
        );
        let told = refused(r#"{"hookwork":"release","source":"vk"}"#);
        assert!(told.contains("missing field `bucket`"), "{told}");
    }

    proptest! {
        #[test]
        fn whatever_a_gateway_hands_over_is_read_or_refused(
            path in "(/[ -~]{0,20}|.{0,20})", query in ".{0,20}", name in "[a-zA-Z-]{0,9}|.{0,5}", value in ".{0,20}",
            body in ".{0,40}", encoded: bool, ip in "([0-9]{1,3}\\.){3}[0-9]{1,3}|.{0,20}", method in "[A-Z]{0,9}|.{0,5}", rest: bool,
        ) {
            let event = if rest {
                json!({
                    "resource": "/{proxy+}", "path": path, "httpMethod": method, "headers": {&name: value}, "multiValueHeaders": {name: [value]},
                    "queryStringParameters": {&query: value}, "multiValueQueryStringParameters": {&query: [value]}, "body": body,
                    "isBase64Encoded": encoded, "requestContext": {"stage": path, "path": path, "domainName": value, "identity": {"sourceIp": ip}},
                })
            } else {
                json!({
                    "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": {name: value}, "body": body,
                    "isBase64Encoded": encoded, "requestContext": {
                        "domainName": value, "stage": path, "timeEpoch": 0, "http": {"method": method, "path": path, "sourceIp": ip},
                    },
                })
            };
            let (HttpV2(http) | RestV1(http)) = (match parse(&event.to_string()) {
                Ok(read) => read,
                Err(_) => return Ok(()),
            }) else {
                panic!("{event} is a request")
            };
            prop_assert!(http.body.len() <= body.len());
            if !encoded {
                prop_assert_eq!(&http.body[..], body.as_bytes());
            }
            prop_assert_eq!(http.from.is_some(), ip.parse::<std::net::IpAddr>().is_ok());
            let uri: Result<::http::Uri, _> = as_uri(&http.target).parse();
            prop_assert!(uri.is_ok() || !http.target.starts_with('/') || http.target.contains('#'));
        }
    }
}
