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
fn a_copy_that_was_written_since_the_last_audit_is_doubted_once() {
    let told = |since, etag: &str, time| {
        let mut join = Join::default().since(since);
        let of = |etag: &str, time| page(vec![listed("a", 1, etag, time)], true);
        join.add(Side::Origin, of(etag, 10)).unwrap();
        join.add(Side::Backup, of(etag, time)).unwrap();
        join.told().unwrap().finding
    };
    let parts = format!("{MD5}-2");
    // Before the first audit those whose names tell nothing of their bytes.
    assert_eq!(told(None, MD5, 500), Finding::Alike);
    assert_eq!(told(None, &parts, 500), Finding::Doubtful);
    for etag in [MD5, &parts] {
        assert_eq!(told(Some(500), etag, 501), Finding::Doubtful);
        assert_eq!(
            told(Some(500), etag, 440),
            Finding::Doubtful,
            "clocks differ"
        );
        assert_eq!(told(Some(500), etag, 439), Finding::Alike);
    }
}

fn shuffled(keys: BTreeMap<String, u64>) -> impl Strategy<Value = Vec<(String, u64)>> {
    Just(keys.into_iter().collect::<Vec<_>>()).prop_shuffle()
}

fn page(listed: Vec<Listed>, last: bool) -> Page {
    Page {
        listed,
        token: None,
        last,
    }
}

#[test]
fn a_listing_that_goes_on_for_ever_is_not_believed() {
    let entry = |key: &str| listed(key, 1, MD5, 1);
    let mut join = Join::after(Some("b"));
    let again = page(vec![entry("b")], true);
    assert!(
        join.add(Side::Backup, again).is_err(),
        "the store ignores where to begin"
    );
    for cycle in 1..9 {
        let mut join = Join::default();
        let found = (0..100).find_map(|turn| {
            let key = format!("k{}", turn % cycle);
            let added = join.add(Side::Origin, page(vec![entry(&key)], false));
            added.err()
        });
        let endless = found.expect("it ends");
        assert_eq!(endless.side, Side::Origin, "{cycle}");
    }
}

/// Joins listings in the order in which they are given, and looks up what one side seems to lack, as an audit does.
fn found(sides: [&[(String, u64)]; 2], cut: usize, stops: &[usize]) -> Vec<(String, Finding)> {
    let lists = sides.map(<[_]>::to_vec);
    let time = |side| if side == Side::Origin { 1 } else { 2 };
    let entry = |side: Side, key: &str| {
        let list = &lists[usize::from(side == Side::Backup)];
        let found = list.iter().find(|(listed, _)| listed == key);
        found.map(|(key, size)| listed(key, *size, MD5, time(side)))
    };
    let (mut found, mut join, mut count) = (Vec::new(), Join::default(), 0);
    let mut stops = stops.iter().peekable();
    let mut tell = |join: &mut Join| {
        let mut told_of = 0;
        while let Some(told) = join.told() {
            told_of += 1;
            let finding = match told.finding {
                Finding::Missing => entry(Side::Backup, &told.key)
                    .map_or(Finding::Missing, |backup| {
                        Finding::of(&told.listed, &backup)
                    }),
                Finding::Extra if entry(Side::Origin, &told.key).is_some() => continue,
                finding => finding,
            };
            found.push((told.key, finding));
        }
        told_of
    };
    loop {
        for (side, list) in [(Side::Origin, &lists[0]), (Side::Backup, &lists[1])] {
            if let Some(cursor) = join.wants(side) {
                let at = cursor.token.map_or(0, |token| token.parse().unwrap());
                let upto = (at + cut).min(list.len());
                let listed = list[at..upto]
                    .iter()
                    .map(|(key, size)| listed(key, *size, MD5, time(side)));
                let page = Page {
                    listed: listed.collect(),
                    token: Some(upto.to_string()),
                    last: upto == list.len(),
                };
                join.add(side, page).unwrap();
            }
        }
        count += tell(&mut join);
        if stops.next_if(|stop| **stop <= count).is_some() && join.unsorted() {
            // Another worker goes on.
            join.drain();
            tell(&mut join);
            assert!(!join.waits());
            join = Join::at(join.cursors());
        }
        if join.ended() {
            break found;
        }
    }
}

#[test]
fn an_entry_that_comes_late_changes_nothing() {
    let list = |keys: &str| -> Vec<_> {
        let keys = keys.split_whitespace();
        keys.map(|key| (key.to_owned(), 1)).collect()
    };
    // As SeaweedFS lists: a folder's children before what is beside it.
    let (near, sorted) = (list("a/b a//c a_ b"), list("a//c a/b a_ b"));
    let far = list("z a/b a_ b a//c");
    for (origin, backup) in [(&near, &sorted), (&sorted, &near), (&near, &near)] {
        for cut in 1..6 {
            let found = found([origin, backup], cut, &[]);
            assert_eq!(found.len(), 4, "{found:?}");
            assert!(
                found.iter().all(|(_, finding)| *finding == Finding::Alike),
                "{found:?}"
            );
        }
    }
    for cut in 1..6 {
        let missing = found([&far, &sorted], cut, &[1, 3]);
        let not_alike: Vec<_> = missing
            .iter()
            .filter(|(_, finding)| *finding != Finding::Alike)
            .collect();
        assert_eq!(not_alike, [&("z".to_owned(), Finding::Missing)]);
        let extra = found([&sorted, &far], cut, &[1, 3]);
        let not_alike: Vec<_> = extra
            .iter()
            .filter(|(_, finding)| *finding != Finding::Alike)
            .collect();
        assert_eq!(not_alike, [&("z".to_owned(), Finding::Extra)]);
    }
}

fn expected(
    origin: &BTreeMap<String, u64>,
    backup: &BTreeMap<String, u64>,
) -> BTreeMap<String, Finding> {
    let keys = origin.keys().chain(backup.keys()).collect::<BTreeSet<_>>();
    let expected = keys.into_iter().map(|key| {
        let finding = match (origin.get(key), backup.get(key)) {
            (Some(a), Some(b)) if a == b => Finding::Alike,
            (Some(_), Some(_)) => Finding::Different,
            (Some(_), None) => Finding::Missing,
            _ => Finding::Extra,
        };
        (key.clone(), finding)
    });
    expected.collect()
}

proptest! {
    /// In whatever order two stores list, however the pages are cut and wherever it is gone on with: each key once, and rightly.
    #[test]
    fn every_key_is_told_of_once_in_whatever_order(
        origin in prop::collection::btree_map("[a-c]{1,4}", 0..3u64, 0..40).prop_flat_map(shuffled),
        backup in prop::collection::btree_map("[a-c]{1,4}", 0..3u64, 0..40).prop_flat_map(shuffled),
        cut in 1..5usize,
        stops in prop::collection::vec(0..60usize, 0..4),
    ) {
        let mut found = found([&origin, &backup], cut, &stops);
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = expected(&origin.into_iter().collect(), &backup.into_iter().collect());
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }

    /// However the pages are cut, and wherever it is gone on with: each key once, in order, and rightly.
    #[test]
    fn every_key_is_told_of_once(
        origin in prop::collection::btree_map("[a-c]{1,4}", 0..3u64, 0..40),
        backup in prop::collection::btree_map("[a-c]{1,4}", 0..3u64, 0..40),
        cut in 1..5usize,
        stop in 0..60usize,
    ) {
        let mut found = Vec::new();
        let mut join = Join::default();
        let mut count = 0;
        loop {
            for (side, keys) in [(Side::Origin, &origin), (Side::Backup, &backup)] {
                if let Some(after) = join.wants(side) {
                    let time = if side == Side::Origin { 1 } else { 2 };
                    let after = after.after;
                    let rest: Vec<_> = keys.iter().filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
                        .map(|(key, size)| listed(key, *size, MD5, time)).collect();
                    let ended = rest.len() <= cut;
                    join.add(side, page(rest.into_iter().take(cut).collect(), ended)).unwrap();
                }
            }
            while let Some(Told { key, finding, changed, size, .. }) = join.told() {
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
        let expected = expected(&origin, &backup);
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }
}
