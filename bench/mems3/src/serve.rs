//! Requests: which is what, and what becomes of it.

use crate::Distance;
use crate::answer::{self, Answer};
use crate::chunked::Decoder;
use crate::content::Content;
use crate::store::{Object, Store};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request};
use md5::{Digest as _, Md5};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Up to this size an object's ETag is the MD5 that clients check it against.
const HASHED: u64 = 16 << 20;

pub struct Server {
    distance: Distance,
    store: Mutex<Store>,
    requests: AtomicU64,
}

impl Server {
    pub fn new(distance: Distance) -> Self {
        Self {
            distance,
            store: Mutex::default(),
            requests: AtomicU64::default(),
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let path = decoded(request.uri().path());
        let path = path.trim_start_matches('/');
        let query: HashMap<_, _> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        if let Some(asked) = path.strip_prefix("-/") {
            return Ok(self.about_itself(asked, &query));
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        sleep(self.distance.delay).await;
        Ok(
            match path.split_once('/').filter(|(_, key)| !key.is_empty()) {
                Some(_) => self.object(path.to_owned(), &query, request).await,
                None => self.bucket(path.trim_end_matches('/'), &query, request.method()),
            },
        )
    }

    /// For the measurements: `/-/same/BUCKET/KEY?as=BUCKET/KEY`, `/-/generate/BUCKET/KEY?size=N`,
    /// `/-/remove/BUCKET/KEY`, `/-/requests`.
    fn about_itself(&self, asked: &str, query: &HashMap<String, String>) -> Answer {
        match asked.split_once('/').unwrap_or((asked, "")) {
            ("same", id) => {
                let (one, other) = {
                    let store = self.store();
                    (
                        store.get(id),
                        query.get("as").and_then(|other| store.get(other)),
                    )
                };
                let same = one
                    .zip(other)
                    .is_some_and(|(one, other)| one.content.equals(&other.content));
                answer::text(same.to_string())
            }
            ("generate", id) => {
                let size = query.get("size").and_then(|size| size.parse().ok());
                let object = Object::generated(size.unwrap_or_default());
                self.store().objects.insert(id.to_owned(), object);
                answer::empty(200)
            }
            ("remove", id) => {
                self.store().objects.remove(id);
                answer::empty(200)
            }
            ("requests", _) => answer::text(self.requests.load(Ordering::Relaxed).to_string()),
            _ => answer::empty(404),
        }
    }

    fn bucket(&self, bucket: &str, query: &HashMap<String, String>, method: &Method) -> Answer {
        match *method {
            Method::GET if query.contains_key("location") => answer::xml(
                "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">us-east-1</LocationConstraint>",
            ),
            Method::GET => self.list(bucket, query.get("prefix").map_or("", |prefix| prefix)),
            Method::POST => answer::xml("<DeleteResult></DeleteResult>"),
            _ => answer::empty(200),
        }
    }

    /// All of it on one page.
    fn list(&self, bucket: &str, prefix: &str) -> Answer {
        let from = format!("{bucket}/{prefix}");
        let (mut count, mut page) = (0, String::from("<?xml version=\"1.0\"?><ListBucketResult>"));
        for (id, object) in self
            .store()
            .objects
            .range(from.clone()..)
            .take_while(|(id, _)| id.starts_with(&from))
        {
            count += 1;
            let key = id[bucket.len() + 1..]
                .replace('&', "&amp;")
                .replace('<', "&lt;");
            let _ = write!(
                page,
                "<Contents><Key>{key}</Key><LastModified>2026-11-21T21:00:00.000Z</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                object.etag,
                object.content.len()
            );
        }
        let _ = write!(
            page,
            "<Name>{bucket}</Name><IsTruncated>false</IsTruncated><KeyCount>{count}</KeyCount><MaxKeys>100000</MaxKeys></ListBucketResult>"
        );
        answer::xml(page)
    }

    async fn object(
        &self,
        id: String,
        query: &HashMap<String, String>,
        request: Request<Incoming>,
    ) -> Answer {
        let upload = query.get("uploadId");
        let headers = request.headers().clone();
        match (request.method(), upload) {
            (&Method::GET | &Method::HEAD, _) => {
                let Some(found) = self.store().get(&id) else {
                    return answer::error(404, "NoSuchKey");
                };
                let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
                if value("if-match").is_some_and(|etag| etag.trim_matches('"') != found.etag) {
                    return answer::error(412, "PreconditionFailed");
                }
                answer::object(
                    &found,
                    value("range"),
                    request.method(),
                    self.distance.down_bps,
                )
            }
            (&Method::PUT, Some(upload)) => {
                let number = query
                    .get("partNumber")
                    .and_then(|number| number.parse().ok());
                let Some(part) = self.read(request, false).await else {
                    return answer::error(400, "IncompleteBody");
                };
                let etag = part.etag.clone();
                let stored = self.store().put_part(upload, number.unwrap_or(1), part);
                stored.map_or_else(answer::refused, |()| answer::stored(&etag))
            }
            (&Method::PUT, None) => {
                let length = headers
                    .get("content-length")
                    .and_then(|value| value.to_str().ok()?.parse().ok());
                let Some(mut object) = self
                    .read(request, length.is_some_and(|length: u64| length <= HASHED))
                    .await
                else {
                    return answer::error(400, "IncompleteBody");
                };
                object.headers = kept(&headers);
                let etag = object.etag.clone();
                let stored = self.store().put(id, object, &headers);
                stored.map_or_else(answer::refused, |()| answer::stored(&etag))
            }
            (&Method::POST, None) if query.contains_key("uploads") => {
                let upload = self.store().begin(id, kept(&headers));
                answer::xml(format!(
                    "<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            (&Method::POST, Some(upload)) => {
                let _ = request.into_body().collect().await;
                let done = self.store().complete(upload, &headers);
                done.map_or_else(answer::refused, |etag| answer::xml(format!("<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>")))
            }
            (&Method::DELETE, upload) => {
                let mut store = self.store();
                match upload {
                    Some(upload) => store.abort(upload),
                    None => drop(store.objects.remove(&id)),
                }
                answer::empty(204)
            }
            _ => answer::error(405, "MethodNotAllowed"),
        }
    }

    /// A request's body; none where it broke off.
    async fn read(&self, request: Request<Incoming>, hashed: bool) -> Option<Object> {
        let chunked = |name: &str, sign: &str| {
            request
                .headers()
                .get(name)
                .is_some_and(|value| value.to_str().is_ok_and(|value| value.contains(sign)))
        };
        let mut decoder = (chunked("x-amz-content-sha256", "STREAMING")
            || chunked("content-encoding", "aws-chunked"))
        .then(Decoder::default);
        let mut pieces: Vec<Bytes> = Vec::new();
        let (began, mut read) = (Instant::now(), 0_u64);
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame.ok()?.into_data() else {
                continue;
            };
            read += bytes.len() as u64;
            if let Some(bps) = self.distance.up_bps {
                sleep_until(began + Duration::from_secs_f64(read as f64 / bps as f64)).await;
            }
            match &mut decoder {
                Some(decoder) => decoder.push(bytes, &mut pieces),
                None => pieces.push(bytes),
            }
        }
        let etag = if hashed {
            let mut hash = Md5::new();
            pieces.iter().for_each(|piece| hash.update(piece));
            hash.finalize()
                .iter()
                .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
        } else {
            self.store().name()
        };
        Some(Object {
            content: Content::Stored(Arc::new(pieces)),
            etag,
            headers: HeaderMap::new(),
        })
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// What of a write's headers is given back with the object.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let kept = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-amz-meta-") || *name == "content-type");
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
