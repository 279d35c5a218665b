//! What a bucket's rule says: under which prefix, which keys, and whether removals count.

use crate::world::{Logs, World, created, removed};
use hookwork::twin::s3::{Object, Properties};
use serde_json::json;

#[tokio::test]
async fn a_prefix_goes_before_the_key_as_it_is() {
    for prefix in ["p/", "a b+c%20d/", "/", "../", "caf\u{e9}", "a//"] {
        let world = World::with_rule(json!({"prefix": prefix})).await;
        for key in ["a", "/a", "../a", "a//b", "a/", "a b+%", "e\u{301}"] {
            world.put(key, key.to_owned());
            world.deliver([created(key)]).await;
            let copy = format!("{prefix}{key}");
            assert_eq!(world.store.keys("backup"), [&*copy], "{prefix:?} {key:?}");
            assert_eq!(world.backup(&copy).unwrap(), key.as_bytes());
            // Adopted in place, too: its name stands in a header then.
            world.store.put("backup", &copy, key.to_owned());
            assert!(
                world
                    .deliver([created(key)])
                    .await
                    .outcomes()
                    .contains(&"copied".into())
            );
            world.remove(key);
            world.deliver([removed(key)]).await;
            assert_eq!(world.store.keys("backup"), [""; 0], "{prefix:?} {key:?}");
        }
        assert_eq!(world.faults.count("CopyObject"), 7, "{prefix:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_with_its_prefix_is_an_error_with_its_name() {
    let world = World::with_rule(json!({"prefix": "p/"})).await;
    let (fits, not) = ("k".repeat(1022), "k".repeat(1023));
    let logs = Logs::new();
    for key in [&fits, &not] {
        world.put(key, "1");
    }
    let answer = world.deliver([created(&fits), created(&not)]).await;
    assert_eq!(answer.outcomes(), ["copied", "failed"]);
    assert_eq!(answer.status, 200, "no other delivery would end otherwise");
    let mut errors = logs.lines("job");
    errors.retain(|job| job["level"] == "ERROR");
    let error = errors[0]["error"].as_str().unwrap();
    assert!(error.contains("longer than 1024 bytes"), "{error}");
}

#[tokio::test]
async fn what_the_globs_leave_out_is_left_alone() {
    let rule = json!({"include": ["in/*", "*.txt"], "exclude": ["*secret*", "in/tmp/?"]});
    let world = World::with_rule(rule).await;
    let ours = || {
        let mut properties = Properties::default();
        let mark = "1:00:00:vk/mcs1/origin".to_owned();
        properties.metadata.insert("hookwork-mark".into(), mark);
        Object::new("a copy from before", properties)
    };
    // An exclusion counts more than an inclusion, and so of a copy that is ours already.
    for key in ["in/secret.txt", "a secret.txt", "in/tmp/a", "out"] {
        world.store.put_object("backup", key, ours());
        for record in [removed(key), created(key)] {
            assert_eq!(
                world.deliver([record]).await.outcomes(),
                ["ignored"],
                "{key}"
            );
        }
        world.put(key, "1");
        assert_eq!(world.deliver([created(key)]).await.outcomes(), ["ignored"]);
        assert_eq!(world.backup(key).unwrap(), b"a copy from before", "{key}");
    }
    for key in ["in/a", "in/tmp/ab", "deep/er/a.txt"] {
        world.store.put_object("backup", key, ours());
        assert_eq!(world.deliver([removed(key)]).await.outcomes(), ["deleted"]);
        world.put(key, "1");
        assert_eq!(world.deliver([created(key)]).await.outcomes(), ["copied"]);
    }
    assert!(
        world
            .faults
            .calls()
            .iter()
            .all(|call| !call.key.contains("secret"))
    );
}

#[tokio::test]
async fn deletes_keep_keeps_and_still_follows_changes() {
    let world = World::with_rule(json!({"deletes": "keep"})).await;
    world.put("a", "1");
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    world.remove("a");
    let logs = Logs::new();
    assert_eq!(
        world.deliver([removed("a")]).await.outcomes(),
        ["unchanged"]
    );
    assert_eq!(logs.lines("job")[0]["reason"], "deletes: keep");
    assert_eq!(world.backup("a").unwrap(), b"1");
    world.put("a", "2");
    assert_eq!(world.deliver([created("a")]).await.outcomes(), ["copied"]);
    assert_eq!(world.backup("a").unwrap(), b"2");
    assert_eq!(world.faults.count("DeleteObject"), 0);
}
