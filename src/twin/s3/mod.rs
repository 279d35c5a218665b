//! An S3 server in process, over a map: the origin and the backup on a laptop and in tests.
//!
//! It answers as AWS documents it (codes, conditions, checksums, ETags), and takes any key S3 takes. It must never be
//! reachable from other machines: it checks no signature, so whoever can connect may do anything.
//!
//! - `store`: the buckets, and the stream of their changes;
//! - `object`, `upload`, `condition`, `checksum`: what is kept, and what keeps it right;
//! - `keeping`: the versions of a bucket, and what it demands;
//! - `service`, with `reading`, `copying`, `multipart`, `listing` and `settings`: the operations;
//! - `notification`: where a bucket's events are posted, in VK's dialect;
//! - `chunked`: the one body encoding that only S3 has.

mod checksum;
mod chunked;
mod condition;
mod copying;
mod keeping;
mod listing;
mod multipart;
mod notification;
mod object;
mod reading;
mod service;
mod settings;
mod store;
mod upload;

pub use keeping::{Elsewhere, Retention, Version};
pub use notification::Registered;
pub use object::{Object, Properties};
pub use store::{Change, ChangeKind, Order, Store};
pub use upload::SMALLEST_PART;

use std::time::Duration;

use http::HeaderValue;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, EXPIRES, RANGE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{Body, HttpError, HttpRequest, HttpResponse};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::faults::{Dropped, Faults, drain, refusal};
use service::Service;

/// An `Expires` header as it was spelt; s3s would refuse one that is no date, S3 keeps it.
#[derive(Clone)]
struct RawExpires(HeaderValue);

/// Buckets are there or not. Names that AWS gives out no more, as with capitals, live on there and at others.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty()
    }
}

/// Serves the store over HTTP/1.1, path style, until the future is dropped; connections end with it.
///
/// Any access key is accepted and no signature is checked, so bind the listener to a loopback address.
pub async fn serve(listener: TcpListener, store: Store, faults: Faults) {
    let mut builder = S3ServiceBuilder::new(Service {
        store: store.clone(),
    });
    builder.set_validation(AnyName);
    let service = builder.build();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, service.clone(), store.clone(), faults.clone()));
                }
                // Out of file descriptors, most likely: a moment later some are free.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, service: S3Service, store: Store, faults: Faults) {
    // Without it small answers wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (service, store, faults) = (service.clone(), store.clone(), faults.clone());
        async move {
            let handle = |request| answer(service, store, request);
            faults.around(request.map(Body::from), handle).await
        }
    });
    // It ends in an error when the client goes away or a fault closes the connection: both are normal here.
    let _ = http1::Builder::new()
        // Metadata of 2 KB may be many.
        .max_headers(2048)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

/// One request, made into one that s3s takes without an authentication provider.
async fn answer(
    service: S3Service,
    store: Store,
    mut request: HttpRequest,
) -> Result<HttpResponse, Dropped> {
    if let Some(answer) = settings::elsewhere(&store, &request) {
        drain(request.body_mut()).await;
        return Ok(answer);
    }
    if let Some(answer) = notification::answer(&store, &mut request).await {
        return Ok(answer);
    }
    let headers = request.headers_mut();
    // hyper answers an empty body without the 100 that was asked for, and botocore misreads whatever comes next on
    // that connection.
    let misread =
        headers.contains_key(EXPECT) && headers.get(CONTENT_LENGTH).is_some_and(|len| len == "0");
    headers.remove(AUTHORIZATION);
    if let Some(expires) = headers.remove(EXPIRES) {
        request.extensions_mut().insert(RawExpires(expires));
    }
    let headers = request.headers_mut();
    let readable = |value: &HeaderValue| {
        value
            .to_str()
            .is_ok_and(|text| s3s::dto::Range::parse(text).is_ok())
    };
    if headers.get(RANGE).is_some_and(|value| !readable(value)) {
        // A range that cannot be parsed is ignored (RFC 9110, 14.2).
        headers.remove(RANGE);
    }
    let request = match chunked::undo(request).await {
        Ok(request) => request,
        Err(code) => return Ok(refusal(400, code)),
    };
    let mut response = service
        .call(request)
        .await
        .map_err(|_: HttpError| Dropped)?;
    if misread {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
