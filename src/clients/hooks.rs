//! Where senders are told whom to tell: VK's `?notification`, which no SDK can express, and intdash's hooks.

use super::error::{CallError, Kind};
use super::https::Https;
use super::intdash::Intdash;
use super::{Aws, CALL_TIMEOUT};
use crate::domain::event::MeasurementRef;
use crate::domain::secrets::AccessKey;
use crate::domain::signature::Secret;
use aws_sdk_s3::config::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use std::time::SystemTime;

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 1 << 20;

/// Where a bucket's events go to, at an origin.
#[derive(Debug)]
pub struct Notifications {
    https: Https,
    url: String,
    region: String,
    key: AccessKey,
}

impl Aws {
    /// Of an origin bucket, with the origin's own keys.
    #[must_use]
    pub fn notifications(
        &self,
        endpoint: &str,
        region: &str,
        key: &AccessKey,
        bucket: &str,
    ) -> Notifications {
        let base = endpoint.trim_end_matches('/');
        Notifications {
            https: self.https.clone(),
            url: format!("{base}/{bucket}?notification"),
            region: region.to_owned(),
            key: key.clone(),
        }
    }
}

impl Notifications {
    /// The configuration as it is: XML.
    ///
    /// # Errors
    /// The store refused or did not answer.
    pub async fn get(&self) -> Result<String, CallError> {
        self.call("GET", String::new()).await
    }

    /// Puts a configuration in place of the one that is there. The store shakes hands with every URL in it before it answers.
    ///
    /// # Errors
    /// The store refused, as it does where a handshake fails, or did not answer.
    pub async fn put(&self, xml: String) -> Result<(), CallError> {
        self.call("PUT", xml).await.map(drop)
    }

    async fn call(&self, method: &'static str, body: String) -> Result<String, CallError> {
        let error = |cause: String| CallError::new(Kind::Refused, method, &self.url, cause);
        let request = self.signed(method, body).map_err(error)?;
        let (status, text) = answered(&self.https, method, &self.url, request).await?;
        read(method, &self.url, status, text)
    }

    /// The request with its signature, as S3 wants it: the path as it is, and the hash of the body as a header.
    fn signed(&self, method: &'static str, body: String) -> Result<HttpRequest, String> {
        let credentials = Credentials::new(
            &self.key.id,
            self.key.secret.expose(),
            None,
            None,
            "secrets",
        );
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings);
        let params = params.build().map_err(|e| e.to_string())?.into();
        let mut request = http::Request::builder().method(method).uri(&self.url);
        let kind = ("content-type", "application/xml");
        if !body.is_empty() {
            request = request.header(kind.0, kind.1);
        }
        let headers = (!body.is_empty()).then_some(kind);
        let signable = SignableRequest::new(
            method,
            self.url.as_str(),
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        );
        let signed = sign(signable.map_err(|e| e.to_string())?, &params);
        let (instructions, _) = signed.map_err(|e| e.to_string())?.into_parts();
        let mut request = request
            .body(SdkBody::from(body))
            .map_err(|e| e.to_string())?;
        instructions.apply_to_request_http1x(&mut request);
        HttpRequest::try_from(request).map_err(|e| e.to_string())
    }
}

impl Intdash {
    /// A page of the hooks that there are, from 1 on: JSON. `path` is that of the collection.
    ///
    /// # Errors
    /// The server refused or did not answer.
    pub async fn hooks(
        &self,
        path: &str,
        page: usize,
        token: &Secret,
    ) -> Result<String, CallError> {
        // The first one as servers give it that know no pages.
        let query = if page > 1 {
            format!("?page={page}")
        } else {
            String::new()
        };
        self.ask("GET", &format!("{path}{query}"), token, String::new())
            .await
    }

    /// Makes a hook. What it says of it may have the hook's secret in it.
    ///
    /// # Errors
    /// The server refused or did not answer.
    pub async fn create_hook(
        &self,
        path: &str,
        token: &Secret,
        json: String,
    ) -> Result<String, CallError> {
        self.ask("POST", path, token, json).await
    }

    /// What the server says of one hook, whose path this is: JSON.
    ///
    /// # Errors
    /// The server refused or did not answer.
    pub async fn hook(&self, path: &str, token: &Secret) -> Result<String, CallError> {
        self.ask("GET", path, token, String::new()).await
    }

    /// Removes the hook of this path.
    ///
    /// # Errors
    /// The server refused or did not answer.
    pub async fn remove_hook(&self, path: &str, token: &Secret) -> Result<(), CallError> {
        let removed = self.ask("DELETE", path, token, String::new()).await;
        removed.map(drop)
    }

    /// Has the hook of this path post a test delivery: by PUT as v2.6 documents it, and, where the server knows no such request, by
    /// PATCH as v2.7 has it. Answers what became of the delivery: JSON, in which the signature is.
    ///
    /// # Errors
    /// The server refused or did not answer.
    pub async fn test_hook(
        &self,
        path: &str,
        token: &Secret,
        json: String,
    ) -> Result<String, CallError> {
        let path = format!("{path}/test");
        let (status, text) = self.exchange("PUT", &path, token, json.clone()).await?;
        if !matches!(status, 404 | 405) {
            return read("PUT", &self.place(&path), status, text);
        }
        self.ask("PATCH", &path, token, json).await
    }

    /// Whether the server says, as intdash does, that it has no data of this measurement: 404 with its own JSON, which no proxy and
    /// no other server behind the URL would send.
    pub async fn knows_no(&self, of: &MeasurementRef, token: &Secret) -> bool {
        let path = format!(
            "/api/v1/projects/{}/data?name={}&idq=float64%3A*",
            of.project, of.measurement
        );
        match self.ask("GET", &path, token, String::new()).await {
            Err(error) if error.kind == Kind::NotFound => {
                let json = error.cause.split_once(": ").map(|(_, json)| json);
                let json: Option<Value> = json.and_then(|json| serde_json::from_str(json).ok());
                json.is_some_and(|json| json.get("error").is_some())
            }
            _ => false,
        }
    }

    fn place(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn ask(
        &self,
        method: &'static str,
        path: &str,
        token: &Secret,
        body: String,
    ) -> Result<String, CallError> {
        let (status, text) = self.exchange(method, path, token, body).await?;
        read(method, &self.place(path), status, text)
    }

    async fn exchange(
        &self,
        method: &'static str,
        path: &str,
        token: &Secret,
        body: String,
    ) -> Result<(u16, String), CallError> {
        let url = self.place(path);
        let refused = |cause: &str| CallError::new(Kind::Refused, method, &url, cause);
        let request = http::Request::builder()
            .method(method)
            .uri(&url)
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .header("x-intdash-token", token.expose())
            .body(SdkBody::from(body))
            // The library's own error would quote the token.
            .map_err(|_| refused("the URL or the api_token is not what a request can carry"))?;
        let request =
            HttpRequest::try_from(request).map_err(|_| refused("no request can be made of it"))?;
        answered(&self.https, method, &url, request).await
    }
}

/// The answer's status and body.
async fn answered(
    https: &Https,
    method: &'static str,
    url: &str,
    request: HttpRequest,
) -> Result<(u16, String), CallError> {
    let error = |kind, cause: String| CallError::new(kind, method, url, cause);
    let answer = https.call(request).await;
    let answer = answer.map_err(|e| CallError::silent(method, url, &e))?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), ANSWER_MAX).collect();
    let body = tokio::time::timeout(CALL_TIMEOUT, body).await;
    let body = body.map_err(|_| error(Kind::Unknown, "the answer stood still".to_owned()))?;
    let body = body.map_err(|e| error(Kind::BadAnswer, e.to_string()))?;
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Ok((status, text))
}

/// The answer's body, where it is one of success.
fn read(method: &'static str, url: &str, status: u16, text: String) -> Result<String, CallError> {
    let said = s3_error(&text);
    let error = |kind| {
        let cause = match &said {
            Some((code, message)) => format!("status {status}, {code}: {message}"),
            None => format!("status {status}: {text}"),
        };
        let code = said.as_ref().map(|(code, _)| code.as_str());
        Err(CallError::new(kind, method, url, cause).with_code(code))
    };
    match status {
        200..300 => Ok(text),
        401 | 403 => error(Kind::Denied),
        404 if said
            .as_ref()
            .is_some_and(|(code, _)| code == "NoSuchBucket") =>
        {
            error(Kind::NoSuchBucket)
        }
        404 => error(Kind::NotFound),
        _ => error(Kind::Refused),
    }
}

/// The code and the message of an error as S3 has it in XML.
fn s3_error(text: &str) -> Option<(String, String)> {
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        quick_xml::escape::unescape(value)
            .ok()
            .map(|value| value.trim().to_owned())
    };
    text.contains("<Error>").then_some(())?;
    Some((field("Code")?, field("Message").unwrap_or_default()))
}
