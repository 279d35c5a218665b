//! Carries one state of one object from the origin to the backup: small ones in one pass, larger ones part by part. Only
//! that state: an origin that moves meanwhile stops it.

use crate::clients::body::ObjectBody;
use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::clients::upload::{StoredPart, Upload};
use crate::domain::delivery::DeliveryId;
use crate::domain::object::{ETag, Properties};
use crate::domain::parts::{PART_USUAL, Part, PartPlan};
use crate::domain::reconcile::Condition;
use crate::error::WorkError;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

/// Parts on their way at a time, of all objects together: enough for a store that takes 20 MB a second of each (AWS's own
/// planning figure) to be no slower than the network of a function.
const PARTS_IN_FLIGHT: usize = 8;
/// What small objects may take of the memory, in KiB, all of them together.
const BUFFERS_KIB: usize = 16 * 1024;
/// How often a range is opened anew when its bytes break off. A streamed body cannot be rewound, so no layer below can.
const ATTEMPTS: u32 = 4;
/// How long dropping an upload may take, after the deadline.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a transfer or a write stopped.
#[derive(Debug)]
pub enum Stop {
    /// Something moved, and nothing was written: look and decide anew.
    StartOver(String),
    /// It failed, perhaps with an effect.
    Failed(WorkError),
}

impl Stop {
    /// What a failed write of the backup means.
    pub fn of_write(error: CallError) -> Self {
        match error.kind {
            Kind::PreconditionFailed | Kind::Conflict | Kind::NoSuchKey | Kind::Busy => {
                Self::StartOver(error.to_string())
            }
            _ => Self::Failed(WorkError::Backup(error)),
        }
    }

    /// What a failed read of a range of the origin means.
    fn of_read(error: CallError) -> Self {
        match error.kind {
            Kind::PreconditionFailed | Kind::NoSuchKey | Kind::NoSuchRange => {
                Self::StartOver(error.to_string())
            }
            _ => Self::Failed(WorkError::Origin(error)),
        }
    }
}

/// What all transfers of a process share, so that its memory does not grow with the work.
#[derive(Debug)]
pub struct Limits {
    parts: Semaphore,
    buffers: Semaphore,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parts: Semaphore::new(PARTS_IN_FLIGHT),
            buffers: Semaphore::new(BUFFERS_KIB),
        }
    }
}

/// One state of one object, and where it goes.
#[derive(Debug)]
pub struct Transfer<'a> {
    /// Read with the origin's own keys.
    pub origin: &'a Bucket,
    /// Written with the function's role.
    pub backup: &'a Bucket,
    /// The key in the origin.
    pub key: &'a str,
    /// The key in the backup.
    pub backup_key: &'a str,
    /// The generation that is copied.
    pub etag: &'a ETag,
    /// Its length in bytes.
    pub size: u64,
    /// What goes with the bytes, the mark included.
    pub properties: Properties,
    /// What must still hold of the backup.
    pub condition: Condition,
    /// What it shares with the others.
    pub limits: &'a Limits,
    /// The delivery that it is for, as the log names it.
    pub delivery: DeliveryId,
    /// When it must have stopped.
    pub deadline: Instant,
}

impl Transfer<'_> {
    /// Carries it over. `first` is the answer that the look already opened: the object's first bytes.
    ///
    /// # Errors
    /// [`Stop::StartOver`] where nothing was written because something moved, [`Stop::Failed`] otherwise.
    pub async fn run(&self, first: ObjectBody) -> Result<(), Stop> {
        if self.size <= PART_USUAL {
            self.in_one_pass(first).await
        } else {
            self.in_parts(first).await
        }
    }

    async fn in_one_pass(&self, first: ObjectBody) -> Result<(), Stop> {
        let kib = u32::try_from(self.size.div_ceil(1024).max(1)).expect("a small object");
        let write = async {
            let _room = self
                .limits
                .buffers
                .acquire_many(kib)
                .await
                .expect("never closed");
            let mut body = Some(first);
            let mut attempt = 0;
            let bytes = loop {
                attempt += 1;
                let body = match body.take() {
                    Some(body) => body,
                    None => self
                        .origin
                        .open(self.key, self.etag, 0..self.size)
                        .await
                        .map_err(Stop::of_read)?,
                };
                match body.collect().await {
                    Ok(bytes) => break bytes,
                    Err(reason) if attempt < ATTEMPTS && self.size > 0 => {
                        self.pause(attempt, 0, &reason).await;
                    }
                    Err(reason) => return Err(Stop::Failed(WorkError::BrokenOff(reason))),
                }
            };
            self.backup
                .put(self.backup_key, bytes, &self.properties, &self.condition)
                .await
                .map_err(Stop::of_write)
        };
        timeout_at(self.deadline, write)
            .await
            .unwrap_or(Err(Stop::Failed(WorkError::OutOfTime(
                "the object is on its way",
            ))))
    }

    async fn in_parts(&self, first: ObjectBody) -> Result<(), Stop> {
        let plan = PartPlan::new(self.size).ok_or_else(|| {
            Stop::Failed(WorkError::DoesNotFit(format!(
                "{} bytes are more than S3 stores in one object",
                self.size
            )))
        })?;
        let out_of_time = || Stop::Failed(WorkError::OutOfTime("the parts are on their way"));
        let begin = timeout_at(
            self.deadline,
            self.backup.begin(self.backup_key, &self.properties),
        );
        let upload = begin
            .await
            .map_err(|_| out_of_time())?
            .map_err(Stop::of_write)?;
        let carried = timeout_at(self.deadline, self.carry(plan, &upload, first))
            .await
            .unwrap_or_else(|_| Err(out_of_time()));
        if carried.is_err() {
            // After a completion of unknown outcome too: what is aborted cannot land later.
            let aborted = timeout(ABORT_TIMEOUT, upload.abort()).await;
            if !matches!(aborted, Ok(Ok(()))) {
                tracing::warn!(
                    delivery.id = %self.delivery,
                    object.key = self.key,
                    "an upload could not be dropped: the bucket's lifecycle rule will"
                );
            }
        }
        carried
    }

    async fn carry(&self, plan: PartPlan, upload: &Upload, first: ObjectBody) -> Result<(), Stop> {
        let mut first = Some(first);
        let parts = plan.parts().map(|part| {
            // The answer that the look opened is the first part, where the plan cuts it so.
            let opened = if part.offset == 0 {
                first.take().filter(|body| body.length() == part.length)
            } else {
                None
            };
            self.part(upload, part, opened)
        });
        let mut stored: Vec<_> = stream::iter(parts)
            .buffer_unordered(PARTS_IN_FLIGHT)
            .try_collect()
            .await?;
        stored.sort_by_key(|part: &StoredPart| part.number);
        let mut attempt = 0;
        loop {
            attempt += 1;
            match upload.complete(&stored, &self.condition).await {
                // Nothing was done, and the parts are still there.
                Err(busy) if busy.kind == Kind::Busy && attempt < ATTEMPTS => {
                    self.pause(attempt, 0, &busy).await;
                }
                done => return done.map_err(Stop::of_write),
            }
        }
    }

    async fn part(
        &self,
        upload: &Upload,
        part: Part,
        mut opened: Option<ObjectBody>,
    ) -> Result<StoredPart, Stop> {
        let _slot = self.limits.parts.acquire().await.expect("never closed");
        let mut attempt = 0;
        loop {
            attempt += 1;
            let body = match opened.take() {
                Some(body) => Ok(body),
                None => self
                    .origin
                    .open(self.key, self.etag, part.offset..part.offset + part.length)
                    .await
                    .map_err(Stop::of_read),
            };
            let stored = match body {
                Ok(body) => upload
                    .put_part(part.number, body)
                    .await
                    .map_err(|e| Stop::Failed(WorkError::of_part(e))),
                Err(stop) => Err(stop),
            };
            match stored {
                Err(Stop::Failed(error)) if attempt < ATTEMPTS && error.passing() => {
                    self.pause(attempt, part.number, &error).await;
                }
                done => return done,
            }
        }
    }

    /// Waits longer from attempt to attempt; parts that failed together do not come back together.
    async fn pause(&self, attempt: u32, number: u32, reason: &(dyn std::fmt::Display + Sync)) {
        tracing::info!(delivery.id = %self.delivery, object.key = self.key, attempt, part = number, %reason, "trying again");
        let wait = 100 * (1 << attempt) + number * 37 % 100;
        tokio::time::sleep(Duration::from_millis(u64::from(wait))).await;
    }
}
