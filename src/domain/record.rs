//! A delivery as it is kept in the state bucket: a line of JSON that says what it is and what became of it at the door, and then its
//! body, byte for byte.

use super::delivery::{Delivery, DeliveryId};
use super::event::Event;
use super::forward::occurrence;
use super::handshake::{VkChallenge, spellings};
use super::inbox::{Facts, JobReport, TITLE_MAX, Verdict};
use super::job::{Job, plan};
use super::redact::Known;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest first line, in bytes.
pub const HEAD_MAX: usize = 2 << 20;
/// So many bytes of what is planned, and of remarks, are named; the rest is counted only.
const NAMED_MAX: usize = 256 << 10;

/// What became of a delivery at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// In a word.
    pub verdict: Verdict,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What is to be done for it.
    pub planned: Vec<JobReport>,
    /// What nothing is done for, and why.
    pub remarks: Vec<String>,
    /// What it was answered with, where it was a handshake that signs a URL.
    pub handshake: Option<Handshake>,
    /// What deliveries have in common that are the same; empty where none can be.
    pub same: String,
}

/// An answer that is the signature of a URL: of the exact spelling that was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handshake {
    /// The URL that was signed.
    pub signed: String,
    /// What was answered: 64 lower-case hex digits.
    pub signature: String,
    /// What other spellings of the URL would have been answered with: URL and signature.
    pub spellings: Vec<(String, String)>,
}

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
    /// Whether its URL had the source's `url_key`, which is not kept.
    pub keyed: bool,
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
    keyed: bool,
    #[serde(default)]
    verdict: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    planned: Vec<JobReport>,
    #[serde(default)]
    remarks: Vec<String>,
    #[serde(default)]
    handshake: Option<Handshake>,
    #[serde(default)]
    same: String,
}

const VERSION: u32 = 2;

impl Told {
    /// Of a delivery that got no further.
    #[must_use]
    pub fn refused(verdict: Verdict, reason: String, delivery: &Delivery) -> Self {
        Self {
            reason: Some(reason),
            ..Self::of(verdict, same(delivery))
        }
    }

    /// Of a handshake.
    #[must_use]
    pub fn answered(handshake: Option<Handshake>) -> Self {
        Self {
            handshake,
            ..Self::of(Verdict::Handshake, String::new())
        }
    }

    /// Of what it says that happened.
    #[must_use]
    pub fn events(events: &[Event], delivery: &Delivery) -> Self {
        let is = |of: fn(&Event) -> bool| !events.is_empty() && events.iter().all(of);
        let verdict = if is(|event| matches!(event, Event::Malformed(_))) {
            Verdict::Malformed
        } else if is(|event| matches!(event, Event::Forbidden { .. })) {
            Verdict::Forbidden
        } else {
            Verdict::Accepted
        };
        let known_again = events.iter().find_map(|event| match event {
            Event::Forward(of) => of.occurrence.clone(),
            Event::Measurement(of) => of.occurrence.clone(),
            _ => None,
        });
        let short = |known: String| known.chars().take(16).collect();
        let jobs = events.iter().flat_map(plan);
        let remarks = events.iter().filter_map(remark);
        let mut remarks: Vec<_> = remarks.collect();
        remarks.dedup();
        Self {
            planned: jobs.map(|job| JobReport::planned(&job)).collect(),
            remarks,
            ..Self::of(verdict, known_again.map_or_else(|| same(delivery), short))
        }
    }

    fn of(verdict: Verdict, same: String) -> Self {
        Self {
            verdict,
            reason: None,
            planned: Vec::new(),
            remarks: Vec::new(),
            handshake: None,
            same,
        }
    }

    /// What it is about, in a few words.
    fn title(&self) -> String {
        let first = self.planned.first().map(|job| {
            let named = [&job.key, &job.measurement, &job.event, &job.id];
            let named: Vec<_> = named.into_iter().flatten().map(String::as_str).collect();
            if named.is_empty() {
                job.job.clone()
            } else {
                named.join(" ")
            }
        });
        let title = first
            .or_else(|| self.reason.clone())
            .or_else(|| self.remarks.first().cloned())
            .unwrap_or_else(|| self.verdict.word().to_owned());
        let more = match self.planned.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" (+{more})"),
        };
        let end = title.floor_char_boundary(TITLE_MAX - more.len());
        format!("{}{more}", &title[..end])
    }
}

/// Of deliveries without an id: of the same method, with the same bytes.
fn same(delivery: &Delivery) -> String {
    let mut same = occurrence(&[delivery.method.as_str().as_bytes(), &delivery.body]);
    same.truncate(16);
    same
}

/// Why nothing is done for a record.
fn remark(event: &Event) -> Option<String> {
    match event {
        Event::Object(_) | Event::Measurement(_) | Event::Forward(_) => None,
        Event::Nothing {
            bucket,
            key,
            reason,
        } => {
            let place = [bucket, key].into_iter().flatten();
            let place: Vec<_> = place.map(String::as_str).collect();
            let colon = if place.is_empty() { "" } else { ": " };
            Some(format!("{}{colon}{reason}", place.join(" ")))
        }
        Event::Forbidden { bucket, .. } => Some(format!("not on the allow-list: {bucket}")),
        Event::Malformed(what) => Some(what.clone()),
    }
}

impl JobReport {
    /// Of a job that nobody has tried yet.
    #[must_use]
    pub fn planned(job: &Job) -> Self {
        let mut report = Self::default();
        match job {
            Job::Mirror(of) => {
                "mirror".clone_into(&mut report.job);
                (report.bucket, report.key) = (Some(of.origin.clone()), Some(of.key.clone()));
            }
            Job::Summary(of) => {
                "summary".clone_into(&mut report.job);
                report.measurement = Some(of.measurement.clone());
            }
            Job::Audit(of) => {
                "audit".clone_into(&mut report.job);
                report.bucket = Some(of.origin.clone());
            }
            Job::Forward(of) => {
                "forward".clone_into(&mut report.job);
                (report.event, report.id) = (of.event.clone(), of.id.clone());
            }
        }
        report
    }
}

impl Handshake {
    /// Of VK's challenge and the URL that was signed. Secrets of the URL are left out of what is told.
    #[must_use]
    pub fn new(challenge: &VkChallenge, url: &str, known: &Known<'_>) -> Self {
        let others = spellings(url).into_iter().skip(1);
        Self {
            signed: known.url(url),
            signature: challenge.sign(url),
            spellings: others
                .map(|other| (known.url(&other), challenge.sign(&other)))
                .collect(),
        }
    }
}

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
        let mut delivery = delivery.clone();
        delivery.headers = kept(&headers).unwrap_or_default();
        delivery.url = delivery.url.map(|url| known.url(&url));
        // The URL has it, without its secrets.
        delivery.query = None;
        Self {
            source: source.map(ToOwned::to_owned),
            delivery,
            headers,
            keyed: known.keyed,
            told,
        }
    }

    /// What a list says of it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts {
            verdict: self.told.verdict,
            source: self.source.clone(),
            bytes: self.delivery.body.len() as u64,
            jobs: self.told.planned.len(),
            same: self.told.same.clone(),
            title: self.told.title(),
        }
    }

    /// Where it is kept.
    #[must_use]
    pub fn place(&self) -> String {
        self.facts().place(self.delivery.id)
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
        let head = Head {
            version: VERSION,
            delivery: of.id.0,
            source: self.source.clone(),
            method: of.method.to_string(),
            received: of.received,
            from: of.from.map(|from| from.to_string()),
            headers: self.headers.clone(),
            url: of.url.clone(),
            keyed: self.keyed,
            verdict: Some(told.verdict.word().to_owned()),
            reason: told.reason.clone(),
            planned: within(&told.planned, |job| job.key.as_ref().map_or(0, String::len)),
            remarks: within(&told.remarks, String::len),
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
            keyed: head.keyed,
            told: Told {
                verdict,
                reason: head.reason,
                planned: head.planned,
                remarks: head.remarks,
                handshake: head.handshake,
                same: head.same,
            },
        })
    }
}

/// The first of them, as many as are kept. Each takes some room of its own.
fn within<T: Clone>(all: &[T], length: impl Fn(&T) -> usize) -> Vec<T> {
    let mut left = NAMED_MAX;
    let fitting = all.iter().take_while(|one| {
        left = left.saturating_sub(length(one) + 64);
        left > 0
    });
    fitting.cloned().collect()
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
