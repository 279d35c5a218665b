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

/// The secrets of all sources, as fresh as needed.
#[derive(Debug)]
pub struct SecretStore {
    from: Option<(Client, Vec<String>)>,
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
    /// Secrets Manager refused or did not answer, or what it holds is not the JSON of secrets.
    pub async fn get(&self) -> Result<Arc<Secrets>, CallError> {
        let mut cached = self.cached.lock().await;
        if let Some((secrets, _)) = &*cached {
            return Ok(secrets.clone());
        }
        let fresh = self.fetch().await?;
        *cached = Some((fresh.clone(), Instant::now()));
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
        if let Some((secrets, fetched)) = &*cached
            && (**secrets != *stale || fetched.elapsed() < REFRESH_AT_MOST_EVERY)
        {
            return Ok((**secrets != *stale).then(|| secrets.clone()));
        }
        let fresh = self.fetch().await?;
        *cached = Some((fresh.clone(), Instant::now()));
        Ok((*fresh != *stale).then_some(fresh))
    }

    async fn fetch(&self) -> Result<Arc<Secrets>, CallError> {
        let mut merged = Secrets::default();
        let Some((client, ids)) = &self.from else {
            return Ok(Arc::new(merged));
        };
        for id in ids {
            let answer = client.get_secret_value().secret_id(id).send().await;
            let answer = answer.map_err(|e| CallError::of("GetSecretValue", id, &e))?;
            let bad = |cause: String| CallError::new(Kind::BadAnswer, "GetSecretValue", id, cause);
            let text = answer
                .secret_string()
                .ok_or_else(|| bad("the secret is binary: expected JSON text".to_owned()))?;
            merged =
                merged.merged(Secrets::parse(text).map_err(|problems| bad(problems.join("; ")))?);
        }
        Ok(Arc::new(merged))
    }
}
