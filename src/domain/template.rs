//! How a sender signs, in words: which header has the signature, how it is spelled, and what is signed. Every HMAC scheme of
//! the known senders is such a template (`domain::scheme`), and so is whatever an operator writes into the settings.

#[cfg(feature = "dev")]
mod signing;

use super::delivery::Delivery;
use super::signature::{Algorithm, Secret, any_verifies};
use super::spelling;
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;

/// The most signatures of one delivery that are tried. Senders send one for each live secret.
const SIGNATURES_MAX: usize = 16;
/// How far a sender's clock may be off, in seconds, where the template does not say.
const TOLERANCE: u64 = 300;

/// An HMAC over the body, and perhaps over a time and an id, in a header.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The header that has the signature.
    #[serde(with = "header_name")]
    pub header: HeaderName,
    /// What stands between several signatures in it.
    separator: Option<char>,
    /// What a signature begins with, such as `sha256=`. What begins otherwise is none.
    #[serde(default)]
    prefix: String,
    encoding: Encoding,
    #[serde(default)]
    algorithm: Algorithm,
    /// What is signed: text with `{body}`, `{timestamp}` and `{id}`.
    #[serde(default)]
    signed: Signed,
    /// What the key is of a secret.
    #[serde(default)]
    key: Key,
    /// What a secret begins with that is no part of the key, such as `whsec_`.
    #[serde(default)]
    key_prefix: String,
    /// The header that has the time of signing, in seconds since 1970.
    #[serde(default, with = "maybe_header_name")]
    timestamp_header: Option<HeaderName>,
    /// What the time begins with, where it is one of several values in that header, such as `t=`.
    #[serde(default)]
    timestamp_prefix: String,
    /// How far that time may be from ours, in seconds, before or after; by default 300.
    tolerance: Option<u64>,
    /// The header that has the delivery's id.
    #[serde(default, with = "maybe_header_name")]
    pub id_header: Option<HeaderName>,
    /// The field of the body that has the id, as a JSON pointer such as `/id`.
    pub id_field: Option<String>,
    /// The header that has the event's type.
    #[serde(default, with = "maybe_header_name")]
    pub event_header: Option<HeaderName>,
    /// The field of the body that has the event's type, as a JSON pointer such as `/type`.
    pub event_field: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Hex,
    Base64,
    Base64url,
}

/// What the key is of a secret.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Key {
    /// The secret's own bytes.
    #[default]
    Raw,
    /// What it is the base64 of.
    Base64,
}

/// What is signed, piece by piece.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
struct Signed(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Body,
    Timestamp,
    Id,
}

impl Default for Signed {
    fn default() -> Self {
        Self(vec![Piece::Body])
    }
}

impl TryFrom<String> for Signed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some(start) = rest.find('{') {
            if start > 0 {
                pieces.push(Piece::Text(rest[..start].to_owned()));
            }
            let (piece, left) = [
                ("{body}", Piece::Body),
                ("{timestamp}", Piece::Timestamp),
                ("{id}", Piece::Id),
            ]
            .into_iter()
            .find_map(|(name, piece)| Some((piece, rest[start..].strip_prefix(name)?)))
            .ok_or_else(|| {
                format!("signed: expected text with {{body}}, {{timestamp}} and {{id}}, found \"{text}\"")
            })?;
            pieces.push(piece);
            rest = left;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }
}

/// Lenient about padding and nothing else.
const FORGIVING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, FORGIVING);

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let pair =
                    |pair: &[u8]| u8::try_from(digit(&pair[0])? * 16 + digit(&pair[1])?).ok();
                let pairs = text.as_bytes().chunks_exact(2);
                pairs.remainder().is_empty().then_some(())?;
                pairs.map(pair).collect()
            }
            Self::Base64 => general_purpose::STANDARD.decode(text).ok(),
            Self::Base64url => BASE64URL.decode(text).ok(),
        }
    }
}

impl Template {
    /// Whether a live secret has signed this delivery, not too long ago. Every secret is tried with every signature, so that
    /// the time does not tell which one matched.
    #[must_use]
    pub fn verifies(&self, delivery: &Delivery, secrets: &[Secret]) -> bool {
        let timestamp = self.timestamp(delivery);
        let id = self.id_header.as_ref();
        let id = id.and_then(|header| delivery.headers.get(header));
        let mut pieces: Vec<&[u8]> = Vec::new();
        for piece in &self.signed.0 {
            pieces.push(match (piece, timestamp, id) {
                (Piece::Text(text), ..) => text.as_bytes(),
                (Piece::Body, ..) => &delivery.body,
                (Piece::Timestamp, Some(timestamp), _) => timestamp.as_bytes(),
                (Piece::Id, _, Some(id)) => id.as_bytes(),
                _ => return false,
            });
        }
        if self.timestamp_header.is_some()
            && !timestamp.is_some_and(|text| self.is_fresh(text, delivery.received))
        {
            return false;
        }
        let claimed: Vec<_> = self
            .values(&delivery.headers, &self.header, &self.prefix)
            .filter_map(|text| self.encoding.decode(text))
            .take(SIGNATURES_MAX)
            .collect();
        let keys: Vec<_> = secrets
            .iter()
            .flat_map(|secret| self.keys(secret).unwrap_or_default())
            .collect();
        any_verifies(self.algorithm, &keys, &pieces, &claimed)
    }

    /// Whether the id is among what is signed, so that nobody but the sender can have made it up.
    #[must_use]
    pub fn signs_id(&self) -> bool {
        self.id_header.is_none() || self.signed.0.contains(&Piece::Id)
    }

    /// The keys that this secret may stand for, in the spellings in which people paste one. Never the empty one, with which
    /// anybody could sign.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn keys(&self, secret: &Secret) -> Result<Vec<Vec<u8>>, String> {
        let text = secret.expose();
        if self.key == Key::Base64 {
            return spelling::keys(text, &self.key_prefix);
        }
        let readings = spelling::plain(text);
        let keys = readings.map(|text| text.strip_prefix(&self.key_prefix).unwrap_or(text));
        let mut keys: Vec<_> = keys.map(|key| key.as_bytes().to_vec()).collect();
        keys.retain(|key| !key.is_empty());
        if keys.is_empty() {
            Err("has nothing after its prefix".to_owned())
        } else {
            Ok(keys)
        }
    }

    /// What of a secret's form is expected, where it has one.
    #[must_use]
    pub fn wants(&self) -> &'static str {
        match self.key {
            Key::Base64 => "secrets in base64 (the signing secrets)",
            Key::Raw => "secrets of more than their prefix (the signing secrets)",
        }
    }

    /// The values in a header that begin with this prefix, without it.
    fn values<'a>(
        &'a self,
        headers: &'a HeaderMap,
        name: &HeaderName,
        prefix: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let whole = headers.get(name).and_then(|value| value.to_str().ok());
        whole.into_iter().flat_map(move |whole| {
            let parts: Vec<&str> = match self.separator {
                Some(separator) => whole.split(separator).map(str::trim).collect(),
                None => vec![whole],
            };
            parts
                .into_iter()
                .filter_map(move |part| part.strip_prefix(prefix))
        })
    }

    fn timestamp<'a>(&'a self, delivery: &'a Delivery) -> Option<&'a str> {
        let header = self.timestamp_header.as_ref()?;
        self.values(&delivery.headers, header, &self.timestamp_prefix)
            .next()
    }

    fn is_fresh(&self, timestamp: &str, received: u64) -> bool {
        let plain = timestamp.bytes().all(|byte| byte.is_ascii_digit());
        plain
            && timestamp.parse::<u64>().is_ok_and(|signed| {
                signed.abs_diff(received) <= self.tolerance.unwrap_or(TOLERANCE)
            })
    }

    /// What cannot be meant, a sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let signs = |piece| self.signed.0.contains(&piece);
        if !signs(Piece::Body) {
            problems
                .push("signed: expected {body} in it: nothing else proves what arrived".to_owned());
        }
        if signs(Piece::Timestamp) != self.timestamp_header.is_some() {
            problems.push(
                "timestamp_header and {timestamp} in signed go together: a time that is not signed proves nothing".to_owned(),
            );
        }
        if signs(Piece::Id) && self.id_header.is_none() {
            problems.push("signed has {id}: id_header must say where it is".to_owned());
        }
        let timed = self.tolerance.is_some() || !self.timestamp_prefix.is_empty();
        if timed && self.timestamp_header.is_none() {
            problems.push("tolerance and timestamp_prefix want a timestamp_header: without one no time is looked at".to_owned());
        }
        for (what, twice) in [
            ("id", self.id_header.is_some() && self.id_field.is_some()),
            (
                "event",
                self.event_header.is_some() && self.event_field.is_some(),
            ),
        ] {
            if twice {
                problems.push(format!(
                    "{what}_header and {what}_field: expected one of them"
                ));
            }
        }
        for (name, pointer) in [
            ("id_field", &self.id_field),
            ("event_field", &self.event_field),
        ] {
            if pointer.as_ref().is_some_and(|text| !text.starts_with('/')) {
                problems.push(format!("{name}: expected a JSON pointer such as /type"));
            }
        }
        problems
    }
}

mod header_name {
    use http::HeaderName;
    use serde::{Deserialize, Deserializer, de::Error};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<HeaderName, D::Error> {
        let name = String::deserialize(from)?;
        name.parse()
            .map_err(|_| Error::custom(format!("expected the name of a header, found \"{name}\"")))
    }
}

mod maybe_header_name {
    use http::HeaderName;
    use serde::Deserializer;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<HeaderName>, D::Error> {
        super::header_name::deserialize(from).map(Some)
    }
}

#[cfg(test)]
mod tests;
