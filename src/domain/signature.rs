//! Secrets and HMAC-SHA256 over raw bytes. Every comparison takes the same time whatever it compares.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// A sender's key or token. It prints as `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Trims trailing CR and LF, which `echo secret > file` leaves behind and no sender signs with.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The bytes that sign. Only for a signature or the header that carries the token.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `claimed` is this secret, without telling by time how much of it is right, nor how long this one is.
    #[must_use]
    pub fn is(&self, claimed: &str) -> bool {
        let fixed = |text: &str| hmac_sha256(b"compare", text.as_bytes());
        fixed(&self.0).ct_eq(&fixed(claimed)).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn mac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac
}

/// HMAC-SHA256 (RFC 2104) of `message` under `key`.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    mac(key, message).finalize().into_bytes().into()
}

/// Whether `claimed` is the HMAC-SHA256 of `message` under any of the live secrets. All of them are tried, so that the
/// time does not tell which one matched.
#[must_use]
pub fn verify(secrets: &[Secret], message: &[u8], claimed: &[u8]) -> bool {
    secrets
        .iter()
        .map(|secret| {
            mac(secret.0.as_bytes(), message)
                .verify_slice(claimed)
                .is_ok()
        })
        .fold(false, |any, one| any | one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prints_redacted() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
    }

    #[test]
    fn trims_the_newline_that_echo_leaves() {
        assert_eq!(Secret::new("abc\r\n").expose(), "abc");
        assert_eq!(Secret::new(" abc ").expose(), " abc ");
    }

    #[test]
    fn any_live_secret_verifies() {
        let live = [Secret::new("new"), Secret::new("old")];
        assert!(verify(&live, b"body", &hmac_sha256(b"old", b"body")));
        assert!(verify(&live, b"body", &hmac_sha256(b"new", b"body")));
        assert!(!verify(&live, b"body", &hmac_sha256(b"other", b"body")));
        assert!(!verify(&[], b"body", &hmac_sha256(b"", b"body")));
    }

    proptest! {
        #[test]
        fn refuses_any_flipped_bit(body in proptest::collection::vec(any::<u8>(), 1..200), bit in 0usize..1600, secret in "[a-z]{1,40}") {
            let secrets = [Secret::new(&secret)];
            let signature = hmac_sha256(secret.as_bytes(), &body);
            prop_assert!(verify(&secrets, &body, &signature));
            let mut changed = body.clone();
            let bit = bit % (body.len() * 8);
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify(&secrets, &changed, &signature));
            prop_assert!(!verify(&secrets, &body, &signature[..31]));
        }

        #[test]
        fn a_secret_is_only_itself(a in ".{0,40}", b in ".{0,40}") {
            prop_assert_eq!(Secret::new(&a).is(&b), a.trim_end_matches(['\r', '\n']) == b);
        }
    }
}
