//! A body as text: bytes that are no UTF-8 have a stand-in, so that the records beside them can be read.

use super::wire::Told;
use crate::domain::delivery::Rejection;
use std::borrow::Cow;

/// Characters that are tried as a stand-in: a body that has them all was made to have them.
const STAND_INS: usize = 16;

/// A body as text. One byte that is no UTF-8 must not hide the records beside it.
pub(super) struct Text<'a> {
    pub(super) text: Cow<'a, str>,
    /// What stands in the place of bytes that are no UTF-8, and nowhere else.
    stand_in: Option<char>,
}

impl<'a> Text<'a> {
    pub(super) fn of(body: &'a [u8]) -> Result<Self, Rejection> {
        if let Ok(text) = std::str::from_utf8(body) {
            return Ok(Self {
                text: Cow::Borrowed(text),
                stand_in: None,
            });
        }
        let lossy = String::from_utf8_lossy(body).to_ascii_lowercase();
        let unused = |character: &char| {
            let mut units = [0; 2];
            let escape = character.encode_utf16(&mut units).iter();
            let escape: String = escape.map(|unit| format!("\\u{unit:04x}")).collect();
            !lossy.contains(*character) && !lossy.contains(&escape)
        };
        let Some(stand_in) = ('\u{10ff00}'..='\u{10fffd}')
            .rev()
            .take(STAND_INS)
            .find(unused)
        else {
            return Err(Rejection::Malformed("expected UTF-8".to_owned()));
        };
        let mut text = String::with_capacity(body.len() + 64);
        for chunk in body.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                text.push(stand_in);
            }
        }
        Ok(Self {
            text: Cow::Owned(text),
            stand_in: Some(stand_in),
        })
    }

    /// Whether what a record says of bucket and key was UTF-8.
    pub(super) fn was_readable(&self, told: &Told) -> bool {
        self.stand_in.is_none_or(|stand_in| {
            let project = told.project.as_deref().unwrap_or_default();
            let names = [&told.bucket, &told.key, project];
            !names.iter().any(|name| name.contains(stand_in))
        })
    }
}
