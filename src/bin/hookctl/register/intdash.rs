//! `hookctl register intdash`: the hooks of an intdash project.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use hookwork::app::App;
use hookwork::app::operator::intdash_hooks::{IntdashHooks, Shown};
use serde_json::json;

use super::Sending;
use crate::FOUND;
use crate::print::{Printer, clean};

/// `hookctl register intdash …`; without a word of what to do it makes a hook.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
`test` has the server post a signed test delivery (is_test, of a measurement that does not exist) to the hook's URL. It asks by \
PUT <path>/<uuid>/test as v2.6 documents it and, where that is answered 404 or 405, by PATCH, as v2.7 has it.

Exit codes: 0 done, there already, or the test delivery was taken; 1 not confirmed, or the test delivery was not; 2 error.

Examples:
  hookctl register intdash intdash --url https://x.example/hooks/intdash
  hookctl register intdash list intdash
  hookctl register intdash test intdash \\
    5b7ea816-0d3b-4df5-9104-01046ebecf51
  hookctl register intdash remove intdash \\
    5b7ea816-0d3b-4df5-9104-01046ebecf51 \\
    --path /api/v1/webhook/projects/{project}/hooks"
)]
pub(crate) struct Intdash {
    #[command(subcommand)]
    command: Option<Command>,
    /// A source of kind intdash
    #[arg(required = true)]
    source: Option<String>,
    /// The URL that deliveries are posted to, as the stack's outputs say
    #[arg(long, required = true)]
    url: Option<String>,
    /// UUID of the project whose measurements count; the source's own without it
    #[arg(long)]
    project: Option<String>,
    /// Where the server has its hooks, {project} for the project; the source's hooks_path without it
    #[arg(long)]
    path: Option<String>,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a hook that signs with the first of the source's secrets
    Create(Create),
    /// Show the hooks that there are; never their secrets
    List(List),
    /// Have the server post a test delivery, and show what became of it
    Test(Test),
    /// Remove a hook
    Remove(Remove),
}

/// Where the hooks are.
#[derive(Debug, Args)]
struct Place {
    /// A source of kind intdash
    source: String,
    /// UUID of the project whose measurements count; the source's own without it
    #[arg(long)]
    project: Option<String>,
    /// Where the server has its hooks, {project} for the project; the source's hooks_path without it. From v2.7 on it may be
    /// /api/v1/webhook/projects/{project}/hooks
    #[arg(long)]
    path: Option<String>,
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    place: Place,
    /// The URL, as the stack's outputs say. The source's url_key is added where it is missing, and not shown
    #[arg(long)]
    url: String,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    place: Place,
    /// JSON, a line for each hook
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Test {
    #[command(flatten)]
    place: Place,
    /// The hook's UUID
    uuid: String,
    /// JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Remove {
    #[command(flatten)]
    place: Place,
    /// The hook's UUID
    uuid: String,
    #[command(flatten)]
    sending: Sending,
}

fn failed(problem: String) -> anyhow::Error {
    anyhow!(problem)
}

async fn hooks<'a>(app: &'a App, place: &Place) -> Result<IntdashHooks<'a>> {
    let (project, path) = (place.project.as_deref(), place.path.as_deref());
    let hooks = app.intdash_hooks(&place.source, project, path).await;
    hooks.map_err(failed)
}

/// Does what is asked.
///
/// # Errors
/// The settings are wrong, or the server refuses.
pub(crate) async fn run(app: &App, printer: &Printer, asked: &Intdash) -> Result<ExitCode> {
    match &asked.command {
        Some(Command::Create(asked)) => {
            create(app, printer, &asked.place, &asked.url, &asked.sending).await
        }
        Some(Command::List(asked)) => list(app, printer, asked).await,
        Some(Command::Test(asked)) => test(app, printer, asked).await,
        Some(Command::Remove(asked)) => remove(app, printer, asked).await,
        None => {
            let (Some(source), Some(url)) = (&asked.source, &asked.url) else {
                return Err(anyhow!("expected a source and --url"));
            };
            let place = Place {
                source: source.clone(),
                project: asked.project.clone(),
                path: asked.path.clone(),
            };
            create(app, printer, &place, url, &asked.sending).await
        }
    }
}

async fn create(
    app: &App,
    printer: &Printer,
    place: &Place,
    url: &str,
    sending: &Sending,
) -> Result<ExitCode> {
    let hooks = hooks(app, place).await?;
    let body = hooks.plan(url).await.map_err(failed)?;
    let what = format!("POST {} of {}", hooks.path(), place.source);
    if !sending.confirmed(printer, &what, &format!("{body:#}\n"))? {
        return Ok(sending.unsent());
    }
    let told = match hooks.create(url).await.map_err(failed)? {
        Some(id) => format!("registered: hook {id}"),
        None => "a hook of this URL is there already: nothing was sent".to_owned(),
    };
    sending.told(printer, &told);
    Ok(ExitCode::SUCCESS)
}

async fn list(app: &App, printer: &Printer, asked: &List) -> Result<ExitCode> {
    let found = hooks(app, &asked.place)
        .await?
        .list()
        .await
        .map_err(failed)?;
    for hook in &found {
        if asked.json {
            printer.json(&json!({"uuid": hook.uuid, "url": hook.url, "enabled": hook.enabled, "events": hook.events}));
        } else {
            printer.line(&clean(&in_words(hook)));
        }
    }
    if found.is_empty() && !asked.json {
        printer.line("no hooks");
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(hook: &Shown) -> String {
    let state = match hook.enabled {
        Some(false) => "  disabled",
        _ => "",
    };
    format!(
        "{}  {}  {}{state}",
        hook.uuid,
        hook.url,
        hook.events.join(",")
    )
}

async fn test(app: &App, printer: &Printer, asked: &Test) -> Result<ExitCode> {
    let hooks = hooks(app, &asked.place).await?;
    let tested = hooks.test(&asked.uuid).await.map_err(failed)?;
    if asked.json {
        printer.json(
            &json!({"status": tested.status, "answered": tested.answered, "reason": tested.reason}),
        );
    } else {
        let answered = tested.answered;
        let answered = answered.map_or("no answer yet".to_owned(), |status| {
            format!("answered {status}")
        });
        let reason = match tested.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        printer.line(&clean(&format!(
            "test delivery {}, {answered}{reason}",
            tested.status
        )));
    }
    let taken = matches!(tested.status.as_str(), "succeeded" | "processing");
    Ok(if taken {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FOUND)
    })
}

async fn remove(app: &App, printer: &Printer, asked: &Remove) -> Result<ExitCode> {
    let hooks = hooks(app, &asked.place).await?;
    let hook = hooks.find(&asked.uuid).await.map_err(failed)?;
    let what = format!(
        "DELETE {}/{} of {}",
        hooks.path(),
        asked.uuid,
        asked.place.source
    );
    let sending = &asked.sending;
    if !sending.confirmed(printer, &what, &in_words(&hook))? {
        return Ok(sending.unsent());
    }
    hooks.remove(&asked.uuid).await.map_err(failed)?;
    sending.told(printer, &format!("removed: hook {}", asked.uuid));
    Ok(ExitCode::SUCCESS)
}
