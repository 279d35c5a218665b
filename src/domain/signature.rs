//! Secrets and HMACs over raw bytes. Every comparison takes the same time whatever it compares.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};
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

/// HMAC-SHA256 (RFC 2104) of `message` under `key`.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    mac::<Hmac<Sha256>>(key, &[message])
        .finalize()
        .into_bytes()
        .into()
}

fn mac<M: Mac + KeyInit>(key: &[u8], pieces: &[&[u8]]) -> M {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    pieces.iter().for_each(|piece| mac.update(piece));
    mac
}

/// The hash of an HMAC.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Of 32 bytes.
    #[default]
    Sha256,
    /// Of 64 bytes.
    Sha512,
}

/// Whether `claimed` is the HMAC-SHA256 of `message` under any of the live secrets. All of them are tried, so that the
/// time does not tell which one matched.
#[must_use]
pub fn verify(secrets: &[Secret], message: &[u8], claimed: &[u8]) -> bool {
    let keys: Vec<_> = secrets.iter().map(|secret| secret.0.as_bytes()).collect();
    any_verifies(Algorithm::Sha256, &keys, &[message], &[claimed])
}

/// Whether any of the claimed signatures is the HMAC of the pieces, one after the other, under any of the keys. All are tried.
#[must_use]
pub fn any_verifies(
    algorithm: Algorithm,
    keys: &[impl AsRef<[u8]>],
    pieces: &[&[u8]],
    claimed: &[impl AsRef<[u8]>],
) -> bool {
    fn tried<M: Mac + KeyInit + Clone>(
        key: &[u8],
        pieces: &[&[u8]],
        claimed: &[impl AsRef<[u8]>],
    ) -> bool {
        let mac = mac::<M>(key, pieces);
        // Length is no secret; the bytes are compared in constant time.
        let verified = |claimed: &_| mac.clone().verify_slice(AsRef::as_ref(claimed)).is_ok();
        claimed
            .iter()
            .map(verified)
            .fold(false, |any, one| any | one)
    }
    keys.iter()
        .map(|key| match algorithm {
            Algorithm::Sha256 => tried::<Hmac<Sha256>>(key.as_ref(), pieces, claimed),
            Algorithm::Sha512 => tried::<Hmac<Sha512>>(key.as_ref(), pieces, claimed),
        })
        .fold(false, |any, one| any | one)
}

/// The HMAC of the pieces, one after the other.
#[cfg(feature = "dev")]
#[must_use]
pub fn hmac(algorithm: Algorithm, key: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    fn made<M: Mac + KeyInit>(key: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
        mac::<M>(key, pieces).finalize().into_bytes().to_vec()
    }
    match algorithm {
        Algorithm::Sha256 => made::<Hmac<Sha256>>(key, pieces),
        Algorithm::Sha512 => made::<Hmac<Sha512>>(key, pieces),
    }
}

/// SHA-256 of the pieces, one after the other.
#[must_use]
pub fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    pieces.iter().for_each(|piece| hash.update(piece));
    hash.finalize().into()
}

/// Whether `claimed` is any of the secrets; all are tried.
#[must_use]
pub fn is_any(secrets: &[Secret], claimed: &str) -> bool {
    secrets
        .iter()
        .map(|secret| secret.is(claimed))
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
