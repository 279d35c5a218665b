//! The one HTTPS client of the process.

use super::{CALL_TIMEOUT, CONNECT_TIMEOUT};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector as _, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// One pool of connections, one memory of TLS sessions and one set of root certificates, for every SDK client and for
/// what has no SDK. It is built during Init, at full speed; the SDK's own client reads and parses the certificates again
/// for every client that is made of it, and once more within the first request, where a function of little memory has
/// a tenth of a processor.
#[derive(Clone, Debug)]
pub(super) struct Https(SharedHttpConnector);

impl Https {
    pub(super) fn new() -> Self {
        // No read time-out: an upload is answered when its last byte is in. Each call has a limit of its own.
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .build();
        let connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .connector_settings(settings)
            .sleep_impl(TokioSleep::new())
            .build();
        Self(SharedHttpConnector::new(connector))
    }

    /// Sends a request of no SDK's, and waits for the answer's head.
    pub(super) async fn call(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
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
