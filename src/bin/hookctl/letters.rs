//! `hookctl dead-letters`: jobs that could not be done.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use indicatif::HumanDuration;
use serde_json::json;

use hookwork::app::operator::letters::{Letter, Which};

use crate::print::{Printer, clean, complain};
use crate::{ERROR, FOUND, settings};

/// So many dead letters are looked at, unless more are asked for.
const MOST: u32 = 1000;

/// `hookctl dead-letters …`
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Looking at a dead letter counts as receiving it; whatever is looked at is visible again afterwards, or after two minutes \
should this be killed. Without a queue (Processing: inline) there are none: the work is done before the answer.

Exit codes: list: 0 there are none, 1 there are some. show: 0. redrive: 0 all were put back, 1 some are left. Each: 2 error.

Examples:
  hookctl dead-letters list
  hookctl dead-letters redrive --all")]
pub(crate) enum Command {
    /// Time, job, bucket and key, receive count, and why
    List(Look),
    /// One of them, whole
    Show {
        /// As `list` prints it
        id: String,
        #[command(flatten)]
        look: Look,
    },
    /// Send them to the queue, and remove each here once the queue has it
    Redrive {
        /// As `list` prints them
        #[arg(
            required_unless_present = "all",
            conflicts_with = "all",
            value_name = "ID|--all"
        )]
        ids: Vec<String>,
        /// All that can be read
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        look: Look,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Look {
    /// Look at so many at most
    #[arg(long, default_value_t = MOST, value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// JSON
    #[arg(long)]
    json: bool,
}

impl Look {
    fn most(&self) -> usize {
        usize::try_from(self.most).unwrap_or(usize::MAX)
    }
}

/// Lists, shows or puts back.
///
/// # Errors
/// The settings are wrong, or a queue does not answer.
pub(crate) async fn run(command: &Command) -> Result<ExitCode> {
    let app = settings::app().await?;
    let printer = Printer::from_environment();
    let failed = |problem: String| anyhow!(problem);
    let found = match command {
        Command::List(look) => {
            let looked = app.dead_letters(look.most()).await.map_err(failed)?;
            let (letters, all) = (looked.letters, looked.all);
            warn(looked.hidden.as_deref());
            if look.json {
                printer.json(&json!({"dead_letters": letters, "all": all}));
            } else if looked.no_queue {
                printer.prose("There are no dead letters: without a queue the work is done before the answer.");
            } else {
                list(&printer, &letters, all);
            }
            !letters.is_empty()
        }
        Command::Show { id, look } => {
            let looked = app.dead_letter(id, look.most()).await.map_err(failed)?;
            warn(looked.hidden.as_deref());
            let letter = looked.letters.into_iter().next().ok_or_else(|| {
                let none = format!("there is no dead letter {id}");
                match looked.no_queue {
                    true => anyhow!("{none}: without a queue there are none"),
                    false => anyhow!("{none} among the first {}", look.most()),
                }
            })?;
            if look.json {
                printer.json(&json!(letter));
            } else {
                show(&printer, &letter);
            }
            false
        }
        Command::Redrive { ids, all, look } => {
            let which = if *all {
                Which::All
            } else {
                Which::These(ids.iter().cloned().collect())
            };
            let done = app.redrive(&which, look.most()).await.map_err(failed)?;
            warn(done.hidden.as_deref());
            if look.json {
                printer.json(&json!(done));
            } else {
                for letter in &done.redriven {
                    printer.line(&format!(
                        "redriven  {}  {}",
                        clean(&letter.id),
                        about(letter)
                    ));
                }
                for (letter, why) in &done.left {
                    printer.line(&format!(
                        "left      {}  {}: {}",
                        clean(&letter.id),
                        about(letter),
                        clean(why)
                    ));
                }
                for id in &done.unknown {
                    printer.line(&format!("not found {}", clean(id)));
                }
                printer.line(&format!(
                    "{} redriven, {} left",
                    done.redriven.len(),
                    done.left.len()
                ));
            }
            if let Some(problem) = &done.broke_off {
                complain("error", problem);
                return Ok(ExitCode::from(ERROR));
            }
            !(done.left.is_empty() && done.unknown.is_empty())
        }
    };
    Ok(if found {
        ExitCode::from(FOUND)
    } else {
        ExitCode::SUCCESS
    })
}

fn warn(problem: Option<&str>) {
    if let Some(problem) = problem {
        complain("warning", problem);
    }
}

fn list(printer: &Printer, letters: &[Letter], all: bool) {
    if letters.is_empty() {
        printer.line("There are no dead letters.");
        return;
    }
    for letter in letters {
        printer.line(&format!(
            "{}  {}  received {} times, sent {}",
            clean(&letter.id),
            about(letter),
            letter.receives,
            ago(letter.sent)
        ));
        printer.line(&format!("    {}", clean(why(letter))));
        if let Some(remote) = &letter.waits_for {
            let remote = clean(remote);
            printer.line(&format!(
                "    comes back by itself when its {remote} answers again"
            ));
        }
    }
    let more = if all { "" } else { ", and perhaps more" };
    printer.line(&format!("{} dead letters{more}", letters.len()));
}

fn show(printer: &Printer, letter: &Letter) {
    for (label, text) in [
        ("id", letter.id.as_str()),
        ("sent", &ago(letter.sent)),
        ("job", &about(letter)),
        ("received", &letter.receives.to_string()),
        ("reason", why(letter)),
        ("waits for", letter.waits_for.as_deref().unwrap_or("nobody")),
        ("body", &letter.body),
    ] {
        printer.detail(label, text);
    }
}

fn why(letter: &Letter) -> &str {
    let none = "no reason: the queue itself gave up on it";
    letter.reason.as_deref().unwrap_or(none)
}

fn about(letter: &Letter) -> String {
    let of = [&letter.source, &letter.bucket, &letter.key];
    let of: Vec<_> = of.into_iter().flatten().map(|part| clean(part)).collect();
    format!("{} {}", letter.job.unwrap_or("unreadable"), of.join("/"))
}

fn ago(sent: i64) -> String {
    let sent = UNIX_EPOCH + Duration::from_secs(u64::try_from(sent).unwrap_or_default());
    let age = SystemTime::now().duration_since(sent).unwrap_or_default();
    format!("{} ago", HumanDuration(age))
}
