//! What becomes of a delivery, before it has a status: a receipt with an entry a job, or a refusal.

use crate::domain::delivery::{NoBody, Rejection};
use crate::domain::handshake::Answer;
use crate::domain::job::Outcome;
use crate::error::WorkError;

/// What became of a delivery.
#[derive(Debug)]
pub struct Received {
    /// What its sender is told.
    pub answer: Result<Receipt, Refusal>,
    /// Whether it is in the inbox, as far as the settings want it there.
    pub recorded: bool,
}

impl Received {
    pub(crate) fn new(answer: Result<Receipt, Refusal>, recorded: bool) -> Self {
        Self { answer, recorded }
    }
}

/// What we tell the sender of a delivery that was authentic.
#[derive(Debug)]
pub enum Receipt {
    /// The answer to its challenge.
    Answer(Answer),
    /// A subscription is confirmed.
    Confirmed,
    /// What became of its jobs and records.
    Done {
        /// One for each, in the order of the wire.
        entries: Vec<Entry>,
        /// How many jobs are in the queue.
        queued: usize,
    },
}

impl Receipt {
    /// How many jobs and records failed, for now or for good, or are not the shape.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(|ended| matches!(ended, Ended::Failed | Ended::Final(_) | Ended::Malformed))
    }

    /// How many of them another delivery may mend.
    #[must_use]
    pub fn to_repeat(&self) -> usize {
        self.count(|ended| ended == Ended::Failed)
    }

    fn count(&self, wanted: impl Fn(Ended) -> bool) -> usize {
        let Self::Done { entries, .. } = self else {
            return 0;
        };
        entries.iter().filter(|entry| wanted(entry.ended)).count()
    }
}

/// What became of one job or one record.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it was about.
    pub about: About,
    /// How it ended.
    pub ended: Ended,
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A key of a bucket. What a record leaves out is empty.
    Object {
        /// The bucket's own name.
        bucket: String,
        /// The key.
        key: String,
    },
    /// A measurement.
    Measurement(String),
    /// A delivery that is handed on.
    Forward {
        /// The type of the event, in the sender's word.
        event: Option<String>,
        /// The sender's id for it.
        id: Option<String>,
    },
    /// Nothing in particular, as a test event.
    Nothing,
}

/// How a job or a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Well(Outcome),
    /// It is in the queue.
    Queued,
    /// It should be tried again.
    Failed,
    /// It failed, and no other attempt would end otherwise; with the reason, in words for its sender.
    Final(&'static str),
    /// Its project, bucket or topic is not on the allow-list.
    Forbidden,
    /// It is not the shape.
    Malformed,
}

/// Why a delivery gets no receipt.
#[derive(Debug)]
pub enum Refusal {
    /// The sender's fault.
    Rejected(Rejection),
    /// Its body could not be read.
    NoBody(NoBody),
    /// Ours.
    Failed(WorkError),
    /// Its source has sent too many; there is room again after so many seconds.
    TooMany(u64),
}

/// Why a delivery was not taken whose source has sent too many.
pub const TOO_MANY: &str = "too many deliveries of this source: its rate is in the settings";
