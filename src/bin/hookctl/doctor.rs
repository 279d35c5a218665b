//! `hookctl doctor`: is everything there, and does it do what is taken for granted?

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use hookwork::app::App;
use hookwork::app::operator::doctor::{Check, Verdict};
use hookwork::clients::Aws;
use hookwork::domain::handshake::{VkChallenge, spellings};

use crate::credentials::advice;
use crate::print::{Printer, clean};
use crate::{FOUND, settings};

/// The options of `hookctl doctor`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Exit codes: 0 all pass, or only warnings; 1 something FAILs; 2 error.

Examples:
  hookctl --settings settings.json doctor
  hookctl doctor --write
  hookctl doctor handshake vk --url https://x.example/hooks/vk \\
    --body handshake.json --signature 3754ce36…"
)]
pub(crate) struct Options {
    #[command(subcommand)]
    handshake: Option<Command>,
    /// Also put a probe object, try the conditions of writes on it, and remove it: at the backup, and at origins whose keys may
    #[arg(long)]
    write: bool,
    /// Where the probe goes
    #[arg(long, default_value = "hookwork-doctor/", requires = "write")]
    prefix: String,
    /// JSON, a line each
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Which spelling of the URL did VK sign? Shows the signature of each
    #[command(after_help = "\
Exit codes: 0 a spelling matches, or no signature was given; 1 none matches, or the bucket is not on the allow-list; 2 error.

Example:
  hookctl doctor handshake vk --url https://x.example/hooks/vk \\
    --body handshake.json --signature 3754ce36…")]
    Handshake(Handshake),
}

fn signature(text: &str) -> Result<String, String> {
    let text = text.trim();
    let whole = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole
        .then(|| text.to_owned())
        .ok_or_else(|| "expected 64 hex digits".to_owned())
}

#[derive(Debug, Args)]
struct Handshake {
    /// A source of kind s3
    source: String,
    /// The URL as registered
    #[arg(long)]
    url: String,
    /// The handshake's body, as VK posted it: a file, - for stdin
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// The signature that VK expected: 64 hex digits. Without it all are shown
    #[arg(long, value_parser = signature)]
    signature: Option<String>,
    /// JSON
    #[arg(long)]
    json: bool,
}

/// Checks everything, or one handshake.
///
/// # Errors
/// The settings cannot be read at all, or the handshake is none.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let printer = Printer::from_environment();
    if let Some(Command::Handshake(handshake)) = &options.handshake {
        return shake(handshake, &printer).await;
    }
    let mut failed = false;
    let mut tell = |check: Check| {
        failed |= check.verdict == Verdict::Fail;
        if options.json {
            printer.json(&json!(check));
        } else {
            printer.check(&check);
        }
    };
    match hookwork::config::Config::from_lookup(|name| std::env::var(name).ok()) {
        Ok(config) => {
            let sources: Vec<_> = config.sources.keys().map(String::as_str).collect();
            tell(Check::pass(
                "settings",
                format!("sources: {}", sources.join(", ")),
            ));
            let app = App::new(config, Aws::of_operator(advice).await);
            let probe = options.write.then_some(options.prefix.as_str());
            app.examine(probe, &mut tell).await;
        }
        Err(problems) => {
            for problem in problems.0 {
                tell(Check::fail(
                    "settings",
                    problem,
                    "README.md says what each variable is, under Settings",
                ));
            }
        }
    }
    Ok(if failed {
        ExitCode::from(FOUND)
    } else {
        ExitCode::SUCCESS
    })
}

async fn shake(asked: &Handshake, printer: &Printer) -> Result<ExitCode> {
    let app = settings::app().await?;
    let source = app
        .storage(&asked.source)
        .map_err(|problem| anyhow!(problem))?;
    let body = crate::sign::read(&asked.body)?;
    let challenge: VkChallenge = serde_json::from_slice(&body)
        .context("this is no handshake of VK's: expected Timestamp, TopicArn and Token")?;
    let Some((project, bucket)) = challenge.project_and_bucket() else {
        bail!("the handshake's TopicArn is not <project>|<bucket>|<events>");
    };
    let allowed = source
        .buckets
        .keys()
        .any(|name| name == bucket || *name == format!("{project}/{bucket}"));
    let signed: Vec<_> = spellings(&asked.url)
        .into_iter()
        .map(|url| {
            let signature = challenge.sign(&url);
            let matches = asked
                .signature
                .as_ref()
                .map(|wanted| wanted.trim().eq_ignore_ascii_case(&signature));
            (url, signature, matches)
        })
        .collect();
    let matching = signed
        .iter()
        .find(|(.., matches)| *matches == Some(true))
        .map(|(url, ..)| url.clone());
    if asked.json {
        let spellings: Vec<_> = signed.iter().map(|(url, signature, matches)| json!({"url": url, "signature": signature, "matches": matches})).collect();
        printer.json(&json!({"allowed": allowed, "configured_url": source.url, "matching": matching, "spellings": spellings}));
    } else {
        for (url, signature, matches) in &signed {
            let mark = if *matches == Some(true) { "->" } else { "  " };
            printer.line(&format!("{mark} {signature}  {}", clean(url)));
        }
        if !allowed {
            printer.prose(&format!("The bucket {}/{} is not on the allow-list of {}: its handshake is refused with 403.", clean(project), clean(bucket), asked.source));
        }
        match (&matching, &asked.signature, &source.url) {
            (Some(url), _, Some(known)) if url == known => {
                printer.line("It matches what the source's `url` says: all is well.");
            }
            (Some(url), _, _) => printer.prose(&format!(
                "VK signed {}: set the source's \"url\" to exactly this.",
                clean(url)
            )),
            (None, Some(_), _) => {
                printer.line("None matches: was it another URL, or another handshake?");
            }
            (None, None, _) => {}
        }
    }
    Ok(match (&asked.signature, matching) {
        (Some(_), None) => ExitCode::from(FOUND),
        _ if !allowed => ExitCode::from(FOUND),
        _ => ExitCode::SUCCESS,
    })
}
