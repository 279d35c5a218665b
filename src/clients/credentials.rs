//! The credentials of a person: from every kind of AWS profile, and with a word on what to do where there are none.

use super::error::{NoCredentials, chain};
use super::{Aws, Https, defaults};
use aws_config::identity::IdentityCache;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use std::time::Duration;

/// How long credentials may take: a `credential_process` may ask its user for something.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Says what to do about credentials that are not there; it is given the SDK's own words.
pub type Advise = fn(&str) -> String;

impl Aws {
    /// As the SDK's own environment variables and profiles say, for a person at a terminal.
    pub async fn of_operator(advise: Advise) -> Self {
        let https = Https::new();
        let cache = IdentityCache::lazy().load_timeout(TIMEOUT).build();
        let sdk = defaults(&https).identity_cache(cache).load().await;
        let sdk = match sdk.credentials_provider() {
            Some(inner) => {
                let advised = SharedCredentialsProvider::new(Advised { inner, advise });
                sdk.into_builder().credentials_provider(advised).build()
            }
            None => sdk,
        };
        Self::of_sdk(https, sdk)
    }
}

#[derive(Debug)]
struct Advised {
    inner: SharedCredentialsProvider,
    advise: Advise,
}

impl ProvideCredentials for Advised {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let provided = self.inner.provide_credentials().await;
            provided.map_err(|error| {
                let none = NoCredentials((self.advise)(&chain(&error)));
                CredentialsError::provider_error(none)
            })
        })
    }
}
