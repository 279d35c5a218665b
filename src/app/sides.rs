//! An origin bucket and its backup: the pages of both listings, and whose the copies are that have no original.

use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::domain::audit::{Endless, Finding, Join, Listed, Side};
use crate::domain::bound::Bound;
use crate::domain::event::OriginRef;
use crate::domain::reconcile::BackupState;
use crate::domain::source::rule::BucketRule;
use crate::error::WorkError;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

/// Objects that are looked at a time.
pub(super) static LOOKS_AT_A_TIME: Bound<usize> = Bound::new("audit.looks_at_a_time", 32);

/// One origin bucket and its backup.
#[derive(Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) of: &'a OriginRef,
    pub(super) rule: &'a BucketRule,
    pub(super) origin: &'a Bucket,
    pub(super) backup: &'a Bucket,
}

/// Whose an object is that the backup alone has.
pub(super) enum Whose {
    /// It is marked as a copy of this origin.
    Ours,
    /// It is not.
    Foreign,
    /// It is gone meanwhile.
    Nobodys,
    /// The backup does not say.
    Unreadable(CallError),
}

impl Sides<'_> {
    /// Gets the pages that are wanted, both at a time.
    pub(super) async fn fill(&self, join: &mut Join) -> Result<(), WorkError> {
        let (wanted, backups) = (join.wants(Side::Origin), join.wants(Side::Backup));
        let origin = async {
            let Some(cursor) = wanted else {
                return Ok(None);
            };
            let page = self.origin.page_at("", &cursor).await;
            page.map(Some).map_err(WorkError::Origin)
        };
        let backup = async {
            let Some(cursor) = backups else {
                return Ok(None);
            };
            let page = self.backup.page_at(&self.rule.prefix, &cursor).await;
            page.map(Some).map_err(WorkError::Backup)
        };
        let (origin, backup) = tokio::try_join!(origin, backup)?;
        for (side, page) in [(Side::Origin, origin), (Side::Backup, backup)] {
            if let Some(page) = page {
                join.add(side, page).map_err(endless)?;
            }
        }
        Ok(())
    }

    /// What is to be said of objects that the backup seems to lack: where its listing is not in order they may be there. One
    /// that cannot be looked at is doubtful.
    pub(super) async fn found(&self, missing: Vec<Listed>) -> Result<Vec<Finding>, WorkError> {
        let looks = stream::iter(missing).map(async |origin| {
            let entry = self.backup.entry(&self.rule.backup_key(&origin.key)).await;
            match entry {
                Ok(Some(backup)) => Ok(Finding::of(&origin, &backup)),
                Ok(None) => Ok(Finding::Missing),
                Err(error) if error.kind == Kind::Denied || not_told(&error) => {
                    Ok(Finding::Doubtful)
                }
                Err(error) => Err(WorkError::Backup(error)),
            }
        });
        let looks = looks.buffered(LOOKS_AT_A_TIME.get());
        looks.try_collect().await
    }

    /// Whose these copies are that seem to have no original. Where the origin's listing is not in order one that is ours may
    /// have its original: then it is nobody's.
    pub(super) async fn whose(
        &self,
        extra: Vec<String>,
    ) -> Result<Vec<(String, Whose)>, WorkError> {
        let origin = self.of.id();
        let looks = stream::iter(extra).map(async |key| {
            let seen = self.backup.backup_state(&self.rule.backup_key(&key)).await;
            let ours = matches!(&seen, Ok(BackupState::Present(copy)) if copy.mark().is_some_and(|mark| mark.origin == origin));
            let original = match ours {
                true => self.origin.entry(&key).await,
                false => Ok(None),
            };
            (key, seen, original)
        });
        let seen: Vec<_> = looks.buffered(LOOKS_AT_A_TIME.get()).collect().await;
        let whose = seen.into_iter().map(|(key, seen, original)| {
            let whose = match seen {
                Ok(_) if !matches!(original, Ok(None)) => match original {
                    Ok(_) => Whose::Nobodys,
                    Err(error) if not_told(&error) => Whose::Unreadable(error),
                    Err(error) => return Err(WorkError::Origin(error)),
                },
                Ok(BackupState::Present(copy)) => match copy.mark() {
                    Some(mark) if mark.origin == origin => Whose::Ours,
                    _ => Whose::Foreign,
                },
                Ok(BackupState::Absent) => Whose::Nobodys,
                Err(error) if error.kind == Kind::Denied || not_told(&error) => {
                    Whose::Unreadable(error)
                }
                Err(error) => return Err(WorkError::Backup(error)),
            };
            Ok((key, whose))
        });
        whose.collect()
    }
}

/// Whether a store says of one object that it does not tell.
fn not_told(error: &CallError) -> bool {
    matches!(error.kind, Kind::Refused | Kind::Archived | Kind::BadAnswer)
}

fn endless(endless: Endless) -> WorkError {
    WorkError::Endless {
        side: match endless.side {
            Side::Origin => "origin",
            Side::Backup => "backup",
        },
        key: endless.key,
    }
}
