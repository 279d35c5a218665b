//! Deliveries are kept, and received again when an operator says so; and what was done for one is marked, so that it is not done
//! twice.

use super::App;
use crate::domain::delivery::{BODY_MAX, Delivery, DeliveryId, Rejection};
use crate::domain::event::Event;
use crate::domain::job::{Cause, Outcome};
use crate::domain::reconcile::Condition;
use crate::domain::record::{HEAD_MAX, Record};
use crate::domain::source::{Message, Proof, Source};
use crate::domain::trace::Trace;
use crate::error::WorkError;
use crate::mirror::Mirrored;
use crate::receipt::{Ended, Receipt};
use serde_json::json;
use std::sync::Arc;
use tokio::time::Instant;

impl App {
    /// Keeps a delivery, before it is acknowledged. Where that fails its work is done all the same, unless a part of it would be
    /// nowhere: it can then not be received again from here.
    ///
    /// # Errors
    /// It was not kept, and is longer than what is published of it.
    pub(super) async fn keep(
        &self,
        name: &str,
        source: &Source,
        delivery: &Delivery,
        events: &[Event],
    ) -> Result<(), WorkError> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        let secret = match source {
            // Its events are hints: the origin itself can be asked again.
            Source::S3(_) => return Ok(()),
            Source::Intdash(_) => None,
            Source::Generic(source) => source.verify.secret_header(),
        };
        let record = Record::new(name, delivery, secret);
        let place = Record::place(delivery.id);
        if let Err(error) = state.create_file(&place, record.to_bytes()).await {
            tracing::error!(delivery.id = %delivery.id, source = name, %error, "a delivery was not kept");
            if events
                .iter()
                .any(|event| matches!(event, Event::Forward(of) if of.body.is_cut()))
            {
                return Err(WorkError::State(error));
            }
        }
        Ok(())
    }

    /// Receives a delivery again that was kept: neither its time nor its id counts any more, and what it was proven by is not asked
    /// for again, which may have been changed since. Returns how many jobs were done or are queued.
    ///
    /// # Errors
    /// A sentence: it is not there, its source is no more, or its work failed.
    pub async fn replay(
        self: &Arc<Self>,
        id: DeliveryId,
        trace: Option<Trace>,
        deadline: Instant,
    ) -> Result<u64, String> {
        let state = self
            .state
            .as_ref()
            .ok_or("there is no STATE_BUCKET: no delivery is kept")?;
        let found = state
            .read_up_to(&Record::place(id), HEAD_MAX + BODY_MAX)
            .await;
        let found = found.map_err(|error| error.to_string())?;
        let (bytes, _) = found.ok_or_else(|| format!("no delivery {id} is kept"))?;
        let Record {
            source: name,
            delivery,
        } = Record::from_bytes(bytes.into())
            .ok_or_else(|| format!("what is kept of delivery {id} is not what was written"))?;
        let source = self.sources.get(&name);
        let source = source
            .ok_or_else(|| format!("delivery {id} was of source {name}, which is no more"))?;
        let opened = source.open(&name, &delivery, Proof::Operator);
        let Message::Events(events) =
            opened.map_err(|rejection: Rejection| rejection.to_string())?
        else {
            return Err(format!(
                "delivery {id} was a handshake: there is nothing to do again"
            ));
        };
        tracing::info!(delivery.id = %id, source = name, "a delivery is received again");
        let Receipt::Done { entries, .. } = self
            .work(events, Cause::new(id, trace).again(), deadline)
            .await
        else {
            unreachable!("events are worked on");
        };
        let failed = entries
            .iter()
            .filter(|entry| matches!(entry.ended, Ended::Failed | Ended::Malformed))
            .count();
        if failed > 0 {
            return Err(format!(
                "{failed} of {} jobs failed: the log says why",
                entries.len()
            ));
        }
        Ok(entries.len() as u64)
    }

    /// Does what publishes something, unless it was done for the same occurrence before. It counts as done only when it is; a bucket
    /// that does not tell is no reason to leave it undone.
    pub(super) async fn once(
        &self,
        source: &str,
        occurrence: Option<&str>,
        cause: &Cause,
        work: impl Future<Output = Result<(), WorkError>>,
    ) -> Result<Mirrored, WorkError> {
        let mark = self.state.as_ref().zip(occurrence);
        let mark = mark.map(|(state, occurrence)| (state, format!("done/{source}/{occurrence}")));
        if let Some((state, place)) = &mark {
            match state.read_file(place).await {
                Ok(None) => {}
                Ok(Some(_)) => {
                    return Ok(Mirrored {
                        reason: Some("it was done before"),
                        ..Mirrored::without_bytes(Outcome::Ignored)
                    });
                }
                Err(error) => {
                    tracing::warn!(delivery.id = %cause.delivery, source, %error, "whether it was done before is not known");
                }
            }
        }
        work.await?;
        if let Some((state, place)) = &mark {
            let json = json!({"delivery": cause.delivery.to_string()}).to_string();
            match state
                .write_file(place, json.into_bytes(), &Condition::Absent)
                .await
            {
                Err(error) if !error.moved() => {
                    tracing::warn!(delivery.id = %cause.delivery, source, %error, "that it is done was not marked");
                }
                _ => {}
            }
        }
        Ok(Mirrored::without_bytes(Outcome::Published))
    }
}
