//! A session of the inbox: what a browser is given for the token, so that it need not keep the token itself.
//!
//! Nothing is stored for it. Its value says until when it counts, and a key made of the token vouches for that: whoever
//! changes the token ends all sessions.

use super::signature::{Algorithm, Secret, any_verifies, hmac_sha256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::HashSet;
use std::fmt;

/// A shorter token, in characters, opens nothing: it could be guessed.
pub const TOKEN_MIN: usize = 16;
/// How long a session lasts, in seconds.
pub const SESSION_LASTS: u64 = 12 * 60 * 60;

/// A token with fewer bits, roughly counted, could be guessed.
const BITS_MIN: f64 = 56.0;

/// No session's value is longer, in bytes.
const VALUE_MAX: usize = 80;
/// The form of the value, and a part of what the key vouches for.
const VERSION: &str = "1";

/// Whether a token could be guessed: it is short, has few different characters, or goes on as it began (`abcd…`, `1111…`, a word
/// twice). A word list is not asked.
#[must_use]
pub fn is_guessable(token: &Secret) -> bool {
    let token: Vec<char> = token.expose().chars().collect();
    let near = |a: char, b: char| u32::from(a).abs_diff(u32::from(b)) <= 1;
    let goes_on = token.windows(2).filter(|two| near(two[0], two[1])).count();
    let half = token.len() / 2;
    // The shortest part that all of it repeats.
    let repeats = (1..=half).find(|part| token.iter().zip(&token[*part..]).all(|(a, b)| a == b));
    let told = repeats.unwrap_or(token.len()).saturating_sub(goes_on);
    let different = token.iter().collect::<HashSet<_>>().len();
    let count = |number: usize| u32::try_from(number).map_or(f64::INFINITY, f64::from);
    token.len() < TOKEN_MIN || count(told) * count(different.max(1)).log2() < BITS_MIN
}

/// The key that vouches for sessions. It prints as `[redacted]`.
#[derive(Clone)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// Made of the inbox's token; none of one that is too short.
    #[must_use]
    pub fn of(token: &Secret) -> Option<Self> {
        let long = token.expose().chars().nth(TOKEN_MIN - 1).is_some();
        long.then(|| Self(hmac_sha256(token.expose().as_bytes(), b"hookwork session")))
    }

    /// The value of a session that begins now, in seconds since 1970: `1.<when it ends>.<HMAC-SHA256, base64url>`.
    #[must_use]
    pub fn issue(&self, now: u64) -> String {
        let vouched = format!("{VERSION}.{}", now.saturating_add(SESSION_LASTS));
        let mac = hmac_sha256(&self.0, vouched.as_bytes());
        format!("{vouched}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// Whether this is a session's value that still counts. The time it takes tells nothing of the right one.
    #[must_use]
    pub fn accepts(&self, value: &str, now: u64) -> bool {
        let ends = || {
            let (vouched, mac) = value.rsplit_once('.')?;
            let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
            let ends: u64 = vouched
                .strip_prefix(VERSION)?
                .strip_prefix('.')?
                .parse()
                .ok()?;
            let pieces = [vouched.as_bytes()];
            any_verifies(Algorithm::Sha256, &[&self.0[..]], &pieces, &[mac]).then_some(ends)
        };
        value.len() <= VALUE_MAX && ends().is_some_and(|ends| now < ends)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_700_000_000;

    fn key(token: &str) -> SessionKey {
        SessionKey::of(&Secret::new(token)).unwrap()
    }

    #[test]
    fn lasts_twelve_hours_and_no_longer() {
        let key = key("a-token-of-16-chars");
        let value = key.issue(NOW);
        assert!(key.accepts(&value, NOW));
        assert!(key.accepts(&value, NOW + SESSION_LASTS - 1));
        assert!(!key.accepts(&value, NOW + SESSION_LASTS));
        assert!(!key.accepts(&value, u64::MAX));
    }

    #[test]
    fn another_token_ends_it() {
        let value = key("the-token-of-monday").issue(NOW);
        assert!(!key("the-token-of-tuesday").accepts(&value, NOW));
    }

    #[test]
    fn a_short_token_opens_nothing() {
        assert!(SessionKey::of(&Secret::new(&"x".repeat(TOKEN_MIN - 1))).is_none());
        assert!(SessionKey::of(&Secret::new(&"é".repeat(TOKEN_MIN - 1))).is_none());
        assert!(SessionKey::of(&Secret::new(&"x".repeat(TOKEN_MIN))).is_some());
        assert_eq!(format!("{:?}", key("hunter2hunter2hunter2")), "[redacted]");
    }

    #[test]
    fn a_token_that_could_be_guessed_is_known() {
        for weak in [
            "",
            "hunter2",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz",
            "0123456789abcdef",
            "passwordpassword",
            "abc123abc123abc123abc123",
            "0101101010010101010111010",
        ] {
            assert!(is_guessable(&Secret::new(weak)), "{weak}");
        }
        for strong in [
            "Zq81-inbox-token-of-tests",
            "h7Jm2QxT9vLr4WcZ",
            "9f86d081884c7d659a2feaa0c55ad015",
            "correct horse battery staple",
            "ключ-от-входящих-7713",
        ] {
            assert!(!is_guessable(&Secret::new(strong)), "{strong}");
        }
    }

    #[test]
    fn what_is_no_session_is_refused() {
        let key = key("a-token-of-16-chars");
        let value = key.issue(NOW);
        let mac = value.rsplit('.').next().unwrap();
        for wrong in [
            "",
            ".",
            "..",
            "1..",
            "1.1.",
            mac,
            &value[1..],
            &value[..value.len() - 1],
            &format!("2{}", &value[1..]),
            &format!("1.9999999999.{mac}"),
            &format!("1.+{}", &value[2..]),
            &format!("{value}="),
            &format!(" {value}"),
            &format!("{value}{}", "A".repeat(100_000)),
        ] {
            assert!(
                !key.accepts(wrong, NOW),
                "{}",
                &wrong[..wrong.len().min(90)]
            );
        }
    }

    proptest! {
        #[test]
        fn a_changed_character_makes_it_another(at in 0usize..56, with in "[A-Za-z0-9._-]") {
            let key = key("a-token-of-16-chars");
            let value = key.issue(NOW);
            let mut changed = value.clone();
            changed.replace_range(at..=at, &with);
            prop_assert_eq!(key.accepts(&changed, NOW), changed == value);
        }

        #[test]
        fn whatever_comes_is_read_or_refused(value in ".{0,120}") {
            prop_assert!(!key("a-token-of-16-chars").accepts(&value, NOW));
        }
    }
}
