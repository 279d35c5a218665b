//! Removals that the brake holds one by one, and what a human decides on removals.

use super::App;
use super::audit::now;
use super::removals::{Hints, drop_file, each_page, files_of};
use crate::brake::Brake;
use crate::clients::bucket::Bucket;
use crate::domain::brake::{self, Became, Decided, HELD, KEPT};
use crate::domain::delivery::DeliveryId;
use crate::domain::event::{ObjectRef, OriginRef};
use crate::domain::job::Cause;
use crate::domain::notice::Notice;
use crate::domain::object::ETag;
use crate::domain::reconcile::Condition;
use crate::domain::run::Run;
use crate::domain::source::rule::BucketRule;
use crate::error::WorkError;
use crate::mirror::Mirrored;
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use thiserror::Error;

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

impl Refusal {
    /// What was shown may be held no longer, or more than that.
    pub(super) fn unless_shown(shown: u64, held: u64) -> Result<(), Self> {
        if shown == held {
            return Ok(());
        }
        let why = format!("{held} removals are held, and {shown} were shown: look at them first");
        Err(Self::Changed(why))
    }
}

/// Removals that the brake holds one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OneByOne {
    pub(super) count: u64,
    /// When the last of them was held, in seconds since 1970.
    pub(super) since: i64,
}

/// How many removals of an origin bucket are held one by one.
pub(super) async fn one_by_one(state: &Bucket, of: &OriginRef) -> Result<OneByOne, WorkError> {
    let mut found = OneByOne::default();
    each_page(state, &brake::folder(&of.id()), |page| {
        for file in page.iter().filter(|file| file.key.ends_with(HELD)) {
            found.count += 1;
            found.since = found.since.max(file.last_modified);
        }
        true
    })
    .await?;
    Ok(found)
}

/// A page of the removals that are held one by one: their keys, all files of these, and where the next one begins, if there is
/// one.
pub(super) struct HeldPage {
    pub(super) keys: Vec<String>,
    pub(super) files: Vec<(String, ETag)>,
    pub(super) next: Option<String>,
}

/// Gets a page of them, `most` at most, of those that were held by then, in seconds since 1970.
pub(super) async fn held_page(
    state: &Bucket,
    of: &OriginRef,
    after: Option<&str>,
    most: usize,
    until: i64,
) -> Result<HeldPage, WorkError> {
    let folder = brake::folder(&of.id());
    let page = state.page(&folder, after).await;
    let (page, last) = page.map_err(WorkError::State)?;
    let mut next = page.last().map(|file| file.key.clone());
    let (mut keys, mut files) = (Vec::new(), Vec::new());
    let mut left = last;
    for (at, file) in page.iter().enumerate() {
        if !file.key.ends_with(HELD) || file.last_modified > until {
            continue;
        }
        if keys.len() == most {
            next = Some(page[at - 1].key.clone());
            left = false;
            break;
        }
        let place = format!("{folder}{}", file.key);
        let key = match brake::key_of(&file.key) {
            Some(key) => key,
            None => {
                let found = state.read_file(&place).await.map_err(WorkError::State)?;
                let Some((json, _)) = found else { continue };
                serde_json::from_slice(&json).map_err(|_| {
                    let why =
                        format!("the held removal {place} is not one that this program wrote");
                    WorkError::Unreadable(why)
                })?
            }
        };
        keys.push(key);
        files.push((place, file.etag.clone()));
    }
    let next = next.filter(|_| !left);
    Ok(HeldPage { keys, files, next })
}

/// Whether the removal of this key is held by itself.
pub(super) async fn is_held(state: &Bucket, of: &OriginRef, key: &str) -> Result<bool, WorkError> {
    let prefix = format!("{}{}.", brake::folder(&of.id()), brake::name(key));
    let page = state.page(&prefix, None).await;
    let (page, _) = page.map_err(WorkError::State)?;
    Ok(page.iter().any(|file| HELD[1..] == file.key))
}

/// Files that are dropped, or made, at a time.
const AT_A_TIME: usize = 32;

/// Drops the files of removals that were held one by one; `refused`: they are held again whoever asks for them, else it is
/// forgotten that they ever were.
pub(super) async fn decided(
    state: &Bucket,
    files: Vec<(String, ETag)>,
    refused: bool,
) -> Result<(), WorkError> {
    let drops = stream::iter(files).map(async |(place, etag)| {
        let kept = format!("{}{KEPT}", place.trim_end_matches(HELD));
        if refused {
            let made = state.write_file(&kept, b"1".to_vec(), &Condition::Absent);
            match made.await {
                Err(error) if error.moved() => {}
                made => drop(made.map_err(WorkError::State)?),
            }
        } else if let Some((_, etag)) = state.read_file(&kept).await.map_err(WorkError::State)? {
            drop_file(state, &kept, &etag).await?;
        }
        drop_file(state, &place, &etag).await
    });
    drops.buffer_unordered(AT_A_TIME).try_collect().await
}

/// Notes what a human has decided: the page tells what became of it.
pub(super) async fn note_decision(
    state: &Bucket,
    of: &OriginRef,
    decided: &Decided,
) -> Result<(), WorkError> {
    let origin = of.id();
    if decided.approved {
        let place = brake::approval(&origin, DeliveryId(decided.id));
        let made = state.write_file(&place, b"1".to_vec(), &Condition::Absent);
        made.await.map_err(WorkError::State)?;
    }
    let place = brake::decision(&origin);
    let found = state.read_file(&place).await.map_err(WorkError::State)?;
    let condition = found.map_or(Condition::Absent, |(_, etag)| Condition::Unchanged(etag));
    let json = serde_json::to_vec(decided).expect("strings and numbers");
    match state.write_file(&place, json, &condition).await {
        // Somebody else decides at the same time: theirs is shown.
        Err(error) if error.moved() => Ok(()),
        written => written.map(drop).map_err(WorkError::State),
    }
}

/// Notes what became of a removal that a human has approved, so that the human is told.
pub(super) async fn became(
    brake: Option<Brake<'_>>,
    object: &ObjectRef,
    done: &Result<Mirrored, WorkError>,
) {
    let Some(brake) = brake else { return };
    let ended = done.as_ref().ok().map(|done| {
        let gone = done.fingerprint.is_none() && done.reason.is_none();
        (done.outcome, gone)
    });
    brake.became(&object.key, Became::of(ended)).boxed().await;
}

impl App {
    /// Tells subscribers that removals are held, of the first one of an hour.
    pub(super) async fn tell_of_held(
        &self,
        object: &ObjectRef,
        done: &Mirrored,
    ) -> Result<(), WorkError> {
        let (Some(topic), Some(gone)) = (&self.topic, done.first_held) else {
            return Ok(());
        };
        let (source, origin) = (object.source.clone(), object.origin.clone());
        let notice = Notice::of_brake(&OriginRef { source, origin }, gone);
        topic.publish(&notice).await.map_err(WorkError::Topic)
    }

    /// The brake for removals of an origin bucket; none without a state bucket.
    pub(super) fn brake<'a>(
        &'a self,
        of: &'a OriginRef,
        rule: &'a BucketRule,
        backup: &'a Bucket,
        cause: &Cause,
    ) -> Option<Brake<'a>> {
        self.state.as_ref().map(|state| Brake {
            state,
            backup,
            of,
            rule,
            memory: &self.brakes,
            delivery: cause.delivery,
            now: now(),
        })
    }
}

impl Hints<'_> {
    /// Has the mirror look at what the brake holds one by one, so many at most. Returns of how many, and of how many of them it
    /// failed.
    async fn remove_one_by_one(&self, held: OneByOne) -> Result<(u64, usize), WorkError> {
        let (mut all, mut failed, mut after) = (0, 0, None::<String>);
        while all < held.count {
            let room = usize::try_from(held.count - all).unwrap_or(usize::MAX);
            // What was held since was shown to nobody.
            let page = held_page(self.state, self.of, after.as_deref(), room, held.since);
            let page = page.await?;
            all += page.keys.len() as u64;
            match self.hint(page.keys).await? {
                0 => decided(self.state, page.files, false).await?,
                some => failed += some,
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok((all, failed))
    }

    /// Has the mirror remove what a human has approved: of an audit that is through, and of what is held one by one. Returns of
    /// how many keys, and of how many of them it failed.
    ///
    /// # Errors
    /// Not so many are held as were `shown`, if it is known how many were; the state bucket did not answer.
    pub(super) async fn approved(
        &self,
        run: Option<&Run>,
        held: OneByOne,
        shown: Option<u64>,
    ) -> Result<(u64, usize), Refusal> {
        let mut removals = held.count;
        if let Some(run) = run {
            let files = files_of(self.state, self.of, run).await?;
            removals += files.iter().map(|file| file.count).sum::<u64>();
        }
        if let Some(shown) = shown {
            Refusal::unless_shown(shown, removals)?;
        }
        let decided = Decided {
            id: self.cause.delivery.0,
            at: now(),
            approved: true,
            removals,
        };
        // Before anything follows from it: the brake asks for it.
        if removals > 0 {
            note_decision(self.state, self.of, &decided).await?;
        }
        let (mut all, mut failed) = self.remove_one_by_one(held).await?;
        if let Some(run) = run {
            let (more, worse) = self.remove(run).await?;
            (all, failed) = (all + more, failed + worse);
        }
        Ok((all, failed))
    }
}
