//! One idempotent unit of work, its wire form, and how it ended.

use super::delivery::DeliveryId;
use super::event::{Event, MeasurementRef, ObjectRef, OriginRef};
use super::forward::Forward;
use super::trace::Trace;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
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
    /// A sentence: it is no job, or one of a later version.
    pub fn from_json(json: &str) -> Result<(Self, DeliveryId), String> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let not = |e: serde_json::Error| format!("this is no job: {e}");
        let Version { version } = serde_json::from_str(json).map_err(not)?;
        if !(1..=VERSION).contains(&version) {
            return Err(format!(
                "a job of version {version}: this program knows versions 1 to {VERSION}"
            ));
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
            WireWork::Forward(forward) => Self::Forward(forward),
        };
        Ok((job, DeliveryId(wire.delivery)))
    }
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
mod tests {
    use super::super::forward::Body;
    use super::*;
    use proptest::prelude::*;

    fn mirror(key: &str) -> Job {
        Job::Mirror(ObjectRef {
            source: "vk".to_owned(),
            origin: "mcs1/b".to_owned(),
            key: key.to_owned(),
        })
    }

    fn id() -> DeliveryId {
        DeliveryId(Uuid::from_u128(7))
    }

    /// What a version of this program has sent must be read by every later one.
    #[test]
    fn reads_the_first_version() {
        let golden = [
            (
                mirror("a \"b\"/é"),
                r#"{"version":1,"delivery":"00000000-0000-0000-0000-000000000007","work":{"mirror":{"source":"vk","origin":"mcs1/b","key":"a \"b\"/é"}}}"#,
            ),
            (
                Job::Summary(MeasurementRef {
                    source: "intdash".to_owned(),
                    project: "p".to_owned(),
                    measurement: "m".to_owned(),
                    occurrence: None,
                }),
                r#"{"version":1,"delivery":"00000000-0000-0000-0000-000000000007","work":{"summary":{"source":"intdash","project":"p","measurement":"m"}}}"#,
            ),
        ];
        let audit = Job::Audit(OriginRef {
            source: "vk".to_owned(),
            origin: "mcs1/b".to_owned(),
        });
        let of_audit = r#"{"version":1,"delivery":"00000000-0000-0000-0000-000000000007","work":{"audit":{"source":"vk","origin":"mcs1/b"}}}"#;
        for (job, json) in golden.into_iter().chain([(audit, of_audit)]) {
            assert_eq!(job.to_json(id()), json);
            assert_eq!(Job::from_json(json), Ok((job, id())));
        }
    }

    #[test]
    fn reads_the_second_version() {
        let summary = Job::Summary(MeasurementRef {
            source: "intdash".to_owned(),
            project: "p".to_owned(),
            measurement: "m".to_owned(),
            occurrence: Some("o".to_owned()),
        });
        let forward = |body| {
            Job::Forward(Forward {
                source: "github".to_owned(),
                event: Some("push".to_owned()),
                id: None,
                occurrence: None,
                body,
            })
        };
        let text = Body::Text {
            text: "{\"a\":1}".to_owned(),
            cut: false,
        };
        let base64 = Body::Base64 {
            base64: "/w==".to_owned(),
            cut: true,
        };
        let golden = [
            (
                summary,
                r#"{"summary":{"source":"intdash","project":"p","measurement":"m","occurrence":"o"}}"#,
            ),
            (
                forward(text),
                r#"{"forward":{"source":"github","event":"push","id":null,"occurrence":null,"body":{"text":{"text":"{\"a\":1}","cut":false}}}}"#,
            ),
            (
                forward(base64),
                r#"{"forward":{"source":"github","event":"push","id":null,"occurrence":null,"body":{"base64":{"base64":"/w==","cut":true}}}}"#,
            ),
            (
                forward(Body::Empty),
                r#"{"forward":{"source":"github","event":"push","id":null,"occurrence":null,"body":"empty"}}"#,
            ),
        ];
        for (job, work) in golden {
            let json = format!(
                r#"{{"version":2,"delivery":"00000000-0000-0000-0000-000000000007","work":{work}}}"#
            );
            assert_eq!(job.to_json(id()), json);
            assert_eq!(Job::from_json(&json), Ok((job, id())));
        }
    }

    #[test]
    fn of_equal_jobs_one_is_done_and_knows_whether_any_was_tried_before() {
        let cause = |n, again| Cause {
            delivery: DeliveryId(Uuid::from_u128(n)),
            trace: None,
            again,
        };
        let jobs = [
            (mirror("a"), cause(1, false)),
            (mirror("b"), cause(2, false)),
            (mirror("a"), cause(3, true)),
        ];
        let expected = [
            (mirror("a"), cause(1, true)),
            (mirror("b"), cause(2, false)),
        ];
        assert_eq!(once(jobs.into_iter()), expected);
    }

    #[test]
    fn says_what_it_cannot_read() {
        let later = mirror("a").to_json(id()).replacen('1', "3", 1);
        let found = Job::from_json(&later.replace("work", "labour")).unwrap_err();
        assert!(found.contains("version 3"), "{found}");
        for no_job in [
            "",
            "{}",
            "[1]",
            "{\"version\":1}",
            "{\"version\":1,\"work\":{}}",
        ] {
            let found = Job::from_json(no_job).unwrap_err();
            assert!(found.starts_with("this is no job: "), "{found}");
        }
        let more = mirror("a").to_json(id()).replacen('{', "{\"more\":1,", 1);
        assert!(Job::from_json(&more).is_err());
    }

    proptest! {
        #[test]
        fn every_key_travels_in_the_characters_that_sqs_takes(key in "\\PC{0,8}[\\x00-\\x1f\\u{7f}\\u{fffe}\\u{ffff}]{0,4}.{0,8}") {
            let job = mirror(&key);
            let json = job.to_json(id());
            let taken = |c| matches!(c, '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            prop_assert!(json.chars().all(taken));
            prop_assert_eq!(Job::from_json(&json), Ok((job, id())));
        }
    }
}
