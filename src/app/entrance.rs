//! Who may look into the inbox: what the edge needs to know for that.

use super::App;
use crate::domain::secrets::Secrets;
use crate::domain::source::Source;
use std::sync::Arc;
use std::time::Duration;

/// A token that was changed opens nothing any more after this, sessions that were begun with it included.
const TOKEN_COUNTS_FOR: Duration = Duration::from_secs(300);

impl App {
    /// Whether there is a place where anything is kept: without one there is no inbox.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.state.is_some()
    }

    /// Which deliveries are recorded, in the setting's word.
    #[must_use]
    pub fn recording_word(&self) -> &'static str {
        self.recording.word()
    }

    /// The sources: name, kind, and whether their deliveries must prove whose they are.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &'static str, bool)> {
        self.sources.iter().map(|(name, source)| {
            let kind = match source {
                Source::S3(_) => "s3",
                Source::Intdash(_) => "intdash",
                Source::Generic(_) => "generic",
            };
            (name.as_str(), kind, source.proves())
        })
    }

    /// The secrets that have the inbox's token, read again from time to time.
    pub async fn inbox_secrets(&self) -> Arc<Secrets> {
        self.secrets.within(TOKEN_COUNTS_FOR).await
    }

    /// Newer ones than these, where somebody comes with what they do not know.
    pub async fn newer_inbox_secrets(&self, stale: &Secrets) -> Option<Arc<Secrets>> {
        self.secrets.newer_than(stale).await
    }
}
