//! Makes the backup of one key right: the calls of a reconcile, whose every decision is `domain/rounds.rs`. What an event
//! said is not asked for.

use crate::clients::body::ObjectBody;
use crate::clients::bucket::{Bucket, Sight};
use crate::clients::error::Kind;
use crate::domain::delivery::DeliveryId;
use crate::domain::event::ObjectRef;
use crate::domain::job::Outcome;
use crate::domain::object::KEY_MAX;
use crate::domain::parts::PART_USUAL;
use crate::domain::reconcile::{Absence, OriginState};
use crate::domain::rounds::{self, Failure, ROUNDS, Step, Write};
use crate::domain::source::s3::BucketRule;
use crate::error::{Stop, WorkError};
use crate::transfer::{Carried, Limits, Transfer};
use tokio::time::Instant;

/// Everything that one reconcile needs.
#[derive(Debug)]
pub struct Mirror<'a> {
    /// Read with the origin's own keys.
    pub origin: &'a Bucket,
    /// Written with the function's role.
    pub backup: &'a Bucket,
    /// Where uploads leave their ledgers, to be resumed.
    pub ledgers: Option<&'a Bucket>,
    /// The key.
    pub object: &'a ObjectRef,
    /// What its bucket's rule says.
    pub rule: &'a BucketRule,
    /// What all transfers of the process share.
    pub limits: &'a Limits,
    /// The delivery that it is for, as the log names it.
    pub delivery: DeliveryId,
    /// When this work must have stopped.
    pub deadline: Instant,
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes that went over from the origin to the backup.
    pub copied_bytes: u64,
    /// Why nothing was done, where the backup has something that was left.
    pub reason: Option<&'static str>,
}

impl Mirror<'_> {
    /// Makes the backup of the key right.
    ///
    /// # Errors
    /// Whatever another attempt may mend; a write of unknown outcome among it, which is never started over in place: it may
    /// still land, after the next look.
    pub async fn reconcile(&self) -> Result<Mirrored, WorkError> {
        let origin = self.object.origin_id();
        let backup_key = format!("{}{}", self.rule.prefix, self.object.key);
        if backup_key.len() > KEY_MAX {
            return Err(WorkError::DoesNotFit(format!(
                "with its prefix the key is longer than {KEY_MAX} bytes"
            )));
        }
        let mut copied_bytes = 0;
        let mut opened = None;
        let mut step = rounds::begin(&origin, self.rule.deletes);
        loop {
            step = match step {
                Step::Look(look) => {
                    tokio::time::sleep(look.pause()).await;
                    let ((seen, body), backup) = tokio::try_join!(self.look(PART_USUAL), async {
                        self.backup
                            .backup_state(&backup_key)
                            .await
                            .map_err(WorkError::Backup)
                    })?;
                    opened = body;
                    look.looked(seen, &backup)?
                }
                Step::Write(write, writing) => {
                    let answer = self
                        .write(write, writing.round(), opened.take(), &backup_key)
                        .await
                        .map(|carried| copied_bytes += carried.map_or(0, |carried| carried.bytes));
                    writing.written(answer)?
                }
                Step::LookAgain(again) => {
                    let round = again.round();
                    let step = again.looked(&self.look(1).await?.0);
                    if !matches!(step, Step::Ended { .. }) {
                        self.starting_over(round, "the origin moved meanwhile");
                    }
                    step
                }
                Step::Ended { outcome, left } => {
                    return Ok(Mirrored {
                        outcome,
                        copied_bytes,
                        reason: left,
                    });
                }
                Step::Contended => return Err(WorkError::Contended(ROUNDS)),
            }
        }
    }

    /// Changes the backup. `opened` is the body that the look opened, where it found an object.
    async fn write(
        &self,
        write: Write,
        round: u32,
        opened: Option<ObjectBody>,
        backup_key: &str,
    ) -> Result<Option<Carried>, Failure<WorkError>> {
        let done = match write {
            Write::Copy {
                state,
                properties,
                condition,
            } => {
                let transfer = Transfer {
                    origin: self.origin,
                    backup: self.backup,
                    key: &self.object.key,
                    backup_key,
                    state: &state,
                    ledgers: self.ledgers,
                    properties,
                    condition,
                    limits: self.limits,
                    delivery: self.delivery,
                    deadline: self.deadline,
                };
                let body = opened.expect("a look that finds an object opens it");
                transfer.run(body).await.map(Some)
            }
            Write::Adopt { etag, properties } => {
                match self.backup.rewrite(backup_key, &etag, &properties).await {
                    Err(e) if e.kind == Kind::Refused => {
                        self.starting_over(
                            round,
                            &format!("the backup does not copy in place: {e}"),
                        );
                        return Err(Failure::Refused(WorkError::Backup(e)));
                    }
                    answer => answer.map(|()| None).map_err(Stop::of_write),
                }
            }
            Write::Delete { etag } => {
                let answer = self.backup.delete(backup_key, &etag).await;
                answer.map(|()| None).map_err(Stop::of_write)
            }
        };
        done.map_err(|stop| match stop {
            Stop::StartOver(reason) => {
                self.starting_over(round, &reason);
                Failure::Nothing
            }
            Stop::Failed(error) => Failure::Unknown(error),
        })
    }

    fn starting_over(&self, round: u32, reason: &str) {
        tracing::info!(delivery.id = %self.delivery, object.key = %self.object.key, round, %reason, "starting over");
    }

    /// Looks at the origin: the state, and its first `window` bytes, which of a small object are all of them.
    async fn look(&self, window: u64) -> Result<(OriginState, Option<ObjectBody>), WorkError> {
        let key = &self.object.key;
        let sight = self.origin.look(key, window).await;
        match sight.map_err(WorkError::Origin)? {
            Sight::Present(state, body) => Ok((OriginState::Present(*state), Some(body))),
            Sight::Missing(no_such_key) => {
                let listing = self.origin.not_listed(key).await;
                let not_listed = listing
                    .map_err(WorkError::Origin)?
                    .ok_or(WorkError::Unproven)?;
                let absence = Absence::proven(no_such_key, not_listed);
                Ok((OriginState::Absent(absence), None))
            }
        }
    }
}
