//! The summary as a mail that a person reads: two lines, the facts, the figures over all, a table by data id.

use super::{Figures, Row, Summary};
use crate::domain::bound::Bound;
use crate::domain::notice::{Summarised, clean};
use crate::domain::point::rfc3339;
use std::fmt::Write as _;

/// So many rows has the table.
static ROWS_MAX: Bound<usize> = Bound::new("summary.rows", 100);
/// A longer id is cut, in characters.
const ID_CHARS: usize = 60;
/// Where what follows a label begins.
const LABEL: usize = 20;

/// The whole text. `more` says where the rest is, of a summary that is too long for its notice.
pub(in crate::domain) fn mail(done: &Summarised<'_>, more: Option<&str>) -> String {
    let all = done.summary.over_all();
    let mut text = super::two_lines(&all);
    text.push('\n');
    about(&mut text, done);
    for remark in done.remarks() {
        line(&mut text, "Note", &remark);
    }
    if all.count() > 0 {
        text.push_str("\nOver all\n");
        over_all(&mut text, &all);
        text.push_str("\nBy data id\n");
        table(&mut text, done.summary);
    }
    let in_json = "The JSON message has all of them.";
    let cut = done.summary.rows().len() > ROWS_MAX.get();
    if let Some(more) = more.or(cut.then_some(in_json)) {
        text.push_str(more);
        text.push('\n');
    }
    text
}

fn line(text: &mut String, label: &str, value: &str) {
    let label = format!("{label}:");
    // Writing to a String cannot fail.
    writeln!(text, "{label:<LABEL$}{value}").ok();
}

fn about(text: &mut String, done: &Summarised<'_>) {
    line(text, "Measurement", &done.of.measurement);
    if let Some(facts) = done.facts {
        let mut known = |label: &str, value: Option<String>| {
            if let Some(value) = value {
                line(text, label, &value);
            }
        };
        known("Name", facts.name.clone());
        known("Began", facts.basetime.clone());
        known("Duration", facts.duration_us.map(seconds));
        known("Points expected", facts.expected.map(grouped));
        known("Points received", facts.received.map(grouped));
    }
    line(text, "Project", &done.of.project);
    line(text, "Source", &done.of.source);
    line(text, "Data", &clean(&done.settings.data.shown(), 500));
    if let Some(left_out) = left_out(done.summary) {
        line(text, "Left out", &left_out);
    }
}

fn left_out(summary: &Summary) -> Option<String> {
    let left_out = summary.left_out();
    let named = [
        (left_out.nan, "not a number"),
        (left_out.infinite, "infinite"),
        (left_out.other_ids, "of other ids"),
    ];
    let named = named.map(|(count, what)| (count, what.to_owned()));
    let types = left_out.by_type.iter();
    let types = types.map(|(name, count)| (*count, format!("of type {}", clean(name, ID_CHARS))));
    let all = named.into_iter().chain(types);
    let all: Vec<_> = all
        .chain([(left_out.other_types, "of more types".to_owned())])
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(count)))
        .collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn over_all(text: &mut String, all: &Figures) {
    line(text, "Count", &grouped(all.count()));
    for (label, value) in [
        ("Mean", all.mean()),
        ("Unbiased variance", all.variance()),
        ("Standard deviation", all.standard_deviation()),
        ("Minimum", all.min()),
        ("Maximum", all.max()),
    ] {
        line(text, label, &number(value));
    }
    if let Some((first, last)) = all.times() {
        line(text, "First point", &rfc3339(first));
        line(text, "Last point", &rfc3339(last));
    }
}

fn table(text: &mut String, summary: &Summary) {
    let rows = summary.rows();
    let head = [
        "data id",
        "type",
        "count",
        "mean",
        "variance",
        "std. deviation",
        "minimum",
        "maximum",
    ];
    let mut cells = vec![head.map(str::to_owned)];
    let cells_of = |id: String, kind: &str, figures: &Figures| {
        [
            id,
            kind.to_owned(),
            grouped(figures.count()),
            number(figures.mean()),
            number(figures.variance()),
            number(figures.standard_deviation()),
            number(figures.min()),
            number(figures.max()),
        ]
    };
    let shown = rows.iter().take(ROWS_MAX.get());
    cells.extend(shown.map(
        |Row {
             id,
             number,
             figures,
         }| { cells_of(clean(id, ID_CHARS), number.name(), figures) },
    ));
    if let Some(others) = summary.others() {
        cells.push(cells_of("(others)".to_owned(), "", others));
    }
    let mut widths = [0; 8];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in &cells {
        let mut written = String::new();
        for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Words to the left, numbers to the right.
            match index {
                0 | 1 => write!(written, "{cell:<width$}  "),
                _ => write!(written, "{cell:>width$}  "),
            }
            .ok();
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
    if rows.len() > ROWS_MAX.get() {
        writeln!(
            text,
            "and {} more",
            grouped((rows.len() - ROWS_MAX.get()) as u64)
        )
        .ok();
    }
    if summary.others().is_some() {
        writeln!(
            text,
            "(others): ids beyond the first {}, or longer than they may be, taken together",
            grouped(super::IDS_MAX.get() as u64)
        )
        .ok();
    }
}

/// A number as a human reads it: ten digits, no more than it has.
fn number(value: Option<f64>) -> String {
    let Some(value) = value else {
        return "out of range".to_owned();
    };
    if value == 0.0 {
        return "0".to_owned();
    }
    // Of a finite value other than 0 it is within ±324.
    #[expect(clippy::cast_possible_truncation, reason = "it is within ±324")]
    let exponent = value.abs().log10().floor() as i32;
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..15).contains(&exponent) {
        let decimals = usize::try_from(9 - exponent).unwrap_or(0);
        return trimmed(&format!("{value:.decimals$}"));
    }
    let text = format!("{value:.9e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{exponent}", trimmed(digits))
}

/// A count with its thousands apart.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds as a human reads them.
fn seconds(microseconds: u64) -> String {
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let exact = format!("{seconds}.{rest:06}");
    let exact = exact.trim_end_matches('0').trim_end_matches('.');
    if seconds < 60 {
        return format!("{exact} s");
    }
    format!("{exact} s ({hours}:{minutes:02}:{:02})", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (value, expected) in [
            (Some(99.506_108_689_557_12), "99.50610869"),
            (Some(7.0), "7"),
            (Some(-0.001), "-0.001"),
            (Some(1e9), "1000000000"),
            (Some(100.0), "100"),
            (Some(1.5e300), "1.5e300"),
            (Some(-2e-9), "-2e-9"),
            (Some(5e-324), "4.940656458e-324"),
            (Some(0.0), "0"),
            (None, "out of range"),
        ] {
            assert_eq!(number(value), expected);
        }
        assert_eq!(
            [
                grouped(0),
                grouped(999),
                grouped(1_000),
                grouped(10_000_000)
            ],
            ["0", "999", "1,000", "10,000,000"]
        );
        assert_eq!(
            [seconds(1_000_000), seconds(1_500), seconds(3_725_250_000)],
            ["1 s", "0.0015 s", "3725.25 s (1:02:05)"]
        );
    }
}
