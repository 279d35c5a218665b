//! A recorded delivery as a command that posts it again: ready to paste, with a `$NAME` where a secret or a signature was.
//!
//! What is pasted may be hostile: nothing of a delivery ends its quotes, and no control character of it reaches a terminal.

use super::record::Record;
use super::redact::{LEFT_OUT, is_signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longer bodies, in bytes, are read from a file.
const INLINE_MAX: usize = 64 * 1024;
/// So long may one argument be: Linux takes 128 KiB.
const ARGUMENT_MAX: usize = 100 * 1024;
/// Headers of the way that a delivery took, or that curl makes itself.
const OF_THE_WAY: [&str; 14] = [
    "host",
    "content-length",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// The file that a long body is read from.
#[must_use]
pub fn file_name(record: &Record) -> String {
    format!("{}.bin", record.delivery.id)
}

/// Whether the value of a header is not shown: it was left out, or it signs. `signed_in` is the header of the source's own choice.
#[must_use]
pub fn is_hidden(name: &str, value: Option<&str>, signed_in: Option<&str>) -> bool {
    value.is_none() || is_signature(name) || signed_in == Some(name)
}

/// The command.
#[must_use]
pub fn curl(record: &Record, signed_in: Option<&str>) -> String {
    let of = &record.delivery;
    let mut lines = vec![format!("curl --globoff -X {}", quoted(of.method.as_str()))];
    let has = |wanted: &str| record.headers.iter().any(|(name, _)| name == wanted);
    for (name, value) in &record.headers {
        if OF_THE_WAY.contains(&name.as_str()) || name.starts_with("x-amzn-") {
            continue;
        }
        lines.push(match value {
            Some(value) if !is_hidden(name, Some(value), signed_in) => {
                // So curl spells an empty one.
                let colon = if value.is_empty() { ";" } else { ": " };
                format!("-H {}", quoted(&format!("{name}{colon}{value}")))
            }
            _ => format!("-H {}\"${}\"", quoted(&format!("{name}: ")), variable(name)),
        });
    }
    let mut before = String::new();
    if !of.body.is_empty() {
        if !has("content-type") {
            // Else curl says that it is a form.
            lines.push("-H 'content-type:'".to_owned());
        }
        let text = std::str::from_utf8(&of.body).ok();
        let text = text.filter(|text| text.len() <= INLINE_MAX && text.chars().all(is_plain));
        let text = text.map(quoted).filter(|text| text.len() <= ARGUMENT_MAX);
        lines.push(match text {
            Some(text) => format!("--data-binary {text}"),
            None if of.body.len() <= INLINE_MAX => {
                let base64 = STANDARD.encode(&of.body);
                before = format!("printf %s '{base64}' | base64 --decode | ");
                "--data-binary @-".to_owned()
            }
            None => format!("--data-binary @{}", file_name(record)),
        });
    }
    lines.push(match &of.url {
        Some(url) => filled(url),
        None => "\"$URL\"".to_owned(),
    });
    before + &lines.join(" \\\n  ")
}

/// A URL, with a variable for each part that was left out.
fn filled(url: &str) -> String {
    let mut pieces = url.split(LEFT_OUT);
    let mut seen = pieces.next().unwrap_or_default().to_owned();
    let mut shown = quoted(&seen);
    for piece in pieces {
        // A parameter of the query has a name, a segment of the path has none.
        let parameter = seen.strip_suffix('=').filter(|seen| seen.contains('?'));
        let name = parameter.and_then(|seen| seen.rsplit(['?', '&']).next());
        shown.push_str(&format!("\"${}\"", variable(name.unwrap_or("url_key"))));
        if !piece.is_empty() {
            shown.push_str(&quoted(piece));
        }
        seen.push_str(piece);
    }
    shown
}

/// The name of a shell's variable.
fn variable(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(letter).collect();
    match name.chars().next() {
        Some('0'..='9') | None => format!("_{name}"),
        _ => name,
    }
}

/// One word of a shell. What is not plain is spelled in bytes, as bash and zsh read it; of Latin-1, as headers have it.
fn quoted(text: &str) -> String {
    if text.chars().all(is_plain) {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let spelled = text.chars().map(|c| match c {
        '\'' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        c => u8::try_from(c).map_or_else(|_| c.to_string(), |byte| format!("\\x{byte:02x}")),
    });
    format!("$'{}'", spelled.collect::<String>())
}

/// Whether a terminal shows this character, and does nothing else with it.
fn is_plain(c: char) -> bool {
    let turns_text = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    matches!(c, '\n' | '\t') || !(c.is_control() || turns_text)
}
