//! Where the values of secrets come from: a variable, or Secrets Manager, cached and fetched again when they seem stale.

use super::Aws;
use super::error::{CallError, Kind};
use crate::config::SecretsFrom;
use crate::domain::secrets::Secrets;
use aws_sdk_secretsmanager::Client;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Whoever sends wrong signatures must not be able to make us call Secrets Manager more often than this.
const REFRESH_AT_MOST_EVERY: Duration = Duration::from_secs(30);
/// The same while a secret is left out: who has just put its value does not want to wait.
const REFRESH_SOONER: Duration = Duration::from_secs(5);

/// The secrets of all sources, as fresh as needed.
#[derive(Debug)]
pub struct SecretStore {
    from: Option<(Client, Vec<String>)>,
    /// The secrets, and when they may be fetched again.
    cached: Mutex<Option<(Arc<Secrets>, Instant)>>,
}

impl SecretStore {
    /// Nothing is fetched before the first delivery that needs it.
    #[must_use]
    pub fn new(from: SecretsFrom, aws: &Aws) -> Self {
        let (from, cached) = match from {
            SecretsFrom::Nowhere => (None, Some(Secrets::default())),
            SecretsFrom::Inline(secrets) => (None, Some(secrets)),
            SecretsFrom::Manager(ids) => (Some((aws.secrets_manager(), ids)), None),
        };
        Self {
            from,
            cached: Mutex::new(cached.map(|secrets| (Arc::new(secrets), Instant::now()))),
        }
    }

    /// The secrets, from the cache if they are there.
    ///
    /// # Errors
    /// Secrets Manager did not answer.
    pub async fn get(&self) -> Result<Arc<Secrets>, CallError> {
        let mut cached = self.cached.lock().await;
        if let Some((secrets, _)) = &*cached {
            return Ok(secrets.clone());
        }
        let (fresh, again) = self.fetch().await?;
        *cached = Some((fresh.clone(), again));
        Ok(fresh)
    }

    /// Newer secrets than `stale`, if there are any: after a far side refused our keys, or a verification failed.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn newer_than(&self, stale: &Secrets) -> Result<Option<Arc<Secrets>>, CallError> {
        if self.from.is_none() {
            return Ok(None);
        }
        let mut cached = self.cached.lock().await;
        if let Some((secrets, again)) = &*cached
            && (**secrets != *stale || Instant::now() < *again)
        {
            return Ok((**secrets != *stale).then(|| secrets.clone()));
        }
        let (fresh, again) = self.fetch().await?;
        *cached = Some((fresh.clone(), again));
        Ok((*fresh != *stale).then_some(fresh))
    }

    /// One that is refused, empty or no JSON is left out, so that the sources of the others go on.
    async fn fetch(&self) -> Result<(Arc<Secrets>, Instant), CallError> {
        let (mut merged, mut wait) = (Secrets::default(), REFRESH_AT_MOST_EVERY);
        let Some((client, ids)) = &self.from else {
            return Ok((Arc::new(merged), Instant::now() + wait));
        };
        for id in ids {
            match fetch_one(client, id).await {
                Ok(secrets) => merged = merged.merged(secrets),
                Err(error) if error.kind == Kind::Unknown => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "a secret is left out");
                    wait = REFRESH_SOONER;
                }
            }
        }
        Ok((Arc::new(merged), Instant::now() + wait))
    }
}

async fn fetch_one(client: &Client, id: &str) -> Result<Secrets, CallError> {
    let answer = client.get_secret_value().secret_id(id).send().await;
    let answer = answer.map_err(|e| CallError::of("GetSecretValue", id, &e))?;
    let bad = |cause: String| CallError::new(Kind::BadAnswer, "GetSecretValue", id, cause);
    let text = answer
        .secret_string()
        .ok_or_else(|| bad("the secret is binary: expected JSON text".to_owned()))?;
    Secrets::parse(text).map_err(|problems| bad(problems.join("; ")))
}
