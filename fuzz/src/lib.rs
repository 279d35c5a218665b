//! What the targets share: requests out of bytes, and a limit on memory.
//!
//! An input is text as far as it can be, so that libFuzzer's changes, the dictionary and a reader have something to hold on to: a request is
//! written as HTTP/1 writes it, and what chooses among several is a letter before it.

// The function's own, file by file: it is pure, and built without the rest in seconds instead of minutes.
#[path = "../../src/domain/mod.rs"]
pub mod domain;

use bytes::Bytes;
use cap::Cap;
use domain::delivery::{Delivery, DeliveryId};
use domain::secrets::SourceSecrets;
use domain::signature::Secret;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::alloc::System;

/// The most memory that a target may have at any moment, in bytes: itself, the function and the input with all that comes of it.
const MEMORY_MAX: usize = 32 << 20;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, MEMORY_MAX);

/// What no input has in it.
pub const SECRET: &str = "uV3kq0ZsX9mB7tYwL2cRfJ8hN5aGdPeE";

/// The same as the base64 of a key, for senders whose secrets are that.
pub const SECRETS: [&str; 2] = [SECRET, "whsec_dVYza3EwWnNYOW1CN3RZd0wyY1JmSjhoTjVhR2RQZUU="];

/// A source's secrets.
pub fn secrets() -> SourceSecrets {
    SourceSecrets {
        secrets: SECRETS.map(Secret::new).to_vec(),
        ..SourceSecrets::default()
    }
}

/// A request: `POST /path?query`, a header a line, an empty line, and the body, which is all of the rest.
pub struct Request<'a> {
    /// As it stands.
    pub method: &'a str,
    /// Up to the `?`.
    pub path: &'a str,
    /// What follows it.
    pub query: Option<&'a str>,
    /// Names and values.
    pub headers: Vec<(&'a str, &'a str)>,
    /// All of the rest.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads one; none where the bytes before the body are no text.
    pub fn of(data: &'a [u8]) -> Option<Self> {
        let end = data.windows(2).position(|two| two == b"\n\n");
        let (head, body) = end.map_or((data, &[][..]), |end| (&data[..end], &data[end + 2..]));
        let mut lines = std::str::from_utf8(head).ok()?.split('\n');
        let (method, target) = lines.next()?.split_once(' ')?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.take(32).collect();
        Some(Self {
            method,
            path,
            query,
            headers,
            body,
        })
    }

    /// As it reaches a source.
    pub fn delivery(&self) -> Option<Delivery> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            headers.append(name, HeaderValue::from_bytes(value.trim().as_bytes()).ok()?);
        }
        Some(Delivery {
            method: Method::from_bytes(self.method.as_bytes()).ok()?,
            query: self.query.map(ToOwned::to_owned),
            headers,
            ..delivery(self.body)
        })
    }
}

/// A POST of this body.
pub fn delivery(body: &[u8]) -> Delivery {
    Delivery {
        id: DeliveryId(uuid::Uuid::nil()),
        method: Method::POST,
        query: None,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body),
        url: Some("https://hooks.test/hooks/s".to_owned()),
        from: None,
        received: 1_700_000_000,
    }
}

/// The letter that chooses among so many, and the rest.
pub fn choice(data: &[u8], so_many: usize) -> Option<(usize, &[u8])> {
    let (first, rest) = data.split_first()?;
    let chosen = usize::from(first.checked_sub(b'a')?);
    (chosen < so_many).then_some((chosen, rest))
}
