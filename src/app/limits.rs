//! How many deliveries of one source this process takes and records, so that a noisy one leaves room for the others. Counted in
//! memory: each copy of the function counts for itself, and what the API itself lets through is not in its hands.

use crate::domain::bound::Bound;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Seconds of a source's rate that may come at once.
const BURST: f64 = 10.0;
/// Refused deliveries that are recorded of one source at once. Whoever is not who he says costs us no more writes than this.
static REFUSED_BURST: Bound<u32> = Bound::new("limits.refused", 1_000);
/// Refused deliveries of one source that are recorded in a second, on average.
const REFUSED_RATE: f64 = 10.0;
/// Names that are remembered: those of sources are few, those of endpoints need not be.
static NAMES_MAX: Bound<usize> = Bound::new("limits.names", 1_000);

/// What is counted of each source.
#[derive(Debug, Default)]
pub(super) struct Limits {
    taken: Mutex<HashMap<String, Tokens>>,
    refused: Mutex<HashMap<String, Tokens>>,
}

/// A bucket of tokens that fills by itself.
#[derive(Clone, Copy, Debug)]
struct Tokens {
    left: f64,
    at: Instant,
}

impl Limits {
    /// Takes a delivery of a source with this rate.
    ///
    /// # Errors
    /// There were too many: after how many seconds there is room again.
    pub(super) fn take(&self, source: &str, rate: Option<NonZeroU32>) -> Result<(), u64> {
        let Some(rate) = rate else { return Ok(()) };
        let rate = f64::from(rate.get());
        take(&self.taken, source, rate, rate * BURST)
    }

    /// Whether one more refused delivery is recorded. They have a limit of their own: strangers use up nothing of a source's.
    pub(super) fn records_refused(&self, source: Option<&str>) -> bool {
        let burst = f64::from(REFUSED_BURST.get());
        take(
            &self.refused,
            source.unwrap_or_default(),
            REFUSED_RATE,
            burst,
        )
        .is_ok()
    }
}

fn take(
    all: &Mutex<HashMap<String, Tokens>>,
    name: &str,
    rate: f64,
    burst: f64,
) -> Result<(), u64> {
    let now = Instant::now();
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    let filled = |tokens: &Tokens| {
        let since = now.saturating_duration_since(tokens.at);
        (tokens.left + since.as_secs_f64() * rate).min(burst)
    };
    if all.len() >= NAMES_MAX.get() && !all.contains_key(name) {
        // Those that are full again need not be remembered.
        all.retain(|_, tokens| filled(tokens) < burst);
        if all.len() >= NAMES_MAX.get() {
            all.clear();
        }
    }
    let full = Tokens {
        left: burst,
        at: now,
    };
    let tokens = all.entry(name.to_owned()).or_insert(full);
    let left = filled(tokens);
    tokens.at = now;
    if left < 1.0 {
        tokens.left = left;
        // A second at least, and no more than a few: the rate is one a second at least.
        return Err(u64::from(rate < 1.0) + 1);
    }
    tokens.left = left - 1.0;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_source_has_ten_seconds_of_its_rate_at_once_and_then_its_rate() {
        let limits = Limits::default();
        let rate = NonZeroU32::new(5);
        let taken = |source| {
            (0..1_000)
                .filter(|_| limits.take(source, rate).is_ok())
                .count()
        };
        assert_eq!(taken("a"), 50);
        assert_eq!(limits.take("a", rate), Err(1));
        assert_eq!(taken("b"), 50, "each for itself");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(taken("a"), 10);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken("a"), 50);
        assert!((0..1_000).all(|_| limits.take("c", None).is_ok()));
    }

    #[tokio::test(start_paused = true)]
    async fn refused_ones_are_counted_apart_and_no_more_names_are_remembered() {
        let limits = Limits::default();
        let recorded = |source| {
            let all = (0..2_000).filter(|_| limits.records_refused(source));
            all.count()
        };
        assert_eq!([recorded(Some("a")), recorded(None)], [1_000, 1_000]);
        assert!(limits.take("a", NonZeroU32::new(1)).is_ok());
        for number in 0..5_000 {
            limits.records_refused(Some(&format!("in/{number}")));
        }
        assert!(limits.refused.lock().unwrap().len() <= NAMES_MAX.get());
    }
}
