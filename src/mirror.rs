//! Makes the backup of one key right: look at both sides, decide, act, look again. What an event said is not asked for.

use crate::clients::body::ObjectBody;
use crate::clients::bucket::{Bucket, Sight};
use crate::clients::error::Kind;
use crate::domain::delivery::DeliveryId;
use crate::domain::event::ObjectRef;
use crate::domain::fit::{Fitted, fit};
use crate::domain::job::Outcome;
use crate::domain::object::{KEY_MAX, Mark, ObjectState};
use crate::domain::parts::PART_USUAL;
use crate::domain::reconcile::{Absence, Action, Condition, OriginState, decide};
use crate::domain::source::s3::BucketRule;
use crate::error::WorkError;
use crate::transfer::{Limits, Stop, Transfer};
use std::time::Duration;
use tokio::time::Instant;

/// How often a reconcile starts over when something moved under it.
const ROUNDS: u32 = 6;

/// Everything that one reconcile needs.
#[derive(Debug)]
pub struct Mirror<'a> {
    /// Read with the origin's own keys.
    pub origin: &'a Bucket,
    /// Written with the function's role.
    pub backup: &'a Bucket,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes that went over from the origin to the backup.
    pub copied_bytes: u64,
    /// Why nothing was done, where the backup has something that was left.
    pub reason: Option<&'static str>,
    /// What the backup cannot take of the object, and the copy is without.
    pub left_out: Vec<String>,
}

impl Mirror<'_> {
    /// Makes the backup of the key right.
    ///
    /// # Errors
    /// Whatever another attempt may mend; a write of unknown outcome among it, which is never started over in place: it may
    /// still land, after the next look.
    pub async fn reconcile(&self) -> Result<Mirrored, WorkError> {
        let key = &self.object.key;
        let backup_key = format!("{}{key}", self.rule.prefix);
        if backup_key.len() > KEY_MAX {
            return Err(WorkError::DoesNotFit(format!(
                "with its prefix the key is longer than {KEY_MAX} bytes"
            )));
        }
        let mut done = Mirrored {
            outcome: Outcome::Unchanged,
            copied_bytes: 0,
            reason: None,
            left_out: Vec::new(),
        };
        let mut in_place = true;
        for round in 0..ROUNDS {
            tokio::time::sleep(Duration::from_millis(50) * (round * round)).await;
            // Neither side's state depends on the other's, and the write's condition holds them together.
            let ((seen, body), backup) = tokio::try_join!(self.look(), async {
                self.backup
                    .backup_state(&backup_key)
                    .await
                    .map_err(WorkError::Backup)
            })?;
            let action = match decide(&self.object.origin_id(), self.rule.deletes, &seen, &backup) {
                Action::Adopt(etag) if !in_place => Action::Copy(Condition::Unchanged(etag)),
                action => action,
            };
            let acted = match (action, &seen, body) {
                (Action::Copy(condition), OriginState::Present(state), Some(body)) => {
                    let fitted = self.fitted(state);
                    let transfer = Transfer {
                        origin: self.origin,
                        backup: self.backup,
                        key,
                        backup_key: &backup_key,
                        etag: &state.etag,
                        size: state.size,
                        properties: fitted.properties,
                        condition,
                        limits: self.limits,
                        delivery: self.delivery,
                        deadline: self.deadline,
                    };
                    let copied_bytes = done.copied_bytes + state.size;
                    transfer.run(body).await.map(|()| Mirrored {
                        outcome: Outcome::Copied,
                        copied_bytes,
                        reason: None,
                        left_out: fitted.left_out,
                    })
                }
                (Action::Adopt(etag), OriginState::Present(state), _) => {
                    let fitted = self.fitted(state);
                    match self
                        .backup
                        .rewrite(&backup_key, &etag, &fitted.properties)
                        .await
                    {
                        Ok(()) => Ok(Mirrored {
                            outcome: Outcome::Copied,
                            left_out: fitted.left_out,
                            ..done
                        }),
                        Err(e) if e.kind == Kind::Refused => {
                            in_place = false;
                            Err(Stop::StartOver(format!(
                                "the backup does not copy in place: {e}"
                            )))
                        }
                        Err(e) => Err(Stop::of_write(e)),
                    }
                }
                (Action::Delete(etag), ..) => {
                    let deleted = self.backup.delete(&backup_key, &etag).await;
                    deleted
                        .map(|()| Mirrored {
                            outcome: Outcome::Deleted,
                            left_out: Vec::new(),
                            ..done
                        })
                        .map_err(Stop::of_write)
                }
                (Action::LeaveForeign, ..) => {
                    return Ok(Mirrored {
                        reason: Some("not marked as a copy of this origin"),
                        ..done
                    });
                }
                (Action::LeaveKept, ..) => {
                    return Ok(Mirrored {
                        reason: Some("deletes: keep"),
                        ..done
                    });
                }
                (Action::Keep, ..) => return Ok(done),
                (Action::Copy(_) | Action::Adopt(_), ..) => {
                    unreachable!("only an object that is there is copied")
                }
            };
            match acted {
                Ok(acted) => done = acted,
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::StartOver(reason)) => {
                    tracing::info!(delivery.id = %self.delivery, object.key = %key, round, %reason, "starting over");
                    continue;
                }
            }
            if self.unmoved(&seen).await? {
                return Ok(done);
            }
            tracing::info!(delivery.id = %self.delivery, object.key = %key, round, "starting over: the origin moved meanwhile");
        }
        Err(WorkError::Contended(ROUNDS))
    }

    fn fitted(&self, state: &ObjectState) -> Fitted {
        let mark = Mark::of(&self.object.origin_id(), state);
        fit(&state.properties, &mark, self.rule.storage_class)
    }

    /// Looks at the origin: the state, and the first bytes, which of a small object are all of them.
    async fn look(&self) -> Result<(OriginState, Option<ObjectBody>), WorkError> {
        let key = &self.object.key;
        match self
            .origin
            .look(key, PART_USUAL)
            .await
            .map_err(WorkError::Origin)?
        {
            Sight::Present(state, body) => Ok((OriginState::Present(*state), Some(body))),
            Sight::Missing(no_such_key) => match self
                .origin
                .not_listed(key)
                .await
                .map_err(WorkError::Origin)?
            {
                Some(not_listed) => Ok((
                    OriginState::Absent(Absence::proven(no_such_key, not_listed)),
                    None,
                )),
                None => Err(WorkError::Unproven),
            },
        }
    }

    /// Whether the origin is still as it was seen: the look after every write and every removal.
    async fn unmoved(&self, seen: &OriginState) -> Result<bool, WorkError> {
        let now = self
            .origin
            .look(&self.object.key, 1)
            .await
            .map_err(WorkError::Origin)?;
        Ok(match (seen, now) {
            (OriginState::Present(before), Sight::Present(after, _)) => {
                before.fingerprint() == after.fingerprint()
            }
            (OriginState::Absent(_), Sight::Missing(_)) => true,
            _ => false,
        })
    }
}
