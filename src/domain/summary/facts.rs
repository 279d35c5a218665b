//! What the server says of a measurement itself (source: intdash's OpenAPI documents, `GET …/measurements/{uuid}`).

use crate::domain::notice::clean;
use serde_json::Value;

/// A longer name is cut, in characters.
const NAME_MAX: usize = 200;

/// A measurement's own facts. What the server does not say, or says in another shape, is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// As a human named it, without control characters.
    pub name: Option<String>,
    /// When it began: RFC 3339, as the server spells it.
    pub basetime: Option<String>,
    /// How long it took, in microseconds.
    pub duration_us: Option<u64>,
    /// Points of all types and ids that its edge has announced.
    pub expected: Option<u64>,
    /// Points of all types and ids that the server has.
    pub received: Option<u64>,
}

impl Facts {
    /// Reads the server's answer.
    #[must_use]
    pub fn read(answer: &Value) -> Self {
        let text = |name: &str| {
            let text = answer[name].as_str().filter(|text| !text.is_empty());
            text.map(|text| clean(text, NAME_MAX))
        };
        let sequences = &answer["sequences"];
        Self {
            name: text("name"),
            basetime: text("basetime"),
            duration_us: answer["max_elapsed_time"].as_u64(),
            expected: sequences["expected_data_points"].as_u64(),
            received: sequences["received_data_points"].as_u64(),
        }
    }

    /// Where the numbers of points do not fit together, a sentence each. `read` is how many came, `asked_for` what was asked for
    /// where that was not everything.
    #[must_use]
    pub fn remarks(&self, read: u64, asked_for: Option<&str>) -> Vec<String> {
        let mut remarks = Vec::new();
        if let (Some(expected), Some(received)) = (self.expected, self.received)
            && received < expected
        {
            remarks.push(format!(
                "Incomplete: the server has received {received} of {expected} data points."
            ));
        }
        match (self.received, asked_for) {
            (Some(received), Some(asked_for)) if read < received => remarks.push(format!(
                "Read were {read} of the {received} data points received: the server was asked for {asked_for} only."
            )),
            (Some(received), _) if read != received => remarks.push(format!(
                "Read were {read} data points, but the server says that it has received {received}."
            )),
            _ => {}
        }
        remarks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(expected: Option<u64>, received: Option<u64>) -> Facts {
        Facts {
            expected,
            received,
            ..Facts::default()
        }
    }

    #[test]
    fn what_the_server_says_is_read_as_far_as_it_has_the_documented_shape() {
        let answer = json!({
            "name": "a\u{202e}b\n", "basetime": "2024-12-25T00:23:50Z", "max_elapsed_time": 7,
            "sequences": {"expected_data_points": 3, "received_data_points": 2},
        });
        let expected = Facts {
            name: Some("a\u{fffd}b\u{fffd}".to_owned()),
            basetime: Some("2024-12-25T00:23:50Z".to_owned()),
            duration_us: Some(7),
            expected: Some(3),
            received: Some(2),
        };
        assert_eq!(Facts::read(&answer), expected);
        for odd in [
            json!([]),
            json!({"name": "", "sequences": 7, "max_elapsed_time": -1}),
        ] {
            assert_eq!(Facts::read(&odd), Facts::default());
        }
    }

    #[test]
    fn numbers_that_do_not_fit_together_are_told() {
        let whole = facts(Some(5), Some(5));
        assert_eq!(whole.remarks(5, None), [""; 0]);
        assert_eq!(facts(None, None).remarks(5, None), [""; 0]);
        let lacking = facts(Some(6), Some(5)).remarks(5, None);
        assert_eq!(
            lacking,
            ["Incomplete: the server has received 5 of 6 data points."]
        );
        assert!(whole.remarks(4, None)[0].contains("Read were 4 data points, but"));
        assert!(whole.remarks(4, Some("float64/*"))[0].contains("asked for float64/* only"));
        assert!(whole.remarks(6, Some("float64/*"))[0].contains("Read were 6 data points, but"));
    }
}
