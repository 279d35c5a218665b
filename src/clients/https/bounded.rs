//! How long an answer's body may be. Only an object's bytes and a stream of points may be of any length: they are read piece by
//! piece. Every other body is read whole, and by somebody else's code, so it must end before memory does.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of an error, in bytes: a code and a sentence. HTML pages of proxies have a few KiB.
const ERROR_MAX: u64 = 64 << 10;
/// Any other answer that names one thing: an object's tags, an upload, a topic's attributes with its policy.
const ANSWER_MAX: u64 = 256 << 10;
/// A secret of 64 KiB, each byte of it escaped.
const SECRET_MAX: u64 = 1 << 20;
/// A thousand keys of 1,024 bytes each, escaped, and some properties of each.
const LISTING_MAX: u64 = 8 << 20;
/// Ten messages that are as long as SQS takes them, half of each escaped.
const MESSAGES_MAX: u64 = 16 << 20;

/// How long the body of an answer of success may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Longest {
    /// Of any length: whoever reads it counts.
    Streamed,
    /// So many bytes.
    Bytes(u64),
}

impl Longest {
    /// Of the answer to an operation of an SDK.
    fn of(operation: &str) -> Self {
        Self::Bytes(match operation {
            "GetObject" => return Self::Streamed,
            "ListObjectsV2" | "ListMultipartUploads" | "ListParts" => LISTING_MAX,
            "GetSecretValue" => SECRET_MAX,
            "ReceiveMessage" => MESSAGES_MAX,
            _ => ANSWER_MAX,
        })
    }

    /// The body of an answer of this status, which ends in an error where it is longer.
    pub(super) fn bound<B>(self, status: u16, body: B) -> SdkBody
    where
        B: Body<Data = Bytes, Error: Into<BoxError> + 'static> + Send + Sync + Unpin + 'static,
    {
        let most = match self {
            _ if !(200..300).contains(&status) => ERROR_MAX,
            Self::Streamed => return SdkBody::from_body_1_x(body),
            Self::Bytes(most) => most,
        };
        SdkBody::from_body_1_x(Bounded {
            inner: body,
            most,
            left: most,
        })
    }
}

impl Default for Longest {
    fn default() -> Self {
        Self::Bytes(ANSWER_MAX)
    }
}

/// Tells the connector how long the answer to an SDK's request may be: every client has it that reads objects or listings.
#[derive(Debug)]
pub struct Bounds;

impl Intercept for Bounds {
    fn name(&self) -> &'static str {
        "Bounds"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        known: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(operation) = known.load::<Metadata>() {
            let longest = Longest::of(operation.name());
            context.request_mut().add_extension(longest);
        }
        Ok(())
    }
}

/// An answer that goes on for longer than any of its kind.
#[derive(Debug)]
struct TooLong(u64);

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer is longer than {} bytes", self.0)
    }
}

impl std::error::Error for TooLong {}

struct Bounded<B> {
    inner: B,
    most: u64,
    left: u64,
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // One that says beforehand how long it will be is not waited for.
        if self.inner.size_hint().lower() > self.left {
            return Poll::Ready(Some(Err(TooLong(self.most).into())));
        }
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let came = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        let Some(left) = self.left.checked_sub(came as u64) else {
            return Poll::Ready(Some(Err(TooLong(self.most).into())));
        };
        self.left = left;
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, Full, StreamBody};

    async fn read(longest: Longest, status: u16, length: u64) -> Result<usize, String> {
        let pieces = (0..length).map(|_| Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x"))));
        let body = longest.bound(status, StreamBody::new(futures_util::stream::iter(pieces)));
        let read = body.collect().await.map_err(|error| error.to_string())?;
        Ok(read.to_bytes().len())
    }

    #[tokio::test]
    async fn a_body_ends_where_its_kind_does_and_an_objects_bytes_do_not() {
        let few = Longest::Bytes(10);
        assert_eq!(read(few, 200, 10).await, Ok(10));
        let long = read(few, 200, 11).await.unwrap_err();
        assert!(long.contains("longer than 10 bytes"), "{long}");
        assert_eq!(read(Longest::Streamed, 206, 100_000).await, Ok(100_000));
        for status in [301, 403, 404, 500] {
            let long = read(Longest::Streamed, status, 100_000).await.unwrap_err();
            assert!(long.contains("longer than 65536 bytes"), "{long}");
        }
        assert_eq!(read(Longest::Streamed, 403, 65_536).await, Ok(65_536));
    }

    #[tokio::test]
    async fn a_body_that_says_that_it_is_too_long_is_not_read() {
        let body = Full::new(Bytes::from_static(b"eleven bytes"));
        let body = Longest::Bytes(10).bound(200, body);
        assert!(body.collect().await.is_err());
    }

    #[test]
    fn a_listing_of_the_longest_keys_fits() {
        let element = "<Contents><Key></Key><LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef-10000&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>50000000000000</Size><Owner><ID>0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef</ID><DisplayName>somebody</DisplayName></Owner><StorageClass>INTELLIGENT_TIERING</StorageClass></Contents>";
        // `&quot;` is the longest spelling of a byte.
        let longest = 1000 * (element.len() + 6 * crate::domain::object::KEY_MAX);
        assert!(longest as u64 <= LISTING_MAX);
        assert_eq!(Longest::of("GetObject"), Longest::Streamed);
        assert_eq!(Longest::of("ListParts"), Longest::Bytes(LISTING_MAX));
        assert_eq!(Longest::of("CopyObject"), Longest::default());
    }
}
