//! Work that should be tried again. A rejection of a delivery is `domain::delivery::Rejection`, a job that ended is an
//! `Outcome`; only what another attempt may mend is an error here.

use crate::clients::error::{CallError, Kind};
use crate::domain::job::Job;
use thiserror::Error;

/// A remote service that work needs, by the word for it in a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// The origin bucket.
    Origin,
    /// The backup bucket.
    Backup,
    /// The intdash server.
    Intdash,
    /// SNS as a sender.
    Sns,
    /// The topic.
    Topic,
    /// The state bucket.
    State,
    /// The queue.
    Queue,
    /// Secrets Manager.
    Secrets,
}

impl Remote {
    const ALL: [Self; 8] = [
        Self::Origin,
        Self::Backup,
        Self::Intdash,
        Self::Sns,
        Self::Topic,
        Self::State,
        Self::Queue,
        Self::Secrets,
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Backup => "backup",
            Self::Intdash => "intdash",
            Self::Sns => "sns",
            Self::Topic => "topic",
            Self::State => "state",
            Self::Queue => "queue",
            Self::Secrets => "secrets",
        }
    }

    /// The service of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|remote| remote.word() == word)
    }

    /// The service that a job asks first: what a time-out that names none is counted against.
    #[must_use]
    pub fn of_job(job: &Job) -> Self {
        match job {
            Job::Mirror(_) | Job::Audit(_) => Self::Origin,
            Job::Summary(_) => Self::Intdash,
            Job::Forward(_) => Self::Topic,
        }
    }
}

/// Why a job did not end.
#[derive(Debug, Error)]
pub enum WorkError {
    /// A call to the origin failed.
    #[error("origin: {0}")]
    Origin(CallError),
    /// A call to the backup failed.
    #[error("backup: {0}")]
    Backup(CallError),
    /// A call to the intdash server failed.
    #[error("intdash: {0}")]
    Intdash(CallError),
    /// A call to SNS as a sender failed: for its certificate, or to confirm a subscription.
    #[error("sns: {0}")]
    Sns(CallError),
    /// A call to the topic failed.
    #[error("topic: {0}")]
    Topic(CallError),
    /// A source lacks the secret that its work needs.
    #[error("source {source_name} has no secret: it wants {wants}")]
    MissingSecret {
        /// The source.
        source_name: String,
        /// What it wants, in words.
        wants: String,
    },
    /// A source lacks the secret that its work needs, and there are secrets that could not be read.
    #[error("the secrets cannot be read: source {source_name} wants {wants}")]
    UnreadSecrets {
        /// The source.
        source_name: String,
        /// The missing secret, in words.
        wants: &'static str,
    },
    /// The origin or the backup changed during every attempt.
    #[error("the object kept changing through {0} attempts")]
    Contended(u32),
    /// A read says that the key is gone, a listing that it is there: nothing is removed on that.
    #[error("origin: a read finds no such key, but the listing has it")]
    Unproven,
    /// The origin's bytes broke off, time and again.
    #[error("origin: {0}")]
    BrokenOff(String),
    /// The time for this work is over.
    #[error("stopped before the deadline: {0}")]
    OutOfTime(&'static str),
    /// The time for this work is over; what stands of it is kept.
    #[error(
        "stopped before the deadline: {finished} of {parts} parts are in the backup, and the next attempt goes on"
    )]
    Unfinished {
        /// Parts that need not be copied again.
        finished: usize,
        /// All of them.
        parts: usize,
    },
    /// The audit has come so far; another slice goes on with it.
    #[error("the audit has looked at {0} keys so far, and its next slice goes on")]
    Slice(u64),
    /// A call to the state bucket failed.
    #[error("state: {0}")]
    State(CallError),
    /// There is nowhere to keep how far an audit has come.
    #[error("an audit needs STATE_BUCKET")]
    NoState,
    /// A file of ours in the state bucket cannot be read: it was changed, or a later version of the program wrote it.
    #[error("state: {0}")]
    Unreadable(String),
    /// A listing came back to where it had been, and would go on for ever.
    #[error("{side}: the listing comes back to where it has been, at \"{key}\"")]
    Endless {
        /// Whose.
        side: &'static str,
        /// Where.
        key: String,
    },
    /// Attempt after attempt ended without a part that the one before had not.
    #[error(
        "{0} attempts in a row carried no part over: the time for one is too short, or one side is too slow"
    )]
    NoProgress(u32),
    /// The origin has archived the object, and its bytes are needed.
    #[error(
        "origin: the object is archived, so that its bytes cannot be read (InvalidObjectState): restore it there, and it is copied with its next event or audit"
    )]
    Archived,
    /// The object is larger than S3 stores, or its key in the backup is longer than S3 takes.
    #[error("the backup cannot hold it: {0}")]
    DoesNotFit(String),
    /// A job that waited in the queue is of a source or a bucket that the settings do not have any more.
    #[error("the settings have no such source or bucket any more: {0}")]
    NotConfigured(String),
    /// The backup has other bytes under this key, which are no copy of this origin's.
    #[error(
        "the backup has another object under this key, which is no copy of this origin's: the rule \"foreign\" leaves it alone"
    )]
    Foreign,
    /// Origin and backup show one and the same object.
    #[error("origin and backup are the same bucket")]
    SameBucket,
    /// A call to the queue failed.
    #[error("queue: {0}")]
    Queue(CallError),
    /// A job panicked; the others went on.
    #[error("the job panicked")]
    Panicked,
}

impl WorkError {
    /// Why a part did not get over: the origin's bytes broke off on their way, or the backup failed.
    #[must_use]
    pub fn of_part(error: CallError) -> Self {
        if error.kind == Kind::BrokenOff {
            Self::BrokenOff(error.cause)
        } else {
            Self::Backup(error)
        }
    }

    /// Whether a far side refused our keys, so that newer ones may help.
    #[must_use]
    pub fn denied(&self) -> bool {
        matches!(self, Self::Origin(call) | Self::Intdash(call) if call.kind == Kind::Denied)
    }

    /// Whether a write may take effect after this, because nobody waited for its answer.
    #[must_use]
    pub fn may_land(&self) -> bool {
        match self {
            Self::Backup(call) => call.kind == Kind::Unknown,
            Self::OutOfTime(_) | Self::Panicked => true,
            _ => false,
        }
    }

    /// Whether it has not failed, and another attempt goes on where it stopped.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        matches!(self, Self::Unfinished { .. } | Self::Slice(_))
    }

    /// Whether another attempt with the same settings would end as this one did.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.settled().is_some()
    }

    /// The reason of a failure that no other attempt mends, in words that may leave in an answer.
    #[must_use]
    pub fn settled(&self) -> Option<&'static str> {
        match self {
            Self::DoesNotFit(_) => Some("the backup cannot hold it"),
            Self::Archived => Some("archived in the origin: restore it there"),
            Self::NoProgress(_) => Some("attempts end before any of it is copied"),
            Self::NotConfigured(_) => Some("not in the settings"),
            Self::NoState => Some("the settings have no state bucket"),
            Self::Foreign => Some("the backup has another object under this key"),
            Self::SameBucket => Some("origin and backup are the same bucket"),
            _ => None,
        }
    }

    /// Whether a remote service, or the way to it, is down: that passes by itself, in minutes or in hours.
    #[must_use]
    pub fn is_down(&self) -> bool {
        match self {
            Self::Origin(call)
            | Self::Backup(call)
            | Self::Intdash(call)
            | Self::Sns(call)
            | Self::Topic(call)
            | Self::State(call)
            | Self::Queue(call) => call.is_down(),
            Self::BrokenOff(_) | Self::OutOfTime(_) | Self::UnreadSecrets { .. } => true,
            _ => false,
        }
    }

    /// The remote service that failed, or refused; none where the error does not say.
    #[must_use]
    pub fn remote(&self) -> Option<Remote> {
        match self {
            Self::Origin(_) | Self::BrokenOff(_) | Self::Unproven | Self::Archived => {
                Some(Remote::Origin)
            }
            Self::Backup(_) => Some(Remote::Backup),
            Self::Intdash(_) => Some(Remote::Intdash),
            Self::Sns(_) => Some(Remote::Sns),
            Self::Topic(_) => Some(Remote::Topic),
            Self::State(_) => Some(Remote::State),
            Self::Queue(_) => Some(Remote::Queue),
            Self::UnreadSecrets { .. } => Some(Remote::Secrets),
            _ => None,
        }
    }

    /// Whether the same call may go through in a moment.
    #[must_use]
    pub fn passing(&self) -> bool {
        match self {
            Self::BrokenOff(_) => true,
            Self::Origin(call) | Self::Backup(call) => {
                matches!(
                    call.kind,
                    Kind::Unknown | Kind::Busy | Kind::BadAnswer | Kind::Damaged
                )
            }
            _ => false,
        }
    }
}

/// Why a transfer or a write stopped.
#[derive(Debug)]
pub enum Stop {
    /// Something moved, and nothing was written: look and decide anew.
    StartOver(String),
    /// It failed, perhaps with an effect.
    Failed(WorkError),
}

impl Stop {
    /// What a failed write of the backup means.
    #[must_use]
    pub fn of_write(error: CallError) -> Self {
        match error.kind {
            Kind::PreconditionFailed
            | Kind::Conflict
            | Kind::NoSuchKey
            | Kind::NoSuchUpload
            | Kind::Busy => Self::StartOver(error.to_string()),
            _ => Self::Failed(WorkError::Backup(error)),
        }
    }

    /// What a failed read of a range of the origin means.
    #[must_use]
    pub fn of_read(error: CallError) -> Self {
        match error.kind {
            Kind::PreconditionFailed | Kind::NoSuchKey | Kind::NoSuchRange => {
                Self::StartOver(error.to_string())
            }
            Kind::Archived => Self::Failed(WorkError::Archived),
            _ => Self::Failed(WorkError::Origin(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_of_one_service() {
        for remote in Remote::ALL {
            assert_eq!(Remote::of_word(remote.word()), Some(remote));
        }
        assert_eq!(Remote::of_word("Origin"), None);
    }

    #[test]
    fn down_is_known_of_every_service_and_is_never_final() {
        let call = |kind| CallError::of_kind(kind);
        for of in [
            WorkError::Origin,
            WorkError::Backup,
            WorkError::Intdash,
            WorkError::Topic,
            WorkError::State,
            WorkError::Queue,
        ] {
            for (kind, down) in [
                (Kind::Unknown, true),
                (Kind::Busy, true),
                (Kind::Denied, false),
                (Kind::BadAnswer, false),
                (Kind::NoSuchBucket, false),
            ] {
                let error = of(call(kind));
                assert_eq!(error.is_down(), down, "{error}");
                assert!(error.remote().is_some() && !error.is_final(), "{error}");
            }
        }
        assert!(WorkError::OutOfTime("x").is_down());
        assert!(!WorkError::Panicked.is_down());
        assert!(!WorkError::DoesNotFit(String::new()).is_down());
    }
}
