//! Two sorted listings side by side, in bounded memory, and what each pair of entries says. A difference is a hint like any
//! other: the mirror looks and decides. Pure.

use super::handshake::hex;
use super::object::ETag;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use uuid::Uuid;

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key as the origin has it: the backup's prefix is taken off.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// As listed.
    pub etag: ETag,
    /// In seconds since 1970.
    pub last_modified: i64,
}

/// Which listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The origin's.
    Origin,
    /// The backup's.
    Backup,
}

/// How far the origin's clock may be ahead of the backup's, in seconds.
const CLOCKS_APART: i64 = 60;

/// What the listings say about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Both have it, and nothing speaks against the copy.
    Alike,
    /// The origin alone has it.
    Missing,
    /// Both have it, and the copy cannot be right.
    Different,
    /// Both have it, and the listings cannot tell whether the copy is right.
    Doubtful,
    /// The backup alone has it: a removal that was not heard of, or nobody's copy.
    Extra,
}

impl Finding {
    /// Compares what both listings have of one key. A change, be it of metadata alone, shows in the origin's Last-Modified: the
    /// copy is younger than what it is of. Other ETags that look like MD5s, as those of uploads do not, raise a doubt and no
    /// more: under SSE-KMS they are none. So do times that are as near as two clocks may be apart.
    #[must_use]
    pub fn of(origin: &Listed, backup: &Listed) -> Self {
        let other_names = origin.etag.looks_like_md5()
            && backup.etag.looks_like_md5()
            && origin.etag != backup.etag;
        let ahead = origin.last_modified.saturating_sub(backup.last_modified);
        if origin.size != backup.size || ahead > CLOCKS_APART {
            Self::Different
        } else if other_names || ahead >= 0 {
            Self::Doubtful
        } else {
            Self::Alike
        }
    }
}

/// What is said of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The key as the origin has it.
    pub key: String,
    /// What the listings say.
    pub finding: Finding,
    /// When the origin's object changed, if it is there, in seconds since 1970.
    pub changed: Option<i64>,
    /// Of the origin's object; of one that the backup alone has, of that.
    pub size: u64,
}

/// A listing that cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsorted {
    /// Whose.
    pub side: Side,
    /// The key that came after a greater one, or twice.
    pub key: String,
}

/// Joins two listings, page by page.
#[derive(Debug, Default)]
pub struct Join {
    origin: Stream,
    backup: Stream,
}

#[derive(Debug, Default)]
struct Stream {
    waiting: VecDeque<Listed>,
    /// The last key that came: the next page begins after it.
    last: Option<String>,
    ended: bool,
}

impl Stream {
    fn starves(&self) -> bool {
        self.waiting.is_empty() && !self.ended
    }
}

impl Join {
    /// From the beginning, or after a key.
    #[must_use]
    pub fn after(key: Option<&str>) -> Self {
        let stream = || Stream {
            last: key.map(ToOwned::to_owned),
            ..Stream::default()
        };
        Self {
            origin: stream(),
            backup: stream(),
        }
    }

    /// Whether this side's next page is needed before anything more can be told; if so, after which key it begins.
    #[must_use]
    pub fn wants(&self, side: Side) -> Option<Option<String>> {
        let stream = match side {
            Side::Origin => &self.origin,
            Side::Backup => &self.backup,
        };
        stream.starves().then(|| stream.last.clone())
    }

    /// Adds a page; `ended` where it is the last one.
    ///
    /// # Errors
    /// The listing is not in the order of its keys' bytes: whatever it lacks may come later.
    pub fn add(&mut self, side: Side, page: Vec<Listed>, ended: bool) -> Result<(), Unsorted> {
        let stream = match side {
            Side::Origin => &mut self.origin,
            Side::Backup => &mut self.backup,
        };
        for listed in page {
            if stream.last.as_ref().is_some_and(|last| *last >= listed.key) {
                let key = listed.key;
                return Err(Unsorted { side, key });
            }
            stream.last = Some(listed.key.clone());
            stream.waiting.push_back(listed);
        }
        stream.ended = ended;
        Ok(())
    }

    /// What is said of the next key; none where a page is wanted, or both have ended.
    pub fn told(&mut self) -> Option<Told> {
        if self.origin.starves() || self.backup.starves() {
            return None;
        }
        let order = match (self.origin.waiting.front(), self.backup.waiting.front()) {
            (None, None) => return None,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(origin), Some(backup)) => origin.key.cmp(&backup.key),
        };
        let origin = order.is_le().then(|| self.origin.waiting.pop_front());
        let backup = order.is_ge().then(|| self.backup.waiting.pop_front());
        let (finding, listed, changed) = match (origin.flatten(), backup.flatten()) {
            (Some(origin), Some(backup)) => {
                let changed = Some(origin.last_modified);
                (Finding::of(&origin, &backup), origin, changed)
            }
            (Some(origin), None) => {
                let changed = Some(origin.last_modified);
                (Finding::Missing, origin, changed)
            }
            (None, Some(backup)) => (Finding::Extra, backup, None),
            (None, None) => unreachable!("one of them is there"),
        };
        Some(Told {
            key: listed.key,
            finding,
            changed,
            size: listed.size,
        })
    }

    /// Whether both listings are through.
    #[must_use]
    pub fn ended(&self) -> bool {
        let done = |stream: &Stream| stream.ended && stream.waiting.is_empty();
        done(&self.origin) && done(&self.backup)
    }
}

/// How far an audit has come: what the next slice goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    version: u32,
    /// Of this run; its files have it in their names.
    pub id: Uuid,
    /// When it began, in seconds since 1970.
    pub began: i64,
    /// The key that was looked at last; none at the beginning.
    pub after: Option<String>,
    /// Whether it is through.
    pub ended: bool,
    /// Keys of the origin that are mirrored.
    pub keys: u64,
    /// Copies of them that are ours, and those whose original is gone.
    pub copies: u64,
    /// Keys that the mirror was told to look at.
    pub hints: u64,
    /// Those among them that no event can have told of; removals are counted by their files.
    #[serde(default)]
    pub missed: u64,
    /// Objects under the prefix that are nobody's copy of this origin.
    pub foreign: u64,
    /// Objects that could not be looked at, and are left alone.
    pub unreadable: u64,
    /// The files with the keys of copies whose original is gone, as the listings say, and how many each has. A file that is not
    /// named here is of an attempt that was not finished, and counts for nothing.
    pub files: Vec<(String, u64)>,
}

const VERSION: u32 = 1;

impl Run {
    /// One that begins.
    #[must_use]
    pub fn new(id: Uuid, began: i64) -> Self {
        Self {
            version: VERSION,
            id,
            began,
            after: None,
            ended: false,
            keys: 0,
            copies: 0,
            hints: 0,
            missed: 0,
            foreign: 0,
            unreadable: 0,
            files: Vec::new(),
        }
    }

    /// How many copies have no original any more, as the listings say.
    #[must_use]
    pub fn removals(&self) -> u64 {
        self.files.iter().map(|(_, keys)| keys).sum()
    }

    /// Where in the state bucket the run of this origin is kept: a hash, since a bucket's name may have slashes.
    #[must_use]
    pub fn place(origin: &str) -> String {
        let hash = Sha256::digest(origin);
        format!("audits/{}/run.json", hex(&hash[..16]))
    }

    /// Where a file of removals is kept. `unique` makes it this attempt's own.
    #[must_use]
    pub fn file(&self, origin: &str, unique: Uuid) -> String {
        format!("{}{unique}.json", self.folder(origin))
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self, origin: &str) -> String {
        let place = Self::place(origin);
        format!("{}{}/", place.trim_end_matches("run.json"), self.id)
    }

    /// As it is stored: JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers")
    }

    /// Reads what [`Self::to_json`] wrote; none of another version, or of what is no run.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let run: Self = serde_json::from_slice(json).ok()?;
        (run.version == VERSION).then_some(run)
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
