//! A delivery as a sender with this template would sign it.

use super::{Encoding, Key, Piece, Template};
use crate::domain::handshake::hex;
use crate::domain::signature::{Secret, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

impl Template {
    /// The headers that prove this body; none where the secret is not in the template's form.
    pub(in crate::domain) fn sign(
        &self,
        body: &[u8],
        secret: &Secret,
        id: &str,
        now: u64,
    ) -> Option<Vec<(String, String)>> {
        // Of one that has no prefix it is not known whether it is a token.
        let prefixed = self.key == Key::Raw || secret.expose().contains(&self.key_prefix);
        let keys = self.keys(secret).ok().filter(|_| prefixed)?;
        let key = keys.first()?;
        let time = now.to_string();
        let pieces = self.signed.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_bytes(),
            Piece::Body => body,
            Piece::Timestamp => time.as_bytes(),
            Piece::Id => id.as_bytes(),
        });
        let signature = hmac(self.algorithm, key, &pieces.collect::<Vec<_>>());
        let signature = match self.encoding {
            Encoding::Hex => hex(&signature),
            Encoding::Base64 => STANDARD.encode(signature),
            Encoding::Base64url => URL_SAFE.encode(signature),
        };
        let mut headers = vec![(
            self.header.to_string(),
            format!("{}{signature}", self.prefix),
        )];
        if let Some(header) = &self.timestamp_header {
            let time = format!("{}{time}", self.timestamp_prefix);
            match (header == self.header, self.separator) {
                (true, separator) => {
                    let separator = separator.map(String::from).unwrap_or_default();
                    headers[0].1 = format!("{time}{separator}{}", headers[0].1);
                }
                (false, _) => headers.push((header.to_string(), time)),
            }
        }
        let id = self
            .id_header
            .as_ref()
            .map(|name| (name.to_string(), id.to_owned()));
        headers.extend(id);
        Some(headers)
    }
}
