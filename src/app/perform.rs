//! Jobs are performed: equal ones once, each in its own task, within a bound and a deadline. One line of the log each.

use super::App;
use super::held::became;
use crate::clients::bucket::Bucket;
use crate::clients::https::counted;
use crate::domain::bound::Bound;
use crate::domain::event::{MeasurementRef, ObjectRef, OriginRef, bucket_of};
use crate::domain::forward::Forward;
use crate::domain::inbox::JobReport;
use crate::domain::job::{Cause, Job, Outcome, in_turns, once};
use crate::domain::notice::{self, Notice};
use crate::domain::secrets::{AccessKey, Secrets};
use crate::domain::signature::Secret;
use crate::domain::source::Source;
use crate::domain::source::is_endpoint;
use crate::domain::source::rule::BucketRule;
use crate::domain::source::s3::S3Source;
use crate::error::WorkError;
use crate::mirror::{Mirror, Mirrored};
use crate::summarise;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Jobs that run at a time.
static JOBS_AT_A_TIME: Bound<usize> = Bound::new("jobs.at_a_time", 32);

/// How long after its deadline a job that did not stop by itself is dropped.
const GRACE: Duration = Duration::from_secs(2);

/// What became of a job.
#[derive(Debug)]
pub(super) struct Done {
    /// How it ended.
    pub(super) ended: Result<Outcome, WorkError>,
    /// The same, to be recorded.
    pub(super) report: JobReport,
}

impl App {
    /// Performs jobs, each with what it is done for. What befalls one never stops another. Boxed, since the job
    /// of an audit performs others.
    pub(super) fn perform<'a>(
        self: &'a Arc<Self>,
        jobs: impl Iterator<Item = (Job, Cause)>,
        deadline: Instant,
    ) -> BoxFuture<'a, HashMap<Job, Done>> {
        let ended = stream::iter(in_turns(once(jobs)))
            .map(move |(job, cause)| async move {
                let (app, of, why) = (Arc::clone(self), job.clone(), cause.clone());
                let started = Instant::now();
                let done =
                    tokio::spawn(async move { counted(app.in_time(&of, &why, deadline)).await })
                        .await;
                let (done, calls) = done.unwrap_or((Err(WorkError::Panicked), 0));
                let report = report(&job, &done, calls, started);
                let ended = logged(&cause, &job, done, &report);
                self.metrics.job(word(&ended));
                (job, Done { ended, report })
            })
            .buffer_unordered(JOBS_AT_A_TIME.get())
            .collect();
        Box::pin(ended)
    }

    /// Performs a job; where a far side refuses our keys, once more with newer ones.
    async fn in_time(
        self: &Arc<Self>,
        job: &Job,
        cause: &Cause,
        deadline: Instant,
    ) -> Result<Mirrored, WorkError> {
        // What came to an endpoint is of no source.
        let endpoint = matches!(job, Job::Forward(of) if is_endpoint(&of.source));
        if !endpoint && !self.knows(job.source()) {
            return Err(WorkError::NotConfigured(job.source().to_owned()));
        }
        if Instant::now() >= deadline {
            return Err(WorkError::OutOfTime("it has not begun"));
        }
        let attempts = async {
            let secrets = self.secrets.get().await;
            match self.attempt(job, &secrets, cause, deadline).await {
                Err(error) if error.denied() => match self.secrets.newer_than(&secrets).await {
                    Some(newer) => {
                        let cause = cause.again();
                        self.attempt(job, &newer, &cause, deadline).await
                    }
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
        self: &Arc<Self>,
        job: &Job,
        secrets: &Secrets,
        cause: &Cause,
        deadline: Instant,
    ) -> Result<Mirrored, WorkError> {
        match job {
            Job::Mirror(ObjectRef { source, origin, .. })
            | Job::Audit(OriginRef { source, origin }) => {
                self.at_origin(job, (source, origin), secrets, cause, deadline)
                    .await
            }
            Job::Forward(forward) => self.forward(forward, cause).await,
            Job::Summary(measurement) => {
                let known = secrets
                    .of(&measurement.source)
                    .and_then(|known| known.api_token.as_ref());
                let token =
                    known.ok_or_else(|| missing(secrets, &measurement.source, "api_token"))?;
                let summary = self.summarise(measurement, token);
                let occurrence = measurement.occurrence.as_deref();
                self.once(&measurement.source, occurrence, cause, summary)
                    .await
            }
        }
    }

    /// Does a job at an origin bucket. Its live keys are tried in turn, until one is let in.
    async fn at_origin(
        self: &Arc<Self>,
        job: &Job,
        (source, bucket): (&str, &str),
        secrets: &Secrets,
        cause: &Cause,
        deadline: Instant,
    ) -> Result<Mirrored, WorkError> {
        let (Some(Source::S3(found)), Some(backup)) = (self.sources.get(source), &self.backup)
        else {
            return Err(WorkError::NotConfigured(source.to_owned()));
        };
        let rule = found.buckets.get(bucket);
        let rule = rule.ok_or_else(|| WorkError::NotConfigured(format!("{source}/{bucket}")))?;
        let of = OriginRef {
            source: source.to_owned(),
            origin: bucket.to_owned(),
        };
        let brake = self.brake(&of, rule, backup, cause);
        if let Job::Mirror(object) = job
            && !rule.covers(&object.key)
        {
            // It did when the job was sent, or the audit's file was written.
            let done = Ok(Mirrored {
                reason: Some("the rule leaves this key alone"),
                ..Mirrored::without_bytes(Outcome::Ignored)
            });
            became(brake, object, &done).await;
            return done;
        }
        let mut cause = cause.clone();
        let known = secrets.of(source).map(|known| &known.access_keys[..]);
        let mut refused = missing(secrets, source, "an access key of the origin");
        for key in known.unwrap_or_default() {
            let origin = self.origin(found, source, bucket, key);
            // Their types are erased: nested any deeper, the compiler gives up on the future's layout.
            let done = match job {
                Job::Mirror(object) => {
                    let mirror = Mirror {
                        brake,
                        origin: &origin,
                        backup,
                        ledgers: self.state.as_ref(),
                        object,
                        rule,
                        limits: &self.limits,
                        metrics: &self.metrics,
                        delivery: cause.delivery,
                        deadline,
                    };
                    let done = match mirror.reconcile().boxed().await {
                        Ok(done) => self.tell(object, rule, &done, &cause).await.map(|()| done),
                        failed => failed,
                    };
                    became(brake, object, &done).await;
                    done
                }
                Job::Audit(of) => {
                    let audit = self.audit(of, rule, [&origin, backup], &cause, deadline);
                    audit.boxed().await.map(Mirrored::without_bytes)
                }
                Job::Summary(_) | Job::Forward(_) => unreachable!("they have no origin bucket"),
            };
            match done {
                // It may have been let in for a part of the way.
                Err(error) if error.denied() => (refused, cause) = (error, cause.again()),
                done => return done,
            }
        }
        Err(refused)
    }

    /// Tells subscribers what became of a key, where its rule wants that. What fails here fails the job: its next attempt
    /// finds nothing to do, and tells of it all the same.
    async fn tell(
        &self,
        object: &ObjectRef,
        rule: &BucketRule,
        done: &Mirrored,
        cause: &Cause,
    ) -> Result<(), WorkError> {
        self.tell_of_held(object, done).boxed().await?;
        let (Some(topic), true) = (&self.topic, rule.notify) else {
            return Ok(());
        };
        // Without a queue a sender's retry looks as its first delivery did.
        let Some(outcome) = done.to_tell(cause.again || self.queue.is_none()) else {
            return Ok(());
        };
        let told = notice::Mirrored {
            object,
            outcome,
            fingerprint: done.fingerprint.as_ref(),
            size: done.size,
            backup_key: &rule.backup_key(&object.key),
            delivery: cause.delivery,
        };
        let published = topic.publish(&Notice::of_mirrored(&told)).boxed().await;
        published.map_err(WorkError::Topic)
    }

    /// Publishes a delivery as it came.
    async fn forward(&self, of: &Forward, cause: &Cause) -> Result<Mirrored, WorkError> {
        let known = matches!(self.sources.get(&of.source), Some(Source::Generic(_)));
        let Some(topic) = self
            .topic
            .as_ref()
            .filter(|_| known || is_endpoint(&of.source))
        else {
            return Err(WorkError::NotConfigured(of.source.clone()));
        };
        let kept = match of.body.is_cut() {
            true => self.place_of(cause.delivery).await?,
            false => None,
        };
        let notice = Notice::of_forward(of, cause.delivery, kept.as_deref());
        let publish = async { topic.publish(&notice).await.map_err(WorkError::Topic) };
        let occurrence = of.occurrence.as_deref();
        self.once(&of.source, occurrence, cause, publish.boxed())
            .await
    }

    async fn summarise(&self, of: &MeasurementRef, token: &Secret) -> Result<(), WorkError> {
        let (Some(Source::Intdash(settings)), Some(topic)) =
            (self.sources.get(&of.source), &self.topic)
        else {
            return Err(WorkError::NotConfigured(of.source.clone()));
        };
        let (server, state) = (&self.servers[&of.source], self.state.as_ref());
        summarise::publish(of, settings, server, token, topic, state).await?;
        Ok(())
    }

    /// The client of an origin bucket, made once for each key: connections are kept.
    pub(super) fn origin(
        &self,
        of: &S3Source,
        source: &str,
        origin: &str,
        key: &AccessKey,
    ) -> Bucket {
        let mut made = self
            .origins
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = made
            .iter()
            .find(|(name, bucket, with, _)| *name == source && *bucket == origin && with == key);
        if let Some((.., bucket)) = known {
            return bucket.clone();
        }
        let bucket = self
            .aws
            .origin(&of.endpoint, &of.region, key, bucket_of(origin));
        made.push((
            source.to_owned(),
            origin.to_owned(),
            key.clone(),
            bucket.clone(),
        ));
        bucket
    }
}

/// Whether there may be secrets of a source that could not be read.
pub(super) fn unread(secrets: &Secrets, source: &str) -> bool {
    secrets.partial() || secrets.doubtful(source)
}

/// A source lacks a secret for its work: there is none, or it could not be read.
fn missing(secrets: &Secrets, source: &str, wants: &'static str) -> WorkError {
    if unread(secrets, source) {
        let source_name = source.to_owned();
        return WorkError::UnreadSecrets { source_name, wants };
    }
    super::missing(source, wants)
}

/// The word by which a job is counted.
fn word(done: &Result<Outcome, WorkError>) -> &'static str {
    match done {
        Ok(outcome) => outcome.word(),
        Err(left) if left.goes_on() => "unfinished",
        Err(_) => "failed",
    }
}

/// How a job ended, with its receipt.
fn report(
    job: &Job,
    done: &Result<Mirrored, WorkError>,
    calls: u32,
    started: Instant,
) -> JobReport {
    let mut report = JobReport {
        ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        calls,
        ..JobReport::planned(job)
    };
    match done {
        Ok(done) => {
            done.outcome.word().clone_into(&mut report.outcome);
            report.reason = done.reason.map(ToOwned::to_owned);
            report.copied_bytes = done.copied_bytes;
            report.lag_ms = done.lag_ms;
            report.fingerprint = done.fingerprint.as_ref().map(ToString::to_string);
            report.etag = done.etag.as_ref().map(ToString::to_string);
            report.crc64nvme = done.checksum.map(|checksum| checksum.to_string());
        }
        Err(left) if left.goes_on() => {
            "unfinished".clone_into(&mut report.outcome);
            report.reason = Some(left.to_string());
        }
        Err(error) => {
            "failed".clone_into(&mut report.outcome);
            report.reason = error.settled().map(ToOwned::to_owned);
            report.error = Some(error.to_string());
        }
    }
    report
}

/// One line a job: its receipt. The cause of a failure is told here, and to who may look into the inbox.
fn logged(
    cause: &Cause,
    job: &Job,
    done: Result<Mirrored, WorkError>,
    report: &JobReport,
) -> Result<Outcome, WorkError> {
    let (id, trace, source) = (cause.delivery, cause.trace_id(), job.source());
    // Of what is handed on there is no key, and its id is as long as its sender likes.
    let JobReport {
        job: kind,
        bucket,
        key,
        measurement,
        event,
        outcome,
        reason,
        error,
        calls,
        ms,
        copied_bytes,
        fingerprint,
        etag,
        crc64nvme,
        ..
    } = report;
    match done {
        Ok(done) => {
            if !done.left_out.is_empty() {
                let left_out = done.left_out.join(", ");
                tracing::warn!(delivery.id = %id, trace, source, object.bucket = bucket, object.key = key, left_out, "the backup does not take all of the object's properties");
            }
            tracing::info!(delivery.id = %id, trace, source, job.kind = kind, job.outcome = outcome, object.bucket = bucket, object.key = key, object.fingerprint = fingerprint, copy.etag = etag, copy.crc64nvme = crc64nvme, measurement, event, copied_bytes, reason, calls, ms, "job");
            Ok(done.outcome)
        }
        Err(left) if left.goes_on() => {
            tracing::info!(delivery.id = %id, trace, source, job.kind = kind, job.outcome = outcome, object.bucket = bucket, object.key = key, reason, calls, ms, "job");
            Err(left)
        }
        Err(failed) => {
            tracing::error!(delivery.id = %id, trace, source, job.kind = kind, job.outcome = outcome, object.bucket = bucket, object.key = key, measurement, event, error, calls, ms, "job");
            Err(failed)
        }
    }
}
