//! Reads of an object: its state and its bytes, of one generation and no other.

use super::blank::sayable;
use super::body::ObjectBody;
use super::bucket::Bucket;
use super::error::{CallError, Kind};
use super::object::{content_range, seen_by_head, state_of_get, state_of_head};
use crate::domain::checksum::Crc64;
use crate::domain::object::{ETag, ObjectState};
use crate::domain::reconcile::NoSuchKey;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ChecksumMode;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// How often an object is looked at that changes while its tags are read.
const LOOKS: u32 = 4;

/// What a read of a key found.
#[derive(Debug)]
pub enum Sight {
    /// The object's state, and the bytes that were asked for; none of an object that is archived.
    Present(Box<ObjectState>, Option<ObjectBody>),
    /// A bucket that answered says that there is no such key.
    Missing(NoSuchKey),
}

impl Bucket {
    /// Looks at an object, and opens its first `window` bytes, or all of it where it is shorter. The state is one that the
    /// object really had: tags come with an answer of their own, so after them it is asked whether the object is still the same.
    ///
    /// # Errors
    /// Anything but an object or the code `NoSuchKey`: denied, no such bucket, no answer.
    pub async fn look(&self, key: &str, window: u64) -> Result<Sight, CallError> {
        for _ in 0..LOOKS {
            let Some((mut state, body, tagged)) = self.untagged(key, window).await? else {
                return Ok(Sight::Missing(NoSuchKey(())));
            };
            if !tagged {
                return Ok(Sight::Present(Box::new(state), body));
            }
            let tags = match self.tags(key).await {
                // It is gone, says this call alone: the next look tells.
                Err(e) if e.kind == Kind::NoSuchKey => continue,
                tags => tags?,
            };
            let now = self.untagged(key, 1).await?;
            if now.is_some_and(|(now, ..)| now == state) {
                state.properties.tags = tags;
                return Ok(Sight::Present(Box::new(state), body));
            }
        }
        Err(CallError::new(
            Kind::Conflict,
            "GetObject",
            self.place(key),
            "the object kept changing while its tags were read",
        ))
    }

    /// The object without its tags, its first bytes, and whether it may have tags; none where there is no such key. An
    /// archived object shows its state and not its bytes.
    ///
    /// # Errors
    /// As [`Bucket::look`].
    pub(super) async fn untagged(
        &self,
        key: &str,
        window: u64,
    ) -> Result<Option<(ObjectState, Option<ObjectBody>, bool)>, CallError> {
        let get = || {
            self.client
                .get_object()
                .bucket(&self.name)
                .key(sayable(key))
        };
        let failed = |e| CallError::of("GetObject", &self.place(key), &e);
        let mut answer = get()
            .range(format!("bytes=0-{}", window - 1))
            .send()
            .await
            .map_err(failed);
        if answer.as_ref().is_err_and(|e| e.kind == Kind::NoSuchRange) {
            // An empty object has no range.
            answer = get().send().await.map_err(failed);
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(e) if e.kind == Kind::NoSuchKey => return Ok(None),
            Err(e) if e.kind == Kind::Archived => {
                // A HEAD does not count tags everywhere, so they are asked for.
                return Ok(Some((self.state_by_head(key).await?, None, true)));
            }
            Err(e) => return Err(e),
        };
        let tagged = answer.tag_count().is_some_and(|count| count > 0);
        let (state, body) = self.opened(key, answer, 0..window)?;
        Ok(Some((state, Some(body), tagged)))
    }

    /// The state of an object whose bytes cannot be read.
    async fn state_by_head(&self, key: &str) -> Result<ObjectState, CallError> {
        let head = self.client.head_object().bucket(&self.name);
        let answer = head.key(sayable(key)).send().await;
        let answer = answer.map_err(|e| CallError::of("HeadObject", &self.place(key), &e))?;
        state_of_head(&answer).ok_or_else(|| {
            let cause = "no ETag, no Content-Length or no Last-Modified that can be read";
            self.bad_answer("HeadObject", key, cause)
        })
    }

    /// Opens a range of an object, of this generation and no other.
    ///
    /// # Errors
    /// [`Kind::PreconditionFailed`] where the object has changed since; [`Kind::BadAnswer`] where the store answers
    /// another generation or another range than it was asked for.
    pub async fn open(
        &self,
        key: &str,
        etag: &ETag,
        range: Range<u64>,
    ) -> Result<ObjectBody, CallError> {
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let get = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(sayable(key))
            .range(header)
            .if_match(etag.quoted());
        let answer = get
            .send()
            .await
            .map_err(|e| CallError::of("GetObject", &self.place(key), &e))?;
        let (state, body) = self.opened(key, answer, range.clone())?;
        if &state.etag != etag {
            // Some stores ignore If-Match on reads.
            return Err(CallError::new(
                Kind::PreconditionFailed,
                "GetObject",
                self.place(key),
                "the object has changed meanwhile",
            ));
        }
        if body.length != range.end - range.start {
            return Err(self.bad_answer("GetObject", key, "another range came than was asked for"));
        }
        Ok(body)
    }

    /// Reads the state out of a GET's answer, and insists on the range.
    fn opened(
        &self,
        key: &str,
        answer: GetObjectOutput,
        asked: Range<u64>,
    ) -> Result<(ObjectState, ObjectBody), CallError> {
        let bad = |cause: &str| self.bad_answer("GetObject", key, cause);
        let range = answer.content_range().map(|header| {
            content_range(header).ok_or_else(|| bad("a Content-Range that makes no sense"))
        });
        let range = range.transpose()?;
        // An answer that is made on the way may not say how long it is; its range does.
        let length = match (answer.content_length(), range) {
            (Some(length), _) => u64::try_from(length).ok(),
            (None, Some((first, last, _))) => Some(last + 1 - first),
            (None, None) => None,
        };
        let length = length.ok_or_else(|| {
            bad(match answer.content_encoding() {
                Some(_) => "no Content-Length: it may have been compressed on the way",
                None => "no Content-Length",
            })
        })?;
        let size = match range {
            Some((first, last, total)) => {
                if first != asked.start
                    || last + 1 != asked.end.min(total)
                    || last + 1 - first != length
                {
                    return Err(bad("another range came than was asked for"));
                }
                total
            }
            // A whole object where a range was asked for: right only if it is no longer than the range.
            None if asked.start == 0 && length <= asked.end => length,
            None => return Err(bad("the store ignores ranges")),
        };
        let state = state_of_get(&answer, size)
            .ok_or_else(|| bad("no ETag or no Last-Modified that can be read"))?;
        Ok((
            state,
            ObjectBody {
                stream: answer.body,
                length,
            },
        ))
    }

    /// Whether a store that was asked before kept no checksum of an object: it is not worth a call to ask of another one.
    #[must_use]
    pub fn keeps_no_checksum(&self) -> bool {
        self.keeps_no_checksum.load(Ordering::Relaxed)
    }

    /// The CRC64NVME that the store keeps of all bytes of this generation of an object; none where it keeps none.
    ///
    /// # Errors
    /// The object has changed since; the store refused or did not answer.
    pub async fn told_checksum(&self, key: &str, etag: &ETag) -> Result<Option<Crc64>, CallError> {
        let head = self.client.head_object().bucket(&self.name);
        let head = head
            .key(sayable(key))
            .if_match(etag.quoted())
            .checksum_mode(ChecksumMode::Enabled);
        let answer = head.send().await;
        let answer = answer.map_err(|e| CallError::of("HeadObject", &self.place(key), &e))?;
        let Some(told) = seen_by_head(&answer) else {
            return Ok(None);
        };
        self.keeps_no_checksum
            .store(told.checksum.is_none(), Ordering::Relaxed);
        Ok(told.checksum.filter(|_| told.etag == *etag))
    }

    /// The object's tags.
    ///
    /// # Errors
    /// The store refused or did not answer. A store without tags has none.
    pub async fn tags(&self, key: &str) -> Result<BTreeMap<String, String>, CallError> {
        self.stored_tags(key).await.map(Option::unwrap_or_default)
    }

    /// The object's tags; none of a store that does not know tags.
    ///
    /// # Errors
    /// The store refused or did not answer.
    pub(super) async fn stored_tags(
        &self,
        key: &str,
    ) -> Result<Option<BTreeMap<String, String>>, CallError> {
        let answer = self
            .client
            .get_object_tagging()
            .bucket(&self.name)
            .key(sayable(key))
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let tags = answer.tag_set.into_iter().map(|tag| (tag.key, tag.value));
                Ok(Some(tags.collect()))
            }
            Err(e)
                if e.raw_response()
                    .is_some_and(|response| response.status().as_u16() == 501) =>
            {
                Ok(None)
            }
            Err(e) => Err(CallError::of("GetObjectTagging", &self.place(key), &e)),
        }
    }
}
