//! A sender is told where to post its deliveries, and what a sender would post is made by hand.

use super::super::{App, missing};
use crate::clients::hooks::Notifications;
use crate::domain::event::{OriginRef, bucket_of};
use crate::domain::notification::{Hook, Merged, merged};
use crate::domain::secrets::SourceSecrets;
use crate::domain::signature::{Secret, hmac_sha256};
use crate::domain::source::Source;
use crate::domain::source::intdash::SIGNATURE_HEADER;
use crate::domain::source::s3::Flavor;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// A URL of ours that a sender is told.
#[derive(Debug)]
pub(super) struct Url {
    pub(super) whole: String,
    /// What of it is not shown, and what is instead.
    pub(super) hidden: Option<(Secret, String)>,
}

impl Url {
    /// A text without the secret segment.
    pub(super) fn redact(&self, text: &str) -> String {
        match &self.hidden {
            Some((hidden, shown)) => text.replace(hidden.expose(), shown),
            None => text.to_owned(),
        }
    }
}

/// What is to be put at an object storage.
#[derive(Debug)]
pub struct Planned {
    /// The configuration with our hook in it.
    pub merged: Merged,
    url: Url,
    at: Notifications,
}

impl Planned {
    /// As it may be shown: without the secret segment of our URL.
    #[must_use]
    pub fn shown(&self) -> String {
        self.url.redact(&self.merged.xml)
    }

    /// Puts it. The storage shakes hands meanwhile.
    ///
    /// # Errors
    /// A sentence.
    pub async fn put(&self) -> Result<(), String> {
        let put = self.at.put(self.merged.xml.clone()).await;
        put.map_err(|error| self.url.redact(&error.to_string()))
    }
}

/// A request that a sender would make.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Where to, the secret segment included.
    pub url: String,
    /// What goes with it.
    pub headers: Vec<(String, String)>,
    /// Byte for byte.
    pub body: Vec<u8>,
}

impl App {
    /// Writes our hook into what an origin bucket has. Nothing is sent yet but the question what that is.
    ///
    /// # Errors
    /// A sentence.
    pub async fn plan_hook(
        &self,
        of: &OriginRef,
        url: &str,
        id: &str,
        prefix: Option<String>,
    ) -> Result<Planned, String> {
        let source = self.storage(&of.source)?;
        let url = self.with_url_key(&of.source, url).await?;
        let hook = Hook {
            id: id.to_owned(),
            url: url.whole.clone(),
            prefix,
        };
        let keys = self.access_keys(&of.source).await;
        let mut refused = String::new();
        for key in keys.map_err(|error| error.to_string())? {
            let bucket = bucket_of(&of.origin);
            let at = self
                .aws
                .notifications(&source.endpoint, &source.region, &key, bucket);
            match at.get().await {
                Ok(existing) => {
                    let merged = merged(&existing, &hook)?;
                    return Ok(Planned { merged, url, at });
                }
                Err(error) => refused = error.to_string(),
            }
        }
        Err(refused)
    }

    /// The URL with the source's `url_key` as its last segment, which is added where it is missing. Where the settings know none, what
    /// follows the source's name may be one all the same, and is not shown either.
    pub(super) async fn with_url_key(&self, source: &str, url: &str) -> Result<Url, String> {
        // Whatever it is, it may have a secret in it.
        let parsed = url::Url::parse(url).map_err(|error| format!("--url is no URL: {error}"))?;
        if parsed.path().len() > 1 && parsed.path().ends_with('/') {
            return Err("the URL ends in a slash, and the function has no such route".to_owned());
        }
        let secrets = self.secrets.get().await;
        let nothing = SourceSecrets::default();
        let known = match (secrets.of(source), self.sources.get(source)) {
            (Some(known), _) => known,
            (None, Some(found)) if found.missing_to_open(None).is_none() => &nothing,
            (None, _) => return Err(missing(source, "an entry in the secrets").to_string()),
        };
        let Some(key) = &known.url_key else {
            let hidden = url
                .rsplit_once(&format!("/{source}/"))
                .filter(|(_, rest)| !rest.is_empty())
                .map(|(_, rest)| {
                    let hidden = format!("/{source}/{rest}");
                    (Secret::new(&hidden), format!("/{source}/[redacted]"))
                });
            return Ok(Url {
                whole: url.to_owned(),
                hidden,
            });
        };
        let last = parsed.path_segments().and_then(|mut all| all.next_back());
        let whole = if last.is_some_and(|last| key.is(last)) {
            url.to_owned()
        } else if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err("the URL has a query and lacks the url_key: write it whole".to_owned());
        } else if !self.is_keyless(source, parsed.path()) {
            return Err(
                "the URL ends neither in the source's name or path nor in its url_key".to_owned(),
            );
        } else {
            format!("{}/{}", url.trim_end_matches('/'), key.expose())
        };
        Ok(Url {
            whole,
            hidden: Some((key.clone(), "[url_key]".to_owned())),
        })
    }

    /// Whether a path names the source and no key: its own, or that of all sources.
    pub(super) fn is_keyless(&self, source: &str, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let own = self.sources.get(source).and_then(Source::path);
        path.ends_with(&format!("/{source}")) || own.is_some_and(|own| path.ends_with(own))
    }

    pub(super) async fn signing_secret(&self, source: &str) -> Result<Secret, String> {
        let secrets = self.secrets.get().await;
        let secret = secrets.of(source).and_then(|known| known.secrets.first());
        let missing = || missing(source, "secrets (the signing secrets)").to_string();
        secret.cloned().ok_or_else(missing)
    }

    /// A delivery with this body as the source's sender would make it.
    ///
    /// # Errors
    /// A sentence.
    pub async fn signed(&self, source: &str, url: &str, body: Vec<u8>) -> Result<Signed, String> {
        let json = ("content-type".to_owned(), "application/json".to_owned());
        let url = self.with_url_key(source, url).await?.whole;
        match self.source(source)? {
            Source::S3(of) => {
                let mut headers = vec![json];
                // MinIO proves itself where there is a token, and only there.
                let secret = match self.signing_secret(source).await {
                    Err(lacking) if of.must_prove() => return Err(lacking),
                    secret => secret.ok(),
                };
                if let Some((scheme, secret)) = of.scheme().zip(secret) {
                    headers.extend(scheme.sign(&body, &secret, "", 0)?);
                }
                Ok(Signed { url, headers, body })
            }
            Source::Generic(found) => {
                let secret = match found.verify.is_none() || found.verify.is_sns() {
                    true => Secret::new(""),
                    false => self.signing_secret(source).await?,
                };
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let now = now.map_or(0, |time| time.as_secs());
                let id = uuid::Uuid::now_v7().to_string();
                let signed = found.verify.sign(&body, &secret, &id, now);
                let mut headers =
                    signed.map_err(|problem| format!("source {source}: {problem}"))?;
                headers.insert(0, json);
                Ok(Signed { url, headers, body })
            }
            Source::Intdash(_) => {
                let secret = self.signing_secret(source).await?;
                let signature = STANDARD.encode(hmac_sha256(secret.expose().as_bytes(), &body));
                Ok(Signed {
                    url,
                    headers: vec![json, (SIGNATURE_HEADER.to_owned(), signature)],
                    body,
                })
            }
        }
    }
}

/// An event as this flavor posts it, its key as that one spells it.
#[must_use]
pub fn event_of(flavor: Flavor, of: &OriginRef, key: &str, removed: bool) -> Vec<u8> {
    let key = match flavor {
        Flavor::B2 => return b2_event_of(of, key, removed),
        Flavor::Vk | Flavor::Ceph => key.to_owned(),
        Flavor::Aws | Flavor::Minio => {
            url::form_urlencoded::byte_serialize(key.as_bytes()).collect()
        }
    };
    let event = if removed {
        "s3:ObjectRemoved:Delete"
    } else {
        "s3:ObjectCreated:Put"
    };
    let mut bucket = json!({"name": bucket_of(&of.origin)});
    if let Some((project, _)) = of.origin.rsplit_once('/') {
        bucket["ownerIdentity"] = json!({"principalId": project});
    }
    let record = json!({
        "eventName": event, "eventSource": "aws:s3", "eventVersion": "1.0",
        "s3": {"bucket": bucket, "object": {"key": key}, "s3SchemaVersion": "1.0"},
    });
    json!({"Records": [record]}).to_string().into_bytes()
}

/// The same in Backblaze's own dialect: what S3 calls a removal is a hide marker there.
fn b2_event_of(of: &OriginRef, key: &str, removed: bool) -> Vec<u8> {
    let event = if removed {
        "b2:HideMarkerCreated:Hide"
    } else {
        "b2:ObjectCreated:Upload"
    };
    let mut event = json!({
        "bucketName": bucket_of(&of.origin), "eventType": event, "eventVersion": 1, "objectName": key,
    });
    if let Some((account, _)) = of.origin.rsplit_once('/') {
        event["accountId"] = json!(account);
    }
    json!({"events": [event]}).to_string().into_bytes()
}

/// A finished measurement as intdash posts it.
#[must_use]
pub fn measurement_of(measurement: &str) -> Vec<u8> {
    json!({"resource_type": "measurement", "action": "completed", "measurement_uuid": measurement})
        .to_string()
        .into_bytes()
}
