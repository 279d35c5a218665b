//! A delivery is received: opened, recorded, and its work done or handed over.

use super::{App, RECORDING, missing};
use crate::config::Recording;
use crate::domain::delivery::{Delivery, NoBody, Rejection};
use crate::domain::echo;
use crate::domain::event::Event;
use crate::domain::inbox::By;
use crate::domain::job::Cause;
use crate::domain::record::{Handshake, Record, Told};
use crate::domain::redact::Known;
use crate::domain::secrets::Secrets;
use crate::domain::signature::Secret;
use crate::domain::source::{Message, Proof, Source};
use crate::domain::trace::Trace;
use crate::error::WorkError;
use crate::receipt::{Receipt, Received, Refusal};
use std::sync::Arc;
use tokio::time::Instant;

impl App {
    /// Receives a delivery: opens it, records it, and does what it asks for. `url_key` is the last segment of the URL after the
    /// source's name, if there is one.
    pub async fn receive(
        self: &Arc<Self>,
        name: &str,
        url_key: Option<&str>,
        delivery: Delivery,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Received {
        let Some(source) = self.sources.get(name) else {
            // Either segment may be a secret of somebody who left the other out.
            let known = Known {
                segments: [Some(name), url_key].into_iter().flatten().collect(),
                ..Known::default()
            };
            let refusal = Refusal::Rejected(Rejection::Unknown);
            return self.refuse(None, &delivery, &known, refusal).await;
        };
        let (opened, secrets) = self.admit(name, source, url_key, &delivery).await;
        let known = known(name, source, url_key, &secrets);
        let message = match opened {
            Ok(message) => message,
            Err(refusal) => return self.refuse(Some(name), &delivery, &known, refusal).await,
        };
        match message {
            Message::Challenge(answer) => {
                let mut told = Told::answered(handshake(source, &delivery, &known));
                // Anybody can ask, but for who needs a key to.
                let kept = url_key.is_some() || self.sets_apart(Some(name), &delivery, &mut told);
                let recorded = kept && self.record(Some(name), &delivery, &known, told).await;
                Received::new(Ok(Receipt::Answer(answer)), recorded)
            }
            Message::Confirm(subscription) => {
                let confirmed = self.certificates.confirm(&subscription).await;
                let confirmed = confirmed.map_err(|error| Refusal::Failed(WorkError::Sns(error)));
                match confirmed {
                    Err(refusal) => self.refuse(Some(name), &delivery, &known, refusal).await,
                    Ok(()) => {
                        let told = Told::answered(None);
                        let recorded = self.record(Some(name), &delivery, &known, told).await;
                        Received::new(Ok(Receipt::Confirmed), recorded)
                    }
                }
            }
            Message::Ended(topic) => {
                tracing::error!(delivery.id = %delivery.id, source = name, topic, "AWS SNS has ended the subscription: nothing comes through this topic until it is subscribed again");
                self.metrics.subscription_ended();
                let reason = "the subscription has ended".to_owned();
                let ended = vec![Event::nothing(reason)];
                self.work_on(name, &delivery, &known, ended, trace, deadline)
                    .await
            }
            Message::Events(events) => {
                let events = self.without_echoes(events, &delivery);
                // Before anything is asked of a store or of the queue.
                if let Err(seconds) = self.taking.take(name, source.rate()) {
                    return Received::new(Err(Refusal::TooMany(seconds)), false);
                }
                self.work_on(name, &delivery, &known, events, trace, deadline)
                    .await
            }
        }
    }

    /// Records a delivery to a path that no source has. Any of these segments of it may be a secret.
    pub async fn receive_elsewhere(
        &self,
        segments: &[String],
        delivery: &Delivery,
        unread: Option<NoBody>,
    ) -> Received {
        let known = Known {
            segments: segments.iter().map(String::as_str).collect(),
            ..Known::default()
        };
        let refusal = unread.map_or(Refusal::Rejected(Rejection::Unknown), Refusal::NoBody);
        self.refuse(None, delivery, &known, refusal).await
    }

    /// The same of one whose body could not be read. What is secret in its URL is not known, so that it is not kept.
    pub async fn receive_unread(
        &self,
        name: &str,
        mut delivery: Delivery,
        why: NoBody,
    ) -> Received {
        (delivery.url, delivery.query) = (None, None);
        let known = Known {
            header: self.sources.get(name).and_then(Source::secret_header),
            ..Known::default()
        };
        let name = Some(name).filter(|name| self.knows(name));
        self.refuse(name, &delivery, &known, Refusal::NoBody(why))
            .await
    }

    /// The same events, without what would be published to the topic that it came through.
    pub(super) fn without_echoes(&self, events: Vec<Event>, delivery: &Delivery) -> Vec<Event> {
        let publishes = events
            .iter()
            .any(|event| matches!(event, Event::Forward(_)));
        let topic = self.topic.as_ref().filter(|_| publishes);
        if !topic.is_some_and(|topic| echo::came_through(delivery, topic.arn())) {
            return events;
        }
        tracing::warn!(delivery.id = %delivery.id, "the topic for notices delivers to a source or an endpoint that publishes to it: end that subscription");
        let without = |event| match event {
            Event::Forward(_) => Event::nothing(echo::REASON.to_owned()),
            other => other,
        };
        events.into_iter().map(without).collect()
    }

    /// Records what it is, and does what it asks for, both at the same time: neither waits for the other, and the answer waits
    /// for both. Only what is longer than a notice is recorded first: it would be nowhere else.
    pub(super) async fn work_on(
        self: &Arc<Self>,
        name: &str,
        delivery: &Delivery,
        known: &Known<'_>,
        events: Vec<Event>,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Received {
        let mut told = Told::events(&events, delivery);
        // Nothing of it is worked on, and whoever can send it can send any number.
        let proven = known.url_key.is_some() || self.sources.get(name).is_some_and(Source::proves);
        let name = Some(name);
        let kept = proven || told.verdict.is_proven() || self.sets_apart(name, delivery, &mut told);
        let cause = Cause::new(delivery.id, trace);
        let is_cut = |event: &Event| matches!(event, Event::Forward(of) if of.body.is_cut());
        if events.iter().any(is_cut) {
            let kept = self.keep(name, delivery, known, told).await;
            return match kept {
                Err(error) => {
                    let failed = Refusal::Failed(WorkError::State(error));
                    Received::new(Err(failed), false)
                }
                Ok(()) => {
                    let receipt = self.work(events, cause, deadline, By::Inline).await;
                    Received::new(Ok(receipt), true)
                }
            };
        }
        let work = self.work(events, cause, deadline, By::Inline);
        if kept && self.records(told.verdict) {
            let record = self.record(name, delivery, known, told);
            let (recorded, receipt) = tokio::join!(record, work);
            return Received::new(Ok(receipt), recorded);
        }
        let receipt = work.await;
        let recorded = match self.recording {
            Recording::Failures if receipt.failed() > 0 => {
                let keeping = self.keep(name, delivery, known, told);
                let kept = self.recorded_by(deadline + RECORDING, delivery.id, keeping);
                let kept = kept.await;
                matches!(kept, Some(Ok(())))
            }
            _ => kept,
        };
        Received::new(Ok(receipt), recorded)
    }

    /// Opens a delivery with the secrets that are known; once more where there are newer ones, which the sender may have been
    /// given. Returns those that counted.
    pub(super) async fn admit(
        &self,
        name: &str,
        source: &Source,
        url_key: Option<&str>,
        delivery: &Delivery,
    ) -> (Result<Message, Refusal>, Arc<Secrets>) {
        // Before anything is asked of anybody.
        if !source.from().allow(delivery.from) {
            let forbidden = Refusal::Rejected(Rejection::Forbidden);
            return (Err(forbidden), Arc::default());
        }
        let secrets = self.secrets.get().await;
        let opened = self.open(name, source, url_key, delivery, &secrets).await;
        if let Err(
            Refusal::Rejected(Rejection::Unauthentic | Rejection::Unknown) | Refusal::Failed(_),
        ) = opened
            && let Some(newer) = self.secrets.newer_than(&secrets).await
        {
            let opened = self.open(name, source, url_key, delivery, &newer).await;
            return (opened, newer);
        }
        (opened, secrets)
    }

    /// The same of a delivery that was refused when it came, and whose last segment is not kept.
    pub(super) async fn admit_again(
        &self,
        name: &str,
        record: &Record,
    ) -> Result<Message, Refusal> {
        let secrets = self.secrets.get().await;
        let guard = secrets.of(name).and_then(|known| known.url_key.as_ref());
        let url_key = guard.filter(|key| record.claims(key)).map(Secret::expose);
        let opened = self.admit(name, &self.sources[name], url_key, &record.delivery);
        opened.await.0
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
        let to_work = || source.missing_to_work(known).filter(|_| works);
        if let Some(wants) = lacking.or_else(|| to_work().map(ToOwned::to_owned)) {
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
}

/// What is secret in a delivery of a source.
fn known<'a>(
    name: &str,
    source: &'a Source,
    url_key: Option<&'a str>,
    secrets: &'a Secrets,
) -> Known<'a> {
    let secrets = secrets.of(name).into_iter();
    let secrets = secrets.flat_map(|known| {
        let others = [&known.url_key, &known.api_token, &known.verify_token];
        known.secrets.iter().chain(others.into_iter().flatten())
    });
    Known {
        secrets: secrets.collect(),
        header: source.secret_header(),
        segments: url_key.into_iter().collect(),
        url_key,
    }
}

/// What a handshake signed, where it signs a URL.
fn handshake(source: &Source, delivery: &Delivery, known: &Known<'_>) -> Option<Handshake> {
    let Source::S3(source) = source else {
        return None;
    };
    let challenge = serde_json::from_slice(&delivery.body).ok()?;
    let url = source.registered(delivery)?;
    Some(Handshake::new(&challenge, url, known))
}
