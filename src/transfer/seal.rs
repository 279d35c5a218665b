//! The seal of a copy that went over in parts: its checksum, as a tag that is written once the bytes have passed.

use super::Transfer;
use crate::clients::error::Kind;
use crate::clients::upload::Completed;
use crate::domain::fit::Fitted;
use crate::domain::mark::{MarkedBytes, Seal};
use crate::domain::reconcile::BackupState;
use crate::error::{Stop, WorkError};

impl Transfer<'_> {
    /// Writes down what the bytes of the copy are, as its mark promised before they had passed. A copy that lacks this is not believed
    /// and copied again, except where the store knows no tags.
    pub(super) async fn seal(
        &self,
        bytes: MarkedBytes,
        done: &Completed,
    ) -> Result<Vec<String>, Stop> {
        let Fitted {
            properties,
            left_out,
        } = self.fitted(bytes);
        if bytes != MarkedBytes::Sealed {
            return Ok(left_out);
        }
        let mut tags = properties.tags;
        let seal = Seal {
            checksum: done.checksum,
            etag: done.etag.clone(),
        };
        tags.insert(Seal::NAME.to_owned(), seal.to_string());
        let version = done.version.as_deref();
        match self.backup.tag(self.backup_key, version, &tags).await {
            Ok(()) if version.is_some() => Ok(left_out),
            // Without versions the tags may have met an object that somebody put there meanwhile.
            Ok(()) => {
                let now = self.backup.backup_state(self.backup_key).await;
                match now.map_err(|error| Stop::Failed(WorkError::Backup(error)))? {
                    BackupState::Present(copy) if Some(&copy.etag) == done.etag.as_ref() => {
                        Ok(left_out)
                    }
                    _ => Err(Stop::StartOver(
                        "the copy was replaced meanwhile".to_owned(),
                    )),
                }
            }
            Err(error) if error.kind == Kind::Refused => {
                tracing::info!(delivery.id = %self.delivery, object.key = self.key, %error, "the backup keeps no tags: a change of this copy's bytes shows in its length alone");
                Ok(left_out)
            }
            Err(error) => Err(Stop::of_write(error)),
        }
    }
}
