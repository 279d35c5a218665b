//! Which property of a copy a store has refused. S3's rules change and stores have rules of their own, so that what fits by
//! [`fit`](super::fit) may be refused all the same: the copy is then written without it, since a copy without one of its tags is
//! worth more than no copy.

use super::fit::{Fitted, LeftOut};
use super::mark::Mark;

/// The name of the header that asks for a storage class.
const STORAGE_CLASS: &str = "x-amz-storage-class";

/// What of the properties is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Tags beyond ASCII.
    OddTags,
    Tags,
    Metadata,
    StorageClass,
    /// All but the content type and the mark.
    Others,
    /// All but the mark.
    All,
}

impl Fitted {
    /// The same without the properties that this refusal is about, told by name. None where it is about something else, or
    /// there is nothing more to leave out. The mark always stays.
    #[must_use]
    pub fn without_refused(&self, code: &str, message: &str) -> Option<Self> {
        let parts: &[Part] = match code {
            "InvalidTag" => &[Part::OddTags, Part::Tags],
            "MetadataTooLarge" | "RequestHeaderSectionTooLarge" => &[Part::Metadata, Part::Others],
            "InvalidStorageClass" => &[Part::StorageClass],
            // The message says which.
            "InvalidArgument" | "InvalidRequest" | "BadRequest" | "NotImplemented" => {
                let message = message.to_ascii_lowercase();
                let names = |words: &[&str]| words.iter().any(|word| message.contains(word));
                if names(&["tagging", " tag ", " tags ", " tag's "]) {
                    &[Part::OddTags, Part::Tags]
                } else if names(&["storage class", "storage-class", "storageclass"]) {
                    &[Part::StorageClass]
                } else if names(&["metadata", "x-amz-meta-"]) {
                    &[Part::Metadata]
                } else if code == "InvalidArgument" {
                    &[Part::Others, Part::All]
                } else {
                    return None;
                }
            }
            _ => return None,
        };
        parts.iter().find_map(|part| self.without(*part))
    }

    /// None where there is nothing of it.
    fn without(&self, part: Part) -> Option<Self> {
        let mut less = self.clone();
        let mut left_out = LeftOut::default();
        let all = matches!(part, Part::Others | Part::All);
        if all || part == Part::StorageClass {
            less.properties.headers.retain(|name, _| {
                let stays = match *name {
                    STORAGE_CLASS => false,
                    "content-type" => part != Part::All,
                    _ => !all,
                };
                if !stays {
                    left_out.tell("header", name);
                }
                stays
            });
        }
        if all || part == Part::Metadata {
            less.properties.metadata.retain(|name, _| {
                let stays = name == Mark::NAME;
                if !stays {
                    left_out.tell("metadata", name);
                }
                stays
            });
        }
        if all || matches!(part, Part::OddTags | Part::Tags) {
            less.properties.tags.retain(|key, value| {
                let plain = key.is_ascii() && value.is_ascii();
                let stays = key == Mark::NAME || (part == Part::OddTags && plain);
                if !stays {
                    left_out.tell("tag", key);
                }
                stays
            });
        }
        let names = left_out.names();
        less.left_out.extend(names.iter().cloned());
        (!names.is_empty()).then_some(less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::object::Properties;
    use std::collections::BTreeMap;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn fitted() -> Fitted {
        let headers = [("content-type", "text/plain"), (STORAGE_CLASS, "GLACIER")];
        Fitted {
            properties: Properties {
                headers: headers.map(|(name, value)| (name, value.to_owned())).into(),
                metadata: map(&[(Mark::NAME, "m"), ("a", "1")]),
                tags: map(&[("k", "v"), ("\u{e9}", "v"), ("w", "\u{e9}")]),
            },
            left_out: vec!["tag \"*\"".to_owned()],
        }
    }

    fn told(code: &str, message: &str) -> Vec<String> {
        let less = fitted().without_refused(code, message);
        let less = less.map(|less| less.left_out[1..].to_vec());
        less.unwrap_or_default()
    }

    #[test]
    fn what_a_refusal_is_about_is_left_out_and_nothing_else() {
        let odd = ["tag \"w\"", "tag \"\u{e9}\""];
        assert_eq!(told("InvalidTag", ""), odd);
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8";
        assert_eq!(told("InvalidArgument", message), odd);
        let message = "A header you provided: x-amz-storage-class";
        assert_eq!(
            told("NotImplemented", message),
            ["header \"x-amz-storage-class\""]
        );
        assert_eq!(told("MetadataTooLarge", ""), ["metadata \"a\""]);
        assert_eq!(told("InvalidArgument", "no").len(), 5);
        for (code, message) in [
            ("InvalidRequest", "no"),
            ("NotImplemented", "A header you provided"),
            ("BadDigest", "x-amz-tagging"),
            ("EntityTooLarge", "metadata"),
            ("", ""),
        ] {
            assert!(told(code, message).is_empty(), "{code}");
        }
    }

    #[test]
    fn it_ends_and_the_mark_stays() {
        for code in ["InvalidTag", "MetadataTooLarge", "InvalidArgument"] {
            let mut less = fitted();
            let mut steps = 0;
            while let Some(next) = less.without_refused(code, "") {
                (less, steps) = (next, steps + 1);
                assert_eq!(less.properties.metadata[Mark::NAME], "m");
            }
            assert!((1..=2).contains(&steps), "{code}: {steps}");
        }
        let mut tagged = fitted();
        tagged.properties.tags = map(&[(Mark::NAME, "m")]);
        assert_eq!(tagged.without_refused("InvalidTag", ""), None);
    }
}
