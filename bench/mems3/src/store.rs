//! What is stored: objects and open uploads.

use crate::content::Content;
use bytes::Bytes;
use hyper::HeaderMap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// An object, or a part of one.
#[derive(Clone)]
pub struct Object {
    pub content: Content,
    pub etag: String,
    /// Headers to be given back.
    pub headers: HeaderMap,
}

impl Object {
    /// One that nobody has put, of bytes made on demand.
    pub fn generated(size: u64) -> Self {
        Self {
            content: Content::Generated(size),
            etag: format!("{size:032x}-99"),
            headers: HeaderMap::new(),
        }
    }
}

#[derive(Default)]
struct Upload {
    id: String,
    headers: HeaderMap,
    parts: BTreeMap<u32, Object>,
}

/// Objects by `bucket/key`.
#[derive(Default)]
pub struct Store {
    pub objects: BTreeMap<String, Object>,
    uploads: HashMap<String, Upload>,
    names: u64,
}

/// Why nothing was stored.
pub enum Refused {
    NoSuchUpload,
    PreconditionFailed,
}

impl Store {
    pub fn get(&self, id: &str) -> Option<Object> {
        self.objects.get(id).cloned()
    }

    /// A name that was not given before, in the shape of an ETag.
    pub fn name(&mut self) -> String {
        self.names += 1;
        format!("{:032x}", self.names)
    }

    /// Whether a write's condition holds.
    fn allows(&self, id: &str, request: &HeaderMap) -> bool {
        let there = self.objects.get(id);
        let asked = |name: &str| request.get(name).and_then(|value| value.to_str().ok());
        asked("if-none-match").is_none_or(|_| there.is_none())
            && asked("if-match")
                .is_none_or(|etag| there.is_some_and(|there| there.etag == etag.trim_matches('"')))
    }

    pub fn put(&mut self, id: String, object: Object, request: &HeaderMap) -> Result<(), Refused> {
        if !self.allows(&id, request) {
            return Err(Refused::PreconditionFailed);
        }
        self.objects.insert(id, object);
        Ok(())
    }

    pub fn begin(&mut self, id: String, headers: HeaderMap) -> String {
        let upload = self.name();
        self.uploads.insert(
            upload.clone(),
            Upload {
                id,
                headers,
                parts: BTreeMap::new(),
            },
        );
        upload
    }

    pub fn put_part(&mut self, upload: &str, number: u32, part: Object) -> Result<(), Refused> {
        let upload = self.uploads.get_mut(upload).ok_or(Refused::NoSuchUpload)?;
        upload.parts.insert(number, part);
        Ok(())
    }

    pub fn abort(&mut self, upload: &str) {
        self.uploads.remove(upload);
    }

    /// Puts an object together from all its parts.
    pub fn complete(&mut self, upload: &str, request: &HeaderMap) -> Result<String, Refused> {
        let id = &self.uploads.get(upload).ok_or(Refused::NoSuchUpload)?.id;
        if !self.allows(id, request) {
            return Err(Refused::PreconditionFailed);
        }
        let Upload { id, headers, parts } = self.uploads.remove(upload).unwrap_or_default();
        let etag = format!("{}-{}", self.name(), parts.len());
        let pieces: Vec<Bytes> = parts
            .into_values()
            .flat_map(|part| part.content.pieces(0..part.content.len()))
            .collect();
        self.objects.insert(
            id,
            Object {
                content: Content::Stored(Arc::new(pieces)),
                etag: etag.clone(),
                headers,
            },
        );
        Ok(etag)
    }
}
