//! `hookctl`, the operator's command line: arguments and printing, and no rule that the function lacks.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

mod audit;
mod backfill;
mod credentials;
mod dev;
mod doctor;
mod letters;
mod print;
mod register;
mod replay;
mod settings;
mod sign;
mod tail;
mod width;

/// Something was found, or is left to do.
const FOUND: u8 = 1;
/// It could not be done: a wrong argument or setting, a far side that refuses.
const ERROR: u8 = 2;

/// Lines of help are no longer than this, however wide the terminal is.
const HELP_WIDTH: usize = 100;

const SETTINGS: &str = "\
Settings are the function's own variables (SOURCES, SECRETS or SECRETS_ARN, BACKUP_BUCKET, STATE_BUCKET, QUEUE_URL, \
DEAD_LETTERS_URL, SNS_TOPIC_ARN, AWS_*), from the environment or, with --settings, as the function has them:

  aws lambda get-function-configuration --function-name <WorkerName> \\
    --query Environment.Variables > worker.json
  aws lambda get-function-configuration --function-name <FunctionName> \\
    --query Environment.Variables > receiver.json
  aws lambda get-function-configuration --function-name <InboxName> \\
    --query Environment.Variables > inbox.json
  hookctl --settings inbox.json --settings worker.json \\
    --settings receiver.json doctor

AWS credentials are your own: the environment's, or those of AWS_PROFILE (keys, SSO, `aws login`, credential_process, roles).

Exit codes: 0 all is well; 1 something was found, or is left to do; 2 it could not be done.";

/// The operator's side of hookwork.
#[derive(Debug, Parser)]
#[command(name = "hookctl", version, about, long_about = None, after_help = SETTINGS)]
struct Cli {
    /// A JSON object of variables, used before those of the environment. Given again, a later file fills in variables that earlier
    /// ones lack, and the secrets of all files are read
    #[arg(long, global = true, value_name = "FILE")]
    settings: Vec<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Report in what origin buckets and their backup differ; changes nothing
    Audit(audit::Options),
    /// Copy what the backup lacks, here and now: the first audit
    Backfill(backfill::Options),
    /// Check everything that the settings speak of; changes nothing, unless --write
    Doctor(doctor::Options),
    /// Look at jobs that could not be done, and put them back
    #[command(subcommand)]
    DeadLetters(letters::Command),
    /// Tell a sender where to post its deliveries
    #[command(subcommand)]
    Register(register::Command),
    /// Print a delivery as its sender would make it, as a line of curl
    Sign(sign::Options),
    /// Print deliveries as they come, and what becomes of them
    Tail(tail::Options),
    /// Receive a delivery again, or post it to a handler of your own
    Replay(replay::Options),
    /// Run everything on this machine, offline, in one process: first show that it works, then stay up to be tried
    Dev(dev::Options),
    /// Print the version
    Version,
    /// Print a shell's completions
    #[command(
        after_help = "Exit codes: 0 printed; 2 error.\n\nExample:\n  hookctl completions bash \\\n    > ~/.local/share/bash-completion/completions/hookctl"
    )]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let width = width::known(std::io::stdout()).unwrap_or(width::USUAL);
    let matches = Cli::command()
        .term_width(width.min(HELP_WIDTH))
        .get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|problem| problem.exit());
    if matches!(cli.command, Command::Dev(_)) && !cli.settings.is_empty() {
        // It would seem to use them.
        let problem = "dev has settings of its own, with sources for a try, and nothing outside of this machine";
        print::complain("error", problem);
        return ExitCode::from(ERROR);
    }
    if let Err(problem) = settings::apply(&cli.settings) {
        print::complain("error", &format!("{problem:#}"));
        return ExitCode::from(ERROR);
    }
    log_to_stderr(matches!(cli.command, Command::Backfill(_)));
    let done = match cli.command {
        Command::Audit(options) => audit::run(&options).await,
        Command::Backfill(options) => backfill::run(&options).await,
        Command::Doctor(options) => doctor::run(&options).await,
        Command::DeadLetters(command) => letters::run(&command).await,
        Command::Register(command) => register::run(&command).await,
        Command::Sign(options) => sign::run(&options).await,
        Command::Tail(options) => tail::run(&options).await,
        Command::Replay(options) => replay::run(&options).await,
        Command::Dev(options) => dev::run(&options).await,
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "hookctl", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Version => {
            println!("{}", Cli::command().render_version().trim_end());
            Ok(ExitCode::SUCCESS)
        }
    };
    match done {
        Ok(code) => code,
        Err(problem) => {
            print::complain("error", &format!("{problem:#}"));
            ExitCode::from(ERROR)
        }
    }
}

/// The function's log goes to stderr and is quiet unless `LOG_LEVEL` asks, so that stdout stays readable. Of the libraries
/// only warnings, and nothing of the S3 server, which reports every refusal as an error. What is `told` in the end needs no
/// line of its own for each job that failed.
fn log_to_stderr(told: bool) {
    let asked = std::env::var("LOG_LEVEL")
        .ok()
        .and_then(|level| level.parse().ok());
    let level = asked.unwrap_or(LevelFilter::WARN);
    let mut targets = Targets::new()
        .with_target("hookwork", level)
        .with_target("s3s", LevelFilter::OFF)
        // It warns of credentials that are not there, which the error says, too.
        .with_target("aws_config", LevelFilter::ERROR)
        .with_default(level.min(LevelFilter::WARN));
    if told && asked.is_none() {
        targets = targets.with_target("hookwork::app::perform", LevelFilter::OFF);
    }
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .init();
}
