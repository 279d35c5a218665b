//! Makes the headers of a store's answer readable, before the SDK reads them.
//!
//! S3-compatibles hand out what was put, in whatever bytes; the SDK fails the whole call over one header that is not UTF-8
//! or comes twice, so that such an object could never be mirrored.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::config_bag::ConfigBag;
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
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        make_readable(context.response_mut().headers_mut());
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
        for value in values {
            // Bytes from 0x80 on are no control characters, which a header could not have brought.
            let _ = headers.try_append(name.clone(), value);
        }
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
