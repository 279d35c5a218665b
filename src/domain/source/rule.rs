//! What of an origin bucket is mirrored, and how: the rule that an allow-list gives it.

use crate::domain::fit::StorageClass;
use crate::domain::reconcile::{Deletes, Foreign, Replicas, Rules};
use serde::Deserialize;
use wildmatch::WildMatch;

/// What of an origin bucket is mirrored, and where to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BucketRule {
    /// Goes before the key in the backup.
    pub prefix: String,
    /// Globs of keys: `*` stands for any characters, `/` too, and `?` for one.
    pub include: Vec<String>,
    /// Globs of keys that are left alone all the same.
    pub exclude: Vec<String>,
    /// Whether removals reach the backup.
    #[serde(deserialize_with = "deletes")]
    pub deletes: Deletes,
    /// What becomes of other people's objects under the prefix.
    #[serde(deserialize_with = "foreign")]
    pub foreign: Foreign,
    /// What becomes of objects in the origin that are copies which hookwork made.
    #[serde(deserialize_with = "replicas")]
    pub replicas: Replicas,
    /// What the copies are stored as; S3's default where it is not set.
    pub storage_class: Option<StorageClass>,
    /// When removals wait for a human.
    pub hold: Hold,
    /// Whether each outcome is published to the topic.
    pub notify: bool,
}

/// Removals wait for a human where there are more of them in one hour, or in one audit, than both of these allow; of a small
/// bucket where they are more than half of all copies and more than 25; and of an origin that lists nothing at all, always
/// (`domain/brake.rs`).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hold {
    /// So many keys.
    pub count: u64,
    /// So large a part of all copies, from 0 to 1.
    pub share: f64,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            count: 100,
            share: 0.1,
        }
    }
}

impl Default for BucketRule {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            include: vec!["*".to_owned()],
            exclude: Vec::new(),
            deletes: Deletes::default(),
            foreign: Foreign::default(),
            replicas: Replicas::default(),
            storage_class: None,
            hold: Hold::default(),
            notify: false,
        }
    }
}

fn deletes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Deletes, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase", remote = "Deletes")]
    enum Wire {
        Mirror,
        Keep,
    }
    Wire::deserialize(deserializer)
}

fn foreign<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Foreign, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase", remote = "Foreign")]
    enum Wire {
        Refuse,
        Overwrite,
    }
    Wire::deserialize(deserializer)
}

fn replicas<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Replicas, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase", remote = "Replicas")]
    enum Wire {
        Ignore,
        Mirror,
    }
    Wire::deserialize(deserializer)
}

impl BucketRule {
    /// The rules for the backup of this key. `origin` is the origin bucket as a mark names it.
    #[must_use]
    pub fn rules<'a>(&self, origin: &'a str, key: &str) -> Rules<'a> {
        Rules {
            origin,
            deletes: self.deletes,
            foreign: self.foreign,
            replicas: self.replicas,
            class: self.storage_class,
            nested: !self.prefix.is_empty() && key.starts_with(&self.prefix),
        }
    }

    /// Where the copy of this key is.
    #[must_use]
    pub fn backup_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Whether this key is mirrored.
    #[must_use]
    pub fn covers(&self, key: &str) -> bool {
        let any = |globs: &[String]| globs.iter().any(|glob| WildMatch::new(glob).matches(key));
        any(&self.include) && !any(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn globs_cross_slashes() {
        let rule = BucketRule {
            include: vec!["a/*".into(), "*.jpg".into()],
            exclude: vec!["*/secret?".into()],
            ..BucketRule::default()
        };
        for (key, covered) in [
            ("a/b/c", true),
            ("x/y.jpg", true),
            ("b", false),
            ("a/secret1", false),
            ("a/secret", true),
        ] {
            assert_eq!(rule.covers(key), covered, "{key}");
        }
    }

    #[test]
    fn globs_know_two_signs_only() {
        let covers = |glob: &str, key: &str| {
            let rule: BucketRule = serde_json::from_value(json!({"include": [glob]})).unwrap();
            rule.covers(key)
        };
        for (glob, key) in [
            ("*", ""),
            ("a*c", "ac"),
            ("a?c", "a\u{1f600}c"),
            ("[ab]", "[ab]"),
            ("{a,b}", "{a,b}"),
            ("!a", "!a"),
            ("a\\b", "a\\b"),
            ("a.b+(c)^$|", "a.b+(c)^$|"),
            ("**/a", "b/c/a"),
            ("caf\u{e9}*", "caf\u{e9}/1"),
            ("a\n*", "a\nb"),
        ] {
            assert!(covers(glob, key), "{glob:?} {key:?}");
        }
        for (glob, key) in [
            ("", "a"),
            ("a", "A"),
            ("a", "ab"),
            ("a?", "a"),
            ("[ab]", "a"),
            ("{a,b}", "a"),
            ("a.b", "axb"),
            ("**/a", "a"),
            ("caf\u{e9}", "cafe\u{301}"),
        ] {
            assert!(!covers(glob, key), "{glob:?} {key:?}");
        }
    }

    #[test]
    fn a_storage_class_that_s3_does_not_have_is_an_error_that_names_those_it_has() {
        let rule =
            |class: &str| serde_json::from_value::<BucketRule>(json!({"storage_class": class}));
        assert_eq!(
            rule("GLACIER_IR").unwrap().storage_class,
            Some(StorageClass::GlacierIr)
        );
        let error = rule("COLD").unwrap_err().to_string();
        for class in ["`COLD`", "`STANDARD`", "`ONEZONE_IA`", "`DEEP_ARCHIVE`"] {
            assert!(error.contains(class), "{error}");
        }
    }
}
