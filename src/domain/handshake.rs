//! Challenges with which a sender makes sure that it may talk to us, and our answers. Pure and without any store.
//!
//! VK Cloud (source: VK's `_s3_api_webhooks.md` and mailru/hit-doc `signatures.go`; both published vectors are tests):
//!
//! ```text
//! k1 = HMAC-SHA256(key = Token,    message = Timestamp)   raw bytes
//! k2 = HMAC-SHA256(key = k1,       message = TopicArn)    raw bytes
//! signature = lower-case hex of HMAC-SHA256(key = k2, message = Url)
//! ```

use super::delivery::Rejection;
use super::signature::{Secret, hmac_sha256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// VK's `SubscriptionConfirmation`. The strings are signed byte for byte as received, never re-formatted.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VkChallenge {
    /// RFC 3339 with an offset.
    pub timestamp: String,
    /// `<project>|<bucket>|<event>[,<event>…]`.
    pub topic_arn: String,
    /// 48 letters and digits; the first key of the chain.
    pub token: String,
}

impl VkChallenge {
    /// Project and bucket that the topic names.
    #[must_use]
    pub fn project_and_bucket(&self) -> Option<(&str, &str)> {
        let mut fields = self.topic_arn.splitn(3, '|');
        Some((fields.next()?, fields.next()?))
            .filter(|(project, bucket)| !project.is_empty() && !bucket.is_empty())
    }

    /// The signature that confirms the subscription: 64 lower-case hex digits. `url` is the URL exactly as registered: no
    /// trailing slash added, no default port, nothing normalised.
    #[must_use]
    pub fn sign(&self, url: &str) -> String {
        let k1 = hmac_sha256(self.token.as_bytes(), self.timestamp.as_bytes());
        let k2 = hmac_sha256(&k1, self.topic_arn.as_bytes());
        hex(&hmac_sha256(&k2, url.as_bytes()))
    }
}

/// The spellings of a registered URL that senders, gateways and people confuse: with the other scheme, with and without a trailing
/// slash, the scheme's own port, the query, capitals in the host. The one that is given comes first.
#[must_use]
pub fn spellings(url: &str) -> Vec<String> {
    let Some((_, rest)) = url.split_once("://") else {
        return vec![url.to_owned()];
    };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let (host, path) = place.find('/').map_or((place, ""), |at| place.split_at(at));
    let bare = host.strip_suffix(":80").or(host.strip_suffix(":443"));
    let bare = bare.unwrap_or(host);
    // A port of its own is part of every spelling.
    let ported = bare.rsplit_once(':').is_some_and(|(_, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let slashless = path.trim_end_matches('/');
    let slashed = format!("{slashless}/");
    let mut found = vec![url.to_owned()];
    for query in [query.map(|query| format!("?{query}")), None] {
        let query = query.unwrap_or_default();
        for scheme in ["https", "http"] {
            let own_port = if scheme == "https" { "443" } else { "80" };
            let with_port = match ported {
                true => bare.to_owned(),
                false => format!("{bare}:{own_port}"),
            };
            let lower = bare.to_ascii_lowercase();
            for host in [bare, &with_port, &lower] {
                for path in [slashless, &slashed, path] {
                    let spelling = format!("{scheme}://{host}{path}{query}");
                    if !found.contains(&spelling) {
                        found.push(spelling);
                    }
                }
            }
        }
    }
    found
}

/// The longest text of a sender's that is sent back to it, in bytes.
const ECHO_MAX: usize = 2048;

/// What we answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `{"signature":"<64 lower-case hex>"}` as application/json.
    Signature(String),
    /// The sender's own words, as text/plain.
    Echo(String),
    /// `{"response_token":"sha256=<base64>"}` as application/json.
    ResponseToken(String),
    /// Leave to deliver, in headers.
    Allowed {
        /// Whom: what `WebHook-Request-Origin` said.
        origin: HeaderValue,
        /// How many deliveries a minute: what was asked for, if anything was.
        rate: Option<u32>,
    },
}

/// Sends a sender's words back.
///
/// # Errors
/// They are too many, or none.
pub fn echo(text: String) -> Result<Answer, Rejection> {
    if (1..=ECHO_MAX).contains(&text.len()) {
        Ok(Answer::Echo(text))
    } else {
        Err(Rejection::Malformed(format!(
            "expected a challenge of 1 to {ECHO_MAX} bytes"
        )))
    }
}

/// The answer to a body that is nothing but a challenge: `{"challenge":"…"}`, and beside it what senders put there (Slack's
/// `url_verification`, monday.com, Lark, Twitch). With anything else beside it a body is an event.
///
/// # Errors
/// The challenge is too long, or empty.
pub fn json_challenge(body: &[u8]) -> Result<Option<Answer>, Rejection> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Challenge {
        challenge: String,
        #[serde(default, rename = "token")]
        _token: IgnoredAny,
        #[serde(default, rename = "type")]
        _kind: IgnoredAny,
        #[serde(default, rename = "subscription")]
        _subscription: IgnoredAny,
    }
    match serde_json::from_slice::<Challenge>(body) {
        Ok(found) => echo(found.challenge).map(Some),
        Err(_) => Ok(None),
    }
}

/// X's challenge-response check: base64 of HMAC-SHA256(consumer secret, token) (source: developer.x.com, "Securing webhooks").
///
/// X signs its deliveries in just this way, so whoever asks us to sign a token could have us sign a delivery. A token is
/// therefore no more than letters, digits and the signs of base64 and UUIDs, and a delivery a JSON object.
///
/// # Errors
/// It is no such token.
pub fn crc(token: &str, secret: &Secret) -> Result<Answer, Rejection> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+/.".contains(&byte);
    if !(1..=ECHO_MAX).contains(&token.len()) || !token.bytes().all(plain) {
        return Err(Rejection::Malformed(
            "expected a crc_token of letters, digits and -_=+/.".to_owned(),
        ));
    }
    let signature = hmac_sha256(secret.expose().as_bytes(), token.as_bytes());
    Ok(Answer::ResponseToken(format!(
        "sha256={}",
        STANDARD.encode(signature)
    )))
}

/// The abuse protection of CloudEvents (source: cloudevents/spec `http-webhook.md`): a sender asks before it delivers. Leave
/// is given to whoever asks, since what he delivers is verified all the same.
///
/// # Errors
/// There is no `WebHook-Request-Origin`: it is another `OPTIONS`.
pub fn web_hook_origin(headers: &HeaderMap) -> Result<Answer, Rejection> {
    let origin = headers.get("webhook-request-origin");
    let origin = origin.filter(|origin| (1..=ECHO_MAX).contains(&origin.len()));
    let rate = headers.get("webhook-request-rate");
    let rate = rate.and_then(|rate| rate.to_str().ok()?.trim().parse().ok());
    Ok(Answer::Allowed {
        origin: origin.ok_or(Rejection::Method)?.clone(),
        rate: rate.filter(|rate| *rate > 0),
    })
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vk_handshake: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        status: String,
        timestamp: String,
        topic_arn: String,
        token: String,
        url: String,
        signature: String,
    }

    #[test]
    fn both_official_vectors_reproduce_and_every_negative_one_differs() {
        let vectors: Vectors =
            serde_json::from_str(include_str!("../../tests/vectors/vectors.json")).unwrap();
        let official: Vec<_> = vectors
            .vk_handshake
            .iter()
            .filter(|v| v.status == "official")
            .map(|v| &v.signature)
            .collect();
        assert_eq!(official.len(), 2);
        for v in &vectors.vk_handshake {
            let challenge = VkChallenge {
                timestamp: v.timestamp.clone(),
                topic_arn: v.topic_arn.clone(),
                token: v.token.clone(),
            };
            assert_eq!(challenge.sign(&v.url), v.signature, "{}", v.name);
            assert_eq!(
                v.status == "official",
                official.contains(&&v.signature),
                "{}",
                v.name
            );
        }
    }

    #[test]
    fn a_url_has_many_spellings() {
        let found = spellings("http://Test.com:80/w/?a=b");
        assert_eq!(found[0], "http://Test.com:80/w/?a=b");
        for expected in [
            "https://Test.com/w/?a=b",
            "http://Test.com/w",
            "https://Test.com:443/w",
            "http://test.com/w/",
        ] {
            assert!(
                found.contains(&expected.to_owned()),
                "{expected}: {found:?}"
            );
        }
        let ported = spellings("http://127.0.0.1:8080/w");
        assert!(ported.contains(&"https://127.0.0.1:8080/w/".to_owned()));
        assert!(
            ported.iter().all(|url| !url.contains(":8080:")),
            "{ported:?}"
        );
        assert!(spellings("http://test.com").contains(&"http://test.com/".to_owned()));
        assert_eq!(spellings("nonsense"), ["nonsense"]);
    }

    #[test]
    fn a_topic_names_project_and_bucket() {
        let challenge = |topic: &str| VkChallenge {
            timestamp: String::new(),
            topic_arn: topic.into(),
            token: String::new(),
        };
        assert_eq!(
            challenge("mcs1|b|s3:ObjectCreated:*,s3:ObjectRemoved:*").project_and_bucket(),
            Some(("mcs1", "b"))
        );
        assert_eq!(
            challenge("mcs1|b").project_and_bucket(),
            Some(("mcs1", "b"))
        );
        assert_eq!(challenge("arn:aws:sns:x").project_and_bucket(), None);
        assert_eq!(challenge("|b|").project_and_bucket(), None);
    }
}
