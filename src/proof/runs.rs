//! The runs: the rules as they are, and with one of them taken away at a time.

use super::stored::{Obj, Says, Stored};
use super::world::World;
use super::{Action, Call, Mutant, Proof, Stranger, Way};
use stateright::{Checker, HasDiscoveries, Model, Path};
use std::fmt::Write as _;

const SMALL: Proof = Proof {
    mutant: None,
    way: Way::Whole,
    workers: 2,
    hints: 2,
    changes: 1,
    faults: 1,
    strangers: 0,
    overwrites: true,
    refuses_in_place: false,
};

/// Walks through everything that can happen, and shows what was walked through.
fn hold(what: &str, proof: &Proof) {
    let checker = proof
        .clone()
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "| {what} | {} | {} | {} | {} | {} | {} | {} |",
        proof.workers,
        proof.hints,
        proof.changes,
        proof.faults,
        proof.strangers,
        checker.unique_state_count(),
        checker.max_depth(),
    );
    if let Some((name, path)) = checker.discoveries().into_iter().next() {
        panic!("{what}: {name}:\n{}", told(path));
    }
    assert!(checker.is_done());
}

#[test]
fn an_object_in_one_piece() {
    hold(
        "one piece",
        &Proof {
            changes: 2,
            ..SMALL
        },
    );
}

#[test]
fn an_object_in_one_piece_with_two_faults() {
    hold("one piece", &Proof { faults: 2, ..SMALL });
}

#[test]
fn a_stranger_in_the_backup() {
    hold(
        "one piece",
        &Proof {
            strangers: 1,
            ..SMALL
        },
    );
}

#[test]
fn a_stranger_among_the_parts() {
    let way = Way::Parts;
    hold(
        "parts",
        &Proof {
            way,
            strangers: 1,
            faults: 0,
            ..SMALL
        },
    );
}

#[test]
fn foreign_objects_that_are_refused() {
    for way in [Way::Whole, Way::Parts] {
        hold(
            &format!("foreign refused, {way:?}"),
            &Proof {
                way,
                overwrites: false,
                strangers: 1,
                faults: u8::from(way == Way::Whole),
                ..SMALL
            },
        );
    }
}

#[test]
fn a_store_that_refuses_to_copy_in_place() {
    let refuses_in_place = true;
    hold(
        "no copy in place",
        &Proof {
            refuses_in_place,
            ..SMALL
        },
    );
}

#[test]
fn an_object_in_parts() {
    hold(
        "parts",
        &Proof {
            way: Way::Parts,
            ..SMALL
        },
    );
}

#[test]
fn an_object_in_parts_that_another_worker_goes_on_with() {
    hold(
        "parts, ledger",
        &Proof {
            way: Way::Ledger,
            ..SMALL
        },
    );
}

/// As much as time allows: `PROOF_WORKERS`, `PROOF_HINTS`, `PROOF_CHANGES`, `PROOF_FAULTS`, `PROOF_STRANGERS`.
#[test]
fn larger_bounds() {
    let given = |name: &str| {
        let value = std::env::var(format!("PROOF_{name}")).ok()?;
        Some(value.parse::<u8>().expect("a small number"))
    };
    let names = ["WORKERS", "HINTS", "CHANGES", "FAULTS", "STRANGERS"];
    let [workers, hints, changes, faults, strangers] = names.map(given);
    if [workers, hints, changes, faults, strangers] == [None; 5] {
        return;
    }
    for way in [Way::Whole, Way::Parts, Way::Ledger] {
        let proof = Proof {
            way,
            workers: workers.unwrap_or(2).into(),
            hints: hints.unwrap_or(2),
            changes: changes.unwrap_or(1),
            faults: faults.unwrap_or(1),
            strangers: strangers.unwrap_or(0),
            ..SMALL
        };
        hold(&format!("{way:?}"), &proof);
    }
}

/// What a rule's mutant does wrong first.
#[test]
fn every_rule_is_needed() {
    use Mutant as M;
    let whole = SMALL;
    let parts = Proof {
        way: Way::Parts,
        ..SMALL
    };
    let ledger = Proof {
        way: Way::Ledger,
        ..SMALL
    };
    let stranger = Proof {
        strangers: 1,
        ..SMALL
    };
    let refused = Proof {
        overwrites: false,
        ..SMALL
    };
    let completes = Proof {
        strangers: 1,
        ..parts.clone()
    };
    let refuses = Proof {
        refuses_in_place: true,
        ..SMALL
    };
    let cases = [
        (
            M::NoConditionOnCreate,
            &stranger,
            "replaces only what it saw",
        ),
        (
            M::NoConditionOnReplace,
            &stranger,
            "replaces only what it saw",
        ),
        (
            M::NoConditionOnReplace,
            &completes,
            "replaces only what it saw",
        ),
        (M::NoConditionInPlace, &whole, "never torn"),
        (M::NoConditionOnDelete, &stranger, "deletes nothing foreign"),
        (M::NoLookAfterWrite, &whole, "converges"),
        (M::NoLookAfterDelete, &whole, "converges"),
        (M::StartsOverAfterUnknown, &whole, "converges"),
        (M::TakesRefusalForSuccess, &whole, "converges"),
        (M::TrustsAny404, &whole, "stays right"),
        (M::TrustsOneAnswer, &whole, "deletes on proof"),
        (M::TrustsOneAnswerAfterwards, &whole, "converges"),
        (M::ComparesETagsOnly, &whole, "converges"),
        (M::FingerprintWithoutTime, &whole, "converges"),
        (M::DeletesUnmarked, &whole, "deletes nothing foreign"),
        (M::NoChecksum, &stranger, "converges"),
        (M::NoProperties, &stranger, "converges"),
        (M::TrustsWithoutSeal, &completes, "converges"),
        (M::OverwritesForeign, &refused, "overwrites nothing foreign"),
        (
            M::OverwritesAnothers,
            &refused,
            "overwrites nothing foreign",
        ),
        (M::AdoptsByETag, &whole, "never torn"),
        (
            M::NoCopyInsteadOfInPlace,
            &refuses,
            "gives up only if disturbed",
        ),
        (M::NoRedelivery, &whole, "converges"),
        (M::RedeliversTooSoon, &whole, "converges"),
        (M::NoIfMatchOnRanges, &parts, "never torn"),
        (M::NoAbort, &parts, "leaves no upload"),
        (M::LedgerNotCreateNew, &ledger, "leaves no upload"),
        (M::LedgerUnchecked, &ledger, "never torn"),
    ];
    let mut missed = Vec::new();
    for (mutant, bounds, property) in cases {
        let proof = Proof {
            mutant: Some(mutant),
            ..bounds.clone()
        };
        let found = HasDiscoveries::AnyOf([property].into());
        let checker = proof.checker().finish_when(found).spawn_bfs().join();
        match checker.discovery(property) {
            Some(path) => println!(
                "\n{mutant:?} ({:?}): \"{property}\"\n{}",
                bounds.way,
                told(path)
            ),
            None => missed.push((
                mutant,
                checker.discoveries().into_keys().collect::<Vec<_>>(),
            )),
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

/// Inline mode: nothing comes back, or comes back while its last write is still on its way. Convergence is lost, and
/// nothing else.
#[test]
fn without_a_queue_only_convergence_is_lost() {
    for mutant in [Mutant::NoRedelivery, Mutant::RedeliversTooSoon] {
        let proof = Proof {
            mutant: Some(mutant),
            ..SMALL
        };
        let checker = proof.checker().threads(2).spawn_bfs().join();
        let broken: Vec<_> = checker.discoveries().into_keys().collect();
        assert_eq!(broken, ["converges"], "{mutant:?}");
    }
}

fn told(path: Path<World, Action>) -> String {
    let mut text = String::new();
    for (world, action) in path.into_vec() {
        let Some(action) = action else {
            let _ = write!(text, "  = {}", sides(&world));
            break;
        };
        if text.is_empty() {
            let _ = writeln!(text, "  {}", sides(&world));
        }
        let _ = match action {
            Action::Worker(name, _, call) => writeln!(text, "  {name:?} {}", said(call)),
            Action::Begins => writeln!(text, "  {:?} begins", world.next_name),
            Action::ComesBack => writeln!(text, "  {:?} begins: a job came back", world.next_name),
            Action::LateWriteLands(_) => writeln!(text, "  a late write lands"),
            Action::LateWriteNeverLands(_) => writeln!(text, "  a late write never lands"),
            Action::OriginBecomes(to, _) => writeln!(text, "  the origin becomes {}", object(to)),
            Action::StrangerPuts(Stranger::Unmarked) => {
                writeln!(text, "  somebody puts an object into the backup")
            }
            Action::StrangerPuts(Stranger::OtherBytes) => {
                writeln!(text, "  somebody puts other bytes under the copy's mark")
            }
            Action::StrangerPuts(Stranger::OtherProperties) => {
                writeln!(text, "  somebody changes the copy's properties")
            }
        };
    }
    text
}

fn said(call: Call) -> &'static str {
    match call {
        Call::LooksAtOrigin => "reads the origin",
        Call::Lists => "lists the origin",
        Call::LooksAtBackup => "looks at the backup",
        Call::IsDenied => "is denied, or told 404 without a code",
        Call::IsToldNoSuchKeyFalsely => "is told NoSuchKey, falsely",
        Call::Carries => "makes the next call of its upload",
        Call::WriteLands => "has its write land and hears of it",
        Call::WriteLandsUnheard => "has its write land, and the answer is lost",
        Call::WriteTimesOut => "gives up on its write, which is still on its way",
        Call::WriteIsRefused => "has its write refused (409, 503, 501)",
        Call::CompletionIsAnsweredAsBefore => "completes what is completed, and is told so",
        Call::Dies => "dies",
    }
}

fn object(of: Option<Obj>) -> String {
    of.map_or("absent".to_owned(), |of| {
        format!("bytes {} metadata {}", of.bytes, of.meta)
    })
}

fn sides(world: &World) -> String {
    let backup = match world.backup {
        None => "absent".to_owned(),
        Some(Stored {
            bytes: [first, second],
            meta,
            mark,
        }) => {
            let bytes = if first == second {
                first.to_string()
            } else {
                format!("{first}+{second}")
            };
            let of = mark.map_or("unmarked".to_owned(), |mark| {
                let whose = if mark.ours { "" } else { "another origin's " };
                let sealed = if mark.says == Says::Seal(None) {
                    ", not sealed"
                } else {
                    ""
                };
                let changed = if meta == mark.of.meta {
                    ""
                } else {
                    ", other properties"
                };
                format!("{whose}copy of {}{sealed}{changed}", object(Some(mark.of)))
            });
            format!("bytes {bytes}, {of}")
        }
    };
    let uploads = match world.uploads.len() {
        0 => String::new(),
        open => format!("; open uploads: {open}"),
    };
    format!(
        "origin: {}; backup: {backup}{uploads}",
        object(world.origin)
    )
}
