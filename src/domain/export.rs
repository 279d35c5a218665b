//! A kept delivery as somebody else takes it: a line for a shell, or an event for a test. Secrets are not in it, since they are not
//! kept; signatures are left out.

use super::bound::Bound;
use super::record::Record;
use super::redact::{LEFT_OUT, is_signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The longest body that goes into a line, in bytes.
static LINE_MAX: Bound<usize> = Bound::new("export.line", 64 << 10);
/// Headers that belong to the way that a delivery took, and not to it.
const OF_THE_WAY: [&str; 9] = [
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "accept-encoding",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// Whether a header of this name is sent anew by whoever sends, and so not taken from a record.
#[must_use]
pub fn is_of_the_way(header: &str) -> bool {
    OF_THE_WAY.contains(&header)
}

/// As a POSIX shell takes a text for one word.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A header's value as it is shown: none of a secret or a signature. `own` is the header in which the source's sender signs, if
/// it is of its own choice.
#[must_use]
pub fn shown<'a>(name: &str, value: Option<&'a str>, own: Option<&str>) -> Option<&'a str> {
    value.filter(|_| !is_signature(name) && own != Some(name))
}

/// A line of curl that sends the delivery again, to be pasted into a POSIX shell. What was left out is a variable of the shell,
/// named like the header: a shell in which it is not set says so, and runs nothing. A body that is long or no text comes from a file or from base64.
#[must_use]
pub fn curl(record: &Record, own: Option<&str>) -> String {
    let of = &record.delivery;
    // A URL may have brackets, which curl would unfold.
    let mut line = format!("curl -sS -g -X {}", quoted(of.method.as_str()));
    let mut typed = false;
    for (name, value) in &record.headers {
        if is_of_the_way(name) {
            continue;
        }
        typed |= name == "content-type";
        match shown(name, value.as_deref(), own) {
            // So curl spells an empty one.
            Some("") => line.push_str(&format!(" -H {}", quoted(&format!("{name};")))),
            Some(value) if value.chars().any(is_unfit) => {
                line.push_str(&format!(" -H {}", spelled(&format!("{name}: {value}"))));
            }
            Some(value) => line.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}")))),
            // A name may have signs in it that a shell would act on, such as `.
            None => line.push_str(&format!(
                " -H {}\"${{{}:?}}\"",
                quoted(&format!("{name}: ")),
                variable(name)
            )),
        }
    }
    let text = std::str::from_utf8(&of.body).ok();
    let text = text.filter(|text| text.len() <= LINE_MAX.get() && !text.chars().any(is_unfit));
    if !of.body.is_empty() {
        if !typed {
            // Else curl would say that it is a form.
            line.push_str(" -H 'content-type:'");
        }
        if let Some(text) = text {
            line.push_str(&format!(" --data-raw {}", quoted(text)));
        } else if of.body.len() <= LINE_MAX.get() {
            let base64 = STANDARD.encode(&of.body);
            line = format!("printf %s {base64} | base64 -d | {line} --data-binary @-");
        } else {
            line.push_str(&format!(" --data-binary @{}.body", of.id));
        }
    }
    let url = of.url.as_deref().unwrap_or("http://127.0.0.1:8080/hooks/");
    let url = quoted(url).replace(LEFT_OUT, "'\"${LEFT_OUT:?}\"'");
    format!("{line} {url}")
}

/// The same of a header with bytes that no terminal should see: spelled as bash and zsh read them, of Latin-1.
fn spelled(header: &str) -> String {
    let letter = |c: char| match c {
        '\'' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        c => format!("\\x{:02x}", u32::from(c)),
    };
    format!("$'{}'", header.chars().map(letter).collect::<String>())
}

/// What no terminal should be asked to paste.
fn is_unfit(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The shell's variable for what was left out of a header: one that nobody has for another reason, since senders choose names.
fn variable(header: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    format!("LEFT_OUT_{}", header.chars().map(plain).collect::<String>())
}

/// The delivery as an API Gateway HTTP API hands it over (payload 2.0), for a test or for `sam local invoke`. What was left out is
/// `[left out]`.
#[must_use]
pub fn fixture(record: &Record, own: Option<&str>) -> Value {
    let of = &record.delivery;
    let mut headers = Map::new();
    for (name, value) in &record.headers {
        let value = shown(name, value.as_deref(), own).unwrap_or(LEFT_OUT);
        match headers.get_mut(name) {
            // As the gateway joins them.
            Some(Value::String(before)) => *before = format!("{before},{value}"),
            _ => drop(headers.insert(name.clone(), json!(value))),
        }
    }
    let url = of.url.as_deref().unwrap_or("https://example.com/");
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let rest = place.split_once("://").map_or(place, |(_, rest)| rest);
    let (domain, path) = rest
        .find('/')
        .map_or((rest, "/"), |at| (&rest[..at], &rest[at..]));
    let text = std::str::from_utf8(&of.body).ok();
    let body = text.map_or_else(|| STANDARD.encode(&of.body), ToOwned::to_owned);
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3d4e5", "domainName": domain, "stage": "$default", "routeKey": "$default",
            "requestId": of.id.to_string(), "timeEpoch": of.received.saturating_mul(1000),
            "http": {"method": of.method.as_str(), "path": path, "protocol": "HTTP/1.1", "sourceIp": of.from.map(|from| from.to_string()), "userAgent": ""},
        },
        "body": body, "isBase64Encoded": text.is_none(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::Delivery;
    use crate::domain::inbox::Verdict;
    use crate::domain::record::Told;
    use crate::domain::redact::Known;
    use http::{HeaderMap, HeaderValue};

    fn record(headers: &[(&'static str, &str)], body: &[u8]) -> Record {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let mut delivery = Delivery::post(map, body.to_vec());
        delivery.url = Some("https://x.example/hooks/s/k?a=1".to_owned());
        let known = Known {
            segments: vec!["k"],
            ..Known::default()
        };
        let told = Told::refused(Verdict::Unauthentic, String::new(), &delivery);
        Record::new(Some("s"), &delivery, &known, told)
    }

    #[test]
    fn a_line_of_curl_quotes_everything_and_has_no_secret_and_no_signature() {
        let headers = [
            ("host", "x.example"),
            ("x-a", "it's $HOME `id`"),
            ("authorization", "Bearer t"),
            ("x-hub-signature-256", "sha256=ab"),
        ];
        let line = curl(&record(&headers, b"@file 'x'\n"), None);
        assert_eq!(
            line,
            "curl -sS -g -X 'POST' -H 'x-a: it'\\''s $HOME `id`' -H 'authorization: '\"${LEFT_OUT_AUTHORIZATION:?}\" -H 'x-hub-signature-256: '\"${LEFT_OUT_X_HUB_SIGNATURE_256:?}\" \
             -H 'content-type:' --data-raw '@file '\\''x'\\''\n' 'https://x.example/hooks/s/'\"${LEFT_OUT:?}\"'?a=1'"
        );
    }

    #[test]
    fn a_headers_name_and_value_are_never_run_by_a_shell() {
        let headers = [
            ("x-`id`-token", "t"),
            ("x-b", "a\u{9b}'$(id)"),
            ("x-c", ""),
            ("0-token", "t"),
        ];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let latin: Vec<u8> = value.chars().map(|c| u8::try_from(c).unwrap()).collect();
            map.append(name, HeaderValue::from_bytes(&latin).unwrap());
        }
        let mut delivery = Delivery::post(map, Vec::new());
        delivery.url = Some("https://x.example/{a,b}".to_owned());
        let told = Told::refused(Verdict::Unauthentic, String::new(), &delivery);
        let record = Record::new(None, &delivery, &Known::default(), told);
        let line = curl(&record, None);
        assert_eq!(
            line,
            "curl -sS -g -X 'POST' -H 'x-`id`-token: '\"${LEFT_OUT_X__ID__TOKEN:?}\" -H $'x-b: a\\x9b\\'$(id)' -H 'x-c;' -H '0-token: '\"${LEFT_OUT_0_TOKEN:?}\" \
             'https://x.example/{a,b}'"
        );
    }

    #[test]
    fn a_body_that_no_terminal_should_see_comes_as_base64_and_a_long_one_from_a_file() {
        let kind = [("content-type", "a/b")];
        let line = curl(&record(&kind, b"\x1b[2J"), None);
        assert!(
            line.starts_with("printf %s G1sySg== | base64 -d | curl "),
            "{line}"
        );
        let line = curl(&record(&kind, "a\u{202e}b".as_bytes()), None);
        assert!(line.starts_with("printf "), "{line}");
        let line = curl(&record(&kind, &vec![b'a'; LINE_MAX.get() + 1]), None);
        assert!(line.contains(" --data-binary @00000000-0000-"), "{line}");
        assert!(!curl(&record(&kind, b""), None).contains("--data"));
    }

    #[test]
    fn a_fixture_is_what_a_gateway_hands_over() {
        let headers = [("x-a", "1"), ("x-a", "2"), ("x-own", "s"), ("cookie", "c")];
        let event = fixture(&record(&headers, b"\xff"), Some("x-own"));
        assert_eq!(
            event["headers"],
            json!({"x-a": "1,2", "x-own": "[left out]", "cookie": "[left out]"})
        );
        assert_eq!(event["rawPath"], "/hooks/s/[left out]");
        assert_eq!(event["rawQueryString"], "a=1");
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("/w=="), &json!(true))
        );
        assert_eq!(event["requestContext"]["domainName"], "x.example");
    }
}
