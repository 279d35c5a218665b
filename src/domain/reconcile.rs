//! Decides what makes the backup of one key right. Pure, and every pair of states is on one screen.

use super::checksum::Crc64;
use super::fit::{StorageClass, fit};
use super::mark::{Mark, MarkedBytes};
use super::object::{ETag, ObjectState, Properties};

/// Proof that the origin has no such object.
///
/// A HEAD's 404 is no proof: it may mean that the bucket is gone, and without the right to list, a missing key reads 403.
/// So the only way to make one is from two independent observations.
#[derive(Debug, PartialEq, Eq)]
pub struct Absence(());

/// A read of the key was answered with the code `NoSuchKey`. Only the client that read it makes one.
#[derive(Debug)]
pub struct NoSuchKey(pub(crate) ());

/// A bucket that answered listed everything that starts with the key, and the key was not there. Only the client that
/// listed makes one.
#[derive(Debug)]
pub struct NotListed(pub(crate) ());

impl Absence {
    /// Two observations that agree.
    #[must_use]
    pub fn proven(_: NoSuchKey, _: NotListed) -> Self {
        Self(())
    }
}

/// What was seen of a key in the origin.
#[derive(Debug)]
pub enum OriginState {
    /// It is there: its state, and the checksum of its bytes where these were read.
    Present(ObjectState, Option<Crc64>),
    /// It is proven not to be there.
    Absent(Absence),
}

impl OriginState {
    /// The object's state, if it is there.
    #[must_use]
    pub fn state(&self) -> Option<&ObjectState> {
        match self {
            Self::Present(state, _) => Some(state),
            Self::Absent(_) => None,
        }
    }
}

/// What was seen of a key in the backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupState {
    /// It is there.
    Present(BackupObject),
    /// It is not there.
    Absent,
}

/// An object of the backup as a HEAD shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupObject {
    /// Identity of what is there: the condition of every change.
    pub etag: ETag,
    /// Its length in bytes.
    pub size: u64,
    /// In seconds since 1970, as the backup says.
    pub last_modified: Option<i64>,
    /// CRC64NVME of all its bytes, where the store keeps one.
    pub checksum: Option<Crc64>,
    /// Its properties, the mark among them; the tags only if they were read.
    pub properties: Properties,
    /// Whether the tags were read.
    pub tags_read: bool,
    /// How many tags it has, where the store counts them.
    pub tag_count: Option<usize>,
}

impl BackupObject {
    /// What it says it is a copy of.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        self.properties.mark()
    }

    /// Whether its bytes are those that its mark says, as far as the store tells: by their checksum, else by their ETag, where both
    /// ETags look like an MD5 or the seal has noted this one.
    #[must_use]
    pub fn is_intact(&self, mark: &Mark) -> bool {
        let by_name = || {
            let both = mark.etag.looks_like_md5() && self.etag.looks_like_md5();
            !both || mark.etag == self.etag
        };
        match (mark.bytes, self.checksum) {
            (MarkedBytes::Checksum(marked), Some(told)) => marked == told,
            (MarkedBytes::Checksum(_), None) | (MarkedBytes::Unknown, _) => by_name(),
            // A store without tags keeps no seal.
            (MarkedBytes::Sealed, _) if !self.tags_read => by_name(),
            (MarkedBytes::Sealed, told) => self.properties.seal().is_some_and(|seal| match told {
                Some(told) => seal.checksum == told,
                None => seal.etag.is_none_or(|etag| etag == self.etag),
            }),
        }
    }

    /// Whether it has the properties that a copy with these has, tags included where they were read. A type is given to an object
    /// that has none.
    fn has(&self, expected: &Properties) -> bool {
        let [here, expected] = [&self.properties, expected].map(|of| of.clone().unmarked());
        let headers = |of: &Properties| {
            let kept = of.headers.iter().filter(|(name, value)| {
                let untyped = ["binary/octet-stream", "application/octet-stream"];
                let default = **name == "content-type" && untyped.contains(&value.as_str());
                **name != "x-amz-storage-class" && !default
            });
            kept.map(|(name, value)| (*name, value.trim().to_owned()))
                .collect::<Vec<_>>()
        };
        let metadata = |of: &Properties| {
            let kept = of.metadata.iter();
            kept.map(|(name, value)| (name.clone(), value.trim().to_owned()))
                .collect::<Vec<_>>()
        };
        headers(&here) == headers(&expected)
            && metadata(&here) == metadata(&expected)
            && (!self.tags_read || here.tags == expected.tags)
    }
}

/// Whether removals reach the backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Deletes {
    /// An object that is gone from the origin is removed from the backup.
    #[default]
    Mirror,
    /// Nothing is ever removed.
    Keep,
}

/// What becomes of an object in the backup that is no copy of this origin's and has other bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// It is left alone, and the job fails.
    #[default]
    Refuse,
    /// The origin's object replaces it.
    Overwrite,
}

/// What becomes of an object in the origin that is itself a copy which hookwork made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Replicas {
    /// It is not mirrored on.
    #[default]
    Ignore,
    /// It is mirrored as any other object.
    Mirror,
}

/// The rules by which the backup of a key is made right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rules<'a> {
    /// The origin bucket as a mark names it.
    pub origin: &'a str,
    /// Whether removals reach the backup.
    pub deletes: Deletes,
    /// What becomes of other people's objects.
    pub foreign: Foreign,
    /// What becomes of copies in the origin.
    pub replicas: Replicas,
    /// What copies are stored as.
    pub class: Option<StorageClass>,
    /// Whether the key in the origin begins with the prefix that keys have in the backup.
    pub nested: bool,
}

/// The condition of a write: the backup is still as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match: <etag>`.
    Unchanged(ETag),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The backup is right.
    Keep,
    /// Copy bytes and properties.
    Copy(Condition),
    /// The bytes are right: write the properties and the mark anew, in place.
    Adopt {
        /// What must still be there.
        etag: ETag,
        /// What the bytes are.
        bytes: MarkedBytes,
    },
    /// Remove it, if it is still as it was seen.
    Delete(ETag),
    /// The origin has none, but what the backup has is not ours to delete.
    LeaveForeign,
    /// The origin has none, and the setting keeps what was copied.
    LeaveKept,
    /// The origin's object is a copy that hookwork made of another one.
    LeaveReplica,
    /// The backup has other bytes under this key that are no copy of this origin's: they are not ours to overwrite.
    RefuseForeign,
    /// Origin and backup show one and the same object.
    RefuseSame,
}

/// A copy in place takes objects up to this size (S3's limit for one CopyObject).
pub const ADOPT_MAX: u64 = 5 << 30;

/// Decides what makes the backup of this key right.
#[must_use]
pub fn decide(rules: &Rules<'_>, seen: &OriginState, backup: &BackupState) -> Action {
    match (seen, backup) {
        (OriginState::Absent(_), BackupState::Absent) => Action::Keep,
        (OriginState::Absent(_), BackupState::Present(copy)) => {
            let ours = copy.mark().is_some_and(|mark| mark.origin == rules.origin);
            match (ours, rules.deletes) {
                (false, _) => Action::LeaveForeign,
                (true, Deletes::Keep) => Action::LeaveKept,
                (true, Deletes::Mirror) => Action::Delete(copy.etag.clone()),
            }
        }
        (OriginState::Present(state, _), backup) if is_replica(rules, state, backup) => {
            Action::LeaveReplica
        }
        (OriginState::Present(..), BackupState::Absent) => Action::Copy(Condition::Absent),
        (OriginState::Present(state, _), BackupState::Present(copy))
            if is_same_object(state, copy) =>
        {
            Action::RefuseSame
        }
        (OriginState::Present(state, read), BackupState::Present(copy)) => {
            let copy_over = Action::Copy(Condition::Unchanged(copy.etag.clone()));
            let same_size = copy.size == state.size;
            let (same_bytes, ours) = match copy.mark() {
                Some(mark) if mark.origin == rules.origin => {
                    let same = same_size && mark.names_bytes_of(state) && copy.is_intact(&mark);
                    (same, Some(mark))
                }
                Some(_) if rules.foreign == Foreign::Refuse => return Action::RefuseForeign,
                _ => (same_size && is_equal(state, *read, copy), None),
            };
            let Some(mark) = ours else {
                return match (same_bytes, rules.foreign) {
                    (true, _) => adopt(state, copy, read.or(copy.checksum)).unwrap_or(copy_over),
                    (false, Foreign::Overwrite) => copy_over,
                    (false, Foreign::Refuse) => Action::RefuseForeign,
                };
            };
            let known = match mark.bytes {
                MarkedBytes::Checksum(checksum) => Some(checksum),
                MarkedBytes::Sealed => copy.properties.seal().map(|seal| seal.checksum),
                MarkedBytes::Unknown => copy.checksum,
            };
            let differ = |read| known.is_some_and(|known| known != read);
            if !same_bytes || read.is_some_and(differ) {
                return copy_over;
            }
            let outdated = mark.bytes == MarkedBytes::Unknown && known.is_some();
            let expected = || fit(&state.properties, &mark, rules.class).properties;
            if mark.is_of(state) && copy.has(&expected()) && (!outdated || state.size > ADOPT_MAX) {
                return Action::Keep;
            }
            adopt(state, copy, known.or(*read)).unwrap_or(copy_over)
        }
    }
}

/// Writes properties and mark anew in place, where the object is not too large for that and the checksum of its bytes is known; where
/// no store tells one, the mark stays of the first version.
fn adopt(state: &ObjectState, copy: &BackupObject, checksum: Option<Crc64>) -> Option<Action> {
    let bytes = checksum.map_or(MarkedBytes::Unknown, MarkedBytes::Checksum);
    (state.size <= ADOPT_MAX).then(|| Action::Adopt {
        etag: copy.etag.clone(),
        bytes,
    })
}

/// Whether an object that nobody marked has the bytes of the origin's, as far as can be known without reading them: of equal ETags and,
/// where the origin's bytes were read, of their checksum.
fn is_equal(state: &ObjectState, read: Option<Crc64>, copy: &BackupObject) -> bool {
    state.etag == copy.etag
        && match (read, copy.checksum) {
            (Some(read), Some(told)) => read == told,
            _ => true,
        }
}

/// Whether the origin's object is a copy that hookwork made of an object elsewhere; or of one of this origin, into a backup that lies
/// in the origin itself.
fn is_replica(rules: &Rules<'_>, state: &ObjectState, backup: &BackupState) -> bool {
    rules.replicas == Replicas::Ignore
        && state.properties.mark().is_some_and(|mark| {
            mark.origin != rules.origin || (rules.nested && *backup == BackupState::Absent)
        })
}

/// Whether both looks have met one object that hookwork has marked: a copy of a marked object is younger, or has another mark.
fn is_same_object(state: &ObjectState, copy: &BackupObject) -> bool {
    state
        .properties
        .mark()
        .is_some_and(|mark| copy.mark() == Some(mark))
        && state.etag == copy.etag
        && Some(state.last_modified) == copy.last_modified
}

/// Whether a decision about these two wants the checksum of the origin's bytes: two objects of one ETag may have other bytes.
#[must_use]
pub fn wants_bytes(rules: &Rules<'_>, seen: &OriginState, backup: &BackupState) -> bool {
    matches!(seen, OriginState::Present(_, None))
        && matches!(decide(rules, seen, backup), Action::Adopt { .. })
}

/// Whether a decision about these two needs the copy's tags: it seems right, and it has tags or should have some.
#[must_use]
pub fn wants_tags(rules: &Rules<'_>, seen: &OriginState, backup: &BackupState) -> bool {
    let (OriginState::Present(state, _), BackupState::Present(copy)) = (seen, backup) else {
        return false;
    };
    let tagged = copy.tag_count.is_some_and(|count| count > 0) || !state.properties.tags.is_empty();
    tagged && !copy.tags_read && decide(rules, seen, backup) == Action::Keep
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
