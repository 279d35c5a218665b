//! Statistics of many values in one pass.
//!
//! Mean and squares are kept in two doubles each, so that what rounding takes does not add up over millions of values: the
//! result agrees with two passes over all of them, also where the mean is a thousand million times the deviation.

/// Count, mean, squared deviations (Welford 1962; merged as Chan, Golub and LeVeque 1979), extremes, and the time from first
/// to last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    count: u64,
    mean: Twofold,
    squares: Twofold,
    min: f64,
    max: f64,
    times: Option<(i64, i64)>,
}

/// A sum of two doubles, the second of which is what rounding took from the first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Twofold {
    high: f64,
    low: f64,
}

impl Twofold {
    /// Knuth's TwoSum, brought back into shape. What leaves the range of a double stays infinite.
    fn add(&mut self, term: f64) {
        let sum = self.high + term;
        if !sum.is_finite() {
            *self = Self {
                high: f64::INFINITY,
                low: 0.0,
            };
            return;
        }
        let back = sum - self.high;
        let lost = (self.high - (sum - back)) + (term - back);
        let low = self.low + lost;
        self.high = sum + low;
        self.low = low - (self.high - sum);
    }
}

impl Figures {
    /// Takes one finite value, and its time in nanoseconds since 1970, if it has one.
    pub fn push(&mut self, value: f64, time: Option<i64>) {
        self.count += 1;
        let count = self.count as f64;
        let delta = (value - self.mean.high) - self.mean.low;
        if delta.is_finite() {
            self.mean.add(delta / count);
            self.squares.add(delta * ((count - 1.0) / count) * delta);
        } else {
            // Further apart than a double reaches; the mean lies between them all the same.
            self.mean.add(value / count - self.mean.high / count);
            self.squares.add(f64::INFINITY);
        }
        let first = self.count == 1;
        self.min = if first { value } else { self.min.min(value) };
        self.max = if first { value } else { self.max.max(value) };
        self.span(time.map(|time| (time, time)));
    }

    /// Takes all that another has taken.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let share = theirs / (ours + theirs);
        let delta = (other.mean.high - self.mean.high) + (other.mean.low - self.mean.low);
        self.squares.add(other.squares.high);
        self.squares.add(other.squares.low);
        if delta.is_finite() {
            self.mean.add(delta * share);
            self.squares.add(delta * (ours * share) * delta);
        } else {
            self.mean
                .add(other.mean.high * share - self.mean.high * share);
            self.squares.add(f64::INFINITY);
        }
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.span(other.times);
    }

    fn span(&mut self, times: Option<(i64, i64)>) {
        self.times = match (self.times, times) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (known, new) => known.or(new),
        };
    }

    /// Values taken.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Arithmetic mean; none of no values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean.high)
    }

    /// Unbiased variance (divisor n − 1); 0 of one value; none of no values, and where it is more than a double holds.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        let variance = match self.count {
            0 => return None,
            1 => 0.0,
            n => self.squares.high / (n - 1) as f64,
        };
        variance.is_finite().then_some(variance)
    }

    /// Square root of the variance, where there is one.
    #[must_use]
    pub fn standard_deviation(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// The smallest value; none of no values.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// The largest value; none of no values.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// The first and the last time, in nanoseconds since 1970, where any value had one.
    #[must_use]
    pub fn times(&self) -> Option<(i64, i64)> {
        self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Figures {
        let mut figures = Figures::default();
        values.iter().for_each(|value| figures.push(*value, None));
        figures
    }

    fn near(found: Option<f64>, expected: f64, relative: f64) -> bool {
        (found.unwrap() - expected).abs() <= relative * expected.abs()
    }

    /// Mean and unbiased variance by two passes, on a shift that takes the large part of the mean away exactly.
    fn two_passes(values: &[f64], shift: f64) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|v| v - shift).sum::<f64>() / n;
        let squares = values.iter().map(|v| ((v - shift) - mean).powi(2));
        (shift + mean, squares.sum::<f64>() / (n - 1.0))
    }

    #[test]
    fn agrees_with_the_original_program_on_its_own_data() {
        #[derive(serde::Deserialize)]
        struct Sample {
            mean: f64,
            unbiased_variance: f64,
            values: Vec<f64>,
        }
        let sample = include_str!("../../../tests/data/intdash_sample_points.json");
        let sample: Sample = serde_json::from_str(sample).unwrap();
        let figures = of(&sample.values);
        assert_eq!(figures.count(), 1000);
        assert!(near(figures.mean(), sample.mean, 1e-14));
        assert!(near(figures.variance(), sample.unbiased_variance, 1e-13));
    }

    #[test]
    fn none_and_one_are_defined() {
        let none = of(&[]);
        assert_eq!(
            (none.count(), none.mean(), none.variance()),
            (0, None, None)
        );
        assert_eq!((none.min(), none.max(), none.times()), (None, None, None));
        let one = of(&[7.0]);
        assert_eq!((one.mean(), one.variance()), (Some(7.0), Some(0.0)));
        assert_eq!((one.min(), one.max()), (Some(7.0), Some(7.0)));
    }

    #[test]
    fn a_large_mean_does_not_swallow_the_variance() {
        // Noise of some thousandths on a thousand million: a plain one-pass sum has no digit of it left.
        let values: Vec<f64> = (0..1_000_000_u32)
            .map(|n| 1e9 + f64::from(n.wrapping_mul(2_654_435_761) >> 20) / 1e6)
            .collect();
        let (mean, variance) = two_passes(&values, 1e9);
        let figures = of(&values);
        assert!(near(figures.mean(), mean, 1e-15));
        assert!(
            near(figures.variance(), variance, 1e-12),
            "{figures:?} {variance}"
        );
    }

    #[test]
    fn what_leaves_the_range_of_a_double_is_not_told_as_a_number() {
        let apart = of(&[f64::MAX, -f64::MAX, f64::MAX, -f64::MAX]);
        assert_eq!(apart.mean(), Some(0.0));
        assert_eq!((apart.variance(), apart.standard_deviation()), (None, None));
        assert_eq!(
            (apart.min(), apart.max()),
            (Some(-f64::MAX), Some(f64::MAX))
        );
        let same = of(&[f64::MAX; 1000]);
        assert_eq!((same.mean(), same.variance()), (Some(f64::MAX), Some(0.0)));
        let far = of(&[1e200, -1e200]);
        assert_eq!((far.mean(), far.variance()), (Some(0.0), None));
        let mut merged = of(&[f64::MAX, f64::MAX]);
        merged.merge(&of(&[-f64::MAX, -f64::MAX]));
        assert_eq!((merged.mean(), merged.variance()), (Some(0.0), None));
    }

    #[test]
    fn times_span_from_the_first_to_the_last() {
        let mut figures = Figures::default();
        for time in [Some(5), None, Some(-3), Some(9)] {
            figures.push(1.0, time);
        }
        assert_eq!(figures.times(), Some((-3, 9)));
    }

    proptest! {
        #[test]
        fn agrees_with_two_passes(values in proptest::collection::vec(-1e6f64..1e6, 2..300), shift in -1e9f64..1e9) {
            let shifted: Vec<f64> = values.iter().map(|value| value + shift).collect();
            let (mean, variance) = two_passes(&shifted, shift);
            let figures = of(&shifted);
            prop_assert!((figures.mean().unwrap() - mean).abs() <= 1e-12 * mean.abs().max(1.0));
            prop_assert!((figures.variance().unwrap() - variance).abs() <= 1e-12 * variance);
        }

        #[test]
        fn parts_put_together_are_the_whole(values in proptest::collection::vec(-1e6f64..1e6, 2..300), at in 0usize..300) {
            let at = at.min(values.len());
            let mut parts = of(&values[..at]);
            parts.merge(&of(&values[at..]));
            let whole = of(&values);
            prop_assert_eq!((parts.count(), parts.min(), parts.max()), (whole.count(), whole.min(), whole.max()));
            prop_assert!((parts.mean().unwrap() - whole.mean().unwrap()).abs() <= 1e-9);
            prop_assert!((parts.variance().unwrap() - whole.variance().unwrap()).abs() <= 1e-12 * whole.variance().unwrap());
        }
    }
}
