//! Which data points of a measurement count, and how the server is asked for them.

use crate::domain::point::Number;
use serde::Deserialize;
use wildmatch::WildMatch;

/// Which data points count: some of `<type>/<id glob>`, where the type is `float64`, `int64` or `*` for both.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub struct DataFilter(Vec<Wanted>);

#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    number: Number,
    ids: WildMatch,
    glob: String,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "data: expected <type>/<data id>, or a list of them"
)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// How a server spells the filter that it applies itself. Whatever it sends back is filtered once more here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spelling {
    /// `idq=<type>:<id>`, `*` for any (v2.4 to v2.6).
    #[default]
    Idq,
    /// `data_id_filter=<type>:<id>`, `#` for any (v2.7).
    DataIdFilter,
    /// The server is asked for everything.
    None,
}

impl Default for DataFilter {
    /// Every float64.
    fn default() -> Self {
        Self(vec![Wanted::new(Number::Float64, "*")])
    }
}

impl Wanted {
    fn new(number: Number, glob: &str) -> Self {
        Self {
            number,
            ids: WildMatch::new(glob),
            glob: glob.to_owned(),
        }
    }
}

impl TryFrom<OneOrMany> for DataFilter {
    type Error = String;

    fn try_from(all: OneOrMany) -> Result<Self, String> {
        let all = match all {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        };
        if all.is_empty() {
            return Err("data: is empty: nothing would be summarised".to_owned());
        }
        let mut wanted = Vec::new();
        for text in all {
            let numbers: &[_] = match text.split_once('/') {
                Some(("float64", _)) => &[Number::Float64],
                Some(("int64", _)) => &[Number::Int64],
                Some(("*", _)) => &[Number::Float64, Number::Int64],
                _ => &[],
            };
            let glob = text.split_once('/').map_or("", |(_, glob)| glob);
            if numbers.is_empty() || glob.is_empty() {
                return Err(format!(
                    "data: expected float64/<data id>, int64/<data id> or */<data id>, with * in the id for any characters, found \"{text}\""
                ));
            }
            wanted.extend(numbers.iter().map(|number| Wanted::new(*number, glob)));
        }
        Ok(Self(wanted))
    }
}

impl DataFilter {
    /// Whether points of this type count at all.
    #[must_use]
    pub fn counts(&self, number: Number) -> bool {
        self.0.iter().any(|wanted| wanted.number == number)
    }

    /// Whether a point counts.
    #[must_use]
    pub fn takes(&self, number: Number, id: &str) -> bool {
        let mut of_type = self.0.iter().filter(|wanted| wanted.number == number);
        of_type.any(|wanted| wanted.glob == "*" || wanted.ids.matches(id))
    }

    /// The parameters of the request, name and value.
    #[must_use]
    pub fn parameters(&self, spelling: Spelling) -> Vec<(&'static str, String)> {
        let mut parameters = Vec::new();
        for wanted in &self.0 {
            let (number, glob) = (wanted.number.name(), &wanted.glob);
            let parameter = match spelling {
                Spelling::Idq => ("idq", format!("{number}:{glob}")),
                // It knows no part of an id: whoever wants that is sent all.
                Spelling::DataIdFilter if glob.contains(['*', '?']) => {
                    ("data_id_filter", format!("{number}:#"))
                }
                Spelling::DataIdFilter => ("data_id_filter", format!("{number}:{glob}")),
                Spelling::None => continue,
            };
            if !parameters.contains(&parameter) {
                parameters.push(parameter);
            }
        }
        parameters
    }

    /// In words, as the setting spells it.
    #[must_use]
    pub fn shown(&self) -> String {
        let all: Vec<_> = self
            .0
            .iter()
            .map(|wanted| format!("{}/{}", wanted.number.name(), wanted.glob))
            .collect();
        all.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn filter(data: Value) -> Result<DataFilter, String> {
        serde_json::from_value(data).map_err(|error| error.to_string())
    }

    fn parameters(data: Value, spelling: &str) -> Vec<String> {
        let spelling = serde_json::from_value(json!(spelling)).unwrap();
        let parameters = filter(data).unwrap().parameters(spelling).into_iter();
        parameters
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    #[test]
    fn a_filter_names_types_and_ids() {
        let all = filter(json!("float64/*")).unwrap();
        assert_eq!(all, DataFilter::default());
        assert!(all.takes(Number::Float64, "1/x") && !all.counts(Number::Int64));
        let some = filter(json!(["float64/1/gnss*", "int64/2/n"])).unwrap();
        assert!(some.takes(Number::Float64, "1/gnss/speed") && some.takes(Number::Int64, "2/n"));
        assert!(!some.takes(Number::Int64, "1/gnss/speed") && !some.takes(Number::Float64, "2/n"));
        let both = filter(json!("*/1/x")).unwrap();
        assert!(both.takes(Number::Float64, "1/x") && both.takes(Number::Int64, "1/x"));
        assert_eq!(both.shown(), "float64/1/x, int64/1/x");
        for wrong in [
            json!("string/*"),
            json!("float64"),
            json!("float64/"),
            json!([]),
            json!(7),
            json!(["float64/*", "x"]),
        ] {
            let problem = filter(wrong.clone()).unwrap_err();
            assert!(problem.starts_with("data: "), "{wrong}: {problem}");
        }
    }

    #[test]
    fn each_spelling_asks_for_what_it_can_say() {
        let data = json!(["*/*", "float64/1/gnss*", "float64/1/x", "int64/1/y?"]);
        assert_eq!(
            parameters(data.clone(), "idq"),
            [
                "idq=float64:*",
                "idq=int64:*",
                "idq=float64:1/gnss*",
                "idq=float64:1/x",
                "idq=int64:1/y?"
            ]
        );
        assert_eq!(
            parameters(data.clone(), "data_id_filter"),
            [
                "data_id_filter=float64:#",
                "data_id_filter=int64:#",
                "data_id_filter=float64:1/x"
            ]
        );
        assert_eq!(parameters(data, "none"), [""; 0]);
        assert!(serde_json::from_value::<Spelling>(json!("xyz")).is_err());
    }
}
