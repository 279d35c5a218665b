//! A configured sender. [`Source::open`] is the only door: an event cannot exist unless its delivery was opened here.

pub mod data_filter;
pub mod generic;
pub mod intdash;
pub mod rule;
pub mod s3;

use super::addresses::Addresses;
use super::delivery::{Delivery, Rejection};
use super::event::Event;
use super::handshake::Answer;
use super::secrets::SourceSecrets;
use super::sns::{Claim, Subscription};
use http::{HeaderName, Method};
use serde::Deserialize;
use std::num::NonZeroU32;

/// A configured sender, by its kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// An S3-compatible object storage whose buckets are mirrored.
    S3(s3::S3Source),
    /// An intdash server whose measurements are summarised.
    Intdash(intdash::IntdashSource),
    /// Any other sender, whose deliveries are handed on.
    Generic(generic::GenericSource),
}

/// Whether this can be the name of a source: a segment of its URL.
#[must_use]
pub fn is_source_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}

/// Whether this is the name of an endpoint, which only records, and not of a configured source.
#[must_use]
pub fn is_endpoint(source: &str) -> bool {
    source.starts_with("in/")
}

/// Why a delivery may be believed.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// It must prove itself.
    Sender {
        /// What its source's sender and we know.
        secrets: &'a SourceSecrets,
        /// Whether a certificate vouched for what [`Source::claim`] says.
        vouched: bool,
    },
    /// It did when it came first, and an operator has it received again: its time and its id no longer count.
    Operator,
}

/// What an authentic delivery turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A handshake and its answer.
    Challenge(Answer),
    /// A subscription that waits to be confirmed.
    Confirm(Subscription),
    /// The end of a subscription: nothing comes through this topic any more.
    Ended(String),
    /// What happened, record by record, in the order of the wire.
    Events(Vec<Event>),
}

impl Message {
    /// Authentic, and nothing to do for all of it.
    fn nothing(reason: impl Into<String>) -> Self {
        Self::Events(vec![Event::nothing(reason.into())])
    }
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
        proof: Proof<'_>,
    ) -> Result<Message, Rejection> {
        match self {
            Self::S3(source) => source.open(name, delivery, proof),
            Self::Intdash(source) => source.open(name, delivery, proof),
            Self::Generic(source) => source.open(name, delivery, proof),
        }
    }

    /// Whether it has anything to say to a request by this method. Only some handshakes come otherwise than by POST.
    #[must_use]
    pub fn answers(&self, method: &Method) -> bool {
        let handshakes = matches!(self, Self::Generic(_));
        method == Method::POST
            || (handshakes && (method == Method::GET || method == Method::OPTIONS))
    }

    /// What a certificate must vouch for before this delivery can be opened.
    #[must_use]
    pub fn claim(&self, delivery: &Delivery) -> Option<Claim> {
        match self {
            Self::S3(source) => source.claim(delivery),
            Self::Intdash(_) => None,
            Self::Generic(source) => source.claim(delivery),
        }
    }

    /// Whether its deliveries prove whose they are. Of others only a `url_key` may keep strangers out.
    #[must_use]
    pub fn proves(&self) -> bool {
        match self {
            Self::S3(source) => source.must_prove() || !source.topics.is_empty(),
            Self::Intdash(_) => true,
            Self::Generic(source) => !source.verify.is_none(),
        }
    }

    /// Whether its deliveries prove whose they are once it has a secret for that, and do not without.
    #[must_use]
    pub fn may_prove(&self) -> bool {
        matches!(self, Self::S3(source) if source.scheme().is_some())
    }

    /// The addresses that it may be delivered from.
    #[must_use]
    pub fn from(&self) -> &Addresses {
        match self {
            Self::S3(source) => &source.from,
            Self::Intdash(source) => &source.from,
            Self::Generic(source) => &source.from,
        }
    }

    /// Deliveries a second that a process takes of it, on average; none: as many as come.
    #[must_use]
    pub fn rate(&self) -> Option<NonZeroU32> {
        match self {
            Self::S3(source) => source.rate,
            Self::Intdash(source) => source.rate,
            Self::Generic(source) => source.rate,
        }
    }

    /// The secret without which no delivery of this source may be opened and which it does not have, in words.
    #[must_use]
    pub fn missing_to_open(&self, secrets: Option<&SourceSecrets>) -> Option<String> {
        let wants = match (self, secrets) {
            (Self::S3(source), Some(secrets))
                if source.must_prove() && secrets.secrets.is_empty() =>
            {
                "secrets (the signing secrets)"
            }
            // Most object storages prove nothing; but without an entry it is not known whether there is a url_key.
            (Self::S3(_), None) => "an entry: {} or its url_key",
            (Self::Intdash(_), Some(secrets)) if !secrets.secrets.is_empty() => return None,
            (Self::Intdash(_), _) => "secrets (the signing secrets)",
            (Self::S3(_), Some(_)) => return None,
            (Self::Generic(source), secrets) => {
                let secrets = secrets.map(|secrets| &secrets.secrets[..]);
                return source.verify.missing(secrets.unwrap_or_default());
            }
        };
        Some(wants.to_owned())
    }

    /// Which of its secrets nothing can be verified with, and what is wrong with each, without any value.
    #[must_use]
    pub fn secret_problems(&self, secrets: &SourceSecrets) -> Vec<String> {
        match self {
            Self::Generic(source) => source.verify.secret_problems(&secrets.secrets),
            // Any text is a secret of theirs.
            Self::S3(_) | Self::Intdash(_) => Vec::new(),
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
            (Self::Generic(_), _) => None,
        }
    }

    /// The header of its own choice that carries a secret itself.
    #[must_use]
    pub fn secret_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Generic(source) => source.verify.secret_header(),
            Self::S3(_) | Self::Intdash(_) => None,
        }
    }

    /// The header that carries the signature.
    #[must_use]
    pub fn signature_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Generic(source) => source.verify.signature_header(),
            // Theirs have names that tell.
            Self::S3(_) | Self::Intdash(_) => None,
        }
    }

    /// The path of its own that it also answers at.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::S3(source) => source.path.as_deref(),
            Self::Intdash(source) => source.path.as_deref(),
            Self::Generic(source) => source.path.as_deref(),
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
            Self::Generic(source) => problems.extend(source.problems()),
        }
        if let Some(path) = self.path() {
            let reserved = ["/ping", "/hooks", "/inbox", "/in"]
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
                    "path: expected a path like /webhook, outside /ping, /hooks, /inbox and /in and without a trailing slash, found \"{path}\""
                ));
            }
        }
        problems
    }
}
