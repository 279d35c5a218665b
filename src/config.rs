//! The function's settings, read once at the start. Every problem is found and listed, not only the first.

mod sources;

use crate::domain::keeping::Encryption;
use crate::domain::secrets::{Parsed, Secrets};
use crate::domain::source::Source;
use sources::{own_buckets, read_sources};
use std::collections::BTreeMap;
use std::fmt;
use tracing::level_filters::LevelFilter;

/// Every variable that the function reads, but the SDK's own: README's table, the template and this list are one.
pub const KEYS: [&str; 13] = [
    "SOURCES",
    "SECRETS_ARN",
    "SECRETS",
    "BACKUP_BUCKET",
    "BACKUP_REGION",
    "BACKUP_SSE",
    "BACKUP_SSE_KEY",
    "STATE_BUCKET",
    "RECORD",
    "SNS_TOPIC_ARN",
    "QUEUE_URL",
    "DEAD_LETTERS_URL",
    "LOG_LEVEL",
];

/// Where the secrets come from.
#[derive(Clone, Debug)]
pub enum SecretsFrom {
    /// Nowhere: every source refuses its deliveries.
    Nowhere,
    /// The `SECRETS` variable, for local use.
    Inline(Parsed),
    /// Secrets Manager: ARNs or names, merged in this order.
    Manager(Vec<String>),
}

/// Which deliveries are recorded in the state bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    /// All of them, and every attempt at their jobs.
    #[default]
    All,
    /// Those that were refused or failed, and attempts that failed.
    Failures,
    /// None.
    Nothing,
}

impl Recording {
    const ALL: [Self; 3] = [Self::All, Self::Failures, Self::Nothing];

    /// As the setting spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Failures => "failures",
            Self::Nothing => "nothing",
        }
    }
}

/// The function's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Source name → its definition.
    pub sources: BTreeMap<String, Source>,
    /// Where the secrets come from.
    pub secrets: SecretsFrom,
    /// Where objects are mirrored to; there when a source of kind `s3` is.
    pub backup_bucket: Option<String>,
    /// The region in which it is asked for; without one the function's. S3 says so where it lies in another one.
    pub backup_region: Option<String>,
    /// How S3 is told to encrypt what is written there; without it the bucket decides.
    pub backup_encryption: Option<Encryption>,
    /// Where ledgers, audits, deliveries and what is done once leave their marks; without one a copy that was cut short starts anew,
    /// and nothing is recorded.
    pub state_bucket: Option<String>,
    /// Which deliveries are recorded there.
    pub recording: Recording,
    /// Where notices go; there when a source of kind `intdash` or `generic` is, or a bucket whose outcomes are published.
    pub topic_arn: Option<String>,
    /// Where jobs are sent; without one they are performed before the answer.
    pub queue_url: Option<String>,
    /// Where jobs that cannot be done are put, with the reason.
    pub dead_letters_url: Option<String>,
    /// The least important level that is logged.
    pub log_level: LevelFilter,
    /// The function's memory as Lambda tells it, in MiB; elsewhere that of its smallest function.
    pub memory_mib: usize,
    /// The function's name as Lambda tells it; elsewhere it has none, and nothing is measured.
    pub function_name: Option<String>,
}

/// What is wrong with the settings, a sentence each.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 {
            "problem"
        } else {
            "problems"
        };
        write!(f, "{} {plural} in the settings:", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the settings. `lookup` answers the value of a variable; an empty value counts as none.
    ///
    /// # Errors
    /// All problems at once.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |key: &str| {
            debug_assert!(KEYS.contains(&key));
            lookup(key).filter(|value| !value.trim().is_empty())
        };
        let mut problems = Vec::new();
        // What could be read of the sources still tells what else they need.
        let sources = match get("SOURCES") {
            Some(json) => read_sources(&json, &mut problems),
            None => {
                problems.push(
                    "SOURCES is not set: expected a JSON object, source name → its definition"
                        .to_owned(),
                );
                BTreeMap::new()
            }
        };
        let secrets = match (get("SECRETS"), get("SECRETS_ARN")) {
            (Some(_), Some(_)) => Err(vec![
                "SECRETS and SECRETS_ARN are both set: set one".to_owned(),
            ]),
            (Some(json), None) => {
                let parsed = Secrets::parse(&json);
                if parsed.problems.is_empty() {
                    Ok(SecretsFrom::Inline(parsed))
                } else {
                    Err(parsed
                        .problems
                        .iter()
                        .map(|problem| format!("SECRETS: {problem}"))
                        .collect())
                }
            }
            (None, Some(arns)) => Ok(SecretsFrom::Manager(
                arns.split(',')
                    .map(|arn| arn.trim().to_owned())
                    .filter(|arn| !arn.is_empty())
                    .collect(),
            )),
            (None, None) => Ok(SecretsFrom::Nowhere),
        };
        let secrets = secrets.unwrap_or_else(|found: Vec<String>| {
            problems.extend(found);
            SecretsFrom::Nowhere
        });
        let (backup_bucket, topic_arn) = (get("BACKUP_BUCKET"), get("SNS_TOPIC_ARN"));
        let of_kind = |wanted: fn(&Source) -> bool| {
            sources
                .iter()
                .find(|(_, source)| wanted(source))
                .map(|(name, _)| name)
        };
        if let (Some(name), None) = (
            of_kind(|source| matches!(source, Source::S3(_))),
            &backup_bucket,
        ) {
            problems.push(format!("BACKUP_BUCKET is not set: source {name} is of kind s3 and needs a bucket to mirror to"));
        }
        for (kind, found) in [
            (
                "intdash",
                of_kind(|source| matches!(source, Source::Intdash(_))),
            ),
            (
                "generic",
                of_kind(|source| matches!(source, Source::Generic(_))),
            ),
        ] {
            if let (Some(name), None) = (found, &topic_arn) {
                problems.push(format!("SNS_TOPIC_ARN is not set: source {name} is of kind {kind} and needs a topic to publish to"));
            }
        }
        let notifying = sources.iter().find_map(|(name, source)| match source {
            Source::S3(source) => {
                let rule = source.buckets.iter().find(|(_, rule)| rule.notify);
                rule.map(|(bucket, _)| format!("{name} {bucket}"))
            }
            Source::Intdash(_) | Source::Generic(_) => None,
        });
        let through =
            |topics: &[String]| topic_arn.as_ref().is_some_and(|arn| topics.contains(arn));
        let echoing = sources.iter().find(|(_, source)| match source {
            Source::Generic(source) => through(&source.topics),
            Source::S3(source) => through(&source.topics),
            Source::Intdash(_) => false,
        });
        if let Some((name, _)) = echoing {
            problems.push(format!("SOURCES: {name}: topics: has SNS_TOPIC_ARN in it: what is published to it would come again, for ever"));
        }
        if let (Some(bucket), None) = (notifying, &topic_arn) {
            problems.push(format!("SNS_TOPIC_ARN is not set: {bucket} has \"notify\": true and needs a topic to publish to"));
        }
        let (queue_url, dead_letters_url) = (get("QUEUE_URL"), get("DEAD_LETTERS_URL"));
        for (key, value) in [
            ("QUEUE_URL", &queue_url),
            ("DEAD_LETTERS_URL", &dead_letters_url),
        ] {
            if let Some(value) = value
                && !value.starts_with("https://")
                && !value.starts_with("http://")
            {
                problems.push(format!(
                    "{key}: expected the URL of an SQS queue, found \"{value}\""
                ));
            }
        }
        if dead_letters_url.is_some() && dead_letters_url == queue_url {
            problems.push(
                "DEAD_LETTERS_URL and QUEUE_URL are the same: a job that cannot be done would come for ever"
                    .to_owned(),
            );
        }
        let state_bucket = get("STATE_BUCKET");
        for (key, bucket) in [
            ("BACKUP_BUCKET", &backup_bucket),
            ("STATE_BUCKET", &state_bucket),
        ] {
            if let Some(bucket) = bucket
                && !bucket
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
            {
                problems.push(format!(
                    "{key}: expected the name of a bucket, found \"{bucket}\""
                ));
            }
        }
        if state_bucket.is_some() && state_bucket == backup_bucket {
            problems.push(
                "STATE_BUCKET and BACKUP_BUCKET are the same: our own files would lie among the copies"
                    .to_owned(),
            );
        }
        let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
        let endpoint = endpoint.into_iter().find_map(&lookup);
        problems.extend(own_buckets(
            &sources,
            endpoint.as_deref(),
            backup_bucket.as_deref(),
            state_bucket.as_deref(),
        ));
        if let Some(arn) = &topic_arn
            && !arn.starts_with("arn:")
        {
            problems.push(format!(
                "SNS_TOPIC_ARN: expected the ARN of a topic, found \"{arn}\""
            ));
        }
        if matches!(&secrets, SecretsFrom::Manager(arns) if arns.is_empty()) {
            problems.push(
                "SECRETS_ARN: expected one or more secrets, separated by commas, found none"
                    .to_owned(),
            );
        }
        let backup_region = get("BACKUP_REGION");
        if let Some(region) = &backup_region
            && !region
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            problems.push(format!(
                "BACKUP_REGION: expected a region such as eu-central-1, found \"{}\"",
                region.escape_debug()
            ));
        }
        let (sse, key) = (get("BACKUP_SSE"), get("BACKUP_SSE_KEY"));
        let backup_encryption =
            Encryption::parse(sse.as_deref(), key.as_deref()).unwrap_or_else(|problem| {
                problems.push(problem);
                None
            });
        let recording = get("RECORD").unwrap_or_default();
        let recording = match Recording::ALL
            .into_iter()
            .find(|one| one.word() == recording)
        {
            Some(known) => known,
            None => {
                if !recording.is_empty() {
                    problems.push(format!(
                        "RECORD: expected all, failures or nothing, found \"{recording}\""
                    ));
                }
                Recording::default()
            }
        };
        let log_level = get("LOG_LEVEL")
            .unwrap_or_else(|| "info".to_owned())
            .to_ascii_lowercase();
        let known =
            ["off", "error", "warn", "info", "debug", "trace"].contains(&log_level.as_str());
        let log_level = log_level.parse().ok().filter(|_| known).unwrap_or_else(|| {
            problems.push(format!(
                "LOG_LEVEL: expected off, error, warn, info, debug or trace, found \"{log_level}\""
            ));
            LevelFilter::INFO
        });
        if problems.is_empty() {
            Ok(Self {
                sources,
                secrets,
                backup_bucket,
                backup_region,
                backup_encryption,
                state_bucket,
                recording,
                topic_arn,
                queue_url,
                dead_letters_url,
                log_level,
                memory_mib: lookup("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
                    .and_then(|mib| mib.parse().ok())
                    .unwrap_or(128),
                function_name: lookup("AWS_LAMBDA_FUNCTION_NAME").filter(|name| !name.is_empty()),
            })
        } else {
            Err(ConfigError(problems))
        }
    }
}

#[cfg(test)]
mod tests;
