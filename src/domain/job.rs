//! One idempotent unit of work, and how it ended.

use super::event::{Event, MeasurementRef, ObjectRef};

/// One idempotent unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Job {
    /// Make the backup of this key right.
    Mirror(ObjectRef),
    /// Summarise this measurement and publish the notice.
    Summary(MeasurementRef),
}

/// How a job ended. What should be tried again is an error instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The backup has what the origin has; it was written.
    Copied,
    /// The origin's object is gone; so is its backup.
    Deleted,
    /// The backup was right already, or is not ours to change.
    #[default]
    Unchanged,
    /// The notice was published.
    Published,
    /// There was nothing to do.
    Ignored,
}

impl Outcome {
    /// The word for it in answers and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Deleted => "deleted",
            Self::Unchanged => "unchanged",
            Self::Published => "published",
            Self::Ignored => "ignored",
        }
    }
}

/// The jobs that an event asks for.
#[must_use]
pub fn plan(event: &Event) -> Vec<Job> {
    match event {
        Event::Object(readings) => readings.iter().cloned().map(Job::Mirror).collect(),
        Event::Measurement(measurement) => vec![Job::Summary(measurement.clone())],
        Event::Nothing { .. } | Event::Forbidden { .. } | Event::Malformed(_) => Vec::new(),
    }
}
