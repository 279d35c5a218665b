//! The local function's settings: names and values, as its environment has them, and as a file for the other commands.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use hookwork::config::Config;

use super::{
    ACCESS_KEY, BACKUP, GITHUB_SECRET, INTDASH_SECRET, INTDASH_TOKEN, ORIGIN, PROJECT, REGION,
    SECRET_KEY, STATE, STRIPE_SECRET, TOPIC_ARN,
};

/// What is not the same in every run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a> {
    pub(super) vk_url: &'a str,
    pub(super) s3_url: &'a str,
    pub(super) intdash_url: &'a str,
    pub(super) topic_url: &'a str,
    pub(super) inbox_token: &'a str,
    /// Whether a script hears of every outcome.
    pub(super) notify: bool,
}

impl Settings<'_> {
    /// The function's own variables.
    fn variables(&self) -> BTreeMap<&'static str, String> {
        let sources = json!({
            "vk": {
                "kind": "s3", "flavor": "vk", "endpoint": self.s3_url, "region": REGION,
                "buckets": {format!("{PROJECT}/{ORIGIN}"): {
                    "notify": self.notify,
                }}, "url": self.vk_url,
            },
            "intdash": {"kind": "intdash", "url": self.intdash_url},
            "github": {"kind": "generic", "verify": "github"},
            "stripe": {"kind": "generic", "verify": "stripe"},
            "any": {"kind": "generic", "verify": "none"},
        });
        let secrets = json!({
            "vk": {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY},
            "intdash": {"secrets": [INTDASH_SECRET], "api_token": INTDASH_TOKEN},
            "github": {"secrets": [GITHUB_SECRET]},
            "stripe": {"secrets": [STRIPE_SECRET]},
            "inbox": {"token": self.inbox_token},
        });
        BTreeMap::from([
            ("SOURCES", sources.to_string()),
            ("SECRETS", secrets.to_string()),
            ("BACKUP_BUCKET", BACKUP.to_owned()),
            ("STATE_BUCKET", STATE.to_owned()),
            ("SNS_TOPIC_ARN", TOPIC_ARN.to_owned()),
        ])
    }

    /// As the function reads them.
    ///
    /// # Errors
    /// They are wrong.
    pub(super) fn config(&self) -> Result<Config> {
        let variables = self.variables();
        Config::from_lookup(|name| variables.get(name).cloned())
            .context("the local settings are wrong")
    }

    /// Writes them to a file that nobody else reads, with what the SDK needs to find this machine's storage and topic.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let mut variables = self.variables();
        variables.extend([
            ("AWS_ENDPOINT_URL_S3", self.s3_url.to_owned()),
            // All other services: of these there is the topic alone.
            ("AWS_ENDPOINT_URL", self.topic_url.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let write = || {
            let json = serde_json::to_vec_pretty(&variables)?;
            options.open(file)?.write_all(&json)
        };
        write().with_context(|| format!("cannot write the settings to {}", file.display()))
    }
}
