//! What nothing proves is kept apart, short, and in the way of no search.

use super::{SECRET, deadline, generic, github, knows, newest, push, replayed};
use crate::world::{World, created, delivery, secrets, vk};
use hookwork::app::deliveries::Unreplayed;
use hookwork::domain::delivery::DeliveryId;
use hookwork::domain::inbox::{FOLDER, Facts, Filter, STRANGERS, Verdict};
use serde_json::{Value, json};
use std::collections::HashSet;
use uuid::Uuid;

const JUNK: u64 = 20_000;

fn filter(status: &str) -> Filter {
    Filter {
        status: Some(status.to_owned()),
        ..Filter::default()
    }
}

/// Lays down this many strangers' deliveries, one a millisecond, all after what there is.
fn flooded(world: &World) {
    let after = world.inbox()[0].received() + 1_000;
    for number in 0..JUNK {
        let facts = Facts {
            verdict: Verdict::Unauthentic,
            source: Some("github".to_owned()),
            bytes: 1,
            jobs: 0,
            same: format!("{number:016x}"),
            title: format!("junk {number}"),
        };
        let id = (u128::from(after + number) << 80) | (7 << 76) | (2 << 62) | u128::from(number);
        let place = facts.place_in(STRANGERS, DeliveryId(Uuid::from_u128(id)));
        world.store.put("state", &place, "");
    }
}

fn kept_bytes(world: &World) -> usize {
    let files = world.store.keys("state").into_iter();
    files
        .map(|key| world.store.get("state", &key).unwrap().body().len())
        .sum()
}

#[tokio::test]
async fn a_search_for_failures_reads_past_no_stranger() {
    let world = github().await;
    world.topic.fail_next(9);
    assert_eq!(world.send(push(SECRET, "{\"a\":1}")).await.status, 500);
    world.topic.fail_next(0);
    let failed = world.inbox()[0].id;
    flooded(&world);
    for status in ["failed", "accepted"] {
        let page = world.app().list(&filter(status), None, 50).await.unwrap();
        let found: Vec<_> = page.rows.iter().map(|row| row.id).collect();
        assert_eq!(
            (found, page.calls, page.before),
            (vec![failed], 1, None),
            "{status}"
        );
    }
    for status in ["done", "pending", "nothing", "recorded", "partial"] {
        let page = world.app().list(&filter(status), None, 50).await.unwrap();
        assert_eq!(
            (page.rows.len(), page.calls, page.before),
            (0, 1, None),
            "{status}"
        );
    }
    // Without a filter all are there, newest first, each once, in pages of two calls.
    let all = Filter::default();
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = world.app().list(&all, before.as_deref(), 200);
        let page = page.await.unwrap();
        assert!(page.calls <= 2, "{}", page.calls);
        seen.extend(page.rows.iter().map(|row| row.id.0));
        before = page.before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen.len() as u64, JUNK + 1);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len());
    assert_eq!(seen.last(), Some(&failed.0));
    assert!(seen.is_sorted_by(|newer, older| newer > older));
    // And who asks for what is refused finds that.
    let page = world
        .app()
        .list(&filter("refused"), None, 200)
        .await
        .unwrap();
    assert_eq!((page.rows.len(), page.calls), (200, 2));
    let without = Filter {
        without_strangers: true,
        ..Filter::default()
    };
    let page = world.app().list(&without, None, 200).await.unwrap();
    assert_eq!((page.rows.len(), page.calls, page.before), (1, 1, None));
}

#[tokio::test]
async fn the_two_folders_are_one_list_however_they_interleave() {
    let world = github().await;
    let at = 1_780_000_000_000u64;
    // Runs of one kind, longer than a listing, and single ones in between.
    for number in 0..5_000u64 {
        let apart = (number / 1_300) % 2 == 0 || number % 7 == 0;
        let facts = Facts {
            verdict: if apart {
                Verdict::Unknown
            } else {
                Verdict::Accepted
            },
            source: None,
            bytes: 1,
            jobs: 0,
            same: String::new(),
            title: number.to_string(),
        };
        let id = (u128::from(at + number) << 80) | (7 << 76) | (2 << 62) | u128::from(number);
        let folder = if apart { STRANGERS } else { FOLDER };
        let place = facts.place_in(folder, DeliveryId(Uuid::from_u128(id)));
        world.store.put("state", &place, "");
    }
    let all = Filter::default();
    for limit in [1_000, 199, 7] {
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let page = world.app().list(&all, before.as_deref(), limit);
            let page = page.await.unwrap();
            assert!(page.calls <= 8 && page.rows.len() <= limit);
            seen.extend(page.rows.into_iter().map(|row| row.facts.unwrap().title));
            before = page.before;
            if before.is_none() || (limit == 7 && seen.len() > 100) {
                break;
            }
        }
        let titles: Vec<_> = (0..5_000).rev().map(|number| number.to_string()).collect();
        assert_eq!(seen[..], titles[..seen.len()], "{limit}");
        assert!(limit == 7 || seen.len() == 5_000);
    }
}

#[tokio::test]
async fn only_the_beginning_of_a_long_body_is_kept_and_that_is_told() {
    let world = github().await;
    for (bytes, kept) in [(65_536, 65_536), (65_537, 4_096), (6_000_000, 4_096)] {
        let body = "x".repeat(bytes);
        assert_eq!(world.send(push("wrong", &body)).await.status, 401);
        let found = newest(&world).await;
        assert_eq!(found.row.facts.unwrap().bytes, bytes as u64);
        let record = found.record.unwrap();
        assert_eq!(record.delivery.body.len(), kept);
        let mended = world.recording("all", &generic(), &knows("wrong")).await;
        let again = replayed(&mended, found.row.id).await;
        if kept == bytes {
            assert_eq!(again, Ok(1), "the secret was mended");
        } else {
            let why = format!(
                "the first 4096 of its {bytes} bytes are kept, since nothing proved whose it was"
            );
            assert_eq!(again, Err(Unreplayed::Never(why)));
        }
    }
}

#[tokio::test]
async fn a_flood_fills_no_bucket() {
    let world = github().await;
    let body = "x".repeat(60_000);
    for _ in 0..1_200 {
        assert_eq!(world.send(push("wrong", &body)).await.status, 401);
    }
    let long = "x".repeat(5_000_000);
    for _ in 0..20 {
        world.send(push("wrong", &long)).await;
    }
    let kept = kept_bytes(&world);
    // Whole they would be 172 MB.
    assert!((30 << 20..40 << 20).contains(&kept), "{kept}");
    // A source's own flood takes nothing from what is accepted.
    let answer = world.send(push(SECRET, "{}")).await;
    assert!(!answer.headers.contains_key("hookwork-recorded"));
    assert_eq!(
        world
            .app()
            .list(&filter("done"), None, 9)
            .await
            .unwrap()
            .rows
            .len(),
        1
    );
}

#[tokio::test]
async fn what_proves_itself_in_the_end_is_kept_with_what_was_accepted() {
    let world = github().await;
    world.send(push("new", "{\"a\":1}")).await;
    let id = world.inbox()[0].id;
    let places = || world.store.keys("state").into_iter();
    assert!(places().all(|place| place.starts_with(STRANGERS)));
    let mended = world.recording("all", &generic(), &knows("new")).await;
    assert_eq!(replayed(&mended, id).await, Ok(1));
    assert!(places().any(|place| place.starts_with(FOLDER)));
    let page = mended.list(&Filter::default(), None, 9).await.unwrap();
    assert_eq!(page.rows.len(), 1, "it is one");
    assert_eq!(page.rows[0].state().word(), "done");
    assert_eq!(
        page.rows[0].facts.as_ref().unwrap().verdict,
        Verdict::Unauthentic
    );
    let page = mended.list(&filter("done"), None, 9).await.unwrap();
    assert_eq!((page.rows.len(), page.calls), (1, 1));
    // When the stranger's file is gone nothing of it is lost.
    for place in places().filter(|place| place.starts_with(STRANGERS)) {
        world.store.delete("state", &place);
    }
    let found = mended.find(id).await.unwrap().unwrap();
    assert_eq!(&found.record.unwrap().delivery.body[..], b"{\"a\":1}");
    assert_eq!(found.attempts.len(), 1);
    assert_eq!(replayed(&mended, id).await, Ok(1), "once more");
    let not = mended.replay_proven(id, None, deadline()).await;
    assert!(matches!(not, Err(Unreplayed::Never(_))));
}

/// VK signs nothing, so that whatever comes to a source without a url_key may be a stranger's.
async fn storage(url_key: Option<&'static str>) -> World {
    World::with_state(move |s3_url, _| {
        let mut known = secrets();
        if let Some(key) = url_key {
            known["vk"]["url_key"] = key.into();
        }
        (json!({"vk": vk(s3_url, json!({}))}), known)
    })
    .await
}

#[tokio::test]
async fn records_and_handshakes_that_anybody_can_send_are_apart_and_those_with_the_key_are_not() {
    let other = json!({"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "other", "ownerIdentity": {"principalId": "p"}}, "object": {"key": "k"}}});
    let handshake = json!({"Type": "SubscriptionConfirmation", "Timestamp": "2019-12-26T19:29:12+03:00",
        "TopicArn": "mcs1|origin|s3:ObjectCreated:*", "SignatureVersion": 1, "Token": "RPE5UuG94rGgBH6kHXN9FUPugFxj1hs2aUQc99btJp3E49tA"});
    let forbidden: Vec<Value> = (0..900).map(|_| other.clone()).collect();
    for (key, path, folder) in [
        (None, "/hooks/vk", STRANGERS),
        (Some("the-url-key"), "/hooks/vk/the-url-key", FOLDER),
    ] {
        let world = storage(key).await;
        for (body, status) in [
            (handshake.to_string(), 200),
            (delivery(forbidden.clone()), 403),
            ("{".to_owned(), 400),
        ] {
            let answer = world.post(path, body.clone()).await;
            assert_eq!(answer.status, status, "{}", answer.body);
            let found = newest(&world).await;
            let record = found.record.unwrap();
            assert_eq!(record.told.apart, folder == STRANGERS, "{path} {status}");
        }
        let places = world.store.keys("state");
        assert!(
            places.iter().all(|place| place.starts_with(folder)),
            "{places:?}"
        );
        world.put("a", "one");
        assert_eq!(world.post(path, delivery([created("a")])).await.status, 200);
        assert!(
            !newest(&world).await.record.unwrap().told.apart,
            "there is work for it"
        );
    }
}
