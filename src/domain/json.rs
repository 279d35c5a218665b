//! One field of a JSON text, found without a tree of all the others: a body of 6 MiB would be ten times that in memory.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The text of a field of `json`, which `pointer` names as RFC 6901 does (`/event/type`, `/events/0/id`): a string
/// without its quotes, a number as it is written. None where it is not there, or is neither.
#[must_use]
pub fn field(json: &[u8], pointer: &str) -> Option<String> {
    // Bytes that are no UTF-8 spoil the field that they are in, and no other.
    let text = String::from_utf8_lossy(json);
    let found = member(&text, pointer)?;
    let spoiled = matches!(text, Cow::Owned(_)) && found.contains(char::REPLACEMENT_CHARACTER);
    (!spoiled).then_some(found)
}

fn member(json: &str, pointer: &str) -> Option<String> {
    let names = pointer.strip_prefix('/')?.split('/');
    let mut value: &RawValue = serde_json::from_str(json).ok()?;
    for name in names {
        let name = name.replace("~1", "/").replace("~0", "~");
        let mut deserializer = serde_json::Deserializer::from_str(value.get());
        value = Member(&name).deserialize(&mut deserializer).ok()??;
    }
    let text = value.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok(),
        b'-' | b'0'..=b'9' => Some(text.to_owned()),
        _ => None,
    }
}

/// The member of this name, the last one where there are several, as most readers have it.
struct Member<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut before: Option<usize> = self.0.parse().ok();
        let mut found = None;
        while let Some(left) = before {
            if left == 0 {
                found = list.next_element()?;
                break;
            }
            if list.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
            before = left.checked_sub(1);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Name(name)) = map.next_key()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_strings_and_numbers_and_nothing_else() {
        let json = br#"{"id": "a\"b", "n": -7.50, "event": {"type": "push", "a/b": "slash"}, "list": [1], "deep": [0, {"x": "y"}], "no": null, "yes": true}"#;
        let found = |pointer| field(json, pointer);
        assert_eq!(found("/id").as_deref(), Some("a\"b"));
        assert_eq!(found("/n").as_deref(), Some("-7.50"));
        assert_eq!(found("/event/type").as_deref(), Some("push"));
        assert_eq!(found("/event/a~1b").as_deref(), Some("slash"));
        assert_eq!(found("/list/0").as_deref(), Some("1"));
        assert_eq!(found("/deep/1/x").as_deref(), Some("y"));
        for nothing in [
            "", "id", "/", "/list", "/list/1", "/no", "/yes", "/event", "/id/x",
        ] {
            assert_eq!(found(nothing), None, "{nothing}");
        }
        for no_json in [
            &b"{"[..],
            b"",
            b"\"id\"",
            b"[]",
            b"{\"id\":\"x\"} and",
            b"\xff",
        ] {
            assert_eq!(field(no_json, "/id"), None);
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_spoil_their_own_field_alone() {
        let json = b"{\"id\":\"x\",\"odd\":\"a\xffb\",\"own\":\"\xef\xbf\xbd\"}";
        assert_eq!(field(json, "/id").as_deref(), Some("x"));
        assert_eq!(field(json, "/odd"), None);
        let whole = "{\"own\":\"\u{fffd}\"}";
        assert_eq!(field(whole.as_bytes(), "/own").as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!(
            "{{\"a\":{}1{},\"id\":\"x\"}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(field(deep.as_bytes(), "/id").as_deref(), Some("x"));
        let nested = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert_eq!(field(nested.as_bytes(), "/a/b"), None);
    }
}
