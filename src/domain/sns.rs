//! What AWS SNS posts to an HTTP(S) subscriber, and what must hold before any of it is believed: the fields that its signature
//! covers, whose certificate may speak for it, how old it may be. Nothing is fetched and no signature is computed here.
//!
//! Source: the developer guide's pages on parsing messages and on verifying their signatures.

mod place;
mod unsubscribe;

use super::delivery::Rejection;
use super::source::Proof;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use place::{Place, Subscription, is_own};
pub use unsubscribe::masked;

/// What a message is; told by its body, since the header that says so is not signed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Kind {
    /// Something was published to the topic.
    Notification,
    /// The subscription waits for a GET of `SubscribeURL`.
    SubscriptionConfirmation,
    /// The subscription has ended; a GET of `SubscribeURL` would bring it back.
    UnsubscribeConfirmation,
}

/// What a signature is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// `SignatureVersion` 1, the default of a topic.
    Sha1,
    /// `SignatureVersion` 2.
    Sha256,
}

/// A message of SNS as it says of itself. It is as good as its [`Claim`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct Envelope {
    /// What it is.
    #[serde(rename = "Type")]
    pub kind: Kind,
    /// The topic that it came through.
    pub topic_arn: String,
    /// The same for every attempt to deliver it.
    pub message_id: String,
    /// Of a notification that was published with one.
    pub subject: Option<String>,
    /// What was published, byte for byte; of a confirmation, a sentence.
    pub message: String,
    /// When it was published, RFC 3339 in milliseconds.
    pub timestamp: String,
    /// Of the confirmations.
    #[serde(rename = "SubscribeURL")]
    pub subscribe_url: Option<String>,
    token: Option<String>,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    certificate_url: String,
}

/// What a certificate must vouch for before a message is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who SNS is, for the topic.
    pub place: Place,
    /// Where the certificate is said to be. To be fetched only as [`Place::certificate_url`] gives it back.
    pub certificate_url: String,
    /// What the signature is over.
    pub hash: Hash,
    /// The bytes that are signed.
    pub signed: Vec<u8>,
    /// RSA, PKCS #1 v1.5.
    pub signature: Vec<u8>,
}

/// What a message that may be believed comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// This was published.
    Published(String),
    /// The subscription waits to be confirmed.
    Confirm(Subscription),
    /// The subscription has ended: nothing comes through this topic any more.
    Ended(String),
}

/// The longest field but Message and Subject, in bytes. The longest in use is a SubscribeURL with its token, some 400.
const FIELD_MAX: usize = 4096;
/// A signature of the longest key that is taken, 8192 bits, in bytes.
const SIGNATURE_MAX: usize = 1024;
/// How old a message may be, in seconds. SNS tries to deliver for an hour at most, whatever the delivery policy ("a hard limit"),
/// with the time of publishing in every attempt; the minutes are for the last attempt's own time and two clocks that differ.
/// What is older was recorded by somebody and sent again.
const AGE_MAX: u64 = 3600 + CLOCKS_APART;
/// How far two clocks may be apart, in seconds.
const CLOCKS_APART: u64 = 300;

impl Envelope {
    /// Reads a body; none where it is no message of SNS.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let envelope: Self = serde_json::from_slice(body).ok()?;
        let confirms = envelope.kind != Kind::Notification;
        let rest = [&envelope.subscribe_url, &envelope.token];
        let whole = !confirms || rest.iter().all(|field| field.is_some());
        // The signed bytes have line ends between names and values, so a line end within a value could pass for the next
        // field. Message and Subject may have some: they come first, and whoever publishes writes them anyway.
        let fields = [
            &envelope.topic_arn,
            &envelope.message_id,
            &envelope.timestamp,
        ];
        let plain = |field: &String| {
            field.len() <= FIELD_MAX && field.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let plain = fields.into_iter().all(plain) && rest.into_iter().flatten().all(plain);
        (whole && plain).then_some(envelope)
    }

    /// Whether it is of now, at a time of receipt in Unix seconds.
    #[must_use]
    pub fn is_fresh(&self, received: u64) -> bool {
        let sent = OffsetDateTime::parse(&self.timestamp, &Rfc3339).ok();
        let sent = sent.and_then(|sent| u64::try_from(sent.unix_timestamp()).ok());
        sent.is_some_and(|sent| sent <= received + CLOCKS_APART && received <= sent + AGE_MAX)
    }

    /// What must be vouched for; none where nothing could be, as where the signature is of a version that is not known, or no
    /// region is where the topic says that it is.
    #[must_use]
    pub fn claim(&self) -> Option<Claim> {
        let hash = match self.signature_version.as_str() {
            "1" => Hash::Sha1,
            "2" => Hash::Sha256,
            _ => return None,
        };
        let signature = STANDARD.decode(&self.signature).ok()?;
        let sane = self.certificate_url.len() <= FIELD_MAX && signature.len() <= SIGNATURE_MAX;
        let place = Place::of(&self.topic_arn).filter(|_| sane)?;
        Some(Claim {
            place,
            certificate_url: self.certificate_url.clone(),
            hash,
            signed: self.signed(),
            signature,
        })
    }

    /// The fields that are signed, sorted by name. A well-known validator leaves the Token of an UnsubscribeConfirmation out;
    /// SNS does not.
    fn signed(&self) -> Vec<u8> {
        let kind = match self.kind {
            Kind::Notification => "Notification",
            Kind::SubscriptionConfirmation => "SubscriptionConfirmation",
            Kind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        };
        let notifies = self.kind == Kind::Notification;
        let confirms = |field: &'_ Option<String>| field.clone().filter(|_| !notifies);
        let fields = [
            ("Message", Some(self.message.clone())),
            ("MessageId", Some(self.message_id.clone())),
            ("Subject", self.subject.clone().filter(|_| notifies)),
            ("SubscribeURL", confirms(&self.subscribe_url)),
            ("Timestamp", Some(self.timestamp.clone())),
            ("Token", confirms(&self.token)),
            ("TopicArn", Some(self.topic_arn.clone())),
            ("Type", Some(kind.to_owned())),
        ];
        let lines = fields
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name}\n{value}\n")));
        lines.collect::<String>().into_bytes()
    }

    /// Opens it, where it is of one of these topics, of now, and vouched for. An operator who has one received again answers for the
    /// last two.
    ///
    /// # Errors
    /// A [`Rejection`] where any of that does not hold.
    pub fn open(
        self,
        topics: &[String],
        received: u64,
        proof: Proof<'_>,
    ) -> Result<Opened, Rejection> {
        if !topics.contains(&self.topic_arn) {
            return Err(Rejection::Topic(self.topic_arn));
        }
        let proven = match proof {
            Proof::Operator => true,
            Proof::Sender { vouched, .. } => vouched && self.is_fresh(received),
        };
        match self.kind {
            _ if !proven => Err(Rejection::Unauthentic),
            Kind::Notification => Ok(Opened::Published(self.message)),
            Kind::UnsubscribeConfirmation => Ok(Opened::Ended(self.topic_arn)),
            Kind::SubscriptionConfirmation => {
                let subscription = self.subscription().ok_or(Rejection::Unauthentic)?;
                Ok(Opened::Confirm(subscription))
            }
        }
    }

    /// The subscription to confirm, where the URL that came with it is of the place that the certificate is of.
    fn subscription(&self) -> Option<Subscription> {
        let of = |url: &str| place::plain(url).map(|url| url.origin());
        let here = of(self.subscribe_url.as_deref()?)? == of(&self.certificate_url)?;
        here.then(|| Subscription::new(&self.topic_arn, self.token.as_deref()?))
            .flatten()
    }
}

/// What must be vouched for before a message is opened: of one that would be refused all the same, nothing, so that nothing is
/// called for it.
#[must_use]
pub fn claim(envelope: &Envelope, topics: &[String], received: u64) -> Option<Claim> {
    let counts = topics.contains(&envelope.topic_arn) && envelope.is_fresh(received);
    counts.then(|| envelope.claim()).flatten()
}

/// What is wrong with a list of topics, a sentence each.
#[must_use]
pub fn topic_problems(topics: &[String]) -> Vec<String> {
    let wrong = topics.iter().filter(|topic| Place::of(topic).is_none());
    wrong
        .map(|topic| {
            format!("topics: expected ARNs like arn:aws:sns:<region>:<account of 12 digits>:<name>, of a region of their partition, found \"{topic}\"")
        })
        .collect()
}

#[cfg(test)]
mod tests;
