//! The function's work, built once per cold start: a delivery is received, its jobs are planned and performed.

mod audit;
pub mod deliveries;
pub mod endpoints;
mod entrance;
mod held;
pub mod inbox;
mod limits;
#[cfg(feature = "dev")]
pub mod operator;
mod perform;
pub mod queue;
mod receive;
mod removals;
mod returns;
mod sides;

use crate::brake::Memory;
use crate::clients::Aws;
use crate::clients::bucket::Bucket;
use crate::clients::certificates::Certificates;
use crate::clients::intdash::Intdash;
use crate::clients::queue::Queue;
use crate::clients::secrets::SecretStore;
use crate::clients::topic::Topic;
use crate::config::{Config, Recording};
use crate::domain::delivery::DeliveryId;
use crate::domain::event::{Event, OriginRef};
use crate::domain::inbox::{By, JobReport};
use crate::domain::job::{Cause, Job, Outcome, plan};
use crate::domain::secrets::AccessKey;
use crate::domain::source::Source;
use crate::domain::trace::Trace;
use crate::error::WorkError;
use crate::metrics::Metrics;
use crate::receipt::{About, Ended, Entry, Receipt};
use crate::transfer::Limits;
use perform::Done;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How long after its deadline an attempt may still be recorded: whoever waits does so for half a second longer.
const RECORDING: Duration = Duration::from_millis(2_500);

/// Everything that lives as long as the process.
#[derive(Debug)]
pub struct App {
    sources: BTreeMap<String, Source>,
    secrets: SecretStore,
    certificates: Certificates,
    backup: Option<Bucket>,
    state: Option<Bucket>,
    recording: Recording,
    topic: Option<Topic>,
    queue: Option<Queue>,
    dead_letters: Option<Queue>,
    servers: HashMap<String, Intdash>,
    origins: Mutex<Vec<(String, String, AccessKey, Bucket)>>,
    limits: Limits,
    metrics: Metrics,
    endpoints: endpoints::Cache,
    brakes: Memory,
    taking: limits::Limits,
    aws: Aws,
}

impl App {
    /// Builds every client that does not need a secret. Nothing is called yet.
    #[must_use]
    pub fn new(config: Config, aws: Aws) -> Arc<Self> {
        let servers = config
            .sources
            .iter()
            .filter_map(|(name, source)| match source {
                Source::Intdash(source) => Some((name.clone(), aws.intdash(&source.url))),
                Source::S3(_) | Source::Generic(_) => None,
            });
        Arc::new(Self {
            servers: servers.collect(),
            secrets: SecretStore::new(config.secrets, &config.sources, &aws),
            certificates: aws.certificates(),
            backup: config
                .backup_bucket
                .map(|name| aws.backup(&name, config.backup_region, config.backup_encryption)),
            state: config.state_bucket.map(|name| aws.bucket(&name)),
            recording: config.recording,
            topic: config.topic_arn.map(|arn| aws.topic(&arn)),
            queue: config.queue_url.map(|url| aws.queue(&url)),
            dead_letters: config.dead_letters_url.map(|url| aws.queue(&url)),
            sources: config.sources,
            origins: Mutex::default(),
            limits: Limits::of_memory(config.memory_mib),
            metrics: Metrics::new(config.function_name, config.log_level),
            endpoints: endpoints::Cache::default(),
            brakes: Memory::default(),
            taking: limits::Limits::default(),
            aws,
        })
    }

    /// The paths of their own that sources answer at, with the source's name.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources
            .iter()
            .filter_map(|(name, source)| source.path().map(|path| (path, name.as_str())))
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether there is a source of this name.
    #[must_use]
    pub fn knows(&self, source: &str) -> bool {
        self.sources.contains_key(source)
    }

    /// The clock has struck: audits every origin bucket, through the queue where there is one, else until the time is up. Dead
    /// letters whose remote service answers again go back into the queue first.
    ///
    /// # Errors
    /// A sentence: of some bucket the audit did not begin, or failed.
    pub async fn tick(
        self: &Arc<Self>,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<u64, String> {
        if let Err(error) = self.return_letters(deadline).await {
            tracing::error!(error, "dead letters were not looked through");
        }
        let cause = Cause::new(DeliveryId::of_ours(uuid::Uuid::now_v7()), trace);
        let origins = self.sources.iter().flat_map(|(name, source)| {
            let buckets = match source {
                Source::S3(source) => Some(source.buckets.keys()),
                Source::Intdash(_) | Source::Generic(_) => None,
            };
            buckets.into_iter().flatten().map(|origin| OriginRef {
                source: name.clone(),
                origin: origin.clone(),
            })
        });
        let origins: Vec<_> = origins.collect();
        self.metrics.audit_age(self.age_of_audits(&origins).await);
        let audits: Vec<_> = origins
            .into_iter()
            .map(|origin| (Job::Audit(origin), cause.clone()))
            .collect();
        let mut count = audits.len();
        let failed = match &self.queue {
            Some(queue) => {
                let sent = queue::send(queue, audits.into_iter(), deadline).await;
                sent.values()
                    .filter(|ended| **ended != Ended::Queued)
                    .count()
            }
            None => {
                let mut failed = 0;
                for (begun, audit) in audits.into_iter().enumerate() {
                    // What its time has not come for is the next tick's.
                    if Instant::now() >= deadline {
                        count = begun;
                        break;
                    }
                    failed += usize::from(!self.audited_inline(audit, deadline).await);
                }
                failed
            }
        };
        if failed == 0 {
            Ok(count as u64)
        } else {
            Err(format!(
                "{failed} of {count} audits failed: the log says why"
            ))
        }
    }

    /// Slice after slice, as long as there is time: what is left is the next tick's.
    async fn audited_inline(self: &Arc<Self>, audit: (Job, Cause), deadline: Instant) -> bool {
        loop {
            let done = self.perform(std::iter::once(audit.clone()), deadline).await;
            match done.into_values().next().map(|done| done.ended) {
                Some(Err(left)) if left.goes_on() && Instant::now() < deadline => {}
                Some(Err(left)) => return left.goes_on(),
                _ => return true,
            }
        }
    }

    /// Has the jobs of all events done, equal ones once: sent to the queue where there is one, performed here otherwise.
    pub(super) async fn work(
        self: &Arc<Self>,
        events: Vec<Event>,
        cause: Cause,
        deadline: Instant,
        by: By,
    ) -> Receipt {
        let (id, began) = (cause.delivery, Instant::now());
        let planned: Vec<Vec<Job>> = events.iter().map(plan).collect();
        let jobs = planned
            .iter()
            .flatten()
            .map(|job| (job.clone(), cause.clone()));
        let (ended, reports): (HashMap<Job, Ended>, Vec<JobReport>) = match &self.queue {
            Some(queue) => {
                let sent = queue::send(queue, jobs, deadline).await;
                let reports = sent.iter().map(|(job, ended)| handed_over(job, *ended));
                let reports = reports.collect();
                (sent, reports)
            }
            None => {
                let done = self.perform(jobs, deadline).await.into_iter();
                done.map(|(job, Done { ended, report })| {
                    (
                        (job, ended.map_or_else(|error| failed(&error), Ended::Well)),
                        report,
                    )
                })
                .unzip()
            }
        };
        // That all of it is in the queue goes without saying, unless somebody asked for it.
        let tells = by == By::Replay || reports.iter().any(|job| job.outcome != "queued");
        if tells {
            let recording = self.attempted(id, by, cause.again, began, reports);
            self.recorded_by(deadline + RECORDING, id, recording).await;
        }
        let queued = ended
            .values()
            .filter(|ended| **ended == Ended::Queued)
            .count();
        let entries = events.into_iter().zip(planned).flat_map(|(event, jobs)| match event {
            Event::Object(_) | Event::Measurement(_) | Event::Forward(_) => {
                jobs.into_iter().map(|job| Entry { ended: ended[&job], about: about(job) }).collect()
            }
            Event::Nothing { bucket, key, reason } => {
                tracing::info!(delivery.id = %id, object.bucket = bucket, object.key = key, reason, "nothing to do");
                let about = match (bucket, key) {
                    (None, None) => About::Nothing,
                    (bucket, key) => About::Object { bucket: bucket.unwrap_or_default(), key: key.unwrap_or_default() },
                };
                vec![Entry { about, ended: Ended::Well(Outcome::Ignored) }]
            }
            Event::Forbidden { bucket, key } => {
                tracing::warn!(delivery.id = %id, object.bucket = bucket, "a record's bucket is not on the allow-list");
                vec![Entry { about: About::Object { bucket, key }, ended: Ended::Forbidden }]
            }
            Event::Malformed(reason) => {
                tracing::warn!(delivery.id = %id, reason, "a record is not the shape");
                vec![Entry { about: About::Object { bucket: String::new(), key: String::new() }, ended: Ended::Malformed }]
            }
        });
        let entries: Vec<_> = entries.collect();
        self.metrics.lost_records(lost(&entries));
        Receipt::Done { entries, queued }
    }
}

/// How a job ended that failed.
fn failed(error: &WorkError) -> Ended {
    error.settled().map_or(Ended::Failed, Ended::Final)
}

/// Records that are acknowledged although nothing was done for them that should have been. A delivery that is refused as a
/// whole is counted as such.
fn lost(entries: &[Entry]) -> u64 {
    let is = |entry: &&Entry| {
        matches!(
            entry.ended,
            Ended::Malformed | Ended::Forbidden | Ended::Final(_)
        )
    };
    let lost = entries.iter().filter(is).count();
    let first = entries.first().map(|entry| entry.ended);
    let refused = matches!(first, Some(Ended::Malformed | Ended::Forbidden))
        && entries.iter().all(|entry| Some(entry.ended) == first);
    if refused { 0 } else { lost as u64 }
}

/// Of a job that was sent to the queue.
fn handed_over(job: &Job, ended: Ended) -> JobReport {
    let (outcome, error) = match ended {
        Ended::Queued => ("queued", None),
        _ => ("failed", Some("it was not queued".to_owned())),
    };
    JobReport {
        outcome: outcome.to_owned(),
        error,
        ..JobReport::planned(job)
    }
}

fn missing(source: &str, wants: impl Into<String>) -> WorkError {
    WorkError::MissingSecret {
        source_name: source.to_owned(),
        wants: wants.into(),
    }
}

fn about(job: Job) -> About {
    match job {
        Job::Mirror(object) => About::Object {
            bucket: object.bucket().to_owned(),
            key: object.key,
        },
        Job::Summary(measurement) => About::Measurement(measurement.measurement),
        Job::Audit(_) => About::Nothing,
        Job::Forward(forward) => About::Forward {
            event: forward.event,
            id: forward.id,
        },
    }
}
