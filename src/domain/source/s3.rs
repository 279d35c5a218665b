//! Object storages: VK Cloud, AWS (by itself or through SNS), MinIO, Ceph, Backblaze B2. An event is a hint about a key and nothing
//! more: sizes, ETags, times and sequencers of the wire are not read, so their many spellings cannot hurt.

mod b2;
mod text;
mod wire;

use super::rule::BucketRule;
use super::{Message, Proof};
use crate::domain::addresses::Addresses;
use crate::domain::delivery::{Delivery, Rejection};
use crate::domain::event::{Event, ObjectRef};
use crate::domain::handshake::{Answer, VkChallenge};
use crate::domain::object::KEY_MAX;
use crate::domain::scheme::Scheme;
use crate::domain::secrets::SourceSecrets;
use crate::domain::sns::{self, Claim, Envelope, Opened};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use text::Text;
use wire::{Body, Encoding, RECORDS_MAX, Told};
use wire::{changes_nothing, is_of_object, readings, unknown};

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
    /// AWS S3: keys form-encoded; through SNS or without it.
    Aws,
    /// Backblaze B2: events of its own, signed; keys raw.
    B2,
}

impl Flavor {
    /// How it spells keys in `Records`.
    fn encoding(self) -> Encoding {
        match self {
            Self::Vk => Encoding::Either,
            Self::Minio | Self::Aws => Encoding::Form,
            Self::Ceph | Self::B2 => Encoding::Raw,
        }
    }
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
    /// Deliveries a second that a process takes of it, on average; none: as many as come.
    #[serde(default)]
    pub rate: Option<NonZeroU32>,
    /// Of AWS through SNS: the ARNs of the topics whose messages are believed. Anybody can have a topic of his own.
    #[serde(default)]
    pub topics: Vec<String>,
}

impl S3Source {
    /// Verifies what can be, and reads a handshake, records, or a test event; told apart by the body alone, since senders
    /// disagree on headers.
    pub(super) fn open(
        &self,
        name: &str,
        delivery: &Delivery,
        proof: Proof<'_>,
    ) -> Result<Message, Rejection> {
        if let Proof::Sender { secrets, .. } = proof
            && !self.verifies(delivery, secrets)
        {
            return Err(Rejection::Unauthentic);
        }
        match self.envelope(delivery) {
            // Where topics are named nothing else is believed.
            None if !self.topics.is_empty() && matches!(proof, Proof::Sender { .. }) => {
                Err(Rejection::Unauthentic)
            }
            None => self.read(name, &delivery.body, Some(delivery)),
            Some(envelope) => match envelope.open(&self.topics, delivery.received, proof)? {
                Opened::Published(message) => self.read(name, message.as_bytes(), None),
                Opened::Confirm(it) => Ok(Message::Confirm(it)),
                Opened::Ended(topic) => Ok(Message::Ended(topic)),
            },
        }
    }

    /// What a certificate must vouch for before this delivery can be opened.
    pub(super) fn claim(&self, delivery: &Delivery) -> Option<Claim> {
        let envelope = self.envelope(delivery)?;
        sns::claim(&envelope, &self.topics, delivery.received)
    }

    /// Through SNS without raw delivery; no other storage's body is taken for that.
    fn envelope(&self, delivery: &Delivery) -> Option<Envelope> {
        let through = self.flavor == Flavor::Aws;
        through.then(|| Envelope::read(&delivery.body)).flatten()
    }

    /// Whether the sender proves itself: MinIO where it is to, B2 always, and nobody else can.
    fn verifies(&self, delivery: &Delivery, secrets: &SourceSecrets) -> bool {
        match self.scheme() {
            Some(scheme) if !secrets.secrets.is_empty() => {
                scheme.verifies(delivery, &secrets.secrets, false)
            }
            _ => !self.must_prove(),
        }
    }

    /// How its deliveries prove whose they are, where they can.
    #[must_use]
    pub fn scheme(&self) -> Option<Scheme> {
        let name = match self.flavor {
            // `auth_token`: after Bearer, or the configured value as it stands where it has two words.
            Flavor::Minio => "harbor",
            Flavor::B2 => "backblaze-b2",
            Flavor::Vk | Flavor::Ceph | Flavor::Aws => return None,
        };
        Scheme::named(name).ok()
    }

    /// Whether none of its deliveries is opened that does not prove whose it is by a secret.
    #[must_use]
    pub fn must_prove(&self) -> bool {
        self.flavor == Flavor::B2
    }

    /// Reads what the sender says: of the `delivery` itself, which may be a handshake, or of what came in it.
    fn read(
        &self,
        name: &str,
        body: &[u8],
        delivery: Option<&Delivery>,
    ) -> Result<Message, Rejection> {
        let text = Text::of(body)?;
        let body = Body::read(&text.text)?;
        let event = |told: Told| match text.was_readable(&told) {
            true => self.event(name, told),
            false => Event::Malformed("a record's bucket or key is not UTF-8".to_owned()),
        };
        let records = match self.flavor {
            Flavor::B2 => &body.events,
            _ => &body.records,
        };
        let records = records.as_ref().map(|wire::Records(records)| &records[..]);
        if records.is_some_and(|records| records.len() > RECORDS_MAX.get()) {
            return Err(Rejection::Malformed(format!(
                "expected at most {} records in a delivery",
                RECORDS_MAX.get()
            )));
        }
        let without = records.is_none_or(<[_]>::is_empty);
        let around = body
            .envelope()
            .filter(|_| without && self.flavor == Flavor::Minio);
        if let Some(told) = around {
            return Ok(Message::Events(vec![event(told)]));
        }
        if let Some(records) = records {
            let told = records.iter().map(|record| match self.flavor {
                Flavor::B2 => b2::event(record),
                flavor => wire::record(record, flavor.encoding()),
            });
            let events = told.map(|told| match told {
                Ok(told) => event(told),
                Err(aside) => aside.into(),
            });
            return Ok(Message::Events(events.collect()));
        }
        let handshake = body.kind().as_deref() == Some("SubscriptionConfirmation");
        match delivery {
            Some(delivery) if handshake && self.flavor == Flavor::Vk => {
                self.answer(delivery).map(Message::Challenge)
            }
            _ if body.event().as_deref() == Some("s3:TestEvent") => {
                Ok(Message::nothing("test event"))
            }
            _ => Err(Rejection::Malformed(
                "expected records, or a handshake of this source's flavor".to_owned(),
            )),
        }
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
        let url = self.registered(delivery).ok_or_else(|| {
            Rejection::Malformed(
                "the request context tells no domain: set the source's url as registered"
                    .to_owned(),
            )
        })?;
        Ok(Answer::Signature(challenge.sign(url)))
    }

    /// The URL that a handshake signs, as far as it is known.
    #[must_use]
    pub fn registered<'a>(&'a self, delivery: &'a Delivery) -> Option<&'a str> {
        self.url.as_deref().or(delivery.url.as_deref())
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
    fn event(&self, name: &str, told: Told) -> Event {
        if !told.fits() {
            return Event::Malformed(
                "a record's bucket or key is longer than any can be".to_owned(),
            );
        }
        let Some((origin, rule)) = self.allowed(told.project.as_deref(), &told.bucket) else {
            return Event::Forbidden {
                bucket: told.bucket,
                key: told.key,
            };
        };
        let nothing = |reason| Event::Nothing {
            bucket: Some(told.bucket.clone()),
            key: Some(told.key.clone()),
            reason,
        };
        let of_no_object = told.key.is_empty() && !is_of_object(&told.event);
        if changes_nothing(&told.event) || of_no_object {
            return nothing(unknown(&told.event));
        }
        let readings = readings(told.encoding, &told.key);
        if readings.is_empty() {
            return Event::Malformed(
                "a record's key is empty, too long, or not in this flavor's encoding".to_owned(),
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
        if !self.topics.is_empty() && self.flavor != Flavor::Aws {
            problems.push("topics: only flavor \"aws\" comes through SNS".to_owned());
        }
        problems.extend(sns::topic_problems(&self.topics));
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

#[cfg(test)]
#[path = "s3_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "s3_hint_tests.rs"]
mod hint_tests;

#[cfg(test)]
#[path = "s3_proof_tests.rs"]
mod proof_tests;
