//! A sender like VK Cloud's: the handshake when a hook is registered, then one unsigned delivery per change of a bucket.
//!
//! It checks the handshake's answer against its own computation, never against the function's code.

use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::s3::{Change, Store};
use wire::{moscow_time, token};

mod wire;

pub use wire::{confirmation_body, event_body, event_name, handshake_signature, hmac_sha256};

/// What the receiver of a delivery answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// How long a sender waits for an answer: longer than the front door of a function ever takes.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Posts `body` and waits for the answer.
///
/// # Errors
/// When no answer came in time.
pub async fn post(
    client: &reqwest::Client,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer, reqwest::Error> {
    let request = headers
        .iter()
        .fold(client.post(url), |request, (name, value)| {
            request.header(*name, *value)
        });
    let response = request
        .timeout(ANSWER_LIMIT)
        .body(body.to_owned())
        .send()
        .await?;
    Ok(Answer {
        status: response.status().as_u16(),
        body: response.text().await?,
    })
}

/// A hook as it was registered: what the console's "Add hook" asks for.
#[derive(Debug, Clone)]
pub struct Hook {
    /// The project, `mcs` and digits.
    pub project: String,
    /// The bucket whose changes are sent.
    pub bucket: String,
    /// The registered events, as the topic's name lists them.
    pub events: String,
    /// The registered URL: where deliveries go, and what the handshake signs.
    pub url: String,
    /// How often a delivery is tried, at least once.
    pub attempts: u32,
    /// The wait after the first failed try; it doubles with every further one.
    pub backoff: Duration,
}

/// A handshake as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// `<project>|<bucket>|<events>`.
    pub topic_arn: String,
    /// The registered URL.
    pub url: String,
    /// What the receiver answered.
    pub answer: Answer,
    /// What it should have answered.
    pub expected: String,
}

impl Handshake {
    /// The signature in the answer, if there is one.
    pub fn signature(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Body {
            signature: String,
        }
        serde_json::from_str::<Body>(&self.answer.body)
            .ok()
            .map(|body| body.signature)
    }

    /// Whether the real sender would save the registration now.
    pub fn is_right(&self) -> bool {
        self.answer.status == 200 && self.signature().as_deref() == Some(self.expected.as_str())
    }
}

/// How one delivery ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// The change that was told.
    pub change: Change,
    /// The last answer; `None` when no try got one.
    pub answer: Option<Answer>,
    /// How many tries it took.
    pub attempts: u32,
    /// From the first try to the end of the last one.
    pub took: Duration,
}

impl Report {
    /// Whether the receiver accepted it in the end.
    pub fn is_accepted(&self) -> bool {
        self.answer
            .as_ref()
            .is_some_and(|answer| answer.status == 200)
    }
}

impl Hook {
    /// A hook for every creation and removal in a bucket, with five tries per delivery.
    pub fn new(project: &str, bucket: &str, url: &str) -> Self {
        Self {
            project: project.to_owned(),
            bucket: bucket.to_owned(),
            events: "s3:ObjectCreated:*,s3:ObjectRemoved:*".to_owned(),
            url: url.to_owned(),
            attempts: 5,
            backoff: Duration::from_millis(500),
        }
    }

    /// The topic that the handshake names.
    pub fn topic_arn(&self) -> String {
        format!("{}|{}|{}", self.project, self.bucket, self.events)
    }

    /// Performs the handshake with a new token.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn shake(&self, client: &reqwest::Client) -> Result<Handshake, reqwest::Error> {
        let (token, timestamp, topic_arn) = (token(), moscow_time(), self.topic_arn());
        let headers = [
            ("X-Amz-Sns-Message-Type", "SubscriptionConfirmation"),
            ("content-type", "application/json"),
        ];
        let body = confirmation_body(&token, &timestamp, &topic_arn);
        let answer = post(client, &self.url, &headers, &body).await?;
        Ok(Handshake {
            expected: handshake_signature(&token, &timestamp, &topic_arn, &self.url),
            url: self.url.clone(),
            topic_arn,
            answer,
        })
    }

    /// Posts one change, once.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn tell(
        &self,
        client: &reqwest::Client,
        change: &Change,
    ) -> Result<Answer, reqwest::Error> {
        let headers = [("X-Amz-Sns-Message-Type", "Notification")];
        let body = event_body(&self.project, change);
        post(client, &self.url, &headers, &body).await
    }

    /// Posts every change of the bucket, one after the other and each until it is accepted or its tries are used up,
    /// and reports how each ended. Returns when the changes end.
    pub async fn run(
        self,
        client: reqwest::Client,
        mut changes: UnboundedReceiver<Change>,
        reports: UnboundedSender<Report>,
    ) {
        while let Some(change) = changes.recv().await {
            if change.bucket == self.bucket {
                let report = self.insist(&client, change).await;
                // Nobody reading the reports is no reason to stop delivering.
                reports.send(report).ok();
            }
        }
    }

    /// Posts one change until it is accepted or its tries are used up.
    pub async fn insist(&self, client: &reqwest::Client, change: Change) -> Report {
        let started = Instant::now();
        let mut attempts = 0;
        let mut wait = self.backoff;
        loop {
            attempts += 1;
            let answer = self.tell(client, &change).await.ok();
            let accepted = answer.as_ref().is_some_and(|answer| answer.status == 200);
            if accepted || attempts >= self.attempts {
                return Report {
                    change,
                    answer,
                    attempts,
                    took: started.elapsed(),
                };
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }
}

/// Posts every change of a store's buckets to the hooks that its bucket has by then, one after the other, and reports how each ended.
/// Returns when the changes end.
pub async fn follow(
    store: Store,
    hook: Hook,
    client: reqwest::Client,
    mut changes: UnboundedReceiver<Change>,
    reports: UnboundedSender<Report>,
) {
    while let Some(change) = changes.recv().await {
        let registered = store.hooks(&change.bucket);
        for to in registered.into_iter().filter(|to| to.wants(&change)) {
            let hook = Hook {
                url: to.url,
                ..hook.clone()
            };
            let report = hook.insist(&client, change.clone()).await;
            // Nobody reading the reports is no reason to stop delivering.
            reports.send(report).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::twin::s3::ChangeKind;

    #[test]
    fn a_handshake_is_right_only_with_the_expected_signature() {
        let shake = |status, body: &str| Handshake {
            topic_arn: "t".to_owned(),
            url: "u".to_owned(),
            answer: Answer {
                status,
                body: body.to_owned(),
            },
            expected: "ab".to_owned(),
        };
        assert!(shake(200, "{\"signature\":\"ab\"}\n").is_right());
        assert!(!shake(200, "{\"signature\":\"AB\"}").is_right());
        assert!(!shake(500, "{\"signature\":\"ab\"}").is_right());
        assert!(!shake(200, "ab").is_right());
    }

    #[tokio::test]
    async fn tells_only_its_bucket_and_insists_until_it_is_accepted() {
        use axum::extract::State;
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};
        use tokio::sync::mpsc::unbounded_channel;

        let calls = Arc::new(AtomicU32::new(0));
        let answer = async |State(calls): State<Arc<AtomicU32>>| match calls
            .fetch_add(1, Ordering::SeqCst)
        {
            0 => http::StatusCode::INTERNAL_SERVER_ERROR,
            _ => http::StatusCode::OK,
        };
        let router = axum::Router::new()
            .route("/", axum::routing::post(answer))
            .with_state(Arc::clone(&calls));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });

        let (changes, changed) = unbounded_channel();
        let (reported, mut reports) = unbounded_channel();
        for bucket in ["backup", "origin"] {
            let change = Change {
                bucket: bucket.to_owned(),
                key: "a".to_owned(),
                event: ChangeKind::Put,
                etag: "e".to_owned(),
                size: 1,
                at: SystemTime::UNIX_EPOCH,
            };
            changes.send(change).unwrap();
        }
        drop(changes);
        let hook = Hook {
            backoff: Duration::from_millis(1),
            ..Hook::new("mcs1", "origin", &url)
        };
        hook.run(reqwest::Client::new(), changed, reported).await;
        let report = reports.recv().await.unwrap();
        assert!(report.is_accepted());
        assert_eq!(
            (report.attempts, report.change.bucket.as_str()),
            (2, "origin")
        );
        assert!(reports.recv().await.is_none(), "and that is all");
    }
}
