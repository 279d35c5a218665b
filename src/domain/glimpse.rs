//! What a delivery that nothing has been set up for calls its event, as senders commonly spell that.

use super::bound::Bound;
use super::delivery::Delivery;
use super::json::field;
use super::redact::{Known, is_signature};

/// How the headers end in which senders name the event: `X-GitHub-Event`, `X-Event-Key`, `X-Shopify-Topic` and their like.
const ENDINGS: [&str; 4] = ["-event", "-event-type", "-event-key", "-topic"];
/// CloudEvents' header for it, in binary mode.
const CLOUD_EVENT: &str = "ce-type";
/// Where it is in a JSON body.
const FIELDS: [&str; 4] = ["/type", "/event", "/event_type", "/eventType"];
/// A longer body is not searched, in bytes.
static BODY_MAX: Bound<usize> = Bound::new("glimpse.body", 256 << 10);
/// A longer text is no name, in bytes.
const NAME_MAX: usize = 100;

/// The type of the event, if it is where it commonly is, and no secret: a header goes before the body.
#[must_use]
pub fn event(delivery: &Delivery, known: &Known<'_>) -> Option<String> {
    let named = delivery.headers.iter().find(|(name, value)| {
        let plain = known.keeps(name, value.as_bytes()) && !is_signature(name.as_str());
        let name = name.as_str();
        plain && (name == CLOUD_EVENT || ENDINGS.iter().any(|ending| name.ends_with(ending)))
    });
    let named = named.and_then(|(_, value)| value.to_str().ok());
    let in_body = || {
        let body = Some(&delivery.body).filter(|body| body.len() <= BODY_MAX.get())?;
        FIELDS.iter().find_map(|place| field(body, place))
    };
    let name = named.map(ToOwned::to_owned).or_else(in_body);
    name.filter(|name| !name.is_empty() && name.len() <= NAME_MAX)
        .filter(|name| !known.is_in(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signature::Secret;
    use http::{HeaderMap, HeaderValue};

    fn named(header: Option<(&'static str, &'static str)>, body: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/x"));
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let secret = Secret::new("the-token");
        let known = Known {
            secrets: vec![&secret],
            ..Known::default()
        };
        event(&Delivery::post(headers, body.as_bytes().to_vec()), &known)
    }

    #[test]
    fn an_event_is_named_in_a_header_or_in_the_body() {
        for (header, body, event) in [
            (Some(("x-github-event", "push")), r#"{"type":"a"}"#, "push"),
            (Some(("x-event-key", "repo:push")), "", "repo:push"),
            (
                Some(("x-shopify-topic", "orders/create")),
                "{}",
                "orders/create",
            ),
            (
                Some(("ce-type", "com.example.made")),
                "",
                "com.example.made",
            ),
            (None, r#"{"id":"e","type":"invoice.paid"}"#, "invoice.paid"),
            (None, r#"{"event":{"a":1},"event_type":"x"}"#, "x"),
        ] {
            assert_eq!(named(header, body).as_deref(), Some(event), "{body}");
        }
    }

    #[test]
    fn a_secret_names_nothing() {
        for (header, body) in [
            (Some(("x-webhook-event-key", "s3cr3t")), ""),
            (Some(("x-token-event", "s3cr3t")), "{}"),
            (Some(("x-event", "of the-token")), r#"{"type":"the-token"}"#),
            (Some(("x-signature-topic", "s3cr3t")), ""),
        ] {
            assert_eq!(named(header, body), None, "{header:?}");
        }
    }

    #[test]
    fn what_is_no_name_names_nothing() {
        let long = format!(r#"{{"type":"{}"}}"#, "a".repeat(NAME_MAX + 1));
        let large = format!(r#"{{"type":"a","x":"{}"}}"#, "b".repeat(BODY_MAX.get()));
        for body in ["", "hello", "[1]", r#"{"type":""}"#, &*long, &*large] {
            assert_eq!(named(None, body), None);
        }
    }
}
