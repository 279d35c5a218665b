//! Answers.

use crate::content::Content;
use crate::store::{Object, Refused};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::http::response::Builder;
use hyper::{Method, Response};
use std::convert::Infallible;
use std::ops::Range;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

pub type Body = UnsyncBoxBody<Bytes, Infallible>;
pub type Answer = Response<Body>;

fn head(status: u16) -> Builder {
    Response::builder()
        .status(status)
        .header("x-amz-request-id", "0")
        .header("server", "mems3")
}

fn full(builder: Builder, body: impl Into<Bytes>) -> Answer {
    builder
        .body(Full::new(body.into()).boxed_unsync())
        .expect("the headers are right")
}

pub fn empty(status: u16) -> Answer {
    full(head(status), "")
}

pub fn text(body: impl Into<Bytes>) -> Answer {
    full(head(200), body)
}

pub fn xml(body: impl Into<Bytes>) -> Answer {
    full(head(200).header("content-type", "application/xml"), body)
}

pub fn stored(etag: &str) -> Answer {
    full(head(200).header("etag", format!("\"{etag}\"")), "")
}

pub fn error(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    full(head(status).header("content-type", "application/xml"), body)
}

pub fn refused(why: Refused) -> Answer {
    match why {
        Refused::NoSuchUpload => error(404, "NoSuchUpload"),
        Refused::PreconditionFailed => error(412, "PreconditionFailed"),
    }
}

/// First byte and end of a Range header.
fn asked(range: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        return Some(size.saturating_sub(last.parse().ok()?)..size);
    }
    let end = if last.is_empty() {
        size
    } else {
        last.parse::<u64>().ok()? + 1
    };
    Some(first.parse().ok()?..end.min(size))
}

/// The object, or a range of it, no faster than so many bytes a second.
pub fn object(object: &Object, range: Option<&str>, method: &Method, bps: Option<u64>) -> Answer {
    let size = object.content.len();
    let part = range.and_then(|range| asked(range, size));
    if part.as_ref().is_some_and(|part| part.start >= size) {
        return error(416, "InvalidRange");
    }
    let mut builder = head(if part.is_some() { 206 } else { 200 });
    if let Some(part) = &part {
        builder = builder.header(
            "content-range",
            format!("bytes {}-{}/{size}", part.start, part.end - 1),
        );
    }
    let part = part.unwrap_or(0..size);
    builder = builder
        .header("content-length", part.end - part.start)
        .header("etag", format!("\"{}\"", object.etag))
        .header("accept-ranges", "bytes")
        .header("last-modified", "Sat, 21 Nov 2026 21:00:00 GMT");
    for (name, value) in &object.headers {
        builder = builder.header(name, value);
    }
    if method == Method::HEAD {
        return full(builder, "");
    }
    builder
        .body(streamed(&object.content, part, bps))
        .expect("the headers are right")
}

fn streamed(content: &Content, range: Range<u64>, bps: Option<u64>) -> Body {
    let pieces = content.pieces(range).map(Frame::data).map(Ok);
    let Some(bps) = bps else {
        return StreamBody::new(stream::iter(pieces)).boxed_unsync();
    };
    // Pieces of a megabyte would come in jerks.
    let pieces = content_pieces_of(pieces, 64 << 10);
    let began = Instant::now();
    let paced = stream::unfold((pieces, 0_u64), move |(mut pieces, sent)| async move {
        let piece = pieces.next()?;
        let sent = sent + piece.len() as u64;
        sleep_until(began + Duration::from_secs_f64(sent as f64 / bps as f64)).await;
        Some((Ok(Frame::data(piece)), (pieces, sent)))
    });
    StreamBody::new(paced).boxed_unsync()
}

fn content_pieces_of(
    mut frames: impl Iterator<Item = Result<Frame<Bytes>, Infallible>> + Send,
    length: usize,
) -> impl Iterator<Item = Bytes> + Send {
    let mut rest = Bytes::new();
    std::iter::from_fn(move || {
        while rest.is_empty() {
            rest = frames.next()?.ok()?.into_data().ok()?;
        }
        Some(rest.split_to(length.min(rest.len())))
    })
}
