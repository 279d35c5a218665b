//! Summarises a measurement and publishes the notice.

use crate::clients::bucket::Bucket;
use crate::clients::error::{CallError, Kind};
use crate::clients::intdash::Intdash;
use crate::clients::topic::Topic;
use crate::domain::event::MeasurementRef;
use crate::domain::notice::{Notice, Summarised};
use crate::domain::reconcile::Condition;
use crate::domain::signature::Secret;
use crate::domain::source::intdash::IntdashSource;
use crate::domain::summary::Summary;
use crate::error::WorkError;

/// How often a file that others write too is tried to be written.
const ATTEMPTS: u32 = 3;

/// Fetches the measurement's facts and data points, computes the summary in one pass, and publishes it. What is too long for a
/// notice goes into the state bucket, if there is one.
///
/// # Errors
/// A fetch that failed or broke off publishes nothing: half the data makes no summary.
pub async fn publish(
    of: &MeasurementRef,
    settings: &IntdashSource,
    server: &Intdash,
    token: &Secret,
    topic: &Topic,
    state: Option<&Bucket>,
) -> Result<Summary, WorkError> {
    // They are an ornament: what another attempt would not mend is no reason for no summary.
    let (facts, unread) = match server.facts(of, token).await {
        Ok(facts) => (facts, false),
        Err(error) if matches!(error.kind, Kind::Refused | Kind::BadAnswer) => {
            tracing::warn!(measurement = of.measurement, %error, "a measurement's own facts cannot be read");
            (None, true)
        }
        Err(error) => return Err(WorkError::Intdash(error)),
    };
    let mut summary = Summary::default();
    let fetched = server
        .points(of, settings, token, |point| summary.take(point))
        .await;
    fetched.map_err(WorkError::Intdash)?;
    let done = Summarised {
        of,
        settings,
        facts: facts.as_ref(),
        unread,
        summary: &summary,
    };
    let kept = match (done.too_long(), state) {
        (Some(whole), Some(state)) => {
            let key = format!(
                "summaries/{}/{}/{}.json",
                of.source, of.project, of.measurement
            );
            let kept = keep(state, &key, whole.into_bytes()).await;
            kept.map_err(WorkError::State)?;
            Some(format!("s3://{}/{key}", state.name()))
        }
        _ => None,
    };
    let notice = Notice::of_summary(&done, kept.as_deref());
    let published = topic.publish(&notice).await;
    published.map_err(WorkError::Topic)?;
    Ok(summary)
}

/// Writes a file, in place of what an earlier attempt may have written.
async fn keep(state: &Bucket, key: &str, json: Vec<u8>) -> Result<(), CallError> {
    let mut condition = Condition::Absent;
    let mut attempt = 0;
    loop {
        attempt += 1;
        match state.write_file(key, json.clone(), &condition).await {
            Err(error) if error.moved() && attempt < ATTEMPTS => {
                let there = state.read_file(key).await?;
                condition = there.map_or(Condition::Absent, |(_, etag)| Condition::Unchanged(etag));
            }
            written => return written.map(drop),
        }
    }
}
