//! `hookctl audit`: in what an origin bucket and its backup differ.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use serde_json::json;

use hookwork::app::operator::compare::{Compared, Differing};
use hookwork::domain::difference::Difference;

use crate::print::{Printer, clean};
use crate::{FOUND, settings};

const HELP: &str = "\
Differences:
  missing     the origin alone has it
  bytes       both have it, with other bytes
  properties  the same bytes, other content headers, metadata or tags,
              or written again since
  unmarked    the same bytes, but not our mark: a copy that something else
              made; the mirror adopts it
  removed     a copy whose original is gone; kept: the same, and the rule
              keeps it
  foreign     the backup alone has it, and it is nobody's copy of this origin:
              left alone
  unreadable  it could not be looked at

Where the listings raise a doubt both objects are looked at; differences that listings cannot show, such as changed tags of an old \
object, take --thorough. With --json each difference is a line, and the last line counts them.

Exit codes: 0 equal, 1 differences, 2 error.

Examples:
  hookctl audit vk mcs5259999770/myfiles-ash
  hookctl audit vk myfiles-ash --ignore foreign --json \\
    | jq -r 'select(.difference == \"missing\").key'";

/// The options of `hookctl audit`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// A source of kind s3
    source: String,
    /// An origin bucket of it: project/bucket, or bucket
    bucket: String,
    /// Look at every object on both sides, two calls each, also where the listings agree
    #[arg(long)]
    thorough: bool,
    /// Kinds of differences that do not count
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    ignore: Vec<Difference>,
    /// JSON, a line each
    #[arg(long)]
    json: bool,
}

fn kind(word: &str) -> Result<Difference, String> {
    let known = Difference::ALL.into_iter().find(|kind| kind.word() == word);
    known.ok_or_else(|| {
        let words = Difference::ALL.map(Difference::word).join(", ");
        format!("expected one of {words}")
    })
}

/// Compares, and prints each difference as it is found.
///
/// # Errors
/// The settings are wrong, or a listing failed.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let app = settings::app().await?;
    let of = app.origin_named(&options.source, &options.bucket);
    let of = of.map_err(|problem| anyhow!(problem))?;
    let printer = Printer::from_environment();
    let counts = |kind: Difference| !options.ignore.contains(&kind);
    let mut headed = false;
    let each = |differing: &Differing| {
        if !counts(differing.difference) {
            return;
        }
        if options.json {
            printer.json(&json!(differing));
            return;
        }
        if !std::mem::replace(&mut headed, true) {
            printer.line(&printer.faint(&row("difference", "size", "key")));
        }
        printer.line(&shown(differing));
    };
    let compared = app.compare(&of, options.thorough, each).await?;
    let found: u64 = compared
        .differences
        .iter()
        .filter(|(kind, _)| counts(**kind))
        .map(|(_, n)| n)
        .sum();
    if options.json {
        printer.json(&json!({"source": of.source, "bucket": of.origin, "compared": compared}));
    } else {
        summary(&printer, &of.id(), &compared);
    }
    Ok(if found == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FOUND)
    })
}

fn row(difference: &str, size: &str, key: &str) -> String {
    format!(" {difference:<11} {size:>10}  {key}")
}

fn shown(differing: &Differing) -> String {
    let mut key = clean(&differing.key);
    if differing.young {
        key.push_str("   (young: its event may be on its way)");
    }
    if let Some(why) = &differing.why {
        key.push_str(&format!("   ({})", clean(why)));
    }
    let size = HumanBytes(differing.size).to_string();
    row(differing.difference.word(), &size, &key)
}

/// What was counted.
fn summary(printer: &Printer, name: &str, compared: &Compared) {
    let counted: Vec<_> = compared
        .differences
        .iter()
        .map(|(kind, count)| format!("{} {}", HumanCount(*count), kind.word()))
        .collect();
    let counted = if counted.is_empty() {
        "no differences".to_owned()
    } else {
        counted.join(", ")
    };
    printer.prose(&format!(
        "{name}: {} objects, {}: {counted}",
        HumanCount(compared.keys),
        HumanBytes(compared.bytes)
    ));
    if compared.held {
        printer.prose(
            "The removals are more than the rule's hold: an audit would leave them to a human.",
        );
    }
}
