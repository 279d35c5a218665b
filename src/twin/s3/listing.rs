//! The pages of a listing: prefix, delimiter, where to go on, and `encoding-type=url`.
//!
//! It must never skip or repeat a key from one page to the next while the bucket stands still.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, ETag, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object as Entry, ObjectStorageClass,
};
use s3s::{S3Request, S3Result, s3_error};

use super::object::Object;
use super::service::{Answer, Service, ok};
use super::store::Order;

/// The most entries of one page.
const PAGE: i32 = 1000;
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

/// What a listing asks for.
pub(super) struct Ask<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    /// Go on after this key or common prefix.
    pub(super) after: &'a str,
    pub(super) max_keys: Option<i32>,
    pub(super) encoding: Option<&'a EncodingType>,
}

/// One page of a listing, spelt as asked.
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    pub(super) prefixes: Vec<CommonPrefix>,
    /// The last key or common prefix of this page, raw, when another page follows.
    pub(super) next: Option<String>,
    pub(super) max_keys: i32,
}

impl Ask<'_> {
    /// The page that answers.
    ///
    /// # Errors
    /// `InvalidArgument` for a negative number of keys.
    pub(super) fn page(
        &self,
        objects: &BTreeMap<String, Arc<Object>>,
        order: Order,
    ) -> S3Result<Page> {
        let max_keys = self.max_keys.unwrap_or(PAGE).min(PAGE);
        let room = usize::try_from(max_keys)
            .map_err(|_| s3_error!(InvalidArgument, "max-keys is negative"))?;
        let mut page = Page {
            entries: Vec::new(),
            prefixes: Vec::new(),
            next: None,
            max_keys,
        };
        let mut last = self.after.to_owned();
        let from = match self.after.is_empty() {
            true => Bound::Unbounded,
            false => Bound::Excluded(self.after),
        };
        let in_order: Box<dyn Iterator<Item = (&String, &Arc<Object>)>> = match order {
            Order::Bytes => Box::new(objects.range::<str, _>((from, Bound::Unbounded))),
            Order::Folders => {
                let place = |key: &str| key.replace('/', "\0");
                let mut sorted: Vec<_> = objects.iter().collect();
                sorted.sort_by_key(|(key, _)| place(key));
                let begins = place(self.after);
                Box::new(
                    sorted
                        .into_iter()
                        .filter(move |(key, _)| place(key) > begins),
                )
            }
            Order::Backwards => {
                let rest = objects.iter().rev();
                Box::new(rest.filter(|(key, _)| self.after.is_empty() || key.as_str() < self.after))
            }
        };
        for (key, object) in in_order {
            let Some(rest) = key.strip_prefix(self.prefix) else {
                continue;
            };
            let folded = self
                .delimiter
                .filter(|delimiter| !delimiter.is_empty())
                .and_then(|delimiter| {
                    rest.find(delimiter)
                        .map(|at| &key[..self.prefix.len() + at + delimiter.len()])
                });
            if folded == Some(last.as_str()) {
                continue;
            }
            if room == 0 {
                break;
            }
            if page.entries.len() + page.prefixes.len() == room {
                page.next = Some(last);
                break;
            }
            match folded {
                Some(prefix) => {
                    page.prefixes.push(CommonPrefix {
                        prefix: Some(self.spell(prefix)),
                    });
                    last = prefix.to_owned();
                }
                None => {
                    page.entries.push(self.entry(key, object));
                    last.clone_from(key);
                }
            }
        }
        Ok(page)
    }

    /// A key, prefix or delimiter as the asker wants it spelt.
    pub(super) fn spell(&self, text: &str) -> String {
        spell(self.encoding, text)
    }

    fn entry(&self, key: &str, object: &Object) -> Entry {
        Entry {
            key: Some(self.spell(key)),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            size: Some(object.len as i64),
            last_modified: Some(object.last_modified.into()),
            storage_class: Some(ObjectStorageClass::from_static(
                ObjectStorageClass::STANDARD,
            )),
            ..Entry::default()
        }
    }
}

/// Form encoding when `encoding-type=url` was asked for: a space becomes `+`, a slash stays.
pub(super) fn spell(encoding: Option<&EncodingType>, text: &str) -> String {
    match encoding {
        Some(_) => utf8_percent_encode(text, PLAIN)
            .to_string()
            .replace("%20", "+"),
        None => text.to_owned(),
    }
}

impl Service {
    pub(super) fn list(&self, req: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        let input = req.input;
        let ask = Ask {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after: input.marker.as_deref().unwrap_or_default(),
            max_keys: input.max_keys,
            encoding: input.encoding_type.as_ref(),
        };
        let page = self.store.with_bucket(&input.bucket, |bucket| {
            ask.page(&bucket.objects, bucket.order)
        })??;
        ok(ListObjectsOutput {
            prefix: Some(ask.spell(ask.prefix)),
            delimiter: ask.delimiter.map(|delimiter| ask.spell(delimiter)),
            marker: Some(ask.spell(ask.after)),
            max_keys: Some(page.max_keys),
            is_truncated: Some(page.next.is_some()),
            next_marker: page
                .next
                .filter(|_| ask.delimiter.is_some())
                .map(|next| ask.spell(&next)),
            contents: Some(page.entries),
            common_prefixes: Some(page.prefixes),
            name: Some(input.bucket.clone()),
            encoding_type: input.encoding_type.clone(),
            ..Default::default()
        })
    }

    pub(super) fn list_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> Answer<ListObjectsV2Output> {
        let input = req.input;
        let token = input.continuation_token.as_deref();
        // Percent-encoded, because XML cannot carry every character that a key can.
        let token = token.map(|token| percent_decode_str(token).decode_utf8_lossy());
        let after = token.as_deref().or(input.start_after.as_deref());
        let ask = Ask {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after: after.unwrap_or_default(),
            max_keys: input.max_keys,
            encoding: input.encoding_type.as_ref(),
        };
        let page = self.store.with_bucket(&input.bucket, |bucket| {
            ask.page(&bucket.objects, bucket.order)
        })??;
        ok(ListObjectsV2Output {
            prefix: Some(ask.spell(ask.prefix)),
            delimiter: ask.delimiter.map(|delimiter| ask.spell(delimiter)),
            start_after: input
                .start_after
                .as_deref()
                .map(|start_after| ask.spell(start_after)),
            max_keys: Some(page.max_keys),
            key_count: i32::try_from(page.entries.len() + page.prefixes.len()).ok(),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page
                .next
                .map(|next| utf8_percent_encode(&next, NON_ALPHANUMERIC).to_string()),
            contents: Some(page.entries),
            common_prefixes: Some(page.prefixes),
            name: Some(input.bucket.clone()),
            continuation_token: input.continuation_token.clone(),
            encoding_type: input.encoding_type.clone(),
            ..Default::default()
        })
    }
}
