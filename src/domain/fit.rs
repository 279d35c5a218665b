//! What S3 takes beside an object's bytes. What it does not take is left out by name, so that the rest is mirrored all the
//! same: a copy without one of its tags is worth more than no copy.

use super::mark::{Mark, MarkedBytes, Seal};
use super::object::Properties;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::borrow::Cow;

/// User metadata, in bytes of names and values together.
const METADATA_MAX: usize = 2048;
/// Tags of an object.
const TAGS_MAX: usize = 10;
/// Characters of a tag's key and of its value.
const TAG_KEY_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;
/// All of it as headers of one request: S3 takes 8 KiB of headers, and a signature with a session token needs room there.
const HEADERS_MAX: usize = 6 * 1024;
/// So much of a name, and so many names, are told.
const NAME_SHOWN: usize = 64;
const NAMES_SHOWN: usize = 20;

/// The storage classes that S3 writes new objects in.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "S3's own names")]
pub enum StorageClass {
    Standard,
    StandardIa,
    #[serde(rename = "ONEZONE_IA")]
    OneZoneIa,
    IntelligentTiering,
    GlacierIr,
    Glacier,
    DeepArchive,
    ReducedRedundancy,
}

impl StorageClass {
    /// S3's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::StandardIa => "STANDARD_IA",
            Self::OneZoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
            Self::ReducedRedundancy => "REDUCED_REDUNDANCY",
        }
    }
}

/// What is written beside the bytes of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// What S3 takes of the origin's properties, and the mark.
    pub properties: Properties,
    /// What it does not take, such as `tag "a*b"`.
    pub left_out: Vec<String>,
}

/// Fits properties into what S3 takes, spelled as S3 takes it, with the mark beside them: in the metadata, or where it has
/// no room there in a tag, be it in place of the last one. Headers come first, then metadata, then tags, each by name, so
/// that the same properties always fit the same way.
#[must_use]
pub fn fit(origin: &Properties, mark: &Mark, class: Option<StorageClass>) -> Fitted {
    // A seal comes as one more tag, once the bytes have passed.
    let tags_max = TAGS_MAX - usize::from(mark.bytes == MarkedBytes::Sealed);
    let mark = mark.to_string();
    let mut room = HEADERS_MAX.saturating_sub(header_cost("x-amz-meta-", Mark::NAME, &mark));
    let mut takes = |cost: usize| {
        let fits = cost <= room;
        room -= if fits { cost } else { 0 };
        fits
    };
    let mut fitted = Properties::default();
    let mut left_out = LeftOut::default();

    for (name, value) in &origin.headers {
        match ascii_header(value) {
            Some(value) if takes(header_cost("", name, &value)) => {
                fitted.headers.insert(name, value.into_owned());
            }
            _ => left_out.tell("header", name),
        }
    }
    if let Some(class) = class {
        fitted
            .headers
            .insert("x-amz-storage-class", class.name().to_owned());
    }

    let mut bytes = 0;
    // What bears these names is another copy's, of which ours takes the place.
    let unmarked =
        |(name, _): &(&String, &String)| ![Mark::NAME, Seal::NAME].contains(&name.as_str());
    for (name, value) in origin.metadata.iter().filter(unmarked) {
        let value = mail_safe(value);
        let fits = is_token(name) && bytes + name.len() + value.len() <= METADATA_MAX;
        if fits && takes(header_cost("x-amz-meta-", name, &value)) {
            bytes += name.len() + value.len();
            fitted.metadata.insert(name.clone(), value.into_owned());
        } else {
            left_out.tell("metadata", name);
        }
    }

    for (key, value) in origin.tags.iter().filter(unmarked) {
        let fits = fitted.tags.len() < tags_max && is_tag(key, value);
        if fits && takes(tag_cost(key) + tag_cost(value) + 2) {
            fitted.tags.insert(key.clone(), value.clone());
        } else {
            left_out.tell("tag", key);
        }
    }

    if bytes + Mark::NAME.len() + mark.len() <= METADATA_MAX {
        fitted.metadata.insert(Mark::NAME.to_owned(), mark);
    } else {
        if fitted.tags.len() == tags_max
            && let Some((key, _)) = fitted.tags.pop_last()
        {
            left_out.tell("tag", &key);
        }
        fitted.tags.insert(Mark::NAME.to_owned(), mark);
    }
    Fitted {
        properties: fitted,
        left_out: left_out.names(),
    }
}

/// The names come from the wire: what is told of them is bounded.
#[derive(Default)]
pub(super) struct LeftOut {
    named: Vec<String>,
    more: usize,
}

impl LeftOut {
    pub(super) fn tell(&mut self, kind: &str, name: &str) {
        if self.named.len() < NAMES_SHOWN {
            let shown: String = name.chars().take(NAME_SHOWN).collect();
            self.named.push(format!("{kind} {shown:?}"));
        } else {
            self.more += 1;
        }
    }

    pub(super) fn names(mut self) -> Vec<String> {
        if self.more > 0 {
            self.named.push(format!("{} more", self.more));
        }
        self.named
    }
}

/// Bytes of a header on the wire: its line, and its name once more in the signature's list.
fn header_cost(prefix: &str, name: &str, value: &str) -> usize {
    2 * (prefix.len() + name.len()) + value.len() + ": \r\n;".len()
}

/// Bytes of a tag's key or value in the header of a write.
fn tag_cost(text: &str) -> usize {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .map(str::len)
        .sum()
}

/// Letters, digits, blanks and a few signs, of all scripts, but no combining signs: S3's rule for tags.
fn is_tag(key: &str, value: &str) -> bool {
    let taken = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Number)
        .union(GeneralCategoryGroup::Separator);
    let category = CodePointMapData::<GeneralCategory>::new();
    let plain = |c: char| "+-=._:/@".contains(c) || taken.contains(category.get(c));
    let reserved = key
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    (1..=TAG_KEY_MAX).contains(&key.chars().count())
        && value.chars().count() <= TAG_VALUE_MAX
        && !reserved
        && key.chars().chain(value.chars()).all(plain)
}

/// Whether this can be part of a header's name.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_plain(value: &str) -> bool {
    value.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// A value of user metadata as S3 takes and gives it: what is not plain ASCII in the encoded words of RFC 2047. As it is,
/// S3 would read it in another encoding than it was signed in, and refuse the signature.
fn mail_safe(value: &str) -> Cow<'_, str> {
    /// An encoded word has at most 75 characters, and ends between two characters of the text.
    const WORD_BYTES: usize = 45;
    if is_plain(value) {
        return Cow::Borrowed(value);
    }
    let mut words = vec![String::new()];
    for c in value.chars() {
        match words.last_mut() {
            Some(word) if word.len() + c.len_utf8() <= WORD_BYTES => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    let encode = |word: String| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(word);
        format!("=?UTF-8?B?{text}?=")
    };
    let words: Vec<_> = words.into_iter().map(encode).collect();
    Cow::Owned(words.join(" "))
}

/// A content header as S3 takes it: parameters that are not plain ASCII, as in `attachment; filename="é.txt"`, in the
/// spelling of RFC 8187, which browsers read the same. Nothing where that does not make it plain.
fn ascii_header(value: &str) -> Option<Cow<'_, str>> {
    if is_plain(value) {
        return Some(Cow::Borrowed(value));
    }
    let parts = parameters(value);
    let named: Vec<_> = parts.iter().map(|part| name_of(part)).collect();
    let mut spelled = Vec::new();
    for part in &parts {
        if is_plain(part) {
            spelled.push((*part).to_owned());
            continue;
        }
        let (name, text) = part.split_once('=')?;
        let extended = format!("{}*", name.trim());
        // It is said in the extended spelling already, which is the one that counts.
        if named
            .iter()
            .flatten()
            .any(|name| name.eq_ignore_ascii_case(&extended))
        {
            continue;
        }
        if !is_token(name.trim()) || name.trim().ends_with('*') {
            return None;
        }
        let text = utf8_percent_encode(&unquoted(text), EXT_VALUE).to_string();
        spelled.push(format!(" {extended}=UTF-8''{text}"));
    }
    Some(Cow::Owned(spelled.join(";").trim().to_owned()))
}

/// What RFC 8187 leaves as it is.
const EXT_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The parts of a header between the semicolons that stand outside quotes.
fn parameters(value: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(|c: char| {
            let ends = c == ';' && !quoted;
            if c == '"' && !escaped {
                quoted = !quoted;
            }
            escaped = quoted && c == '\\' && !escaped;
            ends
        })
        .collect()
}

fn name_of(parameter: &str) -> Option<&str> {
    parameter.split_once('=').map(|(name, _)| name.trim())
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    let Some(inner) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    else {
        return text.to_owned();
    };
    let mut escaped = false;
    let kept = inner.chars().filter(|c| {
        escaped = *c == '\\' && !escaped;
        !escaped
    });
    kept.collect()
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
