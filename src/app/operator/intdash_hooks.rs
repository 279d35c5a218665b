//! The hooks of an intdash project: made, listed, tested, removed. What a server says of them has secrets in it: none is told on.

use super::super::{App, missing};
use super::hooks::Url;
use crate::clients::intdash::Intdash;
use crate::domain::signature::Secret;
use crate::domain::source::Source;
use crate::domain::source::intdash::is_id;
use serde_json::{Value, json};
use std::collections::HashSet;

/// A page with fewer hooks is the last (source: intdash's OpenAPI document v2.6.1, `per_page`).
const PER_PAGE: usize = 100;
/// More pages are not read.
const PAGES_MAX: usize = 50;

/// Where the hooks of a project are, and what lets us in there.
#[derive(Debug)]
pub struct IntdashHooks<'a> {
    app: &'a App,
    server: &'a Intdash,
    source: String,
    token: Secret,
    path: String,
}

/// A hook as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its UUID.
    pub uuid: String,
    /// Where it posts to, without what may be a secret.
    pub url: String,
    /// Whether it posts at all, where the server says so.
    pub enabled: Option<bool>,
    /// What it posts, in the server's words.
    pub events: Vec<String>,
}

/// What became of a test delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// `processing`, `succeeded` or `failed`.
    pub status: String,
    /// The status that its receiver answered, if it did.
    pub answered: Option<u64>,
    /// Why it failed, in the server's words.
    pub reason: String,
}

impl App {
    /// The hooks of a source's server: of its own project and path, or of others.
    ///
    /// # Errors
    /// A sentence.
    pub async fn intdash_hooks(
        &self,
        source: &str,
        project: Option<&str>,
        path: Option<&str>,
    ) -> Result<IntdashHooks<'_>, String> {
        let Source::Intdash(settings) = self.source(source)? else {
            return Err(format!("source {source} is not of kind intdash"));
        };
        let server = self.servers.get(source);
        let server = server.ok_or_else(|| format!("source {source} is not of kind intdash"))?;
        let project = project.unwrap_or(&settings.project);
        if !is_id(project) {
            return Err(format!("--project: expected a UUID, found \"{project}\""));
        }
        let path = path.unwrap_or(&settings.hooks_path);
        if !path.starts_with('/') {
            return Err(format!(
                "--path: expected a path from / on, found \"{path}\""
            ));
        }
        let secrets = self.secrets.get().await;
        let known = secrets.of(source);
        let token = known.and_then(|known| known.api_token.clone());
        Ok(IntdashHooks {
            app: self,
            server,
            source: source.to_owned(),
            token: token.ok_or_else(|| missing(source, "api_token").to_string())?,
            path: path.trim_end_matches('/').replace("{project}", project),
        })
    }
}

impl IntdashHooks<'_> {
    /// Path of the collection.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What a hook with this URL is made of, without its secret, for a human to see. Nothing is sent.
    ///
    /// # Errors
    /// A sentence.
    pub async fn plan(&self, url: &str) -> Result<Value, String> {
        self.app.signing_secret(&self.source).await?;
        let url = self.app.with_url_key(&self.source, url).await?;
        let shown = url.redact(&url.whole);
        Ok(
            json!({"url": shown, "secret": "[the first of the source's secrets]", "measurements_event": true}),
        )
    }

    /// Makes a hook that signs with the first of the source's secrets. Where one with this URL is there, nothing is made, and
    /// this says none; else the new one's UUID.
    ///
    /// # Errors
    /// A sentence.
    pub async fn create(&self, url: &str) -> Result<Option<String>, String> {
        let secret = self.app.signing_secret(&self.source).await?;
        let url = self.app.with_url_key(&self.source, url).await?;
        let known = self.all().await?;
        if known.iter().any(|hook| hook["url"] == url.whole) {
            return Ok(None);
        }
        let body = json!({"url": url.whole, "secret": secret.expose(), "measurements_event": true});
        let made = self
            .server
            .create_hook(&self.path, &self.token, body.to_string());
        let made = made.await.map_err(|error| error.to_string());
        let made = match made {
            Ok(made) => serde_json::from_str(&made).unwrap_or(Value::Null),
            Err(error) => return Err(url.redact(&self.redacted(error).await)),
        };
        let id = uuid_of(&made);
        Ok(Some(id.unwrap_or("(without a uuid)").to_owned()))
    }

    /// The hooks that there are.
    ///
    /// # Errors
    /// A sentence.
    pub async fn list(&self) -> Result<Vec<Shown>, String> {
        let all = self.all().await?;
        Ok(all.iter().map(|hook| self.shown(hook)).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// A sentence.
    pub async fn find(&self, uuid: &str) -> Result<Shown, String> {
        Ok(self.shown(&self.read(uuid).await?))
    }

    /// Has the server post a test delivery to a hook's URL.
    ///
    /// # Errors
    /// A sentence.
    pub async fn test(&self, uuid: &str) -> Result<Tested, String> {
        let hook = self.read(uuid).await?;
        // A server may quote the URL that it could not reach.
        let url = Url {
            hidden: hook["url"]
                .as_str()
                .map(|url| (Secret::new(url), self.app.shown_url(url))),
            whole: String::new(),
        };
        let body = json!({"resource_type": "measurement", "action": "completed"}).to_string();
        let path = self.one(uuid)?;
        let told = match self.server.test_hook(&path, &self.token, body).await {
            Ok(told) => told,
            Err(error) => return Err(url.redact(&self.redacted(error.to_string()).await)),
        };
        let delivery: Value = serde_json::from_str(&told)
            .map_err(|_| "what the server says of the delivery is not JSON")?;
        let text = |name: &str| delivery[name].as_str().unwrap_or_default().to_owned();
        Ok(Tested {
            status: text("status"),
            answered: delivery["response"]["status"].as_u64(),
            reason: url.redact(&self.redacted(text("reason")).await),
        })
    }

    /// Removes a hook.
    ///
    /// # Errors
    /// A sentence.
    pub async fn remove(&self, uuid: &str) -> Result<(), String> {
        let removed = self.server.remove_hook(&self.one(uuid)?, &self.token).await;
        match removed {
            Ok(()) => Ok(()),
            Err(error) => Err(self.redacted(error.to_string()).await),
        }
    }

    fn one(&self, uuid: &str) -> Result<String, String> {
        if !is_id(uuid) {
            return Err(format!("expected the UUID of a hook, found \"{uuid}\""));
        }
        Ok(format!("{}/{uuid}", self.path))
    }

    async fn read(&self, uuid: &str) -> Result<Value, String> {
        let hook = self.server.hook(&self.one(uuid)?, &self.token).await;
        match hook {
            Ok(hook) => serde_json::from_str(&hook).map_err(|_| not_json().to_owned()),
            Err(error) => Err(self.redacted(error.to_string()).await),
        }
    }

    /// Page by page; a server that knows no pages gives the same one again.
    async fn all(&self) -> Result<Vec<Value>, String> {
        let (mut all, mut seen) = (Vec::new(), HashSet::new());
        for page in 1..=PAGES_MAX {
            let known = self.server.hooks(&self.path, page, &self.token).await;
            let known = match known {
                Ok(known) => known,
                Err(error) => return Err(self.redacted(error.to_string()).await),
            };
            let known: Value = serde_json::from_str(&known).map_err(|_| not_json())?;
            let items = known.get("items").unwrap_or(&known).as_array();
            let items = items.ok_or_else(not_json)?;
            let new = items.iter().filter(|hook| {
                let uuid = uuid_of(hook).unwrap_or_default();
                seen.insert(uuid.to_owned())
            });
            let before = all.len();
            all.extend(new.cloned());
            if items.len() < PER_PAGE || all.len() == before {
                break;
            }
        }
        Ok(all)
    }

    fn shown(&self, hook: &Value) -> Shown {
        let fields = hook.as_object().into_iter().flatten();
        let events = fields.filter(|(name, on)| name.contains("_event") && **on == true);
        Shown {
            uuid: uuid_of(hook).unwrap_or("(without a uuid)").to_owned(),
            url: self.app.shown_url(hook["url"].as_str().unwrap_or_default()),
            enabled: hook["enabled"].as_bool(),
            events: events.map(|(name, _)| name.clone()).collect(),
        }
    }

    /// A server's words without any secret that we know.
    async fn redacted(&self, mut text: String) -> String {
        let secrets = self.app.secrets.get().await;
        for name in self.app.sources.keys() {
            let Some(known) = secrets.of(name) else {
                continue;
            };
            let keys = known.url_key.iter().chain(&known.api_token);
            for secret in keys.chain(&known.secrets) {
                if !secret.expose().is_empty() {
                    text = text.replace(secret.expose(), "[redacted]");
                }
            }
        }
        text
    }
}

impl App {
    /// The URL of some hook without what may be a secret: whole only where it is one of ours without a url_key; of the others of
    /// ours without their last segment; of all others no more than the host, since nobody knows what their paths are.
    fn shown_url(&self, url: &str) -> String {
        let Ok(parsed) = url::Url::parse(url) else {
            return "[no URL]".to_owned();
        };
        let path = parsed.path();
        let ours = |path: &str| self.sources.keys().any(|name| self.is_keyless(name, path));
        let origin = parsed.origin().ascii_serialization();
        let query = if parsed.query().is_some() {
            "?[redacted]"
        } else {
            ""
        };
        match path.trim_end_matches('/').rsplit_once('/') {
            _ if ours(path) => format!("{origin}{path}{query}"),
            Some((parent, _)) if ours(parent) => format!("{origin}{parent}/[url_key]{query}"),
            _ => format!("{origin}/[redacted]"),
        }
    }
}

fn uuid_of(hook: &Value) -> Option<&str> {
    hook["uuid"].as_str().or(hook["hook_uuid"].as_str())
}

fn not_json() -> &'static str {
    "what the server says of its hooks is not the documented JSON: is this the right --path?"
}
