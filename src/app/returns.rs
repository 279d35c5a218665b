//! Dead letters come back by themselves: what was given up while a remote service was down goes back into the queue when that
//! service answers again. A dead letter is removed only after the queue has its job.

use super::App;
use super::queue::outgoing;
use crate::clients::error::CallError;
use crate::clients::letters::Received;
use crate::clients::queue::Queue;
use crate::domain::bound::Bound;
use crate::domain::job::Job;
use crate::domain::source::Source;
use crate::error::Remote;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Dead letters that one tick looks at.
static LOOKED_MAX: Bound<usize> = Bound::new("returns.looked", 10_000);
/// Dead letters that one tick sends back: a service that has just recovered is not flooded.
static RETURNED_MAX: Bound<usize> = Bound::new("returns.returned", 2_000);
/// How often a job comes back by itself. Each time it is tried for twelve hours, so that this is ten days at least.
const RETURNS_MAX: u32 = 20;
/// How long a letter that is looked at stays hidden from others, should nobody put it back.
const HIDDEN: Duration = Duration::from_secs(120);
/// How long a tick looks at letters, and a good while less than they are hidden.
const LOOKING: Duration = Duration::from_secs(60);
/// How long a remote service may take to answer a probe.
const PROBE: Duration = Duration::from_secs(10);
/// The folder that a probe lists: there is none of this name, so that the answer is short.
const NOWHERE: &str = ".hookwork-probe/";
/// Calls at a time.
static CALLS_AT_A_TIME: Bound<usize> = Bound::new("returns.calls_at_a_time", 16);

/// A letter that comes back if its remote service answers.
struct Waiting {
    letter: Received,
    job: Job,
    remote: Remote,
}

impl Waiting {
    fn of(letter: &Received) -> Option<(Job, Remote)> {
        if letter.returns >= RETURNS_MAX {
            return None;
        }
        let remote = Remote::of_word(letter.remote.as_deref()?)?;
        let (job, _) = Job::from_json(&letter.body).ok()?;
        Some((job, remote))
    }
}

impl App {
    /// Sends the dead letters back into the queue whose remote service answers again. Returns how many.
    ///
    /// # Errors
    /// A sentence: a queue did not answer. What was sent back by then is in the queue.
    pub async fn return_letters(&self, deadline: Instant) -> Result<u64, String> {
        let (Some(letters), Some(queue)) = (&self.dead_letters, &self.queue) else {
            return Ok(0);
        };
        let stop = deadline.min(Instant::now() + LOOKING);
        let (mut seen, mut rest, mut answering) = (HashSet::new(), Vec::new(), HashMap::new());
        let (mut returned, mut failed) = (0, None);
        while seen.len() < LOOKED_MAX.get()
            && returned < RETURNED_MAX.get()
            && Instant::now() < stop
        {
            let batch = match letters.receive(HIDDEN).await {
                Ok(batch) => batch,
                Err(error) => {
                    failed = Some(error.to_string());
                    break;
                }
            };
            // The second time that one comes, all have been seen.
            let all = batch.iter().all(|one| seen.contains(&one.id));
            let mut back = Vec::new();
            for letter in batch {
                seen.insert(letter.id.clone());
                // A probe may take its time: what is looked at must not be visible again before it is put back.
                let in_time = Instant::now() < stop;
                match Waiting::of(&letter).filter(|_| in_time) {
                    Some((job, remote)) if self.answers(&job, remote, &mut answering).await => {
                        back.push(Waiting {
                            letter,
                            job,
                            remote,
                        });
                    }
                    _ => rest.push(letter.receipt_handle),
                }
            }
            let moved = join_all(back.iter().map(|one| one.go_back(queue, letters))).await;
            for (one, moved) in back.iter().zip(moved) {
                match moved {
                    Ok(()) => returned += 1,
                    Err(error) => {
                        rest.push(one.letter.receipt_handle.clone());
                        failed = Some(error.to_string());
                    }
                }
            }
            if all {
                break;
            }
        }
        put_back(letters, &rest).await;
        if returned > 0 {
            tracing::info!(
                returned,
                "dead letters are back in the queue: what they waited for answers again"
            );
        }
        match failed {
            None => Ok(returned as u64),
            Some(error) => Err(format!(
                "{returned} dead letters are back in the queue, then: {error}"
            )),
        }
    }

    /// Whether the remote service that a job waits for answers. Each is asked once in a tick.
    async fn answers(
        &self,
        job: &Job,
        remote: Remote,
        known: &mut HashMap<(Remote, String), bool>,
    ) -> bool {
        // Two origin buckets of a source are of one service.
        let of = match remote {
            Remote::Origin | Remote::Intdash | Remote::Secrets => job.source(),
            _ => "",
        };
        let place = (remote, of.to_owned());
        if let Some(answers) = known.get(&place) {
            return *answers;
        }
        let probed = timeout(PROBE, self.probe(job, remote)).await;
        let answers = match probed {
            // A refusal is an answer, too: whoever refuses is not down.
            Ok(probed) => probed.is_none_or(|error| !error.is_down()),
            Err(_) => false,
        };
        tracing::info!(
            remote = remote.word(),
            source = of,
            answers,
            "a remote service that dead letters wait for"
        );
        known.insert(place, answers);
        answers
    }

    /// Asks a remote service for as little as possible. Returns the error, if it was one.
    async fn probe(&self, job: &Job, remote: Remote) -> Option<CallError> {
        match (remote, job) {
            (Remote::Origin, Job::Mirror(_) | Job::Audit(_)) => {
                let (source, bucket) = match job {
                    Job::Mirror(of) => (&of.source, &of.origin),
                    Job::Audit(of) => (&of.source, &of.origin),
                    Job::Summary(_) | Job::Forward(_) => return None,
                };
                // Of a source that is no more the job finds that out itself.
                let Some(Source::S3(found)) = self.sources.get(source) else {
                    return None;
                };
                let secrets = self.secrets.get().await;
                let key = secrets.of(source)?.access_keys.first()?;
                let origin = self.origin(found, source, bucket, key);
                origin.page(NOWHERE, None).await.err()
            }
            (Remote::Backup, _) => self.backup.as_ref()?.page(NOWHERE, None).await.err(),
            (Remote::State, _) => self.state.as_ref()?.page(NOWHERE, None).await.err(),
            // The function may not ask this of its topic; that it is told so is an answer.
            (Remote::Topic, _) => self.topic.as_ref()?.subscribers().await.err(),
            (Remote::Intdash, Job::Summary(of)) => {
                self.servers.get(&of.source)?.answers(of).await.err()
            }
            (Remote::Secrets, _) => {
                let secrets = self.secrets.get().await;
                super::perform::unread(&secrets, job.source()).then(CallError::unread_secrets)
            }
            (Remote::Origin | Remote::Intdash | Remote::Queue | Remote::Sns, _) => None,
        }
    }
}

impl Waiting {
    /// Sends the job to the queue, and removes the letter once it is there. Killed in between, the job is in both; jobs are
    /// idempotent.
    async fn go_back(&self, queue: &Queue, letters: &Queue) -> Result<(), CallError> {
        let Self {
            letter,
            job,
            remote,
        } = self;
        let message = outgoing(job, letter.body.clone(), letter.trace.clone());
        let returns = letter.returns.saturating_add(1).to_string();
        let reason = letter.reason.as_deref().unwrap_or(remote.word());
        // With its reason: the worker takes it for one that was tried before.
        let attributes = [("reason", reason), ("returns", &returns)];
        queue.send_with(&message, &attributes).await?;
        letters.remove(&letter.receipt_handle).await
    }
}

/// Makes letters visible again that were looked at; else they would be when their time is up. Says why it could not.
pub(super) async fn put_back(letters: &Queue, handles: &[String]) -> Option<String> {
    let handles = handles.iter().cloned();
    let shown = handles.map(|handle| async move { letters.hide(&handle, Duration::ZERO).await });
    let shown = stream::iter(shown).buffer_unordered(CALLS_AT_A_TIME.get());
    let shown: Vec<_> = shown.collect().await;
    let failed = shown.into_iter().find_map(Result::err);
    failed.map(|error| {
        let seconds = HIDDEN.as_secs();
        format!("some dead letters stay hidden for {seconds} s: {error}")
    })
}
