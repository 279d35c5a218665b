//! Between the SDK's shapes of an object's properties and ours.

use crate::domain::checksum::Crc64;
use crate::domain::object::{ETag, ObjectState, Properties};
use crate::domain::reconcile::BackupObject;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::ChecksumType;
use std::collections::{BTreeMap, HashMap};

/// The properties in the headers of a GET's or a HEAD's answer, without tags.
macro_rules! properties {
    ($answer:expr) => {
        properties(
            [
                ("cache-control", $answer.cache_control()),
                ("content-disposition", $answer.content_disposition()),
                ("content-encoding", $answer.content_encoding()),
                ("content-language", $answer.content_language()),
                ("content-type", $answer.content_type()),
                ("expires", $answer.expires_string()),
            ],
            $answer.metadata(),
        )
    };
}

fn properties(
    headers: [(&'static str, Option<&str>); 6],
    metadata: Option<&HashMap<String, String>>,
) -> Properties {
    let headers = headers.into_iter().filter_map(|(name, value)| {
        let value = if name == "content-encoding" {
            value.and_then(stored_encoding)
        } else {
            value.map(ToOwned::to_owned)
        };
        value
            .filter(|value| !value.is_empty())
            .map(|value| (name, value))
    });
    let metadata = metadata
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    Properties {
        headers: headers.collect(),
        metadata: metadata.collect(),
        tags: BTreeMap::new(),
    }
}

/// `aws-chunked` says how an upload was sent; some S3-compatibles keep it as if it were the object's.
fn stored_encoding(value: &str) -> Option<String> {
    if !value.contains("aws-chunked") {
        return Some(value.to_owned());
    }
    let encodings: Vec<_> = value
        .split(',')
        .map(str::trim)
        .filter(|encoding| *encoding != "aws-chunked")
        .collect();
    Some(encodings.join(","))
}

/// The state that a GET's answer tells, with the object's size, which a range's answer has in Content-Range.
pub(super) fn state_of_get(answer: &GetObjectOutput, size: u64) -> Option<ObjectState> {
    Some(ObjectState {
        etag: ETag::new(answer.e_tag()?),
        size,
        last_modified: answer.last_modified()?.secs(),
        properties: properties!(answer),
    })
}

/// An object of the backup as a HEAD's answer tells it. Only a checksum of the whole object counts, not one of the checksums of its
/// parts.
pub(super) fn seen_by_head(answer: &HeadObjectOutput) -> Option<BackupObject> {
    let whole = answer
        .checksum_type()
        .is_none_or(|kind| *kind == ChecksumType::FullObject);
    let checksum = answer.checksum_crc64_nvme().filter(|_| whole);
    Some(BackupObject {
        etag: ETag::new(answer.e_tag()?),
        size: u64::try_from(answer.content_length()?).ok()?,
        last_modified: answer.last_modified().map(DateTime::secs),
        checksum: checksum.and_then(Crc64::parse),
        properties: properties!(answer),
        tags_read: false,
        tag_count: answer
            .tag_count()
            .and_then(|count| usize::try_from(count).ok()),
    })
}

/// The state that a HEAD's answer tells, without tags.
pub(super) fn state_of_head(answer: &HeadObjectOutput) -> Option<ObjectState> {
    let seen = seen_by_head(answer)?;
    Some(ObjectState {
        etag: seen.etag,
        size: seen.size,
        last_modified: answer.last_modified()?.secs(),
        properties: seen.properties,
    })
}

/// First byte, last byte and total of a Content-Range, `bytes 0-9/100`. The unit may be in capitals, and followed by `=`, as some
/// stores write it.
pub(super) fn content_range(header: &str) -> Option<(u64, u64, u64)> {
    const UNIT: &str = "bytes";
    let header = header.trim();
    let unit = header.get(..UNIT.len())?;
    let rest = header[UNIT.len()..].strip_prefix([' ', '=', '\t'])?;
    if !unit.eq_ignore_ascii_case(UNIT) {
        return None;
    }
    // `+1` is no number of HTTP.
    let number = |text: &str| {
        let text = text.trim();
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| digits)
    };
    let (range, total) = rest.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((number(first)?, number(last)?, number(total)?))
        .filter(|(first, last, total)| first <= last && last < total)
}

/// Tags as the header of a write carries them.
pub(super) fn tagging(tags: &BTreeMap<String, String>) -> Option<String> {
    let pairs = || {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(tags)
            .finish()
    };
    (!tags.is_empty()).then(pairs)
}

/// A key as a listing with `encoding-type=url` spells it; none where it is not UTF-8, which no call can name.
pub(super) fn form_decoded(key: &str) -> Option<String> {
    let bytes = percent_encoding::percent_decode_str(&key.replace('+', " ")).collect();
    String::from_utf8(bytes).ok()
}

/// User metadata as the SDK takes it.
pub(super) fn metadata(properties: &Properties) -> Option<HashMap<String, String>> {
    Some(properties.metadata.clone().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_must_make_sense() {
        for spelled in [
            "bytes 0-9/100",
            "Bytes 0-9/100",
            "bytes=0-9/100",
            " bytes  0 - 9 / 100 ",
        ] {
            assert_eq!(content_range(spelled), Some((0, 9, 100)), "{spelled}");
        }
        for odd in [
            "bytes 0-9/*",
            "bytes 9-0/100",
            "bytes 0-100/100",
            "0-9/100",
            "items 0-9/100",
            "bytes0-9/100",
            "bytes +0-9/100",
            "bytes -1-9/100",
            "bytes 0-18446744073709551616/18446744073709551617",
            "bytes 0-18446744073709551615/18446744073709551615",
            "byt\u{e9}s 0-9/100",
            "",
        ] {
            assert_eq!(content_range(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_uploads_own_encoding_is_not_the_objects() {
        assert_eq!(stored_encoding("aws-chunked").as_deref(), Some(""));
        assert_eq!(
            stored_encoding("gzip, aws-chunked").as_deref(),
            Some("gzip")
        );
    }

    #[test]
    fn tags_are_form_encoded() {
        let tags = BTreeMap::from([("a b".to_owned(), "c&d=é".to_owned())]);
        assert_eq!(tagging(&tags).as_deref(), Some("a+b=c%26d%3D%C3%A9"));
        assert_eq!(tagging(&BTreeMap::new()), None);
    }
}
