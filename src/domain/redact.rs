//! What of a delivery is a secret, and so neither kept nor shown; and what is a signature, which is kept for a replay and not shown.

use super::signature::Secret;
use super::spelling;
use http::HeaderName;
use percent_encoding::percent_decode_str;

/// What stands in place of what was left out.
pub const LEFT_OUT: &str = "[left out]";

/// What the name of a header or of a parameter that carries a secret has in it, whatever it is joined with.
const SECRET: [&str; 15] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "apikey",
    "session",
    "passphrase",
    "bearer",
    "accesskey",
    "authkey",
    "privatekey",
    "sharedkey",
];
/// Words that make such a name only where they stand alone: between signs, or at an end.
const SECRET_WORDS: [&str; 9] = [
    "auth", "key", "pass", "pwd", "pw", "pin", "otp", "jwt", "sas",
];
/// Names that have such a word, and call a delivery by its name.
const NO_SECRET: [&str; 2] = ["idempotency-key", "x-event-key"];
/// Words in the name of a header that carries a signature.
const SIGNATURE: [&str; 3] = ["signature", "hmac", "digest"];
/// Names of parameters of a query that are no such words, and carry a secret all the same.
const SECRET_PARAMETERS: [&str; 3] = ["sig", "code", "hash"];
/// Shorter secrets are not looked for inside of values: they would be found in half of all words.
const FOUND_FROM: usize = 6;

fn has_any(name: &str, words: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    words.iter().any(|word| name.contains(word))
}

/// Whether a header, or a parameter, of this name carries a secret, whoever sends it.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let alone = words.any(|word| SECRET_WORDS.contains(&word));
    has_any(&name, &SECRET) || (alone && !NO_SECRET.contains(&name.as_str()))
}

/// Whether a header of this name carries a signature.
#[must_use]
pub fn is_signature(header: &str) -> bool {
    has_any(header, &SIGNATURE)
}

/// The secrets that are known of a delivery: its source's, and those that its URL has in it.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// Of the source; none where it is unknown.
    pub secrets: Vec<&'a Secret>,
    /// A header of the source's own choice that carries one.
    pub header: Option<&'a HeaderName>,
    /// Segments of the path, decoded, that are secrets or may be.
    pub segments: Vec<&'a str>,
    /// The last segment of the URL, after the source's name.
    pub url_key: Option<&'a str>,
}

impl Known<'_> {
    /// Whether a header may be kept.
    #[must_use]
    pub fn keeps(&self, name: &HeaderName, value: &[u8]) -> bool {
        !is_secret(name.as_str()) && self.header != Some(name) && !self.is_in(value)
    }

    pub(super) fn is_in(&self, value: &[u8]) -> bool {
        self.secrets.iter().any(|secret| {
            // As it is sent, which is without what it was pasted with.
            let secret = spelling::bare(secret.expose()).as_bytes();
            secret.len() >= FOUND_FROM && memchr::memmem::find(value, secret).is_some()
        })
    }

    /// A URL without what in it is, or may be, a secret: segments of the path, values of the query, user and password.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let (place, query) = match url.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (url, None),
        };
        let (scheme, rest) = place.split_once("://").unwrap_or(("", place));
        let mut segments = rest.split('/');
        let host = segments.next().unwrap_or_default();
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let segments = segments.map(|segment| {
            let decoded = percent_decode_str(segment).decode_utf8_lossy();
            let secret = self.segments.contains(&&*decoded) || self.is_in(decoded.as_bytes());
            if secret { LEFT_OUT } else { segment }
        });
        let mut shown = if scheme.is_empty() {
            host.to_owned()
        } else {
            format!("{scheme}://{host}")
        };
        for segment in segments {
            shown.push('/');
            shown.push_str(segment);
        }
        let parameters = query.map(|query| query.split('&').map(|pair| self.parameter(pair)));
        if let Some(parameters) = parameters {
            shown.push('?');
            shown.push_str(&parameters.collect::<Vec<_>>().join("&"));
        }
        shown
    }

    fn parameter(&self, pair: &str) -> String {
        let decoded = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text).decode_utf8_lossy().into_owned()
        };
        let Some((name, value)) = pair.split_once('=') else {
            // A token may stand alone.
            let secret = self.is_in(decoded(pair).as_bytes());
            return if secret { LEFT_OUT } else { pair }.to_owned();
        };
        let called = decoded(name).to_ascii_lowercase();
        let secret = is_secret(&called)
            || is_signature(&called)
            || SECRET_PARAMETERS.contains(&called.as_str())
            || self.is_in(decoded(value).as_bytes());
        format!("{name}={}", if secret { LEFT_OUT } else { value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_carry_secrets_and_signatures_are_known_by_name() {
        for name in [
            "authorization",
            "Proxy-Authorization",
            "cookie",
            "x-gitlab-token",
            "x-goog-channel-token",
            "x-api-key",
            "x-webhook-secret",
            "x-amz-security-token",
            "cf-webhook-auth",
            "aeg-sas-key",
            "x-amz-firehose-access-key",
            "x-functions-key",
            "x-auth",
            "api_key",
            "access_key",
            "cb-access-passphrase",
            "x-bearer",
            "accesskey",
            "authkey",
            "privatekey",
            "x-otp",
            "pw",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "x-hub-signature-256",
            "stripe-signature",
            "webhook-signature",
            "x-shopify-hmac-sha256",
            "x-intdash-signature-256",
        ] {
            assert!(is_signature(name) && !is_secret(name), "{name}");
        }
        for name in [
            "content-type",
            "x-github-delivery",
            "x-event-key",
            "idempotency-key",
            "user-agent",
            "webhook-id",
            "x-author",
            "keyword",
            "pinned",
            "x-shopify-topic",
        ] {
            assert!(!is_secret(name) && !is_signature(name), "{name}");
        }
    }

    #[test]
    fn a_header_that_has_a_secret_of_the_source_in_it_is_not_kept_whatever_its_name() {
        let (secret, short) = (Secret::new("hunter2!"), Secret::new("abc"));
        let own = HeaderName::from_static("x-own");
        let known = Known {
            secrets: vec![&secret, &short],
            header: Some(&own),
            segments: Vec::new(),
            url_key: None,
        };
        let name = |name: &'static str| HeaderName::from_static(name);
        assert!(!known.keeps(&name("x-a"), b"is hunter2! here"));
        assert!(!known.keeps(&own, b"anything"));
        assert!(known.keeps(&name("x-a"), b"abc"));
    }

    #[test]
    fn a_url_is_kept_without_its_secrets() {
        let secret = Secret::new("hunter2!");
        let known = Known {
            secrets: vec![&secret],
            header: None,
            segments: vec!["k e y"],
            url_key: None,
        };
        for (url, kept) in [
            (
                "https://x/hooks/vk/k%20e%20y",
                "https://x/hooks/vk/[left out]",
            ),
            ("https://x/hooks/vk", "https://x/hooks/vk"),
            (
                "https://u:p@x:8/a?b=1&access_token=t&c=",
                "https://x:8/a?b=1&access_token=[left out]&c=",
            ),
            (
                "https://x/a?b=hunter2%21&hub.mode=subscribe&hub.verify_token=z",
                "https://x/a?b=[left out]&hub.mode=subscribe&hub.verify_token=[left out]",
            ),
            (
                "https://x/hunter2%21?hunter2!&api_key=1&X-Amz-Signature=0",
                "https://x/[left out]?[left out]&api_key=[left out]&X-Amz-Signature=[left out]",
            ),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(known.url(url), kept);
        }
    }
}
