//! One request exactly as it arrived. Nothing here is believed yet; the body is never re-serialised.

use bytes::Bytes;
use core::net::IpAddr;
use http::{HeaderMap, Method};
use std::fmt;
use uuid::Uuid;

/// The name of a delivery in answers and logs: a UUIDv7, so that ids sort by time of receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId(pub Uuid);

impl DeliveryId {
    /// Whether it is of a delivery, and not of what we began ourselves.
    #[must_use]
    pub fn is_delivery(self) -> bool {
        self.0.get_version_num() == 7
    }

    /// The same time and chance as the id of what we begin ourselves, such as an audit: a UUIDv8, which sorts as a v7 does.
    #[must_use]
    pub fn of_ours(unique: Uuid) -> Self {
        let mut bytes = *unique.as_bytes();
        bytes[6] = 0x80 | (bytes[6] & 0x0f);
        Self(Uuid::from_bytes(bytes))
    }

    /// Whether it is of what we began ourselves.
    #[must_use]
    pub fn is_ours(self) -> bool {
        self.0.get_version_num() == 8
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The longest body, in bytes: what Lambda hands over at most.
pub const BODY_MAX: usize = 6 * 1024 * 1024;

/// One request that reached a source, raw.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Made on receipt.
    pub id: DeliveryId,
    /// POST of all but some handshakes.
    pub method: Method,
    /// As it stands after the `?`, still encoded.
    pub query: Option<String>,
    /// Header names are case-insensitive, values as received.
    pub headers: HeaderMap,
    /// The bytes that the sender signed: base64 of the gateway undone, nothing else changed.
    pub body: Bytes,
    /// The URL that the sender called as far as the request context tells: `https://<domain><path>[?<query>]`; without a gateway the
    /// host that was asked for, in plain.
    pub url: Option<String>,
    /// The address that it came from, as whoever took the connection tells it; never what a header says.
    pub from: Option<IpAddr>,
    /// When it came, in seconds since 1970 (UTC).
    pub received: u64,
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBody {
    /// It is longer than a body may be.
    TooLarge,
    /// It broke off.
    BrokenOff,
}

impl NoBody {
    /// In a few words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "body too large",
            Self::BrokenOff => "the body broke off",
        }
    }
}

#[cfg(test)]
impl Delivery {
    /// A POST of 2023-11-14, 22:13:20 UTC.
    pub(crate) fn post(headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self {
            id: DeliveryId(Uuid::nil()),
            method: Method::POST,
            query: None,
            headers,
            body: body.into(),
            url: None,
            from: None,
            received: 1_700_000_000,
        }
    }
}

/// Why a delivery is refused: the sender's fault, final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Not JSON, or not the shape that this source sends. The sentence names what was expected.
    Malformed(String),
    /// A signature or token is missing or wrong; never told apart.
    Unauthentic,
    /// The project, bucket or address is not on the allow-list.
    Forbidden,
    /// The topic of SNS that it says it is of is not on the source's list.
    Topic(String),
    /// No such source, or its last path segment is wrong; never told apart.
    Unknown,
    /// This source has nothing to answer to this method.
    Method,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => f.write_str(what),
            Self::Unauthentic => f.write_str("signature or token missing or wrong"),
            Self::Forbidden => f.write_str("not on the allow-list"),
            Self::Topic(arn) => write!(f, "{arn} is not one of the source's topics"),
            Self::Unknown => f.write_str("no such source"),
            Self::Method => f.write_str("method not allowed"),
        }
    }
}
