//! The brake for removals, by origin bucket and hour, whichever way they come. Whoever would remove a copy takes a slot of the
//! hour first: a small file that is made only where there is none, so that however many workers there are no more copies go
//! than there are slots. What finds none is held: it waits for a human, as what an audit holds does. Pure.

use super::delivery::DeliveryId;
use super::handshake::hex;
use super::job::Outcome;
use super::run::Run;
use super::source::rule::Hold;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use uuid::Uuid;

/// So many removals are never too many for a small bucket, unless a rule's `count` says so.
pub const FEW: u64 = 25;
/// A longer key has no room in the name of a file, in bytes.
const NAMED: usize = 600;
const HOUR: i64 = 3600;

impl Hold {
    /// How many copies may be removed at most, of so many: in an hour, and by an audit. Where it is not known how many there
    /// are, `count` alone says it.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a threshold needs no precision, and a share is not below 0"
    )]
    pub fn most(&self, copies: Option<u64>) -> u64 {
        // A rule that lets all copies go has no brake.
        if self.share >= 1.0 {
            return u64::MAX;
        }
        let Some(copies) = copies else {
            return self.count;
        };
        let part = |share: f64| (share * copies as f64).floor() as u64;
        // More than half of a small bucket is too many, though it is not `count`.
        let small = FEW.max(part(self.share.max(0.5)));
        self.count.max(part(self.share)).min(small)
    }

    /// Whether so many removals wait, of a backup with so many copies and an origin with so many keys.
    #[must_use]
    pub fn holds(&self, removals: u64, copies: u64, keys: u64) -> bool {
        removals > 0 && (keys == 0 || removals > self.most(Some(copies)))
    }
}

/// The folder of an origin bucket's slots of an hour.
#[must_use]
pub fn hour(origin: &str, now: i64) -> String {
    format!("{}hours/{}/", Run::home(origin), now.div_euclid(HOUR))
}

/// A slot's file in its folder.
#[must_use]
pub fn slot(number: u64) -> String {
    format!("{number:010}")
}

/// The number of a slot's file.
#[must_use]
pub fn number(name: &str) -> Option<u64> {
    name.parse().ok()
}

/// Where a search for a slot begins, of so many: it follows from the key, so that a job that comes again finds its own.
#[must_use]
pub fn seed(key: &str, round: u64, of: u64) -> u64 {
    let hash = Sha256::digest(format!("{round} {key}"));
    let first: [u8; 8] = hash[..8].try_into().unwrap_or_default();
    u64::from_be_bytes(first) % of.max(1)
}

/// The first free slot from a seed on, of so many; none where all are taken.
#[must_use]
pub fn free(taken: &BTreeSet<u64>, of: u64, seed: u64) -> Option<u64> {
    let from = |range: std::ops::Range<u64>| range.into_iter().find(|slot| !taken.contains(slot));
    from(seed..of).or_else(|| from(0..seed.min(of)))
}

/// What a slot says of whose it is.
#[must_use]
pub fn owner(key: &str) -> String {
    hex(&Sha256::digest(key)[..16])
}

/// The folder of an origin bucket's removals that are held one by one.
#[must_use]
pub fn folder(origin: &str) -> String {
    format!("{}held/", Run::home(origin))
}

/// The name of a key's file there, without its ending. It has the key, or where that is too long its hash.
#[must_use]
pub fn name(key: &str) -> String {
    if key.len() <= NAMED {
        format!("k{}", URL_SAFE_NO_PAD.encode(key))
    } else {
        format!("h{}", hex(&Sha256::digest(key)))
    }
}

/// Ends the name of a removal that waits.
pub const HELD: &str = ".held";
/// Ends the name of a removal that a human has refused: it is held again whoever asks for it.
pub const KEPT: &str = ".kept";

/// The key that the file of a held removal has in its name; none where only the file itself has it.
#[must_use]
pub fn key_of(name: &str) -> Option<String> {
    let name = name.strip_suffix(HELD)?.strip_prefix('k')?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()
}

/// What says that a human has approved removals of an origin bucket, all of which are done for this id.
#[must_use]
pub fn approval(origin: &str, id: DeliveryId) -> String {
    format!("{}approved/{id}.json", Run::home(origin))
}

/// The folder of what became of these.
#[must_use]
pub fn results(origin: &str, id: DeliveryId) -> String {
    format!("{}done/{id}/", Run::home(origin))
}

/// Where the last decision of a human is.
#[must_use]
pub fn decision(origin: &str) -> String {
    format!("{}decided/last.json", Run::home(origin))
}

/// A decision of a human.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// What its removals are done for.
    pub id: Uuid,
    /// When, in seconds since 1970.
    pub at: i64,
    /// Whether the copies may go.
    pub approved: bool,
    /// How many.
    pub removals: u64,
}

/// What became of a removal that a human has approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Became {
    /// It failed, and may be tried again.
    Failed,
    /// The copy was left: the origin has the object again, or the rule leaves it alone.
    Left,
    /// The copy is gone.
    Removed,
}

impl Became {
    /// Of a job that ended so, or failed; `gone`: neither side has the key.
    #[must_use]
    pub fn of(ended: Option<(Outcome, bool)>) -> Self {
        match ended {
            None => Self::Failed,
            // An attempt before this one may have removed it.
            Some((Outcome::Deleted, _) | (Outcome::Unchanged, true)) => Self::Removed,
            Some(_) => Self::Left,
        }
    }

    /// The name of the file that says it of a key.
    #[must_use]
    pub fn file(self, key: &str) -> String {
        let word = match self {
            Self::Failed => "failed",
            Self::Left => "left",
            Self::Removed => "removed",
        };
        format!("{}.{word}", owner(key))
    }

    /// What the name of a file says, and of which key.
    #[must_use]
    pub fn read(name: &str) -> Option<(&str, Self)> {
        let (owner, word) = name.split_once('.')?;
        let became = match word {
            "failed" => Self::Failed,
            "left" => Self::Left,
            "removed" => Self::Removed,
            _ => return None,
        };
        Some((owner, became))
    }
}

/// What became of the removals of a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Copies that are gone.
    pub removed: u64,
    /// Copies that were left.
    pub left: u64,
    /// Removals that failed, and may be tried again.
    pub failed: u64,
    /// Of which key the last file was, and the best that was said of it.
    last: Option<(String, Became)>,
}

impl Results {
    /// Adds the name of a file. They come in their order; of a key the best counts, since what failed may have gone well
    /// afterwards.
    pub fn add(&mut self, name: &str) {
        let Some((owner, became)) = Became::read(name) else {
            return;
        };
        let before = self.last.take().filter(|(known, _)| known == owner);
        let best = before
            .as_ref()
            .map_or(became, |(_, best)| became.max(*best));
        if let Some((_, before)) = before {
            *self.count(before) -= 1;
        }
        *self.count(best) += 1;
        self.last = Some((owner.to_owned(), best));
    }

    fn count(&mut self, of: Became) -> &mut u64 {
        match of {
            Became::Failed => &mut self.failed,
            Became::Left => &mut self.left,
            Became::Removed => &mut self.removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hold(count: u64, share: f64) -> Hold {
        Hold { count, share }
    }

    #[test]
    fn how_many_may_go() {
        let usual = Hold::default();
        for (copies, most) in [
            (None, 100),
            (Some(0), 25),
            (Some(1), 25),
            (Some(30), 25),
            (Some(50), 25),
            (Some(60), 30),
            (Some(199), 99),
            (Some(240), 100),
            (Some(1_000), 100),
            (Some(1_010), 101),
            (Some(1_000_000), 100_000),
        ] {
            assert_eq!(usual.most(copies), most, "{copies:?}");
        }
        // Stricter than usual, and laxer: every removal waits, and none.
        assert_eq!(
            [None, Some(9), Some(900)].map(|copies| hold(0, 0.0).most(copies)),
            [0; 3]
        );
        for copies in [12, 500, 1_000_000] {
            assert!(hold(0, 1.0).most(Some(copies)) >= copies);
            assert!(hold(u64::MAX, 1.0).most(Some(copies)) >= copies);
        }
        assert_eq!(hold(2, 0.1).most(Some(4)), 2);
    }

    #[test]
    fn an_audit_holds_what_is_too_many_and_everything() {
        let usual = Hold::default();
        for (removals, copies, keys, held) in [
            (0, 0, 0, false),
            (1, 1, 0, true),
            (25, 30, 5, false),
            (26, 30, 4, true),
            (150, 240, 90, true),
            (100, 240, 140, false),
            (99, 150, 51, true),
        ] {
            assert_eq!(
                usual.holds(removals, copies, keys),
                held,
                "{removals} of {copies}"
            );
        }
    }

    #[test]
    fn names_say_which_key_it_is() {
        for key in ["a", "", "z/ü +%", "\u{1}\n", &"k".repeat(NAMED)] {
            let file = format!("{}{HELD}", name(key));
            assert_eq!(key_of(&file).as_deref(), Some(key));
            assert_eq!(key_of(&format!("{}{KEPT}", name(key))), None);
        }
        let long = "\u{1f600}".repeat(256);
        let file = format!("{}{}{HELD}", folder("vk/b"), name(&long));
        assert!(file.len() < 1024 && key_of(&name(&long)).is_none());
        let longest = format!("{}{}{HELD}", folder("vk/b"), name(&"k".repeat(NAMED)));
        assert!(longest.len() < 1024, "{}", longest.len());
    }

    #[test]
    fn of_what_was_tried_twice_the_best_counts() {
        use Became::{Failed, Left, Removed};
        let tried = [
            ("a", Failed),
            ("a", Removed),
            ("b", Removed),
            ("c", Left),
            ("d", Failed),
        ];
        let mut names: Vec<_> = tried.iter().map(|(key, became)| became.file(key)).collect();
        names.push("no result".to_owned());
        names.sort();
        let mut results = Results::default();
        for name in &names {
            results.add(name);
        }
        assert_eq!((results.removed, results.left, results.failed), (2, 1, 1));
        assert_eq!(Became::of(None), Failed);
        for (ended, became) in [
            ((Outcome::Deleted, true), Removed),
            ((Outcome::Unchanged, true), Removed),
            ((Outcome::Unchanged, false), Left),
            ((Outcome::Copied, false), Left),
            ((Outcome::Ignored, false), Left),
        ] {
            assert_eq!(Became::of(Some(ended)), became, "{ended:?}");
        }
    }

    #[test]
    fn each_hour_and_each_bucket_has_slots_of_its_own() {
        assert_eq!(hour("o", 7_199), hour("o", 3_600));
        assert_ne!(hour("o", 7_199), hour("o", 7_200));
        assert_ne!(hour("o", 1), hour("p", 1));
        assert_eq!(number(&slot(7)), Some(7));
        assert_eq!(["told", "most"].map(number), [None, None]);
    }

    proptest! {
        /// Whoever comes, and however often: no slot is given twice, and all are given.
        #[test]
        fn all_slots_are_given_and_no_more(keys in prop::collection::btree_set("[a-z]{1,6}", 0..60), of in 0..40u64) {
            let mut taken = BTreeSet::new();
            let mut removed = 0;
            for key in &keys {
                if let Some(slot) = free(&taken, of, seed(key, 0, of)) {
                    prop_assert!(slot < of && taken.insert(slot));
                    removed += 1;
                }
            }
            prop_assert_eq!(removed, of.min(keys.len() as u64));
        }

        /// More copies never mean that fewer may go.
        #[test]
        fn of_more_copies_more_may_go(copies in 0..10_000u64, count in 0..1_000u64, share in 0.0..=1.0f64) {
            let hold = hold(count, share);
            prop_assert!(hold.most(Some(copies)) <= hold.most(Some(copies + 1)));
        }
    }
}
