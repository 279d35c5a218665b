//! What a bucket keeps beside its objects: versions, Object Lock, and what its policy demands of a write.
//!
//! It must never let go of a version that is retained.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Extensions, HeaderMap};
use s3s::dto::{LifecycleRule, PublicAccessBlockConfiguration};
use s3s::{S3Result, s3_error};

use super::object::{Object, now};
use super::store::{Bucket, ChangeKind, Inner, Store};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long each new version is retained, unless its writer says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub mode: String,
    /// For so many days.
    pub days: i32,
}

/// One version of a key.
#[derive(Clone, Debug)]
pub struct Version {
    /// Unique in its bucket.
    pub id: String,
    /// The object; none of a delete marker.
    pub object: Option<Arc<Object>>,
    /// When it was made.
    pub at: SystemTime,
    /// In which mode it is retained, and until when.
    pub retained: Option<(String, SystemTime)>,
}

/// How a bucket that lies in another region answers a request that was signed for the wrong one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Elsewhere {
    /// 301 `PermanentRedirect`, with the region in a header.
    #[default]
    Redirect,
    /// 400 `AuthorizationHeaderMalformed`, with the region in the body, and to a HEAD in a header.
    Malformed,
}

/// The settings of a bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Keeping {
    pub(super) versioned: bool,
    /// Object Lock, with or without a default retention.
    pub(super) lock: Option<Option<Retention>>,
    pub(super) lifecycle: Vec<LifecycleRule>,
    pub(super) public_access: Option<PublicAccessBlockConfiguration>,
    region: Option<(String, Elsewhere)>,
    encryption: Option<(String, Option<String>)>,
    conditions: bool,
    versions: BTreeMap<String, Vec<Version>>,
    made: u64,
}

impl Keeping {
    fn retention(&self) -> Option<&Retention> {
        self.lock.as_ref()?.as_ref()
    }

    /// Notes a change of a key: an object, or that there is none any more.
    pub(super) fn note(&mut self, key: &str, object: Option<Arc<Object>>) {
        if !self.versioned {
            return;
        }
        self.made += 1;
        let until = |kept: &Retention| {
            let days = u32::try_from(kept.days).unwrap_or_default();
            (kept.mode.clone(), now() + DAY * days)
        };
        let version = Version {
            id: format!("version-{}", self.made),
            retained: object
                .is_some()
                .then(|| self.retention().map(until))
                .flatten(),
            object,
            at: now(),
        };
        self.versions
            .entry(key.to_owned())
            .or_default()
            .push(version);
    }

    /// The current version's object is now this one: its tags have changed.
    pub(super) fn retag(&mut self, key: &str, object: &Arc<Object>) {
        if let Some(last) = self.versions.get_mut(key).and_then(|all| all.last_mut()) {
            last.object = Some(Arc::clone(object));
        }
    }

    /// The versions of all keys in order, each key's newest first.
    pub(super) fn versions(&self) -> impl Iterator<Item = (&str, bool, &Version)> {
        self.versions.iter().flat_map(|(key, all)| {
            let newest_first = all.iter().rev().enumerate();
            newest_first.map(|(index, version)| (key.as_str(), index == 0, version))
        })
    }

    /// Where Object Lock retains what is written, S3 takes no body without a checksum in a header; one that comes after the body
    /// does not count.
    pub(super) fn check_body(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
        what: &'static str,
    ) -> S3Result<()> {
        let trailed = extensions.get::<Trailed>().is_some();
        let has_checksum = headers.contains_key("content-md5")
            || (!trailed
                && ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"]
                    .iter()
                    .any(|name| headers.contains_key(format!("x-amz-checksum-{name}"))));
        if self.retention().is_some() && !has_checksum {
            return Err(s3_error!(
                InvalidRequest,
                "Content-MD5 OR x-amz-checksum- HTTP header is required for {what} requests with Object Lock parameters"
            ));
        }
        Ok(())
    }

    /// What the bucket's policy demands of whoever makes an object: `conditional` says whether the request is bound to write
    /// only where the object is as it was seen; there is nothing to say of one that makes none yet.
    pub(super) fn check_policy(
        &self,
        headers: &HeaderMap,
        encrypts: bool,
        conditional: Option<bool>,
    ) -> S3Result<()> {
        let get = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some((algorithm, key)) = self.encryption.as_ref().filter(|_| encrypts) {
            let right = get("x-amz-server-side-encryption") == Some(algorithm)
                && (key.is_none()
                    || get("x-amz-server-side-encryption-aws-kms-key-id") == key.as_deref());
            if !right {
                return Err(s3_error!(AccessDenied));
            }
        }
        if self.conditions && conditional == Some(false) {
            return Err(s3_error!(AccessDenied));
        }
        Ok(())
    }
}

/// The checksum of a request came after its body.
#[derive(Clone, Copy)]
pub(super) struct Trailed;

impl Store {
    fn keep(&self, bucket: &str, change: impl FnOnce(&mut Keeping)) {
        let mut inner = self.lock();
        let bucket = inner
            .buckets
            .entry(bucket.to_owned())
            .or_insert_with(Bucket::new);
        change(&mut bucket.keeping);
    }

    /// Keeps every version from now on. Creates the bucket when it is missing.
    pub fn keep_versions(&self, bucket: &str) {
        self.keep(bucket, |keeping| keeping.versioned = true);
    }

    /// Puts the bucket under Object Lock, with or without a default retention, and keeps versions.
    pub fn lock_bucket(&self, bucket: &str, retention: Option<Retention>) {
        self.keep(bucket, |keeping| {
            keeping.versioned = true;
            keeping.lock = Some(retention);
        });
    }

    /// The bucket lies in this region.
    pub fn place_bucket(&self, bucket: &str, region: &str, elsewhere: Elsewhere) {
        self.keep(bucket, |keeping| {
            keeping.region = Some((region.to_owned(), elsewhere));
        });
    }

    /// The bucket's policy denies a write that does not name this encryption, and this key.
    pub fn demand_encryption(&self, bucket: &str, algorithm: &str, key: Option<&str>) {
        self.keep(bucket, |keeping| {
            keeping.encryption = Some((algorithm.to_owned(), key.map(str::to_owned)));
        });
    }

    /// The bucket's policy denies a write without a condition.
    pub fn demand_conditions(&self, bucket: &str) {
        self.keep(bucket, |keeping| keeping.conditions = true);
    }

    /// Takes everything out of a bucket, its settings and what is retained included, as no S3 would.
    pub fn clear(&self, bucket: &str) {
        self.lock().buckets.insert(bucket.to_owned(), Bucket::new());
    }

    /// The versions of a key, oldest first.
    pub fn versions(&self, bucket: &str, key: &str) -> Vec<Version> {
        let inner = self.lock();
        let all = inner.buckets.get(bucket);
        all.and_then(|bucket| bucket.keeping.versions.get(key).cloned())
            .unwrap_or_default()
    }

    /// Where a bucket lies, if it is not where everything is.
    pub(super) fn region(&self, bucket: &str) -> Option<(String, Elsewhere)> {
        self.lock().buckets.get(bucket)?.keeping.region.clone()
    }

    /// Removes one version for good; the one before it is current then.
    pub(super) fn remove_version(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        bypass: bool,
    ) -> S3Result<()> {
        let mut inner = self.lock();
        let found = inner.bucket(bucket)?;
        let none = Vec::new();
        let all = found.keeping.versions.get(key).unwrap_or(&none);
        // S3 answers the same where there is none.
        let Some(at) = all.iter().position(|version| version.id == id) else {
            return Ok(());
        };
        if let Some((mode, until)) = &all[at].retained
            && *until > SystemTime::now()
            && !(bypass && mode == "GOVERNANCE")
        {
            return Err(s3_error!(
                AccessDenied,
                "Access Denied because object protected by object lock."
            ));
        }
        let versions = found.keeping.versions.entry(key.to_owned()).or_default();
        versions.remove(at);
        let current = versions.last().and_then(|version| version.object.clone());
        if versions.is_empty() {
            found.keeping.versions.remove(key);
        }
        match current {
            Some(object) => {
                found.objects.insert(key.to_owned(), object);
            }
            None => {
                found.objects.remove(key);
            }
        }
        Ok(())
    }

    /// One version of a key.
    pub(super) fn look_at_version(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
    ) -> S3Result<Arc<Object>> {
        self.lock().bucket(bucket)?;
        let versions = self.versions(bucket, key);
        let found = versions.into_iter().find(|version| version.id == id);
        match found.map(|version| version.object) {
            Some(Some(object)) => Ok(object),
            Some(None) => Err(s3_error!(MethodNotAllowed)),
            None => Err(s3_error!(NoSuchVersion)),
        }
    }
}

impl Inner {
    /// Removes and announces; where versions are kept, a delete marker stays.
    pub(super) fn remove(&mut self, bucket: &str, key: &str) {
        let Some(found) = self.buckets.get_mut(bucket) else {
            return;
        };
        found.keeping.note(key, None);
        if let Some(gone) = found.objects.remove(key) {
            self.announce(bucket, key, ChangeKind::Delete, &gone.etag, 0);
        }
    }
}
