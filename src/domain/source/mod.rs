//! A configured sender. [`Source::open`] is the only door: an event cannot exist unless its delivery was opened here.

pub mod data_filter;
pub mod intdash;
pub mod rule;
pub mod s3;

use super::delivery::{Delivery, Rejection};
use super::event::Event;
use super::handshake::Answer;
use super::secrets::SourceSecrets;
use serde::Deserialize;

/// A configured sender, by its kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// An S3-compatible object storage whose buckets are mirrored.
    S3(s3::S3Source),
    /// An intdash server whose measurements are summarised.
    Intdash(intdash::IntdashSource),
}

/// What an authentic delivery turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A handshake and its answer.
    Challenge(Answer),
    /// What happened, record by record, in the order of the wire.
    Events(Vec<Event>),
}

impl Source {
    /// Opens a delivery: verifies it and reads it.
    ///
    /// # Errors
    /// A [`Rejection`] where the delivery is not authentic, not allowed, or not of this source's shape.
    pub fn open(
        &self,
        name: &str,
        delivery: &Delivery,
        secrets: &SourceSecrets,
    ) -> Result<Message, Rejection> {
        match self {
            Self::S3(source) => source.open(name, delivery),
            Self::Intdash(source) => source.open(name, delivery, secrets),
        }
    }

    /// The secret without which no delivery of this source may be opened and which it does not have, in words.
    #[must_use]
    pub fn missing_to_open(&self, secrets: Option<&SourceSecrets>) -> Option<&'static str> {
        match (self, secrets) {
            // An object storage proves nothing; but without an entry it is not known whether there is a url_key.
            (Self::S3(_), None) => Some("an entry: {} or its url_key"),
            (Self::Intdash(_), Some(secrets)) if !secrets.secrets.is_empty() => None,
            (Self::Intdash(_), _) => Some("secrets (the signing secrets)"),
            (Self::S3(_), Some(_)) => None,
        }
    }

    /// The secret without which its work cannot be done and which it does not have, in words.
    #[must_use]
    pub fn missing_to_work(&self, secrets: Option<&SourceSecrets>) -> Option<&'static str> {
        match (self, secrets) {
            (Self::S3(_), Some(secrets)) if !secrets.access_keys.is_empty() => None,
            (Self::S3(_), _) => Some("access_key_id and secret_access_key of the origin (or keys)"),
            (Self::Intdash(_), Some(secrets)) if secrets.api_token.is_some() => None,
            (Self::Intdash(_), _) => Some("api_token"),
        }
    }

    /// The path of its own that it also answers at.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::S3(source) => source.path.as_deref(),
            Self::Intdash(source) => source.path.as_deref(),
        }
    }

    /// What is wrong with its definition, a sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut url = |field: &str, value: &str| match url::Url::parse(value) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                problems.push(format!(
                    "{field}: expected a URL without user and password: those belong in the secrets"
                ));
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            _ => problems.push(format!(
                "{field}: expected an http or https URL, found \"{value}\""
            )),
        };
        match self {
            Self::S3(source) => {
                url("endpoint", &source.endpoint);
                if let Some(registered) = &source.url {
                    url("url", registered);
                }
                problems.extend(source.bucket_problems());
            }
            Self::Intdash(source) => {
                url("url", &source.url);
                problems.extend(source.own_problems());
            }
        }
        if let Some(path) = self.path() {
            let reserved = ["/ping", "/hooks", "/inbox"]
                .iter()
                .any(|taken| path == *taken || path.starts_with(&format!("{taken}/")));
            let odd = path
                .split('/')
                .skip(1)
                .any(|segment| matches!(segment, "" | "." | ".."));
            let plain = path
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b));
            if !path.starts_with('/') || path.len() < 2 || odd || reserved || !plain {
                problems.push(format!(
                    "path: expected a path like /webhook, outside /ping, /hooks and /inbox and without a trailing slash, found \"{path}\""
                ));
            }
        }
        problems
    }
}
