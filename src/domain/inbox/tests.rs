//! Names of files are facts, in both directions; rows, states and filters.

use super::*;
use crate::domain::delivery::DeliveryId;
use proptest::prelude::*;

/// A UUIDv7 of this millisecond.
fn id(ms: u64, unique: u64) -> DeliveryId {
    let time = u128::from(ms) << 80;
    DeliveryId(Uuid::from_u128(
        time | (7 << 76) | (2 << 62) | u128::from(unique),
    ))
}

fn facts(verdict: Verdict, jobs: usize) -> Facts {
    Facts {
        verdict,
        source: Some("vk".to_owned()),
        bytes: 12,
        jobs,
        same: "ab".to_owned(),
        title: "photos/1.jpg".to_owned(),
    }
}

fn attempt(ms: u64, outcomes: &[&str]) -> Attempt {
    let jobs = outcomes.iter().map(|outcome| JobReport {
        job: "mirror".to_owned(),
        outcome: (*outcome).to_owned(),
        lag_ms: (*outcome == "copied").then_some(ms),
        ..JobReport::default()
    });
    Attempt::new(id(ms, 0).0, By::Queue, 7, jobs.collect())
}

fn name(place: &str) -> &str {
    place.strip_prefix(FOLDER).unwrap()
}

#[test]
fn the_newest_comes_first_in_a_listing() {
    let now = 1_780_000_000_000;
    let (older, newer) = (group(id(now, 9)), group(id(now + 1, 1)));
    assert!(newer < older && newer.starts_with(NEWEST));
    assert!(inverse(now) <= older && inverse(now) > newer);
    assert_eq!(delivery_of(&older), Some(id(now, 9)));
    assert_eq!(delivery_of(&older[1..]), None);
    let early = Uuid::from_u128(0x0199 << 112).to_string();
    assert!(
        *early < *NEWEST,
        "what an earlier version kept comes before"
    );
}

/// What was ever written is read for as long as the bucket keeps it.
#[test]
fn reads_the_names_of_the_first_version() {
    let at = id(1_780_000_000_000, 1);
    let place = facts(Verdict::Accepted, 1).place(at);
    assert_eq!(
        place,
        "deliveries/fe618fbb77ff-019e7044-8800-7000-8000-000000000001/0.accepted.vk.12.1.ab.cGhvdG9zLzEuanBn"
    );
    let tried = attempt(1_780_000_000_001, &["copied"]);
    assert_eq!(
        tried.place(at),
        "deliveries/fe618fbb77ff-019e7044-8800-7000-8000-000000000001/1.019e7044-8801-7000-8000-000000000000.queue.copied.1.1.7.1780000000001"
    );
    let json = br#"{"version":1,"id":"019e6eee-1c01-7000-8000-000000000000","by":"queue","ms":7,"jobs":[{"job":"mirror","bucket":"b","key":"k","outcome":"copied","ms":5,"calls":4,"copied_bytes":3}]}"#;
    let read = Attempt::from_json(json).unwrap();
    assert_eq!(
        (read.jobs[0].calls, read.jobs[0].key.as_deref()),
        (4, Some("k"))
    );
    assert!(Attempt::from_json(br#"{"version":2}"#).is_none());
}

#[test]
fn a_delivery_and_its_attempts_are_one_row_in_whatever_order_they_were_written() {
    let (new, old) = (id(2_000, 0), id(1_000, 0));
    let mut names = [
        facts(Verdict::Accepted, 2).place(new),
        attempt(2_500, &["copied"]).place(new),
        attempt(2_400, &["failed"]).place(new),
        facts(Verdict::Accepted, 2).place(old),
    ];
    names.sort();
    let found = rows(names.iter().map(|place| name(place)));
    assert_eq!(
        found.iter().map(|row| row.id).collect::<Vec<_>>(),
        [new, old]
    );
    let outcomes: Vec<_> = found[0].attempts.iter().map(|it| it.outcome).collect();
    assert_eq!(outcomes, ["failed", "copied"]);
    assert_eq!(found[0].duplicate_of, Some(old));
    assert_eq!(found[1].duplicate_of, None);
    assert_eq!(found[0].attempts[1].lag_ms, Some(2_500));
    assert!(rows(["x", "f-y/0.z", "f/1.a"].into_iter()).is_empty());
}

#[test]
fn a_state_tells_what_is_still_to_come() {
    let state = |facts: Option<Facts>, attempts: &[Attempt]| {
        let row = Row {
            id: id(1, 1),
            facts,
            attempts: attempts.iter().map(Attempt::facts).collect(),
            duplicate_of: None,
        };
        row.state().word()
    };
    let of = |verdict, jobs| Some(facts(verdict, jobs));
    assert_eq!(state(of(Verdict::Accepted, 2), &[]), "pending");
    assert_eq!(state(of(Verdict::Accepted, 0), &[]), "nothing");
    assert_eq!(state(of(Verdict::Handshake, 0), &[]), "handshake");
    assert_eq!(state(of(Verdict::Unauthentic, 0), &[]), "refused");
    assert_eq!(state(of(Verdict::Failed, 0), &[]), "failed");
    let one = attempt(2, &["copied"]);
    let failed = attempt(3, &["failed"]);
    assert_eq!(
        state(of(Verdict::Accepted, 2), std::slice::from_ref(&one)),
        "pending"
    );
    assert_eq!(
        state(of(Verdict::Accepted, 1), std::slice::from_ref(&one)),
        "done"
    );
    assert_eq!(
        state(of(Verdict::Accepted, 2), &[one.clone(), failed.clone()]),
        "failed"
    );
    assert_eq!(
        state(
            of(Verdict::Accepted, 2),
            &[failed, one.clone(), one.clone()]
        ),
        "done"
    );
    assert_eq!(
        state(of(Verdict::Unauthentic, 0), std::slice::from_ref(&one)),
        "done"
    );
    assert_eq!(state(None, &[attempt(2, &["dead"])]), "failed");
    let dead = attempt(2, &["dead"]);
    assert_eq!(
        state(of(Verdict::Accepted, 2), &[dead, one.clone()]),
        "failed"
    );
    let redriven = |outcome: &str| {
        let mut redriven = attempt(4, &[outcome]);
        redriven.by = By::Redrive;
        redriven
    };
    let dead = attempt(2, &["dead"]);
    for (jobs, then, expected) in [
        (1, vec![redriven("copied")], "done"),
        (1, vec![redriven("dead")], "failed"),
        (1, vec![redriven("failed")], "failed"),
        (1, vec![redriven("dead"), redriven("copied")], "done"),
        (2, vec![redriven("copied")], "failed"),
        (2, vec![redriven("copied"), redriven("unchanged")], "done"),
        (2, vec![one.clone(), one.clone()], "failed"),
    ] {
        let attempts: Vec<_> = std::iter::once(dead.clone()).chain(then).collect();
        assert_eq!(
            state(of(Verdict::Accepted, jobs), &attempts),
            expected,
            "{attempts:?}"
        );
    }
    let again = |outcome: &str| {
        let mut again = attempt(5, &[outcome]);
        again.by = By::Replay;
        again
    };
    let done = of(Verdict::Accepted, 1);
    assert_eq!(
        state(done.clone(), &[one.clone(), again("queued")]),
        "pending"
    );
    assert_eq!(
        state(done.clone(), &[one.clone(), again("queued"), one.clone()]),
        "done"
    );
    assert_eq!(
        state(done, &[attempt(1, &["dead"]), again("copied")]),
        "done"
    );
    let partial = |jobs| of(Verdict::Partial, jobs);
    assert_eq!(state(partial(1), &[]), "pending");
    assert_eq!(state(partial(0), &[]), "failed");
    assert_eq!(state(partial(1), std::slice::from_ref(&one)), "failed");
    let mut endpoint = facts(Verdict::Accepted, 0);
    endpoint.source = Some("in/abc".to_owned());
    assert_eq!(state(Some(endpoint), &[]), "recorded");
}

#[test]
fn a_status_that_there_is_not_is_told_with_those_that_there_are() {
    for word in ["done", "recorded", "unauthentic", "handshake"] {
        assert_eq!(known_status(word), Ok(()));
    }
    let told = known_status("rejected").unwrap_err();
    assert!(
        told.starts_with("status: expected one of done, pending, failed, "),
        "{told}"
    );
    assert_eq!(told.matches("handshake").count(), 1);
}

#[test]
fn an_attempt_as_a_whole_is_called_what_needs_a_look() {
    let outcome = |outcomes: &[&str]| {
        let facts = attempt(1, outcomes).facts();
        (facts.outcome, facts.good)
    };
    assert_eq!(outcome(&["copied", "copied"]), ("copied", 2));
    assert_eq!(outcome(&["copied", "deleted"]), ("mixed", 2));
    assert_eq!(outcome(&["copied", "failed"]), ("failed", 1));
    assert_eq!(outcome(&["dead", "failed"]), ("dead", 0));
    assert_eq!(outcome(&["queued"]), ("queued", 0));
    assert_eq!(outcome(&["what is this"]), ("mixed", 1));
}

#[test]
fn a_word_that_is_a_state_and_a_verdict_asks_for_the_state() {
    let failed = facts(Verdict::Failed, 0);
    let mended = id(1_000, 0);
    let again = attempt(1_500, &["copied"]);
    let places = [failed.place(mended), again.place(mended)];
    let row = rows(places.iter().map(|place| name(place))).remove(0);
    let wants = |word: &str| {
        let status = Some(word.to_owned());
        Filter {
            status,
            ..Filter::default()
        }
        .wants(&row)
    };
    assert!(wants("done") && !wants("failed"));
}

#[test]
fn a_filter_narrows_by_source_state_text_and_time() {
    let places = [
        facts(Verdict::Accepted, 0).place(id(3_000, 0)),
        facts(Verdict::Unauthentic, 0).place(id(2_000, 0)),
    ];
    let all = rows(places.iter().map(|place| name(place)));
    let count = |filter: Filter| all.iter().filter(|row| filter.wants(row)).count();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(count(Filter::default()), 2);
    assert_eq!(
        count(Filter {
            source: some("vk"),
            ..Filter::default()
        }),
        2
    );
    assert_eq!(
        count(Filter {
            source: some("-"),
            ..Filter::default()
        }),
        0
    );
    assert_eq!(
        count(Filter {
            status: some("refused"),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        count(Filter {
            status: some("unauthentic"),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        count(Filter {
            text: some("PHOTOS"),
            ..Filter::default()
        }),
        2
    );
    assert_eq!(
        count(Filter {
            text: some("nothing of it"),
            ..Filter::default()
        }),
        0
    );
    assert_eq!(
        count(Filter {
            after: Some(2_001),
            ..Filter::default()
        }),
        1
    );
    assert_eq!(
        count(Filter {
            until: Some(2_000),
            ..Filter::default()
        }),
        1
    );
}

proptest! {
    #[test]
    fn whatever_a_delivery_is_called_its_name_is_read_as_it_was_written(
        title in "\\PC{0,200}", source in proptest::option::of("[A-Za-z0-9_-]{1,20}|in/[a-z0-9]{16}"), bytes: u64, jobs in 0usize..2000,
        ms in 1u64..4_000_000_000_000, unique in 0u64..(1 << 62),
    ) {
        let facts = Facts { verdict: Verdict::Malformed, source, bytes, jobs, same: "0a".to_owned(), title };
        let place = facts.place(id(ms, unique));
        prop_assert!(place.len() < 512);
        let (group, kept) = Kept::of_name(name(&place)).unwrap();
        prop_assert_eq!(delivery_of(group), Some(id(ms, unique)));
        let short = facts.title[..facts.title.floor_char_boundary(TITLE_MAX)].to_owned();
        prop_assert_eq!(kept, Kept::Delivery(Facts { title: short, ..facts }));
    }

    #[test]
    fn a_name_that_is_none_of_ours_is_passed_over(name in "\\PC{0,80}") {
        let _ = Kept::of_name(&name);
        prop_assert!(rows(std::iter::once(name.as_str())).len() <= 1);
    }
}
