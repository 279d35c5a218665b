//! Our own small files in a bucket: read whole, written and removed under a condition.

use super::bucket::{Bucket, Sight};
use super::error::{CallError, Kind};
use crate::domain::checksum::Crc64;
use crate::domain::object::{ETag, Properties};
use crate::domain::reconcile::Condition;
use bytes::Bytes;

/// The longest file that is read, in bytes.
const FILE_MAX: u64 = 4 << 20;

impl Bucket {
    /// Reads a file, if there is one: its bytes, and the ETag that a change of it names.
    ///
    /// # Errors
    /// The bucket did not answer, or denied; the file is longer than 4 MiB.
    pub async fn read_file(&self, key: &str) -> Result<Option<(Vec<u8>, ETag)>, CallError> {
        let Sight::Present(state, body) = self.look(key, FILE_MAX).await? else {
            return Ok(None);
        };
        let bad = |cause: &str| self.bad_answer("GetObject", key, cause);
        if state.size > FILE_MAX {
            return Err(bad("no file of ours is that long"));
        }
        let bytes = body.collect().await.map_err(|cause| bad(&cause))?;
        Ok(Some((bytes.concat(), state.etag)))
    }

    /// Writes a JSON file, if the condition holds. Returns its ETag.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub async fn write_file(
        &self,
        key: &str,
        json: Vec<u8>,
        condition: &Condition,
    ) -> Result<ETag, CallError> {
        let bytes = vec![Bytes::from(json)];
        let checksum = Crc64::of(&bytes);
        let mut properties = Properties::default();
        let kind = "application/json".to_owned();
        properties.headers.insert("content-type", kind);
        let etag = self
            .put(key, bytes, &properties, condition, checksum)
            .await?;
        etag.ok_or_else(|| CallError::new(Kind::BadAnswer, "PutObject", self.place(key), "no ETag"))
    }
}
