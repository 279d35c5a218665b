//! The seal of a copy that went over in parts: its checksum, as a tag that is written once the bytes have passed.

use super::{ATTEMPTS, Transfer};
use crate::clients::error::Kind;
use crate::clients::upload::Completed;
use crate::domain::fit::Fitted;
use crate::domain::mark::{MarkedBytes, Seal};
use crate::error::{Stop, WorkError};

impl Transfer<'_> {
    /// Writes down what the bytes of the copy are, as its mark promised before they had passed. A copy that lacks this is not believed
    /// and copied again, except where the store knows no tags.
    pub(super) async fn seal(
        &self,
        bytes: MarkedBytes,
        fitted: &Fitted,
        done: &Completed,
    ) -> Result<Vec<String>, Stop> {
        let mut fitted = fitted.clone();
        if bytes != MarkedBytes::Sealed {
            return Ok(fitted.left_out);
        }
        let seal = Seal {
            checksum: done.checksum,
            etag: done.etag.clone(),
        };
        let version = done.version.as_deref();
        let mut attempt = 0;
        let tagged = loop {
            attempt += 1;
            let mut tags = fitted.properties.tags.clone();
            tags.insert(Seal::NAME.to_owned(), seal.to_string());
            match self.backup.tag(self.backup_key, version, &tags).await {
                Ok(()) => break Ok(()),
                // An upload that is gone on with may have been opened without them.
                // A copy without its seal would be carried over once more.
                Err(error)
                    if attempt < ATTEMPTS && matches!(error.kind, Kind::Busy | Kind::Unknown) =>
                {
                    self.pause(attempt, 0, &error).await;
                }
                Err(error) => match self.without_refused(&fitted, &error) {
                    Some(less) => fitted = less,
                    None => break Err(error),
                },
            }
        };
        let left_out = fitted.left_out;
        match tagged {
            Ok(()) if version.is_some() => Ok(left_out),
            // Without versions the tags may have met an object that somebody put there meanwhile.
            Ok(()) => {
                let now = self.backup.head(self.backup_key).await;
                let now = now.map_err(|error| Stop::Failed(WorkError::Backup(error)))?;
                if now.map(|copy| copy.etag) != done.etag {
                    let why = "the copy was replaced meanwhile".to_owned();
                    return Err(Stop::StartOver(why));
                }
                Ok(left_out)
            }
            Err(error) if error.kind == Kind::Refused => {
                tracing::info!(delivery.id = %self.delivery, object.key = self.key, %error, "the backup keeps no tags: a change of this copy's bytes shows in its length alone");
                Ok(left_out)
            }
            Err(error) => Err(Stop::of_write(error)),
        }
    }
}
