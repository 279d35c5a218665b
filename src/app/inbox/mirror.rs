//! How the mirror stands: what the last audits found, what is held and waits for a human, what waits in the queues, how late copies
//! are.

use super::super::App;
use super::super::audit::now;
use super::super::removals::{Noted, drop_file, files_of, keys_of, run_of};
use crate::clients::bucket::Bucket;
use crate::clients::queue::Depth;
use crate::domain::event::OriginRef;
use crate::domain::inbox::{FOLDER, NEWEST, rows};
use crate::domain::run::Run;
use crate::domain::source::Source;
use crate::domain::source::rule::BucketRule;
use crate::domain::trace::Trace;
use crate::error::WorkError;
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

/// Removals that wait for a human.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub removals: u64,
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// The audit that found them: who decides has seen what this one held, and no other.
    pub run: Uuid,
    /// The files that name them.
    files: Vec<Noted>,
}

/// An origin bucket and its backup, as the last audit found them.
#[derive(Clone, Debug)]
pub struct OriginState {
    /// Which.
    pub origin: OriginRef,
    /// The last audit; none where there was none yet.
    pub audit: Option<Run>,
    /// What it holds.
    pub held: Option<Held>,
    /// Why nothing is known of it, though there is something.
    pub unreadable: Option<String>,
}

/// What a human saw and decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The audit that held it.
    pub run: Uuid,
    /// How many removals were shown.
    pub removals: u64,
}

/// Why nothing was shown, or done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no such origin bucket.
    #[error("there is no origin bucket {0}")]
    Unknown(String),
    /// What is held is not what was shown.
    #[error("{0}")]
    Changed(String),
    /// Something failed.
    #[error("{0}")]
    Failed(String),
}

impl From<WorkError> for Refusal {
    fn from(error: WorkError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// How the mirror stands.
#[derive(Clone, Debug)]
pub struct MirrorState {
    /// A bucket each.
    pub origins: Vec<OriginState>,
    /// What waits in the queue; none without one.
    pub queue: Option<Depth>,
    /// Jobs that could not be done; none where they are not known.
    pub dead_letters: Option<u64>,
    /// Of the newest copies: when each was in place, in milliseconds since 1970, and how long after its original; newest first.
    pub lags: Vec<(u64, u64)>,
    /// How the newest attempts ended.
    pub outcomes: BTreeMap<&'static str, u64>,
}

/// What a human has decided on what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The copies may go; each is proven first.
    Approve,
    /// They stay. The next audit finds them anew.
    Reject,
}

impl App {
    /// How the mirror stands, as far as the state bucket and the queues tell.
    ///
    /// # Errors
    /// A sentence.
    pub async fn mirror_state(&self) -> Result<MirrorState, String> {
        let state = self.inbox()?;
        let mut origins = Vec::new();
        for (origin, rule) in self.origins_of_all() {
            let (audit, held, unreadable) = match stands(state, &origin, rule).await {
                Ok((audit, held)) => (audit, held, None),
                // The others are shown all the same.
                Err(WorkError::Unreadable(why)) => (None, None, Some(why)),
                Err(error) => return Err(error.to_string()),
            };
            origins.push(OriginState {
                origin,
                audit,
                held,
                unreadable,
            });
        }
        let newest = state.page(FOLDER, Some(NEWEST)).await;
        let (files, _) = newest.map_err(|error| error.to_string())?;
        let (mut lags, mut outcomes) = (Vec::new(), BTreeMap::new());
        for row in rows(files.iter().map(|file| file.key.as_str())) {
            for attempt in row.attempts.iter().rev() {
                lags.extend(attempt.lag_ms.map(|lag| (attempt.at(), lag)));
                *outcomes.entry(attempt.outcome).or_default() += 1;
            }
        }
        let queue = match &self.queue {
            Some(queue) => queue.depth().await.map(Some),
            None => Ok(None),
        };
        let dead_letters = match &self.dead_letters {
            Some(queue) => queue.depth().await.map(|depth| Some(depth.waiting)),
            None => Ok(None),
        };
        Ok(MirrorState {
            origins,
            queue: queue.map_err(|error| error.to_string())?,
            dead_letters: dead_letters.map_err(|error| error.to_string())?,
            lags,
            outcomes,
        })
    }

    /// Keys whose copies are held, `most` at most, and of how many; none where nothing is held.
    ///
    /// # Errors
    /// There is no such bucket; or its state could not be read.
    pub async fn held_keys(
        self: &Arc<Self>,
        of: &OriginRef,
        most: usize,
    ) -> Result<(Vec<String>, u64), Refusal> {
        let state = self.inbox().map_err(Refusal::Failed)?;
        let Some(held) = self.held_of(of).await? else {
            return Ok((Vec::new(), 0));
        };
        let mut keys = Vec::new();
        for file in &held.files {
            let found = keys_of(state, file).await?;
            keys.extend(found.map(|(keys, _)| keys).unwrap_or_default());
            if keys.len() >= most {
                keys.truncate(most);
                break;
            }
        }
        Ok((keys, held.removals))
    }

    /// Does what a human has decided on what is held of an origin bucket. Returns how many removals that was.
    ///
    /// # Errors
    /// There is no such bucket; what is held is not what was seen; or something failed.
    pub async fn decide(
        self: &Arc<Self>,
        of: &OriginRef,
        seen: Seen,
        decision: Decision,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<u64, Refusal> {
        let changed = |why: String| Err(Refusal::Changed(why));
        let Some(held) = self.held_of(of).await? else {
            return changed("nothing is held of this bucket any more".to_owned());
        };
        if held.run != seen.run {
            return changed("another audit has held others since: look at these first".to_owned());
        }
        if held.removals != seen.removals {
            return changed(format!(
                "{} removals are held, and {} were shown: look at them first",
                held.removals, seen.removals
            ));
        }
        if decision == Decision::Approve {
            let released = self.release(of, trace, deadline).await;
            return released.map_err(Refusal::Failed);
        }
        let state = self.inbox().map_err(Refusal::Failed)?;
        for file in &held.files {
            // Its keys are not wanted: one that cannot be read is rejected all the same.
            let found = state.read_up_to(&file.place, 0).await;
            if let Some((_, etag)) = found.map_err(WorkError::State)? {
                drop_file(state, &file.place, &etag).await?;
            }
        }
        tracing::warn!(
            source = of.source,
            object.bucket = of.origin,
            removals = held.removals,
            "held removals are rejected: the copies stay"
        );
        Ok(held.removals)
    }

    async fn held_of(&self, of: &OriginRef) -> Result<Option<Held>, Refusal> {
        let rule = self.origins_of_all().find(|(origin, _)| origin == of);
        let (_, rule) = rule.ok_or_else(|| Refusal::Unknown(of.id()))?;
        let state = self.inbox().map_err(Refusal::Failed)?;
        Ok(stands(state, of, rule).await?.1)
    }

    /// Every origin bucket of the settings, with its rule.
    fn origins_of_all(&self) -> impl Iterator<Item = (OriginRef, &BucketRule)> {
        self.sources.iter().flat_map(|(name, source)| {
            let buckets = match source {
                Source::S3(source) => Some(source.buckets.iter()),
                Source::Intdash(_) | Source::Generic(_) => None,
            };
            buckets.into_iter().flatten().map(|(origin, rule)| {
                let of = OriginRef {
                    source: name.clone(),
                    origin: origin.clone(),
                };
                (of, rule)
            })
        })
    }
}

/// The last audit of an origin bucket, and what it holds: files of removals that nobody has decided on.
async fn stands(
    state: &Bucket,
    of: &OriginRef,
    rule: &BucketRule,
) -> Result<(Option<Run>, Option<Held>), WorkError> {
    let Some((run, _)) = run_of(state, of).await? else {
        return Ok((None, None));
    };
    let by_rule = || rule.hold.holds(run.removals(), run.copies, run.keys);
    if !run.ended || !run.held.unwrap_or_else(by_rule) {
        return Ok((Some(run), None));
    }
    let files = files_of(state, of, &run).await?;
    let since = files.iter().map(|file| file.since).max();
    let held = since.map(|since| Held {
        removals: files.iter().map(|file| file.count).sum(),
        since: since.min(now()),
        run: run.id,
        files,
    });
    Ok((Some(run), held))
}
