//! The jumps of a maximiser: what its finite differences find beyond the smooth Jacobian, and how noisy their average is.

use fg_core::message::small;

use super::maximiser::{Found, Maximiser, NoMaximum, Row};

/// `Gamma = L L'`, and the step over which differences are taken.
///
/// With `w = L' r` and `g = L' z`, the cavity `n + h L e_k` is the whitened mean moved by `h e_k`.
pub(super) struct Root<'a> {
    pub(super) root: &'a [f64],
    pub(super) step: f64,
}

/// Values [`Root::jumps`] needs.
pub(super) fn work_len(d: usize) -> usize {
    2 * d + d * d
}

impl Root<'_> {
    /// Writes what differences of the whitened estimate find beyond its smooth Jacobian (`d x d`), symmetric part.
    pub(super) fn jumps(
        &self,
        maximiser: &dyn Maximiser,
        row: Row<'_>,
        tops: &[f64],
        jumps: &mut [f64],
        work: &mut [f64],
    ) -> Result<(), NoMaximum> {
        let d = row.natural.len();
        let (moved, work) = work.split_at_mut(d);
        let (z, work) = work.split_at_mut(d);
        let (covariance, work) = work.split_at_mut(d * d);
        jumps.fill(0.0);
        for k in 0..d {
            for side in [1.0, -1.0] {
                for j in 0..d {
                    moved[j] = row.natural[j] + side * self.step * self.root[j * d + k];
                }
                let found = Found { z: &mut *z, covariance: &mut *covariance };
                maximiser.solve_near(Row { natural: moved, ..row }, tops, found, work)?;
                for i in 0..d {
                    // Row i of L' times z, and of the smooth whitened Jacobian L' C L in column k.
                    let g: f64 = (i..d).map(|j| self.root[j * d + i] * z[j]).sum();
                    let smooth = self.whitened(covariance, i, k, d);
                    jumps[i * d + k] += side * g / (2.0 * self.step) - 0.5 * smooth;
                }
            }
        }
        small::symmetrise(jumps, d);
        Ok(())
    }

    /// Entry `(i, k)` of `L' C L`.
    fn whitened(&self, covariance: &[f64], i: usize, k: usize, d: usize) -> f64 {
        let mut sum = 0.0;
        for a in i..d {
            for b in k..d {
                sum += self.root[a * d + i] * covariance[a * d + b] * self.root[b * d + k];
            }
        }
        sum
    }

    /// Squared Frobenius norm of `L' C L`.
    fn whitened_square(&self, covariance: &[f64], d: usize) -> f64 {
        (0..d * d).map(|k| self.whitened(covariance, k / d, k % d, d).powi(2)).sum()
    }

    /// Adds `L^-T J L^-1` to the covariance; `jumps` is left overwritten.
    pub(super) fn add_unwhitened(
        &self,
        jumps: &mut [f64],
        covariance: &mut [f64],
        row: &mut [f64],
        d: usize,
    ) {
        for i in 0..d {
            // Row i of J L^-1 is L^-T applied to it, since (x' L^-1)' = L^-T x.
            small::solve_lower_transposed(self.root, &mut jumps[i * d..(i + 1) * d], d);
        }
        for j in 0..d {
            for i in 0..d {
                row[i] = jumps[i * d + j];
            }
            small::solve_lower_transposed(self.root, row, d);
            for i in 0..d {
                covariance[i * d + j] += row[i];
            }
        }
        small::symmetrise(covariance, d);
    }
}

/// How much the average of the jumps over rows would differ for other rows of the same law.
pub(super) struct Scatter<'a> {
    /// Sum of the jumps of all rows, `d x d`.
    sum: &'a mut [f64],
    /// Sum of their squared Frobenius norms.
    squares: f64,
}

impl<'a> Scatter<'a> {
    pub(super) fn new(sum: &'a mut [f64]) -> Self {
        sum.fill(0.0);
        Self { sum, squares: 0.0 }
    }

    /// Takes down the jumps of a row.
    pub(super) fn add(&mut self, jumps: &[f64]) {
        self.sum.iter_mut().zip(jumps).for_each(|(s, j)| *s += j);
        self.squares += jumps.iter().map(|j| j * j).sum::<f64>();
    }

    /// Standard error of the average over the rows of `covariances`, relative to that average, both whitened. A single
    /// row has no average to speak of: zero.
    pub(super) fn relative_error(&mut self, root: &Root<'_>, covariances: &[f64], d: usize) -> f64 {
        let rows = (covariances.len() / (d * d)) as f64;
        let mean_square = self.sum.iter().map(|s| s * s).sum::<f64>() / rows;
        // Rounding alone can take it below zero.
        let variance = (self.squares - mean_square).max(0.0) / (rows * (rows - 1.0));
        if !(rows > 1.0 && variance > 0.0) {
            return 0.0;
        }
        let average = &mut *self.sum;
        average.fill(0.0);
        for covariance in covariances.chunks_exact(d * d) {
            average.iter_mut().zip(covariance).for_each(|(a, c)| *a += c / rows);
        }
        (variance / root.whitened_square(average, d)).sqrt()
    }
}
