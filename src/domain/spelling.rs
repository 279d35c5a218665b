//! Secrets as people paste them: with what a dashboard, a shell or a file puts around them. No problem quotes a value.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use percent_encoding::percent_decode_str;

/// Lenient about padding and nothing else.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Quotes, where a secret begins and ends with them.
const QUOTES: [(char, char); 6] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('\u{201c}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{ab}', '\u{bb}'),
];

/// What Standard Webhooks' keys of another kind begin with: they sign with Ed25519.
const ASYMMETRIC: [&str; 2] = ["whpk_", "whsk_"];

/// A text without the white space and the quotes around it, and without the signs that cannot be seen.
#[must_use]
pub fn bare(text: &str) -> &str {
    let unseen = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}');
    let mut bare = text.trim_matches(unseen);
    while let Some(inner) = QUOTES.iter().find_map(|(begin, end)| {
        let inner = bare.strip_prefix(*begin)?;
        inner.strip_suffix(*end)
    }) {
        bare = inner.trim_matches(unseen);
    }
    bare
}

/// The readings of a secret that is a key, or is compared, as it stands: itself first, and without what is around it.
pub fn plain(text: &str) -> impl Iterator<Item = &str> {
    let bare = bare(text);
    let other = (bare != text && !bare.is_empty()).then_some(bare);
    std::iter::once(text).chain(other)
}

/// The readings of a secret that is sent after the word `scheme` in a header: also where it was copied with that word, or with
/// the whole header.
#[must_use]
pub fn token<'a>(text: &'a str, scheme: &str) -> Vec<&'a str> {
    let mut readings: Vec<_> = plain(text).collect();
    let mut rest = bare(text);
    for word in ["authorization:", scheme] {
        let named = rest.get(..word.len());
        if named.is_some_and(|named| named.eq_ignore_ascii_case(word)) {
            rest = rest[word.len()..].trim_start();
        }
    }
    if !rest.is_empty() && !readings.contains(&rest) {
        readings.push(rest);
    }
    readings
}

/// The readings of a secret that is `user:password`: also as its header has it, in base64.
#[must_use]
pub fn pair(text: &str) -> Vec<String> {
    let readings = token(text, "basic ");
    let decoded = readings.last().and_then(|last| {
        let bytes = STANDARD.decode(last).ok()?;
        String::from_utf8(bytes).ok()
    });
    let decoded = decoded.filter(|pair| pair.contains(':'));
    let readings = readings.into_iter().map(str::to_owned);
    readings.chain(decoded).collect()
}

/// The keys that a secret in base64 stands for, where `prefix` is what it begins with. Several may stand in one, with a sign
/// between.
///
/// # Errors
/// What is wrong with it.
pub fn keys(text: &str, prefix: &str) -> Result<Vec<Vec<u8>>, String> {
    let text = bare(text);
    let lower = text.to_ascii_lowercase();
    if ASYMMETRIC.iter().any(|of| lower.contains(of)) || lower.contains("v1a,") {
        return Err("is a key for Ed25519 (whpk_ or whsk_): expected the one for HMAC".to_owned());
    }
    // What stands before it is a version, or the name of a variable.
    let begins: Vec<_> = if prefix.is_empty() {
        vec![0]
    } else {
        let found = text.match_indices(prefix);
        found.map(|(at, _)| at + prefix.len()).collect()
    };
    let Some(last) = begins.len().checked_sub(1) else {
        return decoded(text).map(|key| vec![key]);
    };
    let several = begins.iter().enumerate().map(|(index, begin)| {
        if index == last {
            return &text[*begin..];
        }
        let rest = &text[*begin..begins[index + 1] - prefix.len()];
        // The next one's version goes with it.
        let end = rest.find(['|', ' ', '\t', '\n', '\r', ',', ';']);
        &rest[..end.unwrap_or(rest.len())]
    });
    several.map(decoded).collect()
}

/// A key in base64 of either alphabet, with or without padding, broken into lines or escaped.
fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let text = percent_decode_str(text).decode_utf8_lossy();
    let kept = text.chars().filter(|c| !c.is_whitespace() && *c != '\\');
    let plain: String = kept
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let plain = plain.trim_end_matches([',', ';', '|', '"', '\'']);
    if plain.is_empty() {
        return Err("has nothing after its prefix".to_owned());
    }
    LENIENT.decode(plain).map_err(|problem| match problem {
        base64::DecodeError::InvalidByte(at, _) => {
            format!(
                "is no base64: sign {} of the key is none of its alphabet",
                at + 1
            )
        }
        base64::DecodeError::InvalidLastSymbol { .. } => {
            "is no base64: its end is missing, or was changed".to_owned()
        }
        _ => format!(
            "is no base64: {} signs are no whole number of bytes",
            plain.len()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_secret_is_no_part_of_it() {
        for text in [
            "k",
            " k ",
            "\"k\"",
            "'k'\n",
            "\u{feff}\"' k '\"",
            "`k`",
            "\u{201c}k\u{201d}\t",
        ] {
            assert_eq!(bare(text), "k", "{text:?}");
        }
        for text in ["\"k", "k'", "k\"k", "a b"] {
            assert_eq!(bare(text), text);
        }
        // It may be a part of it all the same: both are tried, and never the empty one.
        assert_eq!(plain(" k").collect::<Vec<_>>(), [" k", "k"]);
        assert_eq!(plain("k").collect::<Vec<_>>(), ["k"]);
        assert_eq!(plain("\"\"").collect::<Vec<_>>(), ["\"\""]);
    }

    #[test]
    fn a_token_may_come_with_its_header() {
        for text in [
            "t 1",
            "Bearer t 1",
            "bearer  t 1\n",
            "Authorization: Bearer t 1",
            "\"Bearer t 1\"",
        ] {
            assert_eq!(token(text, "bearer ").last(), Some(&"t 1"), "{text}");
        }
        assert_eq!(token("Bearer", "bearer "), ["Bearer"]);
        assert_eq!(token("bearér t", "bearer "), ["bearér t"]);
        for text in [
            "u:p:q",
            "Basic dTpwOnE=",
            "dTpwOnE=",
            "Authorization: Basic dTpwOnE=",
            " 'u:p:q' ",
        ] {
            assert!(pair(text).contains(&"u:p:q".to_owned()), "{text}");
        }
        assert_eq!(pair("dXB3"), ["dXB3"], "no pair");
    }

    /// Secrets of Standard Webhooks as dashboards and files show them: all of the key fb ff fe 61.
    #[test]
    fn the_spellings_of_one_secret_are_one_key() {
        let key = vec![0xfb, 0xff, 0xfe, 0x61];
        for text in [
            "whsec_+//+YQ==",
            "whsec_+//+YQ",
            "whsec_+//+YQ=",
            "whsec_-__-YQ",
            "+//+YQ==",
            "-__-YQ",
            "v1,whsec_+//+YQ==",
            "v1, whsec_+//+YQ==",
            "v1:whsec_+//+YQ==",
            "  v1,whsec_+//+YQ==\r\n",
            "\"v1,whsec_+//+YQ==\"",
            "'whsec_+//+YQ=='",
            "whsec_ +//+YQ==",
            "whsec_+//+\n YQ==",
            "whsec_%2B%2F%2F%2BYQ%3D%3D",
            "whsec_+\\/\\/+YQ==",
            "WEBHOOK_SECRET=whsec_+//+YQ==",
            "SECRET=\"v1,whsec_+//+YQ==\"",
            "whsec_+//+YQ==,",
            "\u{feff}whsec_+//+YQ==",
        ] {
            assert_eq!(keys(text, "whsec_"), Ok(vec![key.clone()]), "{text}");
        }
        for text in [
            "v1,whsec_+//+YQ==|v1,whsec_AQI=",
            "v1,whsec_+//+YQ== v1,whsec_AQI=",
            "whsec_+//+YQ==,whsec_AQI=",
        ] {
            assert_eq!(
                keys(text, "whsec_"),
                Ok(vec![key.clone(), vec![1, 2]]),
                "{text}"
            );
        }
        assert_eq!(keys(" AQI= ", ""), Ok(vec![vec![1, 2]]));
    }

    #[test]
    fn a_problem_says_what_is_wrong_and_no_value() {
        for (text, told) in [
            ("whsec_hunter2!", "sign 8 of the key"),
            ("hunter2?", "sign 8 of the key"),
            ("whsec_hunte", "5 signs are no whole number"),
            ("whsec_", "nothing after its prefix"),
            ("v1,whsec_ ", "nothing after its prefix"),
            ("", "nothing after its prefix"),
            ("whsec_hunteR==", "its end is missing"),
            ("v1a,whpk_aHVudGVyMg==", "Ed25519"),
            ("whsk_aHVudGVyMg==", "Ed25519"),
        ] {
            let problem = keys(text, "whsec_").unwrap_err();
            assert!(problem.contains(told), "{text}: {problem}");
            assert!(!problem.contains("hunte"), "{problem}");
        }
    }
}
