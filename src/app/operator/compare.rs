//! An origin bucket and its backup side by side, for a report: changes nothing. Where the listings raise a doubt, both objects are
//! looked at as the mirror does, and what it would decide is the difference.

use super::super::App;
use super::super::audit::{EVENTS_TAKE, now};
use super::super::sides::{LOOKS_AT_A_TIME, Sides, Whose};
use crate::domain::audit::{Finding, Join, Told};
use crate::domain::difference::Difference;
use crate::domain::event::OriginRef;
use crate::domain::reconcile::{BackupState, Deletes, decide, wants_tags};
use crate::error::WorkError;
use crate::mirror::look;
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use std::collections::BTreeMap;

/// A key whose backup is not right.
#[derive(Clone, Debug, Serialize)]
pub struct Differing {
    /// The key as the origin has it.
    pub key: String,
    /// In what.
    pub difference: Difference,
    /// Of the origin's object, in bytes; where it has none, of the backup's.
    pub size: u64,
    /// Whether it is so young that its event may be on its way.
    pub young: bool,
    /// Why it could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a comparison counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Compared {
    /// Keys of the origin that are mirrored.
    pub keys: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Copies of them that are ours, and those whose original is gone.
    pub copies: u64,
    /// Differences by their kind.
    pub differences: BTreeMap<Difference, u64>,
    /// Whether an audit would hold the removals until a human releases them.
    pub held: bool,
}

impl App {
    /// Lays an origin bucket and its backup side by side, and tells each difference as it is found, in the order of keys but for
    /// the copies without an original, which come after the others of their page. `thorough`: looks at every object, also where
    /// the listings agree.
    ///
    /// # Errors
    /// A listing failed, or makes no sense.
    pub async fn compare(
        &self,
        of: &OriginRef,
        thorough: bool,
        mut each: impl FnMut(&Differing),
    ) -> Result<Compared, WorkError> {
        let reached = self.reach(of).await?;
        let sides = Sides {
            of,
            rule: reached.rule,
            origin: &reached.origin,
            backup: reached.backup,
        };
        let settled = now() - i64::try_from(EVENTS_TAKE.as_secs()).unwrap_or(i64::MAX);
        let mut counted = Compared::default();
        let mut join = Join::default();
        while !join.ended() {
            sides.fill(&mut join).await?;
            let (mut both, mut extra, mut missing) = (Vec::new(), Vec::new(), Vec::new());
            while let Some(told) = join.told() {
                if !sides.rule.covers(&told.key) {
                    continue;
                }
                match told.finding {
                    Finding::Extra => extra.push(told),
                    Finding::Missing => missing.push(told),
                    _ => both.push(told),
                }
            }
            // Where a listing is not in order, what it seems to lack may be there.
            let found = missing.iter().map(|told| told.listed.clone()).collect();
            let found = sides.found(found).await?;
            let missing = missing.into_iter().zip(found);
            both.extend(missing.map(|(told, finding)| Told { finding, ..told }));
            for told in &both {
                counted.keys += 1;
                counted.bytes += told.size;
                counted.copies += u64::from(told.finding != Finding::Missing);
            }
            both.retain(|told| told.finding != Finding::Alike || thorough);
            both.sort_by(|one, other| one.key.cmp(&other.key));
            let looks = stream::iter(both).map(|told| sides.differing(told, settled));
            let differing = looks
                .buffered(LOOKS_AT_A_TIME.get())
                .collect::<Vec<_>>()
                .await;
            let alone = sides.alone(extra).await?;
            for differing in differing.into_iter().flatten().chain(alone) {
                let removed =
                    matches!(differing.difference, Difference::Removed | Difference::Kept);
                counted.copies += u64::from(removed);
                *counted.differences.entry(differing.difference).or_default() += 1;
                each(&differing);
            }
        }
        let removals = counted.differences.get(&Difference::Removed);
        let removals = removals.copied().unwrap_or_default();
        counted.held = sides
            .rule
            .hold
            .holds(removals, counted.copies, counted.keys);
        Ok(counted)
    }
}

impl Sides<'_> {
    /// In what a key of the origin differs from its backup, if it does.
    async fn differing(&self, told: Told, settled: i64) -> Option<Differing> {
        let (difference, why) = if told.finding == Finding::Missing {
            (Difference::Missing, None)
        } else {
            match self.decided(&told.key).await {
                Ok(difference) => (difference?, None),
                Err(error) => (Difference::Unreadable, Some(error.to_string())),
            }
        };
        Some(Differing {
            key: told.key,
            difference,
            size: told.size,
            young: told.changed.is_some_and(|changed| changed > settled),
            why,
        })
    }

    /// What the mirror would find of this key.
    async fn decided(&self, key: &str) -> Result<Option<Difference>, WorkError> {
        let backup_key = self.rule.backup_key(key);
        let backup = async {
            let seen = self.backup.backup_state(&backup_key).await;
            seen.map_err(WorkError::Backup)
        };
        let ((origin, _), mut backup) = tokio::try_join!(look(self.origin, key, 1), backup)?;
        let id = self.of.id();
        let rules = self.rule.rules(&id, key);
        if wants_tags(&rules, &origin, &backup)
            && let BackupState::Present(copy) = &mut backup
        {
            let read = self.backup.read_tags(&backup_key, copy).await;
            read.map_err(WorkError::Backup)?;
        }
        let action = decide(&rules, &origin, &backup);
        Ok(Difference::of(&action, &id, &backup))
    }

    /// What the objects are that the backup alone has.
    async fn alone(&self, extra: Vec<Told>) -> Result<Vec<Differing>, WorkError> {
        let sizes: Vec<_> = extra.iter().map(|told| told.size).collect();
        let keys = extra.into_iter().map(|told| told.key).collect();
        let whose = self.whose(keys).await?.into_iter().zip(sizes);
        let differing = whose.filter_map(|((key, whose), size)| {
            let (difference, why) = match whose {
                Whose::Ours if self.rule.deletes == Deletes::Keep => (Difference::Kept, None),
                Whose::Ours => (Difference::Removed, None),
                Whose::Foreign => (Difference::Foreign, None),
                Whose::Nobodys => return None,
                Whose::Unreadable(error) => (Difference::Unreadable, Some(error.to_string())),
            };
            Some(Differing {
                key,
                difference,
                size,
                young: false,
                why,
            })
        });
        Ok(differing.collect())
    }
}
