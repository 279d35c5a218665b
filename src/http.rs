//! The edge towards senders: the router, and the only place with status codes. Causes of failures never leave through it.

mod answer;
mod base;
mod credentials;
mod elsewhere;
mod endpoints;
mod inbox;

pub use inbox::row;

use crate::app::App;
use crate::domain::delivery::{BODY_MAX, Delivery, DeliveryId, NoBody, Rejection};
use crate::domain::trace::Trace;
use crate::receipt::{Refusal, TOO_MANY};
use answer::answer;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on};
use base::in_plain;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use tower::ServiceExt as _;

/// The time for a request that says nothing of its deadline: of a server without a gateway before it.
const TIME_WITHOUT_GATEWAY: Duration = Duration::from_secs(900);

/// What is known of a request beside itself.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The URL that was called, as the request context tells it.
    pub url: Option<String>,
    /// The address that it came from.
    pub from: Option<IpAddr>,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
    /// When the work for it must have stopped.
    pub deadline: Instant,
}

/// Who is at the other end, where a server without a gateway knows it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// What tells the time of day, to sessions and endpoints that end.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The routes of the function.
pub fn router(app: Arc<App>) -> Router {
    router_at(app, Arc::new(SystemTime::now))
}

/// The same, by this clock.
pub fn router_at(app: Arc<App>, clock: Clock) -> Router {
    let mut router = Router::new();
    if app.keeps() {
        let inbox = inbox::routes(Arc::clone(&app), Arc::clone(&clock));
        let endpoints = endpoints::routes(clock);
        router = router.nest_service("/inbox", inbox).merge(endpoints);
    }
    router = router
        .route(
            "/ping",
            get(async || {
                (
                    [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
                    "Pong\n",
                )
            }),
        )
        .route("/hooks/{source}", on(METHODS, keyless))
        .route("/hooks/{source}/{key}", on(METHODS, keyed));
    let paths: Vec<_> = app
        .paths()
        .map(|(path, source)| (path.to_owned(), source.to_owned()))
        .collect();
    for (path, source) in paths {
        let name = source.clone();
        let at_path =
            async move |State(app), parts, body| receive(app, name, None, parts, body).await;
        let with_key =
            async move |State(app), key: Result<Path<String>, PathRejection>, parts, body| {
                let Path(key) = key.unwrap_or(Path(String::new()));
                receive(app, source, Some(key), parts, body).await
            };
        router = router
            .route(&path, on(METHODS, at_path))
            .route(&format!("{path}/{{key}}"), on(METHODS, with_key));
    }
    let router = router
        .fallback(elsewhere::elsewhere)
        .method_not_allowed_fallback(async |uri: Uri| {
            refused(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", &uri)
        })
        .layer(axum::middleware::from_fn(elsewhere::guarded))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(app);
    Router::new().fallback_service(router.map_request(elsewhere::without_empty_segments))
}

/// Deliveries come by POST, some handshakes by the others.
const METHODS: MethodFilter = MethodFilter::POST
    .or(MethodFilter::GET)
    .or(MethodFilter::OPTIONS);

// A path that is no UTF-8 names no source, and is answered so.
async fn keyless(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Path(source) = path.unwrap_or(Path(String::new()));
    receive(app, source, None, parts, body).await
}

async fn keyed(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String)>, PathRejection>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Path((source, key)) = path.unwrap_or(Path((String::new(), String::new())));
    receive(app, source, Some(key), parts, body).await
}

/// A request that reaches no source. The path stays out of the log: a part of it may be a secret.
fn refused(status: StatusCode, cause: &str, uri: &Uri) -> Response {
    let trailing_slash = uri.path().len() > 1 && uri.path().ends_with('/');
    tracing::info!(status = status.as_u16(), cause, trailing_slash, "request");
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        json!({ "error": cause }).to_string(),
    )
        .into_response()
}

/// The delivery that a request is, as yet without a body; its trace, and when the work for it must have stopped.
fn arrived(mut parts: Parts, since_1970: Duration) -> (Delivery, Option<Trace>, Instant) {
    let arrival = parts.extensions.remove().unwrap_or_else(|| Arrival {
        url: base::called(&parts),
        from: parts.extensions.get().map(|Peer(from)| *from),
        trace: None,
        deadline: Instant::now() + TIME_WITHOUT_GATEWAY,
    });
    let delivery = Delivery {
        id: DeliveryId(uuid::Uuid::now_v7()),
        method: parts.method,
        query: parts.uri.query().map(ToOwned::to_owned),
        headers: parts.headers,
        body: Bytes::new(),
        url: arrival.url,
        from: arrival.from,
        received: since_1970.as_secs(),
    };
    (delivery, arrival.trace, arrival.deadline)
}

async fn receive(
    app: Arc<App>,
    source: String,
    key: Option<String>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let uri = parts.uri.clone();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let (mut delivery, trace, deadline) = arrived(parts, since_1970.unwrap_or_default());
    let id = delivery.id;
    let mut account = Account::new(id, trace.clone(), &body);
    // Where the source's name was left out of the registered URL, this is the url_key.
    account.source = app.knows(&source).then(|| source.clone());
    let received = match body {
        Ok(body) => {
            delivery.body = body;
            let key = key.as_deref();
            app.receive(&source, key, delivery, trace, deadline).await
        }
        Err(rejection) => {
            app.receive_unread(&source, delivery, no_body(&rejection))
                .await
        }
    };
    account.cause = match &received.answer {
        // Of no delivery.
        Err(Refusal::Rejected(Rejection::Method)) => {
            return refused(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", &uri);
        }
        Ok(_) => None,
        Err(Refusal::Rejected(rejection)) => Some(rejection.to_string()),
        Err(Refusal::NoBody(why)) => Some(why.reason().to_owned()),
        Err(Refusal::Failed(error)) => Some(error.to_string()),
        Err(Refusal::TooMany(_)) => Some(TOO_MANY.to_owned()),
    };
    account.close(&app, received.recorded, answer(id, received.answer))
}

fn no_body(rejection: &BytesRejection) -> NoBody {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => NoBody::TooLarge,
        _ => NoBody::BrokenOff,
    }
}

fn status_without(body: NoBody) -> StatusCode {
    match body {
        NoBody::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        NoBody::BrokenOff => StatusCode::BAD_REQUEST,
    }
}

/// What the log is told of a delivery.
struct Account {
    id: DeliveryId,
    trace: Option<Trace>,
    /// One that there is: what stands in the place of a name that there is not may be a secret.
    source: Option<String>,
    /// Of the body, if it was read.
    bytes: Option<usize>,
    began: Instant,
    /// Why it was not taken.
    cause: Option<String>,
}

impl Account {
    /// Of one that just came.
    fn new(id: DeliveryId, trace: Option<Trace>, body: &Result<Bytes, BytesRejection>) -> Self {
        Self {
            id,
            trace,
            source: None,
            bytes: body.as_ref().ok().map(Bytes::len),
            began: Instant::now(),
            cause: None,
        }
    }

    /// Counts and logs a delivery that is answered, and tells its sender where it was not recorded.
    fn close(self, app: &App, recorded: bool, mut answer: Response) -> Response {
        if !recorded {
            let no = HeaderValue::from_static("false");
            answer.headers_mut().insert("hookwork-recorded", no);
        }
        let status = answer.status();
        app.metrics().delivery(rejected(status));
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let trace = self.trace.as_ref().map(Trace::id);
        let (id, source, bytes, cause) = (self.id, self.source, self.bytes, self.cause);
        let status = status.as_u16();
        // Jobs that failed have told so themselves.
        if status >= 500 && cause.is_some() {
            tracing::error!(delivery.id = %id, trace, source, status, bytes, ms, cause, "delivery");
        } else {
            tracing::info!(delivery.id = %id, trace, source, status, bytes, ms, cause, "delivery");
        }
        answer
    }
}

fn as_json(status: StatusCode, answer: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, answer.to_string()).into_response()
}

/// The word for why a delivery was refused, where it was.
fn rejected(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::BAD_REQUEST => Some("malformed"),
        StatusCode::UNAUTHORIZED => Some("unauthentic"),
        StatusCode::FORBIDDEN => Some("forbidden"),
        StatusCode::NOT_FOUND => Some("unknown"),
        StatusCode::PAYLOAD_TOO_LARGE => Some("too_large"),
        StatusCode::TOO_MANY_REQUESTS => Some("too_many"),
        _ => None,
    }
}
