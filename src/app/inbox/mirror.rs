//! How the mirror stands: what the last audits found, what is held and waits for a human, what waits in the queues, how late copies
//! are.

use super::super::App;
use super::super::audit::now;
use crate::clients::queue::Depth;
use crate::domain::audit::Run;
use crate::domain::event::OriginRef;
use crate::domain::inbox::{FOLDER, NEWEST, rows};
use crate::domain::source::Source;
use crate::domain::source::rule::BucketRule;
use crate::domain::trace::Trace;
use std::collections::BTreeMap;
use std::sync::Arc;
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
    /// The files that name them, with how many each has.
    files: Vec<(String, u64)>,
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
            let audit = self.last_audit(&origin).await?;
            let held = match &audit {
                Some(run) => self.held(&origin, run, rule).await?,
                None => None,
            };
            origins.push(OriginState {
                origin,
                audit,
                held,
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
    /// A sentence.
    pub async fn held_keys(
        self: &Arc<Self>,
        of: &OriginRef,
        most: usize,
    ) -> Result<(Vec<String>, u64), String> {
        let Some(held) = self.held_of(of).await? else {
            return Ok((Vec::new(), 0));
        };
        let mut keys = Vec::new();
        for (file, _) in &held.files {
            let found = self.inbox()?.read_file(file).await;
            let found = found.map_err(|error| error.to_string())?;
            let more =
                found.and_then(|(json, _)| serde_json::from_slice::<Vec<String>>(&json).ok());
            keys.extend(more.unwrap_or_default());
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
    /// A sentence: nothing is held, or something failed.
    pub async fn decide(
        self: &Arc<Self>,
        of: &OriginRef,
        run: Uuid,
        decision: Decision,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<u64, String> {
        let held = self.held_of(of).await?;
        let held = held.ok_or("nothing is held of this bucket any more")?;
        if held.run != run {
            return Err("another audit has held others since: look at these first".to_owned());
        }
        if decision == Decision::Approve {
            return self.release(of, trace, deadline).await;
        }
        let state = self.inbox()?;
        for (file, _) in &held.files {
            let found = state.read_file(file).await;
            if let Some((_, etag)) = found.map_err(|error| error.to_string())? {
                let removed = state.remove_file(file, &etag).await;
                if let Err(error) = removed
                    && !error.moved()
                {
                    return Err(error.to_string());
                }
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

    async fn held_of(&self, of: &OriginRef) -> Result<Option<Held>, String> {
        let rule = self.origins_of_all().find(|(origin, _)| origin == of);
        let (_, rule) = rule.ok_or_else(|| format!("there is no origin bucket {}", of.id()))?;
        match self.last_audit(of).await? {
            Some(run) => self.held(of, &run, rule).await,
            None => Ok(None),
        }
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

    async fn last_audit(&self, of: &OriginRef) -> Result<Option<Run>, String> {
        let found = self.inbox()?.read_file(&Run::place(&of.id())).await;
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.and_then(|(json, _)| Run::from_json(&json)))
    }

    /// What a run holds: files of removals that nobody has decided on, where the rule says that they wait.
    async fn held(
        &self,
        of: &OriginRef,
        run: &Run,
        rule: &BucketRule,
    ) -> Result<Option<Held>, String> {
        let holds = run.ended && rule.hold.holds(run.removals(), run.copies, run.keys);
        if !holds || run.files.is_empty() {
            return Ok(None);
        }
        let folder = run.folder(&of.id());
        let there = self.inbox()?.page(&folder, None).await;
        let (there, _) = there.map_err(|error| error.to_string())?;
        let file = |name: &str| {
            there
                .iter()
                .find(|file| name == format!("{folder}{}", file.key))
        };
        let left = run
            .files
            .iter()
            .filter_map(|(name, count)| Some((file(name)?, name, *count)));
        let left: Vec<_> = left.collect();
        let since = left.iter().map(|(file, ..)| file.last_modified).max();
        Ok(since.map(|since| Held {
            removals: left.iter().map(|(.., count)| count).sum(),
            since: since.min(now()),
            run: run.id,
            files: left
                .iter()
                .map(|(_, name, count)| ((*name).clone(), *count))
                .collect(),
        }))
    }
}
