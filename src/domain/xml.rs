//! The XML of a store's answer, made readable.
//!
//! Stores write keys into their answers as they are, control characters included, which XML has no way to say. A parser fails the
//! whole answer over one of them. A sign that XML does not allow is spelled as a reference, which the SDK reads as that very sign:
//! no key becomes another one.

use super::date;
use memchr::{memchr, memchr_iter, memmem};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A thousand keys with 16 elements each have half of it. What an element is read into is far larger than its name.
const TAGS_MAX: usize = 64 << 10;
/// The longest tag, in bytes: that of a root names its schema.
const TAG_MAX: usize = 4 << 10;
/// Stands for a byte that is not UTF-8. No text has it: Unicode will never give it a meaning.
pub const UNREADABLE: char = '\u{fdd0}';

/// The same XML with nothing in it that XML does not allow.
///
/// # Errors
/// It is no answer of a store: it has more tags than any, or a longer one.
pub fn readable(bytes: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    let mut tags = 0;
    for start in memchr_iter(b'<', &bytes) {
        tags += 1;
        let rest = &bytes[start..bytes.len().min(start + TAG_MAX)];
        if tags > TAGS_MAX || memchr(b'>', rest).is_none() {
            return Err("the answer is no XML of a store: more tags, or a longer one, than any");
        }
    }
    let bytes = allowed(bytes);
    Ok(dated(bytes))
}

/// Spells as references what stands in no text of XML.
fn allowed(bytes: Vec<u8>) -> Vec<u8> {
    let odd = |byte: &u8| *byte == b'&' || *byte >= 0x80 || is_control(*byte);
    if !bytes.iter().any(odd) {
        return bytes;
    }
    let in_url = memmem::find(&bytes, b"<EncodingType>url</EncodingType>").is_some();
    let mut spelled = String::with_capacity(bytes.len() + 64);
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        for (at, c) in text.char_indices() {
            match c {
                '&' if !is_reference(&text[at..]) => spelled.push_str("&amp;"),
                c if is_allowed(c) => spelled.push(c),
                c => spelled.push_str(&format!("&#x{:X};", u32::from(c))),
            }
        }
        for byte in chunk.invalid() {
            if in_url {
                spelled.push_str(&format!("%{byte:02X}"));
            } else {
                spelled.push(UNREADABLE);
            }
        }
    }
    spelled.into_bytes()
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')
}

fn is_allowed(c: char) -> bool {
    !matches!(c, '\u{fffe}' | '\u{ffff}') && !u8::try_from(c).is_ok_and(is_control)
}

/// Whether a text begins with a reference that the SDK reads.
fn is_reference(text: &str) -> bool {
    /// `&#x10FFFF;` is the longest that means something.
    const LONGEST: usize = 12;
    let Some(end) = text.bytes().take(LONGEST).position(|b| b == b';') else {
        return false;
    };
    match &text[1..end] {
        "lt" | "gt" | "amp" | "quot" | "apos" => true,
        name => {
            let number = match name.strip_prefix("#x") {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => name.strip_prefix('#').unwrap_or_default().parse(),
            };
            // The standard library takes a sign, too.
            !name.contains('+') && number.is_ok_and(|number| char::from_u32(number).is_some())
        }
    }
}

/// Spells the dates of entries as S3 does, where they can be read.
fn dated(bytes: Vec<u8>) -> Vec<u8> {
    let mut spelled = Vec::new();
    let mut kept = 0;
    for name in ["<LastModified>", "<Initiated>"] {
        for found in memmem::find_iter(&bytes, name) {
            let start = found + name.len();
            let Some(length) = memchr(b'<', &bytes[start..]) else {
                continue;
            };
            let Ok(text) = std::str::from_utf8(&bytes[start..start + length]) else {
                continue;
            };
            if OffsetDateTime::parse(text, &Rfc3339).is_ok() && text.ends_with('Z') {
                continue;
            }
            let at = date::read(text).and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
            if let Some(date) = at.and_then(|at| at.format(&Rfc3339).ok()) {
                spelled.push((start, length, date));
            }
        }
    }
    if spelled.is_empty() {
        return bytes;
    }
    spelled.sort_by_key(|(start, ..)| *start);
    let mut mended = Vec::with_capacity(bytes.len() + 16 * spelled.len());
    for (start, length, date) in spelled {
        mended.extend_from_slice(&bytes[kept..start]);
        mended.extend_from_slice(date.as_bytes());
        kept = start + length;
    }
    mended.extend_from_slice(&bytes[kept..]);
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(xml: impl AsRef<[u8]>) -> String {
        String::from_utf8(readable(xml.as_ref().to_vec()).unwrap()).unwrap()
    }

    #[test]
    fn what_xml_does_not_allow_is_spelled_as_a_reference() {
        assert_eq!(
            text("<Key>a\u{1}b\0\u{1f}\u{fffe}\u{ffff}</Key>"),
            "<Key>a&#x1;b&#x0;&#x1F;&#xFFFE;&#xFFFF;</Key>"
        );
        let right = "<Key>a\t\n\r&amp;&lt;&#xD;&#1;&quot;\u{e9}\u{7f}\u{1f355}</Key>";
        assert_eq!(text(right), right);
        assert_eq!(
            text("<Key>a&b &nbsp; &#xD800; &#x110000; &#; &#+1; &;&amp&</Key>"),
            "<Key>a&amp;b &amp;nbsp; &amp;#xD800; &amp;#x110000; &amp;#; &amp;#+1; &amp;;&amp;amp&amp;</Key>"
        );
    }

    #[test]
    fn a_byte_that_is_not_utf8_is_kept_apart() {
        assert_eq!(text(b"<Key>a\xff</Key>"), "<Key>a\u{fdd0}</Key>");
        let url = b"<EncodingType>url</EncodingType><Key>a\xff</Key>";
        assert_eq!(text(url), "<EncodingType>url</EncodingType><Key>a%FF</Key>");
    }

    #[test]
    fn dates_of_entries_are_spelled_as_s3_does() {
        let spelled = text(
            "<Initiated>Sun, 6 Nov 1994 08:49:37 GMT</Initiated><LastModified>1994-11-06 08:49:37</LastModified><LastModified>1994-11-06T08:49:37.123Z</LastModified><LastModified>yesterday</LastModified><LastModified>",
        );
        assert_eq!(
            spelled,
            "<Initiated>1994-11-06T08:49:37Z</Initiated><LastModified>1994-11-06T08:49:37Z</LastModified><LastModified>1994-11-06T08:49:37.123Z</LastModified><LastModified>yesterday</LastModified><LastModified>"
        );
    }

    #[test]
    fn what_is_no_answer_of_a_store_is_told() {
        for odd in [
            "<Contents/>".repeat(TAGS_MAX + 1),
            format!("<a {}>", "b=\"\" ".repeat(TAG_MAX)),
            "<never closed".to_owned(),
        ] {
            assert!(readable(odd.into_bytes()).is_err());
        }
        assert_eq!(readable(Vec::new()), Ok(Vec::new()));
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_utf8_afterwards_and_stays_so(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            if let Ok(once) = readable(bytes) {
                proptest::prop_assert!(std::str::from_utf8(&once).is_ok());
                proptest::prop_assert_eq!(readable(once.clone()), Ok(once));
            }
        }
    }
}
