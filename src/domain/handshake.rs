//! Challenges with which a sender makes sure that it may talk to us, and our answers. Pure and without any store.
//!
//! VK Cloud (source: VK's `_s3_api_webhooks.md` and mailru/hit-doc `signatures.go`; both published vectors are tests):
//!
//! ```text
//! k1 = HMAC-SHA256(key = Token,    message = Timestamp)   raw bytes
//! k2 = HMAC-SHA256(key = k1,       message = TopicArn)    raw bytes
//! signature = lower-case hex of HMAC-SHA256(key = k2, message = Url)
//! ```

use super::signature::hmac_sha256;
use serde::Deserialize;

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
    let slashless = path.trim_end_matches('/');
    let slashed = format!("{slashless}/");
    let mut found = vec![url.to_owned()];
    for query in [query.map(|query| format!("?{query}")), None] {
        let query = query.unwrap_or_default();
        for scheme in ["https", "http"] {
            let own_port = if scheme == "https" { "443" } else { "80" };
            let with_port = format!("{bare}:{own_port}");
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

/// What we answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `{"signature":"<64 lower-case hex>"}` as application/json.
    Signature(String),
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
