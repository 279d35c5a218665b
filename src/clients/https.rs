//! The one HTTPS client of the process: HTTP/1.1, over rustls with aws-lc.

pub mod bounded;
mod dial;
#[cfg(feature = "dev")]
pub mod plain;
#[cfg(feature = "dev")]
pub mod replay;

use super::CALL_TIMEOUT;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::retries::ErrorKind;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bounded::Longest;
use dial::Dial;
use http::HeaderValue;
use http::header::ACCEPT_ENCODING;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::cell::Cell;
use std::time::Duration;

/// How many connections to a host may wait for their next request: those of all the parts on their way.
const IDLE_CONNECTIONS: usize = 32;
/// What a connection may have in memory of a body, in bytes. More is no faster, and every part on its way has two of them.
const BUFFER: usize = 128 << 10;
/// How many headers an answer may have: user metadata of 2 KB is up to several hundred of them.
const HEADERS_MAX: usize = 2048;
/// How long a connection may wait. What waited longer has most likely been closed by the far side, unseen while the function was
/// frozen.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// One pool of connections, one memory of TLS sessions and one set of root certificates, for every SDK client and for
/// what has no SDK. It is built during Init, at full speed; the SDK's own client reads and parses the certificates again
/// for every client that is made of it, and once more within the first request, where a function of little memory has
/// a tenth of a processor. That one also offers HTTP/2, where all parts share one connection at half as much CPU again.
#[derive(Clone, Debug)]
pub struct Https(SharedHttpConnector);

impl Https {
    /// Reads the root certificates: those of SSL_CERT_FILE and SSL_CERT_DIR where set, else the system's.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "it reads files, which no default should"
    )]
    pub fn new() -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(BUFFER)
            .http1_max_headers(HEADERS_MAX)
            .build(Dial::new());
        Self(SharedHttpConnector::new(Calls(client)))
    }

    /// Sends a request of no SDK's, and waits for the answer's head. Whoever asks bounds what is read of a success.
    pub(super) async fn call(
        &self,
        mut request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        request.add_extension(Longest::Streamed);
        tokio::time::timeout(CALL_TIMEOUT, self.0.call(request))
            .await
            .unwrap_or_else(|late| Err(ConnectorError::timeout(late.into())))
    }
}

impl HttpClient for Https {
    /// The same for every client and every call, whatever time limits they set: those the SDK keeps by itself.
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.clone()
    }
}

tokio::task_local! {
    /// Requests that were sent for the work in hand.
    static SENT: Cell<u32>;
}

/// Does some work, and counts the requests that were sent for it, those that were tried again included.
pub async fn counted<F: Future>(work: F) -> (F::Output, u32) {
    let work = async {
        let done = work.await;
        (done, SENT.with(Cell::get))
    };
    SENT.scope(Cell::new(0), work).await
}

#[derive(Debug)]
struct Calls(Client<Dial, SdkBody>);

impl HttpConnector for Calls {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        // Nobody here decompresses. It is no header that is signed: proxies change it on the way.
        let encoding = request.headers_mut().entry(ACCEPT_ENCODING);
        encoding.or_insert(HeaderValue::from_static("identity"));
        let captured = capture_connection(&mut request);
        if let Some(asked) = request.extensions().get::<CaptureSmithyConnection>() {
            asked.set_connection_retriever(move || metadata(&captured));
        }
        let longest = request.extensions().get::<Longest>().copied();
        let longest = longest.unwrap_or_default();
        // What is sent for no job, such as a look at the secrets, is not counted.
        let _ = SENT.try_with(|sent| sent.set(sent.get() + 1));
        // No read time-out: an upload is answered when its last byte is in. Each call has a limit of its own.
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(classified)?;
            let status = answer.status().as_u16();
            HttpResponse::try_from(answer.map(|body| longest.bound(status, body)))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Through this the SDK drops a connection from the pool whose far side answered that it is unwell.
fn metadata(captured: &CaptureConnection) -> Option<ConnectionMetadata> {
    captured.connection_metadata().as_ref()?;
    let captured = captured.clone();
    let poison = move || {
        if let Some(connected) = captured.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    let metadata = ConnectionMetadata::builder().proxied(false);
    Some(metadata.poison_fn(poison).build())
}

/// What the SDK goes by when it decides whether to try again.
fn classified(error: Error) -> ConnectorError {
    let connecting = error.is_connect();
    let error = BoxError::from(error);
    if cause::<tokio::time::error::Elapsed>(&*error).is_some() {
        return ConnectorError::timeout(error);
    }
    let broken = connecting || cause::<std::io::Error>(&*error).is_some();
    match cause::<hyper::Error>(&*error) {
        Some(http) if http.is_timeout() => ConnectorError::timeout(error),
        Some(http) if http.is_user() => ConnectorError::user(error),
        Some(http) if http.is_closed() || http.is_canceled() => ConnectorError::io(error),
        _ if broken => ConnectorError::io(error),
        // The far side closed the connection instead of an answer.
        Some(http) if http.is_incomplete_message() => {
            ConnectorError::other(error, Some(ErrorKind::TransientError))
        }
        _ => ConnectorError::other(error, None),
    }
}

/// The error of that type, of this one and all that led to it.
fn cause<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| error.source())
        .find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Asks a far side of which only the first connection is served, in this way.
    async fn ask<F: Future>(scheme: &str, serve: fn(tokio::net::TcpStream) -> F) -> ConnectorError {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/", listener.local_addr().unwrap());
        let request =
            HttpRequest::try_from(http::Request::get(url).body(SdkBody::empty()).unwrap());
        let client = Https::new();
        let served = async { serve(listener.accept().await.unwrap().0).await };
        let (answer, _) = tokio::join!(client.call(request.unwrap()), served);
        answer.unwrap_err()
    }

    #[tokio::test]
    async fn errors_are_told_apart_as_the_sdk_expects() {
        let closed = ask("http", |mut stream| async move {
            assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        });
        let closed = closed.await;
        assert_eq!(
            closed.as_other(),
            Some(ErrorKind::TransientError),
            "{closed:?}"
        );
        let garbled = ask("http", |mut stream| async move {
            assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
            stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").await.unwrap();
        });
        let garbled = garbled.await;
        assert!(
            garbled.is_other() && garbled.as_other().is_none(),
            "{garbled:?}"
        );
        let no_tls = ask("https", |mut stream| async move {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        });
        let no_tls = no_tls.await;
        assert!(no_tls.is_io(), "{no_tls:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_handshake_counts_towards_the_time_to_connect() {
        let before = tokio::time::Instant::now();
        let silent = ask("https", |stream| async move {
            tokio::time::sleep(2 * CALL_TIMEOUT).await;
            drop(stream);
        });
        let silent = silent.await;
        assert!(silent.is_timeout(), "{silent:?}");
        assert!(format!("{silent:?}").contains("Connect"), "{silent:?}");
        assert!(before.elapsed() >= super::super::CONNECT_TIMEOUT);
    }
}
