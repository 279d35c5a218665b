//! The `SOURCES` setting: what is wrong with each definition, and with all of them together.

use crate::domain::secrets::INBOX;
use crate::domain::source::{Source, is_source_name};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

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
