//! An attempt at the jobs of a delivery: how each ended, with its receipt. One file for what was done at one time.

use super::{FOLDER, group, made};
use crate::domain::bound::Bound;
use crate::domain::delivery::DeliveryId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Who made an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The function, before it answered.
    Inline,
    /// The function behind the queue.
    Queue,
    /// Somebody who had the delivery received again.
    Replay,
    /// The function behind the queue, of jobs that had been dead letters.
    Redrive,
}

impl By {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Queue => "queue",
            Self::Replay => "replay",
            Self::Redrive => "redrive",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        [Self::Inline, Self::Queue, Self::Replay, Self::Redrive]
            .into_iter()
            .find(|by| by.word() == word)
    }
}

/// So many bytes of jobs are kept of one attempt.
static JOBS_MAX: Bound<usize> = Bound::new("attempt.jobs", 512 << 10);

/// The words for how an attempt ended as a whole, those that need a look first.
pub const OUTCOMES: [&str; 12] = [
    "dead",
    "failed",
    "unfinished",
    "held",
    "queued",
    "mixed",
    "copied",
    "deleted",
    "published",
    "unchanged",
    "ignored",
    "audited",
];
/// Those of jobs that are not over.
const OPEN: [&str; 4] = ["dead", "failed", "unfinished", "queued"];

/// How one job ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// `mirror`, `summary`, `forward` or `audit`.
    pub job: String,
    /// The origin bucket, as the allow-list spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<String>,
    /// The type of the event that is handed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The sender's id for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The word for how it ended; empty where it is only planned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// Why nothing was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took.
    #[serde(default)]
    pub ms: u64,
    /// Calls that it made.
    #[serde(default)]
    pub calls: u32,
    /// Bytes that went over.
    #[serde(default)]
    pub copied_bytes: u64,
    /// From the origin's Last-Modified until the copy was in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<u64>,
    /// Of the origin's state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Of the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Of the bytes as they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<String>,
}

/// What a list says of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptFacts {
    /// When it was over; of a replay, when it began.
    pub id: Uuid,
    /// Who made it.
    pub by: By,
    /// The word for how it ended.
    pub outcome: &'static str,
    /// Jobs that are over.
    pub good: usize,
    /// All of them.
    pub jobs: usize,
    /// How long it took.
    pub ms: u64,
    /// The longest lag of a copy.
    pub lag_ms: Option<u64>,
}

/// An attempt as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    version: u32,
    /// Its own; when it was over is in it, or of a replay, when it began.
    pub id: Uuid,
    /// Who made it.
    pub by: By,
    /// How long it took.
    pub ms: u64,
    /// How each job ended.
    pub jobs: Vec<JobReport>,
    /// How many more there were, by the word for how they ended: those that there was no room for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, usize>,
}

const VERSION: u32 = 1;

impl Attempt {
    /// One that is over. `id` is a new UUIDv7.
    #[must_use]
    pub fn new(id: Uuid, by: By, ms: u64, jobs: Vec<JobReport>) -> Self {
        Self {
            version: VERSION,
            id,
            by,
            ms,
            jobs,
            left_out: BTreeMap::new(),
        }
    }

    /// The same with as many jobs as there is room for, those first that are not over; the others are counted.
    fn cut(&self) -> Self {
        let long = |job: &JobReport| serde_json::to_vec(job).map_or(0, |json| json.len() + 1);
        let mut cut = self.clone();
        if self.jobs.iter().map(long).sum::<usize>() <= JOBS_MAX.get() {
            return cut;
        }
        cut.jobs
            .sort_by_key(|job| !OPEN.contains(&job.outcome.as_str()));
        let mut room = JOBS_MAX.get();
        let fitting = cut.jobs.iter().take_while(|job| {
            let fits = long(job) <= room;
            room = room.saturating_sub(long(job));
            fits
        });
        let fitting = fitting.count();
        for job in cut.jobs.drain(fitting..) {
            *cut.left_out.entry(job.outcome).or_default() += 1;
        }
        cut
    }

    /// What a list says of it.
    #[must_use]
    pub fn facts(&self) -> AttemptFacts {
        let open = |job: &&JobReport| OPEN.contains(&job.outcome.as_str());
        let has = |word: &str| self.jobs.iter().any(|job| job.outcome == word);
        let first = self.jobs.first().map_or("", |job| job.outcome.as_str());
        let alike = self.jobs.iter().all(|job| job.outcome == first);
        // What needs a look is told of all; else all that were the same.
        let telling = OUTCOMES[..4].iter().find(|word| has(word));
        let same = OUTCOMES.iter().find(|word| alike && **word == first);
        AttemptFacts {
            id: self.id,
            by: self.by,
            outcome: telling.or(same).unwrap_or(&"mixed"),
            good: self.jobs.len() - self.jobs.iter().filter(open).count(),
            jobs: self.jobs.len(),
            ms: self.ms,
            lag_ms: self.jobs.iter().filter_map(|job| job.lag_ms).max(),
        }
    }

    /// Where it is kept.
    #[must_use]
    pub fn place(&self, delivery: DeliveryId) -> String {
        let AttemptFacts {
            id,
            by,
            outcome,
            good,
            jobs,
            ms,
            lag_ms,
        } = self.facts();
        let (by, lag) = (
            by.word(),
            lag_ms.map_or(String::new(), |lag| lag.to_string()),
        );
        format!(
            "{FOLDER}{}/1.{id}.{by}.{outcome}.{good}.{jobs}.{ms}.{lag}",
            group(delivery)
        )
    }

    /// As it is kept: JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.cut()).expect("strings and numbers")
    }

    /// Reads what [`Self::to_json`] wrote.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let attempt: Self = serde_json::from_slice(json).ok()?;
        (attempt.version == VERSION).then_some(attempt)
    }
}

impl AttemptFacts {
    /// When it was over, or of a replay when it began, in milliseconds since 1970.
    #[must_use]
    pub fn at(&self) -> u64 {
        made(self.id)
    }

    /// Whether it is over for all of its jobs.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.good == self.jobs
    }

    /// Of what comes after the `1.`.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let mut fields = name.split('.');
        let mut next = || fields.next();
        let facts = Self {
            id: next()?.parse().ok()?,
            by: By::of_word(next()?)?,
            outcome: {
                let word = next()?;
                OUTCOMES.into_iter().find(|known| *known == word)?
            },
            good: next()?.parse().ok()?,
            jobs: next()?.parse().ok()?,
            ms: next()?.parse().ok()?,
            lag_ms: next()?.parse().ok(),
        };
        fields.next().is_none().then_some(facts)
    }
}
