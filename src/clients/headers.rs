//! Makes the headers of a store's answer readable, before the SDK reads them.
//!
//! S3-compatibles hand out what was put, in whatever bytes; the SDK fails the whole call over one header that is not UTF-8,
//! comes twice, or is spelled in another way than S3 spells it, so that such an object could never be mirrored.

use super::xml;
use crate::domain::date;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use std::collections::BTreeSet;

/// The headers whose values are joined where they come twice: what an object has, and nothing that frames an answer.
const OF_OBJECTS: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// Headers of a type of their own that nobody here reads, and that the SDK fails the call over where they are not of it.
const UNREAD: [&str; 7] = [
    "x-amz-abort-date",
    "x-amz-delete-marker",
    "x-amz-missing-meta",
    "x-amz-mp-parts-count",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-size",
    "x-amz-server-side-encryption-bucket-key-enabled",
];
const LAST_MODIFIED: &str = "last-modified";
const TAG_COUNT: &str = "x-amz-tagging-count";
const LENGTH: &str = "content-length";

/// Stands between a store's answer and the SDK.
#[derive(Debug)]
pub(super) struct Readable;

impl Intercept for Readable {
    fn name(&self) -> &'static str {
        "Readable"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        known: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response_mut();
        make_readable(answer.headers_mut());
        let operation = known.load::<Metadata>().map(Metadata::name);
        let success = answer.status().is_success();
        // An object's bytes are its own.
        if operation != Some("GetObject") || !success {
            let body = answer.take_body();
            *answer.body_mut() = xml::readable(body, success);
        }
        Ok(())
    }
}

/// Bytes that are not UTF-8 are read as ISO 8859-1, as HTTP once had it: no byte is lost. Values of a header that comes
/// twice are joined, as HTTP and S3 join them.
fn make_readable(headers: &mut Headers) {
    let names: BTreeSet<String> = headers
        .iter_bytes()
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in names {
        if UNREAD.contains(&name.as_str()) {
            headers.remove(&name);
            continue;
        }
        let joins = OF_OBJECTS.contains(&name.as_str()) || name.starts_with("x-amz-meta-");
        let values: Vec<&[u8]> = headers.get_all_bytes(&name).collect();
        let utf8 = values
            .iter()
            .all(|value| std::str::from_utf8(value).is_ok());
        if utf8 && (values.len() == 1 || !joins) {
            continue;
        }
        let values: Vec<_> = values.into_iter().map(text).collect();
        headers.remove(&name);
        let values = if joins {
            vec![values.join(",")]
        } else {
            values
        };
        set(headers, &name, values);
    }
    single(headers);
}

/// Headers that an answer has once, and may have twice or in another spelling on its way through a proxy.
fn single(headers: &mut Headers) {
    let all = |headers: &Headers, name: &str| -> Vec<String> {
        headers.get_all(name).map(ToOwned::to_owned).collect()
    };
    let names: BTreeSet<String> = headers.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let mut values = all(headers, &name);
        if values.len() > 1 && !name.starts_with("x-amz-meta-") {
            values.dedup();
            // Which one is right does not matter where none is read.
            if name.starts_with("x-amz-") && name != TAG_COUNT {
                values.truncate(1);
            }
            set(headers, &name, values);
        }
    }
    let dates = all(headers, LAST_MODIFIED);
    if !dates.is_empty() {
        // Of several the earliest: a proxy's own is that of now. One that cannot be read is missing.
        let seconds = dates.iter().flat_map(|date| dates_of(date)).min();
        let date = seconds.and_then(|at| DateTime::from_secs(at).fmt(Format::HttpDate).ok());
        set(headers, LAST_MODIFIED, date);
    }
    let counts = all(headers, TAG_COUNT);
    let count = |text: &String| text.trim().parse::<u16>().ok();
    match &counts[..] {
        [] => {}
        [one] if count(one).is_some() => {}
        // They are asked for.
        _ => set(headers, TAG_COUNT, ["1".to_owned()]),
    }
    let lengths = all(headers, LENGTH);
    if !lengths.is_empty() {
        let mut lengths: Vec<_> = lengths.iter().flat_map(|all| all.split(',')).collect();
        lengths
            .iter_mut()
            .for_each(|length| *length = length.trim());
        lengths.dedup();
        let one = match lengths[..] {
            [one] if !one.is_empty() && one.bytes().all(|b| b.is_ascii_digit()) => Some(one),
            _ => None,
        };
        set(headers, LENGTH, one.map(ToOwned::to_owned));
    }
}

/// The times that a header says: one, or the same one twice in a line.
fn dates_of(header: &str) -> Vec<i64> {
    if let Some(one) = date::read(header) {
        return vec![one];
    }
    let commas = header.match_indices(',').map(|(at, _)| at);
    let halves = commas.map(|at| (date::read(&header[..at]), date::read(&header[at + 1..])));
    let both = halves.filter_map(|(first, second)| Some([first?, second?]));
    both.flatten().collect()
}

fn set(headers: &mut Headers, name: &str, values: impl IntoIterator<Item = String>) {
    headers.remove(name);
    for value in values {
        // Bytes from 0x80 on are no control characters, which a header could not have brought.
        let _ = headers.try_append(name.to_owned(), value);
    }
}

fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn readable(pairs: &[(&'static str, &[u8])]) -> Vec<(String, String)> {
        let mut map = http::HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let mut headers = Headers::try_from(map).unwrap();
        make_readable(&mut headers);
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        pairs.collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn bytes_that_are_not_utf8_are_read_as_latin1() {
        let read = readable(&[
            ("x-amz-meta-a", b"caf\xe9"),
            ("expires", b"\xff"),
            ("x-amz-meta-b", "caf\u{e9}".as_bytes()),
        ]);
        let expected = [
            ("x-amz-meta-a", "caf\u{e9}"),
            ("expires", "\u{ff}"),
            ("x-amz-meta-b", "caf\u{e9}"),
        ];
        let (mut read, mut expected) = (read, owned(&expected));
        read.sort();
        expected.sort();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_time_is_read_in_any_spelling_and_twice() {
        let right = "Sun, 06 Nov 1994 08:49:37 GMT";
        for spelled in [
            &[right][..],
            &["1994-11-06T08:49:37Z"],
            &["Sun, 6 Nov 1994 08:49:37 GMT"],
            &["sun, 06 nov 1994 08:49:37 gmt"],
            &["Sun, 06 Nov 1994 08:49:37 +0000"],
            &["Sunday, 06-Nov-94 08:49:37 GMT"],
            &["Sun Nov  6 08:49:37 1994"],
            &[right, right],
            &[right, "1994-11-06T08:49:37Z"],
            &[right, "Fri, 01 Jan 2027 00:00:00 GMT"],
            &["Fri, 01 Jan 2027 00:00:00 GMT", right],
            &["unreadable", right],
            &["Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT"],
            &["1994-11-06T08:49:37Z,1994-11-06T08:49:37Z"],
        ] {
            let headers: Vec<_> = spelled
                .iter()
                .map(|value| (LAST_MODIFIED, value.as_bytes()))
                .collect();
            assert_eq!(
                readable(&headers),
                owned(&[(LAST_MODIFIED, right)]),
                "{spelled:?}"
            );
        }
        assert_eq!(readable(&[(LAST_MODIFIED, b"yesterday")]), owned(&[]));
    }

    #[test]
    fn what_comes_twice_and_is_the_same_comes_once() {
        for name in [LENGTH, "content-range", "etag", "x-amz-version-id", "date"] {
            let twice = readable(&[(name, b"5"), (name, b"5")]);
            assert_eq!(twice, owned(&[(name, "5")]));
        }
        assert_eq!(readable(&[(LENGTH, b"5, 5")]), owned(&[(LENGTH, "5")]));
        for odd in [&b"5, 6"[..], b"-5", b"", b"5.0", b"\xff"] {
            assert_eq!(readable(&[(LENGTH, odd)]), owned(&[]));
        }
        let versions = readable(&[("x-amz-version-id", b"a"), ("x-amz-version-id", b"b")]);
        assert_eq!(versions, owned(&[("x-amz-version-id", "a")]));
        for name in UNREAD {
            assert_eq!(readable(&[(name, b"nonsense")]), owned(&[]));
        }
    }

    #[test]
    fn a_count_of_tags_that_cannot_be_read_asks_for_them() {
        for (counts, read) in [
            (&["0"][..], "0"),
            (&["3"], "3"),
            (&["3", "3"], "3"),
            (&["0", "3"], "1"),
            (&["many"], "1"),
            (&["-1"], "1"),
        ] {
            let headers: Vec<_> = counts
                .iter()
                .map(|count| (TAG_COUNT, count.as_bytes()))
                .collect();
            assert_eq!(
                readable(&headers),
                owned(&[(TAG_COUNT, read)]),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn what_an_object_has_twice_is_joined_and_nothing_else() {
        assert_eq!(
            readable(&[("x-amz-meta-a", b"1"), ("x-amz-meta-a", b"\xe9")]),
            owned(&[("x-amz-meta-a", "1,\u{e9}")])
        );
        assert_eq!(
            readable(&[
                ("cache-control", b"no-cache"),
                ("cache-control", b"private")
            ]),
            owned(&[("cache-control", "no-cache,private")])
        );
        assert_eq!(
            readable(&[("etag", b"1"), ("etag", b"\xe9")]),
            owned(&[("etag", "1"), ("etag", "\u{e9}")])
        );
    }
}
