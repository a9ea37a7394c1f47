//! How often an estimate errs about which rows are zero.

use super::prediction::Samples;

/// Errors of the support, the rows that are called other than zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SupportErrors {
    /// Share of the rows other than zero that are called zero; NaN where there are none.
    pub missed: f64,
    /// Share of the rows of zeros that are called other than zero; NaN where there are none.
    pub false_alarms: f64,
}

impl SupportErrors {
    /// Of rows `(weight, truth, estimate)`: a row is called zero where no entry of its estimate is larger than `threshold`, in
    /// absolute value.
    ///
    /// ```
    /// use fg_core::evolution::SupportErrors;
    /// let rows = [([1.0], [0.8]), ([2.0], [0.05]), ([0.0], [0.02]), ([0.0], [0.0])];
    /// let found = SupportErrors::of(rows.iter().map(|(x, xhat)| (1.0, &x[..], &xhat[..])), 0.1);
    /// assert_eq!((found.missed, found.false_alarms), (0.5, 0.0));
    /// ```
    pub fn of<'r>(
        rows: impl IntoIterator<Item = (f64, &'r [f64], &'r [f64])>,
        threshold: f64,
    ) -> Self {
        // Weights of rows of zeros and of others, and of those that are taken for the other kind.
        let (mut all, mut wrong) = ([0.0; 2], [0.0; 2]);
        for (weight, truth, estimate) in rows {
            let is = truth.iter().any(|x| *x != 0.0);
            let called = estimate.iter().any(|x| x.abs() > threshold);
            all[usize::from(is)] += weight;
            if is != called {
                wrong[usize::from(is)] += weight;
            }
        }
        Self { missed: wrong[1] / all[1], false_alarms: wrong[0] / all[0] }
    }
}

impl Samples {
    /// Rates of support errors of the estimate, as predicted: see [`SupportErrors::of`].
    pub fn support_errors(&self, threshold: f64) -> SupportErrors {
        let rows = self.weights.iter().enumerate();
        let row = |(i, w): (usize, &f64)| (*w, self.truth.row(i), self.estimate.row(i));
        SupportErrors::of(rows.map(row), threshold)
    }
}
