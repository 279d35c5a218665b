//! What the listings say, however they are cut into pages.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
const OTHER: &str = "c4ca4238a0b923820dcc509a6f75849b";

fn listed(key: &str, size: u64, etag: &str, last_modified: i64) -> Listed {
    Listed {
        key: key.to_owned(),
        size,
        etag: ETag::new(etag),
        last_modified,
    }
}

#[test]
fn what_speaks_against_a_copy() {
    let origin = |etag, time| listed("a", 1, etag, time);
    let finding = |of: &Listed, size, etag, time| Finding::of(of, &listed("a", size, etag, time));
    assert_eq!(finding(&origin(MD5, 10), 1, MD5, 11), Finding::Alike);
    for (size, etag, time) in [(2, MD5, 11), (1, MD5, -51)] {
        let found = finding(&origin(MD5, 10), size, etag, time);
        assert_eq!(found, Finding::Different, "{size} {etag} {time}");
    }
    for (etag, time) in [(OTHER, 11), (MD5, 10), (MD5, -50)] {
        let found = finding(&origin(MD5, 10), 1, etag, time);
        assert_eq!(found, Finding::Doubtful, "{etag} {time}");
    }
    let parts = format!("{MD5}-2");
    assert_eq!(finding(&origin(&parts, 10), 1, MD5, 11), Finding::Alike);
    assert_eq!(finding(&origin(MD5, 10), 1, &parts, 11), Finding::Alike);
    assert_eq!(finding(&origin(&parts, 10), 1, "x-9", 9), Finding::Doubtful);
}

#[test]
fn a_listing_out_of_order_is_not_believed() {
    for page in [["b", "a"], ["a", "a"]] {
        let mut join = Join::default();
        let page = page.map(|key| listed(key, 1, MD5, 1)).to_vec();
        let unsorted = join.add(Side::Origin, page, false).unwrap_err();
        assert_eq!((unsorted.side, &unsorted.key[..]), (Side::Origin, "a"));
    }
    let mut join = Join::after(Some("b"));
    let page = vec![listed("b", 1, MD5, 1)];
    assert!(
        join.add(Side::Backup, page, true).is_err(),
        "the store ignores where to begin"
    );
}

proptest! {
    /// However the pages are cut, and wherever it is gone on with: each key once, in order, and rightly.
    #[test]
    fn every_key_is_told_of_once(
        origin in prop::collection::btree_map("[a-c]{1,4}", 0..3u64, 0..40),
        backup in prop::collection::btree_map("[a-c]{1,4}", 0..3u64, 0..40),
        page in 1..5usize,
        stop in 0..60usize,
    ) {
        let mut found = Vec::new();
        let mut join = Join::default();
        let mut count = 0;
        loop {
            for (side, keys) in [(Side::Origin, &origin), (Side::Backup, &backup)] {
                if let Some(after) = join.wants(side) {
                    let time = if side == Side::Origin { 1 } else { 2 };
                    let rest: Vec<_> = keys.iter().filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
                        .map(|(key, size)| listed(key, *size, MD5, time)).collect();
                    let ended = rest.len() <= page;
                    join.add(side, rest.into_iter().take(page).collect(), ended).unwrap();
                }
            }
            while let Some(Told { key, finding, changed, size }) = join.told() {
                prop_assert_eq!(size, *origin.get(&key).or(backup.get(&key)).unwrap());
                prop_assert_eq!(changed.is_none(), finding == Finding::Extra);
                let told = (key, finding);
                count += 1;
                found.push(told);
                if count == stop {
                    // Another worker goes on after what was told last.
                    join = Join::after(found.last().map(|(key, _)| key.as_str()));
                }
            }
            if join.ended() { break }
        }
        let expected: BTreeMap<String, Finding> = origin.keys().chain(backup.keys()).collect::<BTreeSet<_>>().into_iter().map(|key| {
            let finding = match (origin.get(key), backup.get(key)) {
                (Some(a), Some(b)) if a == b => Finding::Alike,
                (Some(_), Some(_)) => Finding::Different,
                (Some(_), None) => Finding::Missing,
                _ => Finding::Extra,
            };
            (key.clone(), finding)
        }).collect();
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }
}
