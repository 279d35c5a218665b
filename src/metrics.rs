//! What is measured, in CloudWatch's Embedded Metric Format: lines of JSON on standard output that CloudWatch reads
//! numbers from. Nothing is called and nothing waits. Values of dimensions are words of this program and the function's own
//! name, never a key or a bucket: each combination is a metric that costs money for as long as it is written.

use crate::domain::bound::Bound;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime as _;

/// Where the metrics are in CloudWatch.
pub const NAMESPACE: &str = "hookwork";

/// What a metric counts in, as CloudWatch spells it.
const COUNT: &str = "Count";
const BYTES: &str = "Bytes";
const MILLISECONDS: &str = "Milliseconds";
const SECONDS: &str = "Seconds";

/// Every metric with its unit: README's table, the template's dashboard and alarms, and this list are one.
pub const METRICS: [(&str, &str); 12] = [
    ("deliveries", COUNT),
    ("unrecorded", COUNT),
    ("rejections", COUNT),
    ("lost_records", COUNT),
    ("subscriptions_ended", COUNT),
    ("jobs", COUNT),
    ("copied_bytes", BYTES),
    ("lag", MILLISECONDS),
    ("missed_hints", COUNT),
    ("held_deletions", COUNT),
    ("audit_age", SECONDS),
    ("cold_starts", COUNT),
];

/// CloudWatch takes this many values of a metric in one line.
static VALUES_MAX: Bound<usize> = Bound::new("metrics.values", 100);

/// What is counted until the next line. It belongs to the process, not to an invocation: what an invocation counted that
/// panicked goes out with the next one.
#[derive(Debug)]
pub struct Metrics {
    /// Of nothing where the function has no name: then nothing is written.
    function: Option<String>,
    level: &'static str,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    deliveries: u64,
    unrecorded: u64,
    lost_records: u64,
    rejections: BTreeMap<&'static str, u64>,
    subscriptions_ended: u64,
    jobs: BTreeMap<&'static str, u64>,
    /// None where no copy was put in place.
    copied_bytes: Option<u64>,
    /// In milliseconds, one for each copy that an event told of.
    lags: Vec<u64>,
    /// Hints of the audits that ended.
    missed_hints: Option<u64>,
    /// Removals that are held, with those of the audits that ended.
    held_deletions: Option<u64>,
    /// The greatest of all buckets, in seconds.
    audit_age: Option<u64>,
    cold_starts: u64,
}

impl Metrics {
    /// Of a function of this name that logs from this level on. Lambda drops what is below the level; what counts is not to
    /// be dropped, so the lines say that they are of it.
    #[must_use]
    pub fn new(function: Option<String>, level: tracing::level_filters::LevelFilter) -> Self {
        let level = level.into_level().unwrap_or(tracing::Level::ERROR);
        Self {
            function,
            level: level.as_str(),
            counts: Mutex::new(Counts {
                cold_starts: 1,
                ..Counts::default()
            }),
        }
    }

    /// A delivery was answered; where it was refused, with the reason's word.
    pub fn delivery(&self, rejected: Option<&'static str>) {
        let mut counts = self.counts();
        counts.deliveries += 1;
        if let Some(reason) = rejected {
            *counts.rejections.entry(reason).or_default() += 1;
        }
    }

    /// A delivery, or an attempt at its jobs, could not be recorded.
    pub fn unrecorded(&self) {
        self.counts().unrecorded += 1;
    }

    /// So many records of a delivery were acknowledged although they are not the shape, not on the allow-list, or failed for
    /// good.
    pub fn lost_records(&self, count: u64) {
        self.counts().lost_records += count;
    }

    /// A topic of AWS SNS delivers to us no more.
    pub fn subscription_ended(&self) {
        self.counts().subscriptions_ended += 1;
    }

    /// A job ended, with this word.
    pub fn job(&self, outcome: &'static str) {
        *self.counts().jobs.entry(outcome).or_default() += 1;
    }

    /// A copy is in the backup: its bytes as far as they were carried, and the seconds since the epoch at which the origin
    /// says that it was changed. `told`: an event told of it, and not an audit. Returns the time since then, in milliseconds.
    pub fn copied(&self, bytes: u64, last_modified: i64, told: bool) -> u64 {
        let changed = Duration::from_secs(u64::try_from(last_modified).unwrap_or_default());
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let lag = now.unwrap_or_default().saturating_sub(changed);
        let lag = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
        if self.add_copy(bytes, told.then_some(lag)) {
            self.flush();
        }
        lag
    }

    /// Says whether a line is full.
    fn add_copy(&self, bytes: u64, lag: Option<u64>) -> bool {
        let mut counts = self.counts();
        *counts.copied_bytes.get_or_insert_default() += bytes;
        // Without a name nothing is ever written, and these would pile up.
        if self.function.is_some() {
            counts.lags.extend(lag);
        }
        counts.lags.len() >= VALUES_MAX.get()
    }

    /// An audit has ended: so many hints that no event had given, and so many removals that it held.
    pub fn audit(&self, missed_hints: u64, held_deletions: u64) {
        *self.counts().missed_hints.get_or_insert_default() += missed_hints;
        self.held(held_deletions);
    }

    /// Audits are to begin: how long ago the last one began that came to its end, of the bucket of which it is longest.
    pub fn audit_age(&self, seconds: u64) {
        let mut counts = self.counts();
        counts.audit_age = counts.audit_age.max(Some(seconds));
    }

    /// So many removals are held.
    pub fn held(&self, deletions: u64) {
        *self.counts().held_deletions.get_or_insert_default() += deletions;
    }

    /// Writes what was counted since the last time, if anything was. A log that cannot be written stops nothing.
    pub fn flush(&self) {
        let lines = self.lines();
        if !lines.is_empty() {
            std::io::stdout().lock().write_all(lines.as_bytes()).ok();
        }
    }

    /// What was counted since the last time, as lines. One, and another for each further outcome or reason: a line has one
    /// value of a dimension.
    #[must_use]
    pub fn lines(&self) -> String {
        let counts = std::mem::take(&mut *self.counts());
        let mut lines = String::new();
        let Some(function) = &self.function else {
            return lines;
        };
        let mut rejections = counts.rejections.iter();
        let mut jobs = counts.jobs.iter();
        let mut first = Some(&counts);
        loop {
            let (rejection, job) = (rejections.next(), jobs.next());
            let mut line = Line::default();
            if let Some(counts) = first.take() {
                line.plain(counts);
            }
            line.by("reason", "rejections", rejection);
            line.by("outcome", "jobs", job);
            if line.values.is_empty() {
                return lines;
            }
            line.write(function, self.level, &mut lines);
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Numbers are whole at any moment.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line in the making: which metrics have which dimensions, and their values.
#[derive(Default)]
struct Line {
    directives: String,
    values: String,
}

impl Line {
    /// What the function's name alone tells apart.
    fn plain(&mut self, counts: &Counts) {
        let some = |count: u64| (count > 0).then_some(count);
        let lag = counts.lags.iter().map(u64::to_string).collect::<Vec<_>>();
        let lag = (!lag.is_empty()).then(|| format!("[{}]", lag.join(",")));
        let numbers = [
            ("deliveries", some(counts.deliveries)),
            ("unrecorded", some(counts.unrecorded)),
            ("lost_records", some(counts.lost_records)),
            ("subscriptions_ended", some(counts.subscriptions_ended)),
            ("copied_bytes", counts.copied_bytes),
            ("missed_hints", counts.missed_hints),
            ("held_deletions", counts.held_deletions),
            ("audit_age", counts.audit_age),
            ("cold_starts", some(counts.cold_starts)),
        ];
        let numbers = numbers
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.to_string())));
        let found: Vec<_> = numbers.chain(lag.map(|lag| ("lag", lag))).collect();
        self.add(&[], &found);
    }

    /// What another dimension tells apart.
    fn by(
        &mut self,
        dimension: &'static str,
        metric: &'static str,
        found: Option<(&&'static str, &u64)>,
    ) {
        if let Some((value, count)) = found {
            write!(self.values, ",\"{dimension}\":\"{value}\"").ok();
            self.add(&[dimension], &[(metric, count.to_string())]);
        }
    }

    fn add(&mut self, dimensions: &[&str], found: &[(&'static str, String)]) {
        if found.is_empty() {
            return;
        }
        let comma = if self.directives.is_empty() { "" } else { "," };
        let dimensions: String = dimensions.iter().map(|it| format!(",\"{it}\"")).collect();
        write!(
            self.directives,
            "{comma}{{\"Namespace\":\"{NAMESPACE}\",\"Dimensions\":[[\"function\"{dimensions}]],\"Metrics\":["
        )
        .ok();
        for (index, (name, value)) in found.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let unit = METRICS.iter().find(|(known, _)| known == name);
            let unit = unit.expect("every metric is listed").1;
            write!(
                self.directives,
                "{comma}{{\"Name\":\"{name}\",\"Unit\":\"{unit}\"}}"
            )
            .ok();
            write!(self.values, ",\"{name}\":{value}").ok();
        }
        self.directives.push_str("]}");
    }

    fn write(&self, function: &str, level: &str, lines: &mut String) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let ms = now.unwrap_or_default().as_millis();
        // As Lambda wants them, which otherwise takes the line to be of the level INFO.
        let mut timestamp = String::new();
        let clock = tracing_subscriber::fmt::time::SystemTime;
        clock.format_time(&mut Writer::new(&mut timestamp)).ok();
        let function = serde_json::Value::from(function);
        writeln!(
            lines,
            "{{\"_aws\":{{\"Timestamp\":{ms},\"CloudWatchMetrics\":[{}]}},\"timestamp\":\"{timestamp}\",\"level\":\"{level}\",\"message\":\"metrics\",\"function\":{function}{}}}",
            self.directives, self.values
        )
        .ok();
    }
}

#[cfg(test)]
mod tests;
