//! The list and what the mirror holds, as the inbox shows them.

use super::{SECRET, deadline, github, push};
use crate::world::{World, created};
use hookwork::app::inbox::{Decision, Refusal, Seen};
use hookwork::domain::delivery::DeliveryId;
use hookwork::domain::event::OriginRef;
use hookwork::domain::inbox::{FOLDER, Facts, Filter, Verdict, rows};
use uuid::Uuid;

/// Lays down the files of this many deliveries, one a second, of which every hundredth was refused.
fn filled(world: &World, count: u64) {
    for number in 0..count {
        let facts = Facts {
            verdict: if number % 100 == 0 {
                Verdict::Unauthentic
            } else {
                Verdict::Accepted
            },
            source: Some("github".to_owned()),
            bytes: 1,
            jobs: 0,
            same: format!("{number:016x}"),
            title: format!("number {number}"),
        };
        let id = (u128::from(1_780_000_000_000 + number * 1_000) << 80)
            | (7 << 76)
            | (2 << 62)
            | u128::from(number);
        world
            .store
            .put("state", &facts.place(DeliveryId(Uuid::from_u128(id))), "");
    }
}

#[tokio::test]
async fn the_list_is_paged_newest_first_and_a_page_is_one_call_a_folder() {
    let world = github().await;
    filled(&world, 2_500);
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = world
            .app()
            .list(&Filter::default(), before.as_deref(), 200)
            .await
            .unwrap();
        assert!(page.rows.len() <= 200 && page.calls <= 2);
        seen.extend(page.rows.into_iter().map(|row| row.facts.unwrap().title));
        before = page.before;
        if before.is_none() {
            break;
        }
    }
    let all: Vec<_> = (0..2_500)
        .rev()
        .map(|number| format!("number {number}"))
        .collect();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_search_is_bounded_and_goes_on_where_it_ended() {
    let world = github().await;
    filled(&world, 9_500);
    let oldest = Filter {
        text: Some("number 7".to_owned()),
        until: Some(1_780_000_000_000 + 9_400_000),
        ..Filter::default()
    };
    let page = world.app().list(&oldest, None, 200).await.unwrap();
    assert!(page.calls <= 8 && !page.rows.is_empty());
    let refused = Filter {
        status: Some("unauthentic".to_owned()),
        ..Filter::default()
    };
    let first = world.app().list(&refused, None, 200).await.unwrap();
    assert_eq!(
        (first.calls, first.searched),
        (8, 6_993),
        "eight listings, and no more: one is of strangers'"
    );
    let second = world
        .app()
        .list(&refused, first.before.as_deref(), 200)
        .await
        .unwrap();
    assert_eq!(second.before, None);
    assert_eq!(first.rows.len() + second.rows.len(), 95);
    let since = Filter {
        after: Some(1_780_000_000_000 + 9_490_000),
        ..Filter::default()
    };
    let page = world.app().list(&since, None, 200).await.unwrap();
    assert_eq!((page.rows.len(), page.calls, page.before), (10, 2, None));
}

#[tokio::test]
async fn what_others_keep_among_the_deliveries_stops_no_list() {
    let world = github().await;
    for number in 0..2_100 {
        world
            .store
            .put("state", &format!("deliveries/f{number:04}"), "");
        world
            .store
            .put("state", &format!("deliveries/0{number:04}"), "");
    }
    world.send(push(SECRET, "{}")).await;
    let page = world
        .app()
        .list(&Filter::default(), None, 50)
        .await
        .unwrap();
    assert_eq!(page.rows.len(), 1);
}

#[tokio::test]
async fn a_delivery_that_comes_twice_is_flagged() {
    let world = github().await;
    for body in ["{\"a\":1}", "{\"b\":1}", "{\"a\":1}"] {
        world.send(push(SECRET, body)).await;
    }
    let page = world
        .app()
        .list(&Filter::default(), None, 50)
        .await
        .unwrap();
    let twice: Vec<_> = page.rows.iter().map(|row| row.duplicate_of).collect();
    assert_eq!(twice, [Some(page.rows[2].id), None, None]);
}

#[tokio::test]
async fn what_was_refused_is_repeated_by_nothing() {
    let world = github().await;
    world.send(push("wrong", "{\"a\":1}")).await;
    let answered = world.send(push(SECRET, "{\"a\":1}")).await;
    assert_eq!(answered.status, 200);
    let page = world.app().list(&Filter::default(), None, 50).await;
    let page = page.unwrap();
    let states: Vec<_> = page.rows.iter().map(|row| row.state().word()).collect();
    assert_eq!(states, ["done", "refused"]);
    assert!(page.rows.iter().all(|row| row.duplicate_of.is_none()));
    // What earlier versions kept in one folder is read so, too.
    let facts = |verdict| Facts {
        verdict,
        source: Some("github".to_owned()),
        bytes: 1,
        jobs: 0,
        same: "00ff".to_owned(),
        title: String::new(),
    };
    let id = |at: u128| DeliveryId(Uuid::from_u128((at << 80) | (7 << 76) | (2 << 62)));
    let verdicts = [
        Verdict::Failed,
        Verdict::Unauthentic,
        Verdict::Handshake,
        Verdict::Accepted,
        Verdict::Unauthentic,
        Verdict::Accepted,
    ];
    let places = (1u128..).zip(verdicts);
    let mut places: Vec<_> = places.map(|(at, it)| facts(it).place(id(at))).collect();
    places.reverse();
    let names = places.iter();
    let rows = rows(names.map(|place| place.strip_prefix(FOLDER).unwrap()));
    let repeats: Vec<_> = rows.iter().map(|row| row.duplicate_of).collect();
    assert_eq!(repeats, [Some(id(4)), None, None, None, None, None]);
}

#[tokio::test]
async fn held_removals_are_shown_and_rejected_or_approved() {
    let rule = serde_json::json!({"hold": {"count": 0, "share": 0.0}});
    let world = World::mirroring(rule).await;
    for key in ["a", "b"] {
        world.put(key, "1");
        world.deliver([created(key)]).await;
    }
    let of = OriginRef {
        source: "vk".to_owned(),
        origin: "mcs1/origin".to_owned(),
    };
    let seen = |run| Seen { run, removals: 1 };
    let app = world.app();
    let state = app.mirror_state().await.unwrap();
    assert!(state.origins[0].audit.is_none() && state.origins[0].held.is_none());
    assert_eq!((state.lags.len(), state.outcomes["copied"]), (2, 2));
    let nothing = app
        .decide(&of, seen(Uuid::nil()), Decision::Approve, None, deadline())
        .await;
    assert_eq!(
        nothing,
        Err(Refusal::Changed(
            "nothing is held of this bucket any more".to_owned()
        ))
    );
    world.remove("a");
    app.tick(None, deadline()).await.unwrap();
    let held = async || app.mirror_state().await.unwrap().origins[0].held.clone();
    let run = async || held().await.unwrap().run;
    assert_eq!(held().await.map(|held| held.removals), Some(1));
    assert_eq!(
        app.held_keys(&of, 10).await.unwrap(),
        (vec!["a".to_owned()], 1)
    );
    assert_eq!(
        app.decide(&of, seen(run().await), Decision::Reject, None, deadline())
            .await,
        Ok(1)
    );
    assert!(
        held().await.is_none() && world.backup("a").is_some(),
        "the copy stays"
    );
    // The next audit finds it anew.
    app.tick(None, deadline()).await.unwrap();
    assert_eq!(held().await.map(|held| held.removals), Some(1));
    assert_eq!(
        app.decide(&of, seen(run().await), Decision::Approve, None, deadline())
            .await,
        Ok(1)
    );
    assert!(held().await.is_none());
    assert!(world.backup("a").is_none() && world.backup("b").is_some());
    let unknown = OriginRef {
        origin: "other".to_owned(),
        ..of
    };
    let refused = app.held_keys(&unknown, 10).await;
    assert!(matches!(refused, Err(Refusal::Unknown(_))), "{refused:?}");
}

#[tokio::test]
async fn a_delivery_with_more_files_than_a_listing_has_is_one_row_with_all_of_them() {
    let world = github().await;
    filled(&world, 3);
    let place = world.store.keys("state").remove(1);
    let (group, _) = place.rsplit_once('/').unwrap();
    // An outage of hours: each attempt failed, and the last one did not.
    for number in 0..2_300u128 {
        let id = Uuid::from_u128(((1_780_000_002_000 + number) << 80) | (7 << 76) | (2 << 62));
        let outcome = if number < 2_299 {
            "failed.0.1.5."
        } else {
            "copied.1.1.5."
        };
        let attempt = format!("{group}/1.{id}.queue.{outcome}");
        world.store.put("state", &attempt, "");
    }
    let list = async |before: Option<String>, limit| {
        let app = world.app();
        let page = app.list(&Filter::default(), before.as_deref(), limit).await;
        page.unwrap()
    };
    let page = list(None, 3).await;
    let told: Vec<_> = page
        .rows
        .iter()
        .map(|row| (row.state().word(), row.attempts.len()))
        .collect();
    assert_eq!(told, [("nothing", 0), ("done", 2_300), ("refused", 0)]);
    assert_eq!(page.before, None, "there are no older ones");
    let (mut rows, mut before) = (Vec::new(), None);
    loop {
        let page = list(before, 1).await;
        rows.extend(page.rows);
        before = page.before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(rows, page.rows, "row by row it is the same");
}
