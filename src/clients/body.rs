//! An object's bytes on their way: counted, checksummed, and of exactly the length that was promised.

use crate::domain::checksum::{Crc64, Running};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep, timeout};

/// How long an origin's bytes may stand still. A stalled stream must not hold what others wait for until the deadline.
const IDLE_TIMEOUT: Duration = Duration::from_secs(8);
const STALLED: &str = "the origin's bytes stand still";

/// Bytes of an object as the origin sends them, not read yet.
#[derive(Debug)]
pub struct ObjectBody {
    pub(super) stream: ByteStream,
    /// How many bytes there must be.
    pub(super) length: u64,
}

impl ObjectBody {
    /// The bytes of an object that has none.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            stream: ByteStream::new(SdkBody::empty()),
            length: 0,
        }
    }

    /// How many bytes there must be.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads all of it into memory, in the pieces in which it arrives.
    ///
    /// # Errors
    /// The connection broke, or there were fewer or more bytes than promised.
    pub async fn collect(mut self) -> Result<Vec<Bytes>, String> {
        let mut pieces = Vec::new();
        let mut left = self.length;
        while let Some(piece) = timeout(IDLE_TIMEOUT, self.stream.next())
            .await
            .map_err(|_| STALLED)?
        {
            let piece = piece.map_err(|e| format!("the object's bytes broke off: {e}"))?;
            left = left
                .checked_sub(piece.len() as u64)
                .ok_or("more bytes came than the origin promised")?;
            pieces.push(piece);
        }
        if left > 0 {
            Err(format!("the object's bytes ended {left} early"))
        } else {
            Ok(pieces)
        }
    }

    /// Reads all of it and keeps nothing but its checksum.
    ///
    /// # Errors
    /// As [`Self::collect`].
    pub async fn checksum(self) -> Result<Crc64, String> {
        let (stream, sent) = self.into_request();
        let mut body = stream.into_inner();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
        {
            frame.map_err(|e| e.to_string())?;
        }
        sent.get()
            .unwrap_or_else(|| Ok(Running::default().finish()))
    }

    /// The body of a request that carries these bytes on as they arrive, and where their checksum will be once they all did.
    pub(super) fn into_request(self) -> (ByteStream, SentChecksum) {
        let sent = SentChecksum::default();
        let body = Streamed {
            inner: self.stream.into_inner(),
            left: self.length,
            running: Running::default(),
            sent: sent.clone(),
            idle: None,
        };
        (ByteStream::new(SdkBody::from_body_1_x(body)), sent)
    }
}

/// How reading a streamed body ended: its checksum after its last byte, or why it broke off. Nothing while it is read.
#[derive(Clone, Debug, Default)]
pub(super) struct SentChecksum(Arc<Mutex<Option<Result<Crc64, String>>>>);

impl SentChecksum {
    pub(super) fn get(&self) -> Option<Result<Crc64, String>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    fn set(&self, ended: Result<Crc64, String>) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(ended);
    }
}

/// A GET's body as a PUT's body. Its exact size hint is what lets the SDK send it unbuffered with a Content-Length.
struct Streamed {
    inner: SdkBody,
    left: u64,
    running: Running,
    sent: SentChecksum,
    /// Runs while the origin is waited for, and not while the backup is.
    idle: Option<Pin<Box<Sleep>>>,
}

impl Streamed {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        loop {
            let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Pending => {
                    let idle = self
                        .idle
                        .get_or_insert_with(|| Box::pin(sleep(IDLE_TIMEOUT)));
                    return idle
                        .as_mut()
                        .poll(cx)
                        .map(|()| Some(Err(STALLED.to_owned())));
                }
                Poll::Ready(None) if self.left == 0 => return Poll::Ready(None),
                Poll::Ready(None) => {
                    let early = format!("the object's bytes ended {} early", self.left);
                    return Poll::Ready(Some(Err(early)));
                }
                Poll::Ready(Some(Err(e))) => {
                    let broken = format!("the object's bytes broke off: {e}");
                    return Poll::Ready(Some(Err(broken)));
                }
                Poll::Ready(Some(Ok(frame))) => frame,
            };
            self.idle = None;
            // Trailers of the origin's answer are not the object's.
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
                let more = "more bytes came than the origin promised".to_owned();
                return Poll::Ready(Some(Err(more)));
            };
            self.left = left;
            self.running.update(&bytes);
            if left == 0 {
                self.sent.set(Ok(self.running.finish()));
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let read = std::task::ready!(self.poll_read(cx));
        // Whoever sends this body only learns that it failed; whose fault it is must be told apart.
        if let Some(Err(reason)) = &read {
            self.sent.set(Err(reason.clone()));
        }
        Poll::Ready(read.map(|read| read.map(Frame::data).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A buffer in the pieces in which it was read, as a PUT's body: nothing is copied together.
pub(super) struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl Pieces {
    pub(super) fn new(pieces: Vec<Bytes>) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self {
            pieces: pieces.into(),
            left,
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.left
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn body(bytes: &'static [u8], length: u64) -> ObjectBody {
        ObjectBody {
            stream: ByteStream::from_static(bytes),
            length,
        }
    }

    #[tokio::test]
    async fn a_body_of_another_length_than_promised_is_an_error() {
        for length in [3, 5] {
            assert!(body(b"four", length).collect().await.is_err());
            let (stream, sent) = body(b"four", length).into_request();
            assert!(stream.into_inner().collect().await.is_err());
            assert!(matches!(sent.get(), Some(Err(_))), "and no checksum");
        }
        assert_eq!(body(b"four", 4).collect().await.unwrap().concat(), b"four");
    }

    #[tokio::test]
    async fn a_streamed_body_keeps_length_bytes_and_checksum() {
        let (stream, sent) = body(b"123456789", 9).into_request();
        assert_eq!(stream.size_hint(), (9, Some(9)));
        assert_eq!(
            stream.collect().await.unwrap().into_bytes().as_ref(),
            b"123456789"
        );
        assert_eq!(
            sent.get(),
            Some(Ok(Crc64::of(&[Bytes::from_static(b"123456789")])))
        );
    }
}
