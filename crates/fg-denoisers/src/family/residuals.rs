//! What learning a Gaussian needs of its rows: mean and second moment of what is left of them beyond their centres.

use fg_core::denoiser::RowCavity;
use fg_core::message::small;

use super::{Spread, normal};

/// Posterior residuals `x - c` of rows `x ~ N(c, C)` seen through a cavity.
#[derive(Debug)]
pub(crate) struct Residuals {
    d: usize,
    count: f64,
    sum: Vec<f64>,
    square: Vec<f64>,
}

impl Residuals {
    pub(crate) fn new(d: usize) -> Self {
        Self { d, count: 0.0, sum: vec![0.0; d], square: vec![0.0; d * d] }
    }

    /// Adds the rows of a piece of a cavity; `centre(i)` is the centre of its row `i`.
    pub(crate) fn add<'c>(
        &mut self,
        spread: &Spread,
        centre: impl Fn(usize) -> &'c [f64],
        rows: &RowCavity<'_>,
    ) {
        let d = self.d;
        let (mut s, mut scratch) = (vec![0.0; d * d], vec![0.0; 4 * d * d]);
        let (mut innovation, mut residual) = (vec![0.0; d], vec![0.0; d]);
        spread.combine(rows.precision(), &mut s, &mut scratch, d);
        for i in 0..rows.len() {
            let n = &rows.natural()[i * d..(i + 1) * d];
            normal::innovate(rows, n, centre(i), &mut innovation);
            small::row_times(&innovation, &s, &mut residual, d);
            for j in 0..d {
                self.sum[j] += residual[j];
                for k in 0..d {
                    self.square[j * d + k] += residual[j] * residual[k] + s[j * d + k];
                }
            }
        }
        self.count += rows.len() as f64;
    }

    /// Mean residual of each column; `None` without rows.
    pub(crate) fn mean(&self) -> Option<Vec<f64>> {
        (self.count > 0.0).then(|| self.sum.iter().map(|v| v / self.count).collect())
    }

    /// The spread of the form of `like` that fits the residuals best around `mean`; `None` without rows, or where they
    /// have no spread in some direction.
    pub(crate) fn spread(&self, like: &Spread, mean: &[f64]) -> Option<Spread> {
        let d = self.d;
        // E (r - m)(r - m)' for any m, not only their own mean.
        let own = self.mean()?;
        let about = |k: usize| {
            let (i, j) = (k / d, k % d);
            self.square[k] / self.count - own[i] * mean[j] - mean[i] * own[j] + mean[i] * mean[j]
        };
        let covariance: Vec<f64> = (0..d * d).map(about).collect();
        like.fitted(&covariance, d)
    }
}
