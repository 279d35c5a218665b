//! The summary as a message that a program reads. Fields may be added, and none is renamed.

use super::{Figures, Row};
use crate::domain::job::sendable;
use crate::domain::notice::Summarised;
use crate::domain::point::rfc3339;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a program is told of a measurement.
#[derive(Serialize)]
pub(in crate::domain) struct Message<'a> {
    kind: &'static str,
    source: &'a str,
    project: &'a str,
    measurement: &'a str,
    name: Option<&'a str>,
    basetime: Option<&'a str>,
    duration_us: Option<u64>,
    expected_data_points: Option<u64>,
    received_data_points: Option<u64>,
    read_data_points: u64,
    #[serde(flatten)]
    over_all: Statistics,
    left_out: LeftOut<'a>,
    remarks: Vec<String>,
    /// How many ids have a row, of which the last ones may be left away.
    ids: usize,
    by_id: Vec<ById<'a>>,
    others: Option<Statistics>,
    /// Where the rows are that were left away.
    more: Option<&'a str>,
    /// The first lines of the mail.
    text: String,
}

/// Of no values, and of what is out of a double's range, there is none.
#[derive(Serialize)]
struct Statistics {
    count: u64,
    mean: Option<f64>,
    variance: Option<f64>,
    standard_deviation: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    first: Option<String>,
    last: Option<String>,
}

#[derive(Serialize)]
struct ById<'a> {
    data_id: &'a str,
    data_type: &'static str,
    #[serde(flatten)]
    statistics: Statistics,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    nan: u64,
    infinite: u64,
    other_ids: u64,
    by_type: &'a BTreeMap<String, u64>,
    other_types: u64,
}

impl From<&Figures> for Statistics {
    fn from(figures: &Figures) -> Self {
        let times = figures.times();
        Self {
            count: figures.count(),
            mean: figures.mean(),
            variance: figures.variance(),
            standard_deviation: figures.standard_deviation(),
            min: figures.min(),
            max: figures.max(),
            first: times.map(|(first, _)| rfc3339(first)),
            last: times.map(|(_, last)| rfc3339(last)),
        }
    }
}

impl<'a> Message<'a> {
    /// With the first so many rows, of which `rows` are all.
    pub(in crate::domain) fn new(
        done: &'a Summarised<'_>,
        rows: &[Row<'a>],
        so_many: usize,
        more: Option<&'a str>,
    ) -> Self {
        let (of, facts, summary) = (done.of, done.facts, done.summary);
        let all = summary.over_all();
        let left_out = summary.left_out();
        let by_id = rows.iter().take(so_many).map(|row| ById {
            data_id: row.id,
            data_type: row.number.name(),
            statistics: row.figures.into(),
        });
        Self {
            kind: "summary",
            source: &of.source,
            project: &of.project,
            measurement: &of.measurement,
            name: facts.and_then(|facts| facts.name.as_deref()),
            basetime: facts.and_then(|facts| facts.basetime.as_deref()),
            duration_us: facts.and_then(|facts| facts.duration_us),
            expected_data_points: facts.and_then(|facts| facts.expected),
            received_data_points: facts.and_then(|facts| facts.received),
            read_data_points: summary.points(),
            over_all: (&all).into(),
            left_out: LeftOut {
                nan: left_out.nan,
                infinite: left_out.infinite,
                other_ids: left_out.other_ids,
                by_type: &left_out.by_type,
                other_types: left_out.other_types,
            },
            remarks: done.remarks(),
            ids: rows.len(),
            by_id: by_id.collect(),
            others: summary.others().map(Statistics::from),
            more,
            text: two_lines(&all),
        }
    }

    /// The JSON, of which every character may be sent.
    pub(in crate::domain) fn json(&self) -> String {
        sendable(&serde_json::to_string(self).expect("strings and numbers"))
    }
}

/// The two lines that the original program mailed, or what is to be said instead.
pub(in crate::domain) fn two_lines(all: &Figures) -> String {
    let Some(mean) = all.mean() else {
        return "No data points: there is nothing to compute an average of.\n".to_owned();
    };
    let variance = all.variance();
    let variance = variance.map_or("out of range".to_owned(), |variance| {
        format!("{variance:.6}")
    });
    format!("Average: {mean:.6}\nUnbiased Variance: {variance}\n")
}
