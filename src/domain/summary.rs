//! What a measurement's data points amount to: statistics by data id and over all, and what was left out of them.
//!
//! However many points, ids and types come, it stays small: beyond a bound they are counted together.

mod facts;
mod figures;
mod mail;
mod message;

pub use facts::Facts;
pub use figures::Figures;
pub(super) use mail::mail;
pub(super) use message::{Message, two_lines};

use super::bound::Bound;
use super::point::{Number, Point};
use std::collections::{BTreeMap, HashMap};

/// So many data ids have a row of their own; the others have one together.
pub static IDS_MAX: Bound<usize> = Bound::new("summary.ids", 10_000);
/// A longer id, in bytes, has none either.
const ID_MAX: usize = 512;
/// So many types that do not count are counted by name.
static TYPES_MAX: Bound<usize> = Bound::new("summary.types", 50);
/// A longer name of a type, in bytes, is not kept.
const TYPE_MAX: usize = 64;

/// Statistics of a measurement, built point by point.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    float64: HashMap<Box<str>, Figures>,
    int64: HashMap<Box<str>, Figures>,
    others: Figures,
    left_out: LeftOut,
    points: u64,
}

/// Points that came and enter no statistic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Not a number.
    pub nan: u64,
    /// Plus or minus infinity.
    pub infinite: u64,
    /// Of a type that counts, and of an id that the source's `data` does not name.
    pub other_ids: u64,
    /// Of types that do not count, by the type.
    pub by_type: BTreeMap<String, u64>,
    /// Of types beyond those.
    pub other_types: u64,
}

/// The statistics of one data id.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// `<channel>/<name>`, as the server spells it.
    pub id: &'a str,
    /// Its type.
    pub number: Number,
    /// The statistics.
    pub figures: &'a Figures,
}

impl Summary {
    /// Takes one point.
    pub fn take(&mut self, point: &Point<'_>) {
        self.points += 1;
        match point {
            Point::Value {
                id,
                number,
                value,
                time,
            } => {
                if value.is_nan() {
                    self.left_out.nan += 1;
                } else if value.is_infinite() {
                    self.left_out.infinite += 1;
                } else {
                    self.row(id, *number).push(*value, *time);
                }
            }
            Point::OtherId => self.left_out.other_ids += 1,
            Point::OtherType(name) => self.left_out.count(name),
        }
    }

    fn row(&mut self, id: &str, number: Number) -> &mut Figures {
        let room = self.float64.len() + self.int64.len() < IDS_MAX.get() && id.len() <= ID_MAX;
        let rows = match number {
            Number::Float64 => &mut self.float64,
            Number::Int64 => &mut self.int64,
        };
        if !rows.contains_key(id) {
            if !room {
                return &mut self.others;
            }
            rows.insert(id.into(), Figures::default());
        }
        rows.get_mut(id).expect("it is there")
    }

    /// All that came, what was left out included.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.points
    }

    /// What was left out.
    #[must_use]
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// A row for each data id, in their order.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_>> {
        let of = |number, rows| {
            let rows: &HashMap<Box<str>, Figures> = rows;
            rows.iter().map(move |(id, figures)| Row {
                id,
                number,
                figures,
            })
        };
        let mut rows: Vec<_> = of(Number::Float64, &self.float64)
            .chain(of(Number::Int64, &self.int64))
            .collect();
        rows.sort_unstable_by_key(|row| (row.id, row.number));
        rows
    }

    /// The statistics of all ids that have no row, together.
    #[must_use]
    pub fn others(&self) -> Option<&Figures> {
        (self.others.count() > 0).then_some(&self.others)
    }

    /// The statistics over all.
    #[must_use]
    pub fn over_all(&self) -> Figures {
        let mut all = self.others;
        // In one order, so that a second run tells the same to the last digit.
        self.rows().iter().for_each(|row| all.merge(row.figures));
        all
    }
}

impl LeftOut {
    fn count(&mut self, name: &str) {
        if let Some(count) = self.by_type.get_mut(name) {
            *count += 1;
        } else if self.by_type.len() < TYPES_MAX.get() && name.len() <= TYPE_MAX {
            self.by_type.insert(name.to_owned(), 1);
        } else {
            self.other_types += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(id: &str, number: Number, value: f64) -> Point<'_> {
        Point::Value {
            id: id.into(),
            number,
            value,
            time: None,
        }
    }

    #[test]
    fn each_id_of_each_type_has_a_row_and_all_have_one_together() {
        let mut summary = Summary::default();
        for (id, number, number_value) in [
            ("2/b", Number::Float64, 1.0),
            ("1/a", Number::Int64, 5.0),
            ("1/a", Number::Float64, 3.0),
            ("2/b", Number::Float64, 3.0),
        ] {
            summary.take(&value(id, number, number_value));
        }
        let rows = summary.rows();
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.id, row.number, row.figures.count()))
            .collect();
        let expected = [
            ("1/a", Number::Float64, 1),
            ("1/a", Number::Int64, 1),
            ("2/b", Number::Float64, 2),
        ];
        assert_eq!(told, expected);
        let all = summary.over_all();
        assert_eq!((all.count(), all.mean()), (4, Some(3.0)));
        assert!((all.variance().unwrap() - 8.0 / 3.0).abs() < 1e-15);
        assert_eq!((all.min(), all.max()), (Some(1.0), Some(5.0)));
    }

    #[test]
    fn what_enters_no_statistic_is_counted() {
        let mut summary = Summary::default();
        for number in [1.0, f64::NAN, 3.0, f64::INFINITY, f64::NEG_INFINITY] {
            summary.take(&value("1/a", Number::Float64, number));
        }
        summary.take(&Point::OtherId);
        for _ in 0..2 {
            summary.take(&Point::OtherType("string".into()));
        }
        let all = summary.over_all();
        assert_eq!((all.count(), all.variance()), (2, Some(2.0)));
        let expected = LeftOut {
            nan: 1,
            infinite: 2,
            other_ids: 1,
            by_type: [("string".to_owned(), 2)].into(),
            other_types: 0,
        };
        assert_eq!((summary.left_out(), summary.points()), (&expected, 8));
    }

    #[test]
    fn more_ids_and_types_than_fit_are_counted_together() {
        let mut summary = Summary::default();
        for index in 0..IDS_MAX.get() + 5 {
            let id = format!("1/{index}");
            summary.take(&value(&id, Number::Float64, 2.0));
            // The ones that are known go on to be counted by themselves.
            summary.take(&value("1/0", Number::Float64, 2.0));
        }
        summary.take(&value(&"x".repeat(ID_MAX + 1), Number::Int64, 2.0));
        assert_eq!(summary.rows().len(), IDS_MAX.get());
        assert_eq!(summary.others().unwrap().count(), 6);
        assert_eq!(
            summary.over_all().count(),
            2 * (IDS_MAX.get() as u64 + 5) + 1
        );
        for index in 0..TYPES_MAX.get() + 7 {
            summary.take(&Point::OtherType(index.to_string().into()));
        }
        summary.take(&Point::OtherType("x".repeat(TYPE_MAX + 1).into()));
        let left_out = summary.left_out();
        assert_eq!(
            (left_out.by_type.len(), left_out.other_types),
            (TYPES_MAX.get(), 8)
        );
    }
}
