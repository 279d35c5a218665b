//! Deliveries are recorded, each with the attempts at its jobs, and received again when somebody says so; and what was done for
//! one is marked, so that it is not done twice.

use super::App;
use crate::clients::error::CallError;
use crate::config::Recording;
use crate::domain::delivery::{Delivery, DeliveryId, Rejection};
use crate::domain::event::Event;
use crate::domain::forward::Forward;
use crate::domain::inbox::{Attempt, By, JobReport, Verdict};
use crate::domain::job::{Cause, Outcome};
use crate::domain::reconcile::Condition;
use crate::domain::record::{Record, Told};
use crate::domain::redact::Known;
use crate::domain::source::{Message, Proof, is_endpoint};
use crate::domain::trace::Trace;
use crate::error::WorkError;
use crate::mirror::Mirrored;
use crate::receipt::{Receipt, Received, Refusal, TOO_MANY};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use uuid::{NoContext, Timestamp, Uuid};

/// Why a delivery was not received again.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unreplayed {
    /// There is no such delivery.
    #[error("{0}")]
    Unknown(String),
    /// Whether there is could not be read.
    #[error("{0}")]
    Unread(String),
    /// It is refused, or there is nothing to do again.
    #[error("{0}")]
    Never(String),
    /// Something failed.
    #[error("{0}")]
    Failed(String),
}

impl App {
    /// Whether a delivery of which this is told is to be recorded before its work is done.
    pub(super) fn records(&self, verdict: Verdict) -> bool {
        match self.recording {
            Recording::All => true,
            Recording::Failures => !verdict.is_proven(),
            Recording::Nothing => false,
        }
    }

    /// Records a delivery, if the settings want it. Says whether all is as they want it: where that fails its fate is the same.
    pub(super) async fn record(
        &self,
        source: Option<&str>,
        delivery: &Delivery,
        known: &Known<'_>,
        told: Told,
    ) -> bool {
        !self.records(told.verdict) || self.keep(source, delivery, known, told).await.is_ok()
    }

    /// Writes a delivery down, whatever the settings want. Of a function without a state bucket nothing is.
    pub(super) async fn keep(
        &self,
        source: Option<&str>,
        delivery: &Delivery,
        known: &Known<'_>,
        told: Told,
    ) -> Result<(), CallError> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        let record = Record::new(source, delivery, known, told);
        let kept = state.create_file(&record.place(), record.to_bytes()).await;
        if let Err(error) = &kept {
            self.metrics.unrecorded();
            tracing::error!(delivery.id = %delivery.id, source, %error, "a delivery was not recorded");
        }
        kept
    }

    /// Waits until this time for something of a delivery to be recorded; what is not by then is given up.
    pub(super) async fn recorded_by<T>(
        &self,
        until: Instant,
        delivery: DeliveryId,
        recording: impl Future<Output = T>,
    ) -> Option<T> {
        let recorded = timeout_at(until, recording).await.ok();
        if recorded.is_none() {
            self.metrics.unrecorded();
            tracing::error!(delivery.id = %delivery, "it, or an attempt at its jobs, was not recorded: there was no time left");
        }
        recorded
    }

    /// Records a delivery that was refused, or that could not be received.
    pub(super) async fn refuse(
        &self,
        source: Option<&str>,
        delivery: &Delivery,
        known: &Known<'_>,
        refusal: Refusal,
    ) -> Received {
        let mut told = match &refusal {
            Refusal::Rejected(rejection) => match verdict(rejection) {
                Some(verdict) => Told::refused(verdict, rejection.to_string(), delivery),
                None => return Received::new(Err(refusal), true),
            },
            Refusal::NoBody(why) => Told::unread(*why),
            Refusal::Failed(error) => Told::refused(Verdict::Failed, error.to_string(), delivery),
            Refusal::TooMany(_) => return Received::new(Err(refusal), false),
        };
        // It is counted and logged all the same.
        let known_key = known.url_key.is_some();
        let proven = told.verdict == Verdict::Malformed && !told.unread && known_key;
        if !proven && !self.sets_apart(source, delivery, &mut told) {
            return Received::new(Err(refusal), false);
        }
        let recorded = self.record(source, delivery, known, told).await;
        Received::new(Err(refusal), recorded)
    }

    /// Says of a delivery that nothing proves how it is kept: apart, and short where it is long or there are many. Only what
    /// failed on our side is among the others, where a search for failures finds it. False where there were too many to keep one more.
    pub(super) fn sets_apart(
        &self,
        source: Option<&str>,
        delivery: &Delivery,
        told: &mut Told,
    ) -> bool {
        if !self.taking.records_refused(source) {
            return false;
        }
        told.apart = told.verdict != Verdict::Failed;
        told.short = !self.taking.keeps_body(source, delivery.body.len());
        true
    }

    /// Records an attempt at jobs of a delivery that is over; `again` where it may not have been the first.
    pub(super) async fn attempted(
        &self,
        delivery: DeliveryId,
        by: By,
        again: bool,
        began: Instant,
        jobs: Vec<JobReport>,
    ) {
        let Some(state) = &self.state else { return };
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let id = match by {
            // It begins a round: what is done of it while the rest is still being sent comes after it.
            By::Replay => made_before(began.elapsed()),
            By::Inline | By::Queue | By::Redrive => Uuid::now_v7(),
        };
        let attempt = Attempt::new(id, by, ms, jobs);
        let facts = attempt.facts();
        let wanted = match self.recording {
            Recording::All => true,
            // What is done after a failure tells that it is mended.
            Recording::Failures => {
                again || by == By::Replay || matches!(facts.outcome, "failed" | "dead")
            }
            Recording::Nothing => false,
        };
        // What we began ourselves is no delivery; its jobs are in the log.
        if !wanted || facts.jobs == 0 || !delivery.is_delivery() {
            return;
        }
        let place = attempt.place(delivery);
        if let Err(error) = state.create_file(&place, attempt.to_json()).await {
            self.metrics.unrecorded();
            tracing::error!(delivery.id = %delivery, %error, "an attempt was not recorded");
        }
    }

    /// Receives a delivery again that was kept. What was proven when it came is not asked for again: neither its time nor its id
    /// counts any more, and its secret may have been changed since. What was refused must prove itself, with the secrets of now
    /// and at the time at which it came. Returns how many jobs were done or are queued.
    ///
    /// # Errors
    /// [`Unreplayed`]: it cannot be, or its work failed.
    pub async fn replay(
        self: &Arc<Self>,
        id: DeliveryId,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<u64, Unreplayed> {
        let record = self.kept(id).await?;
        self.receive_again(id, record, trace, deadline).await
    }

    /// The same of what was proven when it came. Whoever works behind the queue does not have what senders prove themselves by.
    ///
    /// # Errors
    /// As [`Self::replay`].
    pub async fn replay_proven(
        self: &Arc<Self>,
        id: DeliveryId,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<u64, Unreplayed> {
        let record = self.kept(id).await?;
        if !record.told.verdict.is_proven() {
            let why = "it was never proven: the inbox can have it received again, which knows the secrets";
            return Err(Unreplayed::Never(why.to_owned()));
        }
        self.receive_again(id, record, trace, deadline).await
    }

    async fn kept(&self, id: DeliveryId) -> Result<Record, Unreplayed> {
        let found = self.find(id).await.map_err(Unreplayed::Unread)?;
        let record = found.and_then(|found| found.record);
        record.ok_or_else(|| Unreplayed::Unknown(format!("no delivery {id} is kept")))
    }

    async fn receive_again(
        self: &Arc<Self>,
        id: DeliveryId,
        record: Record,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<u64, Unreplayed> {
        let never = |why: String| Err(Unreplayed::Never(why));
        if let Some(why) = self.not_replayable(&record) {
            return never(why);
        }
        let (name, delivery) = (record.source.clone().unwrap_or_default(), &record.delivery);
        let events = if is_endpoint(&name) {
            // What it was called when it came, when its secrets were known.
            let planned = record.told.planned.first();
            let event = planned.and_then(|job| job.event.clone());
            let forward = Forward::of_endpoint(&name, event, delivery);
            vec![Event::Forward(forward)]
        } else {
            let source = &self.sources[&name];
            let opened = if record.told.verdict.is_proven() {
                let opened = source.open(&name, delivery, Proof::Operator);
                opened.map_err(Refusal::Rejected)
            } else {
                self.admit_again(&name, &record).await
            };
            match opened {
                Ok(Message::Events(events)) => events,
                Ok(_) => {
                    return never(format!(
                        "delivery {id} was a handshake: there is nothing to do again"
                    ));
                }
                Err(Refusal::Rejected(rejection)) => {
                    return never(format!("it is refused today, too: {rejection}"));
                }
                Err(Refusal::NoBody(why)) => return never(why.reason().to_owned()),
                Err(Refusal::TooMany(_)) => {
                    return Err(Unreplayed::Failed(TOO_MANY.to_owned()));
                }
                Err(Refusal::Failed(error)) => return Err(Unreplayed::Failed(error.to_string())),
            }
        };
        let events = self.without_echoes(events, delivery);
        self.believe(&record).await;
        tracing::info!(delivery.id = %id, source = name, "a delivery is received again");
        let cause = Cause::new(id, trace).again();
        let receipt = self.work(events, cause, deadline, By::Replay).await;
        let Receipt::Done { entries, .. } = &receipt else {
            unreachable!("events are worked on");
        };
        let all = entries.len();
        match receipt.failed() {
            0 => Ok(all as u64),
            failed => Err(Unreplayed::Failed(format!(
                "{failed} of {all} jobs failed: the log and its attempt say why"
            ))),
        }
    }

    /// Keeps a delivery that was set apart among the others from now on: it has proven itself. Its attempts are there, too.
    async fn believe(&self, record: &Record) {
        let Some(state) = self.state.as_ref().filter(|_| record.told.apart) else {
            return;
        };
        let mut record = record.clone();
        record.told.apart = false;
        let kept = state.create_file(&record.place(), record.to_bytes()).await;
        if let Err(error) = kept
            && !error.moved()
        {
            self.metrics.unrecorded();
            tracing::error!(delivery.id = %record.delivery.id, %error, "a delivery that has proven itself was not recorded among the others");
        }
    }

    /// Why a delivery cannot be received again, as far as its record tells.
    #[must_use]
    pub fn not_replayable(&self, record: &Record) -> Option<String> {
        let told = &record.told;
        let Some(name) = &record.source else {
            return Some("it was of no source that there is".to_owned());
        };
        if is_endpoint(name) {
            let forwards = !told.planned.is_empty();
            return (!forwards).then(|| "its endpoint only records".to_owned());
        }
        if !self.sources.contains_key(name) {
            return Some(format!("it was of source {name}, which is no more"));
        }
        match told.verdict {
            Verdict::Handshake => {
                Some("it was a handshake: there is nothing to do again".to_owned())
            }
            _ => record.lacks(),
        }
    }

    /// Does what publishes something, unless it was done for the same occurrence before. It counts as done only when it is; a bucket
    /// that does not tell is no reason to leave it undone.
    pub(super) async fn once(
        &self,
        source: &str,
        occurrence: Option<&str>,
        cause: &Cause,
        work: impl Future<Output = Result<(), WorkError>>,
    ) -> Result<Mirrored, WorkError> {
        let mark = self.state.as_ref().zip(occurrence);
        let mark = mark.map(|(state, occurrence)| (state, format!("done/{source}/{occurrence}")));
        if let Some((state, place)) = &mark {
            match state.read_file(place).await {
                Ok(None) => {}
                Ok(Some(_)) => {
                    return Ok(Mirrored {
                        reason: Some("it was done before"),
                        ..Mirrored::without_bytes(Outcome::Ignored)
                    });
                }
                Err(error) => {
                    tracing::warn!(delivery.id = %cause.delivery, source, %error, "whether it was done before is not known");
                }
            }
        }
        work.await?;
        if let Some((state, place)) = &mark {
            let json = json!({"delivery": cause.delivery.to_string()}).to_string();
            match state
                .write_file(place, json.into_bytes(), &Condition::Absent)
                .await
            {
                Err(error) if !error.moved() => {
                    tracing::warn!(delivery.id = %cause.delivery, source, %error, "that it is done was not marked");
                }
                _ => {}
            }
        }
        Ok(Mirrored::without_bytes(Outcome::Published))
    }
}

/// A UUIDv7 of so long ago.
fn made_before(ago: Duration) -> Uuid {
    let then = SystemTime::now().checked_sub(ago);
    let then = then.and_then(|then| then.duration_since(UNIX_EPOCH).ok());
    let then = then.unwrap_or_default();
    let of = Timestamp::from_unix(NoContext, then.as_secs(), then.subsec_nanos());
    Uuid::new_v7(of)
}

/// None of what is no delivery.
fn verdict(rejection: &Rejection) -> Option<Verdict> {
    match rejection {
        Rejection::Malformed(_) => Some(Verdict::Malformed),
        Rejection::Unauthentic => Some(Verdict::Unauthentic),
        Rejection::Forbidden | Rejection::Topic(_) => Some(Verdict::Forbidden),
        Rejection::Unknown => Some(Verdict::Unknown),
        Rejection::Method => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::inbox::made;

    #[test]
    fn an_attempt_is_named_by_when_it_began() {
        let (id, now) = (made_before(Duration::from_secs(10)), Uuid::now_v7());
        assert_eq!((id.get_version_num(), now.get_version_num()), (7, 7));
        let ago = made(now) - made(id);
        assert!((10_000..11_000).contains(&ago), "{ago}");
    }
}
