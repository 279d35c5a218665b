//! The inbox: every delivery in the state bucket, with its attempts. What a list needs to know of them is in the names of
//! their files, so that a list costs a listing and opens none of them:
//!
//! ```text
//! deliveries/<inverse time>-<id>/0.<verdict>.<source>.<bytes>.<jobs>.<same>.<title>         a delivery
//! deliveries/<inverse time>-<id>/1.<id of the attempt>.<by>.<outcome>.<good>.<jobs>.<ms>.<lag>   an attempt at its jobs
//! ```
//!
//! The inverse time (48 bits less the milliseconds of the id, in hex) makes a listing begin with the newest. `same` is what
//! deliveries have in common that are the same; the title is in URL-safe base64. Deliveries that nothing proves have files of the
//! same names in a folder of their own, `strangers/`, so that no search for anything else has to read past them.

mod attempt;
mod row;

pub use attempt::{Attempt, AttemptFacts, By, JobReport, OUTCOMES};
pub use row::{Filter, Kept, Row, State, known_status, rows};

use super::delivery::DeliveryId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Where deliveries are.
pub const FOLDER: &str = "deliveries/";
/// Where deliveries are that nothing proves: anybody can fill it, so it is apart, and is kept for a shorter time.
pub const STRANGERS: &str = "strangers/";
/// What comes before every inverse time of this era (until the year 2527), and after what earlier versions kept here.
pub const NEWEST: &str = "f";
/// The longest title, in bytes.
pub const TITLE_MAX: usize = 120;

const TIME_MAX: u64 = (1 << 48) - 1;

/// When an id was made, in milliseconds since 1970: a UUIDv7 begins with it, and so do our own of version 8.
#[must_use]
pub fn made(id: Uuid) -> u64 {
    u64::try_from(id.as_u128() >> 80).unwrap_or(TIME_MAX)
}

/// The name that the files of a delivery have in common, newer ones first.
#[must_use]
pub fn group(id: DeliveryId) -> String {
    format!("{}-{id}", inverse(made(id.0)))
}

/// What all groups of this time, in milliseconds since 1970, and of before come after.
#[must_use]
pub fn inverse(ms: u64) -> String {
    format!("{:012x}", TIME_MAX - ms.min(TIME_MAX))
}

/// The delivery that a group is of.
#[must_use]
pub fn delivery_of(group: &str) -> Option<DeliveryId> {
    let (_, id) = group.split_once('-')?;
    let id = DeliveryId(id.parse().ok()?);
    (self::group(id) == group).then_some(id)
}

/// What became of a delivery at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is authentic, and its jobs are planned.
    Accepted,
    /// The same, but for records of it that are not the shape: those are acknowledged, counted, and lost.
    Partial,
    /// It was a handshake, and was answered.
    Handshake,
    /// Not the shape.
    Malformed,
    /// Signature or token missing or wrong.
    Unauthentic,
    /// Not on the allow-list.
    Forbidden,
    /// No such source, or wrong last segment.
    Unknown,
    /// Longer than a body may be.
    TooLarge,
    /// It could not be told: a failure of ours.
    Failed,
}

impl Verdict {
    const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Partial,
        Self::Handshake,
        Self::Malformed,
        Self::Unauthentic,
        Self::Forbidden,
        Self::Unknown,
        Self::TooLarge,
        Self::Failed,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Partial => "partial",
            Self::Handshake => "handshake",
            Self::Malformed => "malformed",
            Self::Unauthentic => "unauthentic",
            Self::Forbidden => "forbidden",
            Self::Unknown => "unknown",
            Self::TooLarge => "too_large",
            Self::Failed => "failed",
        }
    }

    /// Of its word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }

    /// Whether the delivery was believed.
    #[must_use]
    pub fn is_proven(self) -> bool {
        matches!(self, Self::Accepted | Self::Partial | Self::Handshake)
    }
}

/// What a list says of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What became of it at the door.
    pub verdict: Verdict,
    /// Whose it is; none of a source that there is not.
    pub source: Option<String>,
    /// The length of its body.
    pub bytes: u64,
    /// How many jobs were planned.
    pub jobs: usize,
    /// What deliveries have in common that are the same; empty where none can be.
    pub same: String,
    /// What it is about, in a few words.
    pub title: String,
}

impl Facts {
    /// The name of its file among the deliveries.
    #[must_use]
    pub fn place(&self, id: DeliveryId) -> String {
        self.place_in(FOLDER, id)
    }

    /// The name of its file in this folder.
    #[must_use]
    pub fn place_in(&self, folder: &str, id: DeliveryId) -> String {
        let Self {
            verdict,
            source,
            bytes,
            jobs,
            same,
            title,
        } = self;
        let (verdict, source) = (verdict.word(), source.as_deref().unwrap_or_default());
        let title = &title[..title.floor_char_boundary(TITLE_MAX)];
        let title = URL_SAFE_NO_PAD.encode(title);
        let group = group(id);
        format!("{folder}{group}/0.{verdict}.{source}.{bytes}.{jobs}.{same}.{title}")
    }

    /// Whether it can repeat another delivery, or be repeated.
    #[must_use]
    pub fn can_repeat(&self) -> bool {
        matches!(self.verdict, Verdict::Accepted | Verdict::Partial) && !self.same.is_empty()
    }

    /// Of what comes after the `0.`.
    fn of_name(name: &str) -> Option<Self> {
        let mut fields = name.split('.');
        let mut next = || fields.next();
        let facts = Self {
            verdict: Verdict::of_word(next()?)?,
            source: next().map(ToOwned::to_owned).filter(|it| !it.is_empty()),
            bytes: next()?.parse().ok()?,
            jobs: next()?.parse().ok()?,
            same: next()?.to_owned(),
            title: String::from_utf8(URL_SAFE_NO_PAD.decode(next()?).ok()?).ok()?,
        };
        fields.next().is_none().then_some(facts)
    }
}

#[cfg(test)]
mod tests;
