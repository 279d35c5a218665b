//! The URL in each message of SNS at which anybody who has it can end the subscription, without proof: mails are read by programs
//! that follow every URL. No signature covers it.

use memchr::memmem;
use std::borrow::Cow;

/// The field that has the URL.
const FIELD: &[u8] = b"UnsubscribeURL";
/// What such a URL has in it, and no campaign's.
const CALL: &[u8] = b"Action=Unsubscribe";

/// A body with asterisks in place of the query of such URLs, byte by byte: it is as long as before, and JSON where it was.
#[must_use]
pub fn masked(body: &[u8]) -> Cow<'_, [u8]> {
    let mut masked = Cow::Borrowed(body);
    for at in memmem::find_iter(body, FIELD) {
        let value = &body[at + FIELD.len()..];
        // The end of the name, within a text within a text escaped.
        let between = |byte: &u8| b"\\\": \t\r\n".contains(byte);
        let begin = value
            .iter()
            .position(|byte| !between(byte))
            .unwrap_or(value.len());
        let value = &value[begin..];
        let end = memchr::memchr(b'"', value).unwrap_or(value.len());
        let mut url = &value[..end];
        while let Some(rest) = url.strip_suffix(b"\\") {
            url = rest;
        }
        let query = memchr::memchr(b'?', url).filter(|_| memmem::find(url, CALL).is_some());
        if let Some(query) = query {
            let begin = at + FIELD.len() + begin;
            masked.to_mut()[begin + query + 1..begin + url.len()].fill(b'*');
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const URL: &str = "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-west-2:1:t:b24e";

    fn text(body: &str) -> String {
        let masked = masked(body.as_bytes());
        assert_eq!(masked.len(), body.len());
        String::from_utf8(masked.into_owned()).unwrap()
    }

    #[test]
    fn nobody_is_handed_the_url_that_ends_a_subscription() {
        let published: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/sns.json")).unwrap();
        let whole = &published["messages"]["notification_version_2"];
        let right = whole["UnsubscribeURL"].as_str().unwrap();
        for body in [
            whole.to_string(),
            serde_json::to_string_pretty(whole).unwrap(),
        ] {
            let shown: Value = serde_json::from_str(&text(&body)).unwrap();
            let url = shown["UnsubscribeURL"].as_str().unwrap();
            assert!(
                url.starts_with("https://sns.us-west-2.amazonaws.com/?***"),
                "{url}"
            );
            assert_eq!(url.len(), right.len());
            assert!(!url.contains("Subscription"));
            for (name, value) in whole.as_object().unwrap() {
                assert!(name == "UnsubscribeURL" || shown[name] == *value, "{name}");
            }
        }
    }

    #[test]
    fn nor_is_he_where_it_is_escaped_or_a_text_within_a_text() {
        let once = json!({"UnsubscribeURL": URL, "z": 1}).to_string();
        let twice = json!({"Message": once}).to_string();
        let thrice = json!([twice]).to_string();
        let go = once.replace('&', "\\u0026").replace("\\\\", "\\");
        let php = once.replace('/', "\\/");
        let two = format!("[{once},{once}]");
        for body in [once, twice, thrice, go, php, two] {
            let shown = text(&body);
            assert!(
                !shown.contains("b24e") && !shown.contains("Action"),
                "{shown}"
            );
            let read: Value = serde_json::from_str(&shown).unwrap();
            let again = read["Message"].as_str().or(read[0].as_str()).unwrap_or("0");
            serde_json::from_str::<Value>(again).unwrap();
        }
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for body in [
            String::new(),
            json!({"UnsubscribeURL": "https://lists.example.com/?u=1&action=unsubscribe"})
                .to_string(),
            json!({"SubscribeURL": URL.replace("Unsubscribe", "ConfirmSubscription")}).to_string(),
            json!({"UnsubscribeURL": 7, "a": "Action=Unsubscribe"}).to_string(),
            "UnsubscribeURL".to_owned(),
            "\"UnsubscribeURL\": \"Action=Unsubscribe".to_owned(),
        ] {
            assert_eq!(text(&body), body);
        }
        assert!(matches!(masked(b"{}"), Cow::Borrowed(_)));
        // What was cut off is masked as far as it goes.
        let cut = format!("{{\"UnsubscribeURL\":\"{}", &URL[..60]);
        assert!(!text(&cut).contains("Action"));
        assert_eq!(
            masked(b"\xffUnsubscribeURL\xff?Action=Unsubscribe").last(),
            Some(&b'*')
        );
    }
}
