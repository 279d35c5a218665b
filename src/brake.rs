//! The brake for removals: who may remove a copy now, and what is held instead (`domain/brake.rs`). Where the state bucket does
//! not answer nothing is removed: the job fails, and comes again.

use crate::clients::bucket::Bucket;
use crate::clients::state::FILE_MAX;
use crate::domain::brake::{self, Became, HELD, KEPT};
use crate::domain::delivery::DeliveryId;
use crate::domain::event::OriginRef;
use crate::domain::object::{ETag, KEY_MAX};
use crate::domain::reconcile::Condition;
use crate::domain::run::Run;
use crate::domain::source::rule::BucketRule;
use crate::error::WorkError;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

/// The file of an hour that says how many slots it has.
const MOST: &str = "most";
/// So many slots are listed to find a free one; where there are more, some are tried.
const LISTED: u64 = 5_000;
/// Causes of removals that are remembered.
const REMEMBERED: usize = 64;
/// How often a slot is tried for.
const ROUNDS: u64 = 16;

/// What the process remembers of how many copies of a bucket may go.
#[derive(Debug, Default)]
pub struct Memory {
    /// By origin bucket: of which hour, and how many.
    most: Mutex<HashMap<String, (String, u64)>>,
    /// What removals were done for that were seen last, and whether it was a decision of a human that lets copies go.
    approved: Mutex<Vec<(DeliveryId, bool)>>,
}

/// The brake of one origin bucket.
#[derive(Clone, Copy, Debug)]
pub struct Brake<'a> {
    /// Where slots and held removals are kept.
    pub state: &'a Bucket,
    /// Where the copies are.
    pub backup: &'a Bucket,
    /// The origin bucket.
    pub of: &'a OriginRef,
    /// Its rule.
    pub rule: &'a BucketRule,
    /// What is known of it.
    pub memory: &'a Memory,
    /// What the removal is done for: a decision of a human, perhaps.
    pub delivery: DeliveryId,
    /// In seconds since 1970.
    pub now: i64,
}

/// What a removal may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brakes {
    /// Go on.
    Go,
    /// Wait for a human.
    Held {
        /// Whether it was not held before.
        newly: bool,
        /// Of the first one of its hour: how many were let go before it.
        first: Option<u64>,
    },
}

/// Files of runs and of removals are at most so long: a key of control characters takes six bytes each in JSON.
#[must_use]
pub fn read_bytes() -> usize {
    FILE_MAX.get() + 12 * KEY_MAX
}

/// The run of an origin bucket, if there is one.
///
/// # Errors
/// The state bucket did not answer; or the run cannot be read, which is not to be taken for none.
pub async fn run_of(state: &Bucket, of: &OriginRef) -> Result<Option<(Run, ETag)>, WorkError> {
    let found = state.read_up_to(&Run::place(&of.id()), read_bytes()).await;
    let Some((json, etag)) = found.map_err(WorkError::State)? else {
        return Ok(None);
    };
    let run = Run::from_json(&json).map_err(|why| WorkError::Unreadable(why.to_string()))?;
    Ok(Some((run, etag)))
}

impl Brake<'_> {
    /// Whether the copy of this key may be removed now.
    ///
    /// # Errors
    /// The state bucket did not answer, or too many workers wanted a slot at once: nothing is to be removed.
    pub async fn lets(&self, key: &str) -> Result<Brakes, WorkError> {
        if self.approved().await? {
            return Ok(Brakes::Go);
        }
        let name = brake::name(key);
        let folder = brake::folder(&self.of.id());
        // What waits for a human, or was refused by one, waits whoever asks for it.
        let known = self.state.page(&format!("{folder}{name}."), None).await;
        let (known, _) = known.map_err(WorkError::State)?;
        let is = |ending: &str| known.iter().any(|file| ending[1..] == file.key);
        let told = format!("{}told", brake::hour(&self.of.id(), self.now));
        if is(HELD) {
            let first = self.told(&told, key).await?;
            return Ok(Brakes::Held {
                newly: false,
                first,
            });
        }
        let slots = match is(KEPT) {
            true => None,
            false => match self.takes_slot(key).await? {
                None => return Ok(Brakes::Go),
                full => full,
            },
        };
        let json = serde_json::to_vec(key).expect("a string");
        let newly = self.create(&format!("{folder}{name}{HELD}"), json).await?;
        let first = match slots {
            Some(slots) => {
                let by = format!("{slots} {}", brake::owner(key));
                self.create(&told, by.into_bytes()).await?;
                self.told(&told, key).await?
            }
            None => None,
        };
        Ok(Brakes::Held { newly, first })
    }

    /// How many were let go in this hour, where it is this key of which subscribers are told: once more where its job comes again,
    /// since the notice may have failed.
    async fn told(&self, place: &str, key: &str) -> Result<Option<u64>, WorkError> {
        let found = self.state.read_file(place).await;
        let found = found.map_err(WorkError::State)?;
        let text = found.and_then(|(bytes, _)| String::from_utf8(bytes.to_vec()).ok());
        let told = text.as_deref().and_then(|text| text.split_once(' '));
        let ours = told.filter(|(_, owner)| *owner == brake::owner(key));
        Ok(ours.and_then(|(slots, _)| slots.parse().ok()))
    }

    /// Whether it is done because a human has said so.
    async fn approved(&self) -> Result<bool, WorkError> {
        // What a sender asked for is none of ours.
        if !self.delivery.is_ours() {
            return Ok(false);
        }
        let seen = || {
            let seen = self.memory.approved.lock();
            seen.unwrap_or_else(PoisonError::into_inner)
        };
        let known = seen().iter().find(|(id, _)| *id == self.delivery).copied();
        if let Some((_, approved)) = known {
            return Ok(approved);
        }
        let place = brake::approval(&self.of.id(), self.delivery);
        let found = self.state.read_file(&place).await;
        let approved = found.map_err(WorkError::State)?.is_some();
        let mut seen = seen();
        if seen.len() >= REMEMBERED {
            seen.remove(0);
        }
        seen.push((self.delivery, approved));
        Ok(approved)
    }

    /// Notes what became of a removal that a human has said yes to. It decides nothing: where it fails, the log alone says it.
    pub async fn became(&self, key: &str, became: Became) {
        if !matches!(self.approved().await, Ok(true)) {
            return;
        }
        let folder = brake::results(&self.of.id(), self.delivery);
        let place = format!("{folder}{}", became.file(key));
        if let Err(error) = self.create(&place, b"1".to_vec()).await {
            tracing::warn!(delivery.id = %self.delivery, object.key = key, %error, "what became of an approved removal could not be noted");
        }
    }

    /// Takes a slot of the hour, if one is free; else says how many there are.
    async fn takes_slot(&self, key: &str) -> Result<Option<u64>, WorkError> {
        let folder = brake::hour(&self.of.id(), self.now);
        let most = self.most(&folder).await?;
        for round in 0..ROUNDS {
            let mut slot = brake::seed(key, round, most);
            // At first it is simply tried for; where there are too many to list, always.
            if round > 0 && most <= LISTED {
                match brake::free(&self.taken(&folder).await?, most, slot) {
                    Some(free) => slot = free,
                    None => return Ok(Some(most)),
                }
            }
            if most > 0 && self.takes(&folder, slot, key).await? {
                return Ok(None);
            }
        }
        if most > LISTED || most == 0 {
            return Ok(Some(most));
        }
        Err(WorkError::Contended(
            u32::try_from(ROUNDS).unwrap_or(u32::MAX),
        ))
    }

    /// Takes this slot. One that the same key took before is still its own: its job comes again.
    async fn takes(&self, folder: &str, slot: u64, key: &str) -> Result<bool, WorkError> {
        let place = format!("{folder}{}", brake::slot(slot));
        let owner = brake::owner(key).into_bytes();
        if self.create(&place, owner.clone()).await? {
            return Ok(true);
        }
        let found = self.state.read_file(&place).await;
        let found = found.map_err(WorkError::State)?;
        Ok(found.is_some_and(|(bytes, _)| bytes == owner))
    }

    /// The slots that are taken, up to as many as are listed.
    async fn taken(&self, folder: &str) -> Result<BTreeSet<u64>, WorkError> {
        let (mut taken, mut after) = (BTreeSet::new(), None::<String>);
        loop {
            let page = self.state.page(folder, after.as_deref()).await;
            let (page, last) = page.map_err(WorkError::State)?;
            after = page.last().map(|file| file.key.clone());
            taken.extend(page.iter().filter_map(|file| brake::number(&file.key)));
            if last || taken.len() as u64 > LISTED {
                return Ok(taken);
            }
        }
    }

    /// How many copies may go in this hour. Whoever comes first says it, before any goes, and for all.
    async fn most(&self, folder: &str) -> Result<u64, WorkError> {
        let known = || {
            let known = self.memory.most.lock();
            known.unwrap_or_else(PoisonError::into_inner)
        };
        let id = self.of.id();
        if let Some((hour, most)) = known().get(&id)
            && hour == folder
        {
            return Ok(*most);
        }
        let place = format!("{folder}{MOST}");
        let most = match self.read_most(&place).await? {
            Some(most) => most,
            None => {
                let most = self.rule.hold.most(self.copies().await?);
                match self.create(&place, most.to_string().into_bytes()).await? {
                    true => most,
                    // Another worker has made it. Where it is not there even so, nothing is known: the job comes again.
                    false => {
                        let made = self.read_most(&place).await?;
                        made.ok_or(WorkError::Contended(1))?
                    }
                }
            }
        };
        known().insert(id, (folder.to_owned(), most));
        Ok(most)
    }

    async fn read_most(&self, place: &str) -> Result<Option<u64>, WorkError> {
        let found = self.state.read_file(place).await;
        let Some((text, _)) = found.map_err(WorkError::State)? else {
            return Ok(None);
        };
        let most = std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.parse().ok());
        most.map(Some).ok_or_else(|| {
            WorkError::Unreadable(format!("{place} is not a number that this program wrote"))
        })
    }

    /// How many copies there are, if it is known: of a small bucket its first page says it, of another the last audit.
    async fn copies(&self) -> Result<Option<u64>, WorkError> {
        let page = self.backup.page(&self.rule.prefix, None).await;
        let (page, last) = page.map_err(WorkError::Backup)?;
        let listed = page.len() as u64;
        if last {
            return Ok(Some(listed));
        }
        let audited = run_of(self.state, self.of).await?;
        let audited = audited.and_then(|(run, _)| run.last());
        Ok(audited.map(|audited| audited.copies.max(listed)))
    }

    /// Makes a file where there is none. Says whether it did.
    async fn create(&self, place: &str, bytes: Vec<u8>) -> Result<bool, WorkError> {
        match self
            .state
            .write_file(place, bytes, &Condition::Absent)
            .await
        {
            Err(error) if error.moved() => Ok(false),
            made => made.map(|_| true).map_err(WorkError::State),
        }
    }
}
