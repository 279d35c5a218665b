//! `hookctl sign`: a delivery as its sender would make it, as a line of curl.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use serde_json::json;

use hookwork::app::operator::hooks::{Signed, event_of, measurement_of};
use hookwork::domain::export::quoted;
use hookwork::domain::source::Source;

use crate::print::Printer;
use crate::settings;

/// The longest body, in bytes: the function takes no more.
const BODY_MAX: u64 = 6 << 20;
/// A body for senders whose own ones are not known here.
const SAMPLE: &str = r#"{"sample":"made by hookctl sign"}"#;

/// The options of `hookctl sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
No secret is printed, but for the signature that is made with it, for a token that the sender posts as it is, and for the url_key \
of the source: it is a part of the URL, and necessarily in the line. Do not paste that line where others read.

Exit codes: 0 printed; 2 error.

Examples:
  hookctl sign intdash --url https://x.example/hooks/intdash \\
    --body delivery.json | sh
  hookctl sign vk --url https://x.example/hooks/vk \\
    --bucket myfiles-ash --key 'photos/a b.jpg' | sh
  hookctl sign github --url https://x.example/hooks/github | sh")]
pub(crate) struct Options {
    /// A source
    source: String,
    /// Where the function answers; the source's url_key is added where it is missing
    #[arg(long)]
    url: String,
    /// The body, byte for byte: a file, - for stdin. Without it a sample is made
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "measurement"])]
    body: Option<PathBuf>,
    /// Of an object storage: the origin bucket
    #[arg(long, requires = "key")]
    bucket: Option<String>,
    /// Of an object storage: the key that has changed
    #[arg(long)]
    key: Option<String>,
    /// Of an object storage: the key was removed
    #[arg(long, requires = "key")]
    removed: bool,
    /// Of intdash: the measurement that has finished
    #[arg(long, default_value = "1a14f158-2a0c-44c7-ace1-e0d21ecc93e9")]
    measurement: String,
    /// JSON: url, headers, body
    #[arg(long)]
    json: bool,
}

/// Makes it, and prints it.
///
/// # Errors
/// The settings are wrong, or the source lacks the secret.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let app = settings::app().await?;
    let failed = |problem: String| anyhow!(problem);
    let body = match (&options.body, app.source(&options.source).map_err(failed)?) {
        (Some(file), _) => read(file)?,
        (None, Source::Generic(_)) => SAMPLE.as_bytes().to_vec(),
        (None, Source::Intdash(_)) => measurement_of(&options.measurement),
        (None, Source::S3(source)) => {
            let (Some(bucket), Some(key)) = (&options.bucket, &options.key) else {
                bail!("an event is of a key: give --bucket and --key, or --body");
            };
            let of = app.origin_named(&options.source, bucket).map_err(failed)?;
            event_of(source.flavor, &of, key, options.removed)
        }
    };
    let signed = app.signed(&options.source, &options.url, body).await;
    let signed = signed.map_err(failed)?;
    let printer = Printer::from_environment();
    let text = String::from_utf8(signed.body.clone());
    let text = text.map_err(|_| anyhow!("the body is not UTF-8: no shell could carry it"))?;
    printer.line(&if options.json {
        let headers: serde_json::Map<_, _> = signed
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({"url": signed.url, "headers": headers, "body": text}).to_string()
    } else {
        curl(&signed, &text)
    });
    Ok(ExitCode::SUCCESS)
}

fn curl(signed: &Signed, body: &str) -> String {
    let mut line = "curl -sS -X POST".to_owned();
    for (name, value) in &signed.headers {
        line.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
    }
    format!("{line} --data-raw {} {}", quoted(body), quoted(&signed.url))
}

/// A file, or what comes in.
///
/// # Errors
/// It cannot be read, or is longer than the function takes.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin()
            .take(BODY_MAX + 1)
            .read_to_end(&mut bytes)?;
    } else {
        let opened =
            std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        opened.take(BODY_MAX + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > BODY_MAX {
        bail!("the body is longer than 6 MiB: the function takes no more");
    }
    Ok(bytes)
}
