//! Removals that an audit has found: how they are kept until they are done, and how the mirror is told to look.

use super::App;
use super::audit::now;
use crate::brake::{read_bytes, run_of};
use crate::clients::bucket::Bucket;
use crate::clients::state::FILE_MAX;
use crate::domain::audit::Listed;
use crate::domain::event::{ObjectRef, OriginRef};
use crate::domain::job::{Cause, Job};
use crate::domain::object::ETag;
use crate::domain::reconcile::Condition;
use crate::domain::run::Run;
use crate::error::WorkError;
use crate::receipt::Ended;
use std::sync::Arc;
use tokio::time::Instant;

/// What follows from the audit of one origin bucket.
pub(super) struct Hints<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) of: &'a OriginRef,
    pub(super) state: &'a Bucket,
    pub(super) cause: &'a Cause,
    pub(super) deadline: Instant,
}

/// A run, and the ETag of its file: none where it has no file yet.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) run: Run,
    pub(super) etag: Option<ETag>,
}

/// A file of removals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// Its place in the state bucket.
    pub(super) place: String,
    /// How many keys it has.
    pub(super) count: u64,
    /// When it was written, in seconds since 1970.
    pub(super) since: i64,
}

/// Keys of a file of removals take so many bytes, and one key more.
pub(super) fn file_bytes() -> usize {
    FILE_MAX.get() / 4
}

/// The files of removals of a run that are there, whose keys nobody has decided on or done.
pub(super) async fn files_of(
    state: &Bucket,
    of: &OriginRef,
    run: &Run,
) -> Result<Vec<Noted>, WorkError> {
    let (origin, mut found) = (of.id(), Vec::new());
    if run.written == 0 && run.files.is_empty() {
        return Ok(found);
    }
    let folder = run.folder(&origin);
    each_page(state, &folder, |page| {
        found.extend(page.into_iter().filter_map(|file| {
            let count = run.count_of(&origin, &file.key)?;
            let place = format!("{folder}{}", file.key);
            let since = file.last_modified;
            Some(Noted {
                place,
                count,
                since,
            })
        }));
        true
    })
    .await?;
    Ok(found)
}

/// All pages of a folder of the state bucket, until there are enough.
pub(super) async fn each_page(
    state: &Bucket,
    folder: &str,
    mut more: impl FnMut(Vec<Listed>) -> bool,
) -> Result<(), WorkError> {
    let mut after: Option<String> = None;
    loop {
        let page = state.page(folder, after.as_deref()).await;
        let (page, last) = page.map_err(WorkError::State)?;
        after = page.last().map(|file| file.key.clone());
        if !more(page) || last {
            return Ok(());
        }
    }
}

/// The keys that a file of removals has, and its ETag; none where it is gone: all of it was done.
pub(super) async fn keys_of(
    state: &Bucket,
    file: &Noted,
) -> Result<Option<(Vec<String>, ETag)>, WorkError> {
    let found = state.read_up_to(&file.place, read_bytes()).await;
    let Some((json, etag)) = found.map_err(WorkError::State)? else {
        return Ok(None);
    };
    let keys = serde_json::from_slice::<Vec<String>>(&json).ok();
    let keys = keys.filter(|keys| keys.len() as u64 == file.count);
    let keys = keys.ok_or_else(|| {
        WorkError::Unreadable(format!(
            "the file of removals {} is not one that this program wrote",
            file.place
        ))
    })?;
    Ok(Some((keys, etag)))
}

/// A file is done with.
pub(super) async fn drop_file(state: &Bucket, place: &str, etag: &ETag) -> Result<(), WorkError> {
    match state.remove_file(place, etag).await {
        Err(error) if error.moved() => Ok(()),
        removed => removed.map(drop).map_err(WorkError::State),
    }
}

/// Writes down how far a run has come. Says whether it did: where another worker has come first, that one goes on.
pub(super) async fn keep(
    state: &Bucket,
    of: &OriginRef,
    kept: &mut Kept,
    now: i64,
) -> Result<bool, WorkError> {
    let condition = kept.etag.clone();
    let condition = condition.map_or(Condition::Absent, Condition::Unchanged);
    kept.run.touched = Some(now);
    let place = Run::place(&of.id());
    match state
        .write_file(&place, kept.run.to_json(), &condition)
        .await
    {
        Err(error) if error.moved() => Ok(false),
        written => {
            kept.etag = Some(written.map_err(WorkError::State)?);
            Ok(true)
        }
    }
}

/// Moves the keys that wait in a run to a file: first the run says that it will be written. Says whether it did, as [`keep`].
pub(super) async fn note(
    state: &Bucket,
    of: &OriginRef,
    kept: &mut Kept,
    now: i64,
) -> Result<bool, WorkError> {
    if !kept.run.sealed {
        kept.run.sealed = true;
        if !keep(state, of, kept, now).await? {
            return Ok(false);
        }
    }
    let run = &mut kept.run;
    let place = format!("{}{}", run.folder(&of.id()), run.file());
    let json = serde_json::to_vec(&run.waiting).expect("strings");
    match state.write_file(&place, json, &Condition::Absent).await {
        // An earlier attempt wrote the same.
        Err(error) if error.moved() => {}
        written => drop(written.map_err(WorkError::State)?),
    }
    run.wrote();
    Ok(true)
}

impl App {
    /// How long ago the last audit began that came to its end, in seconds, of the origin bucket of which it is longest. A run
    /// that cannot be read fails its audit, and says nothing here.
    pub(super) async fn age_of_audits(&self, origins: &[OriginRef]) -> u64 {
        let mut oldest = 0;
        for of in origins {
            if let Some(state) = &self.state
                && let Ok(Some((run, _))) = run_of(state, of).await
            {
                oldest = oldest.max(run.age(now()));
            }
        }
        oldest
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
    pub(super) async fn hint(&self, keys: Vec<String>) -> Result<usize, WorkError> {
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
    pub(super) async fn remove(&self, run: &Run) -> Result<(u64, usize), WorkError> {
        let (mut all, mut failed) = (0, 0);
        for file in files_of(self.state, self.of, run).await? {
            let Some((keys, etag)) = keys_of(self.state, &file).await? else {
                continue;
            };
            all += file.count;
            match self.hint(keys).await? {
                0 => drop_file(self.state, &file.place, &etag).await?,
                some => failed += some,
            }
        }
        if !run.waiting.is_empty() {
            all += run.waiting.len() as u64;
            failed += self.hint(run.waiting.clone()).await?;
        }
        Ok((all, failed))
    }
}
