//! Where the values of secrets come from: a variable, or Secrets Manager, cached and fetched again when they seem stale.

use super::Aws;
use super::error::{CallError, Kind};
use crate::config::SecretsFrom;
use crate::domain::secrets::Secrets;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
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
        self.refresh(&mut cached).await
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
        match &*cached {
            // Nothing was kept, so it was fetched for this very delivery.
            None => return Ok(None),
            Some((secrets, _)) if **secrets != *stale => return Ok(Some(secrets.clone())),
            Some((_, fetched)) if fetched.elapsed() < REFRESH_AT_MOST_EVERY => return Ok(None),
            Some(_) => {}
        }
        let fresh = self.refresh(&mut cached).await?;
        Ok((*fresh != *stale).then_some(fresh))
    }

    /// Fetches all of them. They are kept once each has a value: the first one that is put counts at once.
    async fn refresh(
        &self,
        cached: &mut Option<(Arc<Secrets>, Instant)>,
    ) -> Result<Arc<Secrets>, CallError> {
        let (fresh, complete) = self.fetch().await?;
        let fresh = Arc::new(fresh);
        *cached = complete.then(|| (fresh.clone(), Instant::now()));
        Ok(fresh)
    }

    /// The secrets, merged, and whether each had a value. One without is missing to its own sources and to no other.
    async fn fetch(&self) -> Result<(Secrets, bool), CallError> {
        let (mut merged, mut complete) = (Secrets::default(), true);
        let Some((client, ids)) = &self.from else {
            return Ok((merged, complete));
        };
        for id in ids {
            let answer = match client.get_secret_value().secret_id(id).send().await {
                Err(e)
                    if e.as_service_error()
                        .is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
                {
                    let cause = CallError::of("GetSecretValue", id, &e).cause;
                    tracing::warn!(
                        secret = id,
                        cause,
                        "a secret is not there or has no value yet"
                    );
                    complete = false;
                    continue;
                }
                answer => answer.map_err(|e| CallError::of("GetSecretValue", id, &e))?,
            };
            let bad = |cause: String| CallError::new(Kind::BadAnswer, "GetSecretValue", id, cause);
            let text = answer
                .secret_string()
                .ok_or_else(|| bad("the secret is binary: expected JSON text".to_owned()))?;
            merged =
                merged.merged(Secrets::parse(text).map_err(|problems| bad(problems.join("; ")))?);
        }
        Ok((merged, complete))
    }
}
