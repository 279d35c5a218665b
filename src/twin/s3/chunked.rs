//! Undoes `aws-chunked`, in which SDKs send a body whose checksum comes after it.
//!
//! It must never check a chunk's signature; the trailing checksum becomes a header, and is checked with the rest.

use bytes::{Buf as _, Bytes};
use futures_util::stream;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use s3s::dto::StreamingBlob;
use s3s::{Body, HttpRequest};

use super::keeping::Trailed;

/// A request whose body is the plain body. Requests that are not `aws-chunked` pass untouched, unread.
///
/// # Errors
/// The S3 code to refuse with, when the body is not what its headers say.
pub(super) async fn undo(request: HttpRequest) -> Result<HttpRequest, &'static str> {
    let marked = request.headers().get("x-amz-content-sha256");
    if !marked.is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-")) {
        return Ok(request);
    }
    let (mut parts, body) = request.into_parts();
    let raw = body
        .collect()
        .await
        .map_err(|_| "IncompleteBody")?
        .to_bytes();
    let (chunks, trailers) = decode(raw).ok_or("IncompleteBody")?;
    let len: usize = chunks.iter().map(Bytes::len).sum();
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    if trailers
        .iter()
        .any(|(name, _)| name.as_str().starts_with("x-amz-checksum-"))
    {
        parts.extensions.insert(Trailed);
    }
    parts.headers.extend(trailers);
    let encodings = parts
        .headers
        .get(CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kept: Vec<_> = encodings
        .split(',')
        .map(str::trim)
        .filter(|it| !it.is_empty() && *it != "aws-chunked")
        .collect();
    let kept = kept.join(",");
    parts.headers.remove(CONTENT_ENCODING);
    if let Some(kept) = HeaderValue::from_str(&kept)
        .ok()
        .filter(|_| !kept.is_empty())
    {
        parts.headers.insert(CONTENT_ENCODING, kept);
    }
    let chunks = stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
    Ok(HttpRequest::from_parts(
        parts,
        Body::from(StreamingBlob::wrap(chunks)),
    ))
}

type Trailers = Vec<(HeaderName, HeaderValue)>;

/// `<hex length>[;chunk-signature=…]CRLF <bytes> CRLF`, repeated until a length of zero, then the trailers.
fn decode(mut raw: Bytes) -> Option<(Vec<Bytes>, Trailers)> {
    let mut chunks = Vec::new();
    loop {
        let line = line(&mut raw)?;
        let len = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if len == 0 {
            break;
        }
        if raw.len() < len + 2 {
            return None;
        }
        chunks.push(raw.split_to(len));
        raw.advance(2);
    }
    let mut trailers = Vec::new();
    while let Some(line) = line(&mut raw).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        trailers.push((name.trim().parse().ok()?, value.trim().parse().ok()?));
    }
    Some((chunks, trailers))
}

fn line(raw: &mut Bytes) -> Option<String> {
    let end = raw.windows(2).position(|pair| pair == b"\r\n")?;
    let line = String::from_utf8(raw.split_to(end).to_vec()).ok();
    raw.advance(2);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_chunks_and_the_checksum_after_them() {
        let raw =
            "3\r\nabc\r\n2;chunk-signature=00\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        let (chunks, trailers) = decode(Bytes::from_static(raw.as_bytes())).unwrap();
        assert_eq!(chunks.concat(), b"abcde");
        assert_eq!(trailers[0].0, "x-amz-checksum-crc32");
        assert_eq!(trailers[0].1, "AAAAAA==");
    }

    #[test]
    fn refuses_a_body_that_ends_inside_a_chunk() {
        assert!(decode(Bytes::from_static(b"5\r\nabc")).is_none());
    }
}
