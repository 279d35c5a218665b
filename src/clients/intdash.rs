//! The intdash REST API, as far as a summary needs it: the data points of a measurement as a stream of JSON Lines
//! (source: aptpod's OpenAPI documents v2.4.0 to v2.6.1 and intdash-sdk-beginner; payloads: docs.intdash.jp).

use super::error::{CallError, Kind, chain};
use super::https::Https;
use crate::domain::event::MeasurementRef;
use crate::domain::signature::Secret;
use aws_smithy_runtime_api::http::{Request, Response};
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use std::time::Duration;
use wildmatch::WildMatch;

/// The longest line that is read. A point is a few hundred bytes; whatever the server sends, memory stays bounded.
const LINE_MAX: usize = 1 << 20;
/// How long the stream may stand still.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the stream is tried to be opened.
const ATTEMPTS: u32 = 3;

/// Id of the line that reports an error in band, under status 200.
const ERROR_ID: &str = "intdash/measurement/get/data/error";

/// One intdash server.
#[derive(Debug)]
pub struct Intdash {
    pub(super) https: Https,
    pub(super) base: String,
}

#[derive(Deserialize)]
struct Line {
    data_type: String,
    #[serde(alias = "data_name")]
    data_id: Option<String>,
    #[serde(default)]
    data: serde_json::Value,
}

impl Intdash {
    pub(super) fn new(https: Https, url: &str) -> Self {
        Self {
            https,
            base: url.trim_end_matches('/').to_owned(),
        }
    }

    /// Hands every `float64` value of the measurement whose id matches the glob to `take`, in the order of time, one line
    /// in memory at a time.
    ///
    /// # Errors
    /// The server refused or did not answer, reported an error in band, or its stream broke off: then what was taken so far
    /// is only a part and must not be used.
    pub async fn float64_values(
        &self,
        of: &MeasurementRef,
        ids: &str,
        token: &Secret,
        mut take: impl FnMut(f64),
    ) -> Result<(), CallError> {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("name", &of.measurement)
            .append_pair("idq", &format!("float64:{ids}"))
            .finish();
        let place = format!("{}/api/v1/projects/{}/data?{query}", self.base, of.project);
        let error = |kind, cause: String| CallError::new(kind, "GET", place.as_str(), cause);
        let response = self.get(&place, token).await?;
        let ids = WildMatch::new(ids);
        let mut take_line = |line: &[u8]| -> Result<(), CallError> {
            if let Some(value) =
                value_of(line, &ids).map_err(|cause| error(Kind::BadAnswer, cause))?
            {
                take(value);
            }
            Ok(())
        };
        let mut body = response.into_body();
        let mut buffer = BytesMut::new();
        loop {
            let frame = tokio::time::timeout(IDLE_TIMEOUT, body.frame()).await;
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
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
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

    /// Opens the stream. Nothing was taken of it yet, so a connection that turns out dead, as one kept over a pause does,
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
                    status @ (401 | 403) => {
                        return Err(error(Kind::Denied, format!("status {status}")));
                    }
                    status @ (429 | 500..) => error(Kind::Unknown, format!("status {status}")),
                    status => return Err(error(Kind::Refused, format!("status {status}"))),
                },
                Err(e) => error(Kind::Unknown, chain(&e)),
            };
            if attempt == ATTEMPTS {
                return Err(failed);
            }
            tokio::time::sleep(Duration::from_millis(200) * attempt).await;
        }
    }
}

/// The value of a line, if it is one that counts.
fn value_of(line: &[u8], ids: &WildMatch) -> Result<Option<f64>, String> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let line: Line =
        serde_json::from_slice(line).map_err(|e| format!("a line is no data point: {e}"))?;
    let id = line.data_id.as_deref().unwrap_or_default();
    if id.ends_with(ERROR_ID) || line.data["i"] == ERROR_ID {
        let told = &line.data["d"];
        return Err(format!(
            "the server reported in band: {} {}",
            told["error"], told["error_description"]
        ));
    }
    let float = line.data_type == "float64" || line.data_type.starts_with("float64/");
    if !float || !ids.matches(id) {
        return Ok(None);
    }
    let bytes = line.data["d"]
        .as_str()
        .and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    // IEEE 754, most significant byte first.
    bytes
        .map(|bytes| Some(f64::from_be_bytes(bytes)))
        .ok_or_else(|| "a float64 is not the base64 of eight bytes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/vectors/vectors.json")).unwrap()
    }

    fn value(line: &str) -> Result<Option<f64>, String> {
        value_of(line.as_bytes(), &WildMatch::new("1/*"))
    }

    #[test]
    fn a_float64_is_big_endian() {
        for vector in vectors()["intdash_float64_payload"].as_array().unwrap() {
            for name in ["data_id", "data_name"] {
                let line = serde_json::json!({"time": 1, "data_type": "float64", name: "1/x", "data": {"d": vector["d"]}});
                assert_eq!(value(&line.to_string()), Ok(vector["value"].as_f64()));
            }
        }
    }

    #[test]
    fn an_error_in_band_is_an_error() {
        let vectors = vectors();
        assert!(
            value(vectors["intdash_data_error_line"].as_str().unwrap())
                .unwrap_err()
                .contains("unexpected")
        );
    }

    #[test]
    fn other_types_and_names_do_not_count() {
        for line in [
            r#"{"data_type":"string","data_id":"1/x","data":{"d":"AAAA"}}"#,
            r#"{"data_type":"float64","data_id":"2/x","data":{"d":"AAAAAAAAAAA="}}"#,
            r#"{"data_type":"1","data_id":"1/x","data":{"s":"$GNRMC"}}"#,
            "  ",
        ] {
            assert_eq!(value(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_is_no_data_point_is_an_error() {
        for line in [
            "{",
            "7",
            r#"{"data_type":"float64","data_id":"1/x","data":{"d":"AAAA"}}"#,
            r#"{"data_type":"float64","data_id":"1/x"}"#,
        ] {
            assert!(value(line).is_err(), "{line}");
        }
    }
}
