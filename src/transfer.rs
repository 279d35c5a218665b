//! Carries one state of one object from the origin to the backup: small ones in one pass, larger ones part by part. Only
//! that state: an origin that moves meanwhile stops it.

mod locked;
mod parts;
mod seal;

use crate::clients::body::ObjectBody;
use crate::clients::bucket::Bucket;
use crate::clients::error::CallError;
use crate::domain::bound::Bound;
use crate::domain::checksum::Crc64;
use crate::domain::delivery::DeliveryId;
use crate::domain::fit::{Fitted, StorageClass, fit};
use crate::domain::mark::{Mark, MarkedBytes};
use crate::domain::object::{ETag, ObjectState};
use crate::domain::parts::PART_USUAL;
use crate::domain::reconcile::Condition;
use crate::error::{Stop, WorkError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Parts on their way at a time, of all objects together: enough for a store that takes 20 MB a second of each (AWS's own
/// planning figure) to be no slower than the network of the largest function. Each costs its two connections' buffers.
static PARTS_IN_FLIGHT: Bound<usize> = Bound::new("parts.in_flight", 16);
/// The most KiB of small objects that are held at a time, however much memory there is: one object has room at least.
static BUFFERS_MAX: Bound<usize> = Bound::new("transfer.buffers", 64 * 1024);
/// How often a range is opened anew when its bytes break off. A streamed body cannot be rewound, so no layer below can.
const ATTEMPTS: u32 = 4;

/// What all transfers of a process share, so that its memory does not grow with the work.
#[derive(Debug)]
pub struct Limits {
    parts: Semaphore,
    /// In KiB.
    buffers: Semaphore,
    /// How many of them there are.
    kib: u32,
    lock: locked::KnownLock,
}

impl Limits {
    /// For a function of so much memory, in MiB: an eighth of it is for the bytes of small objects, and of parts for a bucket under
    /// Object Lock, within 16 and 64 MiB. Other parts are streamed and take the same few in any.
    #[must_use]
    pub fn of_memory(mib: usize) -> Self {
        let kib = ((mib / 8).max(16) * 1024).min(BUFFERS_MAX.get());
        Self {
            parts: Semaphore::new(PARTS_IN_FLIGHT.get()),
            buffers: Semaphore::new(kib),
            kib: u32::try_from(kib).unwrap_or(u32::MAX),
            lock: locked::KnownLock::default(),
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
    /// The state that is copied.
    pub state: &'a ObjectState,
    /// The origin bucket as a mark names it.
    pub origin_id: &'a str,
    /// What the copy is stored as.
    pub class: Option<StorageClass>,
    /// Where uploads leave their ledgers, to be resumed.
    pub ledgers: Option<&'a Bucket>,
    /// What must still hold of the backup.
    pub condition: Condition,
    /// What it shares with the others.
    pub limits: &'a Limits,
    /// The delivery that it is for, as the log names it.
    pub delivery: DeliveryId,
    /// When it must have stopped.
    pub deadline: Instant,
}

/// Whether an object of this size goes over as an upload, of which a worker that is cut short leaves a ledger.
#[must_use]
pub fn needs_upload(size: u64) -> bool {
    size > PART_USUAL.get()
}

/// The properties without those that the backup has refused; none where an error is not about properties.
pub(crate) fn without_refused(
    delivery: DeliveryId,
    key: &str,
    fitted: &Fitted,
    error: &CallError,
) -> Option<Fitted> {
    let code = error.refuses_properties()?;
    let less = fitted.without_refused(code, &error.cause)?;
    tracing::warn!(delivery.id = %delivery, object.key = key, %error, left_out = ?less.left_out, "the backup refuses a property: the copy is written without it");
    Some(less)
}

/// What a transfer has done.
#[derive(Debug)]
pub struct Carried {
    /// The backup's name for the copy.
    pub etag: Option<ETag>,
    /// Checksum of the origin's bytes as they were read, which the backup checked.
    pub checksum: Crc64,
    /// Bytes that went over now; parts that stood already are not among them.
    pub bytes: u64,
    /// What the backup cannot take of the object's properties.
    pub left_out: Vec<String>,
}

impl Transfer<'_> {
    /// Carries it over. `first` is the answer that the look already opened, if it is still unread: the object's first bytes.
    ///
    /// # Errors
    /// [`Stop::StartOver`] where nothing was written because something moved, [`Stop::Failed`] otherwise.
    pub async fn run(&self, first: Option<ObjectBody>) -> Result<Carried, Stop> {
        if needs_upload(self.state.size) {
            self.in_parts(first).await
        } else {
            self.in_one_pass(first).await
        }
    }

    /// What goes with the bytes, the mark included, which says what they are.
    fn fitted(&self, bytes: MarkedBytes) -> Fitted {
        let mark = Mark::of(self.origin_id, self.state, bytes);
        fit(&self.state.properties, &mark, self.class)
    }

    /// The same without a property that the backup has just refused.
    fn without_refused(&self, fitted: &Fitted, error: &CallError) -> Option<Fitted> {
        without_refused(self.delivery, self.key, fitted, error)
    }

    async fn in_one_pass(&self, first: Option<ObjectBody>) -> Result<Carried, Stop> {
        let kib = u32::try_from(self.state.size.div_ceil(1024).max(1)).expect("a small object");
        let write = async {
            let _room = self
                .limits
                .buffers
                .acquire_many(kib)
                .await
                .expect("never closed");
            let mut body = first;
            let mut doubted = None;
            let mut attempt = 0;
            let (bytes, checksum) = loop {
                attempt += 1;
                let body = match body.take() {
                    Some(body) => body,
                    // Nothing has no range.
                    None if self.state.size == 0 => ObjectBody::empty(),
                    None => self
                        .origin
                        .open(self.key, &self.state.etag, 0..self.state.size)
                        .await
                        .map_err(Stop::of_read)?,
                };
                let reason = match body.collect().await {
                    Ok(bytes) => {
                        let checksum = Crc64::of(&bytes);
                        // Some stores give a directory's marker, which has no bytes, the MD5 of something else. Nothing can be
                        // damaged of no bytes, and the look after the write is the second read.
                        if self.state.size == 0 {
                            break (bytes, checksum);
                        }
                        // Not every ETag that looks like an MD5 is one (SSE-KMS, some S3-compatibles): two reads that agree
                        // tell one that is not from bytes that were damaged on their way.
                        if self.state.etag.may_name(&bytes) || doubted == Some(checksum) {
                            break (bytes, checksum);
                        }
                        doubted = Some(checksum);
                        "the bytes are not what their ETag names".to_owned()
                    }
                    Err(reason) => reason,
                };
                if attempt == ATTEMPTS || self.state.size == 0 {
                    return Err(Stop::Failed(WorkError::BrokenOff(reason)));
                }
                self.pause(attempt, 0, &reason).await;
            };
            let mut fitted = self.fitted(MarkedBytes::Checksum(checksum));
            let etag = loop {
                let put = self.backup.put(
                    self.backup_key,
                    bytes.clone(),
                    &fitted.properties,
                    &self.condition,
                    checksum,
                );
                match put.await {
                    Ok(etag) => break etag,
                    Err(error) => match self.without_refused(&fitted, &error) {
                        Some(less) => fitted = less,
                        None => return Err(Stop::of_write(error)),
                    },
                }
            };
            Ok(Carried {
                etag,
                checksum,
                bytes: self.state.size,
                left_out: fitted.left_out,
            })
        };
        timeout_at(self.deadline, write)
            .await
            .unwrap_or(Err(Stop::Failed(WorkError::OutOfTime(
                "the object is on its way",
            ))))
    }

    /// Waits longer from attempt to attempt; parts that failed together do not come back together.
    async fn pause(&self, attempt: u32, number: u32, reason: &(dyn std::fmt::Display + Sync)) {
        tracing::info!(delivery.id = %self.delivery, object.key = self.key, attempt, part = number, %reason, "trying again");
        let wait = 100 * (1 << attempt) + number * 37 % 100;
        tokio::time::sleep(Duration::from_millis(u64::from(wait))).await;
    }
}
