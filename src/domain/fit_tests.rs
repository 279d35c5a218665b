//! What fits, what is spelled anew, and what is left out by which name.

use super::*;
use crate::domain::checksum::Crc64;
use crate::domain::object::{ETag, ObjectState};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn map<K: Into<String>, V: Into<String>>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

fn metadata<K: Into<String>, V: Into<String>>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Properties {
    Properties {
        metadata: map(pairs),
        ..Properties::default()
    }
}

fn tags<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Properties {
    Properties {
        tags: map(pairs),
        ..Properties::default()
    }
}

fn mark_of(properties: &Properties) -> Mark {
    Mark::of(
        "vk/mcs1/bucket",
        &ObjectState {
            etag: ETag::new("0123456789abcdef0123456789abcdef"),
            size: 3,
            last_modified: 1,
            properties: properties.clone(),
        },
        MarkedBytes::Checksum(Crc64::of(&[])),
    )
}

fn fitted(properties: &Properties) -> Fitted {
    let mark = mark_of(properties);
    let fitted = fit(properties, &mark, None);
    assert_eq!(fitted.properties.mark(), Some(mark), "it is always marked");
    fitted
}

/// What is left of the properties, without the mark.
fn without_mark(mut fitted: Fitted) -> Properties {
    let _ = fitted.properties.metadata.remove(Mark::NAME);
    let _ = fitted.properties.tags.remove(Mark::NAME);
    fitted.properties
}

#[test]
fn what_fits_stays_as_it_is() {
    let origin = Properties {
        headers: BTreeMap::from([
            ("content-type", "text/plain; charset=\"utf-8\"".to_owned()),
            ("expires", "when it is ready".to_owned()),
        ]),
        metadata: map([("a", "b"), ("word", "=?UTF-8?Q?=C3=A9?="), ("empty", "")]),
        tags: map([("class", "a/b=c +d"), ("ключ", "знач ение"), ("empty", "")]),
    };
    let fitted = fitted(&origin);
    assert_eq!(fitted.left_out, [""; 0]);
    assert_eq!(without_mark(fitted), origin);
}

#[test]
fn the_mark_goes_into_a_tag_beside_full_metadata_be_it_in_place_of_the_last() {
    let mut full = metadata([("big", "x".repeat(2000))]);
    let beside = fitted(&full);
    assert_eq!(beside.properties.metadata, full.metadata);
    assert_eq!(beside.left_out, [""; 0]);
    full.tags = map((0..10).map(|n| (n.to_string(), "")));
    let instead = fitted(&full);
    assert_eq!(instead.properties.metadata, full.metadata);
    assert_eq!(instead.left_out, ["tag \"9\""]);
    assert_eq!(instead.properties.tags.len(), 10);
}

#[test]
fn what_does_not_fit_is_left_out_by_name_and_the_rest_stays() {
    let big = |n: usize| "x".repeat(n);
    let many = (0..12).map(|n| (format!("{n:02}"), String::new()));
    let cases = [
        (
            metadata([("a", big(2048)), ("b", big(100))]),
            "metadata \"a\"",
        ),
        (
            metadata([("a", big(1000)), ("b", big(1100)), ("c", big(10))]),
            "metadata \"b\"",
        ),
        (metadata([("", "x")]), "metadata \"\""),
        (metadata([("a b", "x")]), "metadata \"a b\""),
        (tags(many), "tag \"10\", tag \"11\""),
        (tags([("a*", "x"), ("b", "x")]), "tag \"a*\""),
        (tags([("a", "x*"), ("b", "x")]), "tag \"a\""),
        (tags([("", "x")]), "tag \"\""),
        (
            tags([("aws:a", "x"), ("AWS:b", "x")]),
            "tag \"AWS:b\", tag \"aws:a\"",
        ),
        // A combining accent and a vowel sign, which Rust counts among the letters.
        (tags([("a", "e\u{301}"), ("b", "\u{e9}")]), "tag \"a\""),
        (
            tags([("a", "\u{915}\u{93f}"), ("b", "\u{915}")]),
            "tag \"a\"",
        ),
        (
            tags([("k".repeat(129), "x"), ("k".repeat(128), &*big(256))]),
            &format!("tag \"{}\"", "k".repeat(64)),
        ),
        (tags([("a", big(257))]), "tag \"a\""),
        // In the header of a write each of these characters is nine bytes long.
        (
            tags((0..9).map(|n| (n.to_string(), "語".repeat(100)))),
            "tag \"6\", tag \"7\", tag \"8\"",
        ),
    ];
    for (origin, left_out) in cases {
        let fitted = fitted(&origin);
        assert_eq!(fitted.left_out.join(", "), left_out);
        let all = origin.metadata.len() + origin.tags.len();
        let left = fitted.left_out.len();
        let kept = without_mark(fitted);
        assert_eq!(kept.metadata.len() + kept.tags.len(), all - left);
    }
}

#[test]
fn what_is_told_of_names_is_bounded() {
    let left_out = fitted(&metadata(
        (0..500).map(|n| (format!("{n:0100}"), "x".repeat(2048))),
    ))
    .left_out;
    assert_eq!(left_out.len(), 21);
    assert_eq!(left_out[20], "480 more");
    assert!(left_out.iter().all(|name| name.len() < 100));
}

#[test]
fn headers_that_are_too_long_for_one_request_are_left_out() {
    let mut origin = metadata([("kept", "x")]);
    origin.headers = BTreeMap::from([
        ("cache-control", "x".repeat(5000)),
        ("content-disposition", "x".repeat(1000)),
        ("content-type", "text/plain".to_owned()),
    ]);
    let fitted = fitted(&origin);
    assert_eq!(fitted.left_out, ["header \"content-disposition\""]);
    let kept = without_mark(fitted);
    assert_eq!((kept.headers.len(), kept.metadata.len()), (2, 1));
}

#[test]
fn anothers_mark_makes_room_for_ours() {
    let mut origin = metadata([(Mark::NAME, "1:00:00:other/bucket")]);
    origin.tags = map([(Mark::NAME, "1:00:00:other/bucket")]);
    let fitted = fitted(&origin);
    assert_eq!(
        (fitted.left_out.len(), fitted.properties.tags.len()),
        (0, 0)
    );
}

#[test]
fn metadata_that_is_not_plain_ascii_is_spelled_in_encoded_words() {
    for (text, wire) in [
        ("plain =?UTF-8?Q?=C3=A9?=", "plain =?UTF-8?Q?=C3=A9?="),
        ("\u{e9}", "=?UTF-8?B?w6k=?="),
        ("a\tb", "=?UTF-8?B?YQli?="),
        // Sixteen characters of three bytes: no word ends within one.
        (
            "日本語日本語日本語日本語日本語日",
            "=?UTF-8?B?5pel5pys6Kqe5pel5pys6Kqe5pel5pys6Kqe5pel5pys6Kqe5pel5pys6Kqe?= =?UTF-8?B?5pel?=",
        ),
    ] {
        assert_eq!(mail_safe(text), wire);
    }
}

#[test]
fn parameters_that_are_not_plain_ascii_are_spelled_as_browsers_read_them() {
    for (text, wire) in [
        (
            "attachment; filename=\"a;b.txt\"",
            Some("attachment; filename=\"a;b.txt\""),
        ),
        (
            "attachment; filename=\"\u{e9} a.txt\"",
            Some("attachment; filename*=UTF-8''%C3%A9%20a.txt"),
        ),
        (
            "attachment;filename=\u{e9}.txt ;x=1",
            Some("attachment; filename*=UTF-8''%C3%A9.txt;x=1"),
        ),
        (
            "inline; filename=\"\\\"\u{e9};\\\\\"; x=1",
            Some("inline; filename*=UTF-8''%22%C3%A9%3B%5C; x=1"),
        ),
        (
            "attachment; filename=\"\u{e9}\"; filename*=UTF-8''%C3%A9",
            Some("attachment; filename*=UTF-8''%C3%A9"),
        ),
        ("attachment; filename*=UTF-8''\u{e9}", None),
        ("\u{e9}", None),
        ("attachment; \u{e9}", None),
        ("attachment; \u{e9}=1", None),
    ] {
        assert_eq!(ascii_header(text).as_deref(), wire, "{text}");
    }
}

#[test]
fn a_storage_class_goes_along_as_a_header() {
    let origin = Properties::default();
    let fitted = fit(&origin, &mark_of(&origin), Some(StorageClass::GlacierIr));
    assert_eq!(
        fitted.properties.headers["x-amz-storage-class"],
        "GLACIER_IR"
    );
}

#[test]
fn a_storage_class_is_written_as_s3_writes_it() {
    for class in [
        StorageClass::Standard,
        StorageClass::StandardIa,
        StorageClass::OneZoneIa,
        StorageClass::IntelligentTiering,
        StorageClass::GlacierIr,
        StorageClass::Glacier,
        StorageClass::DeepArchive,
        StorageClass::ReducedRedundancy,
    ] {
        let read: StorageClass = serde_json::from_value(class.name().into()).unwrap();
        assert_eq!(read, class);
    }
}

proptest! {
    #[test]
    fn whatever_the_origin_has_the_copy_is_within_s3s_limits(
        headers in prop::collection::btree_map(prop::sample::select(vec!["cache-control", "content-type", "expires"]), "[ -~é;=\"]{0,40}", 0..3),
        metadata in prop::collection::btree_map("[a-z]{1,8}", "\\PC{0,300}", 0..12),
        tags in prop::collection::btree_map("\\PC{0,140}", "\\PC{0,280}", 0..14),
    ) {
        let origin = Properties { headers, metadata, tags };
        let fitted = fitted(&origin);
        let given = origin.headers.len() + origin.metadata.len() + origin.tags.len();
        let left_out = |name: &String| name.strip_suffix(" more").map_or(1, |more| more.parse().unwrap());
        let left_out: usize = fitted.left_out.iter().map(left_out).sum();
        let Properties { headers, metadata, tags } = &fitted.properties;
        prop_assert_eq!(headers.len() + metadata.len() + tags.len() - 1 + left_out, given);
        prop_assert!(metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= METADATA_MAX);
        prop_assert!(tags.len() <= TAGS_MAX);
        prop_assert!(tags.iter().all(|(key, value)| is_tag(key, value)));
        prop_assert!(headers.values().chain(metadata.values()).all(|value| is_plain(value)));
        let on_the_wire = |(name, value): (&String, &String)| header_cost("x-amz-meta-", name, value);
        let cost: usize = headers.iter().map(|(name, value)| header_cost("", name, value)).sum::<usize>()
            + metadata.iter().map(on_the_wire).sum::<usize>()
            + tags.iter().map(|(key, value)| tag_cost(key) + tag_cost(value) + 2).sum::<usize>();
        prop_assert!(cost <= HEADERS_MAX);
    }
}
