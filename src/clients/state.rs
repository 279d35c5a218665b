//! Our own small files in a bucket: read whole, written and removed under a condition, each within a few seconds, since work
//! goes on without them.

use super::bucket::Bucket;
use super::error::{CallError, Kind};
use crate::domain::bound::Bound;
use crate::domain::checksum::Crc64;
use crate::domain::object::{ETag, Properties};
use crate::domain::reconcile::Condition;
use bytes::Bytes;
use std::time::Duration;
use tokio::time::timeout;

/// How long anything waits for one of these files.
const FILE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest file that is read, in bytes.
pub(crate) static FILE_MAX: Bound<usize> = Bound::new("state.file", 4 << 20);

impl Bucket {
    /// Reads a file, if there is one: its bytes, and the ETag that a change of it names. Of one that is longer than 4 MiB, and so
    /// none of ours, no bytes.
    ///
    /// # Errors
    /// The bucket did not answer in time, or denied.
    pub async fn read_file(&self, key: &str) -> Result<Option<(Vec<u8>, ETag)>, CallError> {
        self.read_up_to(key, FILE_MAX.get()).await
    }

    /// The same of a file of at most `max` bytes.
    ///
    /// # Errors
    /// As [`Bucket::read_file`].
    pub async fn read_up_to(
        &self,
        key: &str,
        max: usize,
    ) -> Result<Option<(Vec<u8>, ETag)>, CallError> {
        let max = max as u64;
        let read = async {
            let Some((state, body, _)) = self.untagged(key, max).await? else {
                return Ok(None);
            };
            if state.size > max {
                return Ok(Some((Vec::new(), state.etag)));
            }
            let archived = || self.bad_answer("GetObject", key, "the file is archived");
            let bytes = body.ok_or_else(archived)?.collect().await;
            let bytes = bytes.map_err(|cause| self.bad_answer("GetObject", key, &cause))?;
            Ok(Some((bytes.concat(), state.etag)))
        };
        self.in_time("GetObject", key, read).await
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
        self.write(key, json, "application/json", condition).await
    }

    /// Writes a file of any bytes where there is none.
    ///
    /// # Errors
    /// As [`Bucket::put`].
    pub async fn create_file(&self, key: &str, bytes: Vec<u8>) -> Result<(), CallError> {
        let kind = "application/octet-stream";
        let created = self.write(key, bytes, kind, &Condition::Absent).await;
        created.map(drop)
    }

    async fn write(
        &self,
        key: &str,
        bytes: Vec<u8>,
        kind: &str,
        condition: &Condition,
    ) -> Result<ETag, CallError> {
        let bytes = vec![Bytes::from(bytes)];
        let checksum = Crc64::of(&bytes);
        let mut properties = Properties::default();
        properties.headers.insert("content-type", kind.to_owned());
        let put = self.put(key, bytes, &properties, condition, checksum);
        let etag = self.in_time("PutObject", key, put).await?;
        etag.ok_or_else(|| self.bad_answer("PutObject", key, "no ETag"))
    }

    /// Removes a file, if it is still this one.
    ///
    /// # Errors
    /// As [`Bucket::delete`].
    pub async fn remove_file(&self, key: &str, etag: &ETag) -> Result<(), CallError> {
        self.in_time("DeleteObject", key, self.delete(key, etag))
            .await
    }

    async fn in_time<T>(
        &self,
        operation: &'static str,
        key: &str,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let late = |_| {
            CallError::new(
                Kind::Unknown,
                operation,
                self.place(key),
                "no answer in time",
            )
        };
        timeout(FILE_TIMEOUT, call).await.map_err(late)?
    }
}
