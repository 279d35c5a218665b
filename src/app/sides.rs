//! An origin bucket and its backup: the pages of both listings, and whose the copies are that have no original.

use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::domain::audit::{Join, Side, Unsorted};
use crate::domain::bound::Bound;
use crate::domain::event::OriginRef;
use crate::domain::reconcile::BackupState;
use crate::domain::source::rule::BucketRule;
use crate::error::WorkError;
use futures_util::stream::{self, StreamExt as _};

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
            let Some(after) = wanted else { return Ok(None) };
            let page = self.origin.page("", after.as_deref()).await;
            page.map(Some).map_err(WorkError::Origin)
        };
        let backup = async {
            let Some(after) = backups else {
                return Ok(None);
            };
            let page = self.backup.page(&self.rule.prefix, after.as_deref()).await;
            page.map(Some).map_err(WorkError::Backup)
        };
        let (origin, backup) = tokio::try_join!(origin, backup)?;
        for (side, page) in [(Side::Origin, origin), (Side::Backup, backup)] {
            if let Some((listed, last)) = page {
                join.add(side, listed, last).map_err(unsorted)?;
            }
        }
        Ok(())
    }

    /// Whose these copies without an original are.
    pub(super) async fn whose(
        &self,
        extra: Vec<String>,
    ) -> Result<Vec<(String, Whose)>, WorkError> {
        let origin = self.of.id();
        let looks = stream::iter(extra).map(async |key| {
            let seen = self.backup.backup_state(&self.rule.backup_key(&key)).await;
            (key, seen)
        });
        let seen: Vec<_> = looks.buffered(LOOKS_AT_A_TIME.get()).collect().await;
        let whose = seen.into_iter().map(|(key, seen)| {
            let whose = match seen {
                Ok(BackupState::Present(copy)) => match copy.mark() {
                    Some(mark) if mark.origin == origin => Whose::Ours,
                    _ => Whose::Foreign,
                },
                Ok(BackupState::Absent) => Whose::Nobodys,
                Err(error)
                    if matches!(
                        error.kind,
                        Kind::Refused | Kind::Archived | Kind::Denied | Kind::BadAnswer
                    ) =>
                {
                    Whose::Unreadable(error)
                }
                Err(error) => return Err(WorkError::Backup(error)),
            };
            Ok((key, whose))
        });
        whose.collect()
    }
}

fn unsorted(unsorted: Unsorted) -> WorkError {
    WorkError::Unsorted {
        side: match unsorted.side {
            Side::Origin => "origin",
            Side::Backup => "backup",
        },
        key: unsorted.key,
    }
}
