//! How far an audit has come, and that what it found is counted once.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at(found: Option<Run>, now: i64) -> Run {
    Run::at(found, Uuid::now_v7(), now)
}

#[test]
fn reads_the_first_version() {
    let golden = br#"{"version":1,"id":"00000000-0000-0000-0000-000000000007","began":1,"after":"a","ended":false,"keys":2,"copies":3,"hints":4,"foreign":5,"unreadable":6,"files":[["f",7],["g",8]]}"#;
    let read = Run::from_json(golden).unwrap();
    // What came later counts from nought.
    let now = String::from_utf8(read.to_json()).unwrap();
    assert_eq!(now.replace("\"missed\":0,", "").as_bytes(), golden);
    assert_eq!(read.removals(), 15);
    assert_ne!(read.folder("vk/b"), read.folder("vk/c"));
    let mut of_now = read.clone();
    let mine = format!("{}x.json", read.folder("vk/b"));
    of_now.files.push((mine, 9));
    assert_eq!(of_now.count_of("vk/b", "x.json"), Some(9));
    assert_eq!(of_now.count_of("vk/c", "x.json"), None);
}

#[test]
fn reads_the_second_version() {
    let golden = br#"{"version":2,"id":"00000000-0000-0000-0000-000000000007","began":1,"after":"a","ended":false,"keys":2,"copies":3,"hints":4,"missed":1,"foreign":5,"unreadable":6,"written":2,"noted":30,"waiting":["x"],"sealed":true,"touched":9,"last":{"began":-5,"keys":1,"copies":2},"first":-3}"#;
    let read = Run::from_json(golden).unwrap();
    assert_eq!(read.to_json(), golden);
    assert_eq!(
        (read.removals(), read.file()),
        (31, "0000000002-1.json".to_owned())
    );
    assert_eq!((read.last().unwrap().began, read.age(10)), (-5, 15));
}

#[test]
fn a_run_that_cannot_be_read_is_not_taken_for_none() {
    for (json, why) in [
        ("", Unread::NoRun),
        ("{}", Unread::NoRun),
        ("[]", Unread::NoRun),
        (r#"{"version":1}"#, Unread::NoRun),
        (r#"{"version":3,"whatever":1}"#, Unread::Later(3)),
    ] {
        assert_eq!(Run::from_json(json.as_bytes()), Err(why), "{json}");
    }
}

#[test]
fn a_run_goes_on_until_nobody_has_gone_on_with_it_for_a_week() {
    let first = at(None, 100);
    assert_eq!((first.last(), first.age(150)), (None, 50));
    let again = at(Some(first.clone()), 200);
    assert_eq!(again, first);
    // It was gone on with: it is the time since then that counts.
    let touched = Run {
        touched: Some(STALE),
        ..first.clone()
    };
    assert_eq!(at(Some(touched), STALE + 200).id, first.id);
    let anew = at(Some(first.clone()), STALE + 200);
    assert_ne!(anew.id, first.id);
    // One that begins anew again and again gets older all the same.
    let week = STALE.unsigned_abs();
    assert_eq!(anew.age(STALE + 200), 100 + week);
    let third = at(Some(anew), 3 * STALE);
    assert_eq!(third.age(3 * STALE), 3 * week - 100);
    let ended = Run {
        ended: true,
        keys: 4,
        copies: 5,
        ..third
    };
    let next = at(Some(ended.clone()), ended.began + 7);
    assert_eq!(
        next.last(),
        Some(Last {
            began: ended.began,
            keys: 4,
            copies: 5
        })
    );
    assert_eq!((next.age(ended.began + 7), next.first), (7, None));
}

#[test]
fn a_file_is_a_run_s_own_by_its_number() {
    let mut run = at(None, 1);
    run.waiting = vec!["a".into(), "b".into()];
    let name = run.file();
    assert_eq!(run.count_of("o", &name), None, "not written yet");
    run.wrote();
    assert_eq!((run.count_of("o", &name), run.removals()), (Some(2), 2));
    for other in [
        "0000000001-2.json",
        "x.json",
        "0000000000-2",
        "0000000000.json",
    ] {
        assert_eq!(run.count_of("o", other), None, "{other}");
    }
}

proptest! {
    /// However often a worker dies between two writes, and whatever it was that it had not written: each key is counted once.
    #[test]
    fn each_key_is_noted_once_whoever_dies(keys in prop::collection::vec("[a-c]{1,5}", 1..40), most in 4..30usize, deaths in prop::collection::vec(any::<bool>(), 200)) {
        let mut deaths = deaths.into_iter().chain(std::iter::repeat(false));
        let mut stored = at(None, 1);
        let mut files = BTreeMap::new();
        'attempt: loop {
            let mut run = stored.clone();
            loop {
                if run.sealed {
                    files.insert(run.file(), run.waiting.clone());
                    if deaths.next() == Some(true) { continue 'attempt; }
                    run.wrote();
                }
                let Some(key) = keys.get(usize::try_from(run.hints).unwrap()) else { break };
                run.hints += 1;
                run.waiting.push(key.clone());
                run.sealed = run.waiting_bytes() >= most;
                if run.sealed {
                    stored = run.clone();
                    if deaths.next() == Some(true) { continue 'attempt; }
                }
            }
            if deaths.next() == Some(true) { continue 'attempt; }
            stored = run;
            break;
        }
        let noted: Vec<_> = files.iter().flat_map(|(name, keys)| {
            assert_eq!(stored.count_of("o", name), Some(keys.len() as u64));
            keys.clone()
        }).chain(stored.waiting.clone()).collect();
        prop_assert_eq!(noted, keys.clone());
        prop_assert_eq!(stored.removals(), keys.len() as u64);
    }
}
