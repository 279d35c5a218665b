//! The function's settings, for the commands that work with it: from the environment, as the function has them.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
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

/// Starts this program anew with the file's variables before those of the environment. That is the one way in which the SDK's own
/// variables among them count too: it reads the process's.
///
/// # Errors
/// The file is no JSON object of strings, or the program cannot be started anew.
pub(crate) fn apply(file: &Path) -> Result<()> {
    if std::env::var_os(APPLIED).is_some() {
        return Ok(());
    }
    let shown = file.display();
    let json = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    // The parser's own error would quote what it found, which may be a secret.
    let Ok(variables) = serde_json::from_str::<BTreeMap<String, String>>(&json) else {
        bail!("{shown}: expected a JSON object, variable → value, both strings");
    };
    let mut again = Command::new(std::env::current_exe().context("cannot find this program")?);
    again.args(std::env::args_os().skip(1)).env(APPLIED, "1");
    // How much the function logs says nothing about this terminal.
    again.envs(
        variables
            .into_iter()
            .filter(|(name, _)| name != "LOG_LEVEL"),
    );
    Err(again.exec()).context("cannot start anew with the file's variables")
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
