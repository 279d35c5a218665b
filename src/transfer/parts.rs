//! A large object, part by part. With a state bucket the upload outlives its worker: the next one goes on with it.

use super::{ATTEMPTS, Carried, PARTS_IN_FLIGHT, Transfer};
use crate::clients::body::ObjectBody;
use crate::clients::error::Kind;
use crate::clients::upload::{Upload, whole_checksum};
use crate::domain::fit::Fitted;
use crate::domain::ledger::Ledger;
use crate::domain::mark::MarkedBytes;
use crate::domain::object::{Fingerprint, ObjectState};
use crate::domain::parts::{Part, PartPlan, StoredPart};
use crate::error::{Stop, WorkError};
use crate::resume::{Kept, Shelf};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::time::{Duration, SystemTime};
use tokio::time::{timeout, timeout_at};

/// How long putting an upload away may take, after the deadline: less than the grace that a job has.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long dropping an upload may take while there is time: a store that handles the writes of a key one by one may need
/// seconds where many workers meet.
const DROP_TIMEOUT: Duration = Duration::from_secs(10);
/// No worker lives that long (Lambda's limit is 15 minutes): an upload that is older and in no ledger is nobody's.
const ORPHANED_AFTER: Duration = Duration::from_secs(3600);

/// An upload that is being carried.
struct Passage<'a> {
    upload: Upload,
    /// What its mark says of its bytes.
    bytes: MarkedBytes,
    /// What it was opened with; of one that is gone on with, what it was to be opened with.
    fitted: Fitted,
    plan: PartPlan,
    kept: Option<Kept<'a>>,
}

impl Passage<'_> {
    fn stored(&self, part: Part) -> Option<StoredPart> {
        self.kept.as_ref()?.stored(part)
    }
}

impl Transfer<'_> {
    pub(super) async fn in_parts(&self, first: Option<ObjectBody>) -> Result<Carried, Stop> {
        let out_of_time = || Stop::Failed(WorkError::OutOfTime("the parts are on their way"));
        let opened = async {
            self.limits.lock.ask(self.backup).await;
            self.passage().await
        };
        let passage = timeout_at(self.deadline, opened)
            .await
            .map_err(|_| out_of_time())??;
        let carried = timeout_at(self.deadline, self.carry(&passage, first))
            .await
            .unwrap_or_else(|_| Err(out_of_time()));
        match carried {
            Ok(done) => {
                if let Some(kept) = &passage.kept {
                    kept.clear().await;
                }
                Ok(done)
            }
            Err(stop) => Err(self.left(&passage, stop).await),
        }
    }

    /// What the mark of a new upload says of the bytes, which have not passed yet: their checksum where the origin tells it.
    async fn bytes(&self) -> MarkedBytes {
        let told = self.origin.told_checksum(self.key, &self.state.etag).await;
        let told = told.unwrap_or_else(|error| {
            tracing::info!(delivery.id = %self.delivery, object.key = self.key, %error, "the origin tells no checksum: the copy gets a tag with it");
            None
        });
        told.map_or(MarkedBytes::Sealed, MarkedBytes::Checksum)
    }

    /// What the mark of the upload that a ledger names says of the bytes; none where it is of another state. A question without an
    /// answer ends no upload of others.
    async fn bytes_of(&self, ledger: &Ledger) -> Result<Option<MarkedBytes>, Stop> {
        let is_of = |bytes| ledger.is_of(self.backup_key, &self.wanted(bytes), self.state.size);
        if is_of(MarkedBytes::Sealed) {
            return Ok(Some(MarkedBytes::Sealed));
        }
        let told = self.origin.told_checksum(self.key, &self.state.etag).await;
        let told = told.map_err(Stop::of_read)?.map(MarkedBytes::Checksum);
        Ok(told.filter(|bytes| is_of(*bytes)))
    }

    /// Goes on with the upload of this very state that an earlier worker left or another one carries; or opens one.
    async fn passage(&self) -> Result<Passage<'_>, Stop> {
        let mut shelf = self
            .ledgers
            .map(|state| Shelf::new(state, self.backup, self.backup_key));
        let open = self.backup.open_uploads(self.backup_key).await;
        let open = open.inspect_err(|error| {
            tracing::info!(delivery.id = %self.delivery, object.key = self.key, %error, "open uploads cannot be listed");
        });
        // Without an open upload there is hardly a ledger, so that none is read: none can be laid down where there is one.
        if open.as_ref().is_ok_and(Vec::is_empty) {
            let bytes = if self.origin.keeps_no_checksum() {
                MarkedBytes::Sealed
            } else {
                self.bytes().await
            };
            match self.new_passage(shelf.as_ref(), bytes).await {
                Err(Stop::StartOver(_)) if shelf.is_some() => {}
                begun => return begun,
            }
        }
        let found = match &shelf {
            Some(known) => known.read().await.unwrap_or_else(|error| {
                tracing::warn!(delivery.id = %self.delivery, object.key = self.key, %error, "no ledger can be read: this copy could not be resumed");
                shelf = None;
                None
            }),
            None => None,
        };
        if let (Some(known), Some(mut found)) = (&shelf, found) {
            let ledger = found.ledger.take();
            let upload = |ledger: &Ledger| self.backup.upload(self.backup_key, &ledger.upload);
            let mut gone = None;
            let bytes = match &ledger {
                Some(ledger) => self.bytes_of(ledger).await?,
                None => None,
            };
            match (ledger, bytes) {
                (Some(mut ledger), Some(bytes)) => {
                    let upload = upload(&ledger);
                    match upload.listed().await {
                        Ok(listed) => {
                            ledger.keep_listed(&listed);
                            tracing::info!(delivery.id = %self.delivery, object.key = self.key, parts = ledger.finished(), "going on with an upload");
                            return Ok(Passage {
                                upload,
                                bytes,
                                fitted: self.fitted(bytes),
                                plan: ledger.plan,
                                kept: Some(known.go_on(found, ledger)),
                            });
                        }
                        Err(error) if error.kind == Kind::NoSuchUpload => gone = Some(error),
                        // It will never be listed: start anew.
                        Err(error)
                            if matches!(
                                error.kind,
                                Kind::Denied | Kind::NotFound | Kind::Refused
                            ) =>
                        {
                            tracing::warn!(delivery.id = %self.delivery, object.key = self.key, %error, "an upload's parts cannot be listed");
                            self.drop_upload(&upload).await;
                        }
                        Err(error) => return Err(Stop::Failed(WorkError::Backup(error))),
                    }
                }
                (Some(of_another), None) => self.drop_upload(&upload(&of_another)).await,
                (None, _) => {}
            }
            match (known.clear(&found).await, gone) {
                // Completed, perhaps, and then the backup is not what it was when it was looked at.
                (Ok(()), Some(gone)) => return Err(Stop::StartOver(gone.to_string())),
                (Ok(()), None) => {}
                (Err(error), _) if error.moved() => {
                    return Err(Stop::StartOver(error.to_string()));
                }
                (Err(error), _) => {
                    tracing::warn!(delivery.id = %self.delivery, object.key = self.key, %error, "an old ledger stays: this copy could not be resumed");
                    shelf = None;
                }
            }
        }
        // Only where it is known that no ledger names one of them.
        if self.ledgers.is_none() || shelf.is_some() {
            self.drop_orphans(&open.unwrap_or_default()).await;
        }
        let bytes = self.bytes().await;
        self.new_passage(shelf.as_ref(), bytes).await
    }

    async fn new_passage<'a>(
        &self,
        shelf: Option<&Shelf<'a>>,
        bytes: MarkedBytes,
    ) -> Result<Passage<'a>, Stop> {
        let plan = PartPlan::new(self.state.size).ok_or_else(|| {
            Stop::Failed(WorkError::DoesNotFit(format!(
                "{} bytes are more than S3 stores in one object",
                self.state.size
            )))
        })?;
        let mut fitted = self.fitted(bytes);
        let upload = loop {
            let begun = self.backup.begin(self.backup_key, &fitted.properties);
            match begun.await {
                Ok(upload) => break upload,
                Err(error) => match self.without_refused(&fitted, &error) {
                    Some(less) => fitted = less,
                    None => return Err(Stop::of_write(error)),
                },
            }
        };
        let mut kept = None;
        if let Some(shelf) = shelf {
            let ledger = Ledger::new(self.backup_key, upload.id(), self.wanted(bytes), plan);
            match shelf.lay_down(ledger).await {
                Ok(ledger) => kept = Some(ledger),
                Err(e) if e.moved() => {
                    // Somebody else began at the same time: one upload is enough for both.
                    self.drop_upload(&upload).await;
                    return Err(Stop::StartOver(e.to_string()));
                }
                Err(error) => {
                    tracing::warn!(delivery.id = %self.delivery, object.key = self.key, %error, "no ledger can be kept: this copy could not be resumed");
                }
            }
        }
        Ok(Passage {
            upload,
            bytes,
            fitted,
            plan,
            kept,
        })
    }

    /// The state as it is written, mark and storage class included: an upload was opened for it, or for another one.
    fn wanted(&self, bytes: MarkedBytes) -> Fingerprint {
        let written = ObjectState {
            properties: self.fitted(bytes).properties,
            ..self.state.clone()
        };
        written.fingerprint()
    }

    /// Drops what workers left behind that died before they had noted their upload anywhere.
    async fn drop_orphans(&self, open: &[(Upload, Option<SystemTime>)]) {
        let then = SystemTime::now() - ORPHANED_AFTER;
        for (upload, begun) in open {
            if begun.is_some_and(|begun| begun < then) {
                self.drop_upload(upload).await;
            }
        }
    }

    async fn drop_upload(&self, upload: &Upload) {
        let dropped = timeout(DROP_TIMEOUT, upload.abort()).await;
        if !matches!(dropped, Ok(Ok(()))) {
            tracing::warn!(
                delivery.id = %self.delivery,
                object.key = self.key,
                "an upload could not be dropped: the bucket's lifecycle rule will"
            );
        }
    }

    /// Puts away an upload that was not completed, in what is left of the time. With a ledger it stays for the next worker,
    /// whatever stopped this one: if the origin has moved, that one drops it. But what the backup refused is not tried again
    /// with the same parts.
    async fn left(&self, passage: &Passage<'_>, stop: Stop) -> Stop {
        timeout_at(self.deadline + LEAVE_TIMEOUT, self.put_away(passage, stop))
            .await
            .unwrap_or(Stop::Failed(WorkError::OutOfTime(
                "an upload could not be put away any more",
            )))
    }

    async fn put_away(&self, passage: &Passage<'_>, stop: Stop) -> Stop {
        let refused = matches!(&stop, Stop::Failed(WorkError::Backup(e))
            if matches!(e.kind, Kind::Refused | Kind::Damaged | Kind::ChecksumWanted));
        let Some(kept) = passage.kept.as_ref().filter(|_| !refused) else {
            // After a completion of unknown outcome too: what is dropped cannot land later.
            self.drop_upload(&passage.upload).await;
            if let Some(kept) = &passage.kept {
                kept.clear().await;
            }
            return stop;
        };
        let Stop::Failed(error) = stop else {
            // With its ledger it waits for whoever wants this state again; without one nobody will.
            if kept.is_lost().await {
                self.drop_upload(&passage.upload).await;
            }
            return stop;
        };
        let parts = passage.plan.parts().len();
        let too_slow = matches!(error, WorkError::OutOfTime(_)) && kept.finished() < parts;
        match kept.leave(too_slow).await {
            // Whoever takes the ledger away drops the upload: nobody goes on with it.
            Some(attempts) if kept.clear().await => {
                self.drop_upload(&passage.upload).await;
                Stop::Failed(WorkError::NoProgress(attempts))
            }
            // Only what is written down is gone on with; else an attempt is an attempt, and somebody counts it.
            _ if too_slow && kept.is_written().await => Stop::Failed(WorkError::Unfinished {
                finished: kept.finished(),
                parts,
            }),
            _ => Stop::Failed(error),
        }
    }

    async fn carry(
        &self,
        passage: &Passage<'_>,
        mut first: Option<ObjectBody>,
    ) -> Result<Carried, Stop> {
        let parts = passage.plan.parts().map(|part| {
            // The answer that the look opened is the first part, where the plan cuts it so.
            let opened = if part.offset == 0 {
                first.take().filter(|body| body.length() == part.length)
            } else {
                None
            };
            self.part(passage, part, opened)
        });
        let done: Vec<(StoredPart, u64)> = stream::iter(parts)
            .buffer_unordered(PARTS_IN_FLIGHT.get())
            .try_collect()
            .await?;
        let bytes = done.iter().map(|(_, sent)| sent).sum();
        let mut stored: Vec<_> = done.into_iter().map(|(part, _)| part).collect();
        stored.sort_by_key(|part| part.number);
        if let MarkedBytes::Checksum(told) = passage.bytes
            && told != whole_checksum(&stored)
        {
            // As the backup would say of a checksum that is not of the parts: these parts are not tried again.
            let torn = "the parts are not those that the origin's own checksum is of";
            let error = self
                .backup
                .refusal("CompleteMultipartUpload", self.backup_key, torn);
            return Err(Stop::Failed(WorkError::Backup(error)));
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            match passage.upload.complete(&stored, &self.condition).await {
                // Nothing was done, and the parts are still there.
                Err(busy) if busy.kind == Kind::Busy && attempt < ATTEMPTS => {
                    self.pause(attempt, 0, &busy).await;
                }
                done => {
                    let done = done.map_err(Stop::of_write)?;
                    let left_out = self.seal(passage.bytes, &passage.fitted, &done).await?;
                    return Ok(Carried {
                        etag: done.etag,
                        checksum: done.checksum,
                        bytes,
                        left_out,
                    });
                }
            }
        }
    }

    /// Carries a part over, unless it stands. Returns how many bytes of it went over now.
    async fn part(
        &self,
        passage: &Passage<'_>,
        part: Part,
        mut opened: Option<ObjectBody>,
    ) -> Result<(StoredPart, u64), Stop> {
        let _slot = self.limits.parts.acquire().await.expect("never closed");
        if let Some(stands) = passage.stored(part) {
            return Ok((stands, 0));
        }
        let mut attempt = 0;
        let stored = loop {
            attempt += 1;
            let sent = self.send(&passage.upload, part, &mut opened, attempt).await;
            match sent {
                Err(Stop::Failed(error)) if attempt < ATTEMPTS && error.passing() => {
                    // A store that has no such upload any more may hang up on the body before that answer is heard.
                    if passage.kept.is_some()
                        && let Err(gone) = passage.upload.listed().await
                        && gone.kind == Kind::NoSuchUpload
                    {
                        return Err(Stop::StartOver(gone.to_string()));
                    }
                    self.pause(attempt, part.number, &error).await;
                }
                done => break done?,
            }
        };
        if let Some(kept) = &passage.kept {
            // The part holds its slot until the ledger has it: what a death costs is never more than the parts on their way.
            kept.add(&stored).await?;
        }
        Ok((stored, part.length))
    }
}
