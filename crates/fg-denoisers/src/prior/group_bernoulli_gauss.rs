//! Sparse rows: all columns zero together, or Gaussian together.

use fg_core::denoiser::{Denoiser, GaussianRow, Law, Parameter, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::special::{log1pexp, open_uniform, quantile};

use super::bernoulli_gauss::Slab;
use crate::error::{self, ParameterError};
use crate::family::{Spread, formula, normal};

/// Row-sparse Bernoulli-Gauss: signals of several columns that share their support, as with multiple measurement
/// vectors, complex entries, or groups of coefficients.
///
/// # Density
///
/// ```text
/// f(x) = (1 - rho) delta(x) + rho N(x; 0, C)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | sparsity `rho` | - | `(0, 1]` | probability of a row that isn't zero |
/// | variance | - | `(0, inf)` | `C = variance I` for any number of columns |
/// | covariance | - | positive definite | `C`, `d x d` |
///
/// With one column it is [`BernoulliGauss`](crate::BernoulliGauss) of mean zero.
/// [`complex`](Self::complex) entries are two columns that stay circular, also where a run learns their variance.
///
/// # Estimate
///
/// With the slab's own posterior covariance `S = (C^-1 + Gamma)^-1` and mean `mu = S n`:
///
/// ```text
/// log ratio       t = log(rho / (1 - rho)) - log det(I + C Gamma) / 2 + n' S n / 2
/// probability     pi = 1 / (1 + exp(-t))
/// mean            pi mu
/// covariance      pi (S + (1 - pi) mu mu')
/// log-partition   log(1 - rho) + log(1 + exp(t))
/// ```
///
/// # Numerical notes and limits
///
/// * `S` and the determinant come from the Cholesky factor of `I + L' Gamma L`, `C = L L'`, which is never singular:
///   precisions of any form and size are exact, zero and singular ones included.
/// * Both weights come from the log ratio and `1 - pi` is `exp(-t) pi`: the covariance is a sum of a positive definite
///   matrix and a square, symmetric to the bit, and nothing cancels.
/// * `O(d^3)` a call, `O(d^2)` and one exponential a row.
///
/// # Reference
///
/// J. Ziniel and P. Schniter, "Efficient High-Dimensional Inference in the Multiple Measurement Vector Problem", IEEE
/// Transactions on Signal Processing 61 (2013), doi 10.1109/TSP.2012.2222382.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// use fg_denoisers::GroupBernoulliGauss;
/// let prior = GroupBernoulliGauss::with_covariance(0.1, 2, &[1.0, 0.9, 0.9, 1.0])?;
/// let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
/// // The first column is seen at 2 with noise of precision 100, the second not at all.
/// let cavity = RowCavity::new(0, 2, &[200.0, 0.0], &[2.0, 0.0], &[100.0, 0.0, 0.0, 0.0]);
/// prior.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[1] - 0.9 * 2.0 / 1.01).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GroupBernoulliGauss {
    sparsity: f64,
    slab: Spread,
    /// `log((1 - rho) / rho)`.
    log_odds_of_zero: f64,
    /// Both columns are parts of a circular complex entry.
    complex: bool,
    learns_sparsity: bool,
    learns_covariance: bool,
}

/// Largest exponent whose exponential, and its product with `pi`, are finite. Beyond it the row is zero with a
/// probability that differs from one by less than the smallest number.
const LARGEST_EXPONENT: f64 = 709.0;

impl GroupBernoulliGauss {
    /// Rows that are zero with probability `1 - sparsity` and have independent entries of this variance otherwise, of
    /// any number of columns.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < sparsity <= 1` and `0 < variance < inf`.
    pub fn new(sparsity: f64, variance: f64) -> Result<Self, ParameterError> {
        let slab = Spread::from_variance(error::positive("variance", variance)?)?;
        Self::of(sparsity, slab)
    }

    /// Circular complex entries, as real and imaginary parts in two columns: zero with probability `1 - sparsity`, and complex
    /// Gaussian of mean zero and `E abs(x)^2 = variance` otherwise.
    ///
    /// A cavity of complex noise of variance `s` has the precision `2 / s` in both columns.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn complex(sparsity: f64, variance: f64) -> Result<Self, ParameterError> {
        let half = 0.5 * error::positive("variance", variance)?;
        Ok(Self { complex: true, ..Self::new(sparsity, half)? })
    }

    /// Rows of `d` columns that are zero with probability `1 - sparsity` and have this covariance (`d x d`, row-major)
    /// otherwise.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < sparsity <= 1` and the covariance has `d * d` finite values and is symmetric and
    /// positive definite.
    pub fn with_covariance(
        sparsity: f64,
        d: usize,
        covariance: &[f64],
    ) -> Result<Self, ParameterError> {
        Self::of(sparsity, Spread::from_covariance(d, covariance)?)
    }

    fn of(sparsity: f64, slab: Spread) -> Result<Self, ParameterError> {
        let sparsity = error::share("sparsity", sparsity)?;
        let log_odds_of_zero = (-sparsity).ln_1p() - sparsity.ln();
        let (learns_sparsity, learns_covariance) = (false, false);
        let complex = false;
        Ok(Self { sparsity, slab, log_odds_of_zero, complex, learns_sparsity, learns_covariance })
    }

    /// Lets a run learn the sparsity, from the given one on.
    #[must_use]
    pub fn learn_sparsity(mut self) -> Self {
        self.learns_sparsity = true;
        self
    }

    /// Lets a run learn the variance or covariance of the rows that aren't zero, from the given one on.
    #[must_use]
    pub fn learn_covariance(mut self) -> Self {
        self.learns_covariance = true;
        self
    }

    /// Probability `rho` of a row that isn't zero.
    pub fn sparsity(&self) -> f64 {
        self.sparsity
    }

    /// Covariance of the rows that aren't zero, of `d` columns, `d x d`.
    pub fn covariance(&self, d: usize) -> Vec<f64> {
        self.slab.covariance(d)
    }
}

impl GroupBernoulliGauss {
    /// The slab's mean `mu = n S` of a row, and the odds of zero.
    fn slab_and_odds(
        &self,
        n: &[f64],
        s: &[f64],
        half_log_determinant: f64,
        mu: &mut [f64],
    ) -> f64 {
        small::row_times(n, s, mu, n.len());
        let fit: f64 = n.iter().zip(&*mu).map(|(n, m)| n * m).sum();
        let log_odds = self.log_odds_of_zero + half_log_determinant - 0.5 * fit;
        log_odds.min(LARGEST_EXPONENT).exp()
    }
}

impl Denoiser for GroupBernoulliGauss {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        let size = d * d;
        let (s, rest) = scratch.slice(5 * size).split_at_mut(size);
        let half_log_determinant = 0.5 * self.slab.combine(cavity.precision(), s, rest, d);
        if !half_log_determinant.is_finite() {
            return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() });
        }
        if d == 1 {
            let at_zero = self.log_odds_of_zero + half_log_determinant;
            formula::apply(&Slab { s: s[0], b: 0.0, at_zero }, cavity, out);
            return Ok(());
        }
        for i in 0..cavity.len() {
            let n = &cavity.natural()[i * d..(i + 1) * d];
            let mu = &mut out.mean[i * d..(i + 1) * d];
            let covariance = &mut out.covariance[i * size..(i + 1) * size];
            let odds = self.slab_and_odds(n, s, half_log_determinant, mu);
            let pi = 1.0 / (1.0 + odds);
            let zero = odds * pi;
            for (k, c) in covariance.iter_mut().enumerate() {
                *c = pi * (s[k] + zero * (mu[k / d] * mu[k % d]));
            }
            mu.iter_mut().for_each(|m| *m *= pi);
        }
        Ok(())
    }

    fn columns(&self) -> Option<usize> {
        if self.complex { Some(2) } else { self.slab.columns() }
    }

    /// Gaussian when no row is zero.
    fn gaussian(&self, _row: usize, d: usize) -> Option<GaussianRow> {
        (self.sparsity >= 1.0).then(|| normal::message(&self.slab, &vec![0.0; d]))
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let centre = vec![0.0; cavity.columns()];
        normal::log_partition(&self.slab, |_| &centre, cavity, out);
        if self.sparsity < 1.0 {
            let log_zero = (-self.sparsity).ln_1p();
            for log in out {
                *log = log_zero + log1pexp(*log - self.log_odds_of_zero);
            }
        }
        true
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn learning(&self) -> Vec<Parameter> {
        let sparsity = self.learns_sparsity.then(|| Parameter::scalar("sparsity", self.sparsity));
        let slab = || match &self.slab {
            // Of the complex entry: that of both parts together.
            Spread::Isotropic { variance, .. } if self.complex => {
                Parameter::scalar("variance", 2.0 * variance)
            }
            slab => slab.parameter("variance", "covariance"),
        };
        sparsity.into_iter().chain(self.learns_covariance.then(slab)).collect()
    }

    fn learned(&self, rows: &mut dyn Iterator<Item = RowCavity<'_>>) -> Option<Box<dyn Denoiser>> {
        let mut rows = rows.peekable();
        let d = rows.peek()?.columns();
        let (mut count, mut weight, mut square) = (0.0, 0.0, vec![0.0; d * d]);
        let (mut s, mut scratch, mut mu) = (vec![0.0; d * d], vec![0.0; 4 * d * d], vec![0.0; d]);
        for piece in rows {
            let half_log_determinant =
                0.5 * self.slab.combine(piece.precision(), &mut s, &mut scratch, d);
            count += piece.len() as f64;
            for n in piece.natural().chunks_exact(d) {
                let pi = 1.0 / (1.0 + self.slab_and_odds(n, &s, half_log_determinant, &mut mu));
                weight += pi;
                for (k, sum) in square.iter_mut().enumerate() {
                    *sum += pi * (s[k] + mu[k / d] * mu[k % d]);
                }
            }
        }
        let sparsity = if self.learns_sparsity { (weight / count).min(1.0) } else { self.sparsity };
        square.iter_mut().for_each(|v| *v /= weight);
        // Rows that have no spread in some direction leave the slab as it is.
        let fitted = if self.learns_covariance { self.slab.fitted(&square, d) } else { None };
        let slab = fitted.unwrap_or_else(|| self.slab.clone());
        let Self { complex, learns_sparsity, learns_covariance, .. } = *self;
        let learned = Self::of(sparsity, slab).ok()?;
        Some(Box::new(Self { complex, learns_sparsity, learns_covariance, ..learned }))
    }

    fn name(&self) -> String {
        "row-sparse Bernoulli-Gauss".to_owned()
    }
}

impl Law for GroupBernoulliGauss {
    fn uniforms(&self, d: usize) -> usize {
        d
    }

    fn jumps(&self) -> Option<Vec<f64>> {
        Some(vec![1.0 - self.sparsity])
    }

    /// As for one column, the first uniform says whether the row is zero, and what is left of it, stretched, is the
    /// uniform of the first normal variable.
    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        row.fill(0.0);
        let first = (uniforms[0] - (1.0 - self.sparsity)) / self.sparsity;
        if first < 0.0 {
            return;
        }
        let uniform = |k: usize| if k == 0 { first } else { uniforms[k] };
        self.slab.add_factor_times(|k| quantile(open_uniform(uniform(k))), row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BernoulliGauss;

    fn run(prior: &dyn Denoiser, n: &[f64], gamma: &[f64]) -> (Vec<f64>, Vec<f64>, f64) {
        let d = n.len();
        let cavity = RowCavity::new(0, d, n, n, gamma);
        let (mut mean, mut covariance, mut log) = (vec![0.0; d], vec![0.0; d * d], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        prior.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        assert!(prior.log_partition(&cavity, &mut log), "a log-partition function");
        (mean, covariance, log[0])
    }

    /// Rounding of a handful of products.
    const ROUNDING: f64 = 1e-13;

    #[test]
    fn one_column_is_the_scalar_prior() {
        let group = GroupBernoulliGauss::new(0.2, 3.0).unwrap();
        let scalar = BernoulliGauss::new(0.2, 0.0, 3.0).unwrap();
        for (n, gamma) in [(0.0, 0.0), (1.3, 0.7), (-40.0, 9.0), (1e6, 1e-6), (1e-6, 1e12)] {
            let (a, b) = (run(&group, &[n], &[gamma]), run(&scalar, &[n], &[gamma]));
            let close = |a: f64, b: f64| (a - b).abs() <= ROUNDING * b.abs().max(f64::EPSILON);
            assert!(close(a.0[0], b.0[0]) && close(a.1[0], b.1[0]), "{n} {gamma}: {a:?} {b:?}");
            assert!(close(a.2, b.2), "{n} {gamma}: {a:?} {b:?}");
        }
    }

    #[test]
    fn a_rotation_of_the_columns_rotates_the_estimate() {
        // Independent columns of variances 1 and 4, turned by the rotation with cosine 0.6.
        let (c, s) = (0.6, 0.8);
        let turn = |[a, b]: [f64; 2]| [c * a - s * b, s * a + c * b];
        let turned = |[p, q]: [f64; 2]| {
            let off = (p - q) * c * s;
            [c * c * p + s * s * q, off, off, s * s * p + c * c * q]
        };
        let straight = GroupBernoulliGauss::with_covariance(0.3, 2, &[1.0, 0.0, 0.0, 4.0]).unwrap();
        let oblique = GroupBernoulliGauss::with_covariance(0.3, 2, &turned([1.0, 4.0])).unwrap();
        let a = run(&straight, &[2.0, -0.5], &[0.5, 0.0, 0.0, 3.0]);
        let b = run(&oblique, &turn([2.0, -0.5]), &turned([0.5, 3.0]));
        for (expected, found) in turn([a.0[0], a.0[1]]).iter().zip(&b.0) {
            assert!((expected - found).abs() < ROUNDING, "{a:?} {b:?}");
        }
        assert!((a.1[0] + a.1[3] - b.1[0] - b.1[3]).abs() < ROUNDING, "{a:?} {b:?}");
        assert!((a.2 - b.2).abs() < ROUNDING, "{a:?} {b:?}");
    }

    #[test]
    fn complex_entries_are_those_of_the_complex_formula() {
        let prior = GroupBernoulliGauss::complex(0.2, 3.0).unwrap();
        // y = x + noise of variance s: the shrunk y v / (v + s), by the odds of the two complex densities of y.
        let (v, s, y) = (3.0, 0.4, [1.1, -0.3]);
        let square = y[0] * y[0] + y[1] * y[1];
        let density = |power: f64| (-square / power).exp() / power;
        let pi = 0.2 * density(v + s) / (0.2 * density(v + s) + 0.8 * density(s));
        let gamma = [2.0 / s, 0.0, 0.0, 2.0 / s];
        let n = y.map(|y| 2.0 / s * y);
        let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(0, 2, &n, &y, &gamma);
        prior.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        let shrink = v / (v + s);
        for j in 0..2 {
            assert!((mean[j] - pi * shrink * y[j]).abs() < 1e-14, "{mean:?}");
        }
        let total = pi * (shrink * s + (1.0 - pi) * shrink * shrink * square);
        assert!((covariance[0] + covariance[3] - total).abs() < 1e-14, "{covariance:?} {total}");
    }

    #[test]
    fn complex_entries_learn_and_stay_circular() {
        let prior = GroupBernoulliGauss::complex(0.5, 2.0).unwrap();
        assert_eq!((prior.columns(), prior.covariance(2)), (Some(2), vec![1.0, 0.0, 0.0, 1.0]));
        let prior = prior.learn_sparsity().learn_covariance();
        // Two of four rows aren't zero: 3 and 1 + 2 i, of mean square 7.
        let x = [3.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0];
        let n = x.map(|x| 1e18 * x);
        let gamma = [1e18, 0.0, 0.0, 1e18];
        let mut rows = core::iter::once(RowCavity::new(0, 2, &n, &x, &gamma));
        let learned = prior.learned(&mut rows).unwrap();
        let values: Vec<_> = learned.learning().into_iter().map(|p| (p.name, p.values)).collect();
        assert_eq!((&*values[0].0, &*values[1].0, values[1].1.len()), ("sparsity", "variance", 1));
        assert!((values[0].1[0] - 0.5).abs() < 1e-12, "{values:?}");
        assert!((values[1].1[0] - 7.0).abs() < 1e-9, "{values:?}");
        assert_eq!(learned.columns(), Some(2));
    }

    #[test]
    fn sparsity_is_learned_where_the_covariance_can_not_be() {
        let identity = [1.0, 0.0, 0.0, 1.0];
        let prior = GroupBernoulliGauss::with_covariance(0.5, 2, &identity).unwrap();
        let prior = prior.learn_sparsity().learn_covariance();
        // One known row of four isn't zero.
        let x = [3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let n = x.map(|x| 1e40 * x);
        let gamma = identity.map(|v| 1e40 * v);
        let mut rows = core::iter::once(RowCavity::new(0, 2, &n, &x, &gamma));
        let learned = prior.learned(&mut rows).unwrap().learning();
        assert!((learned[0].values[0] - 0.25).abs() < 1e-12, "{learned:?}");
        assert_eq!(learned[1].values, identity);
    }

    #[test]
    fn parameters_are_checked() {
        assert!(GroupBernoulliGauss::new(0.0, 1.0).is_err());
        assert!(GroupBernoulliGauss::new(0.5, 0.0).is_err());
        assert!(GroupBernoulliGauss::new(f64::NAN, 1.0).is_err());
        assert!(GroupBernoulliGauss::with_covariance(0.5, 2, &[1.0, 2.0, 2.0, 1.0]).is_err());
        assert!(GroupBernoulliGauss::new(1.0, 2.0).unwrap().gaussian(0, 3).is_some());
    }
}
