//! A delivery that is handed on as it came: published to the topic, with what it calls itself.

use super::bound::Bound;
use super::delivery::{Delivery, DeliveryId};
use super::notice::Notice;
use super::scheme::Named;
use super::signature::sha256;
use super::sns;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The longest name that is handed on, in bytes.
const NAME_MAX: usize = 256;
/// The longest text, in bytes as JSON spells it: SQS and SNS take 256 KiB, the names and attributes among them.
static TEXT_MAX: Bound<usize> = Bound::new("forward.text", 240 * 1024);

/// A delivery that is handed on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// The source's name.
    pub source: String,
    /// The type of the event, in the sender's word.
    pub event: Option<String>,
    /// The sender's id for it.
    pub id: Option<String>,
    /// By what it is known again; none of a delivery without an id, or of one that an operator has sent again.
    pub occurrence: Option<String>,
    /// What it says.
    pub body: Body,
    /// Which delivery it is, where no occurrence tells: two that read the same are two. Not of the wire, which names it already.
    #[serde(skip)]
    pub delivery: Option<DeliveryId>,
}

/// A body in the characters that SQS and SNS take.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Body {
    /// As it came; cut after so many of its bytes where it is too long.
    Text {
        /// The text.
        text: String,
        /// Whether it goes on.
        cut: bool,
    },
    /// Of one that is no such text.
    Base64 {
        /// Of its first bytes.
        base64: String,
        /// Whether it goes on.
        cut: bool,
    },
    /// There was none.
    Empty,
}

impl Forward {
    /// Of a delivery of this source.
    #[must_use]
    pub fn new(source: &str, named: Named, occurrence: Option<String>, of: &Delivery) -> Self {
        let short = |name: String| name[..name.floor_char_boundary(NAME_MAX)].to_owned();
        Self {
            source: source.to_owned(),
            event: named.event.map(short),
            id: named.id.map(short),
            body: Body::of(&sns::masked(&of.body)),
            delivery: None,
            occurrence,
        }
        .of_delivery(of.id)
    }

    /// Of a delivery to an endpoint: nobody has said how its sender names things.
    #[must_use]
    pub fn of_endpoint(source: &str, event: Option<String>, of: &Delivery) -> Self {
        let named = Named {
            event,
            ..Named::default()
        };
        Self::new(source, named, None, of)
    }

    /// The same, of this delivery.
    #[must_use]
    pub fn of_delivery(mut self, id: DeliveryId) -> Self {
        self.delivery = self.occurrence.is_none().then_some(id);
        self
    }
}

impl Body {
    fn of(body: &[u8]) -> Self {
        if body.is_empty() {
            return Self::Empty;
        }
        match std::str::from_utf8(body) {
            Ok(text) if text.chars().all(is_taken) => {
                let end = fitting(text);
                Self::Text {
                    text: text[..end].to_owned(),
                    cut: end < text.len(),
                }
            }
            _ => {
                let end = body.len().min(TEXT_MAX.get() / 4 * 3);
                Self::Base64 {
                    base64: STANDARD.encode(&body[..end]),
                    cut: end < body.len(),
                }
            }
        }
    }

    /// Whether it is only the beginning.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(
            self,
            Self::Text { cut: true, .. } | Self::Base64 { cut: true, .. }
        )
    }
}

impl Notice {
    /// Of a delivery that is handed on. `kept` is where the whole of it is.
    #[must_use]
    pub fn of_forward(of: &Forward, delivery: DeliveryId, kept: Option<&str>) -> Self {
        let rest = kept.unwrap_or("it was not kept");
        let cut = format!("\n[cut here; the whole delivery: {rest}]\n");
        let (text, encoding) = match &of.body {
            Body::Text { text, .. } => (text.as_str(), "text"),
            Body::Base64 { base64, .. } => (base64.as_str(), "base64"),
            // A message must have something in it.
            Body::Empty => ("(no body)", "empty"),
        };
        let mut text = text.to_owned();
        if of.body.is_cut() {
            text.push_str(&cut);
        }
        let attributes = [
            ("kind", Some("forward")),
            ("source", Some(&of.source)),
            ("event", of.event.as_deref()),
            ("id", of.id.as_deref()),
            ("delivery", Some(&delivery.to_string())),
            ("encoding", Some(encoding)),
        ];
        let attributes = attributes.into_iter();
        let event = of.event.as_deref().unwrap_or("a delivery");
        Self {
            subject: format!("{}: {event}", of.source),
            text,
            machine: None,
            numbers: Vec::new(),
            attributes: attributes
                .filter_map(|(name, value)| Some((name, value?.to_owned())))
                .collect(),
        }
    }
}

/// How many bytes of a text fit, as JSON spells it.
fn fitting(text: &str) -> usize {
    let mut left = TEXT_MAX.get();
    for (at, character) in text.char_indices() {
        let escaped = usize::from(matches!(character, '"' | '\\' | '\n' | '\r' | '\t'));
        match left.checked_sub(character.len_utf8() + escaped) {
            Some(rest) => left = rest,
            None => return at,
        }
    }
    text.len()
}

/// Whether SQS and SNS take this character in a message: those of XML 1.0.
fn is_taken(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// By what something that happened is known again, whatever it is made of: the SHA-256 of these parts, in hex.
#[must_use]
pub fn occurrence(parts: &[&[u8]]) -> String {
    // Each with its length, so that no two lists of parts read the same.
    let lengths: Vec<_> = parts
        .iter()
        .map(|part| (part.len() as u64).to_be_bytes())
        .collect();
    let pieces: Vec<&[u8]> = lengths
        .iter()
        .zip(parts)
        .flat_map(|(length, part)| [&length[..], *part])
        .collect();
    super::handshake::hex(&sha256(&pieces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(body: &[u8]) -> Forward {
        let delivery = Delivery::post(http::HeaderMap::new(), body.to_vec());
        Forward::new("s", Named::default(), None, &delivery)
    }

    #[test]
    fn a_body_is_handed_on_as_it_came_where_it_can_be() {
        let text = |body: &str| Body::Text {
            text: body.to_owned(),
            cut: false,
        };
        assert_eq!(of(b"{\"a\":\n1}").body, text("{\"a\":\n1}"));
        assert_eq!(of("é\t🎉".as_bytes()).body, text("é\t🎉"));
        assert_eq!(of(b"").body, Body::Empty);
        for odd in [&b"\xff"[..], b"a\0", b"\x1b[31m", "\u{ffff}".as_bytes()] {
            let base64 = STANDARD.encode(odd);
            assert_eq!(of(odd).body, Body::Base64 { base64, cut: false });
        }
    }

    #[test]
    fn an_occurrence_is_what_its_parts_are() {
        assert_eq!(occurrence(&[b"a", b"b"]), occurrence(&[b"a", b"b"]));
        assert_ne!(occurrence(&[b"a", b"b"]), occurrence(&[b"ab", b""]));
        assert_ne!(occurrence(&[b"a"]), occurrence(&[b"a", b""]));
        assert_eq!(occurrence(&[b"a"]).len(), 64);
    }

    proptest! {
        #[test]
        fn whatever_comes_fits(unit in ".{1,3}", binary: bool, times in 60_000usize..300_000) {
            let mut body = unit.repeat(times).into_bytes();
            if binary {
                body.push(0xff);
            }
            let forward = of(&body);
            let json = serde_json::to_string(&forward).unwrap();
            prop_assert!(json.len() <= TEXT_MAX.get() + 1024, "{}", json.len());
            match &forward.body {
                Body::Text { text, cut } => {
                    prop_assert!(body.starts_with(text.as_bytes()));
                    prop_assert_eq!(*cut, text.len() < body.len());
                }
                Body::Base64 { base64, cut } => {
                    let bytes = STANDARD.decode(base64).unwrap();
                    prop_assert!(body.starts_with(&bytes));
                    prop_assert_eq!(*cut, bytes.len() < body.len());
                }
                Body::Empty => prop_assert!(body.is_empty()),
            }
        }
    }
}
