//! The removals that an audit finds: kept in files of bounded length, counted once whoever dies, shown and decided on to the
//! last one.

use crate::events::{dispatched, refused};
use crate::world::{World, created};
use hookwork::app::inbox::{Decision, Held, Refusal, Seen};
use hookwork::domain::event::OriginRef;
use hookwork::domain::run::Run;
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::Object;
use serde_json::json;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

fn of() -> OriginRef {
    OriginRef {
        source: "vk".to_owned(),
        origin: "mcs1/origin".to_owned(),
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

/// A world whose backup has copies of these keys, and whose origin has one object, which none of them is of.
async fn orphaned(rule: serde_json::Value, keys: impl Iterator<Item = String>) -> World {
    let world = World::resumable_with(rule).await;
    world.put("stays", "1");
    world.deliver([created("stays")]).await;
    let mut copy = Object::clone(&world.store.get("backup", "stays").expect("a copy"));
    copy.last_modified = SystemTime::now() - Duration::from_secs(18_000);
    for key in keys {
        world.store.put_object("backup", &key, copy.clone());
    }
    world
}

async fn decide(world: &World, seen: Seen, decision: Decision) -> Result<u64, Refusal> {
    let app = world.app();
    app.decide(&of(), seen, decision, None, deadline()).await
}

async fn held(world: &World) -> Held {
    let state = world.app().mirror_state().await.expect("a state");
    state.origins[0].held.clone().expect("something is held")
}

fn seen(held: &Held) -> Seen {
    Seen {
        run: held.run,
        removals: held.removals,
    }
}

/// Keys that take six bytes for each of their own in JSON: files of them are long.
fn long_keys(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("{number:06}{}", "\u{1}".repeat(900)))
}

#[tokio::test]
async fn removals_that_one_file_has_no_room_for_are_shown_and_approved_to_the_last() {
    let world = orphaned(json!({}), long_keys(900)).await;
    dispatched(world.app(), &json!({"hookwork": "audit"})).await;
    let files = world.store.keys("state");
    let lengths = files
        .iter()
        .map(|file| world.store.get("state", file).unwrap().body().len());
    assert!(
        lengths.max().unwrap() < 2 << 20,
        "none is too long to be read"
    );
    assert!(files.len() > 3, "{files:?}");
    let waits = held(&world).await;
    assert_eq!(waits.removals, 900);
    let (keys, count) = world.app().held_keys(&of(), usize::MAX).await.unwrap();
    assert_eq!((keys, count), (long_keys(900).collect(), 900));
    let decided = decide(&world, seen(&waits), Decision::Approve).await;
    assert_eq!(decided, Ok(900));
    assert_eq!(world.store.keys("backup"), ["stays"]);
}

#[tokio::test]
async fn a_worker_that_dies_between_two_writes_counts_no_removal_twice_and_forgets_none() {
    for nth in 1..8 {
        for fault in [Fault::Status(503, "SlowDown"), Fault::DropAfter] {
            let name = format!("{fault:?} at write {nth}");
            let world = orphaned(json!({}), long_keys(500)).await;
            let write = On::nth(nth).of("PutObject").bucket("state");
            world.faults.inject(write, fault);
            let mut attempts = 0;
            while world.app().mirror_state().await.unwrap().origins[0]
                .held
                .is_none()
            {
                attempts += 1;
                assert!(attempts < 4, "{name}");
                // It may fail: then it comes again.
                world.app().tick(None, deadline()).await.ok();
                world.faults.clear();
            }
            assert_eq!(held(&world).await.removals, 500, "{name}");
            let (keys, _) = world.app().held_keys(&of(), usize::MAX).await.unwrap();
            assert_eq!(keys, long_keys(500).collect::<Vec<_>>(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_run_that_cannot_be_read_is_an_error_and_stays() {
    let world = orphaned(json!({}), std::iter::once("gone".to_owned())).await;
    let place = Run::place(&of().id());
    let later = r#"{"version":3,"id":"00000000-0000-0000-0000-000000000007","began":1}"#;
    for content in [
        "not JSON".to_owned(),
        "{}".to_owned(),
        later.to_owned(),
        format!("\"{}\"", "x".repeat(5 << 20)),
    ] {
        world.store.put("state", &place, content.clone());
        let why = refused(world.app(), &json!({"hookwork": "audit"})).await;
        assert!(why.contains("1 of 1 audits failed"), "{why}");
        let kept = world.store.get("state", &place).unwrap().body();
        assert_eq!(kept.len(), content.len(), "it is not forgotten");
        let state = world.app().mirror_state().await.unwrap();
        let why = state.origins[0]
            .unreadable
            .clone()
            .expect("the page says so");
        assert!(why.contains("the file of the audit"), "{why}");
        let release = json!({"hookwork": "release", "source": "vk", "bucket": "mcs1/origin"});
        assert!(
            refused(world.app(), &release)
                .await
                .contains("the file of the audit")
        );
        assert_eq!(world.store.keys("backup"), ["gone", "stays"]);
    }
}

/// What the first version of the program left: a run with a list of its files, of which a page shows a thousand.
async fn of_the_first_version(files: usize, body: impl Fn(usize) -> String) -> World {
    let rule = json!({"hold": {"count": 0, "share": 0.0}});
    let world = orphaned(rule, (0..files).map(|number| format!("{number:06}"))).await;
    let origin = of().id();
    let id = "00000000-0000-0000-0000-000000000007";
    let folder = Run::place(&origin).replace("run.json", &format!("{id}/"));
    let mut listed = Vec::new();
    for number in 0..files {
        let name = format!("{folder}{:032x}.json", number * 7919 % files);
        world.store.put("state", &name, body(number));
        listed.push(json!([name, 1]));
    }
    let run = json!({
        "version": 1, "id": id, "began": 1, "after": null, "ended": true, "keys": 1, "copies": files + 1, "hints": 0, "missed": 0,
        "foreign": 0, "unreadable": 0, "files": listed,
    });
    world
        .store
        .put("state", &Run::place(&origin), run.to_string());
    world
}

#[tokio::test]
async fn removals_of_more_files_than_a_page_lists_are_decided_on_as_they_were_shown() {
    for decision in [Decision::Reject, Decision::Approve] {
        let world =
            of_the_first_version(1_200, |number| json!([format!("{number:06}")]).to_string()).await;
        let waits = held(&world).await;
        assert_eq!(waits.removals, 1_200);
        let (keys, count) = world.app().held_keys(&of(), usize::MAX).await.unwrap();
        assert_eq!((keys.len(), count), (1_200, 1_200));
        // Whoever saw another number has not seen these.
        for removals in [1_000, 1_199, 1_201] {
            let other = Seen {
                removals,
                ..seen(&waits)
            };
            let decided = decide(&world, other, decision).await;
            assert!(matches!(decided, Err(Refusal::Changed(_))), "{decided:?}");
        }
        assert_eq!(world.store.keys("backup").len(), 1_201, "nothing is done");
        let decided = decide(&world, seen(&waits), decision).await;
        assert_eq!(decided, Ok(1_200));
        let left = if decision == Decision::Approve {
            1
        } else {
            1_201
        };
        assert_eq!(world.store.keys("backup").len(), left);
        let state = world.app().mirror_state().await.unwrap();
        assert!(state.origins[0].held.is_none(), "all of it is decided on");
    }
}

#[tokio::test]
async fn a_file_of_removals_that_cannot_be_read_can_be_rejected_and_is_never_approved() {
    let long = format!("[\"{}\"]", "x".repeat(5 << 20));
    for body in ["not JSON", "[]", "[1]", "[\"000000\",\"000001\"]", &long] {
        let world = of_the_first_version(1, |_| body.to_owned()).await;
        let waits = held(&world).await;
        let app = world.app();
        let shown = app.held_keys(&of(), 10).await;
        assert!(matches!(shown, Err(Refusal::Failed(_))), "{shown:?}");
        let approved = decide(&world, seen(&waits), Decision::Approve).await;
        assert!(matches!(approved, Err(Refusal::Failed(_))), "{approved:?}");
        assert_eq!(world.store.keys("backup").len(), 2);
        let rejected = decide(&world, seen(&waits), Decision::Reject).await;
        assert_eq!(rejected, Ok(1));
    }
}
