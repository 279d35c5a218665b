//! Dead letters: looked at, and put back into the queue. A message is removed only after the queue has it: whatever is killed in
//! between, it is there twice, and jobs are idempotent.

use super::super::App;
use super::super::returns;
use crate::clients::error::CallError;
use crate::clients::letters::Received;
use crate::clients::queue::{Outgoing, Queue};
use crate::domain::job::Job;
use futures_util::future::join_all;
use serde::Serialize;
use std::collections::HashSet;
use std::time::Duration;

/// How long what is looked at stays hidden from others, should nobody put it back.
const HIDDEN: Duration = Duration::from_secs(120);
/// Of a message that the queue itself gave up, without a word.
const REASON: &str = "received too often";
/// Why one is left whose job was sent in the same run.
const TWICE: &str = "the same job was just sent: it was here twice, or has failed again at once";

/// A job that could not be done.
#[derive(Clone, Debug, Serialize)]
pub struct Letter {
    /// What SQS names it by.
    pub id: String,
    /// When it was sent to where it lies, in seconds since 1970.
    pub sent: i64,
    /// `mirror`, `summary` or `audit`; none where it cannot be read.
    pub job: Option<&'static str>,
    /// The source that it is for.
    pub source: Option<String>,
    /// The origin bucket, or the measurement's project.
    pub bucket: Option<String>,
    /// The key, or the measurement.
    pub key: Option<String>,
    /// Why it lies here; the queue itself gives none.
    pub reason: Option<String>,
    /// The remote service that brings it back by itself once it answers again.
    pub waits_for: Option<String>,
    /// How often it was received, this look included.
    pub receives: u32,
    /// The message as it is.
    pub body: String,
}

impl Letter {
    fn of(received: &Received) -> Self {
        let job = Job::from_json(&received.body).map(|(job, _)| job);
        let unreadable = job.as_ref().err().map(ToString::to_string);
        let (kind, bucket, key) = match &job {
            Ok(Job::Mirror(of)) => (Some("mirror"), Some(&of.origin), Some(&of.key)),
            Ok(Job::Summary(of)) => (Some("summary"), Some(&of.project), Some(&of.measurement)),
            Ok(Job::Audit(of)) => (Some("audit"), Some(&of.origin), None),
            Ok(Job::Forward(of)) => (Some("forward"), of.event.as_ref(), of.id.as_ref()),
            Err(_) => (None, None, None),
        };
        Self {
            id: received.id.clone(),
            sent: received.sent,
            job: kind,
            source: job.as_ref().ok().map(|job| job.source().to_owned()),
            bucket: bucket.cloned(),
            key: key.cloned(),
            reason: received.reason.clone().or(unreadable),
            waits_for: received.remote.clone(),
            receives: received.receives,
            body: received.body.clone(),
        }
    }
}

/// Which dead letters are put back.
#[derive(Clone, Debug)]
pub enum Which {
    /// All that can be read.
    All,
    /// These, as SQS names them.
    These(HashSet<String>),
}

impl Which {
    fn has(&self, letter: &Letter) -> bool {
        match self {
            // What cannot be read would only come back.
            Self::All => letter.job.is_some(),
            Self::These(ids) => ids.contains(&letter.id),
        }
    }
}

/// What a look at the dead letters found.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Those that were wanted.
    pub letters: Vec<Letter>,
    /// Whether there are no more.
    pub all: bool,
    /// Why some of them stay hidden for a while.
    pub hidden: Option<String>,
    /// Whether there can be none, since there is no queue.
    pub no_queue: bool,
}

impl Looked {
    /// Without a queue there is nothing to look at.
    fn without_queue() -> Self {
        Self {
            letters: Vec::new(),
            all: true,
            hidden: None,
            no_queue: true,
        }
    }
}

/// What became of dead letters that were to be put back.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Redriven {
    /// Those that are in the queue again.
    pub redriven: Vec<Letter>,
    /// Those that are not, and still lie where they lay; with why.
    pub left: Vec<(Letter, String)>,
    /// Those that nobody found, as they were named.
    pub unknown: Vec<String>,
    /// Why it ended before all were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broke_off: Option<String>,
    /// Why some of those that are left stay hidden for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<String>,
}

impl App {
    /// The first `most` dead letters. Whatever was looked at is put back; where that fails, they are told all the same.
    ///
    /// # Errors
    /// A sentence.
    pub async fn dead_letters(&self, most: usize) -> Result<Looked, String> {
        let Some(queue) = self.letters()? else {
            return Ok(Looked::without_queue());
        };
        let (seen, all) = look(queue, most, |_| true).await;
        let hidden = put_back(queue, &seen).await;
        let all = all.map_err(|error| error.to_string())?;
        Ok(Looked {
            letters: seen.iter().take(most).map(Letter::of).collect(),
            all: all && seen.len() <= most,
            hidden,
            no_queue: false,
        })
    }

    /// One dead letter, if it is there, looked for among the first `most`.
    ///
    /// # Errors
    /// A sentence.
    pub async fn dead_letter(&self, id: &str, most: usize) -> Result<Looked, String> {
        let Some(queue) = self.letters()? else {
            return Ok(Looked::without_queue());
        };
        let (seen, all) = look(queue, most, |seen| !seen.iter().any(|one| one.id == id)).await;
        let hidden = put_back(queue, &seen).await;
        let found = seen.iter().find(|one| one.id == id).map(Letter::of);
        Ok(Looked {
            letters: found.into_iter().collect(),
            all: all.map_err(|error| error.to_string())?,
            hidden,
            no_queue: false,
        })
    }

    /// Sends dead letters to the queue, and removes each where it lay once the queue has it. The same job is sent once: one
    /// that fails again at once, and comes back under another id, is left.
    ///
    /// # Errors
    /// A sentence: nothing was looked at.
    pub async fn redrive(&self, which: &Which, most: usize) -> Result<Redriven, String> {
        let Some(letters) = self.letters()? else {
            let unknown = match which {
                Which::All => Vec::new(),
                Which::These(ids) => ids.iter().cloned().collect(),
            };
            return Ok(Redriven {
                unknown,
                ..Redriven::default()
            });
        };
        let queue = self.queue.as_ref();
        let queue = queue.ok_or("QUEUE_URL is not set: there is no queue to put them into")?;
        let (mut done, mut looked, mut others) = (Redriven::default(), HashSet::new(), Vec::new());
        let mut bodies = HashSet::new();
        while looked.len() < most {
            let wanted = match which {
                Which::These(ids) => ids.iter().any(|id| !looked.contains(id)),
                Which::All => true,
            };
            let batch = if wanted {
                letters.receive(HIDDEN).await
            } else {
                Ok(Vec::new())
            };
            let batch = match batch {
                Ok(batch) if batch.is_empty() => break,
                Ok(batch) => batch,
                // What was moved by then is told all the same.
                Err(error) => {
                    done.broke_off = Some(error.to_string());
                    break;
                }
            };
            // The second time that one comes, all have been seen.
            let seen = batch.iter().all(|one| looked.contains(&one.id));
            let (wanted, rest): (Vec<_>, Vec<_>) = batch.into_iter().partition(|one| {
                let new = looked.insert(one.id.clone());
                new && looked.len() <= most && which.has(&Letter::of(one))
            });
            others.extend(rest);
            if seen {
                break;
            }
            let (ours, twice): (Vec<_>, Vec<_>) = wanted
                .into_iter()
                .partition(|one| bodies.insert(one.body.clone()));
            for one in twice {
                done.left.push((Letter::of(&one), TWICE.to_owned()));
                others.push(one);
            }
            // With its reason: the worker takes it for one that was tried before.
            let sent = ours.iter().map(async |one| {
                let reason = one.reason.as_deref().unwrap_or(REASON);
                let message = Outgoing {
                    body: one.body.clone(),
                    trace: one.trace.clone(),
                    group: Letter::of(one).source,
                };
                queue.send_with(&message, &[("reason", reason)]).await
            });
            let sent = join_all(sent).await;
            for (one, sent) in ours.into_iter().zip(sent) {
                let moved = match sent {
                    Ok(()) => letters
                        .remove(&one.receipt_handle)
                        .await
                        .map_err(|error| format!("it is in the queue, and here too: {error}")),
                    Err(error) => Err(error.to_string()),
                };
                let letter = Letter::of(&one);
                match moved {
                    Ok(()) => done.redriven.push(letter),
                    Err(why) => {
                        others.push(one);
                        done.left.push((letter, why));
                    }
                }
            }
        }
        done.hidden = put_back(letters, &others).await;
        if let Which::All = which {
            let unreadable = others
                .iter()
                .map(Letter::of)
                .filter(|one| one.job.is_none());
            let why = "it cannot be read, so that it would only come back";
            done.left
                .extend(unreadable.map(|letter| (letter, why.to_owned())));
        }
        if let Which::These(ids) = which
            && done.broke_off.is_none()
        {
            done.unknown = ids.difference(&looked).cloned().collect();
        }
        Ok(done)
    }

    /// Where dead letters lie; nowhere without a queue.
    fn letters(&self) -> Result<Option<&Queue>, String> {
        if self.dead_letters.is_none() && self.queue.is_some() {
            return Err("DEAD_LETTERS_URL is not set".to_owned());
        }
        Ok(self.dead_letters.as_ref())
    }
}

/// Receives messages, as long as more are wanted; with what was received, whether it is all there is.
async fn look(
    queue: &Queue,
    most: usize,
    wanted: impl Fn(&[Received]) -> bool,
) -> (Vec<Received>, Result<bool, CallError>) {
    let mut seen: Vec<Received> = Vec::new();
    while seen.len() < most && wanted(&seen) {
        match queue.receive(HIDDEN).await {
            Ok(batch) if batch.is_empty() => return (seen, Ok(true)),
            // The second time that one comes, all have been seen.
            Ok(batch)
                if batch
                    .iter()
                    .all(|one| seen.iter().any(|known| known.id == one.id)) =>
            {
                return (seen, Ok(true));
            }
            Ok(batch) => seen.extend(batch),
            Err(error) => return (seen, Err(error)),
        }
    }
    (seen, Ok(false))
}

/// Makes what was looked at visible again. Says why it could not.
async fn put_back(queue: &Queue, seen: &[Received]) -> Option<String> {
    let handles: Vec<_> = seen.iter().map(|one| one.receipt_handle.clone()).collect();
    returns::put_back(queue, &handles).await
}
