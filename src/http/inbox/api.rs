//! The JSON of the inbox: the list, one delivery in full, and how the mirror stands.

use super::Inbox;
use axum::Router;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Inbox>> {
    Router::new()
}
