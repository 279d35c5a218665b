//! The `SOURCES` setting: what is wrong with each definition, and with all of them together.

use crate::domain::event::bucket_of;
use crate::domain::secrets::INBOX;
use crate::domain::source::{Source, is_source_name};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use url::Url;

/// Reads `SOURCES`, as far as it can be read; every problem is added to `problems`.
pub(super) fn read_sources(json: &str, problems: &mut Vec<String>) -> BTreeMap<String, Source> {
    let mut sources = BTreeMap::new();
    let Definitions(definitions) = match serde_json::from_str(json) {
        Ok(definitions) => definitions,
        Err(e) => {
            let (line, column) = (e.line(), e.column());
            problems.push(format!("SOURCES: expected a JSON object, source name → its definition (line {line}, column {column})"));
            return sources;
        }
    };
    if definitions.is_empty() {
        problems.push("SOURCES: expected at least one source, found none".to_owned());
    }
    for (name, definition) in definitions {
        if !is_source_name(&name) {
            problems.push(format!("SOURCES: a source's name is a segment of its URL: expected letters, digits, - and _, found \"{name}\""));
        }
        if name == INBOX {
            problems.push(format!("SOURCES: {name}: in the secrets this is the inbox's entry: give the source another name"));
        }
        if !definition.is_object() {
            problems.push(format!("SOURCES: {name}: expected an object with a kind"));
            continue;
        }
        if sources.contains_key(&name) {
            problems.push(format!("SOURCES: {name} is defined twice"));
        }
        match serde_json::from_value::<Source>(definition) {
            Ok(source) => {
                problems.extend(
                    source
                        .problems()
                        .into_iter()
                        .map(|problem| format!("SOURCES: {name}: {problem}")),
                );
                sources.insert(name, source);
            }
            Err(problem) => problems.push(format!("SOURCES: {name}: {problem}")),
        }
    }
    problems.extend(shared_paths(&sources));
    problems.extend(overlapping_prefixes(&sources));
    sources
}

/// An object's members in order, the doubled ones too, which a map would drop without a word.
struct Definitions(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Definitions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Definitions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Definitions, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Definitions(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn shared_paths(sources: &BTreeMap<String, Source>) -> Vec<String> {
    let mut taken = BTreeMap::new();
    let paths = sources
        .iter()
        .filter_map(|(name, source)| source.path().map(|path| (name, path)));
    paths
        .filter_map(|(name, path)| {
            taken
                .insert(path, name)
                .map(|other| format!("SOURCES: {other} and {name} have the same path {path}"))
        })
        .collect()
}

/// Origin buckets that are the backup or the state bucket itself, as far as the settings show it. `store` is the endpoint of these two;
/// AWS's own where there is none.
pub(super) fn own_buckets(
    sources: &BTreeMap<String, Source>,
    store: Option<&str>,
    backup: Option<&str>,
    state: Option<&str>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, source) in sources {
        let Source::S3(source) = source else { continue };
        if !is_same_store(&source.endpoint, store) {
            continue;
        }
        for origin in source.buckets.keys() {
            let bucket = Some(bucket_of(origin));
            if bucket == backup {
                problems.push(format!(
                    "SOURCES: {name}: {origin} is BACKUP_BUCKET: a bucket is not its own backup"
                ));
            } else if bucket == state {
                problems.push(format!("SOURCES: {name}: {origin} is STATE_BUCKET: our own files would be mirrored, and each copy writes more of them"));
            }
        }
    }
    problems
}

/// Whether two endpoints are one store: AWS's names of S3 all are, whatever their region, and others are compared without what means the
/// same.
fn is_same_store(endpoint: &str, store: Option<&str>) -> bool {
    let place = |endpoint: &str| {
        let url = Url::parse(endpoint).ok()?;
        let host = url.host_str()?.trim_end_matches('.').to_owned();
        let amazon = host.ends_with("amazonaws.com") || host.ends_with("amazonaws.com.cn");
        Some(if amazon {
            ("amazonaws".to_owned(), None)
        } else {
            (host, url.port_or_known_default())
        })
    };
    let store = store.unwrap_or("https://s3.amazonaws.com");
    place(endpoint).is_some_and(|found| Some(found) == place(store))
}

/// Two origins whose keys could meet in the backup would overwrite each other there.
fn overlapping_prefixes(sources: &BTreeMap<String, Source>) -> Vec<String> {
    let mut seen: Vec<(String, &str)> = Vec::new();
    let mut problems = Vec::new();
    for (name, source) in sources {
        let Source::S3(source) = source else { continue };
        for (bucket, rule) in &source.buckets {
            let place = format!("{name} {bucket}");
            for (other, prefix) in &seen {
                if rule.prefix.starts_with(prefix) || prefix.starts_with(&rule.prefix) {
                    problems.push(format!(
                        "SOURCES: the prefixes of {other} (\"{prefix}\") and {place} (\"{}\") overlap in the backup: give each its own",
                        rule.prefix
                    ));
                }
            }
            seen.push((place, &rule.prefix));
        }
    }
    problems
}
