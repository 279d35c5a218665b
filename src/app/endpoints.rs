//! Endpoints of one's own: made, listed and removed by an operator, and looked up for each delivery to one.

use super::App;
use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::domain::bound::Bound;
use crate::domain::delivery::{Delivery, NoBody, Rejection};
use crate::domain::endpoint::{self, Endpoint, EndpointId, token_of};
use crate::domain::event::Event;
use crate::domain::forward::Forward;
use crate::domain::glimpse;
use crate::domain::inbox::By;
use crate::domain::job::Cause;
use crate::domain::reconcile::Condition;
use crate::domain::record::Told;
use crate::domain::redact::Known;
use crate::domain::signature::Secret;
use crate::domain::trace::Trace;
use crate::error::WorkError;
use crate::receipt::{Receipt, Received, Refusal};
use aws_lc_rs::rand;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// What was read of an endpoint counts for so long, also that there is none.
const KNOWN_FOR: Duration = Duration::from_secs(10);
/// So many are remembered: whoever tries names fills no memory.
static KNOWN_MAX: Bound<usize> = Bound::new("endpoints.known", 1_000);
/// So many there may be.
static ENDPOINTS_MAX: Bound<usize> = Bound::new("endpoints.count", 100);
/// Definitions that are read at a time.
static READS_AT_A_TIME: Bound<usize> = Bound::new("endpoints.reads_at_a_time", 16);

/// What is known of endpoints, and since when.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<HashMap<EndpointId, Look>>);

/// When it was looked for, and what was found.
type Look = (Instant, Option<Arc<Endpoint>>);

/// An endpoint that was just made.
#[derive(Debug)]
pub struct Made {
    /// What it is called by.
    pub id: EndpointId,
    /// What it is.
    pub endpoint: Endpoint,
    /// Its token, which is kept nowhere.
    pub token: String,
}

/// Why an endpoint was not made.
#[derive(Debug, Error)]
pub enum NotMade {
    /// It may not be what was asked for; a sentence.
    #[error("{0}")]
    Wrong(&'static str),
    /// There is no room for it, or nothing that it could be handed on to; a sentence.
    #[error("{0}")]
    Refused(&'static str),
    /// The state bucket did not take it.
    #[error("state: {0}")]
    State(CallError),
}

impl Cache {
    fn lock(&self) -> MutexGuard<'_, HashMap<EndpointId, Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &EndpointId) -> Option<Option<Arc<Endpoint>>> {
        let known = self.lock();
        let (since, found) = known.get(id)?;
        (since.elapsed() < KNOWN_FOR).then(|| found.clone())
    }

    fn insert(&self, id: &EndpointId, found: Option<Arc<Endpoint>>) {
        let mut known = self.lock();
        if known.len() >= KNOWN_MAX.get() {
            known.retain(|_, (since, _)| since.elapsed() < KNOWN_FOR);
        }
        if known.len() >= KNOWN_MAX.get() {
            // Somebody tries names; the ones that are real cost a read each.
            known.clear();
        }
        known.insert(id.clone(), (Instant::now(), found));
    }

    fn forget(&self, id: &EndpointId) {
        self.lock().remove(id);
    }
}

impl App {
    /// Makes an endpoint at `now`, in seconds since 1970, that lives for so many days.
    ///
    /// # Errors
    /// A [`NotMade`]; of a failed call it may be there all the same, and nobody has its token.
    pub async fn make_endpoint(
        &self,
        name: &str,
        now: u64,
        days: u64,
        forward: bool,
    ) -> Result<Made, NotMade> {
        let state = self.state.as_ref();
        let state = state.ok_or(NotMade::Refused("there is no STATE_BUCKET"))?;
        if forward && self.topic.is_none() {
            let wants = "forward: there is no SNS_TOPIC_ARN to publish to";
            return Err(NotMade::Refused(wants));
        }
        let token = token_of(random());
        let endpoint = Endpoint::new(name, &token, now, days, forward).map_err(NotMade::Wrong)?;
        let there = ids(state).await.map_err(NotMade::State)?;
        if there.len() >= ENDPOINTS_MAX.get() {
            let full = "there are 100 endpoints already: remove one first";
            return Err(NotMade::Refused(full));
        }
        let id = EndpointId::of(random());
        let json = endpoint.to_json();
        let written = state
            .write_file(&id.place(), json, &Condition::Absent)
            .await;
        written.map_err(NotMade::State)?;
        self.endpoints.forget(&id);
        Ok(Made {
            id,
            endpoint,
            token,
        })
    }

    /// All endpoints, those that have expired too, the newest first.
    ///
    /// # Errors
    /// The state bucket did not answer, or denied.
    pub async fn all_endpoints(&self) -> Result<Vec<(EndpointId, Endpoint)>, CallError> {
        let Some(state) = &self.state else {
            return Ok(Vec::new());
        };
        let reads = ids(state).await?.into_iter().map(async |id| {
            let read = state.read_file(&id.place()).await?;
            // One that was removed meanwhile, or is none of ours, is none.
            let found = read.and_then(|(json, _)| Endpoint::from_json(&json));
            Ok(found.map(|endpoint| (id, endpoint)))
        });
        let read = stream::iter(reads).buffer_unordered(READS_AT_A_TIME.get());
        let read = read.try_filter_map(async |found| Ok(found));
        let mut found: Vec<_> = read.try_collect().await?;
        found.sort_by_key(|(id, endpoint)| (u64::MAX - endpoint.created, id.to_string()));
        Ok(found)
    }

    /// Removes an endpoint, and says whether there was one. Elsewhere it may take deliveries for ten seconds more.
    ///
    /// # Errors
    /// The state bucket did not answer, or denied.
    pub async fn remove_endpoint(&self, id: &EndpointId) -> Result<bool, CallError> {
        let Some(state) = &self.state else {
            return Ok(false);
        };
        let Some((_, etag)) = state.read_file(&id.place()).await? else {
            return Ok(false);
        };
        let removed = state.remove_file(&id.place(), &etag).await;
        self.endpoints.forget(id);
        removed.map(|()| true)
    }

    /// Takes a delivery to an endpoint at `now`, in seconds since 1970: it is recorded whatever else the settings record, and
    /// handed on where its owner wants that. What is not recorded has not been taken. Of a name that there is not, nothing is kept.
    pub async fn take(
        self: &Arc<Self>,
        id: &EndpointId,
        claimed: Option<&str>,
        delivery: Delivery,
        now: u64,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Received {
        let secret = claimed.map(Secret::new);
        let known = known(claimed, secret.as_ref());
        let endpoint = match self.admit_to(id, claimed, &known, &delivery, now).await {
            Ok(endpoint) => endpoint,
            Err(received) => return received,
        };
        let source = id.source();
        let event = glimpse::event(&delivery, &known);
        let events: Vec<_> = if endpoint.forward {
            let forward = Forward::of_endpoint(&source, event.clone(), &delivery);
            self.without_echoes(vec![Event::Forward(forward)], &delivery)
        } else {
            Vec::new()
        };
        let mut told = Told::events(&events, &delivery);
        if events.is_empty() {
            // So the list has more to say of it than that it came.
            let event = event.map(|event| format!("{event}: "));
            let (event, name) = (event.unwrap_or_default(), &endpoint.name);
            told.remarks.push(format!("{event}recorded for {name}"));
        }
        if let Err(error) = self.keep(Some(&source), &delivery, &known, told).await {
            return Received::new(Err(Refusal::Failed(WorkError::State(error))), false);
        }
        let receipt = if events.is_empty() {
            Receipt::Done {
                entries: Vec::new(),
                queued: 0,
            }
        } else {
            let cause = Cause::new(delivery.id, trace);
            self.work(events, cause, deadline, By::Inline).await
        };
        Received::new(Ok(receipt), true)
    }

    /// The same of one whose body could not be read.
    pub async fn take_unread(
        &self,
        id: &EndpointId,
        claimed: Option<&str>,
        delivery: &Delivery,
        now: u64,
        why: NoBody,
    ) -> Received {
        let secret = claimed.map(Secret::new);
        let known = known(claimed, secret.as_ref());
        let admitted = self.admit_to(id, claimed, &known, delivery, now).await;
        if let Err(received) = admitted {
            return received;
        }
        let (source, told) = (id.source(), Told::unread(why));
        let kept = self.keep(Some(&source), delivery, &known, told).await;
        Received::new(Err(Refusal::NoBody(why)), kept.is_ok())
    }

    /// The endpoint, if this is its token; else what the sender is told. What comes with another is recorded as the settings say.
    async fn admit_to(
        &self,
        id: &EndpointId,
        claimed: Option<&str>,
        known: &Known<'_>,
        delivery: &Delivery,
        now: u64,
    ) -> Result<Arc<Endpoint>, Received> {
        let found = match self.endpoint(id).await {
            Ok(found) => found.filter(|endpoint| !endpoint.has_expired(now)),
            Err(error) => {
                self.metrics.unrecorded();
                let failed = Refusal::Failed(WorkError::State(error));
                return Err(Received::new(Err(failed), false));
            }
        };
        let Some(endpoint) = found else {
            let unknown = Refusal::Rejected(Rejection::Unknown);
            return Err(Received::new(Err(unknown), true));
        };
        if claimed.is_some_and(|claimed| endpoint.opens_with(claimed)) {
            return Ok(endpoint);
        }
        let refusal = Refusal::Rejected(Rejection::Unauthentic);
        Err(self
            .refuse(Some(&id.source()), delivery, known, refusal)
            .await)
    }

    /// The endpoint of this name, by one read at most.
    ///
    /// # Errors
    /// The state bucket did not answer. That it denies counts as none: without the right to list, which a receiver has not, it
    /// says no more of a key that is not there.
    async fn endpoint(&self, id: &EndpointId) -> Result<Option<Arc<Endpoint>>, CallError> {
        if let Some(known) = self.endpoints.get(id) {
            return Ok(known);
        }
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let found = match state.read_file(&id.place()).await {
            Ok(read) => read.and_then(|(json, _)| Endpoint::from_json(&json)),
            Err(error) if matches!(error.kind, Kind::Denied | Kind::NotFound) => None,
            Err(error) => return Err(error),
        };
        let found = found.map(Arc::new);
        self.endpoints.insert(id, found.clone());
        Ok(found)
    }
}

/// What is secret in a delivery with this token, whether it is the right one or not.
fn known<'a>(claimed: Option<&'a str>, secret: Option<&'a Secret>) -> Known<'a> {
    Known {
        secrets: secret.into_iter().collect(),
        segments: claimed.into_iter().collect(),
        ..Known::default()
    }
}

/// What endpoints there are. Nobody but us writes to the folder, and there are no more of them than there may be, but for some
/// that were made at the same time.
async fn ids(state: &Bucket) -> Result<Vec<EndpointId>, CallError> {
    let (mut ids, mut after) = (Vec::new(), None::<String>);
    while ids.len() < 10 * ENDPOINTS_MAX.get() {
        let (files, last) = state.page(endpoint::FOLDER, after.as_deref()).await?;
        ids.extend(
            files
                .iter()
                .filter_map(|file| EndpointId::of_file(&file.key)),
        );
        after = files.last().map(|file| file.key.clone());
        if last {
            break;
        }
    }
    Ok(ids)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system has random bytes");
    bytes
}
