//! `hookctl`, the operator's command line: arguments and printing, and no rule that the function lacks.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

mod dev;
mod print;

/// The operator's side of hookwork.
#[derive(Debug, Parser)]
#[command(name = "hookctl", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine, offline, in one process: first show that it works, then stay up to be tried
    Dev(dev::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr();
    let done = match cli.command {
        Command::Dev(options) => dev::run(&options).await,
    };
    match done {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("error: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

/// The function's log goes to stderr and is quiet unless `LOG_LEVEL` asks, so that stdout stays readable. Of the libraries
/// only warnings, and nothing of the S3 server, which reports every refusal as an error.
fn log_to_stderr() {
    let level = std::env::var("LOG_LEVEL")
        .ok()
        .and_then(|level| level.parse().ok());
    let level = level.unwrap_or(LevelFilter::WARN);
    let targets = Targets::new()
        .with_target("hookwork", level)
        .with_target("s3s", LevelFilter::OFF)
        .with_default(level.min(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .init();
}
