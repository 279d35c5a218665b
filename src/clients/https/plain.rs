//! One request to anybody, exactly as it is: to a developer's own handler. No redirect is followed, nothing is tried again.

use super::super::error::unanswered;
use super::dial::Dial;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How its body begins.
    pub beginning: Vec<u8>,
    /// Whether the body goes on.
    pub goes_on: bool,
    /// How long it took to connect, to send and to be answered so far.
    pub took: Duration,
}

/// Sends a request, and reads up to `most` bytes of the answer's body. All of it takes no longer than `limit`.
///
/// # Errors
/// A sentence: there was no answer.
pub async fn send(request: Request<Bytes>, most: usize, limit: Duration) -> Result<Answer, String> {
    let client = Client::builder(TokioExecutor::new())
        .http1_max_headers(super::HEADERS_MAX)
        .build::<_, Full<Bytes>>(Dial::new());
    let began = Instant::now();
    let sent = async {
        let answer = client.request(request.map(Full::new)).await;
        let (head, mut body) = answer.map_err(|error| unanswered(&error).1)?.into_parts();
        let mut beginning = Vec::new();
        while beginning.len() <= most
            && let Some(frame) = body.frame().await
        {
            // What was said before it broke off is an answer all the same.
            let Ok(frame) = frame else { break };
            beginning.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        }
        let goes_on = beginning.len() > most;
        beginning.truncate(most);
        Ok(Answer {
            status: head.status.as_u16(),
            beginning,
            goes_on,
            took: began.elapsed(),
        })
    };
    let late = |_| Err(format!("no answer within {} s", limit.as_secs()));
    timeout(limit, sent).await.unwrap_or_else(late)
}
