//! `hookctl register`: tells a sender where to post its deliveries. What is sent is shown first.

mod intdash;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::print::{Printer, clean, clean_lines};
use crate::{FOUND, settings};

/// `hookctl register …`
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Exit codes: 0 it is registered, or was already; 1 it was not confirmed, and nothing was sent; 2 error.

Examples:
  hookctl register vk vk myfiles-ash --url https://x.example/hooks/vk \\
    --dry-run
  hookctl register intdash intdash --url https://x.example/hooks/intdash
  hookctl register intdash list intdash")]
pub(crate) enum Command {
    /// At VK Cloud, by PUT ?notification: beside the hooks that the bucket has. VK shakes hands before it says yes
    Vk(Vk),
    /// At intdash, by its API: a hook that signs with the first of the source's secrets; and list, test and remove
    Intdash(intdash::Intdash),
}

/// What all have that send something.
#[derive(Debug, Args)]
pub(crate) struct Sending {
    /// Show what would be sent; send nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Vk {
    /// A source of kind s3
    source: String,
    /// An origin bucket of it: project/bucket, or bucket
    bucket: String,
    /// The URL, as the stack's outputs say. The source's url_key is added where it is missing, and not shown
    #[arg(long)]
    url: String,
    #[command(flatten)]
    sending: Sending,
    /// The hook's name; one of this name, or of this URL, is replaced
    #[arg(long, default_value = "hookwork")]
    id: String,
    /// Only keys that begin so
    #[arg(long)]
    prefix: Option<String>,
}

/// Shows what is to be sent, asks, and sends it.
///
/// # Errors
/// The settings are wrong, or the sender refuses.
pub(crate) async fn run(command: &Command) -> Result<ExitCode> {
    let app = settings::app().await?;
    let printer = Printer::from_environment();
    let failed = |problem: String| anyhow!(problem);
    match command {
        Command::Vk(asked) => {
            let of = app
                .origin_named(&asked.source, &asked.bucket)
                .map_err(failed)?;
            let planned = app
                .plan_hook(&of, &asked.url, &asked.id, asked.prefix.clone())
                .await;
            let planned = planned.map_err(failed)?;
            let merged = &planned.merged;
            let what = format!(
                "{}: {} hooks stay as they are, {} {}",
                of.id(),
                merged.kept,
                if merged.replaced {
                    "one is replaced by"
                } else {
                    "added is"
                },
                asked.id
            );
            if !asked.sending.confirmed(&printer, &what, &planned.shown())? {
                return Ok(asked.sending.unsent());
            }
            planned.put().await.map_err(failed)?;
            asked
                .sending
                .told(&printer, "registered: VK has shaken hands");
        }
        Command::Intdash(asked) => return intdash::run(&app, &printer, asked).await,
    }
    Ok(ExitCode::SUCCESS)
}

impl Sending {
    /// Shows what is to be sent, and asks.
    fn confirmed(&self, printer: &Printer, what: &str, shown: &str) -> Result<bool> {
        if self.json {
            printer.json(&json!({"what": what, "sends": shown}));
        } else {
            printer.prose(&clean(what));
            // An object storage's own words, which nobody has looked at yet.
            printer.line(&clean_lines(shown.trim_end()));
        }
        if self.dry_run || self.yes {
            return Ok(!self.dry_run);
        }
        eprint!("Send this? [y/N] ");
        std::io::stderr().flush().ok();
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Nothing was sent: as was asked for, or since nobody said yes.
    fn unsent(&self) -> ExitCode {
        if self.dry_run {
            ExitCode::SUCCESS
        } else {
            eprintln!("nothing was sent");
            ExitCode::from(FOUND)
        }
    }

    fn told(&self, printer: &Printer, told: &str) {
        let json = json!({"told": told}).to_string();
        printer.line(&if self.json { json } else { clean(told) });
    }
}
