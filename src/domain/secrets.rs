//! The secrets of all sources, parsed. Errors name the place and never a value.

use super::signature::Secret;
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
        match serde_json::from_str::<BTreeMap<String, serde_json::Value>>(json) {
            Ok(by_name) => {
                for (name, value) in by_name {
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
        let id = id.trim().to_owned();
        secret(key).map(|secret| access_keys.push(AccessKey { id, secret }))
    };
    match (wire.access_key_id, wire.secret_access_key) {
        (Some(id), Some(key)) => access_key(id, key)?,
        (None, None) => {}
        _ => return Err("access_key_id and secret_access_key go together"),
    }
    for key in wire.keys {
        access_key(key.access_key_id, key.secret_access_key)?;
    }
    let url_key = wire.url_key.map(secret).transpose()?;
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
        api_token: wire.api_token.map(secret).transpose()?,
        verify_token: wire.verify_token.map(secret).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_spellings_of_the_access_keys() {
        let both = Secrets::parse(
            r#"{"vk":{"access_key_id":"A","secret_access_key":"a\n","url_key":"u"},
                "old":{"keys":[{"access_key_id":"B","secret_access_key":"b"},{"access_key_id":"C","secret_access_key":"c"}]},
                "inbox":{"token":"t"}}"#,
        )
        .secrets;
        assert_eq!(
            both.of("vk").unwrap().access_keys[0].secret,
            Secret::new("a")
        );
        assert_eq!(both.of("old").unwrap().access_keys.len(), 2);
        assert!(both.of("nobody").is_none());
    }

    #[test]
    fn a_trimmed_line_break_is_told() {
        let parsed = Secrets::parse(r#"{"a":{"secrets":["x\n"]},"b":{"secrets":["y"]}}"#);
        assert_eq!(parsed.trimmed, ["a"]);
    }

    #[test]
    fn an_error_never_quotes_a_secret() {
        for json in [
            r#"{"vk":{"secrets":"hunter2"}}"#,
            r#"{"vk":"hunter2"}"#,
            r#"["hunter2"]"#,
            r#"{"vk":{"hunter2":1}}"#,
            "hunter2",
        ] {
            let problems = Secrets::parse(json).problems;
            assert!(
                !problems.is_empty() && !problems.concat().contains("hunter2"),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn the_inbox_has_a_token_and_is_no_source() {
        let parsed = Secrets::parse(r#"{"inbox":{"token":"t\n"},"vk":{"secrets":["s"]}}"#);
        let secrets = &parsed.secrets;
        assert_eq!(secrets.inbox_token(), Some(&Secret::new("t")));
        assert_eq!(parsed.trimmed, ["inbox"]);
        assert_eq!(secrets.names().collect::<Vec<_>>(), ["vk"]);
        let merged = Secrets::not_read().merged(secrets.clone());
        assert_eq!(merged.inbox_token(), Some(&Secret::new("t")));
        for (wrong, told) in [
            (r#"{"inbox":{"token":""}}"#, "empty"),
            (
                r#"{"inbox":{"token":"t","url_key":"hunter2"}}"#,
                "nothing else",
            ),
            (r#"{"inbox":{"secrets":["hunter2"]}}"#, "nothing else"),
            (r#"{"vk":{"token":"hunter2"}}"#, "nothing else"),
        ] {
            let parsed = Secrets::parse(wrong);
            assert!(parsed.secrets.inbox_token().is_none());
            assert_eq!(parsed.problems.len(), 1, "{wrong}");
            assert!(parsed.problems[0].contains(told), "{:?}", parsed.problems);
            assert!(!parsed.problems[0].contains("hunter2"));
        }
    }

    #[test]
    fn an_empty_secret_is_an_error() {
        let parsed = Secrets::parse(r#"{"intdash":{"secrets":["\n"]}, "other":{"secrets":["x"]}}"#);
        assert_eq!(parsed.problems.len(), 1);
        assert!(parsed.secrets.of("other").is_some(), "the others go on");
    }

    #[test]
    fn what_guards_a_source_survives_a_merge() {
        let parse = |json: &str| Secrets::parse(json).secrets;
        let merged = parse(r#"{"vk":{"url_key":"k","secrets":["a"]}}"#).merged(parse(
            r#"{"vk":{"access_key_id":" A\n","secret_access_key":"a","secrets":["b"]},"x":{}}"#,
        ));
        let vk = merged.of("vk").unwrap();
        assert_eq!(vk.url_key, Some(Secret::new("k")));
        assert_eq!((vk.secrets.len(), vk.access_keys[0].id.as_str()), (2, "A"));
        assert!(merged.of("x").is_some());
    }

    #[test]
    fn a_url_key_that_no_url_can_carry_is_a_problem() {
        assert_eq!(
            Secrets::parse(r#"{"vk":{"url_key":"a/b"}}"#).problems.len(),
            1
        );
    }
}
