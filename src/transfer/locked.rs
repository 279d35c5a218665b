//! Parts for a bucket under Object Lock: S3 takes none whose checksum is not in a header, so each is read before it is sent.

use super::Transfer;
use crate::clients::body::ObjectBody;
use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::clients::upload::Upload;
use crate::domain::parts::{Part, StoredPart};
use crate::error::{Stop, WorkError};
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};

/// How long the question waits for its answer: the copy goes on without it.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a question that had no answer is not asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Whether the backup wants the checksum of a part in a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lock {
    /// Nobody has asked.
    #[default]
    Unasked,
    /// There was no answer, last at this time.
    Unanswered(Instant),
    /// We may not know: parts are streamed until one is refused.
    Hidden,
    /// The bucket retains nothing.
    Open,
    /// It wants them.
    Locked,
}

/// What is known of the backup by all transfers of a process.
#[derive(Debug, Default)]
pub(super) struct KnownLock(std::sync::Mutex<Lock>, Mutex<()>);

impl KnownLock {
    fn get(&self) -> Lock {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set(&self, lock: Lock) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = lock;
    }

    fn wants_answer(&self) -> bool {
        match self.get() {
            Lock::Unasked => true,
            Lock::Unanswered(then) => then.elapsed() > ASK_AGAIN_AFTER,
            Lock::Hidden | Lock::Open | Lock::Locked => false,
        }
    }

    /// Asks the bucket, once in a process. Whoever comes while the question is open waits for its answer.
    pub(super) async fn ask(&self, backup: &Bucket) {
        if !self.wants_answer() {
            return;
        }
        let _asking = self.1.lock().await;
        if !self.wants_answer() {
            return;
        }
        let lock = match timeout(ASK_TIMEOUT, backup.object_lock()).await {
            Ok(Ok(Some(Some(_)))) => Lock::Locked,
            Ok(Ok(_)) => Lock::Open,
            // A store without Object Lock does not know the question.
            Ok(Err(error)) if matches!(error.kind, Kind::Refused | Kind::NotFound) => Lock::Open,
            Ok(Err(error)) if error.kind == Kind::Denied => {
                tracing::info!(%error, "whether the backup is under Object Lock shows when it refuses a part");
                Lock::Hidden
            }
            Ok(Err(error)) => unanswered(&error),
            Err(late) => unanswered(&late),
        };
        // A part may have been refused meanwhile.
        if self.get() != Lock::Locked {
            self.set(lock);
        }
    }
}

fn unanswered(error: &dyn std::error::Error) -> Lock {
    tracing::info!(%error, "whether the backup is under Object Lock cannot be asked now");
    Lock::Unanswered(Instant::now())
}

impl Transfer<'_> {
    /// Sends a part in the way that the backup takes: streamed as it arrives, or with its checksum first.
    pub(super) async fn send(
        &self,
        upload: &Upload,
        part: Part,
        opened: &mut Option<ObjectBody>,
        attempt: u32,
    ) -> Result<StoredPart, Stop> {
        let lock = self.limits.lock.get();
        // A store may hang up on a part instead of saying why it refuses it.
        let doubtful = attempt > 1 && matches!(lock, Lock::Hidden | Lock::Unanswered(_));
        if lock != Lock::Locked && !doubtful {
            let body = self.range(part, opened).await?;
            match upload.put_part(part.number, body, None).await {
                Err(refused) if refused.kind == Kind::ChecksumWanted => {
                    tracing::info!(delivery.id = %self.delivery, object.key = self.key, "the backup is under Object Lock: parts are read before they are sent");
                    self.limits.lock.set(Lock::Locked);
                }
                sent => return sent.map_err(of_part),
            }
        }
        self.send_checked(upload, part, opened).await
    }

    /// Sends a part with its checksum first: from memory where all parts on their way fit there with it; else it is read twice, for its
    /// checksum and for its bytes.
    async fn send_checked(
        &self,
        upload: &Upload,
        part: Part,
        opened: &mut Option<ObjectBody>,
    ) -> Result<StoredPart, Stop> {
        let broken = |reason| Stop::Failed(WorkError::BrokenOff(reason));
        let kib = part.length.div_ceil(1024);
        if let Some(kib) = u32::try_from(kib)
            .ok()
            .filter(|kib| *kib <= self.limits.kib)
        {
            let _room = room(&self.limits.buffers, kib).await;
            let body = self.range(part, opened).await?;
            let bytes = body.collect().await.map_err(broken)?;
            return upload
                .put_read_part(part.number, bytes)
                .await
                .map_err(of_part);
        }
        let body = self.range(part, opened).await?;
        let checksum = body.checksum().await.map_err(broken)?;
        let again = self.range(part, &mut None).await?;
        upload
            .put_part(part.number, again, Some(checksum))
            .await
            .map_err(of_part)
    }

    /// The bytes of a part: those that are open already, or asked for.
    async fn range(&self, part: Part, opened: &mut Option<ObjectBody>) -> Result<ObjectBody, Stop> {
        if let Some(body) = opened.take() {
            return Ok(body);
        }
        let bytes = part.offset..part.offset + part.length;
        let open = self.origin.open(self.key, &self.state.etag, bytes);
        open.await.map_err(Stop::of_read)
    }
}

async fn room(buffers: &Semaphore, kib: u32) -> tokio::sync::SemaphorePermit<'_> {
    buffers.acquire_many(kib).await.expect("never closed")
}

fn of_part(error: CallError) -> Stop {
    match error.kind {
        Kind::NoSuchUpload => Stop::StartOver(error.to_string()),
        _ => Stop::Failed(WorkError::of_part(error)),
    }
}
