//! The only place where an SDK or HTTP-client type is named. Thin: calls, conditions and errors, no decision.

mod blank;
pub mod body;
pub mod bucket;
pub mod certificates;
#[cfg(feature = "dev")]
pub mod credentials;
pub mod error;
mod headers;
#[cfg(feature = "dev")]
pub mod hooks;
pub mod https;
pub mod intdash;
pub mod letters;
pub mod listing;
pub mod look;
pub mod object;
pub mod queue;
mod region;
pub mod secrets;
mod settings;
pub mod state;
pub mod topic;
pub mod upload;
mod xml;

use crate::domain::keeping::Encryption;
use crate::domain::secrets::AccessKey;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{
    Credentials, RequestChecksumCalculation, ResponseChecksumValidation, SharedCredentialsProvider,
};
use aws_smithy_types::timeout::TimeoutConfig;
use https::{Https, bounded::Bounds};
use std::time::Duration;

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long one attempt of a call may take that carries no object's bytes.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long secrets are waited for, retries included: a delivery waits for them before anything of it is done.
const SECRETS_TIMEOUT: Duration = Duration::from_secs(8);

/// The far sides as the process is set up to reach them: credentials, region, endpoints, and one HTTP client for all.
#[derive(Clone, Debug)]
pub struct Aws {
    https: Https,
    sdk: SdkConfig,
    s3_endpoint: Option<String>,
    sns_endpoint: Option<url::Url>,
}

impl Aws {
    /// As the SDK's own environment variables say.
    pub async fn from_environment() -> Self {
        let https = Https::new();
        let sdk = defaults(&https).load().await;
        Self::of_sdk(https, sdk)
    }

    fn of_sdk(https: Https, sdk: SdkConfig) -> Self {
        // The SDK reads AWS_ENDPOINT_URL_S3 when the client is built; here only its presence counts, for the addressing.
        let endpoint = |name: &str| {
            let own = std::env::var(name).ok().filter(|url| !url.is_empty());
            own.or_else(|| sdk.endpoint_url().map(ToOwned::to_owned))
        };
        // That of SNS counts for what is not called through the SDK: certificates and confirmations.
        let sns_endpoint = endpoint("AWS_ENDPOINT_URL_SNS");
        Self {
            s3_endpoint: endpoint("AWS_ENDPOINT_URL_S3"),
            sns_endpoint: sns_endpoint.and_then(|url| url.parse().ok()),
            https,
            sdk,
        }
    }

    /// Endpoints of this machine, of S3 and of all other services, with any credentials.
    #[cfg(feature = "dev")]
    pub async fn local(s3_endpoint: &str, endpoint: &str) -> Self {
        Self::at(Https::new(), s3_endpoint, endpoint).await
    }

    /// Remote services whose answers are given, and no network.
    #[cfg(feature = "dev")]
    pub async fn replaying(answers: &https::replay::Replay) -> Self {
        const NOWHERE: &str = "http://nowhere.invalid";
        Self::at(answers.https(), NOWHERE, NOWHERE).await
    }

    #[cfg(feature = "dev")]
    async fn at(https: Https, s3_endpoint: &str, endpoint: &str) -> Self {
        let credentials = Credentials::new("local", "local", None, None, "local");
        let sdk = defaults(&https)
            .region(Region::from_static("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(endpoint)
            .load()
            .await;
        Self {
            https,
            sdk,
            s3_endpoint: Some(s3_endpoint.to_owned()),
            sns_endpoint: endpoint.parse().ok(),
        }
    }

    /// The client of the backup bucket, in this region, or where it is found.
    #[must_use]
    pub fn backup(
        &self,
        name: &str,
        region: Option<String>,
        encryption: Option<Encryption>,
    ) -> bucket::Bucket {
        let mut backup = self.own(name, region);
        backup.encryption = encryption;
        backup
    }

    /// The client of a bucket of our own, with the function's own credentials.
    #[must_use]
    pub fn bucket(&self, name: &str) -> bucket::Bucket {
        self.own(name, None)
    }

    fn own(&self, name: &str, region: Option<String>) -> bucket::Bucket {
        let found = region::Found::default();
        let mut config = s3(&self.sdk)
            .endpoint_resolver(region::Regional::new(found.clone()))
            .interceptor(region::Note(found))
            .retry_classifier(region::AskThere);
        if let Some(region) = region {
            config = config.region(Region::new(region));
        }
        if let Some(endpoint) = &self.s3_endpoint {
            // What is not AWS seldom has a DNS name per bucket.
            config = config.endpoint_url(endpoint).force_path_style(true);
        }
        bucket::Bucket::new(aws_sdk_s3::Client::from_conf(config.build()), name)
    }

    /// The client of an origin bucket, with the origin's own keys.
    #[must_use]
    pub fn origin(
        &self,
        endpoint: &str,
        region: &str,
        key: &AccessKey,
        name: &str,
    ) -> bucket::Bucket {
        let credentials = Credentials::new(&key.id, key.secret.expose(), None, None, "secrets");
        let config = s3(&self.sdk)
            .endpoint_url(endpoint)
            .force_path_style(true)
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        bucket::Bucket::new(aws_sdk_s3::Client::from_conf(config.build()), name)
    }

    /// The client of a topic.
    #[must_use]
    pub fn topic(&self, arn: &str) -> topic::Topic {
        let config = aws_sdk_sns::config::Builder::from(&self.sdk).interceptor(Bounds);
        topic::Topic::new(aws_sdk_sns::Client::from_conf(config.build()), arn)
    }

    /// The client of a queue.
    #[must_use]
    pub fn queue(&self, url: &str) -> queue::Queue {
        let config = aws_sdk_sqs::config::Builder::from(&self.sdk).interceptor(Bounds);
        queue::Queue::new(aws_sdk_sqs::Client::from_conf(config.build()), url)
    }

    /// The client of the intdash server at this base URL.
    #[must_use]
    pub fn intdash(&self, url: &str) -> intdash::Intdash {
        intdash::Intdash::new(self.https.clone(), url)
    }

    /// Whose signature a message of SNS has.
    #[must_use]
    pub fn certificates(&self) -> certificates::Certificates {
        certificates::Certificates::new(self.https.clone(), self.sns_endpoint.clone())
    }

    /// The client of Secrets Manager.
    #[must_use]
    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        let limit = TimeoutConfig::builder()
            .operation_timeout(SECRETS_TIMEOUT)
            .build();
        let config = aws_sdk_secretsmanager::config::Builder::from(&self.sdk)
            .timeout_config(limit)
            .interceptor(Bounds);
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }
}

fn defaults(https: &Https) -> aws_config::ConfigLoader {
    // An upload waits for the origin's bytes, so a slow one is no stall; every part has a time limit of its own.
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(https.clone())
        .stalled_stream_protection(
            aws_config::stalled_stream_protection::StalledStreamProtectionConfig::disabled(),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(CALL_TIMEOUT)
                .build(),
        )
}

/// The SDK's own checksums would buffer and copy every streamed part, and some S3-compatibles refuse them; ours go with
/// what is written.
fn s3(sdk: &SdkConfig) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::from(sdk)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .interceptor(Bounds)
        .interceptor(headers::Readable)
        .interceptor(blank::Blank)
}
