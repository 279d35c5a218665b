//! Faults on order: fails the nth call of a kind, before or after its effect, and counts every call.
//!
//! It must never touch a store: it stands between the connection and the service, where a network fails.

mod answer;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::RANGE;
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;
use s3s::{Body, HttpRequest, HttpResponse};
use tokio::sync::Notify;

pub(crate) use answer::{drain, refusal, xml_answer};
use answer::{stalled, swapped, truncated, without};

/// The faults of one server: cheap to clone, every clone is the same.
#[derive(Clone, Default)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    calls: Vec<Call>,
    rules: Vec<Rule>,
}

struct Rule {
    on: On,
    seen: usize,
    effect: Effect,
}

#[derive(Clone)]
enum Effect {
    Fail(Fault),
    Run(Arc<dyn Fn() + Send + Sync>),
}

/// One call as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// S3's name of the operation, such as `GetObject`.
    pub operation: &'static str,
    /// The bucket, empty for `ListBuckets`.
    pub bucket: String,
    /// The key, decoded; empty for a call about a bucket.
    pub key: String,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An error answer with this status and S3 code; the effect is not applied.
    Status(u16, &'static str),
    /// The connection closes without an answer; the effect is not applied.
    Drop,
    /// The effect is applied, then the connection closes without an answer: an unknown outcome.
    DropAfter,
    /// The connection closes without an answer, and the effect is applied when somebody notifies: a write that
    /// outlives its writer. Its request body has been read by then.
    Late(Arc<Notify>),
    /// The call is handled this much later.
    Delay(Duration),
    /// The answer's body ends after this many bytes and the connection closes, whatever `Content-Length` said.
    Truncate(usize),
    /// The answer's body stands still after this many bytes.
    Stall(usize),
    /// An answer of status 200 whose body is an error with this S3 code; the effect is applied.
    ErrorIn200(&'static str),
    /// A header of the answer, in lower case, has this value instead of its own.
    Set(&'static str, &'static [u8]),
    /// A header of the answer, in lower case, comes once more, with this value.
    Add(&'static str, &'static str),
    /// A header of the answer, in lower case, is missing.
    Unset(&'static str),
    /// In the answer's body the one text stands instead of the other.
    Swap(&'static str, &'static str),
    /// The request's range is ignored.
    IgnoreRange,
    /// An answer of status 200 with this body; the effect is not applied.
    Answer(&'static str),
}

/// Which calls a fault or hook is for. Each counts for itself, from one, from the moment it was set.
#[derive(Clone, Debug)]
pub struct On {
    nth: Option<usize>,
    operation: Option<&'static str>,
    bucket: Option<String>,
    key: Option<String>,
}

/// The connection must be closed without an answer.
#[derive(Debug)]
pub struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is closed without an answer")
    }
}

impl std::error::Error for Dropped {}

impl On {
    /// Every call.
    pub fn every() -> Self {
        Self {
            nth: None,
            operation: None,
            bucket: None,
            key: None,
        }
    }

    /// The nth call only, counted from one among those that match the rest.
    pub fn nth(nth: usize) -> Self {
        Self {
            nth: Some(nth),
            ..Self::every()
        }
    }

    /// Only calls of this operation, such as `UploadPart`.
    pub fn of(self, operation: &'static str) -> Self {
        Self {
            operation: Some(operation),
            ..self
        }
    }

    /// Only calls about this bucket.
    pub fn bucket(self, bucket: &str) -> Self {
        Self {
            bucket: Some(bucket.to_owned()),
            ..self
        }
    }

    /// Only calls about this key.
    pub fn key(self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self
        }
    }

    fn covers(&self, call: &Call) -> bool {
        self.operation
            .is_none_or(|operation| operation == call.operation)
            && self
                .bucket
                .as_ref()
                .is_none_or(|bucket| *bucket == call.bucket)
            && self.key.as_ref().is_none_or(|key| *key == call.key)
    }
}

impl Faults {
    /// No faults yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes these calls fail. Of several faults for one call the first set wins.
    pub fn inject(&self, on: On, fault: Fault) {
        self.lock().rules.push(Rule {
            on,
            seen: 0,
            effect: Effect::Fail(fault),
        });
    }

    /// Runs a hook just before the nth call of an operation, counted from one, is handled.
    pub fn on_call(
        &self,
        operation: &'static str,
        nth: usize,
        hook: impl Fn() + Send + Sync + 'static,
    ) {
        self.before(On::nth(nth).of(operation), hook);
    }

    /// Runs a hook just before these calls are handled.
    pub fn before(&self, on: On, hook: impl Fn() + Send + Sync + 'static) {
        self.lock().rules.push(Rule {
            on,
            seen: 0,
            effect: Effect::Run(Arc::new(hook)),
        });
    }

    /// Forgets every fault and hook; the calls stay counted.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// Every call so far, in order of arrival, those that failed included.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// How many calls of an operation there were so far.
    pub fn count(&self, operation: &str) -> usize {
        self.lock()
            .calls
            .iter()
            .filter(|call| call.operation == operation)
            .count()
    }

    /// Handles one request, or fails it as ordered.
    ///
    /// # Errors
    /// [`Dropped`] when the connection must close without an answer; hyper does that for any error.
    pub async fn around<F>(
        &self,
        mut request: HttpRequest,
        handle: impl FnOnce(HttpRequest) -> F + Send + 'static,
    ) -> Result<HttpResponse, Dropped>
    where
        F: Future<Output = Result<HttpResponse, Dropped>> + Send + 'static,
    {
        let (hooks, fault) = self.enter(Call::of(&request));
        hooks.iter().for_each(|hook| hook());
        match fault {
            None => handle(request).await,
            Some(Fault::Status(status, code)) => {
                // An answer before the body is read could reach the client as a reset.
                drain(request.body_mut()).await;
                Ok(refusal(status, code))
            }
            Some(Fault::Drop) => {
                drain(request.body_mut()).await;
                Err(Dropped)
            }
            Some(Fault::DropAfter) => {
                let _ = handle(request).await?;
                Err(Dropped)
            }
            Some(Fault::Late(notify)) => {
                let body = Bytes::from(drain(request.body_mut()).await);
                *request.body_mut() = Body::from(body);
                tokio::spawn(async move {
                    notify.notified().await;
                    let _ = handle(request).await;
                });
                Err(Dropped)
            }
            Some(Fault::Delay(duration)) => {
                tokio::time::sleep(duration).await;
                handle(request).await
            }
            Some(Fault::Truncate(len)) => {
                Ok(handle(request).await?.map(|body| truncated(body, len)))
            }
            Some(Fault::Stall(len)) => Ok(handle(request).await?.map(|body| stalled(body, len))),
            Some(Fault::ErrorIn200(code)) => {
                let _ = handle(request).await?;
                Ok(refusal(200, code))
            }
            Some(Fault::Set(name, value)) => {
                let mut response = handle(request).await?;
                let value = HeaderValue::from_bytes(value).expect("a header's value");
                response.headers_mut().insert(name, value);
                Ok(response)
            }
            Some(Fault::Add(name, value)) => {
                let mut response = handle(request).await?;
                let value = HeaderValue::from_static(value);
                response.headers_mut().append(name, value);
                Ok(response)
            }
            Some(Fault::Swap(old, new)) => Ok(swapped(handle(request).await?, old, new).await),
            Some(Fault::Unset(name)) => Ok(without(handle(request).await?, name)),
            Some(Fault::IgnoreRange) => {
                request.headers_mut().remove(RANGE);
                handle(request).await
            }
            Some(Fault::Answer(xml)) => {
                drain(request.body_mut()).await;
                Ok(xml_answer(xml.to_owned()))
            }
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "one caller, which takes it apart at once"
    )]
    fn enter(&self, call: Call) -> (Vec<Arc<dyn Fn() + Send + Sync>>, Option<Fault>) {
        let mut inner = self.lock();
        let (mut hooks, mut fault) = (Vec::new(), None);
        for rule in inner.rules.iter_mut().filter(|rule| rule.on.covers(&call)) {
            rule.seen += 1;
            if rule.on.nth.is_none_or(|nth| nth == rule.seen) {
                match rule.effect.clone() {
                    Effect::Run(hook) => hooks.push(hook),
                    Effect::Fail(ordered) => fault = fault.or(Some(ordered)),
                }
            }
        }
        inner.calls.push(call);
        (hooks, fault)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// Which S3 operation a path-style request is.
    fn of<B>(request: &http::Request<B>) -> Self {
        let path = request.uri().path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query = request.uri().query().unwrap_or_default();
        let asks = |name: &str| {
            query
                .split('&')
                .any(|pair| pair.split('=').next() == Some(name))
        };
        let copies = request.headers().contains_key("x-amz-copy-source");
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let operation = match (request.method(), key.is_empty()) {
            (&Method::GET, true) if bucket.is_empty() => "ListBuckets",
            (&Method::GET, true) if asks("uploads") => "ListMultipartUploads",
            (&Method::GET, true) if asks("location") => "GetBucketLocation",
            (&Method::GET, true) if asks("versioning") => "GetBucketVersioning",
            (&Method::GET, true) if asks("object-lock") => "GetObjectLockConfiguration",
            (&Method::GET, true) if asks("lifecycle") => "GetBucketLifecycleConfiguration",
            (&Method::GET, true) if asks("publicAccessBlock") => "GetPublicAccessBlock",
            (&Method::GET, true) if asks("versions") => "ListObjectVersions",
            (&Method::PUT, true) if asks("object-lock") => "PutObjectLockConfiguration",
            (&Method::PUT, true) if asks("versioning") => "PutBucketVersioning",
            (&Method::PUT, true) if asks("lifecycle") => "PutBucketLifecycleConfiguration",
            (&Method::PUT, true) if asks("publicAccessBlock") => "PutPublicAccessBlock",
            (&Method::GET, true) if asks("list-type") => "ListObjectsV2",
            (&Method::GET, true) => "ListObjects",
            (&Method::HEAD, true) => "HeadBucket",
            (&Method::PUT, true) => "CreateBucket",
            (&Method::DELETE, true) => "DeleteBucket",
            (&Method::POST, true) => "DeleteObjects",
            (&Method::GET, false) if asks("uploadId") => "ListParts",
            (&Method::GET, false) if asks("tagging") => "GetObjectTagging",
            (&Method::GET, false) => "GetObject",
            (&Method::HEAD, false) => "HeadObject",
            (&Method::PUT, false) if asks("uploadId") && copies => "UploadPartCopy",
            (&Method::PUT, false) if asks("uploadId") => "UploadPart",
            (&Method::PUT, false) if asks("tagging") => "PutObjectTagging",
            (&Method::PUT, false) if copies => "CopyObject",
            (&Method::PUT, false) => "PutObject",
            (&Method::POST, false) if asks("uploads") => "CreateMultipartUpload",
            (&Method::POST, false) => "CompleteMultipartUpload",
            (&Method::DELETE, false) if asks("uploadId") => "AbortMultipartUpload",
            (&Method::DELETE, false) if asks("tagging") => "DeleteObjectTagging",
            (&Method::DELETE, false) => "DeleteObject",
            _ => "Unknown",
        };
        Self {
            operation,
            bucket: decode(bucket),
            key: decode(key),
        }
    }
}
