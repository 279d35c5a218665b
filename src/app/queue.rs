//! The queue's side: jobs are sent to it, and what it hands over is performed. SQS delivers at least once; jobs are
//! idempotent.

use super::App;
use crate::clients::queue::{Outgoing, Queue};
use crate::domain::inbox::{By, JobReport};
use crate::domain::job::{Cause, Job, Outcome, Unread, once};
use crate::domain::trace::Trace;
use crate::error::{Remote, WorkError};
use crate::receipt::Ended;
use futures_util::future::join_all;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often a job is tried that fails for another reason than that a remote service is down, until it becomes a dead
/// letter.
const ATTEMPTS: u32 = 5;
/// How often a job is tried while a remote service is down. The waits between so many attempts are twelve hours together, at
/// least: a message comes never earlier than it was hidden for. The queue's own limit is above it and catches what kills the
/// function itself.
const ATTEMPTS_WHILE_DOWN: u32 = 18;
/// How long a failed job waits for its second attempt; each wait is twice the one before.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// How long a job waits at most for its next attempt. It is below the queue's visibility time-out, which a job waits for
/// whose worker died.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
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
    /// How often it has come back from the dead letters by itself.
    pub returns: u32,
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
    Dead {
        /// Why.
        reason: String,
        /// The remote service whose recovery brings it back; none where only an operator does.
        waits_for: Option<Remote>,
    },
}

impl Fate {
    fn of(job: Result<(&Job, &Result<Outcome, WorkError>), &Unread>, receives: u32) -> Self {
        let dead = |reason, waits_for| Self::Dead { reason, waits_for };
        let wait = wait_after(receives);
        match job {
            Ok((_, Ok(_))) => Self::Done,
            Ok((_, Err(error))) if error.goes_on() => Self::GoOn,
            Ok((_, Err(error))) if error.is_final() => dead(error.to_string(), None),
            Ok((job, Err(error))) => {
                let down = error.is_down();
                let most = if down { ATTEMPTS_WHILE_DOWN } else { ATTEMPTS };
                if receives < most {
                    let settling = error.may_land().then_some(SETTLING);
                    return Self::Again(wait.max(settling.unwrap_or_default()));
                }
                let remote = error.remote().unwrap_or(Remote::of_job(job));
                // Beyond the usual number of attempts the ones before failed since something was down.
                let waits_for = (down || receives > ATTEMPTS).then_some(remote);
                let reason = format!("{receives} attempts, the last: {error}");
                dead(reason, waits_for)
            }
            Err(Unread::Later(_)) if receives < ATTEMPTS => Self::Again(wait),
            Err(unreadable) => dead(unreadable.to_string(), None),
        }
    }
}

/// How long a job waits after it was received so often.
fn wait_after(receives: u32) -> Duration {
    let doubled = receives.clamp(1, ATTEMPTS_WHILE_DOWN) - 1;
    (FIRST_WAIT * (1 << doubled)).min(LONGEST_WAIT)
}

impl Fate {
    /// What is recorded of a job that has this fate.
    fn told(&self, report: &JobReport) -> JobReport {
        let mut report = report.clone();
        if let Self::Dead { reason, .. } = self {
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
        .map(|(job, cause)| outgoing(job, job.to_json(cause.delivery), cause.trace.clone()))
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

/// A job as it is sent.
pub(super) fn outgoing(job: &Job, body: String, trace: Option<Trace>) -> Outgoing {
    Outgoing {
        body,
        trace,
        group: Some(job.source().to_owned()),
    }
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
        let (mut continued, mut attempts) =
            (HashSet::new(), HashMap::<_, (By, bool, Vec<_>)>::new());
        let mut fates = Vec::new();
        for (message, job) in messages.into_iter().zip(&jobs) {
            let ended = job.as_ref().map(|(job, _)| (job, &done[job].ended));
            let fate = match Fate::of(ended, message.receives) {
                // Of equal jobs one goes on for all.
                Fate::GoOn if !continued.insert(job.as_ref().map(|(job, _)| job)) => Fate::Done,
                fate => fate,
            };
            if let Ok((job, cause)) = job {
                let report = fate.told(&done[job].report);
                let by = if message.redriven {
                    By::Redrive
                } else {
                    By::Queue
                };
                let attempt =
                    attempts
                        .entry((cause.delivery, by.word()))
                        .or_insert((by, false, Vec::new()));
                let (_, again, reports) = attempt;
                *again |= cause.again;
                reports.push(report);
            }
            fates.push(async move {
                // What is not told in time comes again: better twice than never.
                let of = job.as_ref().ok().map(|(job, _)| job);
                let settled = timeout_at(deadline, self.settle(&message, of, fate)).await;
                (!matches!(settled, Ok(Ok(())))).then_some(message.id)
            });
        }
        let recording = attempts
            .into_iter()
            .map(|((delivery, _), (by, again, jobs))| {
                let recording = self.attempted(delivery, by, again, began, jobs);
                self.recorded_by(deadline, delivery, recording)
            });
        let (again, _) = tokio::join!(join_all(fates), join_all(recording));
        again.into_iter().flatten().collect()
    }

    async fn settle(&self, message: &Message, job: Option<&Job>, fate: Fate) -> Result<(), ()> {
        let group = job.map(|job| job.source().to_owned());
        let (body, trace) = (message.body.clone(), message.trace.clone());
        let same = Outgoing { body, trace, group };
        match fate {
            Fate::Done => Ok(()),
            Fate::GoOn => self.go_on(message, same).await,
            Fate::Dead { reason, waits_for } => self.bury(message, &same, &reason, waits_for).await,
            Fate::Again(wait) => {
                self.hide(message, wait).await;
                Err(())
            }
        }
    }

    /// Sends what is left of a job as a message of its own, whose attempts are counted anew: the ledger counts those
    /// without progress.
    async fn go_on(&self, message: &Message, left: Outgoing) -> Result<(), ()> {
        let queue = self.queue.as_ref().ok_or(())?;
        match queue.send(&[left]).await.pop() {
            Some(Ok(())) => Ok(()),
            not => {
                let error = not.and_then(Result::err).map(tracing::field::display);
                tracing::error!(message.id, error, "what is left of a job was not queued");
                Err(())
            }
        }
    }

    /// Puts a message among the dead letters, with its reason and the remote service that it waits for. Without such a queue,
    /// or where it does not answer, the message comes again until the queue itself moves it there.
    async fn bury(
        &self,
        message: &Message,
        same: &Outgoing,
        reason: &str,
        waits_for: Option<Remote>,
    ) -> Result<(), ()> {
        let Some(dead_letters) = &self.dead_letters else {
            tracing::error!(message.id, reason, "a job that cannot be done");
            return Err(());
        };
        let returns = message.returns.to_string();
        let mut attributes = vec![("reason", reason)];
        if let Some(remote) = waits_for {
            attributes.extend([("remote", remote.word()), ("returns", &returns)]);
        }
        let sent = dead_letters.send_with(same, &attributes).await;
        let trace = message.trace.as_ref().map(Trace::id);
        match sent {
            Ok(()) => {
                let remote = waits_for.map(Remote::word);
                tracing::error!(message.id, trace, reason, remote, "dead letter");
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
mod tests;
