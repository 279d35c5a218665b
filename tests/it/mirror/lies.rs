//! An origin that is missing, denies, breaks off or lies: an error with its name, and the backup stays as it was.

use crate::world::{Logs, World, bytes, created, removed};
use hookwork::twin::faults::{Fault, On};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// Tells `world` of a change that it must not believe. What it logs of it must say `named`.
async fn is_named(world: &World, what: &str, record: serde_json::Value, named: &str) {
    let before = world.backup("a").unwrap();
    let logs = Logs::new();
    let limit = Duration::from_secs(12);
    let answer = world.deliver_within(limit, [record]).await;
    assert_eq!(
        (answer.status, answer.outcomes()),
        (500, vec!["failed".to_owned()]),
        "{what}"
    );
    assert!(!answer.body.contains(named), "{what}: {}", answer.body);
    let jobs = logs.lines("job");
    let [job] = &jobs[..] else {
        panic!("{what}: {jobs:?}")
    };
    let error = job["error"].as_str().unwrap();
    assert!(error.contains(named), "{what}: {error}");
    // Whose fault it is, where it says so.
    assert!(!error.contains("backup:"), "{what}: {error}");
    assert_eq!(job["level"], "ERROR", "{what}");
    assert!(world.backup("a").unwrap() == before, "{what}");
    assert_eq!(world.store.open_uploads("backup"), 0, "{what}");
    world.faults.clear();
}

#[tokio::test]
async fn what_an_origin_answers_to_a_read_is_believed_only_where_it_makes_sense() {
    let range = |value: &'static str| Fault::Set("content-range", value.as_bytes());
    let small = [
        (Fault::Status(404, "NoSuchBucket"), "NoSuchBucket"),
        (Fault::Status(404, ""), "NotFound"),
        (Fault::Status(403, "AccessDenied"), "Denied"),
        (Fault::Status(301, "PermanentRedirect"), "PermanentRedirect"),
        (Fault::Status(500, "InternalError"), "InternalError"),
        (Fault::Status(416, "InvalidRange"), "NoSuchRange"),
        (Fault::ErrorIn200("InternalError"), "no ETag"),
        (Fault::Answer("<html>Welcome</html>"), "no ETag"),
        (Fault::Unset("etag"), "no ETag"),
        (Fault::Unset("last-modified"), "no Last-Modified"),
        (
            Fault::Set("last-modified", b"yesterday"),
            "no Last-Modified",
        ),
        (range("bytes 9-0/10"), "a Content-Range that makes no sense"),
        (range("bytes 0-9/5"), "a Content-Range that makes no sense"),
        (range("bytes 0-9/*"), "a Content-Range that makes no sense"),
        (range("0-9/10"), "a Content-Range that makes no sense"),
        (range("bytes 0-9/11"), "another range"),
        (range("bytes 1-10/11"), "another range"),
        (range("bytes 0-8/9"), "another range"),
        (Fault::Truncate(5), "broke off"),
        (Fault::Truncate(0), "broke off"),
        (Fault::Delay(Duration::from_secs(60)), "deadline"),
    ];
    let large = [
        (Fault::IgnoreRange, "the store ignores ranges"),
        // Of ranges that are not there it says so; the first look was wrong, then.
        (range("bytes 0-8388607/99999999"), "kept changing"),
        (range("bytes 0-8388607/9437185"), "another range"),
        (Fault::Truncate(5), "broke off"),
    ];
    let world = World::new().await;
    world.put("a", "before");
    assert_eq!(world.deliver([created("a")]).await.status, 200);
    for (length, cases) in [(10, &small[..]), (9 * MIB, &large[..])] {
        world.put("a", bytes(length));
        for (fault, named) in cases {
            let gets = On::every().of("GetObject").bucket("origin");
            world.faults.inject(gets, fault.clone());
            is_named(&world, &format!("{fault:?}"), created("a"), named).await;
        }
    }
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert!(world.backup("a").unwrap() == bytes(9 * MIB));
}

#[tokio::test]
async fn a_range_of_another_generation_or_another_range_is_never_put_together() {
    for (fault, named) in [
        (Fault::Set("etag", b"\"another\""), "kept changing"),
        (Fault::Unset("etag"), "no ETag"),
        (
            Fault::Set("content-range", b"bytes 0-1048575/9437184"),
            "another range",
        ),
        (
            Fault::Set("content-range", b"bytes 8388608-9437183/9437183"),
            "makes no sense",
        ),
        (Fault::Unset("content-range"), "the store ignores ranges"),
        (Fault::IgnoreRange, "the store ignores ranges"),
        (Fault::Truncate(5), "broke off"),
    ] {
        let world = World::new().await;
        world.put("a", "before");
        assert_eq!(world.deliver([created("a")]).await.status, 200);
        world.put("a", bytes(9 * MIB));
        // All reads but the first, which is the look.
        for nth in 2..50 {
            let get = On::nth(nth).of("GetObject").bucket("origin");
            world.faults.inject(get, fault.clone());
        }
        is_named(&world, &format!("{fault:?}"), created("a"), named).await;
    }
}

#[tokio::test]
async fn what_an_origin_answers_to_a_removal_is_believed_only_where_it_makes_sense() {
    const CUT: &str = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
    const OTHER: &str = "<ListBucketResult><Contents><Key>b</Key></Contents></ListBucketResult>";
    const ITSELF: &str = "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>";
    let world = World::new().await;
    world.put("a", "before");
    assert_eq!(world.deliver([created("a")]).await.status, 200);
    world.remove("a");
    let late = Duration::from_secs(60);
    for (operation, fault, named) in [
        ("ListObjectsV2", Fault::Answer(CUT), "not the last one"),
        (
            "ListObjectsV2",
            Fault::Answer(OTHER),
            "not the keys that were asked for",
        ),
        ("ListObjectsV2", Fault::Answer(ITSELF), "the listing has it"),
        ("ListObjectsV2", Fault::Answer("Welcome"), "ListObjectsV2"),
        (
            "ListObjectsV2",
            Fault::ErrorIn200("InternalError"),
            "ListObjectsV2",
        ),
        (
            "ListObjectsV2",
            Fault::Status(403, "AccessDenied"),
            "Denied",
        ),
        (
            "ListObjectsV2",
            Fault::Status(404, "NoSuchBucket"),
            "NoSuchBucket",
        ),
        ("ListObjectsV2", Fault::Delay(late), "deadline"),
        ("GetObject", Fault::Status(404, ""), "NotFound"),
        (
            "GetObject",
            Fault::Status(404, "NoSuchBucket"),
            "NoSuchBucket",
        ),
        ("GetObject", Fault::Status(410, "NoSuchKey"), "GetObject"),
        ("GetObject", Fault::Status(403, "AccessDenied"), "Denied"),
        ("GetObject", Fault::Answer(""), "no ETag"),
        ("GetObject", Fault::Delay(late), "deadline"),
    ] {
        let calls = On::every().of(operation).bucket("origin");
        world.faults.inject(calls, fault.clone());
        let what = format!("{operation} {fault:?}");
        is_named(&world, &what, removed("a"), named).await;
    }
    assert_eq!(world.deliver([removed("a")]).await.outcomes(), ["deleted"]);
}
