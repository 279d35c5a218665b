//! The first audit of an origin bucket, here and now: what it finds is mirrored in this process, many keys at a time, and told as
//! it goes. It decides no more than an audit does, and goes on where one has come to.

use super::super::App;
use super::super::audit::{SLICE, now};
use super::super::removals::{Kept, drop_file, file_bytes, files_of, keep, keys_of, note};
use super::super::sides::{Sides, Whose};
use crate::brake::run_of;
use crate::clients::bucket::Bucket;
use crate::domain::audit::{Finding, Join};
use crate::domain::delivery::DeliveryId;
use crate::domain::event::{ObjectRef, OriginRef};
use crate::domain::job::{Cause, Job, Outcome};
use crate::domain::reconcile::Deletes;
use crate::domain::run::{Run, bytes_of};
use crate::error::WorkError;
use futures_util::stream::{self, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

/// How long one attempt at an object may take; a large one goes on with the next.
const OBJECT_TIMEOUT: Duration = Duration::from_secs(3600);

/// What is told while it goes on.
#[derive(Debug)]
pub enum Progress<'a> {
    /// So much more there is to be looked at: objects, and the bytes of them.
    Found(u64, u64),
    /// All that there is has been told.
    Surveyed,
    /// A key is right.
    Done(u64, Outcome),
    /// A key is not.
    Failed(&'a str, u64, &'a WorkError),
}

/// Whom it is told to.
pub type Watch<'a> = &'a (dyn Fn(Progress<'_>) + Send + Sync);

/// What became of the copies without an original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removals {
    /// There were none.
    #[default]
    None,
    /// The mirror looked at them.
    Done(u64),
    /// They are too many, and wait for a human.
    Held(u64),
    /// They are the next audit's: this run was stopped, or has failures, or has no state bucket to note them in.
    Left(u64),
}

/// How it ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filled {
    /// Keys of the origin that were compared, with those of the run that was gone on with.
    pub keys: u64,
    /// Keys that failed.
    pub failed: u64,
    /// Objects under the prefix that are nobody's copy of this origin.
    pub foreign: u64,
    /// Copies without an original.
    pub removals: Removals,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// Whether it went on with a run that had been begun.
    pub resumed: bool,
}

struct Filling<'a> {
    app: &'a Arc<App>,
    sides: Sides<'a>,
    cause: Cause,
    stop: &'a AtomicBool,
    watch: Watch<'a>,
    failed: AtomicU64,
}

impl App {
    /// Whether a backfill removes copies whose original is gone: it notes them in the state bucket before.
    #[must_use]
    pub fn removes(&self) -> bool {
        self.state.is_some()
    }

    /// Has the mirror make right whatever the listings of an origin bucket and its backup say is not, `at_a_time` keys at a time.
    /// `stop` ends it after the keys in hand. The app must have no queue.
    ///
    /// # Errors
    /// A listing failed, or the state bucket. What is right by then stays so.
    pub async fn backfill(
        self: &Arc<Self>,
        of: &OriginRef,
        at_a_time: usize,
        stop: &AtomicBool,
        watch: Watch<'_>,
    ) -> Result<Filled, WorkError> {
        let reached = self.reach(of).await?;
        let filling = Filling {
            app: self,
            sides: Sides {
                of,
                rule: reached.rule,
                origin: &reached.origin,
                backup: reached.backup,
            },
            cause: Cause::new(DeliveryId::of_ours(Uuid::now_v7()), None),
            stop,
            watch,
            failed: AtomicU64::new(0),
        };
        let found = match &self.state {
            Some(state) => run_of(state, of).await?,
            None => None,
        };
        let (found, etag) = found.unzip();
        let resumed = found.as_ref().is_some_and(|run| run.goes_on(now()));
        let kept = Kept {
            run: Run::at(found, Uuid::now_v7(), now()),
            etag,
        };
        let survey = filling.survey(kept.run.join());
        let fill = filling.fill(at_a_time.max(1), kept);
        let fill = std::pin::pin!(fill);
        let mut fill = fill;
        let filled = tokio::select! {
            biased;
            filled = &mut fill => filled,
            () = survey => fill.await,
        };
        filled.map(|filled| Filled { resumed, ..filled })
    }
}

impl Filling<'_> {
    /// Counts what there is to do, ahead of the work. Should it fail, so will the work, which says why.
    async fn survey(&self, mut join: Join) {
        while !join.ended() {
            if self.sides.fill(&mut join).await.is_err() {
                return;
            }
            let (mut objects, mut bytes) = (0, 0);
            while let Some(told) = join.told() {
                if hints(told.finding.clone()) && self.sides.rule.covers(&told.key) {
                    objects += 1;
                    bytes += told.size;
                }
            }
            (self.watch)(Progress::Found(objects, bytes));
        }
        (self.watch)(Progress::Surveyed);
    }

    /// Slice after slice: both listings are walked through while the mirror works off what they say.
    async fn fill(&self, at_a_time: usize, mut kept: Kept) -> Result<Filled, WorkError> {
        let mut join = kept.run.join();
        // Of keys before a failure nothing is kept: the next run looks at them again.
        let mut state = self.app.state.as_ref();
        let mut unnoted = 0;
        if kept.run.sealed {
            state = self.noted(state, &mut kept).await?;
        }
        while !join.ended() && !self.stopped() {
            let (hints, mut work) = mpsc::channel(at_a_time);
            let walk = self.walk(&mut join, &mut kept.run, hints);
            let work = stream::poll_fn(|context| work.poll_recv(context));
            let work = work.for_each_concurrent(at_a_time, |(key, size)| self.mirror(key, size));
            let (walked, ()) = tokio::join!(walk, work);
            walked?;
            let failed = self.failed.load(Ordering::Relaxed) > 0;
            if state.is_some() && !failed && kept.run.waiting_bytes() >= file_bytes() {
                state = self.noted(state, &mut kept).await?;
            }
            match state {
                Some(at) if !failed => {
                    // An audit may work on the same run: what it notes stands, and this run only copies.
                    // Stopped in the middle of what is not in order it has not come anywhere.
                    let rests = !(join.unsorted() && join.waits());
                    if !join.ended() && rests && !keep(at, self.sides.of, &mut kept, now()).await? {
                        state = None;
                    }
                }
                // They are the next audit's.
                _ => unnoted += std::mem::take(&mut kept.run.waiting).len() as u64,
            }
        }
        kept.run.came_to(&join);
        let failed = self.failed.load(Ordering::Relaxed);
        let stopped = !join.ended();
        let count = kept.run.removals() + unnoted;
        let removals = match state {
            _ if count == 0 => Removals::None,
            Some(_) if failed == 0 && !stopped => {
                let Run { copies, keys, .. } = kept.run;
                let held = self.sides.rule.hold.holds(count, copies, keys);
                kept.run.held = Some(held);
                if held {
                    if !kept.run.waiting.is_empty() {
                        state = self.noted(state, &mut kept).await?;
                    }
                    Removals::Held(count)
                } else {
                    Removals::Done(self.remove(&kept.run, at_a_time).await?)
                }
            }
            _ => Removals::Left(count),
        };
        // Removals among them.
        let failed = self.failed.load(Ordering::Relaxed);
        if let Some(state) = state.filter(|_| failed == 0 && !stopped) {
            kept.run.ended = true;
            kept.run.waiting.clear();
            keep(state, self.sides.of, &mut kept, now()).await?;
        }
        Ok(Filled {
            keys: kept.run.keys,
            failed,
            foreign: kept.run.foreign,
            removals,
            stopped,
            resumed: false,
        })
    }

    /// Moves the removals that wait in the run to a file. Returns the state bucket, or none where an audit has gone on with the
    /// run meanwhile.
    async fn noted<'s>(
        &self,
        state: Option<&'s Bucket>,
        kept: &mut Kept,
    ) -> Result<Option<&'s Bucket>, WorkError> {
        let Some(at) = state else { return Ok(None) };
        let noted = note(at, self.sides.of, kept, now()).await?;
        Ok(state.filter(|_| noted))
    }

    /// Makes right what the origin lists no more. Returns of how many keys that went well; a file goes when all of it did.
    async fn remove(&self, run: &Run, at_a_time: usize) -> Result<u64, WorkError> {
        let state = self.app.state.as_ref().ok_or(WorkError::NoState)?;
        let mut done = self.mirror_all(run.waiting.clone(), at_a_time).await.0;
        for file in files_of(state, self.sides.of, run).await? {
            let Some((keys, etag)) = keys_of(state, &file).await? else {
                continue;
            };
            let (well, failed) = self.mirror_all(keys, at_a_time).await;
            done += well;
            if failed == 0 {
                drop_file(state, &file.place, &etag).await?;
            }
        }
        Ok(done)
    }

    /// Makes these keys right. Returns of how many that went well, and of how many not.
    async fn mirror_all(&self, keys: Vec<String>, at_a_time: usize) -> (u64, u64) {
        let (all, before) = (keys.len() as u64, self.failed.load(Ordering::Relaxed));
        let work = stream::iter(keys);
        work.for_each_concurrent(at_a_time, |key| self.mirror(key, 0))
            .await;
        let failed = self.failed.load(Ordering::Relaxed) - before;
        (all - failed, failed)
    }

    /// A slice of both listings: hands what is to be looked at to the mirror, as fast as that takes it.
    async fn walk(
        &self,
        join: &mut Join,
        run: &mut Run,
        hinted: mpsc::Sender<(String, u64)>,
    ) -> Result<(), WorkError> {
        let mut told = 0;
        while !join.ended()
            && told < SLICE.get()
            && run.waiting_bytes() < file_bytes()
            && !self.stopped()
        {
            self.sides.fill(join).await?;
            told += self.tell(join, run, &hinted).await?;
        }
        // No key says how far listings have come that are not in order.
        if join.unsorted() && !self.stopped() {
            join.drain();
            while join.waits() && !self.stopped() {
                self.tell(join, run, &hinted).await?;
            }
            run.came_to(join);
        }
        Ok(())
    }

    /// Hands over what the pages at hand say. Returns of how many keys.
    async fn tell(
        &self,
        join: &mut Join,
        run: &mut Run,
        hinted: &mpsc::Sender<(String, u64)>,
    ) -> Result<u64, WorkError> {
        let (mut extra, mut told) = (Vec::new(), 0);
        let mut room = file_bytes();
        while room > 0
            && !self.stopped()
            && let Some(next) = join.told()
        {
            told += 1;
            run.after = Some(next.key.clone());
            if !self.sides.rule.covers(&next.key) {
                continue;
            }
            if next.finding == Finding::Extra {
                room = room.saturating_sub(bytes_of(&next.key));
                extra.push(next.key);
                continue;
            }
            run.keys += 1;
            run.copies += u64::from(next.finding != Finding::Missing);
            if hints(next.finding) {
                run.hints += 1;
                // The other end lives as long as this does.
                let _ = hinted.send((next.key, next.size)).await;
            }
        }
        self.extra(extra, run).await?;
        Ok(told)
    }

    /// Notes the copies without an original, as an audit does.
    async fn extra(&self, extra: Vec<String>, run: &mut Run) -> Result<(), WorkError> {
        let mut ours = Vec::new();
        for (key, whose) in self.sides.whose(extra).await? {
            match whose {
                Whose::Ours => ours.push(key),
                Whose::Foreign => run.foreign += 1,
                Whose::Unreadable(_) => run.unreadable += 1,
                Whose::Nobodys => {}
            }
        }
        run.copies += ours.len() as u64;
        if self.sides.rule.deletes == Deletes::Mirror {
            run.waiting.extend(ours);
        }
        Ok(())
    }

    /// Makes one key right, however many attempts a large object takes, as long as each carries some of it over.
    async fn mirror(&self, key: String, size: u64) {
        let object = ObjectRef {
            source: self.sides.of.source.clone(),
            origin: self.sides.of.origin.clone(),
            key,
        };
        let job = Job::Mirror(object.clone());
        let done = loop {
            let deadline = Instant::now() + OBJECT_TIMEOUT;
            let jobs = std::iter::once((job.clone(), self.cause.clone()));
            let done = self.app.perform(jobs, deadline).await.into_values().next();
            match done.map_or(Err(WorkError::Panicked), |done| done.ended) {
                Err(left) if left.goes_on() && !self.stopped() => {}
                done => break done,
            }
        };
        match done {
            Ok(outcome) => (self.watch)(Progress::Done(size, outcome)),
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                (self.watch)(Progress::Failed(&object.key, size, &error));
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Whether the mirror is told to look at such a key.
fn hints(finding: Finding) -> bool {
    matches!(
        finding,
        Finding::Missing | Finding::Different | Finding::Doubtful
    )
}
