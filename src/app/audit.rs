//! An origin bucket and its backup side by side, slice by slice: finds what no event told of. It decides nothing: every
//! difference is a hint to the mirror, and many removals at once wait for a human.

use super::App;
use super::held::{Refusal, held_page, is_held, one_by_one};
use super::removals::{Hints, Kept, file_bytes, keep, note};
use super::sides::{Sides, Whose};
use crate::brake::run_of;
use crate::clients::bucket::Bucket;
use crate::domain::audit::{Finding, Join, Told};
use crate::domain::bound::Bound;
use crate::domain::delivery::DeliveryId;
use crate::domain::event::OriginRef;
use crate::domain::job::{Cause, Outcome};
use crate::domain::notice::Notice;
use crate::domain::reconcile::Deletes;
use crate::domain::run::{Run, bytes_of};
use crate::domain::source::rule::BucketRule;
use crate::domain::trace::Trace;
use crate::error::WorkError;
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

/// One origin bucket and its backup, and where what follows goes.
struct Audit<'a> {
    hints: Hints<'a>,
    sides: Sides<'a>,
    /// Whether the brake held removals one by one when it began.
    holds: bool,
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
        let hints = self.hints(of, cause, deadline)?;
        let held = held_page(hints.state, of, None, 1, i64::MAX).await?;
        let audit = Audit {
            hints,
            holds: !held.keys.is_empty() || held.next.is_some(),
            sides: Sides {
                of,
                rule,
                origin,
                backup,
            },
        };
        audit.slice().await
    }

    /// A human has decided: the removals that are held of this origin bucket are hints like any other. `shown` is how many the human
    /// has seen.
    ///
    /// # Errors
    /// Not so many are held; something failed.
    pub async fn release(
        self: &Arc<Self>,
        of: &OriginRef,
        shown: Option<u64>,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<u64, Refusal> {
        let cause = Cause::new(DeliveryId::of_ours(Uuid::now_v7()), trace);
        let hints = self.hints(of, &cause, deadline)?;
        let held = one_by_one(hints.state, of).await?;
        let run = match run_of(hints.state, of).await? {
            // What an audit did not hold is none of a human's.
            Some((run, _)) if run.ended => Some(run).filter(|run| run.held != Some(false)),
            _ if held.count > 0 => None,
            Some(_) => {
                let why = "an audit of this bucket is under way: what it finds will be held again, or removed";
                return Err(Refusal::Failed(why.to_owned()));
            }
            None => {
                return Err(Refusal::Failed(
                    "there was no audit of this bucket".to_owned(),
                ));
            }
        };
        let (removals, failed) = hints.approved(run.as_ref(), held, shown).await?;
        if failed > 0 {
            return Err(Refusal::Failed(format!(
                "{failed} of {removals} removals failed, the log says why: release them once more"
            )));
        }
        tracing::warn!(delivery.id = %cause.delivery, trace = cause.trace_id(), source = of.source, object.bucket = of.origin, removals, "held removals are released");
        Ok(removals)
    }
}

impl Audit<'_> {
    async fn slice(&self) -> Result<Outcome, WorkError> {
        let (state, of, now) = (self.hints.state, self.hints.of, now());
        let (found, etag) = run_of(state, of).await?.unzip();
        let mut kept = Kept {
            run: Run::at(found, Uuid::now_v7(), now),
            etag,
        };
        let mut told = 0;
        let left = self.hints.deadline - Instant::now();
        let stop = self.hints.deadline - MARGIN.min(left / 4);
        let mut join = kept.run.join();
        // A worker died before it had written what it had said that it would.
        if kept.run.sealed && !note(state, of, &mut kept, now).await? {
            return Ok(Outcome::Unchanged);
        }
        while !join.ended() {
            self.sides.fill(&mut join).await?;
            told += self.compare(&mut join, &mut kept.run, now).await?;
            let full = kept.run.waiting_bytes() >= file_bytes();
            let enough = told >= SLICE.get() || Instant::now() >= stop;
            if full || enough {
                told += self.rest(&mut join, &mut kept.run, now).await?;
            }
            if full && !note(state, of, &mut kept, now).await? {
                return Ok(Outcome::Unchanged);
            }
            if !join.ended() && enough {
                return if keep(state, of, &mut kept, now).await? {
                    Err(WorkError::Slice(kept.run.keys))
                } else {
                    Ok(Outcome::Unchanged)
                };
            }
        }
        kept.run.came_to(&join);
        let (removals, began) = (kept.run.removals(), kept.run.began);
        let Run { copies, keys, .. } = kept.run;
        let held = self.sides.rule.hold.holds(removals, copies, keys);
        // First what follows from it: a worker that dies in between does it again. What fails is logged, and the next audit
        // finds it again.
        if held {
            if !kept.run.waiting.is_empty() && !note(state, of, &mut kept, now).await? {
                return Ok(Outcome::Unchanged);
            }
            self.hold(&kept.run).await?;
        } else {
            self.hints.remove(&kept.run).await?;
            kept.run.waiting.clear();
        }
        kept.run.ended = true;
        kept.run.held = Some(held);
        if !keep(state, of, &mut kept, now).await? {
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
        } = kept.run;
        // An origin that suddenly lists less has missed no event, perhaps.
        let (held_deletions, missed) = if held {
            (removals, missed)
        } else {
            (0, missed + removals)
        };
        self.hints.app.metrics.audit(missed, held_deletions);
        tracing::info!(delivery.id = %self.hints.cause.delivery, trace = self.hints.cause.trace_id(), source = self.hints.of.source, object.bucket = self.hints.of.origin, keys, copies, hints, missed, foreign, unreadable, removals, held, seconds = now - began, "audit");
        Ok(if held {
            Outcome::Held
        } else {
            Outcome::Audited
        })
    }

    /// Works off what the pages at hand say. Returns of how many keys.
    async fn compare(&self, join: &mut Join, run: &mut Run, now: i64) -> Result<u64, WorkError> {
        let (mut hints, mut extra, mut missing, mut told) = (Vec::new(), Vec::new(), Vec::new(), 0);
        // As many as a file has room for, since what is told is written down as a whole.
        let mut room = file_bytes();
        let settled = now - i64::try_from(EVENTS_TAKE.as_secs()).unwrap_or(i64::MAX);
        let mut judge = |run: &mut Run, key: String, finding: &Finding, changed: Option<i64>| {
            let (missing, alike) = (*finding == Finding::Missing, *finding == Finding::Alike);
            run.copies += u64::from(!missing);
            if !alike && changed.is_some_and(|changed| changed <= settled) {
                run.missed += u64::from(*finding != Finding::Doubtful);
                hints.push(key);
            }
        };
        while room > 0
            && let Some(Told {
                key,
                finding,
                changed,
                listed,
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
                Finding::Extra => {
                    room = room.saturating_sub(bytes_of(&key));
                    extra.push(key);
                }
                Finding::Missing => missing.push(listed),
                finding => judge(run, key, &finding, changed),
            }
        }
        let found = self.sides.found(missing.clone()).await?;
        for (listed, finding) in missing.into_iter().zip(found) {
            judge(run, listed.key, &finding, Some(listed.last_modified));
        }
        run.hints += hints.len() as u64;
        let removals = self.ours(extra, run).await?;
        run.copies += removals.len() as u64;
        if self.sides.rule.deletes == Deletes::Mirror {
            for key in removals {
                // What the brake holds already waits for the same human.
                if !(self.holds && is_held(self.hints.state, self.hints.of, &key).await?) {
                    run.waiting.push(key);
                }
            }
        }
        // What fails is logged, and the next audit finds it again.
        self.hints.hint(hints).await?;
        Ok(told)
    }

    /// Works off all that waits, where one listing is not in order: no key says how far they have come. Returns of how many keys.
    async fn rest(&self, join: &mut Join, run: &mut Run, now: i64) -> Result<u64, WorkError> {
        let mut told = 0;
        if join.unsorted() {
            join.drain();
            while join.waits() {
                told += self.compare(join, run, now).await?;
            }
            run.came_to(join);
        }
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
}

/// In seconds since 1970.
pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}
