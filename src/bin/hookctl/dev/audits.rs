//! Audits on this machine: once when the steps are through, and whenever the process gets SIGUSR1. None by the minute: it would
//! mail every minute while removals are held, and find again what somebody has just decided to leave.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use hookwork::app::App;

use crate::print::Printer;

/// How long one may take, as in a function.
const TIME: Duration = Duration::from_secs(900);

/// The signal that asks for an audit.
#[derive(Debug)]
pub(super) struct Audits(Signal);

impl Audits {
    /// From here on the signal no longer ends the process.
    ///
    /// # Errors
    /// The system has no more signals to give.
    pub(super) fn asked_for() -> Result<Self> {
        let asked = signal(SignalKind::user_defined1()).context("cannot wait for SIGUSR1")?;
        Ok(Self(asked))
    }

    /// Runs one each time, without end.
    pub(super) async fn run(&mut self, app: &Arc<App>, printer: &Printer) {
        while self.0.recv().await.is_some() {
            run(app, printer).await;
        }
    }
}

/// Lays origin and backup side by side, as the clock has the function do, and says that it is done.
pub(super) async fn run(app: &Arc<App>, printer: &Printer) {
    match app.tick(None, Instant::now() + TIME).await {
        Ok(_) => printer.detail("audited", "what it found is in the inbox, under Mirror"),
        Err(problem) => printer.detail("audited", &problem),
    }
}
