//! Where the values of secrets come from: a variable, or Secrets Manager, cached and fetched again when they seem stale.

use super::Aws;
use super::error::{CallError, Kind};
use crate::config::SecretsFrom;
use crate::domain::secrets::{Parsed, Secrets};
use crate::domain::source::Source;
use aws_sdk_secretsmanager::Client;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Whoever sends wrong signatures must not be able to make us call Secrets Manager more often than this.
const REFRESH_AT_MOST_EVERY: Duration = Duration::from_secs(30);
/// The same while a secret has never been read: one that is put counts soon.
const RETRY_AT_MOST_EVERY: Duration = Duration::from_secs(2);

/// The secrets of all sources, as fresh as needed.
#[derive(Debug)]
pub struct SecretStore {
    from: Option<(Client, Vec<String>)>,
    /// Whose they are, and so what can be wrong with them.
    sources: BTreeMap<String, Source>,
    cache: Mutex<Cache>,
}

/// What was fetched last of each secret, and all of it merged.
#[derive(Debug, Default)]
struct Cache {
    each: Vec<Option<Secrets>>,
    merged: Arc<Secrets>,
    /// When it was last tried, with or without success.
    tried: Option<Instant>,
}

impl SecretStore {
    /// Nothing is fetched before the first delivery that needs it. The log says which secrets cannot be used as soon as they are read.
    #[must_use]
    pub fn new(from: SecretsFrom, sources: &BTreeMap<String, Source>, aws: &Aws) -> Self {
        let (from, inline) = match from {
            SecretsFrom::Nowhere => (None, Secrets::default()),
            SecretsFrom::Inline(parsed) => (None, read(parsed)),
            SecretsFrom::Manager(ids) => (Some((aws.secrets_manager(), ids)), Secrets::not_read()),
        };
        tell_problems(sources, &inline);
        let each = from.iter().flat_map(|(_, ids)| ids.iter().map(|_| None));
        let cache = Cache {
            each: each.collect(),
            merged: Arc::new(inline),
            tried: None,
        };
        Self {
            from,
            sources: sources.clone(),
            cache: Mutex::new(cache),
        }
    }

    /// The secrets, from the cache if all of them are there. What cannot be fetched is missing, or stays as it was last
    /// known; the log says why.
    pub async fn get(&self) -> Arc<Secrets> {
        let mut cache = self.cache.lock().await;
        if cache.each.iter().any(Option::is_none) {
            self.refresh(&mut cache, RETRY_AT_MOST_EVERY).await;
        }
        cache.merged.clone()
    }

    /// The secrets, read again where that was longer ago than `age`: what was taken back counts for no longer.
    pub async fn within(&self, age: Duration) -> Arc<Secrets> {
        let mut cache = self.cache.lock().await;
        let age = if cache.each.iter().any(Option::is_none) {
            RETRY_AT_MOST_EVERY
        } else {
            age
        };
        self.refresh(&mut cache, age).await;
        cache.merged.clone()
    }

    /// Newer secrets than `stale`, if there are any: after a far side refused our keys, or a verification failed.
    pub async fn newer_than(&self, stale: &Secrets) -> Option<Arc<Secrets>> {
        let mut cache = self.cache.lock().await;
        if *cache.merged == *stale {
            self.refresh(&mut cache, REFRESH_AT_MOST_EVERY).await;
        }
        (*cache.merged != *stale).then(|| cache.merged.clone())
    }

    /// Fetches each secret of Secrets Manager now, past the cache: its name, and what was read or why not. None where the values
    /// come from a variable.
    #[cfg(feature = "dev")]
    pub async fn each(&self) -> Vec<(String, Result<Parsed, CallError>)> {
        let Some((client, ids)) = &self.from else {
            return Vec::new();
        };
        let fetched = ids
            .iter()
            .map(async |id| (id.clone(), fetch(client, id).await));
        join_all(fetched).await
    }

    async fn refresh(&self, cache: &mut Cache, at_most_every: Duration) {
        let recent = |tried: Instant| tried.elapsed() < at_most_every;
        let Some((client, ids)) = &self.from else {
            return;
        };
        if cache.tried.is_some_and(recent) {
            return;
        }
        let fetched = join_all(ids.iter().map(|id| fetch(client, id))).await;
        for (known, fetched) in cache.each.iter_mut().zip(fetched) {
            match fetched {
                Ok(parsed) => *known = Some(read(parsed)),
                Err(error) => tracing::error!(%error, "a secret cannot be read"),
            }
        }
        let each = cache.each.iter().cloned();
        let each = each.map(|known| known.unwrap_or_else(Secrets::not_read));
        let merged = Arc::new(each.fold(Secrets::default(), Secrets::merged));
        if merged != cache.merged {
            tell_problems(&self.sources, &merged);
        }
        cache.merged = merged;
        cache.tried = Some(Instant::now());
    }
}

/// Logs which secrets their sources cannot verify anything with.
fn tell_problems(sources: &BTreeMap<String, Source>, secrets: &Secrets) {
    for (source, definition) in sources {
        let known = secrets.of(source);
        for problem in known.map_or(Vec::new(), |known| definition.secret_problems(known)) {
            tracing::error!(source, problem, "a secret cannot be used");
        }
    }
}

/// The secrets, and in the log what is odd about them.
fn read(parsed: Parsed) -> Secrets {
    for problem in parsed.problems {
        tracing::error!(problem, "a part of a secret is left out");
    }
    for source in parsed.trimmed {
        tracing::warn!(source, "a secret ended in a line break, which was trimmed");
    }
    parsed.secrets
}

async fn fetch(client: &Client, id: &str) -> Result<Parsed, CallError> {
    let answer = client.get_secret_value().secret_id(id).send().await;
    let answer = answer.map_err(|e| CallError::of("GetSecretValue", id, &e))?;
    let text = answer.secret_string().ok_or_else(|| {
        let cause = "the secret is binary: expected JSON text";
        CallError::new(Kind::BadAnswer, "GetSecretValue", id, cause)
    })?;
    Ok(Secrets::parse(text))
}
