//! One line of a measurement's data points (JSON Lines; source: intdash's OpenAPI documents, schema `DataPointNormal`, and
//! intdash-sdk-beginner; payloads: docs.intdash.jp, payload_format).

use super::source::data_filter::DataFilter;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Id of the line that reports an error in band, under status 200.
const ERROR_ID: &str = "intdash/measurement/get/data/error";

/// A type of data whose points are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Number {
    /// IEEE 754, eight bytes, most significant first.
    Float64,
    /// Two's complement, eight bytes, most significant first. It is summarised as a double.
    Int64,
}

impl Number {
    /// The type of this name, which may have a suffix: `float64/…` is `float64`.
    #[must_use]
    pub fn of(data_type: &str) -> Option<Self> {
        match data_type.split('/').next() {
            Some("float64") => Some(Self::Float64),
            Some("int64") => Some(Self::Int64),
            _ => None,
        }
    }

    /// As the wire spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float64 => "float64",
            Self::Int64 => "int64",
        }
    }
}

/// What a line turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Point<'a> {
    /// One that counts.
    Value {
        /// `<channel>/<name>`.
        id: Cow<'a, str>,
        /// Its type.
        number: Number,
        /// NaN and the infinities included.
        value: f64,
        /// Nanoseconds since 1970, where the line has a time that can be read.
        time: Option<i64>,
    },
    /// Of a type that counts, but of another id.
    OtherId,
    /// Of a type that does not count.
    OtherType(Cow<'a, str>),
}

/// A string that is borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    data_type: Cow<'a, str>,
    #[serde(borrow)]
    data_id: Option<Text<'a>>,
    /// What newer servers call the id.
    #[serde(borrow)]
    data_name: Option<Text<'a>>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    /// Its shape goes by the type, which may follow it.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    d: Text<'a>,
}

#[derive(Deserialize)]
struct Failure {
    i: Option<String>,
    #[serde(default)]
    d: serde_json::Value,
}

/// Reads a line; none of an empty one.
///
/// # Errors
/// A sentence: the line is no data point, reports an error in band, or has a number that is not the base64 of eight bytes.
pub fn read<'a>(line: &'a [u8], wanted: &DataFilter) -> Result<Option<Point<'a>>, String> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let line: Line<'_> =
        serde_json::from_slice(line).map_err(|e| format!("a line is no data point: {e}"))?;
    let id = line.data_id.or(line.data_name);
    let id = id.map(|Text(id)| id).unwrap_or_default();
    let data = line.data.map_or("null", RawValue::get);
    let number = Number::of(&line.data_type).filter(|number| wanted.counts(*number));
    if id.ends_with(ERROR_ID) {
        return Err(told(data));
    }
    let Some(number) = number else {
        // Of whatever type it claims to be.
        return match serde_json::from_str(data) {
            Ok(Failure { i: Some(i), .. }) if i == ERROR_ID => Err(told(data)),
            _ => Ok(Some(Point::OtherType(line.data_type))),
        };
    };
    let bytes = eight_bytes(data).ok_or_else(|| {
        let name = number.name();
        format!("a point of type {name} is not the base64 of eight bytes")
    })?;
    if !wanted.takes(number, &id) {
        return Ok(Some(Point::OtherId));
    }
    let value = match number {
        Number::Float64 => f64::from_be_bytes(bytes),
        Number::Int64 => i64::from_be_bytes(bytes) as f64,
    };
    let time = line.time.and_then(|time| nanoseconds(time.get()));
    Ok(Some(Point::Value {
        id,
        number,
        value,
        time,
    }))
}

/// An error in band, in the server's words.
fn told(data: &str) -> String {
    let failure: Option<Failure> = serde_json::from_str(data).ok();
    let told = failure.map(|failure| failure.d).unwrap_or_default();
    format!(
        "the server reported in band: {} {}",
        told["error"], told["error_description"]
    )
}

fn eight_bytes(data: &str) -> Option<[u8; 8]> {
    let Payload { d: Text(text) } = serde_json::from_str(data).ok()?;
    // The decoder wants room for what twelve characters may be without padding.
    let mut room = [0; 9];
    let length = STANDARD.decode_slice(text.as_ref(), &mut room).ok()?;
    room.get(..length)?.try_into().ok()
}

/// A number of nanoseconds, as was asked for, or an RFC 3339 string of a server that knows no other format.
fn nanoseconds(time: &str) -> Option<i64> {
    if let Ok(time) = time.parse() {
        return Some(time);
    }
    let Text(text) = serde_json::from_str(time).ok()?;
    let time = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
    time.unix_timestamp_nanos().try_into().ok()
}

/// A time in nanoseconds since 1970, as RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(nanoseconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds.into());
    // Every i64 is a time between 1677 and 2262, which this format can spell.
    time.ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/vectors/vectors.json")).unwrap()
    }

    fn filter(data: &str) -> DataFilter {
        serde_json::from_value(json!([data])).unwrap()
    }

    fn of(line: &str) -> Result<Option<Point<'_>>, String> {
        read(line.as_bytes(), &filter("*/1/*"))
    }

    #[test]
    fn a_float64_is_big_endian_and_named_by_either_field() {
        for vector in vectors()["intdash_float64_payload"].as_array().unwrap() {
            for (name, data_type) in [("data_id", "float64"), ("data_name", "float64/x")] {
                let line = json!({"time": 1, "data_type": data_type, name: "1/x", "data": {"d": vector["d"]}}).to_string();
                let expected = Point::Value {
                    id: "1/x".into(),
                    number: Number::Float64,
                    value: vector["value"].as_f64().unwrap(),
                    time: Some(1),
                };
                assert_eq!(of(&line), Ok(Some(expected)));
            }
        }
    }

    #[test]
    fn an_int64_is_big_endian_too() {
        for value in [0, 1, -1, i64::MAX, i64::MIN, 1 << 53] {
            let d = STANDARD.encode(value.to_be_bytes());
            let line =
                json!({"data_type": "int64", "data_id": "1/x", "data": {"d": d}}).to_string();
            let Ok(Some(Point::Value {
                value: read,
                number,
                time,
                ..
            })) = of(&line)
            else {
                panic!("{line}: {:?}", of(&line));
            };
            assert_eq!((read, number, time), (value as f64, Number::Int64, None));
        }
    }

    #[test]
    fn a_time_is_a_number_of_nanoseconds_or_rfc_3339() {
        for (time, expected) in [
            ("1735086230972454000", Some(1_735_086_230_972_454_000)),
            (
                r#""2024-12-25T00:23:50.972454Z""#,
                Some(1_735_086_230_972_454_000),
            ),
            (
                r#""2024-12-25T09:23:50.972454+09:00""#,
                Some(1_735_086_230_972_454_000),
            ),
            (r#""soon""#, None),
            ("1e400", None),
            ("null", None),
        ] {
            assert_eq!(nanoseconds(time), expected, "{time}");
        }
        assert_eq!(
            rfc3339(1_735_086_230_972_454_000),
            "2024-12-25T00:23:50.972454Z"
        );
        assert!(rfc3339(i64::MIN).starts_with("1677-") && rfc3339(i64::MAX).starts_with("2262-"));
    }

    #[test]
    fn an_error_in_band_is_an_error_under_whatever_type_or_id() {
        let vectors = vectors();
        let line = vectors["intdash_data_error_line"].as_str().unwrap();
        assert!(of(line).unwrap_err().contains("unexpected"));
        let escaped = line.replace('/', "\\/");
        assert!(of(&escaped).unwrap_err().contains("unexpected"));
        let other_id = line.replacen(&format!("1/{ERROR_ID}"), "1/x", 1);
        assert!(of(&other_id).unwrap_err().contains("unexpected"));
        let float = line.replacen(r#""data_type":"x""#, r#""data_type":"float64""#, 1);
        assert!(of(&float).unwrap_err().contains("unexpected"));
    }

    #[test]
    fn other_types_and_ids_do_not_count() {
        let float = r#"{"data_type":"float64","data_id":"2/x","data":{"d":"AAAAAAAAAAA="}}"#;
        assert_eq!(of(float), Ok(Some(Point::OtherId)));
        assert_eq!(of("  \r"), Ok(None));
        for (line, data_type) in [
            (
                r#"{"data_type":"string","data_id":"1/x","data":{"d":"AAAA"}}"#,
                "string",
            ),
            // Of iSCP v1: a number for a type, and data of its own shape.
            (
                r#"{"data_type":"1","data_id":"1/x","data":{"s":"$GNRMC"}}"#,
                "1",
            ),
            (r#"{"data_type":"2","data_id":"1/x","data":[{"i":7}]}"#, "2"),
            (r#"{"data_type":"bool","data_id":null}"#, "bool"),
            (
                r#"{"data_type":"float64_array","data":{"i":7,"d":1}}"#,
                "float64_array",
            ),
        ] {
            assert_eq!(
                of(line),
                Ok(Some(Point::OtherType(data_type.into()))),
                "{line}"
            );
        }
        let int = r#"{"data_type":"int64","data_id":"1/x","data":{"d":"not read"}}"#;
        let only_float = read(int.as_bytes(), &filter("float64/*"));
        assert_eq!(only_float, Ok(Some(Point::OtherType("int64".into()))));
    }

    #[test]
    fn what_is_no_data_point_is_an_error() {
        for line in [
            "{",
            "7",
            "{}",
            r#"{"data_type":"float64","data_id":"1/x","data":{"d":"AAAA"}}"#,
            r#"{"data_type":"float64","data_id":"1/x","data":{"d":"AAAAAAAAAAAA"}}"#,
            r#"{"data_type":"int64","data_id":"1/x","data":{"d":"AAAAAAAAAAAAAAAA"}}"#,
            r#"{"data_type":"int64","data_id":"1/x","data":{"d":7}}"#,
            r#"{"data_type":"float64","data_id":"1/x"}"#,
        ] {
            assert!(of(line).is_err(), "{line}");
        }
    }
}
