//! The secrets of all sources, parsed. Errors name the place and never a value.

use super::signature::Secret;
use super::spelling;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The entry that is of the inbox and of no source.
pub const INBOX: &str = "inbox";

/// A pair of keys with which an origin is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: Secret,
}

/// What one source needs to know. Which of it must be there depends on the source's kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceSecrets {
    /// Keys of the origin, newest first: several live ones, for rotation.
    pub access_keys: Vec<AccessKey>,
    /// The unguessable last segment of the registered URL.
    pub url_key: Option<Secret>,
    /// The sender's signing secrets: several live ones, for rotation.
    pub secrets: Vec<Secret>,
    /// The token for the sender's own API.
    pub api_token: Option<Secret>,
    /// What a subscription (`hub.verify_token`) must say; none: one of the secrets.
    pub verify_token: Option<Secret>,
}

/// Secrets by source name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    known: BTreeMap<String, SourceSecrets>,
    /// What opens the inbox.
    inbox: Option<Secret>,
    /// Sources whose entry could not be read.
    unread: BTreeSet<String>,
    /// Whether there are secrets of which nothing could be read, or not yet.
    partial: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    #[serde(default)]
    keys: Vec<WireKey>,
    url_key: Option<String>,
    #[serde(default)]
    secrets: Vec<String>,
    api_token: Option<String>,
    verify_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireInbox {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    access_key_id: String,
    secret_access_key: String,
}

/// Secrets as far as they could be read.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What could be read.
    pub secrets: Secrets,
    /// What could not, a sentence each and without any value.
    pub problems: Vec<String>,
    /// Whose secret ended in a line break, which was trimmed.
    pub trimmed: Vec<String>,
}

impl Secrets {
    /// Parses the JSON of `SECRETS` or of one Secrets Manager secret: an object, source name → its secrets. One source's
    /// problem leaves the others alone. No problem quotes a value, as an error of the JSON parser might.
    #[must_use]
    pub fn parse(json: &str) -> Parsed {
        let mut parsed = Parsed::default();
        let json = json.trim_start_matches('\u{feff}');
        match serde_json::from_str::<BTreeMap<String, serde_json::Value>>(json) {
            Ok(by_name) => {
                for (name, value) in by_name {
                    let value = unwrapped(value);
                    if ends_in_line_break(&value) {
                        parsed.trimmed.push(name.clone());
                    }
                    if name == INBOX {
                        match inbox_token(value) {
                            Ok(token) => parsed.secrets.inbox = Some(token),
                            Err(problem) => parsed.problems.push(format!("{name}: {problem}")),
                        }
                        continue;
                    }
                    match source_secrets(value) {
                        Ok(one) => drop(parsed.secrets.known.insert(name, one)),
                        Err(problem) => {
                            parsed.problems.push(format!("{name}: {problem}"));
                            parsed.secrets.unread.insert(name);
                        }
                    }
                }
            }
            Err(e) => {
                parsed.problems.push(format!(
                    "not a JSON object of source names (line {}, column {})",
                    e.line(),
                    e.column()
                ));
                parsed.secrets.partial = true;
            }
        }
        parsed
    }

    /// The secrets of both. Where both name a source its lists are joined, and of what can be there only once the first
    /// is kept: nothing that guards a source gets lost.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        self.partial |= other.partial;
        self.unread.extend(other.unread);
        self.inbox = self.inbox.or(other.inbox);
        for (name, more) in other.known {
            let one = self.known.entry(name).or_default();
            one.access_keys.extend(more.access_keys);
            one.secrets.extend(more.secrets);
            one.url_key = one.url_key.take().or(more.url_key);
            one.api_token = one.api_token.take().or(more.api_token);
            one.verify_token = one.verify_token.take().or(more.verify_token);
        }
        self
    }

    /// What is known for this source.
    #[must_use]
    pub fn of(&self, source: &str) -> Option<&SourceSecrets> {
        self.known.get(source)
    }

    /// The token that opens the inbox, if there is one.
    #[must_use]
    pub fn inbox_token(&self) -> Option<&Secret> {
        self.inbox.as_ref()
    }

    /// Secrets of which nothing could be read yet.
    #[must_use]
    pub fn not_read() -> Self {
        Self {
            partial: true,
            ..Self::default()
        }
    }

    /// Whether this source may have an entry that is not known. Of one that has an entry in what could be read, that is all.
    #[must_use]
    pub fn doubtful(&self, source: &str) -> bool {
        let missing = self.partial && !self.known.contains_key(source);
        missing || self.unread.contains(source)
    }

    /// Whether there are secrets of which nothing could be read yet.
    #[must_use]
    pub fn partial(&self) -> bool {
        self.partial
    }

    /// The names of all entries of sources.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }
}

/// An entry that is a text with an object in it is that object: the console's table of keys and values makes texts of all values.
fn unwrapped(value: serde_json::Value) -> serde_json::Value {
    let object = |text: &str| {
        serde_json::from_str(text)
            .ok()
            .filter(serde_json::Value::is_object)
    };
    let inner = value.as_str().and_then(object);
    inner.unwrap_or(value)
}

fn ends_in_line_break(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.ends_with(['\r', '\n']),
        serde_json::Value::Array(values) => values.iter().any(ends_in_line_break),
        serde_json::Value::Object(fields) => fields.values().any(ends_in_line_break),
        _ => false,
    }
}

/// A value that signs or opens something; an empty one would let everybody in.
fn secret(text: String) -> Result<Secret, &'static str> {
    let secret = Secret::new(&text);
    if secret.expose().is_empty() {
        Err("a secret is empty")
    } else {
        Ok(secret)
    }
}

fn inbox_token(value: serde_json::Value) -> Result<Secret, &'static str> {
    let wire: WireInbox = serde_json::from_value(value)
        .map_err(|_| "expected an object with a token (a string); nothing else")?;
    secret(wire.token)
}

fn source_secrets(value: serde_json::Value) -> Result<SourceSecrets, &'static str> {
    let wire: Wire = serde_json::from_value(value).map_err(|_| {
        "expected an object with access_key_id and secret_access_key, or keys, and url_key, secrets (a list of strings), api_token, verify_token; \
         nothing else"
    })?;
    let mut access_keys = Vec::new();
    let mut access_key = |id: String, key: String| {
        // No storage issues one that begins or ends so.
        let id = spelling::bare(&id).to_owned();
        secret(spelling::bare(&key).to_owned())
            .map(|secret| access_keys.push(AccessKey { id, secret }))
    };
    match (wire.access_key_id, wire.secret_access_key) {
        (Some(id), Some(key)) => access_key(id, key)?,
        (None, None) => {}
        _ => return Err("access_key_id and secret_access_key go together"),
    }
    for key in wire.keys {
        access_key(key.access_key_id, key.secret_access_key)?;
    }
    let bare = |text: String| secret(spelling::bare(&text).to_owned());
    let url_key = wire.url_key.map(bare).transpose()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if url_key
        .as_ref()
        .is_some_and(|key| !key.expose().bytes().all(plain))
    {
        return Err("a url_key is a segment of a URL: expected letters, digits and -._~");
    }
    Ok(SourceSecrets {
        access_keys,
        url_key,
        secrets: wire
            .secrets
            .into_iter()
            .map(secret)
            .collect::<Result<_, _>>()?,
        api_token: wire.api_token.map(bare).transpose()?,
        verify_token: wire.verify_token.map(secret).transpose()?,
    })
}

#[cfg(test)]
mod tests;
