//! Summarises a measurement and publishes the notice.

use crate::clients::intdash::Intdash;
use crate::clients::topic::Topic;
use crate::domain::event::MeasurementRef;
use crate::domain::notice::Notice;
use crate::domain::signature::Secret;
use crate::domain::source::intdash::DataFilter;
use crate::domain::summary::Summary;
use crate::error::WorkError;

/// Fetches the measurement's data points, computes the summary in one pass, and publishes it.
///
/// # Errors
/// A fetch that failed or broke off publishes nothing: half the data makes no summary.
pub async fn publish(
    of: &MeasurementRef,
    data: &DataFilter,
    server: &Intdash,
    token: &Secret,
    topic: &Topic,
) -> Result<Summary, WorkError> {
    let mut summary = Summary::default();
    let fetched = server
        .float64_values(of, &data.id, token, |value| summary.push(value))
        .await;
    fetched.map_err(WorkError::Intdash)?;
    let published = topic.publish(&Notice::of_summary(of, &summary)).await;
    published.map_err(WorkError::Topic)?;
    Ok(summary)
}
