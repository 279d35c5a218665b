//! Statistics of a measurement in one pass, and the notice's text.

/// Running count, mean and sum of squared deviations (Welford 1962): stable where the mean is large beside the variance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    count: u64,
    mean: f64,
    squares: f64,
    nan: u64,
    infinite: u64,
}

impl Summary {
    /// Takes one value. NaN and infinities are counted apart and enter no statistic.
    pub fn push(&mut self, value: f64) {
        if value.is_nan() {
            self.nan += 1;
        } else if value.is_infinite() {
            self.infinite += 1;
        } else {
            self.count += 1;
            let delta = value - self.mean;
            self.mean += delta / self.count as f64;
            self.squares += delta * (value - self.mean);
        }
    }

    /// Finite values seen.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Arithmetic mean; none of no values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Unbiased variance (divisor n − 1); 0 of one value, none of no values.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        match self.count {
            0 => None,
            1 => Some(0.0),
            n => Some(self.squares / (n - 1) as f64),
        }
    }

    /// The notice's text. It begins with the two lines that the original program mailed, or says that there is nothing to
    /// compute them of.
    #[must_use]
    pub fn text(&self, measurement: &str) -> String {
        let mut text = match (self.mean(), self.variance()) {
            (Some(mean), Some(variance)) => {
                format!("Average: {mean:.6}\nUnbiased Variance: {variance:.6}\n")
            }
            _ => "No data points: there is nothing to compute an average of.\n".to_owned(),
        };
        text.push_str(&format!(
            "\nMeasurement: {measurement}\nData points: {}\n",
            self.count
        ));
        if self.nan + self.infinite > 0 {
            text.push_str(&format!(
                "Left out: {} not a number, {} infinite\n",
                self.nan, self.infinite
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Summary {
        let mut summary = Summary::default();
        values.iter().for_each(|value| summary.push(*value));
        summary
    }

    #[test]
    fn agrees_with_the_original_program_on_its_own_data() {
        #[derive(serde::Deserialize)]
        struct Sample {
            mean: f64,
            unbiased_variance: f64,
            values: Vec<f64>,
        }
        let sample: Sample =
            serde_json::from_str(include_str!("../../tests/data/intdash_sample_points.json"))
                .unwrap();
        let summary = of(&sample.values);
        assert_eq!(summary.count(), 1000);
        assert!((summary.mean().unwrap() / sample.mean - 1.0).abs() < 1e-14);
        assert!((summary.variance().unwrap() / sample.unbiased_variance - 1.0).abs() < 1e-13);
        assert!(
            summary
                .text("m")
                .starts_with("Average: 99.506109\nUnbiased Variance: 243.961858\n")
        );
    }

    #[test]
    fn none_and_one_are_defined() {
        assert!(of(&[]).text("m").starts_with("No data points"));
        assert!(
            of(&[7.0])
                .text("m")
                .starts_with("Average: 7.000000\nUnbiased Variance: 0.000000\n")
        );
    }

    #[test]
    fn what_is_not_a_number_is_counted_apart() {
        let summary = of(&[1.0, f64::NAN, 3.0, f64::INFINITY, f64::NEG_INFINITY]);
        assert_eq!(
            (summary.count(), summary.mean(), summary.variance()),
            (2, Some(2.0), Some(2.0))
        );
        assert!(
            summary
                .text("m")
                .contains("Left out: 1 not a number, 2 infinite")
        );
    }

    #[test]
    fn a_large_mean_does_not_swallow_the_variance() {
        let summary = of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert!((summary.variance().unwrap() - 30.0).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn agrees_with_two_passes(values in proptest::collection::vec(-1e6f64..1e6, 2..300)) {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
            let summary = of(&values);
            prop_assert!((summary.mean().unwrap() - mean).abs() <= 1e-9 * mean.abs().max(1.0));
            prop_assert!((summary.variance().unwrap() - variance).abs() <= 1e-9 * variance.abs().max(1.0));
        }
    }
}
