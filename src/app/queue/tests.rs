//! What becomes of a message whose job was tried.

use super::*;

fn job() -> Job {
    Job::Audit(crate::domain::event::OriginRef {
        source: "vk".to_owned(),
        origin: "b".to_owned(),
    })
}

fn fate(ended: Result<Outcome, WorkError>, receives: u32) -> Fate {
    Fate::of(Ok((&job(), &ended)), receives)
}

fn denied() -> WorkError {
    WorkError::Origin(crate::clients::error::CallError::of_kind(
        crate::clients::error::Kind::Denied,
    ))
}

fn waits(fates: impl Iterator<Item = Fate>) -> Vec<u64> {
    let waits = fates.map_while(|fate| match fate {
        Fate::Again(wait) => Some(wait.as_secs()),
        _ => None,
    });
    waits.collect()
}

#[test]
fn a_message_comes_again_later_each_time_until_it_is_a_dead_letter() {
    let of = |receives| fate(Err(denied()), receives);
    assert_eq!(waits((1..99).map(of)), [60, 120, 240, 480]);
    let is_dead = |fate| match fate {
        Fate::Dead { reason, waits_for } => (reason.contains("the last: origin: "), waits_for),
        fate => panic!("{fate:?}"),
    };
    assert_eq!(is_dead(of(5)), (true, None));
    // The attempts before failed since something was down, which may have left it half up.
    assert_eq!(is_dead(of(9)), (true, Some(Remote::Origin)));
    assert!(matches!(of(0), Fate::Again(_)), "counts from one");
    for landing in [WorkError::OutOfTime("x"), WorkError::Panicked] {
        assert_eq!(fate(Err(landing), 1), Fate::Again(SETTLING));
    }
}

#[test]
fn while_a_service_is_down_a_job_is_tried_for_twelve_hours_and_each_wait_can_be_had() {
    for (down, remote) in [
        (WorkError::BrokenOff("x".to_owned()), Remote::Origin),
        (WorkError::OutOfTime("x"), Remote::Origin),
    ] {
        let ended = Err(down);
        let of = |receives| Fate::of(Ok((&job(), &ended)), receives);
        let waits = waits((1..99).map(of));
        assert!(waits.iter().sum::<u64>() >= 12 * 3600, "{waits:?}");
        assert!(waits.iter().sum::<u64>() < 14 * 3600, "{waits:?}");
        assert!(waits.is_sorted() && waits[0] <= 300, "{waits:?}");
        // SQS hides a message for twelve hours at most; a worker's death hides it for 5,400 s.
        assert!(waits.iter().all(|wait| *wait <= 5400), "{waits:?}");
        assert!(waits.len() >= 12, "{waits:?}");
        let last = of(ATTEMPTS_WHILE_DOWN);
        assert!(
            matches!(last, Fate::Dead { waits_for, .. } if waits_for == Some(remote)),
            "{last:?}"
        );
    }
}

#[test]
fn what_no_attempt_mends_is_a_dead_letter_at_once_and_a_giant_goes_on() {
    for hopeless in [
        WorkError::DoesNotFit(String::new()),
        WorkError::NoProgress(5),
        WorkError::NotConfigured(String::new()),
    ] {
        let fate = fate(Err(hopeless), 1);
        assert!(
            matches!(
                fate,
                Fate::Dead {
                    waits_for: None,
                    ..
                }
            ),
            "{fate:?}"
        );
    }
    let unreadable = Unread::NoJob("x".to_owned());
    assert_eq!(
        Fate::of(Err(&unreadable), 1),
        Fate::Dead {
            reason: "this is no job: x".to_owned(),
            waits_for: None
        }
    );
    // While a deployment is under way the next worker may know it.
    let later = Unread::Later(9);
    assert_eq!(Fate::of(Err(&later), 1), Fate::Again(FIRST_WAIT));
    let given_up = Fate::of(Err(&later), 5);
    assert!(
        matches!(&given_up, Fate::Dead { reason, .. } if reason.contains("version 9")),
        "{given_up:?}"
    );
    let left = WorkError::Unfinished {
        finished: 1,
        parts: 9,
    };
    assert_eq!(fate(Err(left), 99), Fate::GoOn);
    assert_eq!(fate(Ok(Outcome::Copied), 99), Fate::Done);
}
