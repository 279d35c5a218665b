//! The function's work, built once per cold start: a delivery is received, its jobs are planned and performed.

use crate::clients::Aws;
use crate::clients::bucket::Bucket;
use crate::clients::https::counted;
use crate::clients::intdash::Intdash;
use crate::clients::secrets::SecretStore;
use crate::clients::topic::Topic;
use crate::config::Config;
use crate::domain::delivery::{Delivery, DeliveryId, Rejection};
use crate::domain::event::{Event, MeasurementRef, ObjectRef};
use crate::domain::job::{Job, Outcome, plan};
use crate::domain::secrets::{AccessKey, Secrets, SourceSecrets};
use crate::domain::signature::Secret;
use crate::domain::source::s3::S3Source;
use crate::domain::source::{Message, Source};
use crate::error::WorkError;
use crate::mirror::{Mirror, Mirrored};
use crate::receipt::{About, Ended, Entry, Receipt, Refusal};
use crate::summarise;
use crate::transfer::Limits;
use futures_util::stream::{self, StreamExt as _};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tracing::field::display;

/// Jobs of one delivery that run at a time.
const JOBS_AT_A_TIME: usize = 32;

/// How long after its deadline a job that did not stop by itself is dropped.
const GRACE: Duration = Duration::from_secs(2);

/// Everything that lives as long as the process.
#[derive(Debug)]
pub struct App {
    sources: BTreeMap<String, Source>,
    secrets: SecretStore,
    backup: Option<Bucket>,
    state: Option<Bucket>,
    topic: Option<Topic>,
    servers: HashMap<String, Intdash>,
    origins: Mutex<Vec<(String, String, AccessKey, Bucket)>>,
    limits: Limits,
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
                Source::S3(_) => None,
            });
        Arc::new(Self {
            servers: servers.collect(),
            secrets: SecretStore::new(config.secrets, &aws),
            backup: config.backup_bucket.map(|name| aws.bucket(&name)),
            state: config.state_bucket.map(|name| aws.bucket(&name)),
            topic: config.topic_arn.map(|arn| aws.topic(&arn)),
            sources: config.sources,
            origins: Mutex::default(),
            limits: Limits::of_memory(config.memory_mib),
            aws,
        })
    }

    /// The paths of their own that sources answer at, with the source's name.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources
            .iter()
            .filter_map(|(name, source)| source.path().map(|path| (path, name.as_str())))
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
        deadline: Instant,
    ) -> Result<Receipt, Refusal> {
        let source = self
            .sources
            .get(name)
            .ok_or(Refusal::Rejected(Rejection::Unknown))?;
        let secrets = self.secrets.get().await;
        let mut opened = open(name, source, url_key, &delivery, &secrets);
        if let Err(
            Refusal::Rejected(Rejection::Unauthentic | Rejection::Unknown) | Refusal::Failed(_),
        ) = opened
            // The sender may have been given a newer secret than we have.
            && let Some(newer) = self.secrets.newer_than(&secrets).await
        {
            opened = open(name, source, url_key, &delivery, &newer);
        }
        match opened? {
            Message::Challenge(answer) => Ok(Receipt::Answer(answer)),
            Message::Events(events) => {
                Ok(Receipt::Done(self.work(events, &delivery, deadline).await))
            }
        }
    }

    /// Performs the jobs of all events, equal ones once, each in its own task: what befalls one never stops another.
    async fn work(
        self: &Arc<Self>,
        events: Vec<Event>,
        delivery: &Delivery,
        deadline: Instant,
    ) -> Vec<Entry> {
        let planned: Vec<Vec<Job>> = events.iter().map(plan).collect();
        let mut seen = HashSet::new();
        let jobs: Vec<Job> = planned
            .iter()
            .flatten()
            .filter(|job| seen.insert(*job))
            .cloned()
            .collect();
        let id = delivery.id;
        let ended: HashMap<Job, Ended> = stream::iter(jobs)
            .map(|job| async move {
                let (app, of) = (Arc::clone(self), job.clone());
                let started = Instant::now();
                let done =
                    tokio::spawn(async move { counted(app.perform(&of, id, deadline)).await })
                        .await;
                let (done, calls) = done.unwrap_or((Err(WorkError::Panicked), 0));
                (job.clone(), logged(id, &job, done, calls, started))
            })
            .buffer_unordered(JOBS_AT_A_TIME)
            .collect()
            .await;
        let entries = events.into_iter().zip(planned).flat_map(|(event, jobs)| match event {
            Event::Object(_) | Event::Measurement(_) => {
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
        entries.collect()
    }

    /// Performs a job; where a far side refuses our keys, once more with newer ones.
    async fn perform(
        &self,
        job: &Job,
        id: DeliveryId,
        deadline: Instant,
    ) -> Result<Mirrored, WorkError> {
        if Instant::now() >= deadline {
            return Err(WorkError::OutOfTime("it has not begun"));
        }
        let attempts = async {
            let secrets = self.secrets.get().await;
            match self.attempt(job, &secrets, id, deadline).await {
                Err(error) if error.denied() => match self.secrets.newer_than(&secrets).await {
                    Some(newer) => self.attempt(job, &newer, id, deadline).await,
                    None => Err(error),
                },
                done => done,
            }
        };
        // A transfer stops by itself at the deadline and drops its upload; this bounds everything else.
        tokio::time::timeout_at(deadline + GRACE, attempts)
            .await
            .unwrap_or(Err(WorkError::OutOfTime("a far side is slow")))
    }

    async fn attempt(
        &self,
        job: &Job,
        secrets: &Secrets,
        id: DeliveryId,
        deadline: Instant,
    ) -> Result<Mirrored, WorkError> {
        match job {
            Job::Mirror(object) => {
                let known = secrets
                    .of(&object.source)
                    .ok_or_else(|| missing(&object.source, "an access key of the origin"))?;
                self.mirror(object, known, id, deadline).await
            }
            Job::Summary(measurement) => {
                let known = secrets
                    .of(&measurement.source)
                    .and_then(|known| known.api_token.as_ref());
                let token = known.ok_or_else(|| missing(&measurement.source, "api_token"))?;
                self.summarise(measurement, token).await
            }
        }
    }

    /// Tries the live keys of the origin in turn, until one is let in.
    async fn mirror(
        &self,
        object: &ObjectRef,
        known: &SourceSecrets,
        id: DeliveryId,
        deadline: Instant,
    ) -> Result<Mirrored, WorkError> {
        let (Some(Source::S3(source)), Some(backup)) =
            (self.sources.get(&object.source), &self.backup)
        else {
            unreachable!(
                "a mirror job is planned for a source of kind s3, which needs a backup bucket"
            );
        };
        let rule = &source.buckets[&object.origin];
        let mut refused = missing(&object.source, "an access key of the origin");
        for key in &known.access_keys {
            let origin = self.origin(source, object, key);
            let mirror = Mirror {
                origin: &origin,
                backup,
                ledgers: self.state.as_ref(),
                object,
                rule,
                limits: &self.limits,
                delivery: id,
                deadline,
            };
            match mirror.reconcile().await {
                Err(error) if error.denied() => refused = error,
                done => return done,
            }
        }
        Err(refused)
    }

    async fn summarise(&self, of: &MeasurementRef, token: &Secret) -> Result<Mirrored, WorkError> {
        let (Some(Source::Intdash(source)), Some(topic)) =
            (self.sources.get(&of.source), &self.topic)
        else {
            unreachable!("a summary is planned for a source of kind intdash, which needs a topic");
        };
        summarise::publish(of, &source.data, &self.servers[&of.source], token, topic).await?;
        Ok(Mirrored {
            outcome: Outcome::Published,
            ..Mirrored::default()
        })
    }

    /// The client of an origin bucket, made once for each key: connections are kept.
    fn origin(&self, source: &S3Source, object: &ObjectRef, key: &AccessKey) -> Bucket {
        let mut made = self
            .origins
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = made.iter().find(|(name, origin, with, _)| {
            *name == object.source && *origin == object.origin && with == key
        });
        if let Some((.., bucket)) = known {
            return bucket.clone();
        }
        let bucket = self
            .aws
            .origin(&source.endpoint, &source.region, key, object.bucket());
        made.push((
            object.source.clone(),
            object.origin.clone(),
            key.clone(),
            bucket.clone(),
        ));
        bucket
    }
}

fn missing(source: &str, wants: &'static str) -> WorkError {
    WorkError::MissingSecret {
        source_name: source.to_owned(),
        wants,
    }
}

/// The only way from a delivery to a message: the secret is there, the last segment is right, the source opens it.
fn open(
    name: &str,
    source: &Source,
    url_key: Option<&str>,
    delivery: &Delivery,
    secrets: &Secrets,
) -> Result<Message, Refusal> {
    let known = secrets.of(name);
    if let Some(wants) = source.missing_secret(known) {
        return Err(Refusal::Failed(missing(name, wants)));
    }
    let known = known.cloned().unwrap_or_default();
    let right = match (&known.url_key, url_key) {
        (None, None) => true,
        (Some(secret), Some(claimed)) => secret.is(claimed),
        _ => false,
    };
    if !right {
        return Err(Refusal::Rejected(Rejection::Unknown));
    }
    source
        .open(name, delivery, &known)
        .map_err(Refusal::Rejected)
}

fn about(job: Job) -> About {
    match job {
        Job::Mirror(object) => About::Object {
            bucket: object.bucket().to_owned(),
            key: object.key,
        },
        Job::Summary(measurement) => About::Measurement(measurement.measurement),
    }
}

/// One line a job: its receipt. The cause of a failure is told here and nowhere else.
fn logged(
    id: DeliveryId,
    job: &Job,
    done: Result<Mirrored, WorkError>,
    calls: u32,
    started: Instant,
) -> Ended {
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (kind, object, measurement) = match job {
        Job::Mirror(object) => ("mirror", Some(object), None),
        Job::Summary(of) => ("summary", None, Some(of.measurement.as_str())),
    };
    let bucket = object.map(|object| object.origin.as_str());
    let key = object.map(|object| object.key.as_str());
    match done {
        Ok(done) => {
            let fingerprint = done.fingerprint.map(display);
            let (etag, crc64nvme) = (done.etag.map(display), done.checksum.map(display));
            let (outcome, copied_bytes, reason) =
                (done.outcome.word(), done.copied_bytes, done.reason);
            if !done.left_out.is_empty() {
                let left_out = done.left_out.join(", ");
                tracing::warn!(delivery.id = %id, object.bucket = bucket, object.key = key, left_out, "the backup does not take all of the object's properties");
            }
            tracing::info!(delivery.id = %id, job.kind = kind, job.outcome = outcome, object.bucket = bucket, object.key = key, object.fingerprint = fingerprint, copy.etag = etag, copy.crc64nvme = crc64nvme, measurement, copied_bytes, reason, calls, ms, "job");
            Ended::Well(done.outcome)
        }
        Err(error) => {
            tracing::error!(delivery.id = %id, job.kind = kind, job.outcome = "failed", object.bucket = bucket, object.key = key, measurement, error = %error, calls, ms, "job");
            Ended::Failed
        }
    }
}
