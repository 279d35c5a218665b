//! What a bucket lists: all of it, page by page; and of one key the object, and the uploads that are open.

use super::blank::sayable;
use super::bucket::Bucket;
use super::error::{CallError, Kind};
use super::object::form_decoded;
use super::upload::Upload;
use crate::domain::audit::{Cursor, Listed, Page};
use crate::domain::bound::Bound;
use crate::domain::object::ETag;
use crate::domain::reconcile::NotListed;
use crate::domain::xml::UNREADABLE;
use aws_sdk_s3::types::EncodingType;
use std::time::SystemTime;

/// Keys of one page of a listing: S3 lists no more.
static PAGE: Bound<i32> = Bound::new("list.page", 1000);

impl Bucket {
    /// The objects under a prefix that come after a key of it, 1,000 at most, and whether these are the last. Keys are told
    /// without the prefix.
    ///
    /// # Errors
    /// The bucket did not answer, or denied; what it listed makes no sense.
    pub async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<(Vec<Listed>, bool), CallError> {
        let cursor = Cursor {
            after: after.map(ToOwned::to_owned),
            ..Cursor::default()
        };
        let page = self.page_at(prefix, &cursor).await?;
        Ok((page.listed, page.last))
    }

    /// The objects under a prefix from where a listing had come to: as the store itself calls that place, if it does, since
    /// after a key only a store goes on that lists in the order of keys.
    ///
    /// # Errors
    /// As [`Bucket::page`].
    pub async fn page_at(&self, prefix: &str, cursor: &Cursor) -> Result<Page, CallError> {
        let after = cursor.after.as_ref().filter(|_| cursor.token.is_none());
        let list = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .set_prefix((!prefix.is_empty()).then(|| prefix.to_owned()))
            .set_start_after(after.map(|after| format!("{prefix}{after}")))
            .set_continuation_token(cursor.token.clone())
            .max_keys(PAGE.get())
            .encoding_type(EncodingType::Url);
        let answer = list
            .send()
            .await
            .map_err(|e| CallError::of("ListObjectsV2", &self.place(prefix), &e))?;
        let bad = |cause: &str| self.bad_answer("ListObjectsV2", prefix, cause);
        let encoded = answer.encoding_type().is_some();
        let mut unreadable = 0_u32;
        let mut listed = Vec::with_capacity(answer.contents().len());
        for object in answer.contents() {
            let whole = || bad("an entry that is not whole, or was not asked for");
            let key = object.key().ok_or_else(whole)?;
            // No call can name a key that is not UTF-8. The others are listed all the same.
            let Some(key) = spelled(key, encoded) else {
                unreadable += 1;
                continue;
            };
            let entry = || {
                Some(Listed {
                    key: key.strip_prefix(prefix)?.to_owned(),
                    size: u64::try_from(object.size()?).ok()?,
                    etag: ETag::new(object.e_tag()?),
                    last_modified: object.last_modified()?.secs(),
                })
            };
            listed.push(entry().ok_or_else(whole)?);
        }
        if unreadable > 0 {
            tracing::warn!(
                bucket = self.name,
                prefix,
                keys = unreadable,
                "keys that are not UTF-8 are left out of a listing: such objects cannot be mirrored"
            );
        }
        let last = answer.is_truncated() != Some(true);
        if listed.is_empty() && !last {
            return Err(bad("a page without a key that is not the last one"));
        }
        Ok(Page {
            listed,
            token: answer.next_continuation_token().map(ToOwned::to_owned),
            last,
        })
    }

    /// The entry of one key, as a listing would have it, whatever the order of that; none where a bucket says that it has no
    /// such object. Nothing is removed because of this: the mirror proves it.
    ///
    /// # Errors
    /// The bucket did not answer, or denied.
    pub async fn entry(&self, key: &str) -> Result<Option<Listed>, CallError> {
        let head = self.client.head_object().bucket(&self.name);
        let answer = match head.key(sayable(key)).send().await {
            Ok(answer) => answer,
            Err(e) => {
                let error = CallError::of("HeadObject", &self.place(key), &e);
                return if matches!(error.kind, Kind::NotFound | Kind::NoSuchKey) {
                    Ok(None)
                } else {
                    Err(error)
                };
            }
        };
        let size = answer
            .content_length()
            .and_then(|size| u64::try_from(size).ok());
        let (Some(etag), Some(size), Some(changed)) =
            (answer.e_tag(), size, answer.last_modified())
        else {
            return Err(self.bad_answer("HeadObject", key, "an answer that is not whole"));
        };
        Ok(Some(Listed {
            key: key.to_owned(),
            size,
            etag: ETag::new(etag),
            last_modified: changed.secs(),
        }))
    }

    /// Looks whether a bucket that answers lists this key: the second, independent observation of an absence.
    ///
    /// # Errors
    /// The bucket did not answer, or denied.
    pub async fn not_listed(&self, key: &str) -> Result<Option<NotListed>, CallError> {
        let list = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(key)
            .max_keys(1)
            .encoding_type(EncodingType::Url);
        let answer = list
            .send()
            .await
            .map_err(|e| CallError::of("ListObjectsV2", &self.place(key), &e))?;
        if answer.contents().is_empty() && answer.is_truncated() == Some(true) {
            return Err(self.bad_answer(
                "ListObjectsV2",
                key,
                "a page without a key that is not the last one",
            ));
        }
        // The key itself sorts before everything else that starts with it.
        let Some(first) = answer.contents().first().and_then(|object| object.key()) else {
            return Ok(Some(NotListed(())));
        };
        let listed = || readings(first, answer.encoding_type().is_some());
        if !listed().any(|listed| listed.starts_with(key)) {
            return Err(self.bad_answer("ListObjectsV2", key, "not the keys that were asked for"));
        }
        Ok((!listed().any(|listed| listed == key)).then_some(NotListed(())))
    }

    /// The open uploads of this key, and when each was begun, where the store says so.
    ///
    /// # Errors
    /// The store refused or did not answer.
    pub async fn open_uploads(
        &self,
        key: &str,
    ) -> Result<Vec<(Upload, Option<SystemTime>)>, CallError> {
        let list = self
            .client
            .list_multipart_uploads()
            .bucket(&self.name)
            .prefix(key)
            .encoding_type(EncodingType::Url);
        // One page: the key itself sorts before everything that it begins.
        let answer = list
            .send()
            .await
            .map_err(|e| CallError::of("ListMultipartUploads", &self.place(key), &e))?;
        let encoded = answer.encoding_type().is_some();
        let of_key = answer.uploads().iter().filter(|upload| {
            let listed = upload.key();
            listed.is_some_and(|listed| readings(listed, encoded).any(|listed| listed == key))
        });
        let open = of_key.filter_map(|upload| {
            let begun = upload.initiated();
            let begun = begun.and_then(|time| SystemTime::try_from(*time).ok());
            Some((self.upload(key, upload.upload_id()?), begun))
        });
        Ok(open.collect())
    }
}

/// The spellings of a key that a listing may mean.
fn readings(listed: &str, encoded: bool) -> impl Iterator<Item = String> {
    let decoded = encoded.then(|| form_decoded(listed)).flatten();
    [Some(listed.to_owned()), decoded].into_iter().flatten()
}

/// The key that a listing means; none where it is not UTF-8.
fn spelled(listed: &str, encoded: bool) -> Option<String> {
    let key = if encoded {
        form_decoded(listed)?
    } else {
        listed.to_owned()
    };
    (!key.contains(UNREADABLE)).then_some(key)
}
