//! How the mirror stands: what the last audits found, what is held and waits for a human, what waits in the queues, how late copies
//! are.

use super::super::App;
use super::super::audit::now;
use super::super::held::{Refusal, decided, held_page, note_decision, one_by_one};
use super::super::removals::{Noted, drop_file, each_page, files_of, keys_of};
use crate::brake::run_of;
use crate::clients::bucket::Bucket;
use crate::clients::queue::Depth;
use crate::domain::brake::{self, Decided, Results};
use crate::domain::delivery::DeliveryId;
use crate::domain::event::OriginRef;
use crate::domain::inbox::{FOLDER, NEWEST, rows};
use crate::domain::run::Run;
use crate::domain::source::Source;
use crate::domain::source::rule::BucketRule;
use crate::domain::trace::Trace;
use crate::error::WorkError;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;
use uuid::Uuid;

/// Pages of what became of approved removals that are counted when somebody looks: beyond them it is said to be going on.
const RESULT_PAGES: u32 = 200;

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
    /// How many of them no file names: the brake holds them one by one.
    one_by_one: u64,
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
    /// What a human decided last, and what became of it.
    pub decided: Option<(Decided, Results)>,
}

/// What a human saw and decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The audit that held it.
    pub run: Uuid,
    /// How many removals were shown.
    pub removals: u64,
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
            let shown = async {
                let (audit, held) = stands(state, &origin, rule).await?;
                Ok::<_, WorkError>((audit, held, decision(state, &origin).await?))
            };
            let (audit, held, decided, unreadable) = match shown.await {
                Ok((audit, held, decided)) => (audit, held, decided, None),
                // The others are shown all the same.
                Err(WorkError::Unreadable(why)) => (None, None, None, Some(why)),
                Err(error) => return Err(error.to_string()),
            };
            origins.push(OriginState {
                origin,
                audit,
                held,
                unreadable,
                decided,
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
                break;
            }
        }
        let mut after = None::<String>;
        while held.one_by_one > 0 && keys.len() < most {
            let room = most - keys.len();
            let page = held_page(state, of, after.as_deref(), room, i64::MAX).await?;
            keys.extend(page.keys);
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        keys.truncate(most);
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
        Refusal::unless_shown(seen.removals, held.removals)?;
        if decision == Decision::Approve {
            return self.release(of, Some(seen.removals), trace, deadline).await;
        }
        let state = self.inbox().map_err(Refusal::Failed)?;
        for file in &held.files {
            // Its keys are not wanted: one that cannot be read is rejected all the same.
            let found = state.read_up_to(&file.place, 1).await;
            if let Some((_, etag)) = found.map_err(WorkError::State)? {
                drop_file(state, &file.place, &etag).await?;
            }
        }
        let (mut left, mut after) = (held.one_by_one, None::<String>);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let page = held_page(state, of, after.as_deref(), most, i64::MAX).await?;
            left -= page.keys.len() as u64;
            decided(state, page.files, true).await?;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let noted = Decided {
            id: Uuid::now_v7(),
            at: now(),
            approved: false,
            removals: held.removals,
        };
        note_decision(state, of, &noted).await?;
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
    let run = run_of(state, of).await?.map(|(run, _)| run);
    let by_audit = run.as_ref().filter(|run| {
        let by_rule = || rule.hold.holds(run.removals(), run.copies, run.keys);
        run.ended && run.held.unwrap_or_else(by_rule)
    });
    let files = match by_audit {
        Some(run) => files_of(state, of, run).await?,
        None => Vec::new(),
    };
    let one_by_one = one_by_one(state, of).await?;
    let since = files.iter().map(|file| file.since).max();
    let removals = files.iter().map(|file| file.count).sum::<u64>() + one_by_one.count;
    let held = (removals > 0).then(|| Held {
        removals,
        since: since.unwrap_or_default().max(one_by_one.since).min(now()),
        run: run.as_ref().map_or(Uuid::nil(), |run| run.id),
        files,
        one_by_one: one_by_one.count,
    });
    Ok((run, held))
}

/// The last decision on removals of an origin bucket, and what became of them.
async fn decision(state: &Bucket, of: &OriginRef) -> Result<Option<(Decided, Results)>, WorkError> {
    let found = state.read_file(&brake::decision(&of.id())).await;
    let Some((json, _)) = found.map_err(WorkError::State)? else {
        return Ok(None);
    };
    let decided: Decided = serde_json::from_slice(&json).map_err(|_| {
        WorkError::Unreadable("the last decision is not one that this program wrote".to_owned())
    })?;
    let (mut results, mut pages) = (Results::default(), 0);
    if decided.approved {
        let folder = brake::results(&of.id(), DeliveryId(decided.id));
        each_page(state, &folder, |page| {
            page.iter().for_each(|file| results.add(&file.key));
            pages += 1;
            pages < RESULT_PAGES
        })
        .await?;
    }
    Ok(Some((decided, results)))
}
