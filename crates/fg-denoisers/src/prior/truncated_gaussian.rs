//! Gaussian entries cut off at one end or both, with or without zeros.

use fg_core::denoiser::{Denoiser, Law, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{cdf, open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::{Piece, Rule, pieces};

/// Entries of a variable of one column that are zero, or Gaussian within an interval.
///
/// # Density
///
/// ```text
/// f(x) = (1 - rho) delta(x) + rho N(x; m, v) / P  for a < x < b,      P = int_a^b N(x; m, v) dx
/// ```
///
/// [`new`](Self::new) has no zeros, `rho = 1`; [`nonnegative`](Self::nonnegative) is the non-negative Bernoulli-Gauss,
/// `a = 0`, `b = inf`.
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | mean `m` | - | finite | mean before it is cut off |
/// | variance `v` | - | `(0, inf)` | variance before it is cut off |
/// | start `a`, end `b` | - | `a < b`, possibly infinite | the interval |
/// | sparsity `rho` | 1 | `(0, 1]` | probability of an entry that isn't zero |
///
/// # Estimate
///
/// A Gaussian of natural parameter `n + m / v` and precision `gamma + 1 / v` cut off at the same ends, and the zeros by
/// their share of the mass.
///
/// # Numerical notes and limits
///
/// * Mills' ratio where there is one end, and where of two the further one takes off little; a recurrence of moments where
///   the density changes little between both: all to full relative accuracy, however far out the interval is. Variances are positive everywhere.
/// * An interval that holds less than the smallest double of the Gaussian, some 38 deviations out, is refused.
/// * Some 4 nanoseconds an entry with one end, 8 with two.
///
/// # Reference
///
/// J. P. Vila and P. Schniter, "An Empirical-Bayes Approach to Recovering Linearly Constrained Non-Negative Sparse Signals",
/// IEEE Transactions on Signal Processing 62 (2014), doi 10.1109/TSP.2014.2337841.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let prior = fg_denoisers::TruncatedGaussian::nonnegative(0.1, 0.0, 1.0)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// // Seen at -2 with noise of precision 4: almost certainly zero.
/// prior.estimate(&RowCavity::new(0, 1, &[-8.0], &[-2.0], &[4.0]), &mut out, &mut Scratch::default())?;
/// assert!(mean[0] > 0.0 && mean[0] < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TruncatedGaussian {
    mean: f64,
    deviation: f64,
    ends: (f64, f64),
    sparsity: f64,
    /// Logarithm of the density over that of the standard normal law.
    log_height: f64,
    density: Vec<Piece>,
    rule: Rule,
}

impl TruncatedGaussian {
    /// Entries that are `N(mean, variance)` within the interval; infinite ends are none.
    ///
    /// # Errors
    /// [`ParameterError`] unless the mean is finite, `0 < variance < inf`, `start < end`, and the interval holds a share of
    /// the Gaussian that can be represented.
    pub fn new(mean: f64, variance: f64, start: f64, end: f64) -> Result<Self, ParameterError> {
        Self::sparse(1.0, mean, variance, (start, end))
    }

    /// Entries that are zero with probability `1 - sparsity`, and `N(mean, variance)` cut off below zero otherwise.
    ///
    /// # Errors
    /// As [`new`](Self::new), and unless `0 < sparsity <= 1`.
    pub fn nonnegative(sparsity: f64, mean: f64, variance: f64) -> Result<Self, ParameterError> {
        Self::sparse(sparsity, mean, variance, (0.0, f64::INFINITY))
    }

    fn sparse(
        sparsity: f64,
        mean: f64,
        variance: f64,
        (start, end): (f64, f64),
    ) -> Result<Self, ParameterError> {
        let sparsity = error::share("sparsity", sparsity)?;
        let mean = error::finite("mean", mean)?;
        let deviation = error::positive("variance", variance)?.sqrt();
        error::above("end", end, start, "above start")?;
        let mass = between(((start - mean) / deviation, (end - mean) / deviation));
        if !(mass > 0.0) {
            let requirement = "near enough for the interval to hold some of the Gaussian";
            return Err(ParameterError::OutOfRange { parameter: "mean", value: mean, requirement });
        }
        let weight = sparsity.ln() - mass.ln();
        let mut density = vec![Piece::gaussian(start, end, weight, mean, variance)];
        if sparsity < 1.0 {
            density.push(Piece::atom(0.0, (-sparsity).ln_1p()));
        }
        let (ends, log_height) = ((start, end), weight - deviation.ln());
        Ok(Self { mean, deviation, ends, sparsity, log_height, density, rule: Rule::new() })
    }

    /// Logarithm of the density within the interval over that of the standard normal law.
    pub(super) fn log_height(&self) -> f64 {
        self.log_height
    }

    /// Mean before it is cut off.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Variance before it is cut off.
    pub fn variance(&self) -> f64 {
        self.deviation * self.deviation
    }

    /// The interval.
    pub fn ends(&self) -> (f64, f64) {
        self.ends
    }

    /// Probability of an entry that isn't zero.
    pub fn sparsity(&self) -> f64 {
        self.sparsity
    }
}

/// `Phi(b) - Phi(a)` for `a < b`, from the side on which both tails are small.
fn between((a, b): (f64, f64)) -> f64 {
    if a > 0.0 { cdf(-a) - cdf(-b) } else { cdf(b) - cdf(a) }
}

impl Denoiser for TruncatedGaussian {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        pieces::estimate_alike(&self.density, &self.rule, cavity, out, scratch)
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        pieces::log_partition(|_| &self.density, &self.rule, cavity, out)
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn name(&self) -> String {
        "truncated Gaussian".to_owned()
    }
}

impl Law for TruncatedGaussian {
    fn uniforms(&self, _d: usize) -> usize {
        1
    }

    fn jumps(&self) -> Option<Vec<f64>> {
        let zeros = 1.0 - self.sparsity;
        Some(if zeros > 0.0 { vec![zeros] } else { Vec::new() })
    }

    /// The first `1 - rho` of the unit interval is zero, the rest the distribution function within the ends.
    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        let zeros = 1.0 - self.sparsity;
        let u = (uniforms[0] - zeros) / self.sparsity;
        if u < 0.0 {
            row[0] = 0.0;
            return;
        }
        let (start, end) = self.ends;
        let (a, b) = ((start - self.mean) / self.deviation, (end - self.mean) / self.deviation);
        let u = open_uniform(u);
        let mass = between((a, b));
        // On the side where both tails are small nothing is lost next to one.
        let t = if a > 0.0 {
            -quantile(cdf(-b) + (1.0 - u) * mass)
        } else {
            quantile(cdf(a) + u * mass)
        };
        row[0] = (self.mean + self.deviation * t).clamp(start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_ends_it_is_a_gaussian_and_a_wide_half_is_a_half_normal() {
        const ROUNDING: f64 = 1e-13;
        let ask = |prior: &TruncatedGaussian, n: f64, gamma: f64| {
            let (natural, precision) = ([n], [gamma]);
            let cavity = RowCavity::new(0, 1, &natural, &[0.0], &precision);
            let (mut mean, mut variance, mut log) = ([0.0], [0.0], [0.0]);
            let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
            prior.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
            assert!(prior.log_partition(&cavity, &mut log));
            [mean[0], variance[0], log[0]]
        };
        let whole = TruncatedGaussian::new(2.0, 0.5, f64::NEG_INFINITY, f64::INFINITY).unwrap();
        let [mean, variance, _] = ask(&whole, 3.0, 2.0);
        assert!((mean - 1.75).abs() < ROUNDING && (variance - 0.25).abs() < ROUNDING);
        let half = TruncatedGaussian::nonnegative(1.0, 0.0, 1.0).unwrap();
        let [mean, variance, log] = ask(&half, 0.0, 0.0);
        let expected = (2.0 / core::f64::consts::PI).sqrt();
        assert!((mean - expected).abs() < ROUNDING, "{mean}");
        assert!((variance - (1.0 - expected * expected)).abs() < ROUNDING, "{variance}");
        assert!(log.abs() < ROUNDING, "{log}");
    }

    #[test]
    fn parameters_are_checked() {
        let new = TruncatedGaussian::new;
        assert!(new(0.0, 1.0, 1.0, 1.0).is_err() && new(0.0, 1.0, f64::NAN, 1.0).is_err());
        assert!(new(0.0, 0.0, 0.0, 1.0).is_err() && new(f64::NAN, 1.0, 0.0, 1.0).is_err());
        assert!(new(0.0, 1.0, 60.0, 61.0).is_err() && new(0.0, 1.0, 30.0, 31.0).is_ok());
        assert!(TruncatedGaussian::nonnegative(0.0, 0.0, 1.0).is_err());
    }
}
