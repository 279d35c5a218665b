//! A store that does not list in the order of keys is compared all the same: nothing is taken for missing or for removed because
//! of it.

use crate::events::{dispatched, refused};
use crate::world::{Logs, World, bytes, created};
use hookwork::domain::difference::Difference::{Missing, Removed};
use hookwork::domain::event::OriginRef;
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::{Object, Order};
use serde_json::json;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

fn keys() -> Vec<String> {
    let keys = ["a b", "a//b", "a/b", "a", "a!", "a/b/c", "b/\u{1}", "z"];
    let many = (0..1_200).map(|number| format!("f{}/{} {number}", number % 7, number % 13));
    keys.into_iter().map(str::to_owned).chain(many).collect()
}

/// A world with these copies, of which one has no original, one is another, and one is missing.
async fn differing(origin: Order, backup: Order) -> World {
    let world = World::resumable().await;
    world.put("z", "1");
    world.deliver([created("z")]).await;
    let object = Object::clone(&world.store.get("origin", "z").expect("an object"));
    let copy = Object::clone(&world.store.get("backup", "z").expect("a copy"));
    let before = |object: &Object, hours: u32| {
        let mut object = object.clone();
        object.last_modified = SystemTime::now() - hours * HOUR;
        object
    };
    for key in keys() {
        world.store.put_object("origin", &key, before(&object, 10));
        world.store.put_object("backup", &key, before(&copy, 5));
    }
    world.store.put_object("backup", "a/gone", before(&copy, 5));
    world.store.put("origin", "b/other", bytes(9));
    let mut other = Object::clone(&world.store.get("origin", "b/other").unwrap());
    other.last_modified = SystemTime::now() - HOUR;
    world.store.put_object("origin", "b/other", other.clone());
    world
        .store
        .put_object("backup", "b/other", before(&copy, 5));
    world.store.put_object("origin", "c/missing", other);
    world.store.list_in("origin", origin);
    world.store.list_in("backup", backup);
    world
}

const ORDERS: [[Order; 2]; 5] = [
    [Order::Folders, Order::Bytes],
    [Order::Bytes, Order::Folders],
    [Order::Folders, Order::Folders],
    [Order::Backwards, Order::Bytes],
    [Order::Backwards, Order::Backwards],
];

#[tokio::test]
async fn an_audit_finds_what_differs_and_nothing_else() {
    for orders in ORDERS {
        let name = format!("{orders:?}");
        let world = differing(orders[0], orders[1]).await;
        let logs = Logs::new();
        dispatched(world.app(), &json!({"hookwork": "audit"})).await;
        let lines = logs.lines("audit");
        let [line] = &lines[..] else {
            panic!("{name}: {lines:?}")
        };
        let of = |field: &str| line[field].as_u64().unwrap();
        let all = keys().len() as u64;
        assert_eq!(
            ["keys", "copies", "hints", "missed", "removals", "foreign"].map(of),
            [all + 2, all + 2, 2, 3, 1, 0],
            "{name}"
        );
        assert_eq!(
            world.store.keys("backup"),
            world.store.keys("origin"),
            "{name}"
        );
        // A day later all is alike.
        for key in world.store.keys("backup") {
            let mut copy = Object::clone(&world.store.get("backup", &key).unwrap());
            copy.last_modified -= Duration::from_secs(600);
            world.store.put_object("backup", &key, copy);
        }
        let logs = Logs::new();
        dispatched(world.app(), &json!({"hookwork": "audit"})).await;
        let line = logs.lines("audit").remove(0);
        assert_eq!(
            ["hints", "missed", "removals"].map(|field| line[field].as_u64().unwrap()),
            [0, 0, 0],
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_backfill_and_a_comparison_do_too() {
    let of = OriginRef {
        source: "vk".to_owned(),
        origin: "mcs1/origin".to_owned(),
    };
    for orders in ORDERS {
        let name = format!("{orders:?}");
        let world = differing(orders[0], orders[1]).await;
        let mut found = Vec::new();
        let compared = world.app().compare(&of, false, |differing| {
            found.push((differing.key.clone(), differing.difference));
        });
        let compared = compared.await.unwrap();
        found.sort();
        let of_key = |key: &str| found.iter().find(|(found, _)| found == key).map(|it| it.1);
        assert_eq!(found.len(), 3, "{name}: {found:?}");
        assert_eq!(of_key("a/gone"), Some(Removed), "{name}");
        assert_eq!(of_key("c/missing"), Some(Missing), "{name}");
        assert!(of_key("b/other").is_some(), "{name}");
        let all = keys().len() as u64;
        assert_eq!(
            (compared.keys, compared.copies),
            (all + 2, all + 2),
            "{name}"
        );
        let stop = AtomicBool::new(false);
        let filled = world.app().backfill(&of, 8, &stop, &|_| {}).await.unwrap();
        assert_eq!((filled.keys, filled.failed), (all + 2, 0), "{name}");
        assert_eq!(
            world.store.keys("backup"),
            world.store.keys("origin"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_listing_that_comes_back_to_where_it_was_ends_the_audit() {
    let world = World::resumable().await;
    for key in ["a", "b"] {
        world.put(key, "1");
        world.deliver([created(key)]).await;
        world.remove(key);
    }
    let entry = "<Contents><Key>a</Key><Size>1</Size><ETag>x</ETag><LastModified>2020-01-01T00:00:00Z</LastModified></Contents>";
    let again =
        format!("<ListBucketResult><IsTruncated>true</IsTruncated>{entry}</ListBucketResult>");
    let listings = On::every().of("ListObjectsV2").bucket("origin");
    let answer = Fault::Answer(Box::leak(again.into_boxed_str()));
    world.faults.inject(listings, answer);
    let why = refused(world.app(), &json!({"hookwork": "audit"})).await;
    assert!(why.contains("1 of 1 audits failed"), "{why}");
    assert_eq!(world.store.keys("backup"), ["a", "b"]);
}
