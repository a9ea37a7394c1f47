//! Data with Gaussian noise of a precision of its own in each column, and columns that weren't measured.

use core::f64::consts::TAU;

use fg_core::Rows;
use fg_core::denoiser::{GaussianRow, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::special::{open_uniform, quantile};

use crate::PerRow;
use crate::error::ParameterError;

/// Independent Gaussian noise of known, different precision in each column; a column of precision zero is missing.
///
/// Under [`PerRow`] it is noise with a variance of its own in every entry of the data, and data with missing entries:
/// [`per_entry`](Self::per_entry), [`with_gaps`](Self::with_gaps).
///
/// # Density
///
/// ```text
/// p(y | z) = prod_j N(y_j; z_j, 1 / p_j)      over the columns with p_j > 0
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | precisions `p` | - | `[0, inf]` | one for each column; zero says nothing of the column, infinite that `z_j = y_j` |
///
/// # Estimate
///
/// With `D = diag(p)` and `c = y` in the columns that are measured, 0 in the others:
///
/// ```text
/// covariance      S = (D + Gamma)^-1
/// mean            c + S (n - Gamma c)
/// log-partition   c'n - c' Gamma c / 2 + k' S k / 2 + log det(S) / 2 + sum_measured log(p_j) / 2 + missing log(2 pi) / 2
/// ```
///
/// with `k = n - Gamma c`, `missing` the number of columns that aren't measured.
///
/// # Numerical notes
///
/// * `S = T (T (D + Gamma) T)^-1 T`, `t_j = (p_j + Gamma_jj)^(-1/2)`: the inner matrix has ones on its diagonal at precisions
///   of any size, and its products stay finite where some are infinite.
/// * A direction of which neither data nor cavity say anything is [`Breakdown::ImproperCavity`].
/// * What stands in the data for a missing entry doesn't matter, as long as it is finite.
///
/// # Reference
///
/// C. M. Bishop, *Pattern Recognition and Machine Learning* (2006), section 2.3.3.
///
/// # Example
///
/// ```
/// use fg_core::Rows;
/// use fg_denoisers::DiagonalNoise;
/// // Two rows of two columns, noise of variance 0.25, one entry missing.
/// let data = Rows::from_vec(2, 2, vec![1.0, f64::NAN, 0.5, -2.0]).expect("two rows");
/// let (noise, data) = DiagonalNoise::with_gaps(4.0, &data)?;
/// assert_eq!(noise.models()[0].precisions(), [4.0, 0.0]);
/// assert_eq!(data.row(0), [1.0, 0.0]);
/// # Ok::<(), fg_denoisers::ParameterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DiagonalNoise {
    precisions: Vec<f64>,
}

impl DiagonalNoise {
    /// Noise of these precisions on rows of as many columns.
    ///
    /// # Errors
    /// [`ParameterError`] unless there is one, and all are at least 0; infinity is legal.
    pub fn new(precisions: &[f64]) -> Result<Self, ParameterError> {
        if precisions.is_empty() {
            return Err(ParameterError::Length { parameter: "precisions", expected: 1, found: 0 });
        }
        for &value in precisions {
            if !(value >= 0.0) {
                let (parameter, requirement) = ("precision", "at least 0, possibly infinite");
                return Err(ParameterError::OutOfRange { parameter, value, requirement });
            }
        }
        Ok(Self { precisions: precisions.to_vec() })
    }

    /// Noise of these precisions on the entries of the data.
    ///
    /// # Errors
    /// As [`new`](Self::new), for any row.
    pub fn per_entry(precisions: &Rows) -> Result<PerRow<Self>, ParameterError> {
        let rows = (0..precisions.rows()).map(|i| Self::new(precisions.row(i)));
        PerRow::likelihoods(rows.collect::<Result<_, _>>()?)
    }

    /// Noise of one precision on data in which NaN stands for what is missing, and the data to give to the graph: zeros in
    /// the gaps.
    ///
    /// Where the noise isn't known, a run learns its variance as that of a [`Tuned`](crate::Tuned) family:
    ///
    /// ```
    /// use fg_core::Rows;
    /// use fg_denoisers::{DiagonalNoise, Tuned};
    /// let data = Rows::from_fn(4, 2, |i, j| if i == j { f64::NAN } else { 1.0 });
    /// let (_, filled) = DiagonalNoise::with_gaps(1.0, &data)?;
    /// assert_eq!(filled[(0, 0)], 0.0);
    /// let noise = move |v: f64| DiagonalNoise::with_gaps(1.0 / v, &data).map(|both| both.0);
    /// let node = Tuned::new("noise variance", 1.0, noise)?;
    /// # Ok::<(), fg_denoisers::ParameterError>(())
    /// ```
    ///
    /// # Errors
    /// [`ParameterError`] without rows or columns, or unless `precision > 0`.
    pub fn with_gaps(precision: f64, data: &Rows) -> Result<(PerRow<Self>, Rows), ParameterError> {
        let precision = crate::error::precision("precision", precision)?;
        let (mut precisions, mut filled) = (data.clone(), data.clone());
        let entries = precisions.as_mut_slice().iter_mut().zip(filled.as_mut_slice());
        for (own, value) in entries {
            *own = if value.is_nan() { 0.0 } else { precision };
            *value = if value.is_nan() { 0.0 } else { *value };
        }
        Ok((Self::per_entry(&precisions)?, filled))
    }

    /// The precision of each column.
    pub fn precisions(&self) -> &[f64] {
        &self.precisions
    }

    fn centre(&self, observed: &[f64], j: usize) -> f64 {
        if self.precisions[j] > 0.0 { observed[j] } else { 0.0 }
    }

    /// Writes `S` and returns `log det(S) + sum_measured log(p) + missing log(2 pi)`; none where it is undetermined. `work`
    /// holds `3 d^2 + d` values.
    fn combine(&self, gamma: &[f64], s: &mut [f64], work: &mut [f64]) -> Option<f64> {
        let d = self.precisions.len();
        let size = d * d;
        let (inner, rest) = work.split_at_mut(size);
        let (inverse, t) = rest.split_at_mut(size);
        let t = &mut t[..d];
        let mut log = 0.0;
        for (j, &p) in self.precisions.iter().enumerate() {
            let total = p + gamma[j * d + j];
            if !(total > 0.0) {
                return None;
            }
            t[j] = total.sqrt().recip();
            // log(p t^2), whose limit for infinite p is zero.
            log += if p > 0.0 { -(gamma[j * d + j] / p).ln_1p() } else { (TAU / total).ln() };
        }
        for i in 0..d {
            for j in 0..d {
                inner[i * d + j] = if i == j { 1.0 } else { t[i] * gamma[i * d + j] * t[j] };
            }
        }
        small::cholesky(inner, d).ok()?;
        log -= (0..d).map(|j| 2.0 * inner[j * d + j].ln()).sum::<f64>();
        small::invert_lower(inner, inverse, d);
        for i in 0..d {
            for j in 0..=i {
                let sum: f64 = (i..d).map(|k| inverse[k * d + i] * inverse[k * d + j]).sum();
                let value = t[i] * sum * t[j];
                s[i * d + j] = value;
                s[j * d + i] = value;
            }
        }
        Some(log)
    }

    /// `k = n - Gamma c`.
    fn innovate(&self, observed: &[f64], cavity: &RowCavity<'_>, i: usize, out: &mut [f64]) {
        let d = self.precisions.len();
        for a in 0..d {
            let pull = (0..d).map(|b| cavity.precision()[a * d + b] * self.centre(observed, b));
            out[a] = cavity.natural()[i * d + a] - pull.sum::<f64>();
        }
    }
}

impl Likelihood for DiagonalNoise {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = self.precisions.len();
        let size = d * d;
        let (s, rest) = scratch.slice(3 * size + 2 * d).split_at_mut(size);
        let (k, work) = rest.split_at_mut(d);
        if self.combine(cavity.precision(), s, work).is_none() {
            return Err(Breakdown::ImproperCavity { port: 0, row: cavity.first_row() });
        }
        for (i, y) in observed.chunks_exact(d).enumerate() {
            self.innovate(y, cavity, i, k);
            let mean = &mut out.mean[i * d..(i + 1) * d];
            small::row_times(k, s, mean, d);
            mean.iter_mut().enumerate().for_each(|(j, m)| *m += self.centre(y, j));
            out.covariance[i * size..(i + 1) * size].copy_from_slice(s);
        }
        Ok(())
    }

    fn outputs(&self, d: usize) -> usize {
        d
    }

    fn columns(&self) -> Option<usize> {
        Some(self.precisions.len())
    }

    /// None where some columns are exact and others aren't: no precision says that.
    fn gaussian(&self, observed: &[f64]) -> Option<GaussianRow> {
        let d = self.precisions.len();
        let exact = self.precisions.iter().filter(|p| p.is_infinite()).count();
        if exact > 0 {
            let precision = vec![0.0; d * d];
            let row = GaussianRow { natural: observed.to_vec(), precision, known: true };
            return (exact == d).then_some(row);
        }
        let mut precision = vec![0.0; d * d];
        for (j, p) in self.precisions.iter().enumerate() {
            precision[j * d + j] = *p;
        }
        let natural = self.precisions.iter().zip(observed).map(|(p, y)| p * y).collect();
        Some(GaussianRow { natural, precision, known: false })
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let d = self.precisions.len();
        let (mut s, mut work, mut k) = (vec![0.0; d * d], vec![0.0; 2 * d * d + d], vec![0.0; d]);
        let Some(log) = self.combine(cavity.precision(), &mut s, &mut work) else { return false };
        for (i, (out, y)) in out.iter_mut().zip(observed.chunks_exact(d)).enumerate() {
            self.innovate(y, cavity, i, &mut k);
            // c'n - c' Gamma c / 2 = c' (n + k) / 2.
            let natural = &cavity.natural()[i * d..(i + 1) * d];
            let at_centre: f64 =
                (0..d).map(|j| 0.5 * self.centre(y, j) * (natural[j] + k[j])).sum();
            *out = at_centre + 0.5 * (small::bilinear(&k, &s, &k, d) + log);
        }
        true
    }

    fn uniforms(&self, d: usize) -> Option<usize> {
        Some(d)
    }

    /// Zeros in columns that aren't measured.
    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        for (j, &p) in self.precisions.iter().enumerate() {
            let noise = || quantile(open_uniform(uniforms[j])) / p.sqrt();
            y[j] = if p > 0.0 { z[j] + noise() } else { 0.0 };
        }
    }

    fn name(&self) -> String {
        "noise by column".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Awgn;

    const ROUNDING: f64 = 1e-13;

    fn run(node: &dyn Likelihood, y: &[f64], n: &[f64], gamma: &[f64]) -> Option<Vec<f64>> {
        let d = n.len();
        let cavity = RowCavity::new(0, d, n, n, gamma);
        let (mut mean, mut covariance, mut log) = (vec![0.0; d], vec![0.0; d * d], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        node.estimate(y, &cavity, &mut out, &mut Scratch::default()).ok()?;
        assert!(node.log_partition(y, &cavity, &mut log), "a log-partition function");
        Some([mean, covariance, log.to_vec()].concat())
    }

    const GAMMA: [f64; 4] = [2.0, 0.5, 0.5, 1.0];

    #[test]
    fn equal_precisions_are_white_noise_and_infinite_ones_exact_data() {
        let (y, n) = ([0.3, -1.0], [1.0, 0.4]);
        for precision in [0.7, 1e9, f64::INFINITY] {
            let own = DiagonalNoise::new(&[precision; 2]).unwrap();
            let white = Awgn::new(precision).unwrap();
            let (a, b) = (run(&own, &y, &n, &GAMMA), run(&white, &y, &n, &GAMMA));
            for (a, b) in a.unwrap().iter().zip(&b.unwrap()) {
                assert!((a - b).abs() < ROUNDING * (1.0 + b.abs()), "{precision}: {a} {b}");
            }
            assert_eq!(own.gaussian(&y).unwrap().known, white.gaussian(&y).unwrap().known);
        }
    }

    #[test]
    fn a_missing_column_is_told_by_the_others_alone() {
        let node = DiagonalNoise::new(&[4.0, 0.0]).unwrap();
        let found = run(&node, &[0.5, 77.0], &[1.0, 0.4], &GAMMA).unwrap();
        // (D + Gamma)^-1 of [[6, 0.5], [0.5, 1]], natural parameter (1 + 2, 0.4).
        let determinant = 6.0 - 0.25;
        let s = [1.0 / determinant, -0.5 / determinant, -0.5 / determinant, 6.0 / determinant];
        let mean = [s[0] * 3.0 + s[1] * 0.4, s[2] * 3.0 + s[3] * 0.4];
        let exponent = 0.5 * (mean[0] * 3.0 + mean[1] * 0.4) - 0.5 * 4.0 * 0.25;
        let log = exponent + 0.5 * (TAU * 4.0 / determinant).ln();
        let expected = [mean[0], mean[1], s[0], s[1], s[2], s[3], log];
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < ROUNDING, "{found:?} {expected:?}");
        }
        let nothing = DiagonalNoise::new(&[0.0]).unwrap();
        assert_eq!(run(&nothing, &[1.0], &[0.0], &[0.0]), None, "nothing is known at all");
    }

    #[test]
    fn one_exact_column_leaves_the_other_free() {
        let node = DiagonalNoise::new(&[f64::INFINITY, 0.0]).unwrap();
        let found = run(&node, &[0.5, 0.0], &[1.0, 0.4], &GAMMA).unwrap();
        // Given the first column the second has precision 1 and natural parameter 0.4 - 0.5 * 0.5.
        let expected = [0.5, 0.15, 0.0, 0.0, 0.0, 1.0];
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < ROUNDING, "{found:?}");
        }
        assert!(node.gaussian(&[0.5, 0.0]).is_none());
    }

    #[test]
    fn parameters_are_checked() {
        assert!(DiagonalNoise::new(&[]).is_err() && DiagonalNoise::new(&[f64::NAN]).is_err());
        assert!(DiagonalNoise::new(&[-1.0]).is_err());
        assert!(DiagonalNoise::with_gaps(0.0, &Rows::zeros(1, 1)).is_err());
    }
}
