//! The function's settings, for the commands that work with it: from the environment, as the function has them.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

use hookwork::app::App;
use hookwork::clients::Aws;
use hookwork::config::Config;

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
    // The parser's own error would quote what it found, which may be a secret.
    let Ok(variables) = serde_json::from_str(&json) else {
        bail!("{shown}: expected a JSON object, variable → value, both strings");
    };
    Ok(variables)
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
    let mut config = Config::from_lookup(|name| std::env::var(name).ok())?;
    if std::env::var_os("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").is_none() {
        config.memory_mib = MEMORY_MIB;
    }
    Ok(config)
}

/// The function's work, to be done here.
///
/// # Errors
/// All that is wrong with the settings.
pub(crate) async fn app() -> Result<Arc<App>> {
    Ok(App::new(config()?, Aws::from_environment().await))
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
    Ok(App::new(config, Aws::from_environment().await))
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
    fn of_secrets_that_are_written_out_none_is_dropped() {
        let of = |secrets: &str| BTreeMap::from([("SECRETS".to_owned(), secrets.to_owned())]);
        let mut all = of("{}");
        join(&mut all, of("{}")).unwrap();
        assert!(join(&mut all, of("{\"a\": {}}")).is_err());
    }
}
