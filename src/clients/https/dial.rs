//! A new connection: TCP, and TLS over it for a URL that says so.

use super::super::CONNECT_TIMEOUT;
use aws_smithy_runtime_api::box_error::BoxError;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::{CipherSuite, ClientConfig, RootCertStore, crypto::aws_lc_rs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;

/// Connects, within a time limit that the handshake counts towards.
#[derive(Clone, Debug)]
pub(super) struct Dial(HttpsConnector<HttpConnector>);

impl Dial {
    pub(super) fn new() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self(HttpsConnector::from((tcp, tls())))
    }
}

fn tls() -> ClientConfig {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A store of hundreds may have one that cannot be read; what it would have vouched for fails by name later.
    roots.add_parsable_certificates(found.certs);
    if !found.errors.is_empty() || roots.is_empty() {
        tracing::warn!(roots = roots.len(), errors = ?found.errors, "not all root certificates could be read");
    }
    let mut provider = aws_lc_rs::default_provider();
    // A third of a mirror's processor time is AES-GCM, and of that 10 rounds take less than 14.
    provider
        .cipher_suites
        .sort_by_key(|offered| offered.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("aws-lc has TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

impl Service<Uri> for Dial {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connected = self.0.call(uri);
        Box::pin(async move { timeout(CONNECT_TIMEOUT, connected).await? })
    }
}
