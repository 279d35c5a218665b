//! Answers out of memory instead of a network: for tests that read any number of them.

use super::Https;
use super::bounded::Longest;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use std::sync::{Arc, Mutex, PoisonError};

/// The answer to every request, until it is another one.
#[derive(Clone, Debug, Default)]
pub struct Replay(Arc<Mutex<Response<Bytes>>>);

impl Replay {
    /// Every request from now on is answered so.
    pub fn answer(&self, answer: Response<Bytes>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    pub(in super::super) fn https(&self) -> Https {
        Https(SharedHttpConnector::new(self.clone()))
    }
}

impl HttpConnector for Replay {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = request.extension::<Longest>().copied().unwrap_or_default();
        let status = answer.status().as_u16();
        let answer = answer
            .clone()
            .map(|body| longest.bound(status, Full::new(body)));
        let answer = HttpResponse::try_from(answer);
        HttpConnectorFuture::ready(
            answer.map_err(|error| ConnectorError::other(error.into(), None)),
        )
    }
}
