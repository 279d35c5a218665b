//! Data points on the wire: JSON Lines in chunks that end where no line ends, and what a query wants of them.

use std::io;
use std::sync::Arc;

use aws_smithy_types::DateTime;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wildmatch::WildMatch;

use super::rfc3339;

/// The data id of every [`Line::Float`].
pub const SAMPLE_DATA_ID: &str = "1/sample";

const SAMPLE: &str = include_str!("../../../tests/data/intdash_sample_points.json");
const ERROR_ID: &str = "intdash/measurement/get/data/error";
const CREATED_AT: &str = "2024-12-25T00:23:51.204518Z";
const FIRST_TIME_NS: i64 = 1_735_086_230_972_454_000;
const STEP_NS: i64 = 1_000_000;
/// An odd size, so that lines and chunks never end together.
const CHUNK_BYTES: usize = 1021;

/// One element of a measurement's stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// A float64 data point; NaN and the infinities included.
    Float(f64),
    /// A data point of any other type or name, its `data` as given.
    Other {
        /// The wire's `data_type`, such as `string` or `int64`.
        data_type: String,
        /// The wire's `data_id`, `<channel>/<name>`.
        data_id: String,
        /// The wire's `data`.
        data: Value,
    },
    /// An error in band: the line says so, the status stays 200 and the stream ends.
    Failure(String),
    /// The connection breaks here, in the middle of the stream.
    Cut,
}

impl Line {
    /// Lines of float64 points.
    pub fn floats(values: impl IntoIterator<Item = f64>) -> Vec<Line> {
        values.into_iter().map(Line::Float).collect()
    }
}

/// The 1,000 values of the official sample, in their order.
pub fn sample_values() -> Vec<f64> {
    #[derive(Deserialize)]
    struct Sample {
        values: Vec<f64>,
    }
    // The file is compiled in, and a test reads it: it cannot fail where it passed once.
    serde_json::from_str::<Sample>(SAMPLE).map_or_else(|_| Vec::new(), |sample| sample.values)
}

/// What a query asks for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) name: String,
    patterns: Vec<(String, String)>,
    limit: Option<usize>,
    time_format: String,
}

impl Wanted {
    pub(super) fn parse(query: &str) -> Self {
        let mut wanted = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match key.as_ref() {
                "name" => wanted.name = value.into_owned(),
                "idq" | "data_id_filter" => {
                    let (kind, id) = value.split_once(':').unwrap_or((value.as_ref(), "*"));
                    wanted
                        .patterns
                        .push((kind.replace('#', "*"), id.replace('#', "*")));
                }
                "limit" => wanted.limit = value.parse().ok(),
                "time_format" => wanted.time_format = value.into_owned(),
                _ => {}
            }
        }
        wanted
    }

    /// Loosely: no pattern wants everything, and `float64/*` wants plain `float64` too.
    fn matches(&self, data_type: &str, data_id: &str) -> bool {
        self.patterns.is_empty()
            || self.patterns.iter().any(|(kind, id)| {
                (WildMatch::new(kind).matches(data_type)
                    || kind.strip_suffix("/*") == Some(data_type))
                    && WildMatch::new(id).matches(data_id)
            })
    }

    /// Microseconds unless asked otherwise, as the real server.
    fn time(&self, nanoseconds: i64) -> Value {
        match self.time_format.as_str() {
            "ns" => nanoseconds.into(),
            "ms" => (nanoseconds / 1_000_000).into(),
            "s" => (nanoseconds / 1_000_000_000).into(),
            "rfc3339" => rfc3339(DateTime::from_nanos(i128::from(nanoseconds)).ok()).into(),
            _ => (nanoseconds / 1000).into(),
        }
    }
}

/// One line as it goes over the wire, its fields in the documented order.
#[derive(Serialize)]
struct WireLine<'a> {
    time: Value,
    measurement_uuid: &'a str,
    created_at: &'a str,
    data_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_name: Option<&'a str>,
    data: Value,
}

/// The lines that a query wants, cut into chunks without regard to where a line ends.
pub(super) struct Points {
    lines: Arc<Vec<Line>>,
    wanted: Wanted,
    data_name: bool,
    next: usize,
    sent: usize,
    text: Vec<u8>,
    ended: bool,
    broken: bool,
}

impl Points {
    pub(super) fn new(lines: Arc<Vec<Line>>, wanted: Wanted, data_name: bool) -> Self {
        Self {
            lines,
            wanted,
            data_name,
            next: 0,
            sent: 0,
            text: Vec::new(),
            ended: false,
            broken: false,
        }
    }

    fn write(&mut self, time: Value, data_type: &str, id: &str, data: Value) {
        let line = WireLine {
            time,
            measurement_uuid: &self.wanted.name,
            created_at: CREATED_AT,
            data_type,
            data_id: (!self.data_name).then_some(id),
            data_name: self.data_name.then_some(id),
            data,
        };
        // A Vec takes every byte, and every key of these values is a string.
        serde_json::to_writer(&mut self.text, &line).ok();
        self.text.push(b'\n');
    }

    /// Writes the next line, if it is wanted.
    fn take(&mut self) {
        let lines = Arc::clone(&self.lines);
        let full = self.wanted.limit.is_some_and(|limit| self.sent >= limit);
        let Some(line) = lines.get(self.next).filter(|_| !full) else {
            self.ended = true;
            return;
        };
        let time = self.wanted.time(FIRST_TIME_NS + STEP_NS * self.next as i64);
        self.next += 1;
        match line {
            Line::Float(value) => {
                if self.wanted.matches("float64", SAMPLE_DATA_ID) {
                    self.sent += 1;
                    self.write(
                        time,
                        "float64",
                        SAMPLE_DATA_ID,
                        json!({"d": encode_float64(*value)}),
                    );
                }
            }
            Line::Other {
                data_type,
                data_id,
                data,
            } => {
                if self.wanted.matches(data_type, data_id) {
                    self.sent += 1;
                    self.write(time, data_type, data_id, data.clone());
                }
            }
            Line::Failure(description) => {
                self.ended = true;
                let data = json!({"i": ERROR_ID, "d": {"error": "unexpected", "error_description": description}});
                self.write(0.into(), "x", &format!("1/{ERROR_ID}"), data);
            }
            Line::Cut => {
                self.ended = true;
                self.broken = true;
            }
        }
    }
}

impl Iterator for Points {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.text.len() < CHUNK_BYTES && !self.ended {
            self.take();
        }
        // What was written before the break goes out first.
        if self.text.is_empty() && std::mem::take(&mut self.broken) {
            return Some(Err(io::Error::other("told to break the stream here")));
        }
        let length = self.text.len().min(CHUNK_BYTES);
        (length > 0).then(|| Ok(self.text.drain(..length).collect::<Vec<u8>>().into()))
    }
}

/// A float64 as the wire carries it: eight big-endian bytes in base64.
pub fn encode_float64(value: f64) -> String {
    BASE64.encode(value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: Vec<Line>, query: &str, data_name: bool) -> (String, bool) {
        let mut text = Vec::new();
        for chunk in Points::new(Arc::new(lines), Wanted::parse(query), data_name) {
            match chunk {
                Ok(bytes) => text.extend_from_slice(&bytes),
                Err(_) => return (String::from_utf8(text).unwrap(), true),
            }
        }
        (String::from_utf8(text).unwrap(), false)
    }

    #[test]
    fn encodes_float64_as_the_vectors_do() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/vectors.json")).unwrap();
        for vector in vectors["intdash_float64_payload"].as_array().unwrap() {
            assert_eq!(
                encode_float64(vector["value"].as_f64().unwrap()),
                vector["d"]
            );
        }
        assert_eq!(encode_float64(123.456), "QF7dLxqfvnc=");
    }

    #[test]
    fn writes_a_point_in_the_documented_shape() {
        let (line, _) = text(Line::floats([123.456]), "name=m&time_format=ns", false);
        assert_eq!(
            line,
            "{\"time\":1735086230972454000,\"measurement_uuid\":\"m\",\"created_at\":\"2024-12-25T00:23:51.204518Z\",\
             \"data_type\":\"float64\",\"data_id\":\"1/sample\",\"data\":{\"d\":\"QF7dLxqfvnc=\"}}\n"
        );
        let (line, _) = text(Line::floats([1.0]), "name=m", true);
        assert!(line.starts_with("{\"time\":1735086230972454,"));
        assert!(line.contains("\"data_name\":\"1/sample\"") && !line.contains("data_id"));
    }

    #[test]
    fn writes_an_error_line_as_the_vector_has_it() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/vectors.json")).unwrap();
        let (line, broken) = text(
            vec![Line::Failure("...".to_owned()), Line::Float(1.0)],
            "name=x",
            false,
        );
        let mut ours: Value = serde_json::from_str(&line).unwrap();
        let theirs: Value =
            serde_json::from_str(vectors["intdash_data_error_line"].as_str().unwrap()).unwrap();
        ours["created_at"] = "x".into();
        assert_eq!((ours, broken), (theirs, false), "and nothing follows it");
    }

    #[test]
    fn honours_both_kinds_of_filter_and_the_limit() {
        let lines = vec![
            Line::Float(1.0),
            Line::Other {
                data_type: "string".to_owned(),
                data_id: "1/label".to_owned(),
                data: json!({"d": "YQ=="}),
            },
            Line::Float(2.0),
        ];
        let count = |query| text(lines.clone(), query, false).0.lines().count();
        assert_eq!(count("name=m"), 3);
        assert_eq!(count("name=m&idq=float64:*"), 2);
        assert_eq!(count("name=m&idq=float64%2F*:*"), 2);
        assert_eq!(count("name=m&idq=float64:*&idq=string:*"), 3);
        assert_eq!(count("name=m&data_id_filter=%23:1/label"), 1);
        assert_eq!(count("name=m&idq=float64:other"), 0);
        assert_eq!(count("name=m&limit=1"), 1);
    }

    #[test]
    fn sends_what_came_before_a_break() {
        let mut lines = Line::floats([0.5; 100]);
        lines.insert(40, Line::Cut);
        let (text, broken) = text(lines, "name=m", false);
        assert!(broken);
        assert_eq!(text.lines().count(), 40);
    }

    #[test]
    fn the_sample_has_its_thousand_values() {
        let values = sample_values();
        assert_eq!(values.len(), 1000);
        assert!((values.iter().sum::<f64>() / 1000.0 - 99.506_108_689_557_12).abs() < 1e-9);
    }
}
