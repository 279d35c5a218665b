//! The in-memory buckets: every look, write and removal, each atomic, each announced once.
//!
//! It must never wait or do I/O: one lock guards everything and is held for a map operation only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use s3s::dto::ETagCondition;
use s3s::{S3Result, s3_error};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::condition::{WriteIf, check_delete};
use super::keeping::Keeping;
use super::object::{Object, Properties, now};
use super::upload::Upload;

/// The store: cheap to clone, every clone is the same store.
#[derive(Clone, Default)]
pub struct Store {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) opened_uploads: u64,
    watchers: Vec<UnboundedSender<Change>>,
    /// The project of the buckets, where their notifications are in VK's dialect.
    pub(super) project: Option<String>,
}

pub(super) struct Bucket {
    pub(super) created: SystemTime,
    pub(super) objects: BTreeMap<String, Arc<Object>>,
    pub(super) uploads: BTreeMap<String, Upload>,
    /// Where its events are posted: XML.
    pub(super) notifications: Option<String>,
    pub(super) keeping: Keeping,
    pub(super) order: Order,
}

/// In which order a bucket lists its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Of their bytes, as S3 promises.
    #[default]
    Bytes,
    /// Folder by folder, as stores do that keep files: a folder's children come before what is beside it.
    Folders,
    /// The last first.
    Backwards,
}

/// One effective change of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The bucket.
    pub bucket: String,
    /// The key, raw.
    pub key: String,
    /// What happened.
    pub event: ChangeKind,
    /// The new object's entity tag without quotes; of a removal, the removed object's.
    pub etag: String,
    /// The new object's size in bytes; of a removal, zero.
    pub size: u64,
    /// When, to the second.
    pub at: SystemTime,
}

/// The kinds of change, named after the S3 events they lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// `ObjectCreated:Put`.
    Put,
    /// `ObjectCreated:Copy`.
    Copy,
    /// `ObjectCreated:CompleteMultipartUpload`.
    CompleteMultipartUpload,
    /// `ObjectRemoved:Delete`.
    Delete,
}

impl Store {
    /// A store with these buckets, empty.
    pub fn new(buckets: &[&str]) -> Self {
        let store = Self::default();
        for bucket in buckets {
            store
                .lock()
                .buckets
                .insert((*bucket).to_owned(), Bucket::new());
        }
        store
    }

    /// Puts a body with S3's default content type. Creates the bucket when it is missing.
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        let content_type = Some("binary/octet-stream".to_owned());
        self.put_object(
            bucket,
            key,
            Object::new(
                body,
                Properties {
                    content_type,
                    ..Properties::default()
                },
            ),
        );
    }

    /// Puts an object with all that belongs to it. Creates the bucket when it is missing.
    pub fn put_object(&self, bucket: &str, key: &str, object: Object) {
        let mut inner = self.lock();
        inner
            .buckets
            .entry(bucket.to_owned())
            .or_insert_with(Bucket::new);
        inner.replace(bucket, key, object, ChangeKind::Put);
    }

    /// The object under a key, if there is one.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Arc<Object>> {
        self.lock().buckets.get(bucket)?.objects.get(key).cloned()
    }

    /// Removes an object; removing what is not there changes nothing and is not announced.
    pub fn delete(&self, bucket: &str, key: &str) {
        let mut inner = self.lock();
        inner.remove(bucket, key);
    }

    /// Every key of a bucket, in S3's order (by bytes).
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let inner = self.lock();
        inner
            .buckets
            .get(bucket)
            .map(|bucket| bucket.objects.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// How many multipart uploads of a bucket are neither completed nor aborted.
    pub fn open_uploads(&self, bucket: &str) -> usize {
        self.lock()
            .buckets
            .get(bucket)
            .map_or(0, |bucket| bucket.uploads.len())
    }

    /// Makes every open upload of a bucket older.
    pub fn age_uploads(&self, bucket: &str, by: Duration) {
        if let Ok(bucket) = self.lock().bucket(bucket) {
            for upload in bucket.uploads.values_mut() {
                upload.initiated -= by;
            }
        }
    }

    /// Every change from now on, of every bucket, in order; none is dropped.
    pub fn watch(&self) -> UnboundedReceiver<Change> {
        let (sender, receiver) = unbounded_channel();
        self.lock().watchers.push(sender);
        receiver
    }

    /// Writes an object if the conditions hold.
    pub(super) fn write(
        &self,
        bucket: &str,
        key: &str,
        object: Object,
        conditions: &WriteIf,
        event: ChangeKind,
    ) -> S3Result<Arc<Object>> {
        let mut inner = self.lock();
        conditions.check(inner.bucket(bucket)?.objects.get(key).map(Arc::as_ref))?;
        Ok(inner.replace(bucket, key, object, event))
    }

    /// Removes an object if the condition holds.
    pub(super) fn remove(
        &self,
        bucket: &str,
        key: &str,
        condition: Option<&ETagCondition>,
    ) -> S3Result<()> {
        let mut inner = self.lock();
        check_delete(
            condition,
            inner.bucket(bucket)?.objects.get(key).map(Arc::as_ref),
        )?;
        inner.remove(bucket, key);
        Ok(())
    }

    /// The object under a key, or the error S3 has for its absence.
    pub(super) fn look(&self, bucket: &str, key: &str) -> S3Result<Arc<Object>> {
        self.lock()
            .bucket(bucket)?
            .objects
            .get(key)
            .cloned()
            .ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Replaces an object's tags; S3 changes neither ETag nor Last-Modified, and no event of ours speaks of it.
    pub(super) fn tag(
        &self,
        bucket: &str,
        key: &str,
        tags: BTreeMap<String, String>,
    ) -> S3Result<()> {
        let mut inner = self.lock();
        let found = inner.bucket(bucket)?;
        let object = found
            .objects
            .get_mut(key)
            .ok_or_else(|| s3_error!(NoSuchKey))?;
        Arc::make_mut(object).properties.tags = tags;
        found.keeping.retag(key, object);
        Ok(())
    }

    /// Every bucket and when it was made.
    pub(super) fn buckets(&self) -> Vec<(String, SystemTime)> {
        self.lock()
            .buckets
            .iter()
            .map(|(name, bucket)| (name.clone(), bucket.created))
            .collect()
    }

    /// Makes a bucket, perhaps under Object Lock.
    pub(super) fn create_bucket(&self, bucket: &str, locked: bool) -> S3Result<()> {
        let mut inner = self.lock();
        if inner.buckets.contains_key(bucket) {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        let mut made = Bucket::new();
        made.keeping.versioned = locked;
        made.keeping.lock = locked.then_some(None);
        inner.buckets.insert(bucket.to_owned(), made);
        Ok(())
    }

    /// Removes an empty bucket; its open uploads go with it.
    pub(super) fn delete_bucket(&self, bucket: &str) -> S3Result<()> {
        let mut inner = self.lock();
        let found = inner.bucket(bucket)?;
        if !found.objects.is_empty() || found.keeping.versions().next().is_some() {
            return Err(s3_error!(BucketNotEmpty));
        }
        inner.buckets.remove(bucket);
        Ok(())
    }

    /// Runs a look at one bucket under the lock.
    /// Has a bucket list in this order.
    ///
    /// # Panics
    /// There is no such bucket.
    pub fn list_in(&self, bucket: &str, order: Order) {
        let set = self.with_bucket(bucket, |bucket| bucket.order = order);
        set.expect("the bucket");
    }

    pub(super) fn with_bucket<T>(
        &self,
        bucket: &str,
        look: impl FnOnce(&mut Bucket) -> T,
    ) -> S3Result<T> {
        Ok(look(self.lock().bucket(bucket)?))
    }

    // A panic in a test that holds the lock must not hide behind a second one.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(super) fn bucket(&mut self, bucket: &str) -> S3Result<&mut Bucket> {
        self.buckets
            .get_mut(bucket)
            .ok_or_else(|| s3_error!(NoSuchBucket))
    }

    /// Stores and announces. The caller has seen that the bucket exists.
    pub(super) fn replace(
        &mut self,
        bucket: &str,
        key: &str,
        object: Object,
        event: ChangeKind,
    ) -> Arc<Object> {
        let object = Arc::new(object);
        if let Some(found) = self.buckets.get_mut(bucket) {
            found.objects.insert(key.to_owned(), object.clone());
            found.keeping.note(key, Some(object.clone()));
            self.announce(bucket, key, event, &object.etag, object.len);
        }
        object
    }

    pub(super) fn announce(
        &mut self,
        bucket: &str,
        key: &str,
        event: ChangeKind,
        etag: &str,
        size: u64,
    ) {
        let change = Change {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            event,
            etag: etag.to_owned(),
            size,
            at: now(),
        };
        self.watchers
            .retain(|watcher| watcher.send(change.clone()).is_ok());
    }
}

impl Bucket {
    pub(super) fn new() -> Self {
        Self {
            created: now(),
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            notifications: None,
            keeping: Keeping::default(),
            order: Order::default(),
        }
    }
}
