//! A delivery as it is kept in the state bucket: a line of JSON that says what it is, and then its body, byte for byte.

use super::delivery::{Delivery, DeliveryId};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest first line, in bytes.
pub const HEAD_MAX: usize = 1 << 20;

/// Headers that carry a secret, whoever sends them.
const SECRET: [HeaderName; 3] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
];

/// A delivery of a source, as it is kept.
#[derive(Clone, Debug)]
pub struct Record {
    /// The source's name.
    pub source: String,
    /// The delivery, without the secrets that it carried.
    pub delivery: Delivery,
}

/// The first line. What was ever written is read for as long as the bucket keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    version: u32,
    delivery: Uuid,
    source: String,
    method: String,
    /// Seconds since 1970.
    received: u64,
    from: Option<String>,
    /// Name and value, whose bytes beyond ASCII are those of Latin-1.
    headers: Vec<(String, String)>,
}

impl Record {
    /// Of a delivery; `secret` is one more header that may not be kept. Nor is the query: it may have a token in it.
    #[must_use]
    pub fn new(source: &str, delivery: &Delivery, secret: Option<&HeaderName>) -> Self {
        let mut delivery = delivery.clone();
        for name in SECRET.iter().chain(secret) {
            delivery.headers.remove(name);
        }
        (delivery.url, delivery.query) = (None, None);
        Self {
            source: source.to_owned(),
            delivery,
        }
    }

    /// Where a delivery is kept. Ids sort by time.
    #[must_use]
    pub fn place(id: DeliveryId) -> String {
        format!("deliveries/{id}")
    }

    /// As it is kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let of = &self.delivery;
        let latin = |value: &HeaderValue| {
            value
                .as_bytes()
                .iter()
                .map(|byte| char::from(*byte))
                .collect()
        };
        let headers = of.headers.iter();
        let head = Head {
            version: 1,
            delivery: of.id.0,
            source: self.source.clone(),
            method: of.method.to_string(),
            received: of.received,
            from: of.from.map(|from| from.to_string()),
            headers: headers
                .map(|(name, value)| (name.to_string(), latin(value)))
                .collect(),
        };
        let mut bytes = serde_json::to_vec(&head).expect("strings and numbers");
        bytes.push(b'\n');
        bytes.extend_from_slice(&of.body);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; none of anything else.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in &head.headers {
            let value: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
            let name: HeaderName = name.parse().ok()?;
            headers.append(name, HeaderValue::from_bytes(&value?).ok()?);
        }
        let delivery = Delivery {
            id: DeliveryId(head.delivery),
            method: Method::from_bytes(head.method.as_bytes()).ok()?,
            query: None,
            headers,
            body: bytes.slice(end + 1..),
            url: None,
            from: head.from.and_then(|from| from.parse().ok()),
            received: head.received,
        };
        (head.version == 1).then_some(Self {
            source: head.source,
            delivery,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delivery(value: &[u8], body: Vec<u8>) -> Delivery {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_bytes(value).unwrap());
        headers.append("x-a", HeaderValue::from_static("again"));
        headers.append("authorization", HeaderValue::from_static("Bearer hunter2"));
        headers.append("x-token", HeaderValue::from_static("hunter2"));
        let mut delivery = Delivery::post(headers, body);
        delivery.query = Some("access_token=hunter2".to_owned());
        delivery.url = Some("https://x/hooks/s/hunter2".to_owned());
        delivery.from = Some("192.0.2.1".parse().unwrap());
        delivery
    }

    /// What was kept by a version of this program is read by every later one.
    #[test]
    fn reads_the_first_version() {
        let token = HeaderName::from_static("x-token");
        let record = Record::new("s", &delivery(b"\xe9", b"{}\n\xff".to_vec()), Some(&token));
        let golden = b"{\"version\":1,\"delivery\":\"00000000-0000-0000-0000-000000000000\",\"source\":\"s\",\"method\":\"POST\",\"received\":1700000000,\"from\":\"192.0.2.1\",\"headers\":[[\"x-a\",\"\xc3\xa9\"],[\"x-a\",\"again\"]]}\n{}\n\xff";
        assert_eq!(record.to_bytes(), golden);
        assert!(Record::from_bytes(Bytes::from_static(b"{}\n")).is_none());
        assert!(Record::from_bytes(Bytes::from_static(b"")).is_none());
    }

    proptest! {
        #[test]
        fn whatever_is_kept_is_read_and_no_secret_is_kept(
            value in proptest::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8..=0xff], 0..40),
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let token = HeaderName::from_static("x-token");
            let kept = Record::new("s", &delivery(&value, body.clone()), Some(&token)).to_bytes();
            prop_assert!(!String::from_utf8_lossy(&kept).contains("hunter2"));
            let read = Record::from_bytes(kept.into()).unwrap();
            prop_assert_eq!(&read.delivery.body[..], &body[..]);
            let values: Vec<_> = read.delivery.headers.get_all("x-a").iter().collect();
            prop_assert_eq!(values[0].as_bytes(), &value[..]);
            prop_assert_eq!(values[1], "again");
            prop_assert_eq!(read.delivery.received, 1_700_000_000);
        }
    }
}
