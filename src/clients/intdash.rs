//! The intdash REST API, as far as a summary needs it: a measurement's facts, and its data points as a stream of JSON Lines
//! (source: aptpod's OpenAPI documents v2.4.0 to v2.6.1 and intdash-sdk-beginner).

use super::error::{CallError, Kind};
use super::https::Https;
use crate::domain::event::MeasurementRef;
use crate::domain::point::{self, Point};
use crate::domain::signature::Secret;
use crate::domain::source::intdash::{IntdashSource, is_id};
use crate::domain::summary::Facts;
use aws_smithy_runtime_api::http::{Request, Response};
use aws_smithy_types::body::SdkBody;
use bytes::BytesMut;
use http_body_util::{BodyExt as _, Limited};
use memchr::memchr;
use std::time::Duration;
use tokio::time::timeout;

/// The longest line that is read. A point is a few hundred bytes; whatever the server sends, memory stays bounded.
const LINE_MAX: usize = 1 << 20;
/// The longest answer about a measurement that is read, in bytes.
const FACTS_MAX: usize = 1 << 20;
/// How long the stream may stand still.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The cause of a refusal by 403.
const FORBIDDEN: &str = "status 403";

/// How often the stream is tried to be opened.
const ATTEMPTS: u32 = 3;

/// Whatever a measurement's ids come from, they must not be another place on the server.
fn named(of: &MeasurementRef) -> Result<(), CallError> {
    if is_id(&of.project) && is_id(&of.measurement) {
        return Ok(());
    }
    let cause = "expected ids of letters, digits and -";
    Err(CallError::new(Kind::Refused, "GET", "a measurement", cause))
}

/// One intdash server.
#[derive(Debug)]
pub struct Intdash {
    pub(super) https: Https,
    pub(super) base: String,
}

impl Intdash {
    pub(super) fn new(https: Https, url: &str) -> Self {
        Self {
            https,
            base: url.trim_end_matches('/').to_owned(),
        }
    }

    /// What the server says of the measurement itself; nothing where it does not know it by this path, as older servers do.
    ///
    /// # Errors
    /// The server refused or did not answer, or not in JSON.
    pub async fn facts(
        &self,
        of: &MeasurementRef,
        token: &Secret,
    ) -> Result<Option<Facts>, CallError> {
        named(of)?;
        let (project, measurement) = (&of.project, &of.measurement);
        let place = format!(
            "{}/api/v1/projects/{project}/measurements/{measurement}",
            self.base
        );
        let response = match self.get(&place, token).await {
            Err(error) if error.kind == Kind::NotFound => return Ok(None),
            // The token may be one for data alone; one that is not let in at all is refused there, too.
            Err(mut error) if error.cause == FORBIDDEN => {
                error.kind = Kind::Refused;
                return Err(error);
            }
            response => response?,
        };
        let error = |kind, cause: String| CallError::new(kind, "GET", place.as_str(), cause);
        let body = Limited::new(response.into_body(), FACTS_MAX).collect();
        let body = timeout(IDLE_TIMEOUT, body).await;
        let body = body.map_err(|_| error(Kind::Unknown, "no answer in time".to_owned()))?;
        let body = body.map_err(|e| error(Kind::Unknown, e.to_string()))?;
        let answer = serde_json::from_slice(&body.to_bytes());
        let answer = answer.map_err(|e| error(Kind::BadAnswer, format!("it is no JSON: {e}")))?;
        Ok(Some(Facts::read(&answer)))
    }

    /// Hands every data point of the measurement to `take`, in the server's order, one line in memory at a time.
    ///
    /// # Errors
    /// The server refused or did not answer, reported an error in band, sent what is no data point, or its stream broke off:
    /// then what was taken so far is only a part and must not be used.
    pub async fn points(
        &self,
        of: &MeasurementRef,
        asked: &IntdashSource,
        token: &Secret,
        mut take: impl FnMut(&Point<'_>),
    ) -> Result<(), CallError> {
        named(of)?;
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("name", &of.measurement)
            .append_pair("time_format", "ns")
            .extend_pairs(asked.data.parameters(asked.filter))
            .finish();
        let place = format!("{}/api/v1/projects/{}/data?{query}", self.base, of.project);
        let error = |kind, cause: String| CallError::new(kind, "GET", place.as_str(), cause);
        let response = self.get(&place, token).await?;
        // Without either, the end of the stream would look as its breaking off does.
        let headers = response.headers();
        if headers.get("transfer-encoding").is_none() && headers.get("content-length").is_none() {
            let cause = "the stream does not say where it ends".to_owned();
            return Err(error(Kind::BadAnswer, cause));
        }
        let mut take_line = |line: &[u8]| -> Result<(), CallError> {
            let point = point::read(line, &asked.data);
            if let Some(point) = point.map_err(|cause| error(Kind::BadAnswer, cause))? {
                take(&point);
            }
            Ok(())
        };
        let mut body = response.into_body();
        let mut buffer = BytesMut::new();
        loop {
            let frame = timeout(IDLE_TIMEOUT, body.frame()).await;
            let frame = frame.map_err(|_| {
                error(
                    Kind::Unknown,
                    format!("nothing came for {} s", IDLE_TIMEOUT.as_secs()),
                )
            })?;
            let Some(frame) = frame else { break };
            let frame =
                frame.map_err(|e| error(Kind::Unknown, format!("the stream broke off: {e}")))?;
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            let mut rest = &bytes[..];
            while let Some(end) = memchr(b'\n', rest) {
                if buffer.is_empty() {
                    take_line(&rest[..end])?;
                } else {
                    buffer.extend_from_slice(&rest[..end]);
                    take_line(&buffer)?;
                    buffer.clear();
                }
                rest = &rest[end + 1..];
            }
            if buffer.len() + rest.len() > LINE_MAX {
                return Err(error(
                    Kind::BadAnswer,
                    format!("a line of more than {LINE_MAX} bytes"),
                ));
            }
            buffer.extend_from_slice(rest);
        }
        take_line(&buffer)
    }

    /// Whether the server answers at all, whatever it says of this measurement. It is asked once, and told no token.
    ///
    /// # Errors
    /// It did not answer, or said that it cannot.
    pub async fn answers(&self, of: &MeasurementRef) -> Result<(), CallError> {
        named(of)?;
        let (project, measurement) = (&of.project, &of.measurement);
        let place = format!(
            "{}/api/v1/projects/{project}/measurements/{measurement}",
            self.base
        );
        let error = |kind, cause: String| CallError::new(kind, "GET", place.as_str(), cause);
        let mut request = Request::new(SdkBody::empty());
        request
            .set_uri(place.as_str())
            .map_err(|e| error(Kind::Refused, e.to_string()))?;
        let answer = self.https.call(request).await;
        let answer = answer.map_err(|e| CallError::silent("GET", &place, &e))?;
        match answer.status().as_u16() {
            status @ (408 | 429 | 500..) => Err(error(Kind::Unknown, format!("status {status}"))),
            _ => Ok(()),
        }
    }

    /// Opens an answer. Nothing was taken of it yet, so a connection that turns out dead, as one kept over a pause does,
    /// or a server that is busy is tried again.
    async fn get(&self, place: &str, token: &Secret) -> Result<Response<SdkBody>, CallError> {
        let error = |kind, cause: String| CallError::new(kind, "GET", place, cause);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut request = Request::new(SdkBody::empty());
            request
                .set_uri(place)
                .map_err(|e| error(Kind::Refused, e.to_string()))?;
            request.headers_mut().insert("accept", "application/json");
            let header = request
                .headers_mut()
                .try_insert("x-intdash-token", token.expose().to_owned());
            // The error of the HTTP library would quote the token.
            header
                .map_err(|_| error(Kind::Refused, "the api_token is no header value".to_owned()))?;
            let failed = match self.https.call(request).await {
                Ok(response) => match response.status().as_u16() {
                    200 => return Ok(response),
                    403 => return Err(error(Kind::Denied, FORBIDDEN.to_owned())),
                    401 => return Err(error(Kind::Denied, "status 401".to_owned())),
                    404 => return Err(error(Kind::NotFound, "status 404".to_owned())),
                    status @ (408 | 429 | 500..) => {
                        error(Kind::Unknown, format!("status {status}"))
                    }
                    status => return Err(error(Kind::Refused, format!("status {status}"))),
                },
                Err(e) => CallError::silent("GET", place, &e),
            };
            if attempt == ATTEMPTS {
                return Err(failed);
            }
            tokio::time::sleep(Duration::from_millis(200) * attempt).await;
        }
    }
}
