//! Two listings side by side, in bounded memory, and what each pair of entries says. A difference is a hint like any other: the
//! mirror looks and decides. Stores list in the order of keys; one that does not is compared all the same: what one side seems
//! to lack is looked up by its key, so that an entry that comes late changes nothing but the time that it takes. Pure.

use super::bound::Bound;
use super::object::ETag;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

    /// The same of a backup that others may have changed, and kept the mark: a copy that was written since the last audit began may be
    /// such a one, whatever its name. Before the first audit (`since` is none) only those are doubted whose names tell nothing of their
    /// bytes. So each write is looked at once.
    fn doubting(self, origin: &Listed, backup: &Listed, since: Option<i64>) -> Self {
        let named = origin.etag.looks_like_md5() && backup.etag.looks_like_md5();
        let written = match since {
            Some(began) => backup.last_modified >= began.saturating_sub(CLOCKS_APART),
            None => !named,
        };
        if self == Self::Alike && written {
            Self::Doubtful
        } else {
            self
        }
    }
}

/// What is said of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The key as the origin has it.
    pub key: String,
    /// What the listings say. That one side alone has the key is what they seem to say: whoever counts on it looks at the other
    /// side.
    pub finding: Finding,
    /// When the origin's object changed, if it is there, in seconds since 1970.
    pub changed: Option<i64>,
    /// Of the origin's object; of one that the backup alone has, of that.
    pub size: u64,
    /// The entry of which this is said: the origin's, or the backup's where that alone has it.
    pub listed: Listed,
}

/// A listing that cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endless {
    /// Whose.
    pub side: Side,
    /// The key with which it came back to where it had been.
    pub key: String,
}

/// How far a listing has come: where its next page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The last key that came.
    pub after: Option<String>,
    /// What the store itself calls the place; where it gave nothing, the key says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Whether there is nothing more.
    #[serde(default)]
    pub ended: bool,
}

/// A page of a listing.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its entries, in the store's own order.
    pub listed: Vec<Listed>,
    /// What the store calls the place where the next one begins.
    pub token: Option<String>,
    /// Whether it is the last one.
    pub last: bool,
}

/// Joins two listings, page by page.
#[derive(Debug, Default)]
pub struct Join {
    origin: Stream,
    backup: Stream,
    /// Whether all that waits is told of, whatever the next pages may have.
    draining: bool,
    /// When the last audit began that came to its end, in seconds since 1970.
    since: Option<i64>,
}

/// Entries that wait take at most so many bytes of keys; then they are told of without their counterpart.
static WINDOW: Bound<usize> = Bound::new("audit.window", 1 << 20);

#[derive(Debug, Default)]
struct Stream {
    waiting: BTreeMap<String, Listed>,
    /// Bytes of the keys that wait.
    bytes: usize,
    cursor: Cursor,
    /// Whether a key came after a greater one.
    unsorted: bool,
    /// A place where it has been, to see it come back: a later one each time that twice as many pages have come.
    been: Option<String>,
    pages: u64,
}

impl Stream {
    fn at(cursor: Cursor, unsorted: bool) -> Self {
        Self {
            been: cursor.after.clone(),
            cursor,
            unsorted,
            ..Self::default()
        }
    }

    /// Whether this key has had its turn in this listing, if it is in order.
    fn passed(&self, key: &str) -> bool {
        self.cursor.ended || self.cursor.after.as_deref().is_some_and(|last| last >= key)
    }

    fn take(&mut self, key: &str) -> Option<Listed> {
        let taken = self.waiting.remove(key)?;
        self.bytes = self.bytes.saturating_sub(key.len());
        Some(taken)
    }

    /// Adds a page. Says with which key it came back to where it had been, if it did.
    fn add(&mut self, page: Page) -> Result<(), String> {
        let began = self
            .cursor
            .token
            .is_none()
            .then(|| self.cursor.after.clone())
            .flatten();
        for listed in page.listed {
            if began.as_ref() == Some(&listed.key) {
                // The store ignores where it was to begin.
                return Err(listed.key);
            }
            let last = self.cursor.after.as_ref();
            self.unsorted |= last.is_some_and(|last| *last >= listed.key);
            self.cursor.after = Some(listed.key.clone());
            let bytes = listed.key.len();
            if self.waiting.insert(listed.key.clone(), listed).is_none() {
                self.bytes += bytes;
            }
        }
        self.cursor.token = page.token;
        self.cursor.ended = page.last;
        if page.last {
            return Ok(());
        }
        if let (Some(last), Some(been)) = (&self.cursor.after, &self.been)
            && last == been
        {
            return Err(last.clone());
        }
        self.pages += 1;
        if self.pages.is_power_of_two() {
            self.been.clone_from(&self.cursor.after);
        }
        Ok(())
    }
}

impl Join {
    /// From the beginning, or after a key, of listings in order.
    #[must_use]
    pub fn after(key: Option<&str>) -> Self {
        let cursor = || Cursor {
            after: key.map(ToOwned::to_owned),
            ..Cursor::default()
        };
        Self {
            origin: Stream::at(cursor(), false),
            backup: Stream::at(cursor(), false),
            draining: false,
            since: None,
        }
    }

    /// From where two listings had come to, of which one was not in order.
    #[must_use]
    pub fn at([origin, backup]: [Cursor; 2]) -> Self {
        Self {
            origin: Stream::at(origin, true),
            backup: Stream::at(backup, true),
            draining: false,
            since: None,
        }
    }

    /// Where both have come to. Nothing may wait.
    #[must_use]
    pub fn cursors(&self) -> [Cursor; 2] {
        [&self.origin, &self.backup].map(|stream| stream.cursor.clone())
    }

    /// Whether a listing was seen not to be in order: where to go on is then said by [`Self::cursors`] alone.
    #[must_use]
    pub fn unsorted(&self) -> bool {
        self.origin.unsorted || self.backup.unsorted
    }

    /// Has all that waits told of, before another page is added.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether entries wait.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.next().is_some()
    }

    fn next(&self) -> Option<&String> {
        let origin = self.origin.waiting.keys().next();
        let backup = self.backup.waiting.keys().next();
        match (origin, backup) {
            (Some(origin), Some(backup)) => Some(origin.min(backup)),
            (one, other) => one.or(other),
        }
    }

    /// Whether this side's next page is needed before anything more can be told; if so, where it begins.
    #[must_use]
    pub fn wants(&self, side: Side) -> Option<Cursor> {
        let stream = match side {
            Side::Origin => &self.origin,
            Side::Backup => &self.backup,
        };
        let starves = self.next().is_none_or(|next| !stream.passed(next));
        (starves && !stream.cursor.ended).then(|| stream.cursor.clone())
    }

    /// Adds a page.
    ///
    /// # Errors
    /// The listing is where it has been before, and would go on for ever.
    pub fn add(&mut self, side: Side, page: Page) -> Result<(), Endless> {
        self.draining = false;
        let stream = match side {
            Side::Origin => &mut self.origin,
            Side::Backup => &mut self.backup,
        };
        stream.add(page).map_err(|key| Endless { side, key })
    }

    /// The same, where an audit began at this time, in seconds since 1970, that came to its end.
    #[must_use]
    pub fn since(mut self, began: Option<i64>) -> Self {
        self.since = began;
        self
    }

    /// What is said of the next key; none where a page is wanted, or both have ended.
    pub fn told(&mut self) -> Option<Told> {
        let key = self.next()?.clone();
        let full = self.origin.bytes.max(self.backup.bytes) > WINDOW.get();
        let passed = self.origin.passed(&key) && self.backup.passed(&key);
        if !(passed || full || self.draining) {
            return None;
        }
        let (origin, backup) = (self.origin.take(&key), self.backup.take(&key));
        let (finding, listed, changed) = match (origin, backup) {
            (Some(origin), Some(backup)) => {
                let changed = Some(origin.last_modified);
                let finding = Finding::of(&origin, &backup);
                let finding = finding.doubting(&origin, &backup, self.since);
                (finding, origin, changed)
            }
            (Some(origin), None) => {
                let changed = Some(origin.last_modified);
                (Finding::Missing, origin, changed)
            }
            (None, Some(backup)) => (Finding::Extra, backup, None),
            (None, None) => return None,
        };
        Some(Told {
            key,
            finding,
            changed,
            size: listed.size,
            listed,
        })
    }

    /// Whether both listings are through.
    #[must_use]
    pub fn ended(&self) -> bool {
        let done = |stream: &Stream| stream.cursor.ended && stream.waiting.is_empty();
        done(&self.origin) && done(&self.backup)
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
