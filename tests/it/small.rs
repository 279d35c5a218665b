//! The whole chain with small bounds: pages, slices, files, parts, answers and batches of a few entries or kilobytes, so that a
//! little data crosses every one, and comes to what it comes to with the usual ones. Bounds are of a process, so these tests run
//! again in processes of their own.

mod inside;

use hookwork::domain::bound::shrink;
use hookwork::twin::s3::SMALLEST_PART;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

/// Says to a process of tests which bounds it has. Any test can be run so, to see what it crosses.
const ASKED: &str = "SMALL_BOUNDS";
/// The tests inside, so that none is left out unseen.
const TESTS: usize = 11;
/// The least that the store takes for a part, in bytes.
const LEAST_PART: u64 = 1024;

/// Bounds and their small values: a few, and as few as can be.
const SMALL: [(&str, [u16; 2]); 40] = [
    ("answer.outcomes", [1500, 600]),
    ("attempt.jobs", [900, 400]),
    ("audit.looks_at_a_time", [2, 1]),
    ("audit.slice", [7, 1]),
    ("delivery.records", [20, 5]),
    ("endpoints.count", [7, 4]),
    ("endpoints.known", [2, 1]),
    ("endpoints.reads_at_a_time", [2, 1]),
    ("export.line", [100, 50]),
    ("forward.text", [400, 100]),
    ("glimpse.body", [200, 100]),
    ("inbox.attempts", [3, 1]),
    ("inbox.body_shown", [64, 10]),
    ("inbox.command", [600, 600]),
    ("inbox.fixture", [3000, 3000]),
    ("inbox.held_keys", [4, 1]),
    ("inbox.listings", [2, 2]),
    ("inbox.lists", [2000, 800]),
    ("inbox.piece", [100, 33]),
    ("inbox.row_attempts", [3, 1]),
    ("inbox.rows", [3, 2]),
    ("inbox.rows_max", [5, 2]),
    ("jobs.at_a_time", [2, 1]),
    ("letters.batch", [3, 1]),
    ("limits.names", [2, 1]),
    ("list.page", [3, 1]),
    ("metrics.values", [3, 1]),
    ("notice.text", [8000, 6000]),
    ("parts.count", [50, 10]),
    ("parts.in_flight", [2, 1]),
    ("parts.size", [4096, 1024]),
    ("queue.batch", [3, 1]),
    ("queue.calls_at_a_time", [2, 1]),
    ("record.names", [600, 200]),
    ("record.strangers", [64, 10]),
    ("returns.calls_at_a_time", [2, 1]),
    ("returns.looked", [10, 9]),
    ("returns.returned", [3, 1]),
    ("summary.ids", [5, 2]),
    ("summary.types", [2, 1]),
];

/// The column of [`SMALL`] that this process was asked to have.
fn asked() -> Option<usize> {
    match std::env::var(ASKED).ok()?.as_str() {
        "few" => Some(0),
        "least" => Some(1),
        other => panic!("{ASKED}: expected few or least, found {other}"),
    }
}

/// Makes the bounds small where this process was asked to.
pub(crate) fn shrink_where_asked() {
    if let Some(column) = asked() {
        shrink(&SMALL.map(|(name, values)| (name, values[column])));
        SMALLEST_PART.store(LEAST_PART, Ordering::Relaxed);
    }
}

/// The value of a bound in a process that was asked to have small ones.
fn small(name: &str) -> usize {
    let column = asked().expect("the test outside asks for it");
    let found = SMALL.iter().find(|(known, _)| *known == name);
    usize::from(found.expect(name).1[column])
}

/// Runs the tests inside in a process that has such bounds.
fn with_bounds(which: &str) {
    let tests = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--test-threads=2", "small::inside::"])
        .env(ASKED, which)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&tests.stdout);
    let all = told.contains(&format!("test result: ok. {TESTS} passed"));
    let why = String::from_utf8_lossy(&tests.stderr);
    assert!(tests.status.success() && all, "{told}\n{why}");
}

#[test]
fn a_few_at_a_time_come_to_the_same() {
    with_bounds("few");
}

#[test]
fn one_at_a_time_comes_to_the_same() {
    with_bounds("least");
}

/// The names of all bounds in a folder of sources.
fn named(folder: &Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            named(&path, names);
        } else {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let text: String = text.split_whitespace().collect();
            let bounds = text.split("=Bound::new(\"").skip(1);
            names.extend(bounds.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
}

#[test]
fn names_of_bounds_are_unique_and_those_made_small_exist() {
    let mut names = Vec::new();
    named(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut names,
    );
    let unique: BTreeSet<_> = names.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    let unknown = SMALL.iter().filter(|(name, _)| !unique.contains(name));
    assert_eq!(unknown.count(), 0, "{unique:?}");
    assert!(SMALL.is_sorted());
}
