//! An endpoint of one's own ("Get my webhook"): a URL that takes whatever is posted to it with its token, for a time.

use super::signature::sha256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// The longest name, in characters.
const NAME_MAX: usize = 60;
/// The longest life, in days.
const DAYS_MAX: u64 = 90;
const DAY: u64 = 24 * 60 * 60;
/// So long is what an endpoint is called by.
const ID_LENGTH: usize = 16;
/// Letters and digits that nobody takes for each other: 32, so that five random bits make one.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// What the sources are called that are endpoints.
const PREFIX: &str = "in/";

/// What an endpoint is called by: sixteen letters and digits, which are no secret but cannot be guessed either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointId(String);

impl EndpointId {
    /// Of random bytes.
    #[must_use]
    pub fn of(random: [u8; ID_LENGTH]) -> Self {
        let letter = |byte| char::from(LETTERS[usize::from(byte & 31)]);
        Self(random.into_iter().map(letter).collect())
    }

    /// Reads one; none of anything that could not be one, so that nothing is asked for it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        (text.len() == ID_LENGTH && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// What its deliveries say that they are of: no source in the settings can be called so.
    #[must_use]
    pub fn source(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// The reverse of [`Self::source`].
    #[must_use]
    pub fn of_source(source: &str) -> Option<Self> {
        Self::parse(source.strip_prefix(PREFIX)?)
    }

    /// Where its definition is in the state bucket.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{FOLDER}{}.json", self.0)
    }

    /// The reverse of [`Self::place`], of a name inside of the folder.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        Self::parse(name.strip_suffix(".json")?)
    }
}

/// The folder of all definitions in the state bucket.
pub const FOLDER: &str = "endpoints/";

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an endpoint is. Of its token only a hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// In its owner's words.
    pub name: String,
    token_hash: [u8; 32],
    /// Seconds since 1970.
    pub created: u64,
    /// From then on it takes nothing any more; seconds since 1970.
    pub expires: u64,
    /// Whether what it takes is published as well.
    pub forward: bool,
}

/// The file. What was ever written is read until it expires.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    name: String,
    /// SHA-256, in base64url: a token is 32 random bytes, which no slow hash would make safer.
    token_hash: String,
    created: u64,
    expires: u64,
    forward: bool,
}

impl Endpoint {
    /// A new one, made at `now` in seconds since 1970.
    ///
    /// # Errors
    /// A sentence: its name or its life is not what an endpoint may have.
    pub fn new(
        name: &str,
        token: &str,
        now: u64,
        days: u64,
        forward: bool,
    ) -> Result<Self, &'static str> {
        let name = name.trim();
        let odd = name.chars().any(char::is_control);
        if name.is_empty() || odd || name.chars().count() > NAME_MAX {
            return Err("name: expected 1 to 60 characters, none of them a control character");
        }
        if !(1..=DAYS_MAX).contains(&days) {
            return Err("days: expected 1 to 90");
        }
        Ok(Self {
            name: name.to_owned(),
            token_hash: hash(token),
            created: now,
            expires: now + days * DAY,
            forward,
        })
    }

    /// Whether this is its token; the time it takes does not tell how much of it is right.
    #[must_use]
    pub fn opens_with(&self, token: &str) -> bool {
        self.token_hash.ct_eq(&hash(token)).into()
    }

    /// Whether it takes nothing any more at `now`, in seconds since 1970.
    #[must_use]
    pub fn has_expired(&self, now: u64) -> bool {
        now >= self.expires
    }

    /// As it is kept.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let wire = Wire {
            version: 1,
            name: self.name.clone(),
            token_hash: URL_SAFE_NO_PAD.encode(self.token_hash),
            created: self.created,
            expires: self.expires,
            forward: self.forward,
        };
        serde_json::to_vec(&wire).expect("strings and numbers")
    }

    /// Reads what [`Self::to_json`] wrote; none of anything else.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(json).ok()?;
        let token_hash = URL_SAFE_NO_PAD.decode(wire.token_hash).ok()?;
        let endpoint = Self {
            name: wire.name,
            token_hash: token_hash.try_into().ok()?,
            created: wire.created,
            expires: wire.expires,
            forward: wire.forward,
        };
        (wire.version == 1).then_some(endpoint)
    }
}

/// A token of random bytes.
#[must_use]
pub fn token_of(random: [u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

fn hash(token: &str) -> [u8; 32] {
    sha256(&[token.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn endpoint() -> Endpoint {
        Endpoint::new(" try stripe ", "hunter2", NOW, 7, true).unwrap()
    }

    /// What was kept by a version of this program is read by every later one.
    #[test]
    fn reads_the_first_version() {
        let golden = br#"{"version":1,"name":"try stripe","token_hash":"9S-9MrKzuG_4jvbEkGKChfSCrxXdyylUH5S89Saj9sc","created":1700000000,"expires":1700604800,"forward":true}"#;
        let endpoint = endpoint();
        let written = String::from_utf8(endpoint.to_json()).unwrap();
        assert!(!written.contains("hunter2"));
        assert_eq!(written.as_bytes(), golden);
        assert_eq!(Endpoint::from_json(golden), Some(endpoint));
        for other in [&b"{}"[..], b"", &golden[1..], br#"{"version":2}"#] {
            assert!(Endpoint::from_json(other).is_none());
        }
        let later = String::from_utf8_lossy(golden).replace("\"version\":1", "\"version\":2");
        assert!(Endpoint::from_json(later.as_bytes()).is_none());
    }

    #[test]
    fn opens_with_its_token_alone_until_it_expires() {
        let endpoint = endpoint();
        assert!(endpoint.opens_with("hunter2"));
        for wrong in ["", "hunter", "hunter22", "HUNTER2"] {
            assert!(!endpoint.opens_with(wrong));
        }
        assert!(!endpoint.has_expired(NOW + 7 * DAY - 1));
        assert!(endpoint.has_expired(NOW + 7 * DAY));
    }

    #[test]
    fn a_name_and_a_life_have_bounds() {
        let made = |name: &str, days| Endpoint::new(name, "t", NOW, days, false).is_ok();
        assert!(made("x", 1) && made(&"é".repeat(60), 90));
        for name in ["", "  ", "a\nb", "a\u{7f}", &"x".repeat(61)] {
            assert!(!made(name, 1), "{name:?}");
        }
        assert!(!made("x", 0) && !made("x", 91) && !made("x", u64::MAX));
    }

    #[test]
    fn an_id_is_sixteen_letters_and_digits() {
        let id = EndpointId::of(std::array::from_fn(|index| {
            u8::try_from(index * 16).unwrap()
        }));
        assert_eq!(EndpointId::parse(&id.to_string()), Some(id.clone()));
        assert_eq!(id.place(), format!("endpoints/{id}.json"));
        assert_eq!(id.source(), format!("in/{id}"));
        assert_eq!(EndpointId::of_file(&format!("{id}.json")), Some(id));
        for other in [
            "",
            "abc",
            "ABCDEFGHIJKLMNOP",
            "../../../../../a",
            "aaaaaaaaaaaaaaa\u{e9}",
        ] {
            assert_eq!(EndpointId::parse(other), None, "{other}");
        }
        assert_eq!(token_of([255; 32]).len(), 43);
    }
}
