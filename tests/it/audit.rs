//! The audit finds what no event told of, believes no listing that is not whole, and removes nothing in bulk without a human.

use crate::events::{dispatched, dispatched_within};
use crate::world::{Logs, World, bytes, created};
use hookwork::twin::faults::{Fault, On};
use hookwork::twin::s3::{Object, Properties};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

impl World {
    /// What the schedule says to the function.
    async fn tick(&self) -> Value {
        dispatched(self.app(), &json!({"hookwork": "audit"})).await
    }

    /// Makes an object as old as this.
    fn age(&self, bucket: &str, key: &str, age: Duration) {
        let mut object = Object::clone(&self.store.get(bucket, key).expect("an object"));
        object.last_modified = SystemTime::now() - age;
        self.store.put_object(bucket, key, object);
    }

    fn put_old(&self, key: &str, body: &str) {
        self.put(key, body.to_owned());
        self.age("origin", key, 10 * HOUR);
    }

    /// Mirrors some keys, as a day ago.
    async fn mirrored(&self, keys: &[&str]) {
        for key in keys {
            self.put_old(key, "before");
        }
        let answer = self.deliver(keys.iter().map(|key| created(key))).await;
        assert_eq!(answer.status, 200);
        for key in keys {
            self.age("backup", key, 5 * HOUR);
        }
    }

    fn bodies(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let keys = self.store.keys(bucket).into_iter();
        keys.map(|key| {
            let body = self.store.get(bucket, &key).unwrap().body();
            (key, body.to_vec())
        })
        .collect()
    }
}

fn counted(logs: &Logs) -> Value {
    let lines = logs.lines("audit");
    let [line] = &lines[..] else {
        panic!("{lines:?}")
    };
    line.clone()
}

#[tokio::test]
async fn finds_what_no_event_told_of() {
    let world = World::resumable().await;
    let keys = [
        "alike", "bytes", "gone", "metadata", "size", "tampered", "z/ü +%",
    ];
    world.mirrored(&keys).await;
    world.put("missing", "new");
    world.put("bytes", "beyond");
    world.put("size", "another size");
    // Only its metadata was written, after the copy.
    world.put("metadata", "before");
    for key in ["missing", "bytes", "size", "metadata"] {
        world.age("origin", key, HOUR);
    }
    world.remove("gone");
    // Other bytes as long as before, under the mark of the copy.
    let copy = world.store.get("backup", "tampered").unwrap();
    let tampered = Object::new("beyond", copy.properties.clone());
    world.store.put_object("backup", "tampered", tampered);
    world.store.put("backup", "foreign", "nobody's");
    world.put("young", "its event is on its way");
    let logs = Logs::new();
    assert_eq!(world.tick().await, json!({"count": 1}));
    let line = counted(&logs);
    let of = |name: &str| line[name].as_u64().unwrap();
    assert_eq!(
        [of("keys"), of("hints"), of("foreign"), of("removals")],
        [8, 5, 1, 1]
    );
    let mut expected = world.bodies("origin");
    expected.remove("young");
    expected.insert("foreign".to_owned(), b"nobody's".to_vec());
    assert_eq!(world.bodies("backup"), expected);
    // Copies that were written since are looked at once more, and nothing is written.
    let (logs, puts) = (Logs::new(), world.faults.count("PutObject"));
    world.tick().await;
    assert_eq!(counted(&logs)["hints"], 5);
    assert_eq!(world.faults.count("PutObject"), puts + 1, "its own record");
    for key in ["bytes", "metadata", "missing", "size", "tampered"] {
        world.age("backup", key, HOUR / 2);
    }
    // A day later: nothing but the object that is nobody's.
    let (logs, puts) = (Logs::new(), world.faults.count("PutObject"));
    world.tick().await;
    let line = counted(&logs);
    assert_eq!((&line["hints"], &line["foreign"]), (&json!(0), &json!(1)));
    assert_eq!(world.faults.count("PutObject"), puts + 1, "its own record");
    assert!(
        world
            .store
            .keys("state")
            .iter()
            // What the brake counted goes with the bucket's lifecycle rule.
            .all(|key| key.ends_with("/run.json") || key.contains("/hours/"))
    );
}

#[tokio::test]
async fn leaves_alone_what_the_rule_leaves_alone() {
    let rule = json!({"prefix": "p/", "exclude": ["tmp/*"], "deletes": "keep"});
    let world = World::resumable_with(rule).await;
    for key in ["a", "tmp/b"] {
        world.put_old(key, "1");
    }
    for key in ["p/gone", "p/tmp/old", "q/other"] {
        world.store.put("backup", key, "x");
    }
    let logs = Logs::new();
    world.tick().await;
    let backup = world.store.keys("backup");
    assert_eq!(backup, ["p/a", "p/gone", "p/tmp/old", "q/other"]);
    let line = counted(&logs);
    assert_eq!((&line["keys"], &line["removals"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn an_origin_that_suddenly_lists_nothing_removes_nothing() {
    let world = World::resumable().await;
    world.mirrored(&["a", "b"]).await;
    for key in ["a", "b"] {
        world.remove(key);
    }
    world.tick().await;
    assert_eq!(world.store.keys("backup"), ["a", "b"]);
    let notices = world.topic.notices();
    assert_eq!(notices.len(), 1);
    for told in ["2 of 2 copies", ",\"removals\":2}"] {
        assert!(notices[0].message.contains(told), "{notices:?}");
    }
    // A human says that it is right; the one that is there again stays even so.
    world.put("b", "again");
    let mut release = json!({"hookwork": "release", "source": "vk", "bucket": "mcs1/origin"});
    for other in [1, 3] {
        release["removals"] = json!(other);
        let refused = crate::events::refused(world.app(), &release).await;
        assert!(refused.contains("2 removals are held"), "{refused}");
    }
    release["removals"] = json!(2);
    assert_eq!(dispatched(world.app(), &release).await, json!({"count": 2}));
    assert_eq!(world.bodies("backup"), world.bodies("origin"));
    release.as_object_mut().unwrap().remove("removals");
    assert_eq!(dispatched(world.app(), &release).await, json!({"count": 0}));
    let unknown = json!({"hookwork": "release", "source": "vk", "bucket": "other"});
    let refused = crate::events::refused(world.app(), &unknown).await;
    assert!(refused.contains("no audit"), "{refused}");
}

#[tokio::test]
async fn many_removals_at_once_wait_for_a_human_and_few_do_not() {
    for (hold, held) in [
        (json!({"count": 2, "share": 0.1}), true),
        (json!({"count": 3, "share": 0.1}), false),
        (json!({"count": 2, "share": 0.9}), false),
    ] {
        let world = World::resumable_with(json!({"hold": hold})).await;
        world.mirrored(&["a", "b", "c", "d"]).await;
        for key in ["a", "b", "c"] {
            world.remove(key);
        }
        world.tick().await;
        assert_eq!(world.store.keys("backup").len(), if held { 4 } else { 1 });
        assert_eq!(world.topic.notices().len(), usize::from(held));
    }
}

/// A page of a listing, of these keys of one letter.
fn page(keys: &str, cut: bool) -> &'static str {
    let entries = keys.chars().map(|key| {
        format!("<Contents><Key>{key}</Key><Size>1</Size><ETag>x</ETag><LastModified>2020-01-01T00:00:00Z</LastModified></Contents>")
    });
    let entries: String = entries.collect();
    let page =
        format!("<ListBucketResult><IsTruncated>{cut}</IsTruncated>{entries}</ListBucketResult>");
    Box::leak(page.into_boxed_str())
}

#[tokio::test]
async fn what_a_failed_attempt_found_counts_for_nothing() {
    let world = World::resumable().await;
    world.mirrored(&["a", "b", "c", "d", "e"]).await;
    world.remove("e");
    let work = json!({"audit": {"source": "vk", "origin": "mcs1/origin"}});
    let body =
        json!({"version": 1, "delivery": "00000000-0000-0000-0000-000000000007", "work": work});
    let message = json!({
        "messageId": "m", "receiptHandle": "r", "body": body.to_string(), "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": "1"},
    });
    let batch = json!({"Records": [message]});
    let origin = |nth| On::nth(nth).of("ListObjectsV2").bucket("origin");
    world
        .faults
        .inject(origin(1), Fault::Answer(page("z", true)));
    for nth in 2..9 {
        let busy = Fault::Status(403, "AccessDenied");
        world.faults.inject(origin(nth), busy);
    }
    let failed = dispatched(world.app(), &batch).await;
    assert_eq!(failed["batchItemFailures"][0]["itemIdentifier"], "m");
    world.faults.clear();
    // The same message once more.
    let logs = Logs::new();
    let done = dispatched(world.app(), &batch).await;
    assert_eq!(done["batchItemFailures"], json!([]));
    let jobs = logs.lines("job");
    let keys = jobs.iter().filter_map(|job| job["object.key"].as_str());
    assert_eq!(keys.collect::<Vec<_>>(), ["e"]);
    assert_eq!(world.bodies("backup"), world.bodies("origin"));
}

#[tokio::test]
async fn a_copy_that_cannot_be_looked_at_stops_nothing() {
    let world = World::resumable().await;
    world.mirrored(&["a", "gone"]).await;
    world.remove("gone");
    world.store.put("backup", "encrypted", "x");
    let refused = Fault::Status(400, "InvalidRequest");
    let looks = On::every().of("HeadObject").key("encrypted");
    world.faults.inject(looks, refused);
    let logs = Logs::new();
    world.tick().await;
    let line = counted(&logs);
    assert_eq!(
        (&line["unreadable"], &line["removals"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(world.store.keys("backup"), ["a", "encrypted"]);
}

#[tokio::test]
async fn a_listing_that_cannot_be_believed_removes_nothing() {
    let world = World::resumable().await;
    world.mirrored(&["a", "b", "c"]).await;
    world.store.put("origin", "0", "1");
    for key in ["a", "b", "c"] {
        world.remove(key);
    }
    for fault in [
        Fault::Status(403, "AccessDenied"),
        Fault::Status(404, "NoSuchBucket"),
        Fault::Status(503, "SlowDown"),
        Fault::Answer("Welcome"),
        Fault::Answer(page("", true)),
        Fault::Answer("<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>"),
        Fault::Truncate(60),
    ] {
        let name = format!("{fault:?}");
        let listings = On::every().of("ListObjectsV2").bucket("origin");
        world.faults.inject(listings, fault);
        let answer = crate::events::refused(world.app(), &json!({"hookwork": "audit"})).await;
        assert!(answer.contains("1 of 1 audits failed"), "{name}: {answer}");
        assert_eq!(world.store.keys("backup").len(), 3, "{name}");
        world.faults.clear();
    }
    // Out of order it is believed of what it lists; of what it lacks, a look is believed, and the mirror proves it.
    let listings = On::every().of("ListObjectsV2").bucket("origin");
    world
        .faults
        .inject(listings, Fault::Answer(page("ba", false)));
    world.tick().await;
    assert_eq!(world.store.keys("backup").len(), 3, "nothing is proven");
    world.faults.clear();
    world.tick().await;
    assert_eq!(
        world.store.keys("backup"),
        [""; 0],
        "few, and now it is true"
    );
}

#[tokio::test]
async fn goes_on_where_the_last_slice_stopped() {
    let world = World::resumable().await;
    for number in 0..25_000 {
        world
            .store
            .put_object("origin", &format!("{number:06}"), old(number));
        if number % 5_000 != 7 {
            let mut copy = old(number);
            copy.last_modified += HOUR;
            world
                .store
                .put_object("backup", &format!("{number:06}"), copy);
        }
    }
    let logs = Logs::new();
    assert_eq!(world.tick().await, json!({"count": 1}));
    let jobs = logs.lines("job");
    let count = |outcome: &str| {
        let of = jobs.iter().filter(|line| line["job.outcome"] == outcome);
        of.count()
    };
    assert_eq!(["unfinished", "audited", "copied"].map(count), [1, 1, 5]);
    assert_eq!(world.store.keys("backup").len(), 25_000);
    let pages = world.faults.count("ListObjectsV2");
    assert!(pages <= 2 * 28, "{pages} pages");
}

fn old(number: usize) -> Object {
    let mut object = Object::new(bytes(number % 7 + 1), Properties::default());
    object.last_modified = SystemTime::now() - 10 * HOUR;
    object
}

#[tokio::test]
async fn two_audits_at_once_are_one() {
    let world = World::resumable().await;
    world.mirrored(&["a", "b", "c", "d", "e"]).await;
    world.remove("a");
    world.put_old("new", "1");
    let tick = || world.tick();
    tokio::join!(tick(), tick(), tick());
    assert_eq!(world.bodies("backup"), world.bodies("origin"));
}

#[tokio::test]
async fn without_time_nothing_is_half_done() {
    let world = World::resumable().await;
    world.put_old("a", "1");
    let event = json!({"hookwork": "audit"});
    dispatched_within(world.app(), &event, Duration::from_secs(4)).await;
    world.tick().await;
    assert_eq!(world.store.keys("backup"), ["a"]);
}

#[tokio::test]
async fn what_the_rule_leaves_alone_since_stays_when_removals_are_released() {
    let world = World::resumable_with(json!({"hold": {"count": 0, "share": 0.0}})).await;
    world.mirrored(&["archive/a", "b", "c"]).await;
    for key in ["archive/a", "b"] {
        world.remove(key);
    }
    world.tick().await;
    assert_eq!(world.store.keys("backup").len(), 3, "held");
    let now = world.another(json!({"exclude": ["archive/*"]})).await;
    let release = json!({"hookwork": "release", "source": "vk", "bucket": "mcs1/origin"});
    assert_eq!(dispatched(&now, &release).await, json!({"count": 2}));
    assert_eq!(world.store.keys("backup"), ["archive/a", "c"]);
}

#[tokio::test]
async fn a_removal_that_fails_holds_up_no_other() {
    let world = World::resumable().await;
    world.mirrored(&["a", "locked", "z"]).await;
    for key in ["a", "locked", "z"] {
        world.remove(key);
    }
    world.put_old("new", "1");
    let refused = Fault::Status(403, "AccessDenied");
    world
        .faults
        .inject(On::every().of("DeleteObject").key("locked"), refused);
    for _ in 0..2 {
        let logs = Logs::new();
        world.tick().await;
        assert!(counted(&logs)["removals"].as_u64().unwrap() > 0, "it ends");
        assert_eq!(world.store.keys("backup"), ["locked", "new"]);
    }
}

#[tokio::test]
async fn a_copy_of_the_same_second_is_looked_at_and_not_said_to_be_missed() {
    let world = World::resumable().await;
    world.mirrored(&["a", "b"]).await;
    let mut copy = Object::clone(&world.store.get("backup", "a").unwrap());
    copy.last_modified = world.store.get("origin", "a").unwrap().last_modified;
    world.store.put_object("backup", "a", copy);
    world.put_old("lost", "1");
    for missed in [1, 0] {
        let logs = Logs::new();
        world.tick().await;
        let line = counted(&logs);
        assert_eq!(
            (&line["missed"], &line["hints"]),
            (&json!(missed), &json!(missed + 1))
        );
        world.age("backup", "lost", 5 * HOUR);
    }
}
