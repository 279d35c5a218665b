//! The function's settings, for the commands that work with it: from the environment, as the function has them.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use hookwork::app::App;
use hookwork::clients::Aws;
use hookwork::config::Config;

use crate::credentials::advice;

/// Says that the variables of a file are in the environment.
const APPLIED: &str = "HOOKCTL_SETTINGS_APPLIED";
/// What this machine is taken to have for small objects, in MiB; a function is told its own.
const MEMORY_MIB: usize = 512;

/// The variable that names secrets, separated by commas: those of all files count.
const SECRETS: &str = "SECRETS_ARN";

/// Starts this program anew with the files' variables before those of the environment. That is the one way in which the SDK's own
/// variables among them count too: it reads the process's.
///
/// # Errors
/// A file is no JSON object of strings, or the program cannot be started anew.
pub(crate) fn apply(files: &[PathBuf]) -> Result<()> {
    if files.is_empty() || std::env::var_os(APPLIED).is_some() {
        return Ok(());
    }
    let mut variables = BTreeMap::new();
    for file in files {
        join(&mut variables, read(file)?)?;
    }
    let mut again = Command::new(std::env::current_exe().context("cannot find this program")?);
    again.args(std::env::args_os().skip(1)).env(APPLIED, "1");
    // How much the function logs says nothing about this terminal.
    variables.remove("LOG_LEVEL");
    again.envs(variables);
    Err(again.exec()).context("cannot start anew with the file's variables")
}

fn read(file: &Path) -> Result<BTreeMap<String, String>> {
    let shown = file.display();
    let json = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    parse(&json).map_err(|problem| anyhow!("{shown}: {problem}"))
}

/// The variables of a file: texts, or JSON as it is, which the function reads from a text.
fn parse(json: &str) -> Result<BTreeMap<String, String>, String> {
    let expected = "expected a JSON object, variable → value";
    // The parser's own error would quote what it found, which may be a secret.
    let found: Value = serde_json::from_str(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("{expected}; it is not JSON at line {line}, column {column}")
    })?;
    let Value::Object(found) = found else {
        return Err(format!("{expected}; it is JSON, but no object"));
    };
    let variables = found.into_iter().map(|(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Null => Err(format!("{name}: expected a text or JSON, found null")),
        other => Ok((name, other.to_string())),
    });
    variables.collect()
}

/// Fills what is lacking from another file. Each function of a stack has a secret of its own: both are read.
fn join(variables: &mut BTreeMap<String, String>, more: BTreeMap<String, String>) -> Result<()> {
    for (name, value) in more {
        let known = variables.entry(name.clone()).or_default();
        if known.trim().is_empty() {
            *known = value;
        } else if name == SECRETS {
            let mut ids: Vec<&str> = Vec::new();
            let all = known.split(',').chain(value.split(',')).map(str::trim);
            for id in all.filter(|id| !id.is_empty()) {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            *known = ids.join(",");
        } else if name == "SECRETS" && *known != value {
            bail!("two of the files have SECRETS: put all of them into one");
        }
    }
    Ok(())
}

/// The settings.
///
/// # Errors
/// All that is wrong with them.
pub(crate) fn config() -> Result<Config> {
    let mut config = Config::from_lookup(|name| std::env::var(name).ok()).map_err(without_any)?;
    if std::env::var_os("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").is_none() {
        config.memory_mib = MEMORY_MIB;
    }
    Ok(config)
}

/// Where there are no settings at all, where they come from.
fn without_any(problems: hookwork::config::ConfigError) -> anyhow::Error {
    let none = std::env::var_os("SOURCES").is_none() && std::env::var_os(APPLIED).is_none();
    if none {
        anyhow!(
            "{problems}\nGive the function's settings with --settings FILE, or in the environment: `hookctl --help` says how to get them."
        )
    } else {
        problems.into()
    }
}

/// The function's work, to be done here.
///
/// # Errors
/// All that is wrong with the settings.
pub(crate) async fn app() -> Result<Arc<App>> {
    Ok(App::new(config()?, Aws::of_operator(advice).await))
}

/// The same without a queue: what follows is done here, not sent.
///
/// # Errors
/// All that is wrong with the settings.
pub(crate) async fn app_without_queue() -> Result<Arc<App>> {
    let config = Config {
        queue_url: None,
        ..config()?
    };
    Ok(App::new(config, Aws::of_operator(advice).await))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_files_fill_what_is_lacking_and_all_secrets_count() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let mut all = of(&[("SECRETS_ARN", "a, b"), ("SOURCES", "1"), ("QUEUE_URL", "")]);
        join(
            &mut all,
            of(&[
                ("SECRETS_ARN", "b,c"),
                ("SOURCES", "2"),
                ("QUEUE_URL", "q"),
                ("STATE_BUCKET", "s"),
            ]),
        )
        .unwrap();
        let expected = of(&[
            ("SECRETS_ARN", "a,b,c"),
            ("SOURCES", "1"),
            ("QUEUE_URL", "q"),
            ("STATE_BUCKET", "s"),
        ]);
        assert_eq!(all, expected);
    }

    #[test]
    fn a_file_has_texts_or_json_as_it_is_and_its_errors_say_where_and_quote_nothing() {
        let nested = parse(r#"{"SOURCES": {"vk": {"kind": "s3"}}, "A": "b", "N": 7, "L": [1]}"#);
        let nested = nested.unwrap();
        assert_eq!(nested["SOURCES"], r#"{"vk":{"kind":"s3"}}"#);
        assert_eq!(
            (&*nested["A"], &*nested["N"], &*nested["L"]),
            ("b", "7", "[1]")
        );
        for (odd, at) in [
            ("{\n  \"A\": hunter2}", "at line 2, column 8"),
            ("", "at line 1, column 0"),
            ("{\"A\": \"hunter2\"", "at line 1, column 15"),
            ("[\"hunter2\"]", "it is JSON, but no object"),
            ("{\"A\": null}", "A: expected a text or JSON, found null"),
        ] {
            let told = parse(odd).unwrap_err();
            assert!(
                told.contains(at) && !told.contains("hunter2"),
                "{odd}: {told}"
            );
        }
    }

    #[test]
    fn of_secrets_that_are_written_out_none_is_dropped() {
        let of = |secrets: &str| BTreeMap::from([("SECRETS".to_owned(), secrets.to_owned())]);
        let mut all = of("{}");
        join(&mut all, of("{}")).unwrap();
        assert!(join(&mut all, of("{\"a\": {}}")).is_err());
    }
}
