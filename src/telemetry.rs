//! Logs as JSON lines on standard output.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Logs this crate's lines from `level` on. Of the libraries below only warnings: at their lower levels they write whole
/// requests, tokens included.
pub fn init(level: LevelFilter) {
    let ours = Targets::new()
        .with_target("hookwork", level)
        .with_default(level.min(LevelFilter::WARN));
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false);
    tracing_subscriber::registry().with(ours).with(json).init();
}
