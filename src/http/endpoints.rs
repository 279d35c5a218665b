//! Endpoints of one's own, towards senders: whatever is posted with the right token is recorded.

use super::Clock;
use crate::app::App;
use axum::Router;
use std::sync::Arc;

pub(super) fn routes(_app: Arc<App>, _clock: Clock) -> Router<Arc<App>> {
    Router::new()
}
