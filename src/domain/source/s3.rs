//! Object storages that post `{"Records":[…]}`: VK Cloud, AWS, MinIO, Ceph. An event is a hint about a key and nothing
//! more: sizes, ETags, times and sequencers of the wire are not read, so their many spellings cannot hurt.

use super::Message;
use super::rule::BucketRule;
use crate::domain::addresses::Addresses;
use crate::domain::delivery::{Delivery, Rejection};
use crate::domain::event::{Event, ObjectRef};
use crate::domain::handshake::{Answer, VkChallenge};
use crate::domain::object::KEY_MAX;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The dialect of an object storage: its events, its key encoding, its handshake.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    /// VK Cloud: signed handshake; the encoding of keys is not documented.
    Vk,
    /// MinIO: keys as Go's `url.QueryEscape` writes them, `/` as `%2F`.
    Minio,
    /// Ceph RGW: keys raw.
    Ceph,
    /// AWS S3: keys form-encoded.
    Aws,
}

/// An object storage.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Source {
    /// Its dialect.
    pub flavor: Flavor,
    /// Base URL of its S3 API.
    pub endpoint: String,
    /// The region that its requests are signed for.
    pub region: String,
    /// The allow-list: `project/bucket` or `bucket`, each with its rule.
    pub buckets: BTreeMap<String, BucketRule>,
    /// The URL exactly as registered, where it is not what the request context tells.
    pub url: Option<String>,
    /// A path of its own, beside `/hooks/<source>`.
    pub path: Option<String>,
    /// The addresses that it may be delivered from.
    #[serde(default)]
    pub from: Addresses,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<&'a RawValue>>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Event")]
    event: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(default)]
    event_name: String,
    s3: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct WireS3 {
    bucket: WireBucket,
    object: WireObject,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBucket {
    name: String,
    owner_identity: Option<WireOwner>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireOwner {
    principal_id: Option<String>,
}

#[derive(Deserialize)]
struct WireObject {
    key: String,
}

/// The first word of the event names after which a key may have changed. VK's console also speaks of the bare API calls.
const CHANGES: [&str; 12] = [
    "ObjectCreated",
    "ObjectRemoved",
    "ObjectTagging",
    "ObjectRestore",
    "ObjectLifecycle",
    "LifecycleExpiration",
    "LifecycleDelMarkerExpiration",
    "ObjectSynced",
    "PutObject",
    "PutObjectCopy",
    "CompleteMultipartUpload",
    "DeleteObject",
];

/// The longest spellings on the wire, in bytes, of what is told back or logged: a key with every byte as `%XX`, a bucket.
const WIRE_KEY_MAX: usize = 3 * KEY_MAX;
const WIRE_BUCKET_MAX: usize = 255;
/// So much of an unknown event name goes into the log.
const EVENT_NAME_SHOWN: usize = 64;
/// The most records of one delivery. Senders post one or a few; anyone who knows the URL can post more.
const RECORDS_MAX: usize = 1000;

impl S3Source {
    /// Reads a handshake, records, or a test event; told apart by the body alone, since senders disagree on headers.
    pub(super) fn open(&self, name: &str, delivery: &Delivery) -> Result<Message, Rejection> {
        let malformed = |what: &str| Rejection::Malformed(what.to_owned());
        let body: Body<'_> = serde_json::from_slice(&delivery.body)
            .map_err(|_| malformed("expected a JSON object with Records, or a handshake"))?;
        if let Some(records) = body.records {
            if records.len() > RECORDS_MAX {
                return Err(Rejection::Malformed(format!(
                    "expected at most {RECORDS_MAX} records in a delivery"
                )));
            }
            return Ok(Message::Events(
                records
                    .into_iter()
                    .map(|record| self.event(name, record))
                    .collect(),
            ));
        }
        if self.flavor == Flavor::Vk && body.kind.as_deref() == Some("SubscriptionConfirmation") {
            return self.answer(delivery).map(Message::Challenge);
        }
        if body.event.as_deref() == Some("s3:TestEvent") {
            let reason = "test event".to_owned();
            return Ok(Message::Events(vec![Event::Nothing {
                bucket: None,
                key: None,
                reason,
            }]));
        }
        Err(malformed(
            "expected Records, or a handshake of this source's flavor",
        ))
    }

    fn answer(&self, delivery: &Delivery) -> Result<Answer, Rejection> {
        let challenge: VkChallenge = serde_json::from_slice(&delivery.body).map_err(|_| {
            Rejection::Malformed(
                "expected Timestamp, TopicArn and Token in the handshake".to_owned(),
            )
        })?;
        let (project, bucket) = challenge.project_and_bucket().ok_or_else(|| {
            Rejection::Malformed("expected <project>|<bucket>|<events> as TopicArn".to_owned())
        })?;
        self.allowed(Some(project), bucket)
            .ok_or(Rejection::Forbidden)?;
        let url = self
            .url
            .as_deref()
            .or(delivery.url.as_deref())
            .ok_or_else(|| {
                Rejection::Malformed(
                    "the request context tells no domain: set the source's url as registered"
                        .to_owned(),
                )
            })?;
        Ok(Answer::Signature(challenge.sign(url)))
    }

    /// The allow-list's entry for a bucket of the wire.
    fn allowed(&self, project: Option<&str>, bucket: &str) -> Option<(&str, &BucketRule)> {
        // The slash is the allow-list's own: on the wire it would let a name pass for another project's bucket.
        let plain = |name: &&str| !name.contains('/');
        let bucket = Some(bucket).filter(plain)?;
        let entry = |name: &str| {
            self.buckets
                .get_key_value(name)
                .map(|(name, rule)| (name.as_str(), rule))
        };
        let of_project = project
            .filter(plain)
            .and_then(|project| entry(&format!("{project}/{bucket}")));
        of_project.or_else(|| entry(bucket))
    }

    /// Every record stands alone: what one says, or fails to say, never reaches the next.
    fn event(&self, name: &str, record: &RawValue) -> Event {
        let Ok(Record { event_name, s3 }) = serde_json::from_str(record.get()) else {
            return Event::Malformed("a record is no object with an eventName".to_owned());
        };
        let event_name = event_name.strip_prefix("s3:").unwrap_or(&event_name);
        let changes = CHANGES.contains(&event_name.split(':').next().unwrap_or_default());
        let shown: String = event_name.chars().take(EVENT_NAME_SHOWN).collect();
        let unknown = || format!("event name {shown:?} is not one that changes an object");
        let Some(WireS3 { bucket, object }) = s3.and_then(|s3| WireS3::deserialize(s3).ok()) else {
            // Such as MinIO's s3:BucketCreated:*, which is about no object.
            return if changes || event_name.is_empty() {
                Event::Malformed("a record has no s3.bucket.name or no s3.object.key".to_owned())
            } else {
                Event::Nothing {
                    bucket: None,
                    key: None,
                    reason: unknown(),
                }
            };
        };
        if object.key.len() > WIRE_KEY_MAX || bucket.name.len() > WIRE_BUCKET_MAX {
            return Event::Malformed(
                "a record's bucket or key is longer than any can be".to_owned(),
            );
        }
        let project = bucket.owner_identity.and_then(|owner| owner.principal_id);
        let Some((origin, rule)) = self.allowed(project.as_deref(), &bucket.name) else {
            return Event::Forbidden {
                bucket: bucket.name,
                key: object.key,
            };
        };
        let nothing = |reason| Event::Nothing {
            bucket: Some(bucket.name.clone()),
            key: Some(object.key.clone()),
            reason,
        };
        if !changes {
            return nothing(unknown());
        }
        let readings = readings(self.flavor, &object.key);
        if readings.is_empty() {
            return Event::Malformed(
                "a record's s3.object.key is empty, too long, or not in this flavor's encoding"
                    .to_owned(),
            );
        }
        let objects: Vec<_> = readings
            .into_iter()
            .filter(|key| rule.covers(key))
            .map(|key| ObjectRef {
                source: name.to_owned(),
                origin: origin.to_owned(),
                key,
            })
            .collect();
        if objects.is_empty() {
            nothing("the globs leave this key out".to_owned())
        } else {
            Event::Object(objects)
        }
    }

    pub(super) fn bucket_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.region.is_empty() {
            problems.push(
                "region: expected the region that the origin's requests are signed for, found none"
                    .to_owned(),
            );
        }
        if self.buckets.is_empty() {
            problems.push("buckets: expected at least one project/bucket or bucket".to_owned());
        }
        for (name, rule) in &self.buckets {
            let parts: Vec<_> = name.split('/').collect();
            if rule.include.is_empty() {
                problems.push(format!(
                    "buckets: include of {name} is empty: nothing would be mirrored"
                ));
            }
            if parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
                problems.push(format!(
                    "buckets: expected project/bucket or bucket, found \"{name}\""
                ));
            }
            if !(0.0..=1.0).contains(&rule.hold.share) {
                problems.push(format!(
                    "buckets: hold of {name}: expected a share from 0 to 1"
                ));
            }
            // Where the whole name did not fit beside the longest key, some keys could not be mirrored.
            if rule.prefix.len() >= KEY_MAX {
                problems.push(format!(
                    "buckets: the prefix of {name} leaves no room for a key"
                ));
            }
        }
        problems
    }
}

/// The keys that a key of the wire may stand for: those that can be keys.
fn readings(flavor: Flavor, wire: &str) -> Vec<String> {
    let form = || {
        let decoded = percent_decode_str(&wire.replace('+', " "))
            .decode_utf8()
            .ok()
            .map(Cow::into_owned);
        decoded.into_iter()
    };
    let mut keys: Vec<String> = match flavor {
        Flavor::Ceph => vec![wire.to_owned()],
        Flavor::Aws | Flavor::Minio => form().collect(),
        // Not documented: where the two readings differ, both keys are looked at. One of them is the one that changed, and
        // a look at the other one only makes its backup right.
        Flavor::Vk => std::iter::once(wire.to_owned())
            .chain(form().filter(|decoded| decoded != wire))
            .collect(),
    };
    keys.retain(|key| (1..=KEY_MAX).contains(&key.len()));
    keys
}

#[cfg(test)]
#[path = "s3_tests.rs"]
mod tests;
