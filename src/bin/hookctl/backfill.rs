//! `hookctl backfill`: the first audit, here and now, with a bar.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Args;
use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use serde_json::json;

use hookwork::app::App;
use hookwork::app::operator::backfill::{Filled, Progress, Removals};
use hookwork::domain::event::OriginRef;
use hookwork::domain::job::Outcome;

use crate::print::{Printer, clean, complain};
use crate::{ERROR, FOUND, settings, width};

/// What an object costs beside its bytes, in bytes: the calls for it. Only the time left is told by it.
const EFFORT: u64 = 256 << 10;
/// So many failures are told by name.
const FAILURES_SHOWN: usize = 1000;

const HELP: &str = "\
Both listings are compared, and the function's own mirror repairs each difference, on this machine, without the queue. Objects \
that are right already are not copied again, so that it can be stopped and run again at any time: the first Ctrl-C ends it after \
the objects in hand, the second at once. With STATE_BUCKET it also goes on where it, or the audit, has come to.

Removals are an audit's: with STATE_BUCKET, proven one by one, and held where they are more than the bucket's `hold`.

Exit codes: 0 all is mirrored, but for removals that wait, as it says then; 1 some objects failed or it was stopped; 2 error; \
130 stopped at once.

Examples:
  hookctl backfill vk myfiles-ash --dry-run
  hookctl --settings settings.json backfill vk myfiles-ash logs \\
    --concurrency 64";

/// The options of `hookctl backfill`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// A source of kind s3
    source: String,
    /// Origin buckets of it: project/bucket, or bucket
    #[arg(required = true)]
    buckets: Vec<String>,
    /// Print what would be done; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Objects at a time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// JSON: of each bucket a line that counts; with --dry-run, of each object too
    #[arg(long)]
    json: bool,
}

/// Fills one bucket after the other.
///
/// # Errors
/// The settings are wrong, or a bucket is not one of the source's.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let app = settings::app_without_queue().await?;
    let named = options
        .buckets
        .iter()
        .map(|bucket| app.origin_named(&options.source, bucket));
    let origins: Result<Vec<_>, _> = named.collect();
    let origins = origins.map_err(|problem| anyhow!(problem))?;
    let printer = Printer::from_environment();
    let stop = Arc::new(AtomicBool::new(false));
    if !options.dry_run {
        tokio::spawn(stopping(Arc::clone(&stop)));
    }
    let mut worst = 0;
    for of in &origins {
        let ended = if options.dry_run {
            pretend(&app, of, options.json, &printer).await
        } else {
            fill(&app, of, options, &stop, &printer).await
        };
        // What one bucket lacks stops no other.
        let code = ended.unwrap_or_else(|problem| {
            complain("error", &format!("{}: {problem:#}", of.id()));
            ERROR
        });
        worst = worst.max(code);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(ExitCode::from(worst))
}

/// The first Ctrl-C stops it in order, the second at once.
async fn stopping(stop: Arc<AtomicBool>) {
    crate::dev::interrupted().await;
    stop.store(true, Ordering::Relaxed);
    eprintln!("\nstopping after the objects in hand; once more to stop at once");
    crate::dev::interrupted().await;
    std::process::exit(130);
}

async fn pretend(app: &Arc<App>, of: &OriginRef, json: bool, printer: &Printer) -> Result<u8> {
    let (mut objects, mut bytes) = (0, 0);
    let compared = app
        .compare(of, false, |differing| {
            let Some(remedy) = differing.difference.remedy() else {
                return;
            };
            // Without a state bucket a run removes nothing.
            let remedy = match remedy {
                "remove" if !app.removes() => "left",
                remedy => remedy,
            };
            if remedy == "copy" {
                objects += 1;
                bytes += differing.size;
            }
            if json {
                printer
                    .json(&json!({"would": remedy, "key": differing.key, "size": differing.size}));
                return;
            }
            let size = HumanBytes(differing.size).to_string();
            let key = clean(&differing.key);
            printer.line(&format!(" {remedy:<7} {size:>10}  {key}"));
        })
        .await?;
    if json {
        printer.json(&json!({"source": of.source, "bucket": of.origin, "compared": compared}));
        return Ok(0);
    }
    printer.prose(&format!(
        "{}: {} of {} objects would be copied, {}; nothing was changed",
        of.id(),
        HumanCount(objects),
        HumanCount(compared.keys),
        HumanBytes(bytes)
    ));
    if compared.held && app.removes() {
        printer.prose("The removals are more than the rule's hold: they would wait for a human.");
    }
    Ok(0)
}

/// What is known so far.
#[derive(Default)]
struct Tally {
    found: (u64, u64),
    surveyed: bool,
    done: (u64, u64),
    /// Objects that are right since, and their sizes: one whose bytes were there already is among them.
    made_right: (u64, u64),
    failures: Vec<(String, String)>,
}

async fn fill(
    app: &Arc<App>,
    of: &OriginRef,
    options: &Options,
    stop: &AtomicBool,
    printer: &Printer,
) -> Result<u8> {
    let bar = ProgressBar::new(0)
        .with_style(style()?)
        .with_prefix(printer.shorten(&of.id(), printer.width().saturating_sub(28)));
    bar.enable_steady_tick(Duration::from_millis(250));
    let tally = Mutex::new(Tally::default());
    let watch = |progress: Progress<'_>| {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.note(progress);
        tally.show(&bar);
    };
    let at_a_time = usize::from(options.concurrency);
    let filled = app.backfill(of, at_a_time, stop, &watch).await;
    let took = bar.elapsed();
    bar.finish_and_clear();
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let code = |filled: &Filled| {
        if filled.failed > 0 || filled.stopped {
            FOUND
        } else {
            0
        }
    };
    for (key, why) in &tally.failures {
        eprintln!(" failed  {}: {}", clean(key), clean(why));
    }
    let filled = filled?;
    if options.json {
        let (objects, bytes) = tally.made_right;
        let (removed, held, left) = match filled.removals {
            Removals::None => (0, 0, 0),
            Removals::Done(count) => (count, 0, 0),
            Removals::Held(count) => (0, count, 0),
            Removals::Left(count) => (0, 0, count),
        };
        let failures: Vec<_> = tally
            .failures
            .iter()
            .map(|(key, why)| json!({"key": key, "why": why}))
            .collect();
        let line = json!({
            "source": of.source, "bucket": of.origin, "keys": filled.keys, "made_right": objects, "objects_bytes": bytes,
            "failed": filled.failed, "failures": failures, "foreign": filled.foreign, "removals": removed, "held": held,
            "left": left, "stopped": filled.stopped, "resumed": filled.resumed, "seconds": took.as_secs_f64(),
        });
        printer.json(&line);
    } else {
        summary(printer, of, &tally, &filled, took);
    }
    Ok(code(&filled))
}

impl Tally {
    fn note(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Found(objects, bytes) => {
                self.found.0 += objects;
                self.found.1 += bytes;
            }
            Progress::Surveyed => self.surveyed = true,
            Progress::Done(size, outcome) => {
                self.done.0 += 1;
                self.done.1 += size;
                if outcome == Outcome::Copied {
                    self.made_right.0 += 1;
                    self.made_right.1 += size;
                }
            }
            Progress::Failed(key, size, error) => {
                self.done.0 += 1;
                self.done.1 += size;
                if self.failures.len() < FAILURES_SHOWN {
                    self.failures.push((key.to_owned(), error.to_string()));
                }
            }
        }
    }

    fn show(&self, bar: &ProgressBar) {
        let effort = |(objects, bytes): (u64, u64)| bytes + objects * EFFORT;
        // Until all is counted the work may be ahead of the count.
        let found = (self.found.0.max(self.done.0), self.found.1.max(self.done.1));
        bar.set_length(effort(found).max(1));
        bar.set_position(effort(self.done));
        let seconds = bar.elapsed().as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = |count: u64| (count as f64 / seconds) as u64;
        let columns = width::known(std::io::stderr()).unwrap_or(width::USUAL);
        let more = if self.surveyed { "" } else { "+" };
        let failed = if self.failures.is_empty() {
            String::new()
        } else {
            format!("{} failed", self.failures.len())
        };
        let left = if self.surveyed && self.done.0 > 0 {
            format!("{} left", HumanDuration(bar.eta()))
        } else {
            String::new()
        };
        let objects = format!(
            "{}/{}{more} objects, {}/s",
            HumanCount(self.done.0),
            HumanCount(found.0),
            HumanCount(rate(self.done.0)),
        );
        let bytes = format!(
            "{}/{}{more}, {}/s",
            HumanBytes(self.done.1),
            HumanBytes(found.1),
            HumanBytes(rate(self.done.1)),
        );
        let room = columns.saturating_sub(2);
        bar.set_message(told(&[&objects, &bytes, &left, &failed], room));
    }
}

/// As many of the parts as there is room for: the count of objects always, the bytes first to go.
fn told(parts: &[&str], room: usize) -> String {
    let mut kept: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    while kept.len() > 1 && kept.join("  ").chars().count() > room {
        kept.remove(1);
    }
    kept.join("  ")
}

/// In two lines, so that an ordinary terminal has room for each.
fn style() -> Result<ProgressStyle> {
    let style = ProgressStyle::with_template("{prefix} [{bar:24}]\n  {msg}")?;
    Ok(style.progress_chars("=> "))
}

/// What has become of it, in words.
fn summary(printer: &Printer, of: &OriginRef, tally: &Tally, filled: &Filled, took: Duration) {
    let (objects, bytes) = tally.made_right;
    let resumed = if filled.resumed {
        ", going on with a run that had begun"
    } else {
        ""
    };
    printer.prose(&format!(
        "{}: {} of {} objects{} made right, {} in size, in {:.1} s{resumed}",
        of.id(),
        HumanCount(objects),
        HumanCount(filled.keys),
        if filled.stopped { " so far" } else { "" },
        HumanBytes(bytes),
        took.as_secs_f64()
    ));
    if filled.failed > 0 {
        printer.prose(&format!(
            "{} objects failed, as told above: run it again",
            HumanCount(filled.failed)
        ));
    }
    if filled.stopped {
        printer.prose("It was stopped: run it again, and it goes on.");
    }
    match filled.removals {
        Removals::None => {}
        Removals::Done(count) => printer.prose(&format!("{} copies whose original is gone were looked at by the mirror, and removed where that is proven", HumanCount(count))),
        Removals::Held(count) => printer.prose(&format!(
            "{} removals are held: nothing was removed. If this is right, invoke the function that works with {}",
            HumanCount(count),
            json!({"hookwork": "release", "source": of.source, "bucket": of.origin, "removals": count})
        )),
        Removals::Left(count) => printer.prose(&format!("{} copies have no original, and were left: that takes STATE_BUCKET, and a run to the end without a failure", HumanCount(count))),
    }
    if filled.foreign > 0 {
        printer.prose(&format!(
            "{} objects are nobody's copies and were left alone",
            HumanCount(filled.foreign)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_tells_as_much_as_there_is_room_for() {
        let parts = ["7/9 objects, 1/s", "1 KiB/2 KiB, 3 B/s", "", "2 failed"];
        assert_eq!(
            told(&parts, 80),
            "7/9 objects, 1/s  1 KiB/2 KiB, 3 B/s  2 failed"
        );
        assert_eq!(told(&parts, 30), "7/9 objects, 1/s  2 failed");
        assert_eq!(told(&parts, 3), "7/9 objects, 1/s");
    }
}
