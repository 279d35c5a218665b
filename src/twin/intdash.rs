//! An intdash server in process: measurements and their data points by the real wire format, and the sender of its
//! signed deliveries.
//!
//! It speaks what the documentation and the official samples show: JSON Lines in chunks that respect no line, float64
//! as eight big-endian bytes in base64, failures in band behind a status of 200. `start`, `end` and `order` are
//! ignored. It must never help a reader out: what the real server leaves to its reader is left to it here too.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use points::{Points, Wanted};

mod delivery;
mod hooks;
mod points;

pub use delivery::{Delivery, SIGNATURE_HEADER, deliver, signature};
pub use points::{Line, SAMPLE_DATA_ID, encode_float64, sample_values};

/// The project that a delivery without a project belongs to, as in the real product.
pub const DEFAULT_PROJECT: &str = "00000000-0000-0000-0000-000000000000";

/// The measurement that [`Intdash::with_sample`] serves.
pub const SAMPLE_MEASUREMENT: &str = "1a14f158-2a0c-44c7-ace1-e0d21ecc93e9";

/// A running intdash: clones share their state.
#[derive(Debug, Clone)]
pub struct Intdash(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    token: String,
    measurements: BTreeMap<String, Arc<Vec<Line>>>,
    /// What is said of a measurement instead of what would be; `None`: that it is not known.
    facts: BTreeMap<String, Option<Value>>,
    data_name: bool,
    /// Part of a request's target, and what that one is answered.
    refusals: VecDeque<(String, StatusCode)>,
    requests: Vec<String>,
    hooks: BTreeMap<String, hooks::Hook>,
}

impl Intdash {
    /// A server without measurements that accepts `token` in `X-Intdash-Token`.
    pub fn new(token: &str) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            token: token.to_owned(),
            measurements: BTreeMap::new(),
            facts: BTreeMap::new(),
            data_name: false,
            refusals: VecDeque::new(),
            requests: Vec::new(),
            hooks: BTreeMap::new(),
        })))
    }

    /// A server with [`SAMPLE_MEASUREMENT`]: the 1,000 points whose summary is known.
    pub fn with_sample(token: &str) -> Self {
        let server = Self::new(token);
        server.insert(SAMPLE_MEASUREMENT, Line::floats(sample_values()));
        server
    }

    /// Adds or replaces a measurement.
    pub fn insert(&self, measurement: &str, lines: Vec<Line>) {
        self.lock()
            .measurements
            .insert(measurement.to_owned(), Arc::new(lines));
    }

    /// Says this of a measurement from now on; `None`: that it is not known, though its data is.
    pub fn set_facts(&self, measurement: &str, facts: Option<Value>) {
        self.lock().facts.insert(measurement.to_owned(), facts);
    }

    /// Puts an error line after the first `points` lines of a measurement.
    pub fn fail_after(&self, measurement: &str, points: usize) {
        self.cut_in(measurement, points, Line::Failure("...".to_owned()));
    }

    /// Breaks the connection after the first `points` lines of a measurement.
    pub fn break_after(&self, measurement: &str, points: usize) {
        self.cut_in(measurement, points, Line::Cut);
    }

    fn cut_in(&self, measurement: &str, points: usize, line: Line) {
        let mut inner = self.lock();
        let entry = inner
            .measurements
            .entry(measurement.to_owned())
            .or_default();
        let lines = Arc::make_mut(entry);
        lines.insert(points.min(lines.len()), line);
    }

    /// Names points by `data_name`, as newer servers do, instead of `data_id`.
    pub fn use_data_name(&self, yes: bool) {
        self.lock().data_name = yes;
    }

    /// Changes the token that is accepted from now on.
    pub fn rotate_token(&self, token: &str) {
        token.clone_into(&mut self.lock().token);
    }

    /// Answers the next `times` requests with `status`.
    pub fn refuse_next(&self, times: usize, status: StatusCode) {
        self.refuse_next_to("/", times, status);
    }

    /// The same of requests whose path and query have this in them.
    pub fn refuse_next_to(&self, part: &str, times: usize, status: StatusCode) {
        let refusal = (part.to_owned(), status);
        let refusals = std::iter::repeat_n(refusal, times);
        self.lock().refusals.extend(refusals);
    }

    /// Answers as ever again, whatever it was told to refuse.
    pub fn refuse_no_more(&self) {
        self.lock().refusals.clear();
    }

    /// Every request so far, as `path?query`, the refused ones included.
    pub fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    /// The routes that a reader of data points needs, and those of the hooks.
    pub fn router(&self) -> Router {
        Router::new()
            .route(
                "/api/v1/projects/{project}/measurements/{measurement}",
                get(measurement),
            )
            .route("/api/v1/projects/{project}/data", get(data))
            .merge(hooks::routes())
            .with_state(self.clone())
    }

    /// Serves on `listener` until `stop` resolves.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        axum::serve(listener, self.router())
            .with_graceful_shutdown(stop)
            .await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the request, and lets it pass or says how it is refused.
    fn admit(&self, target: String, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut inner = self.lock();
        let mut refusals = inner.refusals.iter();
        let refusal = refusals.position(|(part, _)| target.contains(part.as_str()));
        let refusal = refusal.and_then(|index| inner.refusals.remove(index));
        inner.requests.push(target);
        if let Some((_, status)) = refusal {
            return Err(Refusal(status, "refused", "told to refuse this request"));
        }
        let token = headers.get("x-intdash-token").map(HeaderValue::as_bytes);
        if token != Some(inner.token.as_bytes()) {
            return Err(Refusal(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "X-Intdash-Token is missing or wrong",
            ));
        }
        Ok(())
    }

    fn find(&self, measurement: &str) -> Result<Arc<Vec<Line>>, Refusal> {
        self.lock()
            .measurements
            .get(measurement)
            .cloned()
            .ok_or(NOT_FOUND)
    }
}

async fn measurement(
    State(server): State<Intdash>,
    Path((project, uuid)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let target = format!("/api/v1/projects/{project}/measurements/{uuid}");
    server.admit(target, &headers)?;
    let points = server.find(&uuid)?.len();
    let told = server.lock().facts.get(&uuid).cloned();
    match told {
        Some(Some(facts)) => return Ok(answer(StatusCode::OK, Body::from(facts.to_string()))),
        Some(None) => return Err(NOT_FOUND),
        None => {}
    }
    let body = json!({
        "uuid": uuid, "name": "a local measurement", "basetime": "2024-12-25T00:23:50.972454Z",
        "basetime_type": "ntp", "completed": true, "max_elapsed_time": points * 1000,
        "sequences": {"expected_data_points": points, "received_data_points": points,
                      "received_chunks_ratio": 1.0, "status": "completed"},
    });
    Ok(answer(StatusCode::OK, Body::from(body.to_string())))
}

async fn data(
    State(server): State<Intdash>,
    Path(project): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let target = format!("/api/v1/projects/{project}/data?{query}");
    server.admit(target, &headers)?;
    let wanted = Wanted::parse(&query);
    let lines = server.find(&wanted.name)?;
    let data_name = server.lock().data_name;
    let points = Points::new(lines, wanted, data_name);
    let body = Body::from_stream(futures_util::stream::iter(points));
    Ok(answer(StatusCode::OK, body))
}

/// Why a request gets no data, in the server's words.
struct Refusal(StatusCode, &'static str, &'static str);

const NOT_FOUND: Refusal = Refusal(StatusCode::NOT_FOUND, "not_found", "there is no such thing");

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, error, description) = self;
        let body = json!({"error": error, "error_description": description});
        answer(status, Body::from(body.to_string()))
    }
}

fn answer(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

fn rfc3339(time: Option<DateTime>) -> String {
    time.and_then(|time| time.fmt(Format::DateTime).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn served(server: &Intdash) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(server.clone().serve(listener, std::future::pending()));
        format!("{url}/api/v1/projects/{DEFAULT_PROJECT}/data?name={SAMPLE_MEASUREMENT}")
    }

    async fn ask(url: &str, token: &str) -> reqwest::Response {
        let request = reqwest::Client::new().get(url);
        request
            .header("X-Intdash-Token", token)
            .send()
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn streams_a_line_per_point_to_who_has_the_token() {
        let server = Intdash::with_sample("token");
        let url = served(&server).await;
        assert_eq!(ask(&url, "other").await.status(), 401);
        let response = ask(&url, "token").await;
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(headers["content-type"], "application/json; charset=utf-8");
        assert_eq!(headers["transfer-encoding"], "chunked");
        let text = response.text().await.unwrap();
        assert_eq!(text.lines().count(), 1000);
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test]
    async fn refuses_as_often_as_told_and_breaks_where_told() {
        let server = Intdash::with_sample("token");
        let url = served(&server).await;
        server.refuse_next(1, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(ask(&url, "token").await.status(), 500);
        server.break_after(SAMPLE_MEASUREMENT, 500);
        let response = ask(&url, "token").await;
        assert_eq!(response.status(), 200, "it breaks later");
        assert!(response.text().await.is_err());
    }
}
