//! Where VK posts a bucket's events: its XML, into which a hook is written beside the others, which stay byte for byte
//! (source: VK's `_s3_api_webhooks.md`, `_s3_api_notification.md`). A PUT replaces the whole configuration. Pure.

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::Event;
use std::ops::Range;

const ROOT: &str = "NotificationConfiguration";
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// What a mirror must hear of: everything that changes a key.
const EVENTS: [&str; 2] = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"];

/// A hook of ours.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Unique among the bucket's.
    pub id: String,
    /// Exactly what is signed in the handshake.
    pub url: String,
    /// Only keys that begin so.
    pub prefix: Option<String>,
}

/// A configuration with our hook in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// What is to be put.
    pub xml: String,
    /// Configurations that stay as they are.
    pub kept: usize,
    /// Whether one of the same id or URL gave way.
    pub replaced: bool,
}

/// One child of the root.
struct Child {
    bytes: Range<usize>,
    id: Option<String>,
    url: Option<String>,
}

/// Writes the hook into what the bucket has: an empty text, or XML.
///
/// # Errors
/// A sentence: it is not the XML of a notification configuration.
pub fn merged(existing: &str, hook: &Hook) -> Result<Merged, String> {
    let children = children(existing)?;
    let ours = |child: &&Child| {
        child.id.as_ref() == Some(&hook.id) || child.url.as_ref() == Some(&hook.url)
    };
    let kept: Vec<_> = children.iter().filter(|child| !ours(child)).collect();
    let mut xml =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{ROOT} xmlns=\"{NAMESPACE}\">\n");
    for child in &kept {
        xml.push_str("  ");
        xml.push_str(&existing[child.bytes.clone()]);
        xml.push('\n');
    }
    xml.push_str("  <SimpleTopicConfiguration>\n");
    let mut field = |name: &str, value: &str| {
        xml.push_str(&format!("    <{name}>{}</{name}>\n", escape(value)));
    };
    field("Id", &hook.id);
    EVENTS.iter().for_each(|event| field("Event", event));
    field("Url", &hook.url);
    if let Some(prefix) = &hook.prefix {
        xml.push_str(&format!(
            "    <Filter><S3Key><FilterRule><Name>Prefix</Name><Value>{}</Value></FilterRule></S3Key></Filter>\n",
            escape(prefix)
        ));
    }
    xml.push_str(&format!("  </SimpleTopicConfiguration>\n</{ROOT}>\n"));
    Ok(Merged {
        xml,
        kept: kept.len(),
        replaced: kept.len() < children.len(),
    })
}

/// What is in the root, and of each its id and URL.
fn children(xml: &str) -> Result<Vec<Child>, String> {
    let mut found = Vec::new();
    if xml.trim().is_empty() {
        return Ok(found);
    }
    let mut reader = Reader::from_str(xml);
    let at =
        |reader: &Reader<&[u8]>| usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
    let mut depth = 0_u32;
    let mut child: Option<Child> = None;
    let mut text = 0;
    let mut rooted = false;
    loop {
        let before = at(&reader);
        let event = reader.read_event();
        let event = event.map_err(|e| format!("what the bucket has is not XML: {e}"))?;
        let after = at(&reader);
        match event {
            Event::Start(tag) => {
                depth += 1;
                text = after;
                match depth {
                    1 if tag.local_name().as_ref() != ROOT.as_bytes() => {
                        return Err(format!("what the bucket has is no {ROOT}"));
                    }
                    1 => rooted = true,
                    2 => {
                        child = Some(Child {
                            bytes: before..before,
                            id: None,
                            url: None,
                        });
                    }
                    _ => {}
                }
            }
            Event::Empty(tag) if depth == 0 => {
                rooted = tag.local_name().as_ref() == ROOT.as_bytes();
            }
            Event::Empty(_) if depth == 1 => found.push(Child {
                bytes: before..after,
                id: None,
                url: None,
            }),
            Event::End(tag) => {
                if let (3, Some(child)) = (depth, &mut child) {
                    let value = unescape(&xml[text..before]);
                    let value = value.ok().map(|value| value.trim().to_owned());
                    match tag.local_name().as_ref() {
                        b"Id" => child.id = value,
                        b"Url" => child.url = value,
                        _ => {}
                    }
                }
                depth -= 1;
                if depth == 1
                    && let Some(mut ended) = child.take()
                {
                    ended.bytes.end = after;
                    found.push(ended);
                }
            }
            Event::Eof if rooted && depth == 0 => return Ok(found),
            Event::Eof => return Err(format!("what the bucket has is no {ROOT}")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook() -> Hook {
        Hook {
            id: "hookwork".to_owned(),
            url: "https://x/hooks/vk/k?a=1&b=2".to_owned(),
            prefix: None,
        }
    }

    #[test]
    fn into_nothing_it_is_written_as_documented() {
        for empty in [
            "",
            "<NotificationConfiguration/>",
            "<?xml version=\"1.0\"?>\n<NotificationConfiguration xmlns=\"y\"></NotificationConfiguration>",
        ] {
            let merged = merged(empty, &hook()).unwrap();
            assert_eq!((merged.kept, merged.replaced), (0, false));
            assert!(
                merged
                    .xml
                    .contains("<Url>https://x/hooks/vk/k?a=1&amp;b=2</Url>")
            );
            assert!(merged.xml.contains("<Event>s3:ObjectRemoved:*</Event>"));
        }
    }

    #[test]
    fn others_stay_byte_for_byte_and_our_own_is_replaced() {
        let other = "<SimpleTopicConfiguration><Id>1</Id>\n<Event>s3:ObjectCreated:Put</Event><Url>http://test.com/?a&amp;b</Url><Odd/></SimpleTopicConfiguration>";
        let existing = format!(
            "<NotificationConfiguration>{other}<New><Id>2</Id></New></NotificationConfiguration>"
        );
        let first = merged(&existing, &hook()).unwrap();
        assert_eq!((first.kept, first.replaced), (2, false));
        assert!(first.xml.contains(other) && first.xml.contains("<New><Id>2</Id></New>"));
        let again = merged(&first.xml, &hook()).unwrap();
        assert_eq!((again.kept, again.replaced), (2, true));
        assert_eq!(again.xml, first.xml, "as often as one likes");
        let moved = Hook {
            id: "another".to_owned(),
            ..hook()
        };
        let moved = merged(&first.xml, &moved).unwrap();
        assert!(moved.replaced && !moved.xml.contains("<Id>hookwork</Id>"));
    }

    #[test]
    fn what_is_not_the_shape_is_never_overwritten() {
        for odd in [
            "<html/>",
            "<a>",
            "{}",
            "<NotificationConfiguration>",
            "<Error><Code>x</Code></Error>",
        ] {
            assert!(merged(odd, &hook()).is_err(), "{odd}");
        }
    }
}
