//! Two sorted listings side by side, in bounded memory, and what each pair of entries says. A difference is a hint like any
//! other: the mirror looks and decides. Pure.

use super::object::ETag;
use std::collections::VecDeque;

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

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
