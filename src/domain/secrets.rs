//! The secrets of all sources, parsed. Errors name the place and never a value.

use super::signature::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;

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
}

/// Secrets by source name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, SourceSecrets>);

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
    /// Of the inbox's entry, which is not a source's.
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    access_key_id: String,
    secret_access_key: String,
}

impl Secrets {
    /// Parses the JSON of `SECRETS` or of one Secrets Manager secret: an object, source name → its secrets.
    ///
    /// # Errors
    /// One sentence a problem, without any value: an error of the JSON parser may quote the text that it stumbled over,
    /// which here is a secret.
    pub fn parse(json: &str) -> Result<Self, Vec<String>> {
        let by_name: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(json).map_err(|e| {
                vec![format!(
                    "not a JSON object of source names (line {}, column {})",
                    e.line(),
                    e.column()
                )]
            })?;
        let mut problems = Vec::new();
        let mut secrets = BTreeMap::new();
        for (name, value) in by_name {
            match source_secrets(value) {
                Ok(one) => drop(secrets.insert(name, one)),
                Err(problem) => problems.push(format!("{name}: {problem}")),
            }
        }
        if problems.is_empty() {
            Ok(Self(secrets))
        } else {
            Err(problems)
        }
    }

    /// The secrets of both; where both name a source, `other` wins.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// What is known for this source.
    #[must_use]
    pub fn of(&self, source: &str) -> Option<&SourceSecrets> {
        self.0.get(source)
    }
}

fn source_secrets(value: serde_json::Value) -> Result<SourceSecrets, &'static str> {
    let wire: Wire = serde_json::from_value(value).map_err(|_| {
        "expected an object with access_key_id and secret_access_key, or keys, and url_key, secrets (a list of strings), api_token; \
         nothing else"
    })?;
    let secret = |text: String| {
        let secret = Secret::new(&text);
        if secret.expose().is_empty() {
            Err("a secret is empty")
        } else {
            Ok(secret)
        }
    };
    let mut access_keys = Vec::new();
    match (wire.access_key_id, wire.secret_access_key) {
        (Some(id), Some(key)) => access_keys.push(AccessKey {
            id,
            secret: secret(key)?,
        }),
        (None, None) => {}
        _ => return Err("access_key_id and secret_access_key go together"),
    }
    for key in wire.keys {
        access_keys.push(AccessKey {
            id: key.access_key_id,
            secret: secret(key.secret_access_key)?,
        });
    }
    wire.token.map(secret).transpose()?;
    Ok(SourceSecrets {
        access_keys,
        url_key: wire.url_key.map(secret).transpose()?,
        secrets: wire
            .secrets
            .into_iter()
            .map(secret)
            .collect::<Result<_, _>>()?,
        api_token: wire.api_token.map(secret).transpose()?,
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
        .unwrap();
        assert_eq!(
            both.of("vk").unwrap().access_keys[0].secret,
            Secret::new("a")
        );
        assert_eq!(both.of("old").unwrap().access_keys.len(), 2);
        assert!(both.of("nobody").is_none());
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
            let problems = Secrets::parse(json).unwrap_err();
            assert!(
                !problems.is_empty() && !problems.concat().contains("hunter2"),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn an_empty_secret_is_an_error() {
        assert!(Secrets::parse(r#"{"intdash":{"secrets":["\n"]}}"#).is_err());
    }
}
