//! One idempotent unit of work, its wire form, and how it ended.

use super::delivery::DeliveryId;
use super::endpoint::EndpointId;
use super::event::{Event, MeasurementRef, ObjectRef, OriginRef};
use super::forward::Forward;
use super::source::intdash::is_id;
use super::source::is_source_name;
use super::trace::Trace;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use thiserror::Error;
use uuid::Uuid;

/// One idempotent unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Job {
    /// Make the backup of this key right.
    Mirror(ObjectRef),
    /// Summarise this measurement and publish the notice.
    Summary(MeasurementRef),
    /// Lay this origin bucket and its backup side by side, from where the audit under way has come to.
    Audit(OriginRef),
    /// Publish this delivery as it came.
    Forward(Forward),
}

/// The queue's body. What was ever written is read for ever: a queue and its dead letters outlive a deployment, so a change
/// is a new version beside this one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    delivery: Uuid,
    work: WireWork,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum WireWork {
    Mirror {
        source: String,
        origin: String,
        key: String,
    },
    Summary {
        source: String,
        project: String,
        measurement: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        occurrence: Option<String>,
    },
    Audit {
        source: String,
        origin: String,
    },
    Forward(Forward),
}

/// The newest version. Each job is written as the oldest that can say it: while a deployment is under way, its workers may
/// still be those of before.
const VERSION: u32 = 2;

impl Job {
    /// The source that it is for.
    #[must_use]
    pub fn source(&self) -> &str {
        match self {
            Self::Mirror(of) => &of.source,
            Self::Summary(of) => &of.source,
            Self::Audit(of) => &of.source,
            Self::Forward(of) => &of.source,
        }
    }

    /// As it goes into the queue: JSON, in the characters that SQS takes. `delivery` is what it is done for, as the log names
    /// it.
    #[must_use]
    pub fn to_json(&self, delivery: DeliveryId) -> String {
        let work = match self {
            Self::Mirror(object) => WireWork::Mirror {
                source: object.source.clone(),
                origin: object.origin.clone(),
                key: object.key.clone(),
            },
            Self::Summary(of) => WireWork::Summary {
                source: of.source.clone(),
                project: of.project.clone(),
                measurement: of.measurement.clone(),
                occurrence: of.occurrence.clone(),
            },
            Self::Audit(of) => WireWork::Audit {
                source: of.source.clone(),
                origin: of.origin.clone(),
            },
            Self::Forward(of) => WireWork::Forward(of.clone()),
        };
        let version = match self {
            Self::Mirror(_) | Self::Audit(_) => 1,
            Self::Summary(of) if of.occurrence.is_none() => 1,
            Self::Summary(_) | Self::Forward(_) => 2,
        };
        let wire = Wire {
            version,
            delivery: delivery.0,
            work,
        };
        sendable(&serde_json::to_string(&wire).expect("strings and a number"))
    }

    /// Reads what [`Self::to_json`] wrote, in this version of the program or an earlier one.
    ///
    /// # Errors
    /// It is no job, or one of a later version.
    pub fn from_json(json: &str) -> Result<(Self, DeliveryId), Unread> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let not = |e: serde_json::Error| Unread::NoJob(e.to_string());
        let Version { version } = serde_json::from_str(json).map_err(not)?;
        if version > VERSION {
            return Err(Unread::Later(version));
        }
        let wire: Wire = serde_json::from_str(json).map_err(not)?;
        let job = match wire.work {
            WireWork::Mirror {
                source,
                origin,
                key,
            } => Self::Mirror(ObjectRef {
                source,
                origin,
                key,
            }),
            WireWork::Summary {
                source,
                project,
                measurement,
                occurrence,
            } => Self::Summary(MeasurementRef {
                source,
                project,
                measurement,
                occurrence,
            }),
            WireWork::Audit { source, origin } => Self::Audit(OriginRef { source, origin }),
            WireWork::Forward(forward) => {
                Self::Forward(forward.of_delivery(DeliveryId(wire.delivery)))
            }
        };
        match job.problem() {
            None => Ok((job, DeliveryId(wire.delivery))),
            Some(problem) => Err(Unread::NoJob(problem.to_owned())),
        }
    }

    /// What is wrong with its names, each of which becomes a part of a URL or of a path in a bucket: whoever can write to the
    /// queue can write anything into it.
    fn problem(&self) -> Option<&'static str> {
        let endpoint =
            matches!(self, Self::Forward(of) if EndpointId::of_source(&of.source).is_some());
        if !endpoint && !is_source_name(self.source()) {
            return Some("its source is not the name of a source");
        }
        let (origin, occurrence) = match self {
            Self::Mirror(of) if of.key.is_empty() => return Some("its key is empty"),
            Self::Mirror(of) => (Some(&of.origin), None),
            Self::Audit(of) => (Some(&of.origin), None),
            Self::Summary(of) if !is_id(&of.project) || !is_id(&of.measurement) => {
                return Some("its project and measurement are not of letters, digits and -");
            }
            Self::Summary(of) => (None, of.occurrence.as_deref()),
            Self::Forward(of) => (None, of.occurrence.as_deref()),
        };
        if origin.is_some_and(|origin| !is_origin(origin)) {
            return Some("its bucket is not project/bucket or bucket");
        }
        let known_again = |text: &str| text.len() <= OCCURRENCE_MAX && is_id(text);
        if occurrence.is_some_and(|occurrence| !known_again(occurrence)) {
            return Some("its occurrence is not of letters, digits and -");
        }
        None
    }
}

/// The longest occurrence: a SHA-256 in hex.
const OCCURRENCE_MAX: usize = 64;

/// Whether this can be a bucket as an allow-list spells it.
fn is_origin(text: &str) -> bool {
    let parts: Vec<_> = text.split('/').collect();
    let plain = |part: &&str| {
        let visible = |c: char| !c.is_control() && !"?#\\%".contains(c);
        !matches!(*part, "" | "." | "..") && part.chars().all(visible)
    };
    parts.len() <= 2 && parts.iter().all(plain)
}

/// Why a message of the queue is not read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum Unread {
    /// It never will be.
    #[error("this is no job: {0}")]
    NoJob(String),
    /// It is of a later version of the program: while a deployment is under way one may get it next time.
    #[error("a job of version {0}: this program knows versions 1 to {VERSION}")]
    Later(u32),
}

/// JSON in the characters that SQS and SNS take: two that a key may have and they refuse; JSON itself escapes the others.
pub(super) fn sendable(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe")
        .replace('\u{ffff}', "\\uffff")
}

/// Whether SQS and SNS take this character in the value of an attribute, which has no way to escape one.
#[must_use]
pub fn takes(character: char) -> bool {
    !(character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}'))
}

/// What a job is done for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The delivery, as the log names it.
    pub delivery: DeliveryId,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
    /// Whether an attempt before this one may have done the work and not have told of it.
    pub again: bool,
}

impl Cause {
    /// Of a job that is done for the first time.
    #[must_use]
    pub fn new(delivery: DeliveryId, trace: Option<Trace>) -> Self {
        Self {
            delivery,
            trace,
            again: false,
        }
    }

    /// The same, of one more attempt.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            again: true,
            ..self.clone()
        }
    }

    /// The id of its trace, as the log names it.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.trace.as_ref().map(Trace::id)
    }
}

/// These jobs, equal ones once: each with the first of its causes, and tried before if any of them was.
#[must_use]
pub fn once(jobs: impl Iterator<Item = (Job, Cause)>) -> Vec<(Job, Cause)> {
    let mut places = HashMap::new();
    let mut jobs_once: Vec<(Job, Cause)> = Vec::new();
    for (job, cause) in jobs {
        match places.entry(job.clone()) {
            Entry::Vacant(place) => {
                place.insert(jobs_once.len());
                jobs_once.push((job, cause));
            }
            Entry::Occupied(place) => jobs_once[*place.get()].1.again |= cause.again,
        }
    }
    jobs_once
}

/// These jobs with those of the sources taking turns, each source's in their order: where they do not all run at once, none waits
/// for all of another source's.
#[must_use]
pub fn in_turns(jobs: Vec<(Job, Cause)>) -> Vec<(Job, Cause)> {
    let mut turns: HashMap<String, usize> = HashMap::new();
    let mut jobs: Vec<_> = jobs
        .into_iter()
        .map(|one| {
            let turn = turns.entry(one.0.source().to_owned()).or_default();
            *turn += 1;
            (*turn, one)
        })
        .collect();
    jobs.sort_by_key(|(turn, _)| *turn);
    jobs.into_iter().map(|(_, one)| one).collect()
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
    /// The audit is through.
    Audited,
    /// The audit is through, and what it would remove waits for a human.
    Held,
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
            Self::Audited => "audited",
            Self::Held => "held",
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
        Event::Forward(forward) => vec![Job::Forward(forward.clone())],
        Event::Nothing { .. } | Event::Forbidden { .. } | Event::Malformed(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
