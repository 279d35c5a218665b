//! An origin bucket and its backup side by side, slice by slice: finds what no event told of. It decides nothing: every
//! difference is a hint to the mirror, and many removals at once wait for a human.

use super::App;
use super::sides::{Sides, Whose};
use crate::clients::bucket::Bucket;
use crate::domain::audit::{Finding, Join, Run, Told};
use crate::domain::bound::Bound;
use crate::domain::delivery::DeliveryId;
use crate::domain::event::{ObjectRef, OriginRef};
use crate::domain::job::{Cause, Job, Outcome};
use crate::domain::notice::Notice;
use crate::domain::object::ETag;
use crate::domain::reconcile::{Condition, Deletes};
use crate::domain::source::rule::BucketRule;
use crate::domain::trace::Trace;
use crate::error::WorkError;
use crate::receipt::Ended;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use uuid::Uuid;

/// Keys of a slice. What a death costs is looking at so many once more.
pub(super) static SLICE: Bound<u64> = Bound::new("audit.slice", 20_000);
/// A difference younger than this is left to its event, which may be on its way.
pub(super) const EVENTS_TAKE: Duration = Duration::from_secs(900);
/// What is left of the time for the last page, and for writing down how far it has come; of little time a quarter.
const MARGIN: Duration = Duration::from_secs(30);
/// A run that nobody went on with for so long, in seconds, is begun anew: what it has seen is no more true.
const STALE: i64 = 7 * 24 * 3600;

/// What follows from the audit of one origin bucket.
pub(super) struct Hints<'a> {
    app: &'a Arc<App>,
    of: &'a OriginRef,
    state: &'a Bucket,
    cause: &'a Cause,
    deadline: Instant,
}

/// One origin bucket and its backup, and where what follows goes.
struct Audit<'a> {
    hints: Hints<'a>,
    sides: Sides<'a>,
}

impl App {
    /// Carries the audit of an origin bucket on by one slice, or begins one.
    ///
    /// # Errors
    /// [`WorkError::Slice`] where another slice is to go on; whatever failed.
    pub(super) async fn audit(
        self: &Arc<Self>,
        of: &OriginRef,
        rule: &BucketRule,
        [origin, backup]: [&Bucket; 2],
        cause: &Cause,
        deadline: Instant,
    ) -> Result<Outcome, WorkError> {
        let audit = Audit {
            hints: self.hints(of, cause, deadline)?,
            sides: Sides {
                of,
                rule,
                origin,
                backup,
            },
        };
        audit.slice().await
    }

    /// A human has decided: the removals that the last audit of this origin bucket held are hints like any other.
    ///
    /// # Errors
    /// A sentence.
    pub async fn release(
        self: &Arc<Self>,
        of: &OriginRef,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<u64, String> {
        let cause = Cause::new(DeliveryId::of_ours(Uuid::now_v7()), trace);
        let hints = self.hints(of, &cause, deadline);
        let hints = hints.map_err(|error| error.to_string())?;
        let found = hints.state.read_file(&Run::place(&of.id())).await;
        let found = found.map_err(|error| error.to_string())?;
        let run = found.and_then(|(json, _)| Run::from_json(&json));
        let run = run.ok_or("there was no audit of this bucket")?;
        if !run.ended {
            return Err("an audit of this bucket is under way: what it finds will be held again, or removed".to_owned());
        }
        let removed = hints.remove(&run).await;
        let (removals, failed) = removed.map_err(|error| error.to_string())?;
        if failed > 0 {
            return Err(format!(
                "{failed} of {removals} removals failed, the log says why: release them once more"
            ));
        }
        tracing::warn!(delivery.id = %cause.delivery, trace = cause.trace_id(), source = of.source, object.bucket = of.origin, removals, run = %run.id, "held removals are released");
        Ok(removals)
    }

    pub(super) fn hints<'a>(
        self: &'a Arc<Self>,
        of: &'a OriginRef,
        cause: &'a Cause,
        deadline: Instant,
    ) -> Result<Hints<'a>, WorkError> {
        Ok(Hints {
            app: self,
            of,
            state: self.state.as_ref().ok_or(WorkError::NoState)?,
            cause,
            deadline,
        })
    }
}

impl Hints<'_> {
    /// Has the mirror look at these keys: through the queue where there is one, else at once. Returns how many of them are still
    /// to be looked at.
    async fn hint(&self, keys: Vec<String>) -> Result<usize, WorkError> {
        let jobs = keys.into_iter().map(|key| {
            let object = ObjectRef {
                source: self.of.source.clone(),
                origin: self.of.origin.clone(),
                key,
            };
            (Job::Mirror(object), self.cause.clone())
        });
        let jobs: Vec<_> = jobs.collect();
        let deadline = self.deadline;
        match &self.app.queue {
            Some(queue) => {
                let ended = super::queue::send(queue, jobs.into_iter(), deadline).await;
                let lost = ended.values().any(|ended| *ended != Ended::Queued);
                if lost {
                    return Err(WorkError::OutOfTime("a hint was not queued"));
                }
            }
            None => {
                let done = self.app.perform(jobs.into_iter(), deadline).await;
                return Ok(done.values().filter(|done| done.ended.is_err()).count());
            }
        }
        Ok(0)
    }

    /// Has the mirror look at what the origin lists no more. Returns how many keys, and of how many of them it failed. A file
    /// goes when all of it is done.
    async fn remove(&self, run: &Run) -> Result<(u64, usize), WorkError> {
        let (mut all, mut failed) = (0, 0);
        for (file, count) in &run.files {
            let Some((keys, etag)) = self.removals(file, *count).await? else {
                continue;
            };
            all += count;
            match self.hint(keys).await? {
                0 => self.removed(file, &etag).await?,
                some => failed += some,
            }
        }
        Ok((all, failed))
    }

    /// The keys that a file of removals has; none where all of it was done.
    pub(super) async fn removals(
        &self,
        file: &str,
        count: u64,
    ) -> Result<Option<(Vec<String>, ETag)>, WorkError> {
        let found = self.state.read_file(file).await;
        let Some((json, etag)) = found.map_err(WorkError::State)? else {
            return Ok(None);
        };
        let keys = serde_json::from_slice::<Vec<String>>(&json).ok();
        let keys = keys.filter(|keys| keys.len() as u64 == count);
        let keys = keys.ok_or(WorkError::NotOurs("a file of removals"))?;
        Ok(Some((keys, etag)))
    }

    /// All of a file of removals is done.
    pub(super) async fn removed(&self, file: &str, etag: &ETag) -> Result<(), WorkError> {
        match self.state.remove_file(file, etag).await {
            Err(error) if error.moved() => Ok(()),
            removed => removed.map(drop).map_err(WorkError::State),
        }
    }
}

impl Audit<'_> {
    async fn slice(&self) -> Result<Outcome, WorkError> {
        let place = Run::place(&self.hints.of.id());
        let found = self.hints.state.read_file(&place).await;
        let found = found.map_err(WorkError::State)?;
        let now = now();
        let mut run = found
            .as_ref()
            .and_then(|(json, _)| under_way(json, now))
            .unwrap_or_else(|| Run::new(Uuid::now_v7(), now));
        let mut told = 0;
        let left = self.hints.deadline - Instant::now();
        let stop = self.hints.deadline - MARGIN.min(left / 4);
        let mut join = Join::after(run.after.as_deref());
        while !join.ended() {
            self.sides.fill(&mut join).await?;
            told += self.compare(&mut join, &mut run, now).await?;
            if !join.ended() && (told >= SLICE.get() || Instant::now() >= stop) {
                return if self.keep(&place, &run, found).await? {
                    Err(WorkError::Slice(run.keys))
                } else {
                    Ok(Outcome::Unchanged)
                };
            }
        }
        let removals = run.removals();
        let held = self.sides.rule.hold.holds(removals, run.copies, run.keys);
        run.ended = true;
        // First what follows from it: a worker that dies in between does it again. What fails is logged, and the next audit
        // finds it again.
        if held {
            self.hold(&run).await?;
        } else {
            self.hints.remove(&run).await?;
        }
        if !self.keep(&place, &run, found).await? {
            return Ok(Outcome::Unchanged);
        }
        let Run {
            keys,
            copies,
            hints,
            missed,
            foreign,
            unreadable,
            ..
        } = run;
        // An origin that suddenly lists less has missed no event, perhaps.
        let (held_deletions, missed) = if held {
            (removals, missed)
        } else {
            (0, missed + removals)
        };
        self.hints.app.metrics.audit(missed, held_deletions);
        tracing::info!(delivery.id = %self.hints.cause.delivery, trace = self.hints.cause.trace_id(), source = self.hints.of.source, object.bucket = self.hints.of.origin, keys, copies, hints, missed, foreign, unreadable, removals, held, seconds = now - run.began, "audit");
        Ok(if held {
            Outcome::Held
        } else {
            Outcome::Audited
        })
    }

    /// Works off what the pages at hand say. Returns of how many keys.
    async fn compare(&self, join: &mut Join, run: &mut Run, now: i64) -> Result<u64, WorkError> {
        let (mut hints, mut extra, mut told) = (Vec::new(), Vec::new(), 0);
        let settled = now - i64::try_from(EVENTS_TAKE.as_secs()).unwrap_or(i64::MAX);
        while let Some(Told {
            key,
            finding,
            changed,
            ..
        }) = join.told()
        {
            told += 1;
            run.after = Some(key.clone());
            // What the rule leaves alone is not ours to judge.
            if !self.sides.rule.covers(&key) {
                continue;
            }
            run.keys += u64::from(finding != Finding::Extra);
            match finding {
                Finding::Alike => run.copies += 1,
                Finding::Extra => extra.push(key),
                Finding::Missing | Finding::Different | Finding::Doubtful => {
                    run.copies += u64::from(finding != Finding::Missing);
                    if changed.is_some_and(|changed| changed <= settled) {
                        run.missed += u64::from(finding != Finding::Doubtful);
                        hints.push(key);
                    }
                }
            }
        }
        run.hints += hints.len() as u64;
        let removals = self.ours(extra, run).await?;
        run.copies += removals.len() as u64;
        if self.sides.rule.deletes == Deletes::Mirror && !removals.is_empty() {
            let file = run.file(&self.hints.of.id(), Uuid::now_v7());
            let json = serde_json::to_vec(&removals).expect("strings");
            let state = self.hints.state;
            let written = state.write_file(&file, json, &Condition::Absent).await;
            written.map_err(WorkError::State)?;
            run.files.push((file, removals.len() as u64));
        }
        // What fails is logged, and the next audit finds it again.
        self.hints.hint(hints).await?;
        Ok(told)
    }

    /// Which of these copies without an original are marked as copies of this origin. One that cannot be looked at is left
    /// alone, and stops nothing.
    async fn ours(&self, extra: Vec<String>, run: &mut Run) -> Result<Vec<String>, WorkError> {
        let mut ours = Vec::new();
        for (key, whose) in self.sides.whose(extra).await? {
            match whose {
                Whose::Ours => ours.push(key),
                Whose::Foreign => run.foreign += 1,
                Whose::Nobodys => {}
                Whose::Unreadable(error) => {
                    tracing::warn!(delivery.id = %self.hints.cause.delivery, object.bucket = self.hints.of.origin, object.key = key, %error, "a copy could not be looked at");
                    run.unreadable += 1;
                }
            }
        }
        Ok(ours)
    }

    /// Tells a human, who decides.
    async fn hold(&self, run: &Run) -> Result<(), WorkError> {
        let (removals, copies, keys) = (run.removals(), run.copies, run.keys);
        let Hints { app, of, cause, .. } = &self.hints;
        tracing::warn!(delivery.id = %cause.delivery, trace = cause.trace_id(), source = of.source, object.bucket = of.origin, removals, copies, keys, run = %run.id, "removals are held");
        let Some(topic) = &app.topic else {
            return Ok(());
        };
        let notice = Notice::of_held(of, removals, copies, keys);
        topic.publish(&notice).await.map_err(WorkError::Topic)
    }

    /// Writes down how far it has come. Says whether it did: where another worker has come first, that one goes on.
    async fn keep(
        &self,
        place: &str,
        run: &Run,
        before: Option<(Vec<u8>, ETag)>,
    ) -> Result<bool, WorkError> {
        let condition = before.map_or(Condition::Absent, |(_, etag)| Condition::Unchanged(etag));
        match self
            .hints
            .state
            .write_file(place, run.to_json(), &condition)
            .await
        {
            Err(error) if error.moved() => Ok(false),
            written => written.map(|_| true).map_err(WorkError::State),
        }
    }
}

/// The run that a file of the state bucket has, if it is to be gone on with.
pub(super) fn under_way(json: &[u8], now: i64) -> Option<Run> {
    Run::from_json(json).filter(|run| !run.ended && run.began.saturating_add(STALE) > now)
}

/// In seconds since 1970.
pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}
