//! One request exactly as it arrived. Nothing here is believed yet; the body is never re-serialised.

use bytes::Bytes;
use http::HeaderMap;
use std::fmt;
use uuid::Uuid;

/// The name of a delivery in answers and logs: a UUIDv7, so that ids sort by time of receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryId(pub Uuid);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One request that reached a source, raw.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Made on receipt.
    pub id: DeliveryId,
    /// Header names are case-insensitive, values as received.
    pub headers: HeaderMap,
    /// The bytes that the sender signed: base64 of the gateway undone, nothing else changed.
    pub body: Bytes,
    /// The URL that the sender called as far as the request context tells: `https://<domain><path>[?<query>]`.
    pub url: Option<String>,
}

/// Why a delivery is refused: the sender's fault, final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Not JSON, or not the shape that this source sends. The sentence names what was expected.
    Malformed(String),
    /// A signature or token is missing or wrong; never told apart.
    Unauthentic,
    /// The project or bucket is not on the allow-list.
    Forbidden,
    /// No such source, or its last path segment is wrong; never told apart.
    Unknown,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => f.write_str(what),
            Self::Unauthentic => f.write_str("signature or token missing or wrong"),
            Self::Forbidden => f.write_str("project or bucket not on the allow-list"),
            Self::Unknown => f.write_str("no such source"),
        }
    }
}
