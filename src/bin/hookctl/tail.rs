//! `hookctl tail`: deliveries as they come, and what becomes of them.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use clap::Args;
use uuid::Uuid;

use hookwork::app::App;
use hookwork::domain::inbox::{Filter, Row, known_status};
use hookwork::domain::instant::instant;
use hookwork::domain::source::is_endpoint;

use crate::dev::interrupted;
use crate::print::{Printer, clean, complain};
use crate::settings;

/// How long it waits before it looks again.
const EACH: Duration = Duration::from_secs(1);
/// What is older is not looked at again: by then its jobs are over, or among the dead letters.
const WINDOW: Duration = Duration::from_secs(1800);
/// So many rows a look at the list has, and so many looks a turn takes at most.
const ROWS: usize = 200;
const LOOKS: usize = 3;
const WHAT_WIDTH: usize = 60;
/// What the columns take before the id, and the id with its gap.
const BEFORE_ID: usize = 59;
const ID_WIDTH: usize = 38;

const HELP: &str = "\
It looks each second at the state bucket, with your own credentials: s3:ListBucket is all that it needs. A delivery is printed when \
it comes, and again whenever its state changes. On a narrow terminal its id stands below it. With --json each is a line, as the \
inbox's API has it.

States: done, pending, failed, nothing, handshake, refused, recorded. Verdicts: accepted, partial, handshake, malformed, \
unauthentic, forbidden, unknown, too_large.

Ctrl-C ends it. --once prints the deliveries that are there, and ends.

Exit codes: 0 ended by Ctrl-C, or printed; 2 error.

Examples:
  hookctl tail --source vk
  hookctl tail --status failed --json | jq -r .id
  hookctl tail --once --last 50";

/// The options of `hookctl tail`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// Only of this source; in/<endpoint> for an endpoint's, - for those of none
    #[arg(long)]
    source: Option<String>,
    /// Only with this state or verdict
    #[arg(long, value_parser = |word: &str| known_status(word).map(|()| word.to_owned()))]
    status: Option<String>,
    /// Begin with so many that are there already, at most 200
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=200))]
    last: u8,
    /// Those that are there, and no more
    #[arg(long)]
    once: bool,
    /// JSON, a line each
    #[arg(long)]
    json: bool,
}

/// Prints until it is interrupted.
///
/// # Errors
/// The settings are wrong, or the first look fails.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    tokio::select! {
        ended = follow(options) => ended,
        () = interrupted() => Ok(ExitCode::SUCCESS),
    }
}

async fn follow(options: &Options) -> Result<ExitCode> {
    let app = settings::app().await?;
    let printer = Printer::from_environment();
    if let Some(source) = &options.source
        && !(app.knows(source) || is_endpoint(source) || source == "-")
    {
        // What was delivered to one that is no more is there all the same.
        complain("warning", &format!("the settings have no source {source}"));
    }
    let mut filter = Filter {
        source: options.source.clone(),
        status: options.status.clone(),
        ..Filter::default()
    };
    if options.once {
        return once(&app, &filter, options, &printer).await;
    }
    let page = app.list(&filter, None, ROWS).await;
    let page = page.map_err(|problem| anyhow!(problem))?;
    let oldest = page.rows.last().map_or_else(now, Row::received);
    // Where there are older ones they are none of this; else all that will be there is new.
    let mut shown = Shown::since(page.before.map_or(0, |_| oldest));
    if !options.json {
        columns(&printer);
    }
    let rows = shown.news(&page.rows);
    let skipped = rows.len().saturating_sub(usize::from(options.last));
    rows.into_iter()
        .skip(skipped)
        .for_each(|row| show(row, options.json, &printer));
    let mut problem = String::new();
    loop {
        tokio::time::sleep(EACH).await;
        filter.after = Some(now().saturating_sub(milliseconds(WINDOW)));
        match newest(&app, &filter).await {
            Ok(rows) => {
                problem.clear();
                for row in shown.news(&rows) {
                    show(row, options.json, &printer);
                }
            }
            // Told once, until it is another one or over.
            Err(found) if found == problem => {}
            Err(found) => {
                complain("warning", &found);
                problem = found;
            }
        }
    }
}

/// Prints the last ones, however far back they are.
async fn once(
    app: &App,
    filter: &Filter,
    options: &Options,
    printer: &Printer,
) -> Result<ExitCode> {
    let last = usize::from(options.last);
    let (mut rows, mut before) = (Vec::new(), None);
    while rows.len() < last {
        let page = app.list(filter, before.as_deref(), ROWS).await;
        let page = page.map_err(|problem| anyhow!(problem))?;
        rows.extend(page.rows);
        before = page.before;
        if before.is_none() {
            break;
        }
    }
    rows.truncate(last);
    if !options.json {
        columns(printer);
    }
    for row in rows.iter().rev() {
        show(row, options.json, printer);
    }
    Ok(ExitCode::SUCCESS)
}

/// What there is since a while ago, newest first.
async fn newest(app: &App, filter: &Filter) -> Result<Vec<Row>, String> {
    let (mut rows, mut before) = (Vec::new(), None);
    for _ in 0..LOOKS {
        let page = app.list(filter, before.as_deref(), ROWS).await?;
        rows.extend(page.rows);
        before = page.before;
        if before.is_none() {
            break;
        }
    }
    Ok(rows)
}

/// What was shown of each delivery that was looked at last.
#[derive(Debug, Default)]
struct Shown {
    since: u64,
    known: HashMap<Uuid, (&'static str, usize)>,
}

impl Shown {
    /// Nothing yet; what came before this, in milliseconds since 1970, is no news.
    fn since(since: u64) -> Self {
        Self {
            since,
            ..Self::default()
        }
    }

    /// Of rows, newest first, those of which nothing or something else was shown, oldest first.
    fn news<'a>(&mut self, rows: &'a [Row]) -> Vec<&'a Row> {
        let state = |row: &Row| (row.state().word(), row.attempts.len());
        let new = |row: &&Row| match self.known.get(&row.id.0) {
            Some(known) => *known != state(row),
            None => row.received() >= self.since,
        };
        let news = rows.iter().rev().filter(new).collect();
        self.known = rows.iter().map(|row| (row.id.0, state(row))).collect();
        news
    }
}

fn columns(printer: &Printer) {
    let id = match is_narrow(printer) {
        true => String::new(),
        false => format!("{:<36}  ", "delivery"),
    };
    let text = format!(
        " {:<15}  {:<8}  {:<9}  {:<18}  {id}what",
        "time", "source", "state", "last attempt"
    );
    printer.line(&printer.faint(&text));
}

fn show(row: &Row, as_json: bool, printer: &Printer) {
    if as_json {
        printer.json(&hookwork::http::row(row));
        return;
    }
    let facts = row.facts.as_ref();
    let source = facts.and_then(|facts| facts.source.as_deref());
    let state = row.state().word();
    let state = printer.tinted(
        !matches!(state, "failed" | "refused"),
        &format!("{state:<9}"),
    );
    let last = row.attempts.last().map_or_else(String::new, |attempt| {
        format!("{} {} ms", attempt.outcome, attempt.ms)
    });
    let what = clean(facts.map_or("", |facts| &facts.title));
    let narrow = is_narrow(printer);
    let taken = if narrow {
        BEFORE_ID
    } else {
        BEFORE_ID + ID_WIDTH
    };
    let room = printer.columns().map_or(WHAT_WIDTH, |columns| {
        columns.saturating_sub(taken).clamp(4, WHAT_WIDTH)
    });
    let id = if narrow {
        String::new()
    } else {
        format!("{}  ", row.id)
    };
    printer.line(&format!(
        " {:<15}  {:<8}  {state}  {:<18}  {id}{}",
        time_of(row.received()),
        printer.shorten(&clean(source.unwrap_or("-")), 8),
        printer.shorten(&last, 18),
        printer.shorten(&what, room)
    ));
    if narrow {
        printer.line(&printer.faint(&format!("   {}", row.id)));
    }
}

/// Whether the id has no room in the row beside a title that says something.
fn is_narrow(printer: &Printer) -> bool {
    let least = BEFORE_ID + ID_WIDTH + 16;
    printer.columns().is_some_and(|columns| columns < least)
}

/// `MM-DD HH:MM:SSZ` of milliseconds since 1970.
fn time_of(ms: u64) -> String {
    let at = instant(ms);
    format!("{} {}Z", &at[5..10], &at[11..19])
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    milliseconds(now.unwrap_or_default())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookwork::domain::delivery::DeliveryId;
    use hookwork::domain::inbox::{Facts, Verdict};

    /// A delivery of so many milliseconds after 1970.
    fn row(ms: u128) -> Row {
        let id = Uuid::from_u128(ms << 80 | 7 << 76);
        let facts = Facts {
            verdict: Verdict::Accepted,
            source: Some("vk".to_owned()),
            bytes: 1,
            jobs: 1,
            same: String::new(),
            title: "a.txt".to_owned(),
        };
        Row {
            id: DeliveryId(id),
            facts: Some(facts),
            attempts: Vec::new(),
            duplicate_of: None,
        }
    }

    #[test]
    fn a_delivery_is_shown_when_it_comes_and_when_something_becomes_of_it_oldest_first() {
        let mut shown = Shown::since(5);
        let times = |rows: Vec<&Row>| -> Vec<u64> { rows.into_iter().map(Row::received).collect() };
        let first = [row(7), row(6), row(5)];
        assert_eq!(times(shown.news(&first)), [5, 6, 7]);
        assert_eq!(times(shown.news(&first)), [0; 0]);
        let mut failed = row(6);
        if let Some(facts) = &mut failed.facts {
            facts.verdict = Verdict::Failed;
            facts.jobs = 0;
        }
        let later = [row(9), row(7), failed, row(5)];
        assert_eq!(times(shown.news(&later)), [6, 9]);
    }

    #[test]
    fn what_came_before_is_no_news_when_a_listing_reaches_further_back() {
        let mut shown = Shown::since(6);
        shown.news(&[row(7), row(6)]);
        assert!(shown.news(&[row(7), row(4)]).is_empty());
    }

    #[test]
    fn times_are_those_of_greenwich() {
        assert_eq!(time_of(1_700_000_000_123), "11-14 22:13:20Z");
    }
}
