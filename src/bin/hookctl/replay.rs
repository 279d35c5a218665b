//! `hookctl replay`: a delivery once more, by the function's own rules, or as it came to a handler of one's own.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use serde_json::json;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use hookwork::app::App;
use hookwork::app::deliveries::Unreplayed;
use hookwork::clients::https::plain;
use hookwork::domain::delivery::DeliveryId;
use hookwork::domain::export::is_of_the_way;
use hookwork::domain::record::Record;

use crate::print::{Printer, clean_lines, complain};
use crate::{FOUND, settings};

/// How long the work may take, as in a function.
const WORK_TAKES: Duration = Duration::from_secs(900);
/// How long a handler may take.
const ANSWER_TAKES: Duration = Duration::from_secs(30);
/// So many bytes of a handler's answer are shown.
const SHOWN: usize = 1024;
/// Headers of one connection, beside those that belong to the way of a delivery.
const HOP_BY_HOP: [HeaderName; 6] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
];

const HELP: &str = "\
Without --to the delivery is received again, as by the inbox's button: a delivery that was accepted needs no proof, one that was \
refused must prove itself. Where the settings have a queue, its jobs are sent there; else they are done by this command.

With --to method, headers and body are posted as they came. Headers that were not kept, since they are secrets, are named on stderr.

Exit codes: 0 its jobs are done or queued; with --to it was answered 2xx. 1 it is refused, there is nothing to do again, or a job \
failed; with --to no answer, or another one. 2 error: no such delivery, a wrong argument or setting, a store that does not answer.

Examples:
  hookctl replay 0197a3c2-7e1f-7d3a-9b54-0f1e2d3c4b5a
  hookctl replay 0197a3c2-7e1f-7d3a-9b54-0f1e2d3c4b5a \\
    --to http://127.0.0.1:3000/webhook";

/// The options of `hookctl replay`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// As `tail` and the inbox have it
    #[arg(value_parser = id)]
    id: Uuid,
    /// A handler of your own, to which it is posted instead
    #[arg(long, value_name = "URL", value_parser = target)]
    to: Option<Url>,
    /// JSON
    #[arg(long)]
    json: bool,
}

fn id(text: &str) -> Result<Uuid, &'static str> {
    let not = |_| "expected a delivery's id, such as 0197a3c2-7e1f-7d3a-9b54-0f1e2d3c4b5a";
    text.parse().map_err(not)
}

fn target(text: &str) -> Result<Url, String> {
    let expected = || "expected http://… or https://…, without a user in it".to_owned();
    let url: Url = text.parse().map_err(|_| expected())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.has_host();
    (plain && matches!(url.scheme(), "http" | "https"))
        .then_some(url)
        .ok_or_else(expected)
}

/// Receives it again, or posts it.
///
/// # Errors
/// The settings are wrong; it is not kept, or cannot be received again.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let id = DeliveryId(options.id);
    let queued = settings::config()?.queue_url.is_some();
    let app = settings::app().await?;
    let printer = Printer::from_environment();
    if let Some(to) = &options.to {
        return post(&app, id, to, options.json, &printer).await;
    }
    let jobs = match app.replay(id, None, Instant::now() + WORK_TAKES).await {
        Ok(jobs) => jobs,
        Err(Unreplayed::Unknown(why) | Unreplayed::Unread(why)) => bail!("{why}"),
        Err(Unreplayed::Never(why)) => {
            complain("not received", &why);
            return Ok(ExitCode::from(FOUND));
        }
        Err(Unreplayed::Failed(why)) => {
            complain("failed", &why);
            return Ok(ExitCode::from(FOUND));
        }
    };
    if options.json {
        printer.json(&json!({"delivery": id.to_string(), "jobs": jobs, "queued": queued}));
    } else {
        let (s, how) = (
            if jobs == 1 { "" } else { "s" },
            if queued { "queued" } else { "done" },
        );
        printer.line(&format!("{id}: {jobs} job{s} {how}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Posts a delivery as it came, and prints what it was answered with.
async fn post(
    app: &App,
    id: DeliveryId,
    to: &Url,
    json: bool,
    printer: &Printer,
) -> Result<ExitCode> {
    let found = app.find(id).await.map_err(|problem| anyhow!(problem))?;
    let record = found.and_then(|found| found.record);
    let record = record.with_context(|| format!("no delivery {id} is kept"))?;
    if let Some(why) = record.lacks() {
        bail!("it is not posted: {why}");
    }
    let left_out = record.headers.iter().filter(|(_, value)| value.is_none());
    let left_out: Vec<_> = left_out.map(|(name, _)| name.as_str()).collect();
    if !left_out.is_empty() {
        complain("left out", &left_out.join(", "));
    }
    let request = request(&record, to)?;
    let answer = match plain::send(request, SHOWN, ANSWER_TAKES).await {
        Ok(answer) => answer,
        Err(problem) => {
            complain("no answer", &problem);
            return Ok(ExitCode::from(FOUND));
        }
    };
    let ms = u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX);
    let body = String::from_utf8_lossy(&answer.beginning);
    let taken = (200..300).contains(&answer.status);
    if json {
        printer.json(&json!({
            "delivery": id.to_string(), "to": to.as_str(), "status": answer.status, "ms": ms, "body": body,
            "goes_on": answer.goes_on,
        }));
    } else {
        let status = printer.tinted(taken, &answer.status.to_string());
        printer.line(&format!("{status}  {ms} ms"));
        let more = if answer.goes_on { " …" } else { "" };
        if !body.is_empty() {
            printer.line(&format!("{}{more}", clean_lines(&body)));
        }
    }
    Ok(if taken {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FOUND)
    })
}

/// The delivery as a request to this URL: every header that was kept and is not sent anew by whoever sends.
fn request(record: &Record, to: &Url) -> Result<Request<Bytes>> {
    let of = &record.delivery;
    let uri: Uri = to.as_str().parse().context("the URL")?;
    let mut request = Request::builder().method(of.method.clone()).uri(uri);
    if let Some(headers) = request.headers_mut() {
        for (name, value) in &of.headers {
            if !is_of_the_way(name.as_str()) && !HOP_BY_HOP.contains(name) {
                headers.append(name, HeaderValue::clone(value));
            }
        }
        if of.body.is_empty() && of.method == Method::POST {
            // Some servers answer 411 without it.
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    }
    Ok(request.body(of.body.clone())?)
}
