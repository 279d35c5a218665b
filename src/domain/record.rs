//! A delivery as it is kept in the state bucket: a line of JSON that says what it is and what became of it at the door, and then its
//! body, byte for byte.

mod told;

pub use told::{Handshake, Told};

use super::bound::Bound;
use super::delivery::{Delivery, DeliveryId};
use super::handshake::hex;
use super::inbox::{FOLDER, Facts, JobReport, STRANGERS, Verdict};
use super::redact::Known;
use super::signature::{Secret, sha256};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest first line, in bytes.
pub const HEAD_MAX: usize = 2 << 20;
/// So many bytes of what is planned, and of remarks, are named; the rest is counted only.
static NAMED_MAX: Bound<usize> = Bound::new("record.names", 256 << 10);

/// So many bytes of a body are kept where it is not kept whole: of who names no source, since nobody will receive it again, and
/// of a stranger's delivery that is too long.
static BEGINNING: Bound<usize> = Bound::new("record.strangers", 4 << 10);
/// The longest body, in bytes, that is kept whole of a delivery that nothing proves: it can be received again once its secret is
/// known.
static UNPROVEN_MAX: Bound<usize> = Bound::new("record.unproven", 64 << 10);
/// So many bytes of remarks are kept of such a delivery.
static UNPROVEN_NAMED: Bound<usize> = Bound::new("record.unproven_names", 4 << 10);

/// A delivery of a source, as it is kept.
#[derive(Clone, Debug)]
pub struct Record {
    /// The source's name; none of one that there is not.
    pub source: Option<String>,
    /// The delivery, without the secrets that it carried.
    pub delivery: Delivery,
    /// Its headers in the order in which they came, by name; none where the value was left out. Bytes beyond ASCII are those of
    /// Latin-1.
    pub headers: Vec<(String, Option<String>)>,
    /// A hash of the last segment of its URL, of a delivery that was not believed: so that it can be compared with the `url_key` of
    /// another day. The segment itself is not kept.
    pub claimed_key: Option<String>,
    /// The length of its body, in bytes, where only the beginning of it is kept.
    pub all_bytes: Option<u64>,
    /// What became of it at the door.
    pub told: Told,
}

/// The first line. What was ever written is read for as long as the bucket keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    version: u32,
    delivery: Uuid,
    source: Option<String>,
    method: String,
    /// Seconds since 1970.
    received: u64,
    from: Option<String>,
    headers: Vec<(String, Option<String>)>,
    /// From here on of version 2.
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    claimed_key: Option<String>,
    #[serde(default)]
    verdict: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    planned: Vec<JobReport>,
    #[serde(default)]
    remarks: Vec<String>,
    #[serde(default)]
    unread: bool,
    /// The length of the body, where only its beginning is kept.
    #[serde(default)]
    all_bytes: Option<u64>,
    #[serde(default)]
    handshake: Option<Handshake>,
    #[serde(default)]
    same: String,
}

const VERSION: u32 = 2;

impl Record {
    /// Of a delivery, without what is a secret in it.
    #[must_use]
    pub fn new(source: Option<&str>, delivery: &Delivery, known: &Known<'_>, told: Told) -> Self {
        let headers = delivery.headers.iter().map(|(name, value)| {
            let kept = known.keeps(name, value.as_bytes());
            let latin = || value.as_bytes().iter().copied().map(char::from).collect();
            (name.to_string(), kept.then(latin))
        });
        let headers: Vec<_> = headers.collect();
        let unproven = known.url_key.filter(|_| !told.verdict.is_proven());
        let claimed_key = unproven.map(|key| hashed(delivery.id, key));
        let mut delivery = delivery.clone();
        delivery.headers = kept(&headers).unwrap_or_default();
        delivery.url = delivery.url.map(|url| known.url(&url));
        // The URL has it, without its secrets.
        delivery.query = None;
        let all = delivery.body.len() as u64;
        let too_long = told.apart && delivery.body.len() > UNPROVEN_MAX.get();
        if source.is_none() || told.short || too_long {
            delivery.body.truncate(BEGINNING.get());
        }
        let cut = delivery.body.len() as u64 != all;
        Self {
            source: source.map(ToOwned::to_owned),
            delivery,
            headers,
            claimed_key,
            all_bytes: cut.then_some(all),
            told,
        }
    }

    /// What of its body is not kept, in a sentence.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        if self.told.unread {
            return Some("its body was not read".to_owned());
        }
        let all = self.all_bytes?;
        let kept = self.delivery.body.len();
        Some(format!(
            "the first {kept} of its {all} bytes are kept, since nothing proved whose it was"
        ))
    }

    /// Whether the last segment of its URL was this key.
    #[must_use]
    pub fn claims(&self, key: &Secret) -> bool {
        let claimed = self.claimed_key.as_deref();
        claimed
            .is_some_and(|claimed| Secret::new(&hashed(self.delivery.id, key.expose())).is(claimed))
    }

    /// What a list says of it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts {
            verdict: self.told.verdict,
            source: self.source.clone(),
            bytes: self.all_bytes.unwrap_or(self.delivery.body.len() as u64),
            jobs: self.told.planned.len(),
            same: self.told.same.clone(),
            title: self.told.title(),
        }
    }

    /// Where it is kept.
    #[must_use]
    pub fn place(&self) -> String {
        let folder = if self.told.apart { STRANGERS } else { FOLDER };
        self.facts().place_in(folder, self.delivery.id)
    }

    /// Where an earlier version of this program kept a delivery.
    #[must_use]
    pub fn former_place(id: DeliveryId) -> String {
        format!("deliveries/{id}")
    }

    /// As it is kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (of, told) = (&self.delivery, &self.told);
        let named = if told.apart {
            &UNPROVEN_NAMED
        } else {
            &NAMED_MAX
        };
        let named = named.get();
        let head = Head {
            version: VERSION,
            delivery: of.id.0,
            source: self.source.clone(),
            method: of.method.to_string(),
            received: of.received,
            from: of.from.map(|from| from.to_string()),
            headers: self.headers.clone(),
            url: of.url.clone(),
            claimed_key: self.claimed_key.clone(),
            verdict: Some(told.verdict.word().to_owned()),
            reason: told.reason.clone(),
            planned: within(&told.planned, named, |job| {
                job.key.as_ref().map_or(0, String::len)
            }),
            remarks: within(&told.remarks, named, String::len),
            unread: told.unread,
            all_bytes: self.all_bytes,
            handshake: told.handshake.clone(),
            same: told.same.clone(),
        };
        let mut bytes = serde_json::to_vec(&head).expect("strings and numbers");
        bytes.push(b'\n');
        bytes.extend_from_slice(&of.body);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote, in this version of the program or an earlier one; none of anything else.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Option<Self> {
        let end = memchr::memchr(b'\n', &bytes)?;
        let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
        let verdict = match head.version {
            // It kept what was accepted, and nothing else.
            1 => Verdict::Accepted,
            VERSION => Verdict::of_word(&head.verdict?)?,
            _ => return None,
        };
        let delivery = Delivery {
            id: DeliveryId(head.delivery),
            method: Method::from_bytes(head.method.as_bytes()).ok()?,
            query: None,
            headers: kept(&head.headers)?,
            body: bytes.slice(end + 1..),
            url: head.url,
            from: head.from.and_then(|from| from.parse().ok()),
            received: head.received,
        };
        Some(Self {
            source: head.source,
            delivery,
            headers: head.headers,
            claimed_key: head.claimed_key,
            all_bytes: head.all_bytes,
            told: Told {
                verdict,
                reason: head.reason,
                planned: head.planned,
                remarks: head.remarks,
                unread: head.unread,
                handshake: head.handshake,
                same: head.same,
                apart: false,
                short: false,
            },
        })
    }
}

/// The first of them, as many as are kept. Each takes some room of its own.
fn within<T: Clone>(all: &[T], mut left: usize, length: impl Fn(&T) -> usize) -> Vec<T> {
    let fitting = all.iter().take_while(|one| {
        left = left.saturating_sub(length(one) + 64);
        left > 0
    });
    fitting.cloned().collect()
}

/// Under the delivery's id, so that equal keys do not look equal.
fn hashed(id: DeliveryId, key: &str) -> String {
    hex(&sha256(&[id.0.as_bytes(), key.as_bytes()]))
}

/// Headers as they were, but for those that were left out.
fn kept(headers: &[(String, Option<String>)]) -> Option<HeaderMap> {
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        let Some(value) = value else { continue };
        let value: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
        let name: HeaderName = name.parse().ok()?;
        kept.append(name, HeaderValue::from_bytes(&value?).ok()?);
    }
    Some(kept)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
