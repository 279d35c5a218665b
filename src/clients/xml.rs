//! Makes the XML of a store's answer readable, before the SDK reads it.

use crate::domain::xml;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The same body, readable; of one that is no answer of a store an error where it is a `success`, else nothing.
pub(super) fn readable(body: SdkBody, success: bool) -> SdkBody {
    SdkBody::from_body_1_x(Readable {
        inner: Some(body),
        read: Vec::new(),
        success,
    })
}

/// Reads a body whole, which is bounded, and hands out all of it at once.
struct Readable {
    inner: Option<SdkBody>,
    read: Vec<u8>,
    success: bool,
}

impl Body for Readable {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(mut inner) = self.inner.take() else {
            return Poll::Ready(None);
        };
        loop {
            match Pin::new(&mut inner).poll_frame(cx) {
                Poll::Pending => {
                    self.inner = Some(inner);
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        self.read.extend_from_slice(data);
                    }
                }
                Poll::Ready(None) => break,
            }
        }
        let read = std::mem::take(&mut self.read);
        Poll::Ready(match xml::readable(read) {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => Some(Ok(Frame::data(bytes.into()))),
            Err(reason) if self.success => Some(Err(reason.into())),
            // Its status tells enough.
            Err(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn what_is_no_answer_of_a_store_is_an_error_or_nothing() {
        for odd in ["<Contents/>".repeat(100_000), "<never closed".to_owned()] {
            let read = |success| readable(SdkBody::from(odd.clone()), success).collect();
            let error = read(true).await.unwrap_err().to_string();
            assert!(error.contains("no XML of a store"), "{error}");
            assert!(read(false).await.unwrap().to_bytes().is_empty());
        }
        let body = readable(SdkBody::from("<a>b</a>"), true);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "<a>b</a>");
        let body = readable(SdkBody::empty(), true);
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
    }
}
