//! What becomes of an answer under a fault.
//!
//! It must never decide whether there is one: that is the rules' to say.

use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use s3s::dto::StreamingBlob;
use s3s::{Body, HttpResponse};

/// An S3 error answer.
pub(crate) fn refusal(status: u16, code: &'static str) -> HttpResponse {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    );
    let mut response = xml_answer(xml);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// An answer of status 200 with this body.
pub(crate) fn xml_answer(xml: String) -> HttpResponse {
    let mut response = Response::new(Body::from(xml));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// The same answer without a header; without its length, the body ends where it ends.
pub(super) fn without(mut response: HttpResponse, name: &'static str) -> HttpResponse {
    response.headers_mut().remove(name);
    if name == CONTENT_LENGTH.as_str() {
        return response.map(|body| truncated(body, usize::MAX));
    }
    response
}

/// The same answer with another text in its body.
pub(super) async fn swapped(mut response: HttpResponse, old: &str, new: &str) -> HttpResponse {
    let body = drain(response.body_mut()).await;
    let body = String::from_utf8_lossy(&body).replace(old, new);
    response.headers_mut().remove(CONTENT_LENGTH);
    response.map(|_| Body::from(body))
}

/// Reads a body to its end; what came before a broken end counts.
pub(crate) async fn drain(body: &mut Body) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(Ok(segment)) = body.next().await {
        read.extend_from_slice(&segment);
    }
    read
}

pub(super) fn stalled(body: Body, len: usize) -> Body {
    let segments = stream::unfold((body, len), |(mut body, left)| async move {
        if left == 0 {
            std::future::pending::<()>().await;
        }
        let mut segment = body.next().await?.ok()?;
        segment.truncate(left);
        let left = left - segment.len();
        Some((Ok::<_, std::io::Error>(segment), (body, left)))
    });
    Body::from(StreamingBlob::wrap(Box::pin(segments)))
}

pub(super) fn truncated(body: Body, len: usize) -> Body {
    let segments = stream::unfold((body, len), |(mut body, left)| async move {
        if left == 0 {
            // Waiting once lets hyper send what it holds; an error would throw it away.
            tokio::task::yield_now().await;
            let cut = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Some((Err(cut), (Body::empty(), 0)));
        }
        let mut segment = body.next().await?.ok()?;
        segment.truncate(left);
        let left = left - segment.len();
        Some((Ok(segment), (body, left)))
    });
    Body::from(StreamingBlob::wrap(Box::pin(segments)))
}
