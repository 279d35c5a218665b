//! The settings of a bucket: versions, Object Lock, lifecycle, public access, and the region in which it lies.

use super::bucket::Bucket;
use super::error::{CallError, Kind};
use crate::domain::keeping::{Block, Retention, Rule};
use aws_sdk_s3::types::{BucketVersioningStatus, DefaultRetention, ExpirationStatus};

/// A setting that was never made, by the code of the answer.
fn unset<T>(error: CallError, code: &str) -> Result<Option<T>, CallError> {
    if error.cause.contains(code) {
        Ok(None)
    } else {
        Err(error)
    }
}

impl Bucket {
    /// The Object Lock of the bucket, where it has one: its default retention, where it has one.
    ///
    /// # Errors
    /// The store refused, does not know the call, or did not answer.
    pub async fn object_lock(&self) -> Result<Option<Option<Retention>>, CallError> {
        let get = self
            .client
            .get_object_lock_configuration()
            .bucket(&self.name);
        let answer = match get.send().await {
            Ok(answer) => answer,
            Err(e) => {
                let error = CallError::of("GetObjectLockConfiguration", &self.name, &e);
                return unset(error, "ObjectLockConfigurationNotFound");
            }
        };
        let Some(lock) = answer.object_lock_configuration() else {
            return Ok(None);
        };
        let kept = lock.rule().and_then(|rule| rule.default_retention());
        Ok(Some(kept.map(|kept: &DefaultRetention| Retention {
            mode: kept.mode().map(|mode| mode.as_str().to_owned()),
            days: kept.days().and_then(|days| u32::try_from(days).ok()),
            years: kept.years().and_then(|years| u32::try_from(years).ok()),
        })))
    }

    /// Whether the bucket keeps versions: none where that was never said, or was turned off again.
    ///
    /// # Errors
    /// The store refused, does not know the call, or did not answer.
    pub async fn keeps_versions(&self) -> Result<bool, CallError> {
        let get = self.client.get_bucket_versioning().bucket(&self.name);
        let answer = get
            .send()
            .await
            .map_err(|e| CallError::of("GetBucketVersioning", &self.name, &e))?;
        Ok(answer.status() == Some(&BucketVersioningStatus::Enabled))
    }

    /// What of public access the bucket itself blocks; nothing where that was never said.
    ///
    /// # Errors
    /// The store refused, does not know the call, or did not answer.
    pub async fn public_access_block(&self) -> Result<Option<Block>, CallError> {
        let get = self.client.get_public_access_block().bucket(&self.name);
        let answer = match get.send().await {
            Ok(answer) => answer,
            Err(e) => {
                let error = CallError::of("GetPublicAccessBlock", &self.name, &e);
                return unset(error, "NoSuchPublicAccessBlockConfiguration");
            }
        };
        let block = answer.public_access_block_configuration();
        Ok(block.map(|block| Block {
            acls: block.block_public_acls() == Some(true)
                && block.ignore_public_acls() == Some(true),
            policies: block.block_public_policy() == Some(true)
                && block.restrict_public_buckets() == Some(true),
        }))
    }

    /// The rules of the bucket's lifecycle that are turned on.
    ///
    /// # Errors
    /// The store refused, does not know the call, or did not answer.
    pub async fn lifecycle(&self) -> Result<Vec<Rule>, CallError> {
        let get = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(&self.name);
        let answer = match get.send().await {
            Ok(answer) => answer,
            Err(e) => {
                let error = CallError::of("GetBucketLifecycleConfiguration", &self.name, &e);
                return unset::<Vec<Rule>>(error, "NoSuchLifecycleConfiguration")
                    .map(Option::unwrap_or_default);
            }
        };
        let on = answer
            .rules()
            .iter()
            .filter(|rule| rule.status() == &ExpirationStatus::Enabled);
        let days = |days: Option<i32>| days.and_then(|days| u32::try_from(days).ok());
        Ok(on
            .map(|rule| {
                let expiration = rule.expiration();
                let filter = rule.filter();
                let narrow = filter.is_some_and(|filter| {
                    filter.prefix().is_some_and(|prefix| !prefix.is_empty())
                        || filter.tag().is_some()
                        || filter.and().is_some()
                        || filter.object_size_greater_than().is_some()
                        || filter.object_size_less_than().is_some()
                });
                Rule {
                    narrow,
                    expires: expiration
                        .is_some_and(|it| it.days().is_some() || it.date().is_some()),
                    noncurrent_days: days(
                        rule.noncurrent_version_expiration().and_then(
                            aws_sdk_s3::types::NoncurrentVersionExpiration::noncurrent_days,
                        ),
                    ),
                    upload_days: days(rule.abort_incomplete_multipart_upload().and_then(
                        aws_sdk_s3::types::AbortIncompleteMultipartUpload::days_after_initiation,
                    )),
                }
            })
            .collect())
    }

    /// The region in which the bucket lies, and the one in which it is asked for at first.
    ///
    /// # Errors
    /// The store refused, or did not answer; it does not say.
    pub async fn region(&self) -> Result<(String, String), CallError> {
        let head = self.client.head_bucket().bucket(&self.name);
        let answer = head
            .send()
            .await
            .map_err(|e| CallError::of("HeadBucket", &self.name, &e))?;
        let lies = answer.bucket_region().ok_or_else(|| {
            CallError::new(Kind::BadAnswer, "HeadBucket", &self.name, "no region")
        })?;
        let asked = self.client.config().region();
        let asked = asked.map(|region| region.as_ref().to_owned());
        Ok((lies.to_owned(), asked.unwrap_or_default()))
    }
}
