//! An upload that outlives its worker: its ledger in the state bucket, read by whoever goes on and written by all who carry
//! parts. A state bucket that fails costs the chance to resume and never the copy.

use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::domain::ledger::Ledger;
use crate::domain::object::ETag;
use crate::domain::parts::{Part, StoredPart};
use crate::domain::reconcile::Condition;
use crate::error::Stop;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// How many workers in a row may end without a part of their own before the upload is given up.
const FRUITLESS_MAX: u32 = 5;
/// How often a write of the ledger is tried that others get in between of.
const ATTEMPTS: u32 = 8;
/// How long a part waits at most until the ledger has it.
const KEEP_TIMEOUT: Duration = Duration::from_secs(10);

/// A ledger as the state bucket has it.
#[derive(Debug)]
pub struct Found {
    /// What it says; none where it is not ours to read.
    pub ledger: Option<Ledger>,
    etag: ETag,
}

/// Where ledgers are kept: one for a key of the backup.
#[derive(Clone, Debug)]
pub struct Shelf<'a> {
    state: &'a Bucket,
    place: String,
}

impl<'a> Shelf<'a> {
    /// The place of the ledger for this key of this backup.
    #[must_use]
    pub fn new(state: &'a Bucket, backup: &Bucket, key: &str) -> Self {
        Self {
            state,
            place: Ledger::place(backup.name(), key),
        }
    }

    /// Reads the ledger, if there is one.
    ///
    /// # Errors
    /// The state bucket did not answer, or denied.
    pub async fn read(&self) -> Result<Option<Found>, CallError> {
        let file = self.state.read_file(&self.place).await?;
        Ok(file.map(|(json, etag)| Found {
            ledger: Ledger::from_json(&json),
            etag,
        }))
    }

    /// Lays down the ledger of a new upload, unless there is one already.
    ///
    /// # Errors
    /// [`Kind::PreconditionFailed`] or [`Kind::Conflict`] where another worker was first.
    pub async fn lay_down(&self, ledger: Ledger) -> Result<Kept<'a>, CallError> {
        let etag = self.write(ledger.to_json(), &Condition::Absent).await?;
        Ok(self.kept(ledger, etag))
    }

    /// Goes on with the ledger that was found, as far as the backup's own list agrees.
    #[must_use]
    pub fn go_on(&self, found: Found, ledger: Ledger) -> Kept<'a> {
        self.kept(ledger, found.etag)
    }

    /// Takes the ledger away, if it is still the one that was found.
    ///
    /// # Errors
    /// As any conditional removal.
    pub async fn clear(&self, found: &Found) -> Result<(), CallError> {
        self.state.remove_file(&self.place, &found.etag).await
    }

    fn kept(&self, ledger: Ledger, etag: ETag) -> Kept<'a> {
        Kept {
            shelf: self.clone(),
            known: Mutex::new(Known {
                began_with: ledger.finished(),
                ledger,
                additions: 0,
            }),
            pen: tokio::sync::Mutex::new(Pen {
                etag,
                covers: 0,
                broken: false,
                lost: false,
            }),
        }
    }

    async fn write(&self, json: Vec<u8>, condition: &Condition) -> Result<ETag, CallError> {
        self.state.write_file(&self.place, json, condition).await
    }
}

/// Drops the upload that a ledger names, if there is one: what it would have copied is not wanted any more, and a completion
/// of it that is still on its way shall not land.
///
/// # Errors
/// The state bucket or the backup did not answer, or denied.
pub async fn forget(state: &Bucket, backup: &Bucket, key: &str) -> Result<(), CallError> {
    let shelf = Shelf::new(state, backup, key);
    let Some(found) = shelf.read().await? else {
        return Ok(());
    };
    // What the backup does not take for the id of an upload is none.
    if let Some(ledger) = &found.ledger
        && let Err(error) = backup.upload(key, &ledger.upload).abort().await
        && error.kind != Kind::Refused
    {
        return Err(error);
    }
    match shelf.clear(&found).await {
        Err(error) if !error.moved() => Err(error),
        _ => Ok(()),
    }
}

/// The ledger of an upload under way.
#[derive(Debug)]
pub struct Kept<'a> {
    shelf: Shelf<'a>,
    known: Mutex<Known>,
    pen: tokio::sync::Mutex<Pen>,
}

#[derive(Debug)]
struct Known {
    ledger: Ledger,
    /// How many parts this worker has added.
    additions: usize,
    began_with: usize,
}

/// Who holds it writes, for all that wait.
#[derive(Debug)]
struct Pen {
    /// Of the ledger as it was written or read last.
    etag: ETag,
    /// How many of this worker's additions it has.
    covers: usize,
    /// Whether the state bucket has failed: then nothing waits for it any more.
    broken: bool,
    /// Whether the ledger is another's now, or gone.
    lost: bool,
}

impl Kept<'_> {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part that stands already: from an earlier worker, or from one that shares the upload.
    #[must_use]
    pub fn stored(&self, part: Part) -> Option<StoredPart> {
        self.known().ledger.stored(part)
    }

    /// How many parts stand.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.known().ledger.finished()
    }

    /// Notes that a part is finished. Returns when the state bucket has it: until then the part counts as on its way.
    ///
    /// # Errors
    /// [`Stop::StartOver`] where another worker has ended this upload.
    pub async fn add(&self, part: &StoredPart) -> Result<(), Stop> {
        let mine = {
            let mut known = self.known();
            known.ledger.add(part);
            known.additions += 1;
            known.additions
        };
        let mut pen = self.pen.lock().await;
        if pen.covers >= mine || pen.broken {
            return Ok(());
        }
        let written = timeout(KEEP_TIMEOUT, self.write(&mut pen)).await;
        written.unwrap_or_else(|_| {
            pen.broken = true;
            Ok(())
        })
    }

    async fn write(&self, pen: &mut Pen) -> Result<(), Stop> {
        for _ in 0..ATTEMPTS {
            let (json, covers) = {
                let known = self.known();
                (known.ledger.to_json(), known.additions)
            };
            let condition = Condition::Unchanged(pen.etag.clone());
            match self.shelf.write(json, &condition).await {
                Ok(etag) => {
                    (pen.etag, pen.covers, pen.broken) = (etag, covers, false);
                    return Ok(());
                }
                Err(error) if error.moved() => self.merge(pen).await?,
                Err(error) => {
                    self.warn(&error);
                    pen.broken = true;
                }
            }
            if pen.broken {
                return Ok(());
            }
        }
        // Others write all the time, and each takes over what it finds: what is missing will be copied again at worst.
        Ok(())
    }

    /// Takes over what another worker has written, or our own write whose answer got lost.
    async fn merge(&self, pen: &mut Pen) -> Result<(), Stop> {
        let found = match self.shelf.read().await {
            Ok(found) => found,
            Err(error) => {
                self.warn(&error);
                pen.broken = true;
                return Ok(());
            }
        };
        let mut known = self.known();
        match found {
            Some(Found {
                ledger: Some(theirs),
                etag,
            }) if theirs.upload == known.ledger.upload => {
                known.ledger.merge(theirs);
                pen.etag = etag;
                Ok(())
            }
            _ => {
                pen.lost = true;
                Err(Stop::StartOver(
                    "another worker has ended this upload".to_owned(),
                ))
            }
        }
    }

    /// Whether the state bucket has all that this worker knows.
    pub async fn is_written(&self) -> bool {
        let pen = self.pen.lock().await;
        !pen.broken && pen.covers == self.known().additions
    }

    /// Whether the ledger turned out to be another's, or gone: then nobody goes on with this upload.
    pub async fn is_lost(&self) -> bool {
        self.pen.lock().await.lost
    }

    /// Takes the ledger away: the upload is completed, or is to be dropped. Returns whether it was this one's to take.
    pub async fn clear(&self) -> bool {
        let etag = self.pen.lock().await.etag.clone();
        let cleared = self.shelf.state.remove_file(&self.shelf.place, &etag).await;
        // Else another worker writes to it, or has taken it away: it finds that the upload is gone.
        if let Err(error) = &cleared
            && !error.moved()
        {
            self.warn(error);
        }
        cleared.is_ok()
    }

    /// Leaves the upload to the next worker; `too_slow` where this one was out of time. Returns how many of those in a row came
    /// no further, if they are too many.
    pub async fn leave(&self, too_slow: bool) -> Option<u32> {
        let mut pen = self.pen.lock().await;
        {
            let mut known = self.known();
            if too_slow && known.ledger.finished() == known.began_with {
                known.ledger.fruitless += 1;
            } else if pen.covers == known.additions {
                return None;
            }
        }
        // Parts whose note was on its way are noted too.
        self.write(&mut pen).await.ok()?;
        let fruitless = self.known().ledger.fruitless;
        (fruitless >= FRUITLESS_MAX).then_some(fruitless)
    }

    fn warn(&self, error: &CallError) {
        tracing::warn!(ledger = self.shelf.place, %error, "the ledger of an upload could not be kept: what it lacks would be copied again");
    }
}
