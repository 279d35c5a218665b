//! How far an audit has come, and the removals that it has found. What it has found is kept so that no death and no second
//! worker can add to it twice: keys wait in the run itself until they fill a file, the run says that they are to be written,
//! and only then is the file written, whose name follows from the run alone. Pure.

use super::audit::{Cursor, Join};
use super::handshake::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

/// How far an audit has come: what the next slice goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    version: u32,
    /// Of this run; the folder of its files has it as its name.
    pub id: Uuid,
    /// When it began, in seconds since 1970.
    pub began: i64,
    /// The key that was looked at last; none at the beginning.
    pub after: Option<String>,
    /// Where both listings had come to, if one of them is not in the order of keys: then no key says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursors: Option<[Cursor; 2]>,
    /// Whether it is through.
    pub ended: bool,
    /// Keys of the origin that are mirrored.
    pub keys: u64,
    /// Copies of them that are ours, and those whose original is gone.
    pub copies: u64,
    /// Keys that the mirror was told to look at.
    pub hints: u64,
    /// Those among them that no event can have told of; removals are counted apart.
    #[serde(default)]
    pub missed: u64,
    /// Objects under the prefix that are nobody's copy of this origin.
    pub foreign: u64,
    /// Objects that could not be looked at, and are left alone.
    pub unreadable: u64,
    /// Of a run of version 1: its files of removals, and how many keys each has. A later one counts its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<(String, u64)>,
    /// How many files of removals it has written.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub written: u64,
    /// How many keys these have.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub noted: u64,
    /// Keys of removals that no file has yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// Whether these are to be written to a file as they are, before anything else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sealed: bool,
    /// Of a run that is through: whether its removals wait for a human. None of version 1, where the rule says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<bool>,
    /// When it was gone on with last, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<i64>,
    /// The last one of this origin that came to its end before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Last>,
    /// When the first one began that did not come to its end since then, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
}

/// An audit that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Last {
    /// When it began, in seconds since 1970.
    pub began: i64,
    /// As it counted them.
    pub keys: u64,
    /// As it counted them.
    pub copies: u64,
}

/// Why the file of a run is not read. It is never taken for a run that there is not: what it has found would be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unread {
    /// A later version of the program wrote it.
    #[error(
        "the file of the audit is of version {0}, and this program reads versions 1 to {VERSION}"
    )]
    Later(u32),
    /// It is too long, or no run.
    #[error("the file of the audit is not one that this program wrote")]
    NoRun,
}

const VERSION: u32 = 2;
/// A run that nobody went on with for so long, in seconds, is begun anew: what it has seen is no more true.
const STALE: i64 = 7 * 24 * 3600;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_nought(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_false(it: &bool) -> bool {
    !it
}

impl Run {
    /// One that begins, after this one.
    #[must_use]
    pub fn new(id: Uuid, began: i64, before: Option<&Self>) -> Self {
        Self {
            version: VERSION,
            id,
            began,
            after: None,
            cursors: None,
            ended: false,
            keys: 0,
            copies: 0,
            hints: 0,
            missed: 0,
            foreign: 0,
            unreadable: 0,
            files: Vec::new(),
            written: 0,
            noted: 0,
            waiting: Vec::new(),
            sealed: false,
            held: None,
            touched: None,
            last: before.and_then(Self::last),
            first: before
                .filter(|before| !before.ended)
                .map(|before| before.first.unwrap_or(before.began)),
        }
    }

    /// The run to go on with at this time: the one that is under way, or one of this id that begins.
    #[must_use]
    pub fn at(found: Option<Self>, id: Uuid, now: i64) -> Self {
        match found {
            Some(run) if run.goes_on(now) => run,
            before => Self::new(id, now, before.as_ref()),
        }
    }

    /// Whether it is under way, and not out of date.
    #[must_use]
    pub fn goes_on(&self, now: i64) -> bool {
        let touched = self.touched.unwrap_or(self.began);
        !self.ended && touched.saturating_add(STALE) > now
    }

    /// Both listings, from where it has come to.
    #[must_use]
    pub fn join(&self) -> Join {
        let join = match &self.cursors {
            Some(cursors) => Join::at(cursors.clone()),
            None => Join::after(self.after.as_deref()),
        };
        join.since(self.last().map(|last| last.began))
    }

    /// Notes where both listings have come to, if they are not in order. Nothing may wait.
    pub fn came_to(&mut self, join: &Join) {
        if join.unsorted() {
            self.cursors = Some(join.cursors());
        }
    }

    /// The last one that came to its end: this one, if it did.
    #[must_use]
    pub fn last(&self) -> Option<Last> {
        if self.ended {
            Some(Last {
                began: self.began,
                keys: self.keys,
                copies: self.copies,
            })
        } else {
            self.last
        }
    }

    /// How long ago the last one began that came to its end, in seconds. Where none ever did, the first one counts.
    #[must_use]
    pub fn age(&self, now: i64) -> u64 {
        let began = self.last().map(|last| last.began);
        let began = began.or(self.first).unwrap_or(self.began);
        u64::try_from(now.saturating_sub(began)).unwrap_or_default()
    }

    /// How many copies have no original any more, as the listings say.
    #[must_use]
    pub fn removals(&self) -> u64 {
        let files: u64 = self.files.iter().map(|(_, keys)| keys).sum();
        files + self.noted + self.waiting.len() as u64
    }

    /// How many bytes the keys take that no file has yet.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|key| bytes_of(key)).sum()
    }

    /// Where in the state bucket the run of this origin is kept: a hash, since a bucket's name may have slashes.
    #[must_use]
    pub fn place(origin: &str) -> String {
        format!("{}run.json", Self::home(origin))
    }

    /// Where everything of this origin's audits is kept.
    #[must_use]
    pub fn home(origin: &str) -> String {
        let hash = Sha256::digest(origin);
        format!("audits/{}/", hex(&hash[..16]))
    }

    /// The name of the file that the keys are written to which no file has yet. It follows from the run alone, and so does what
    /// is written: an attempt that is repeated writes the same once more.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{:010}-{}.json", self.written, self.waiting.len())
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self, origin: &str) -> String {
        format!("{}{}/", Self::home(origin), self.id)
    }

    /// The keys that waited are in their file.
    pub fn wrote(&mut self) {
        self.noted += self.waiting.len() as u64;
        self.written += 1;
        self.waiting.clear();
        self.sealed = false;
    }

    /// How many keys the file of this name in its folder has; none of a file that is not its own.
    #[must_use]
    pub fn count_of(&self, origin: &str, name: &str) -> Option<u64> {
        let numbered = name.strip_suffix(".json").and_then(|name| {
            let (number, count) = name.split_once('-')?;
            let number: u64 = number.parse().ok()?;
            let count = count.parse().ok()?;
            (number < self.written).then_some(count)
        });
        let listed = || {
            let place = format!("{}{name}", self.folder(origin));
            let mut files = self.files.iter();
            files.find_map(|(file, count)| (*file == place).then_some(*count))
        };
        numbered.or_else(listed)
    }

    /// As it is stored: JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers")
    }

    /// Reads what [`Self::to_json`] wrote, in this version of the program or an earlier one.
    ///
    /// # Errors
    /// It is of a later version, or no run.
    pub fn from_json(json: &[u8]) -> Result<Self, Unread> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(json).map_err(|_| Unread::NoRun)?;
        if version > VERSION {
            return Err(Unread::Later(version));
        }
        serde_json::from_slice(json).map_err(|_| Unread::NoRun)
    }
}

/// How many bytes a key takes in a JSON list.
#[must_use]
pub fn bytes_of(key: &str) -> usize {
    serde_json::to_string(key).map_or(0, |json| json.len() + 1)
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
