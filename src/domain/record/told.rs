//! What became of a delivery at the door: in a word, why, and what is to be done for it.

use crate::domain::delivery::{Delivery, NoBody};
use crate::domain::event::Event;
use crate::domain::forward::occurrence;
use crate::domain::handshake::{VkChallenge, spellings};
use crate::domain::inbox::{JobReport, TITLE_MAX, Verdict};
use crate::domain::job::{Job, plan};
use crate::domain::redact::Known;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What became of a delivery at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// In a word.
    pub verdict: Verdict,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What is to be done for it.
    pub planned: Vec<JobReport>,
    /// What nothing is done for, and why.
    pub remarks: Vec<String>,
    /// Whether its body was not read.
    pub unread: bool,
    /// What it was answered with, where it was a handshake that signs a URL.
    pub handshake: Option<Handshake>,
    /// What deliveries have in common that are the same; empty where none can be.
    pub same: String,
    /// Whether nothing proves it, so that it is kept apart from what is proven.
    pub apart: bool,
    /// Whether only the beginning of its body is kept.
    pub short: bool,
}

/// An answer that is the signature of a URL: of the exact spelling that was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handshake {
    /// The URL that was signed.
    pub signed: String,
    /// What was answered: 64 lower-case hex digits.
    pub signature: String,
    /// What other spellings of the URL would have been answered with: URL and signature.
    pub spellings: Vec<(String, String)>,
}

impl Told {
    /// Of a delivery that got no further.
    #[must_use]
    pub fn refused(verdict: Verdict, reason: String, delivery: &Delivery) -> Self {
        Self {
            reason: Some(reason),
            ..Self::of(verdict, same(delivery))
        }
    }

    /// Of one whose body could not be read.
    #[must_use]
    pub fn unread(why: NoBody) -> Self {
        let verdict = match why {
            NoBody::TooLarge => Verdict::TooLarge,
            NoBody::BrokenOff => Verdict::Malformed,
        };
        Self {
            reason: Some(why.reason().to_owned()),
            unread: true,
            ..Self::of(verdict, String::new())
        }
    }

    /// Of a handshake.
    #[must_use]
    pub fn answered(handshake: Option<Handshake>) -> Self {
        Self {
            handshake,
            ..Self::of(Verdict::Handshake, String::new())
        }
    }

    /// Of what it says that happened.
    #[must_use]
    pub fn events(events: &[Event], delivery: &Delivery) -> Self {
        let is = |of: fn(&Event) -> bool| !events.is_empty() && events.iter().all(of);
        let verdict = if is(|event| matches!(event, Event::Malformed(_))) {
            Verdict::Malformed
        } else if is(|event| matches!(event, Event::Forbidden { .. })) {
            Verdict::Forbidden
        } else if events
            .iter()
            .any(|event| matches!(event, Event::Malformed(_)))
        {
            Verdict::Partial
        } else {
            Verdict::Accepted
        };
        let known_again = events.iter().find_map(|event| match event {
            Event::Forward(of) => of.occurrence.clone(),
            Event::Measurement(of) => of.occurrence.clone(),
            _ => None,
        });
        let short = |known: String| known.chars().take(16).collect();
        // As they are done: equal ones once.
        let mut seen = HashSet::new();
        let jobs = events.iter().flat_map(plan);
        let jobs = jobs.filter(|job| seen.insert(job.clone()));
        let remarks = events.iter().filter_map(remark);
        let mut remarks: Vec<_> = remarks.collect();
        remarks.dedup();
        Self {
            planned: jobs.map(|job| JobReport::planned(&job)).collect(),
            remarks,
            ..Self::of(verdict, known_again.map_or_else(|| same(delivery), short))
        }
    }

    fn of(verdict: Verdict, same: String) -> Self {
        Self {
            verdict,
            reason: None,
            planned: Vec::new(),
            remarks: Vec::new(),
            unread: false,
            handshake: None,
            same,
            apart: false,
            short: false,
        }
    }

    /// What it is about, in a few words.
    pub(super) fn title(&self) -> String {
        let first = self.planned.first().map(|job| {
            let named = [&job.key, &job.measurement, &job.event, &job.id];
            let named: Vec<_> = named.into_iter().flatten().map(String::as_str).collect();
            if named.is_empty() {
                job.job.clone()
            } else {
                named.join(" ")
            }
        });
        let title = first
            .or_else(|| self.reason.clone())
            .or_else(|| self.remarks.first().cloned())
            .unwrap_or_else(|| self.verdict.word().to_owned());
        let more = match self.planned.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" (+{more})"),
        };
        let end = title.floor_char_boundary(TITLE_MAX - more.len());
        format!("{}{more}", &title[..end])
    }
}

/// Of deliveries without an id: of the same method, with the same bytes.
fn same(delivery: &Delivery) -> String {
    let mut same = occurrence(&[delivery.method.as_str().as_bytes(), &delivery.body]);
    same.truncate(16);
    same
}

/// Why nothing is done for a record.
fn remark(event: &Event) -> Option<String> {
    match event {
        Event::Object(_) | Event::Measurement(_) | Event::Forward(_) => None,
        Event::Nothing {
            bucket,
            key,
            reason,
        } => {
            let place = [bucket, key].into_iter().flatten();
            let place: Vec<_> = place.map(String::as_str).collect();
            let colon = if place.is_empty() { "" } else { ": " };
            Some(format!("{}{colon}{reason}", place.join(" ")))
        }
        Event::Forbidden { bucket, .. } => Some(format!("not on the allow-list: {bucket}")),
        Event::Malformed(what) => Some(what.clone()),
    }
}

impl JobReport {
    /// Of a job that nobody has tried yet.
    #[must_use]
    pub fn planned(job: &Job) -> Self {
        let mut report = Self::default();
        match job {
            Job::Mirror(of) => {
                "mirror".clone_into(&mut report.job);
                (report.bucket, report.key) = (Some(of.origin.clone()), Some(of.key.clone()));
            }
            Job::Summary(of) => {
                "summary".clone_into(&mut report.job);
                report.measurement = Some(of.measurement.clone());
            }
            Job::Audit(of) => {
                "audit".clone_into(&mut report.job);
                report.bucket = Some(of.origin.clone());
            }
            Job::Forward(of) => {
                "forward".clone_into(&mut report.job);
                (report.event, report.id) = (of.event.clone(), of.id.clone());
            }
        }
        report
    }
}

impl Handshake {
    /// Of VK's challenge and the URL that was signed. Secrets of the URL are left out of what is told.
    #[must_use]
    pub fn new(challenge: &VkChallenge, url: &str, known: &Known<'_>) -> Self {
        let others = spellings(url).into_iter().skip(1);
        Self {
            signed: known.url(url),
            signature: challenge.sign(url),
            spellings: others
                .map(|other| (known.url(&other), challenge.sign(&other)))
                .collect(),
        }
    }
}
