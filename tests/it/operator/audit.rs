//! `hookctl audit` names every kind of difference, and changes nothing.

use super::{HOUR, Site};
use hookwork::twin::s3::Object;
use serde_json::json;
use std::collections::BTreeMap;

fn tagged(site: &Site, bucket: &str, key: &str, tag: &str) {
    let mut object = Object::clone(&site.store.get(bucket, key).unwrap());
    object
        .properties
        .tags
        .insert("tag".to_owned(), tag.to_owned());
    site.store.put_object(bucket, key, object);
}

#[tokio::test]
async fn names_every_kind_of_difference_and_changes_nothing() {
    let site = Site::new(json!({"exclude": ["*.tmp"]}), false).await;
    for key in [
        "alike",
        "bytes",
        "size",
        "properties",
        "tags",
        "gone",
        "z/ü +%",
    ] {
        site.put(key, "before");
    }
    site.mirrored().await;
    let equal = site.run(&["audit", "vk", "mcs1/origin"]).await;
    assert_eq!(equal.code, Some(0), "{equal:?}");
    assert!(
        equal.out.contains("7 objects") && equal.out.contains("no differences"),
        "{equal:?}"
    );

    site.put("missing", "new");
    site.put("left.tmp", "not covered");
    site.store.put("origin", "young", "a moment old");
    site.put("bytes", "beyond");
    site.put("size", "another size");
    site.put("properties", "before");
    site.age("origin", "properties", HOUR);
    tagged(&site, "origin", "tags", "changed");
    site.store.delete("origin", "gone");
    site.store.put("backup", "foreign", "nobody's");
    site.put("unmarked", "the same");
    site.store.put("backup", "unmarked", "the same");
    site.age("backup", "unmarked", 20 * HOUR);
    let (before, calls) = (
        (site.bodies("backup"), site.bodies("origin")),
        site.faults.count("PutObject"),
    );

    let ran = site.run(&["audit", "vk", "origin", "--json"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let mut lines = ran.lines();
    let counted = lines.pop().unwrap();
    let found: BTreeMap<_, _> = lines
        .iter()
        .map(|line| {
            (
                line["key"].as_str().unwrap(),
                line["difference"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("bytes", "bytes"),
        ("foreign", "foreign"),
        ("gone", "removed"),
        ("missing", "missing"),
        ("properties", "properties"),
        ("size", "bytes"),
        ("unmarked", "unmarked"),
        ("young", "missing"),
    ];
    assert_eq!(
        found,
        BTreeMap::from(expected),
        "what the listings can show"
    );
    let young = lines.iter().filter(|line| line["young"] == true).count();
    assert_eq!(young, 1);
    assert_eq!(counted["compared"]["differences"]["bytes"], 2);

    let thorough = site.run(&["audit", "vk", "origin", "--thorough"]).await;
    assert!(
        thorough.out.contains("properties") && thorough.out.contains("tags"),
        "{thorough:?}"
    );
    assert_eq!((site.bodies("backup"), site.bodies("origin")), before);
    assert_eq!(site.faults.count("PutObject"), calls);
    assert_eq!(site.faults.count("DeleteObject"), 0);
}

#[tokio::test]
async fn what_is_ignored_does_not_count_and_errors_are_no_differences() {
    let mut site = Site::new(json!({}), false).await;
    site.put("a", "1");
    site.mirrored().await;
    site.store.put("backup", "foreign", "nobody's");
    assert_eq!(site.run(&["audit", "vk", "origin"]).await.code, Some(1));
    let ignored = site
        .run(&["audit", "vk", "origin", "--ignore", "foreign,kept"])
        .await;
    assert_eq!(ignored.code, Some(0), "{ignored:?}");

    let unknown = site.run(&["audit", "vk", "elsewhere"]).await;
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown.err.contains("expected one of mcs1/origin"),
        "{unknown:?}"
    );
    site.set("BACKUP_BUCKET", "nowhere");
    let nowhere = site.run(&["audit", "vk", "origin"]).await;
    assert_eq!(nowhere.code, Some(2));
    assert!(
        nowhere.err.contains("backup: ListObjectsV2 of nowhere/"),
        "{nowhere:?}"
    );
    site.set("BACKUP_BUCKET", "no bucket");
    let wrong = site.run(&["audit", "vk", "origin"]).await;
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("BACKUP_BUCKET: expected"), "{wrong:?}");
}
