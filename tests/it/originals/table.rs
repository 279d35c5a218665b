//! What was found, as docs/originals.md shows it. Keys of others are shown so that they cannot be taken for Markdown.

use super::recorded::{From, Reason};
use std::collections::BTreeMap;

/// So much of a key is shown, in characters; and so many keys one by one.
const KEY_SHOWN: usize = 28;
const KEYS_SHOWN: usize = 3;

/// One request, answered by both.
pub(super) struct Pair {
    pub(super) name: String,
    /// The reason that the row gives for a difference.
    pub(super) differs: Option<String>,
    pub(super) same: bool,
    pub(super) original: Side,
    pub(super) ours: Side,
}

/// What one program answered and did.
#[derive(Debug)]
pub(super) struct Side {
    status: u16,
    signature: Option<String>,
    /// Keys, or what was published, and what became of them.
    did: Vec<(String, String)>,
}

impl Side {
    pub(super) fn new(status: u16, signature: Option<String>, did: Vec<(String, String)>) -> Self {
        Self {
            status,
            signature,
            did,
        }
    }

    fn cell(&self) -> String {
        let signs = self.signature.as_ref();
        let signs = signs.map(|signature| format!("signs `{}…`", &signature[..8]));
        let words = self.did.iter().map(|(_, word)| word);
        let mut counts = BTreeMap::new();
        words.for_each(|word| *counts.entry(word).or_insert(0) += 1);
        let did: Vec<_> = if self.did.len() > KEYS_SHOWN {
            let counts = counts.iter();
            counts
                .map(|(word, so_many)| format!("{so_many} × {word}"))
                .collect()
        } else {
            let did = self.did.iter();
            did.map(|(key, word)| format!("{word} {}", shown(key)).trim_end().to_owned())
                .collect()
        };
        let parts = signs.into_iter().chain(did);
        let parts = std::iter::once(self.status.to_string()).chain(parts);
        parts.collect::<Vec<_>>().join(", ")
    }
}

fn shown(key: &str) -> String {
    let plain = key
        .chars()
        .all(|c| c.is_alphanumeric() || " .,:+-/%_".contains(c));
    let text = if plain {
        key.to_owned()
    } else {
        key.escape_debug()
            .to_string()
            .replace('|', "\\|")
            .replace('`', "'")
    };
    let short: String = text.chars().take(KEY_SHOWN).collect();
    match (
        key.is_empty(),
        short.len() < text.len() && !text.starts_with("Average"),
    ) {
        (true, _) => String::new(),
        (_, true) => format!("`{short}…`"),
        _ => format!("`{text}`"),
    }
}

/// The whole page.
pub(super) fn page(reasons: &BTreeMap<String, Reason>, programs: &[(&From, Vec<Pair>)]) -> String {
    let mut page = String::from(
        "# The programs that this one replaces, side by side\n\n\
         Written by `make originals`, and kept true by `tests/it/originals.rs`, which also says what *the same* means. Each row is one request, \
         sent to the original as it is and to this function; the last column says why the two differ, where they do.\n",
    );
    for (from, pairs) in programs {
        let same = pairs.iter().filter(|pair| pair.same).count();
        page.push_str(&format!(
            "\n## {} at {}\n\n{} requests: {same} answered alike, {} not.\n\n| request | original | hookwork | |\n|---|---|---|---|\n",
            from.repository,
            &from.commit[..7],
            pairs.len(),
            pairs.len() - same,
        ));
        for pair in pairs {
            let (name, why) = (&pair.name, pair.differs.as_deref().unwrap_or_default());
            let (original, ours) = (pair.original.cell(), pair.ours.cell());
            page.push_str(&format!("| {name} | {original} | {ours} | {why} |\n"));
        }
    }
    for (of, title) in [
        ("wrong", "Where the original is wrong"),
        (
            "interface",
            "Where this one is stricter, or lets pass what does not matter",
        ),
    ] {
        page.push_str(&format!("\n## {title}\n\n| | |\n|---|---|\n"));
        for (name, reason) in reasons.iter().filter(|(_, reason)| reason.of == of) {
            page.push_str(&format!("| {name} | {} |\n", reason.says));
        }
    }
    page
}
