//! The function's work, built once per cold start: a delivery is received, its jobs are planned and performed.

mod audit;
mod deliveries;
pub mod endpoints;
mod entrance;
#[cfg(feature = "dev")]
pub mod operator;
mod perform;
pub mod queue;
mod sides;

use crate::clients::Aws;
use crate::clients::bucket::Bucket;
use crate::clients::certificates::Certificates;
use crate::clients::intdash::Intdash;
use crate::clients::queue::Queue;
use crate::clients::secrets::SecretStore;
use crate::clients::topic::Topic;
use crate::config::Config;
use crate::domain::delivery::{Delivery, DeliveryId, Rejection};
use crate::domain::event::{Event, OriginRef};
use crate::domain::job::{Cause, Job, Outcome, plan};
use crate::domain::secrets::{AccessKey, Secrets};
use crate::domain::source::{Message, Proof, Source};
use crate::domain::trace::Trace;
use crate::error::WorkError;
use crate::metrics::Metrics;
use crate::receipt::{About, Ended, Entry, Receipt, Refusal};
use crate::transfer::Limits;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// Everything that lives as long as the process.
#[derive(Debug)]
pub struct App {
    sources: BTreeMap<String, Source>,
    secrets: SecretStore,
    certificates: Certificates,
    backup: Option<Bucket>,
    state: Option<Bucket>,
    topic: Option<Topic>,
    queue: Option<Queue>,
    dead_letters: Option<Queue>,
    servers: HashMap<String, Intdash>,
    origins: Mutex<Vec<(String, String, AccessKey, Bucket)>>,
    limits: Limits,
    metrics: Metrics,
    endpoints: endpoints::Known,
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
            secrets: SecretStore::new(config.secrets, &aws),
            certificates: aws.certificates(),
            backup: config.backup_bucket.map(|name| aws.bucket(&name)),
            state: config.state_bucket.map(|name| aws.bucket(&name)),
            topic: config.topic_arn.map(|arn| aws.topic(&arn)),
            queue: config.queue_url.map(|url| aws.queue(&url)),
            dead_letters: config.dead_letters_url.map(|url| aws.queue(&url)),
            sources: config.sources,
            origins: Mutex::default(),
            limits: Limits::of_memory(config.memory_mib),
            metrics: Metrics::new(config.function_name, config.log_level),
            endpoints: endpoints::Known::default(),
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

    /// Receives a delivery: opens it, and does what it asks for. `url_key` is the last segment of the URL after the
    /// source's name, if there is one.
    ///
    /// # Errors
    /// A [`Refusal`] where nothing of it was done.
    pub async fn receive(
        self: &Arc<Self>,
        name: &str,
        url_key: Option<&str>,
        delivery: Delivery,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<Receipt, Refusal> {
        let source = self
            .sources
            .get(name)
            .ok_or(Refusal::Rejected(Rejection::Unknown))?;
        // Before anything is asked of anybody.
        if !source.from().allow(delivery.from) {
            return Err(Refusal::Rejected(Rejection::Forbidden));
        }
        let secrets = self.secrets.get().await;
        let mut opened = self.open(name, source, url_key, &delivery, &secrets).await;
        if let Err(
            Refusal::Rejected(Rejection::Unauthentic | Rejection::Unknown) | Refusal::Failed(_),
        ) = opened
            // The sender may have been given a newer secret than we have.
            && let Some(newer) = self.secrets.newer_than(&secrets).await
        {
            opened = self.open(name, source, url_key, &delivery, &newer).await;
        }
        match opened? {
            Message::Challenge(answer) => Ok(Receipt::Answer(answer)),
            Message::Confirm(url) => {
                let confirmed = self.certificates.confirm(&url).await;
                let confirmed = confirmed.map_err(|error| Refusal::Failed(WorkError::Sns(error)));
                confirmed.map(|()| Receipt::Confirmed)
            }
            Message::Events(events) => {
                if events.iter().any(|event| !plan(event).is_empty()) {
                    let kept = self.keep(name, source, &delivery, &events).await;
                    kept.map_err(Refusal::Failed)?;
                }
                let cause = Cause::new(delivery.id, trace);
                Ok(self.work(events, cause, deadline).await)
            }
        }
    }

    /// The only way from a delivery to a message: the secret is there, the last segment of the URL is right, the source opens
    /// it. Without a queue what could not be done is refused, too: nothing would keep it.
    async fn open(
        &self,
        name: &str,
        source: &Source,
        url_key: Option<&str>,
        delivery: &Delivery,
        secrets: &Secrets,
    ) -> Result<Message, Refusal> {
        let known = secrets.of(name);
        let guard = known.and_then(|known| known.url_key.as_ref());
        // First of all, so that nothing else tells whether there is such a source.
        if guard.is_some_and(|key| !url_key.is_some_and(|claimed| key.is(claimed))) {
            return Err(Refusal::Rejected(Rejection::Unknown));
        }
        if !source.answers(&delivery.method) {
            return Err(Refusal::Rejected(Rejection::Method));
        }
        let works = self.queue.is_none();
        let lacking = source.missing_to_open(known);
        if let Some(wants) = lacking.or_else(|| source.missing_to_work(known).filter(|_| works)) {
            return Err(Refusal::Failed(missing(name, wants)));
        }
        let unguarded = guard.is_none();
        let known = known.cloned().unwrap_or_default();
        // There may be a key, or a secret, that we do not know of.
        let keyless = unguarded && !source.proves() && secrets.doubtful(name);
        let tokenless = source.may_prove() && known.secrets.is_empty() && secrets.partial();
        if keyless || tokenless {
            let wants = "its secrets: they cannot be read";
            return Err(Refusal::Failed(missing(name, wants)));
        }
        if unguarded && url_key.is_some() {
            return Err(Refusal::Rejected(Rejection::Unknown));
        }
        let vouched = match source.claim(delivery) {
            Some(claim) => self.certificates.vouch(&claim).await,
            None => Ok(false),
        };
        let proof = Proof::Sender {
            secrets: &known,
            vouched: vouched.map_err(|error| Refusal::Failed(WorkError::Sns(error)))?,
        };
        let opened = source.open(name, delivery, proof);
        opened.map_err(Refusal::Rejected)
    }

    /// The clock has struck: audits every origin bucket, through the queue where there is one, else until the time is up.
    ///
    /// # Errors
    /// A sentence: of some bucket the audit did not begin, or failed.
    pub async fn tick(
        self: &Arc<Self>,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<u64, String> {
        let cause = Cause::new(DeliveryId(uuid::Uuid::now_v7()), trace);
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
        let audits: Vec<_> = origins
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
            match done.into_values().next() {
                Some(Err(left)) if left.goes_on() && Instant::now() < deadline => {}
                Some(Err(left)) => return left.goes_on(),
                _ => return true,
            }
        }
    }

    /// Has the jobs of all events done, equal ones once: sent to the queue where there is one, performed here otherwise.
    async fn work(
        self: &Arc<Self>,
        events: Vec<Event>,
        cause: Cause,
        deadline: Instant,
    ) -> Receipt {
        let id = cause.delivery;
        let planned: Vec<Vec<Job>> = events.iter().map(plan).collect();
        let jobs = planned
            .iter()
            .flatten()
            .map(|job| (job.clone(), cause.clone()));
        let ended: HashMap<Job, Ended> = match &self.queue {
            Some(queue) => queue::send(queue, jobs, deadline).await,
            None => {
                let done = self.perform(jobs, deadline).await.into_iter();
                done.map(|(job, done)| (job, done.map_or(Ended::Failed, Ended::Well)))
                    .collect()
            }
        };
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
        Receipt::Done {
            entries: entries.collect(),
            queued,
        }
    }
}

fn missing(source: &str, wants: &'static str) -> WorkError {
    WorkError::MissingSecret {
        source_name: source.to_owned(),
        wants,
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
