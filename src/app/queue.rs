//! The queue's side: jobs are sent to it, and what it hands over is performed. SQS delivers at least once; jobs are
//! idempotent.

use super::App;
use crate::clients::queue::Queue;
use crate::domain::inbox::{By, JobReport};
use crate::domain::job::{Cause, Job, Outcome, Unread, once};
use crate::domain::trace::Trace;
use crate::error::WorkError;
use crate::receipt::Ended;
use futures_util::future::join_all;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often a job is tried until it becomes a dead letter. The queue's own limit is above it and catches what kills the
/// function itself.
const ATTEMPTS: u32 = 5;
/// How long a failed job waits for its second attempt; each wait is twice the one before.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// How long it waits at least where a write of it may yet land (ARCHITECTURE, A2).
const SETTLING: Duration = Duration::from_secs(300);

/// What is left of the time for telling the queue what became of a batch.
const TELLING: Duration = Duration::from_secs(5);

/// A message of the queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// What the answer to Lambda names it by.
    pub id: String,
    /// What a call about it names it by.
    pub receipt_handle: String,
    /// A job, as `Job::to_json` wrote it.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// Whether it is a dead letter that was sent again.
    pub redriven: bool,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
}

impl Message {
    /// The job and what it is done for.
    fn read(&self) -> Result<(Job, Cause), Unread> {
        let (job, delivery) = Job::from_json(&self.body)?;
        let cause = Cause {
            delivery,
            trace: self.trace.clone(),
            again: self.receives > 1 || self.redriven,
        };
        Ok((job, cause))
    }
}

/// What becomes of a message whose job was tried.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is done with.
    Done,
    /// What is left of its job goes into a message of its own: this one has not failed.
    GoOn,
    /// It comes again, after this time.
    Again(Duration),
    /// It will not come again.
    Dead(String),
}

impl Fate {
    fn of(job: Result<&Result<Outcome, WorkError>, &Unread>, receives: u32) -> Self {
        let wait = FIRST_WAIT * (1 << receives.clamp(1, ATTEMPTS).saturating_sub(1));
        match job {
            Ok(Ok(_)) => Self::Done,
            Ok(Err(error)) if error.goes_on() => Self::GoOn,
            Ok(Err(error)) if error.is_final() => Self::Dead(error.to_string()),
            Ok(Err(error)) if receives >= ATTEMPTS => {
                Self::Dead(format!("{receives} attempts, the last: {error}"))
            }
            Ok(Err(error)) => {
                let settling = error.may_land().then_some(SETTLING);
                Self::Again(wait.max(settling.unwrap_or_default()))
            }
            Err(Unread::Later(_)) if receives < ATTEMPTS => Self::Again(wait),
            Err(unreadable) => Self::Dead(unreadable.to_string()),
        }
    }
}

impl Fate {
    /// What is recorded of a job that has this fate.
    fn told(&self, report: &JobReport) -> JobReport {
        let mut report = report.clone();
        if let Self::Dead(reason) = self {
            "dead".clone_into(&mut report.outcome);
            report.error = Some(reason.clone());
        }
        report
    }
}

/// Sends the jobs of a delivery, equal ones once. What is not known to be in the queue has failed, and the sender is told so.
pub(super) async fn send(
    queue: &Queue,
    jobs: impl Iterator<Item = (Job, Cause)>,
    deadline: Instant,
) -> HashMap<Job, Ended> {
    let jobs = once(jobs);
    let messages: Vec<_> = jobs
        .iter()
        .map(|(job, cause)| (job.to_json(cause.delivery), cause.trace.clone()))
        .collect();
    let sent = timeout_at(deadline, queue.send(&messages)).await;
    let mut sent = sent.unwrap_or_default().into_iter();
    let ended = jobs.into_iter().map(|(job, cause)| {
        let sent = match sent.next() {
            Some(sent) => sent.map_err(WorkError::Queue),
            None => Err(WorkError::OutOfTime("the queue is slow")),
        };
        if let Err(error) = &sent {
            tracing::error!(delivery.id = %cause.delivery, trace = cause.trace_id(), %error, "a job was not queued");
        }
        (job, sent.map_or(Ended::Failed, |()| Ended::Queued))
    });
    ended.collect()
}

impl App {
    /// Performs the jobs of a batch, equal ones once. Returns the ids of the messages that must come again.
    pub async fn perform_batch(
        self: &Arc<Self>,
        messages: Vec<Message>,
        deadline: Instant,
    ) -> Vec<String> {
        let jobs: Vec<_> = messages.iter().map(Message::read).collect();
        let readable = jobs.iter().filter_map(|job| job.as_ref().ok()).cloned();
        let working = deadline.checked_sub(TELLING).unwrap_or(deadline);
        let began = Instant::now();
        let done = self.perform(readable, working).await;
        let (mut continued, mut attempts) = (HashSet::new(), HashMap::<_, (bool, Vec<_>)>::new());
        let mut fates = Vec::new();
        for (message, job) in messages.into_iter().zip(&jobs) {
            let ended = job.as_ref().map(|(job, _)| &done[job].ended);
            let fate = match Fate::of(ended, message.receives) {
                // Of equal jobs one goes on for all.
                Fate::GoOn if !continued.insert(job.as_ref().map(|(job, _)| job)) => Fate::Done,
                fate => fate,
            };
            if let Ok((job, cause)) = job {
                let report = fate.told(&done[job].report);
                let (again, reports) = attempts.entry(cause.delivery).or_default();
                *again |= cause.again;
                reports.push(report);
            }
            fates.push(async move {
                // What is not told in time comes again: better twice than never.
                let settled = timeout_at(deadline, self.settle(&message, fate)).await;
                (!matches!(settled, Ok(Ok(())))).then_some(message.id)
            });
        }
        let recording = attempts.into_iter().map(|(delivery, (again, jobs))| {
            let recording = self.attempted(delivery, By::Queue, again, began, jobs);
            self.recorded_by(deadline, delivery, recording)
        });
        let (again, _) = tokio::join!(join_all(fates), join_all(recording));
        again.into_iter().flatten().collect()
    }

    async fn settle(&self, message: &Message, fate: Fate) -> Result<(), ()> {
        match fate {
            Fate::Done => Ok(()),
            Fate::GoOn => self.go_on(message).await,
            Fate::Dead(reason) => self.bury(message, &reason).await,
            Fate::Again(wait) => {
                self.hide(message, wait).await;
                Err(())
            }
        }
    }

    /// Sends what is left of a job as a message of its own, whose attempts are counted anew: the ledger counts those
    /// without progress.
    async fn go_on(&self, message: &Message) -> Result<(), ()> {
        let queue = self.queue.as_ref().ok_or(())?;
        let left = [(message.body.clone(), message.trace.clone())];
        match queue.send(&left).await.pop() {
            Some(Ok(())) => Ok(()),
            not => {
                let error = not.and_then(Result::err).map(tracing::field::display);
                tracing::error!(message.id, error, "what is left of a job was not queued");
                Err(())
            }
        }
    }

    /// Puts a message among the dead letters, with its reason. Without such a queue, or where it does not answer, the message
    /// comes again until the queue itself moves it there.
    async fn bury(&self, message: &Message, reason: &str) -> Result<(), ()> {
        let Some(dead_letters) = &self.dead_letters else {
            tracing::error!(message.id, reason, "a job that cannot be done");
            return Err(());
        };
        let trace = message.trace.as_ref();
        let sent = dead_letters
            .send_because(&message.body, reason, trace)
            .await;
        let trace = trace.map(Trace::id);
        match sent {
            Ok(()) => {
                tracing::error!(message.id, trace, reason, "dead letter");
                Ok(())
            }
            Err(error) => {
                tracing::error!(message.id, reason, %error, "a dead letter was not taken");
                Err(())
            }
        }
    }

    async fn hide(&self, message: &Message, wait: Duration) {
        let Some(queue) = &self.queue else { return };
        if let Err(error) = queue.hide(&message.receipt_handle, wait).await {
            // Then it comes when the queue's visibility time-out is over.
            tracing::warn!(message.id, %error, "a message could not be hidden");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_again_later_each_time_until_it_is_a_dead_letter() {
        let failed = Err(WorkError::BrokenOff("x".to_owned()));
        let of = |receives| Fate::of(Ok(&failed), receives);
        let waits = [1, 2, 3, 4].map(|receives| match of(receives) {
            Fate::Again(wait) => wait.as_secs(),
            fate => panic!("{fate:?}"),
        });
        assert_eq!(waits, [60, 120, 240, 480]);
        assert!(matches!(of(5), Fate::Dead(reason) if reason.contains("the last: origin: x")));
        assert!(matches!(of(9), Fate::Dead(_)));
        assert!(matches!(of(0), Fate::Again(_)), "counts from one");
        for landing in [WorkError::OutOfTime("x"), WorkError::Panicked] {
            let fate = Fate::of(Ok(&Err(landing)), 1);
            assert_eq!(fate, Fate::Again(SETTLING));
        }
    }

    #[test]
    fn what_no_attempt_mends_is_a_dead_letter_at_once_and_a_giant_goes_on() {
        for hopeless in [
            WorkError::DoesNotFit(String::new()),
            WorkError::NoProgress(5),
            WorkError::NotConfigured(String::new()),
        ] {
            assert!(matches!(Fate::of(Ok(&Err(hopeless)), 1), Fate::Dead(_)));
        }
        let unreadable = Unread::NoJob("x".to_owned());
        assert_eq!(
            Fate::of(Err(&unreadable), 1),
            Fate::Dead("this is no job: x".to_owned())
        );
        // While a deployment is under way the next worker may know it.
        let later = Unread::Later(9);
        assert_eq!(Fate::of(Err(&later), 1), Fate::Again(FIRST_WAIT));
        assert!(
            matches!(Fate::of(Err(&later), 5), Fate::Dead(reason) if reason.contains("version 9"))
        );
        let left = Err(WorkError::Unfinished {
            finished: 1,
            parts: 9,
        });
        assert_eq!(Fate::of(Ok(&left), 99), Fate::GoOn);
        assert_eq!(Fate::of(Ok(&Ok(Outcome::Copied)), 99), Fate::Done);
    }
}
