//! Makes the backup of one key right: the calls of a reconcile, whose every decision is `domain/rounds.rs`. What an event
//! said is not asked for.

use crate::brake::{Brake, Brakes};
use crate::clients::body::ObjectBody;
use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::clients::look::Sight;
use crate::domain::checksum::Crc64;
use crate::domain::delivery::DeliveryId;
use crate::domain::event::ObjectRef;
use crate::domain::fit::{Fitted, fit};
use crate::domain::job::Outcome;
use crate::domain::object::{ETag, Fingerprint, KEY_MAX, ObjectState};
use crate::domain::parts::PART_USUAL;
use crate::domain::reconcile::{Absence, BackupState, OriginState, wants_bytes, wants_tags};
use crate::domain::rounds::{self, Failure, ROUNDS, Refusal, Step, Write};
use crate::domain::source::rule::BucketRule;
use crate::error::{Stop, WorkError};
use crate::metrics::Metrics;
use crate::resume;
use crate::transfer::{self, Limits, Transfer};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a reconcile that is done waits for its cleaning up.
const FORGET_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything that one reconcile needs.
#[derive(Debug)]
pub struct Mirror<'a> {
    /// Read with the origin's own keys.
    pub origin: &'a Bucket,
    /// Written with the function's role.
    pub backup: &'a Bucket,
    /// Where uploads leave their ledgers, to be resumed.
    pub ledgers: Option<&'a Bucket>,
    /// What holds removals that are too many; none where nothing does: there is nowhere to keep them, or a human has said yes.
    pub brake: Option<Brake<'a>>,
    /// The key.
    pub object: &'a ObjectRef,
    /// What its bucket's rule says.
    pub rule: &'a BucketRule,
    /// What all transfers of the process share.
    pub limits: &'a Limits,
    /// Where copies are counted.
    pub metrics: &'a Metrics,
    /// The delivery that it is for, as the log names it.
    pub delivery: DeliveryId,
    /// When this work must have stopped.
    pub deadline: Instant,
}

/// How a reconcile ended: its receipt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrored {
    /// How it ended.
    pub outcome: Outcome,
    /// Why nothing was done, where the backup has something that was left.
    pub reason: Option<&'static str>,
    /// The origin's state, where it has the object.
    pub fingerprint: Option<Fingerprint>,
    /// The object's length in bytes, likewise.
    pub size: Option<u64>,
    /// The backup's name for the copy, where it was written and told.
    pub etag: Option<ETag>,
    /// CRC64NVME of the bytes as they were read, which the backup checked, where they went over.
    pub checksum: Option<Crc64>,
    /// Bytes that went over from the origin to the backup.
    pub copied_bytes: u64,
    /// From the origin's Last-Modified until the copy was in place, in milliseconds.
    pub lag_ms: Option<u64>,
    /// What the backup cannot take of the object, and the copy is without.
    pub left_out: Vec<String>,
    /// Of the first removal of its hour that is held: how many were let go before it.
    pub first_held: Option<u64>,
}

impl Mirrored {
    /// Of a job that moves no object.
    #[must_use]
    pub fn without_bytes(outcome: Outcome) -> Self {
        Self {
            outcome,
            ..Self::default()
        }
    }

    /// What subscribers are to be told: what was done; and, where it may have been done before and not been told, what is
    /// there now. Of what was left as it is there is nothing to tell.
    #[must_use]
    pub fn to_tell(&self, again: bool) -> Option<Outcome> {
        match (self.outcome, self.reason) {
            (Outcome::Unchanged, None) if !again => None,
            (Outcome::Copied | Outcome::Deleted | Outcome::Unchanged, None) => {
                let there = self.fingerprint.is_some();
                Some(if there {
                    Outcome::Copied
                } else {
                    Outcome::Deleted
                })
            }
            // Somebody moved it after it was done.
            (done @ (Outcome::Copied | Outcome::Deleted), Some(_)) => Some(done),
            _ => None,
        }
    }
}

impl Mirror<'_> {
    /// Makes the backup of the key right.
    ///
    /// # Errors
    /// Whatever another attempt may mend; a write of unknown outcome among it, which is never started over in place: it may
    /// still land, after the next look.
    pub async fn reconcile(&self) -> Result<Mirrored, WorkError> {
        let origin = self.object.origin_id();
        let backup_key = self.rule.backup_key(&self.object.key);
        if backup_key.len() > KEY_MAX {
            return Err(WorkError::DoesNotFit(format!(
                "with its prefix the key is longer than {KEY_MAX} bytes"
            )));
        }
        // What an audit has found may be as late as it likes.
        let told = !self.delivery.is_ours();
        let mut done = Mirrored::default();
        let mut opened = None;
        let mut changed = 0;
        // Whether an upload may be lying there that nobody will go on with.
        let mut abandoned = false;
        // Whether the origin's bytes cannot be read.
        let mut archived = false;
        let rules = self.rule.rules(&origin, &self.object.key);
        let mut step = rounds::begin(rules);
        loop {
            step = match step {
                Step::Look(look) => {
                    tokio::time::sleep(look.pause()).await;
                    let (mut seen, mut backup);
                    ((seen, opened), backup) =
                        tokio::try_join!(self.look(PART_USUAL.get()), async {
                            self.backup
                                .backup_state(&backup_key)
                                .await
                                .map_err(WorkError::Backup)
                        })?;
                    // A look opens every object but one that is archived.
                    archived = seen.state().is_some() && opened.is_none();
                    if wants_bytes(&rules, &seen, &backup) {
                        self.read_bytes(&mut seen, &mut opened).await?;
                    }
                    if wants_tags(&rules, &seen, &backup)
                        && let BackupState::Present(copy) = &mut backup
                    {
                        let read = self.backup.read_tags(&backup_key, copy).await;
                        read.map_err(WorkError::Backup)?;
                    }
                    let state = seen.state();
                    done.fingerprint = state.map(ObjectState::fingerprint);
                    done.size = state.map(|state| state.size);
                    changed = state.map_or(0, |state| state.last_modified);
                    abandoned |= state.is_none_or(|state| transfer::needs_upload(state.size));
                    look.looked(seen, &backup)
                }
                Step::Write(Write::Copy { .. }, _) if archived => return Err(WorkError::Archived),
                Step::Write(write, writing) => {
                    if let (Write::Delete { .. }, Some(brake)) = (&write, &self.brake)
                        && let Brakes::Held { newly, first } = brake.lets(&self.object.key).await?
                    {
                        done.first_held = first;
                        done.outcome = Outcome::Held;
                        done.reason = Some("so many removals at once wait for a human");
                        self.metrics.held(u64::from(newly));
                        if abandoned {
                            self.forget_upload(&backup_key).await;
                        }
                        return Ok(done);
                    }
                    let round = writing.round();
                    let uploads = matches!(&write, Write::Copy { state, .. } if transfer::needs_upload(state.size));
                    let carries = match &write {
                        Write::Copy { .. } => done.size,
                        Write::Adopt { .. } => Some(0),
                        Write::Delete { .. } => None,
                    };
                    let written = self
                        .write(write, round, opened.take(), &backup_key, &mut done)
                        .await;
                    if let (Ok(()), Some(bytes)) = (&written, carries) {
                        done.lag_ms = Some(self.metrics.copied(bytes, changed, told));
                    }
                    // An upload that was completed has taken away what lay there before it.
                    abandoned &= !(uploads && written.is_ok());
                    writing.written(written)?
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
                    done.outcome = outcome;
                    done.reason = left;
                    if abandoned {
                        self.forget_upload(&backup_key).await;
                    }
                    return Ok(done);
                }
                Step::Refused(Refusal::Foreign) => return Err(WorkError::Foreign),
                Step::Refused(Refusal::SameObject) => return Err(WorkError::SameBucket),
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
        done: &mut Mirrored,
    ) -> Result<(), Failure<WorkError>> {
        let class = self.rule.storage_class;
        let written = match write {
            Write::Copy { state, condition } => {
                let transfer = Transfer {
                    origin: self.origin,
                    backup: self.backup,
                    key: &self.object.key,
                    backup_key,
                    state: &state,
                    ledgers: self.ledgers,
                    origin_id: &self.object.origin_id(),
                    class,
                    condition,
                    limits: self.limits,
                    delivery: self.delivery,
                    deadline: self.deadline,
                };
                transfer.run(opened).await.map(|carried| {
                    done.copied_bytes += carried.bytes;
                    done.checksum = Some(carried.checksum);
                    done.etag = carried.etag;
                    done.left_out = carried.left_out;
                })
            }
            Write::Adopt {
                etag,
                properties,
                mark,
            } => {
                let mut fitted = fit(&properties, &mark, class);
                let answer = loop {
                    let rewrite = self.backup.rewrite(backup_key, &etag, &fitted.properties);
                    match rewrite.await {
                        Err(error) if let Some(less) = self.without_refused(&fitted, &error) => {
                            fitted = less;
                        }
                        answer => break answer,
                    }
                };
                match answer {
                    // Where it is gone, the next look says so; a store that shows it and does not find it takes a copy.
                    Err(e)
                        if matches!(e.kind, Kind::Refused | Kind::Archived | Kind::NoSuchKey) =>
                    {
                        let reason = format!("the backup does not copy in place: {e}");
                        self.starting_over(round, &reason);
                        return Err(Failure::Refused(WorkError::Backup(e)));
                    }
                    answer => answer
                        .map(|()| done.left_out = fitted.left_out)
                        .map_err(Stop::of_write),
                }
            }
            Write::Delete { etag } => {
                let answer = self.backup.delete(backup_key, &etag).await;
                answer.map_err(Stop::of_write)
            }
        };
        written.map_err(|stop| match stop {
            Stop::StartOver(reason) => {
                self.starting_over(round, &reason);
                Failure::Nothing
            }
            Stop::Failed(error) => Failure::Unknown(error),
        })
    }

    /// The properties without those that the backup has refused.
    fn without_refused(&self, fitted: &Fitted, error: &CallError) -> Option<Fitted> {
        transfer::without_refused(self.delivery, &self.object.key, fitted, error)
    }

    /// Drops the upload that an earlier worker left of this key, if there is one: what it would have copied is not wanted
    /// any more. Should that fail, the key is right all the same, and the backup's lifecycle rule drops it.
    async fn forget_upload(&self, backup_key: &str) {
        let Some(state) = self.ledgers else { return };
        let forget = resume::forget(state, self.backup, backup_key);
        let forgotten = match timeout(FORGET_TIMEOUT, forget).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(late) => Err(late.to_string()),
        };
        if let Err(reason) = forgotten {
            tracing::warn!(delivery.id = %self.delivery, object.key = %self.object.key, reason, "an upload that is not wanted any more could not be dropped");
        }
    }

    fn starting_over(&self, round: u32, reason: &str) {
        tracing::info!(delivery.id = %self.delivery, object.key = %self.object.key, round, %reason, "starting over");
    }

    /// Reads the checksum of the origin's bytes, where the look has opened all of them. Nothing larger is read for that.
    async fn read_bytes(
        &self,
        seen: &mut OriginState,
        opened: &mut Option<ObjectBody>,
    ) -> Result<(), WorkError> {
        let OriginState::Present(state, read) = seen else {
            return Ok(());
        };
        let whole = |body: &mut ObjectBody| body.length() == state.size;
        if let Some(body) = opened.take_if(whole) {
            let checksum = timeout_at(self.deadline, body.checksum()).await;
            let late = |_| WorkError::OutOfTime("the origin's bytes are being compared");
            *read = Some(checksum.map_err(late)?.map_err(WorkError::BrokenOff)?);
        }
        Ok(())
    }

    /// Looks at the origin: the state, and its first `window` bytes, which of a small object are all of them.
    async fn look(&self, window: u64) -> Result<(OriginState, Option<ObjectBody>), WorkError> {
        look(self.origin, &self.object.key, window).await
    }
}

/// What an origin has of a key, or the proof that it has nothing; and the first `window` bytes of it.
///
/// # Errors
/// The origin refused or did not answer, or its two observations do not agree.
pub(crate) async fn look(
    origin: &Bucket,
    key: &str,
    window: u64,
) -> Result<(OriginState, Option<ObjectBody>), WorkError> {
    let sight = origin.look(key, window).await;
    match sight.map_err(WorkError::Origin)? {
        Sight::Present(state, body) => Ok((OriginState::Present(*state, None), body)),
        Sight::Missing(no_such_key) => {
            let listing = origin.not_listed(key).await;
            let not_listed = listing
                .map_err(WorkError::Origin)?
                .ok_or(WorkError::Unproven)?;
            let absence = Absence::proven(no_such_key, not_listed);
            Ok((OriginState::Absent(absence), None))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_and_what_may_have_been_done_only_to_who_tries_again() {
        let done = |outcome, there: bool, reason| Mirrored {
            outcome,
            reason,
            fingerprint: there.then(|| Fingerprint::parse("x")),
            ..Mirrored::default()
        };
        use Outcome::{Audited, Copied, Deleted, Unchanged};
        let cases = [
            (done(Copied, true, None), [Some(Copied); 2]),
            (done(Deleted, false, None), [Some(Deleted); 2]),
            (done(Unchanged, true, None), [None, Some(Copied)]),
            (done(Unchanged, false, None), [None, Some(Deleted)]),
            // Another worker removed it after this one had copied it.
            (done(Copied, false, None), [Some(Deleted); 2]),
            (done(Unchanged, false, Some("deletes: keep")), [None; 2]),
            (
                done(Copied, false, Some("deletes: keep")),
                [Some(Copied); 2],
            ),
            (done(Audited, false, None), [None; 2]),
        ];
        for (done, told) in cases {
            assert_eq!(
                [false, true].map(|again| done.to_tell(again)),
                told,
                "{done:?}"
            );
        }
    }
}
