//! Sparse entries: exactly zero, or Gaussian with a given probability.

use fg_core::Message;
use fg_core::denoiser::{Denoiser, GaussianRow, Law, Parameter, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::exp::exp_share;
use fg_core::special::number::Number;
use fg_core::special::{log1pexp, open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::formula::{self, Formula};
use crate::family::{Spread, normal};

/// Bernoulli-Gauss (spike and slab) entries of a variable of one column.
///
/// # Density
///
/// ```text
/// f(x) = (1 - rho) delta(x) + rho N(x; m, v)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | sparsity `rho` | - | `(0, 1]` | probability of an entry that isn't zero |
/// | mean `m` | - | finite | mean of those entries |
/// | variance `v` | - | `(0, inf)` | variance of those entries |
///
/// # Estimate
///
/// With the slab's own posterior `s = v / (1 + gamma v)`, `b = m / (1 + gamma v)`, `mu = s n + b`:
///
/// ```text
/// log ratio       t = log(rho / (1 - rho)) - log(1 + gamma v) / 2 + n (mu + b) / 2 - gamma m b / 2
/// probability     pi = 1 / (1 + exp(-t))
/// mean            pi mu
/// variance        pi (s + (1 - pi) mu^2)
/// log-partition   log(1 - rho) + log(1 + exp(t))
/// ```
///
/// # Numerical notes
///
/// * Both weights come from the log ratio, `1 - pi` as `exp(-t) pi`: nothing cancels, and the variance, a sum of
///   products of positive numbers, can't be negative.
/// * No division by `v` or `gamma`: `gamma = 0` is exact, and so is a precision of any size.
/// * Mean and variance are good to `1e-13`, relative, times the size of the log ratio.
/// * One exponential an entry, for a register of entries at a time; some 3 ns.
///
/// # Reference
///
/// J. P. Vila and P. Schniter, "Expectation-Maximization Gaussian-Mixture Approximate Message Passing", IEEE
/// Transactions on Signal Processing 61 (2013), doi 10.1109/TSP.2013.2272287.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// use fg_denoisers::BernoulliGauss;
/// let prior = BernoulliGauss::new(0.1, 0.0, 1.0)?;
/// let (mut mean, mut variance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// // Two entries seen at 0.05 and 2 with noise of precision 100.
/// let cavity = RowCavity::new(0, 1, &[5.0, 200.0], &[0.05, 2.0], &[100.0]);
/// prior.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert!(mean[0].abs() < 0.01 && (mean[1] - 2.0 / 1.01).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BernoulliGauss {
    sparsity: f64,
    mean: f64,
    variance: f64,
    /// `log((1 - rho) / rho)`.
    log_odds_of_zero: f64,
    learns: Learns,
}

/// Which parameters a run learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Learns {
    sparsity: bool,
    mean: bool,
    variance: bool,
}

impl BernoulliGauss {
    /// Entries that are zero with probability `1 - sparsity` and `N(mean, variance)` otherwise.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < sparsity <= 1`, the mean is finite and `0 < variance < inf`.
    pub fn new(sparsity: f64, mean: f64, variance: f64) -> Result<Self, ParameterError> {
        let sparsity = error::share("sparsity", sparsity)?;
        let mean = error::finite("mean", mean)?;
        let variance = error::positive("variance", variance)?;
        let log_odds_of_zero = (-sparsity).ln_1p() - sparsity.ln();
        Ok(Self { sparsity, mean, variance, log_odds_of_zero, learns: Learns::default() })
    }

    /// Lets a run learn the sparsity, from the given one on.
    #[must_use]
    pub fn learn_sparsity(mut self) -> Self {
        self.learns.sparsity = true;
        self
    }

    /// Lets a run learn the mean of the entries that aren't zero, from the given one on.
    #[must_use]
    pub fn learn_mean(mut self) -> Self {
        self.learns.mean = true;
        self
    }

    /// Lets a run learn the variance of the entries that aren't zero, from the given one on.
    #[must_use]
    pub fn learn_variance(mut self) -> Self {
        self.learns.variance = true;
        self
    }

    /// Probability `rho` of an entry that isn't zero.
    pub fn sparsity(&self) -> f64 {
        self.sparsity
    }

    /// Mean of the entries that aren't zero.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Variance of the entries that aren't zero.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// The probability that each entry isn't zero, for a message `told` about it (one column), such as the
    /// [cavity](fg_core::Solution::cavity) of this prior after a run.
    ///
    /// # Panics
    /// When the message is about more than one column.
    #[track_caller]
    pub fn inclusion(&self, told: &Message) -> Vec<f64> {
        assert_eq!(told.layout().columns(), 1, "a message about one column");
        let (layout, precision) = (told.layout(), told.precision());
        let natural = told.natural().as_slice();
        let mut probabilities = Vec::with_capacity(layout.rows());
        for b in 0..layout.blocks() {
            let rows = &natural[layout.range(b)];
            if precision.is_infinite(b) {
                probabilities.extend(rows.iter().map(|x| f64::from(u8::from(*x != 0.0))));
            } else if self.sparsity >= 1.0 {
                probabilities.extend(rows.iter().map(|_| 1.0));
            } else {
                let slab = self.slab(precision.block(b)[0]);
                // 1 / (1 + exp(-t)) without overflow.
                let probability = |n: &f64| (-log1pexp(slab.mean_and_log_odds_of_zero(*n).1)).exp();
                probabilities.extend(rows.iter().map(probability));
            }
        }
        probabilities
    }

    fn slab(&self, gamma: f64) -> Slab {
        let growth = self.variance * gamma;
        let shrink = 1.0 / (1.0 + growth);
        let b = self.mean * shrink;
        let at_zero = self.log_odds_of_zero + 0.5 * (growth.ln_1p() + gamma * self.mean * b);
        Slab { s: self.variance * shrink, b, at_zero }
    }
}

/// What the slab's posterior needs of the cavity precision.
pub(super) struct Slab {
    /// Variance.
    pub(super) s: f64,
    /// Mean at `n = 0`.
    pub(super) b: f64,
    /// `-t` at `n = 0`.
    pub(super) at_zero: f64,
}

impl Slab {
    /// Mean of the slab and `-t`.
    #[inline]
    fn mean_and_log_odds_of_zero(&self, n: f64) -> (f64, f64) {
        let mu = self.s * n + self.b;
        (mu, self.at_zero - 0.5 * n * (mu + self.b))
    }
}

impl Formula<1> for Slab {
    const FOURS: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let (s, b) = (n.constant(self.s), n.constant(self.b));
        let mu = n.mul_add(s, b);
        let log_odds = (n * n.constant(-0.5)).mul_add(mu + b, n.constant(self.at_zero));
        // Of both probabilities the smaller one has the exponential in its numerator.
        let (one, e) = (n.constant(1.0), exp_share(-log_odds.abs()));
        let (zero, large) = (n.constant(0.0), one / (one + e));
        let small = large * e;
        let pi = log_odds.if_above(zero, small, large);
        let rest = log_odds.if_above(zero, large, small);
        [pi * mu, pi * (rest * mu).mul_add(mu, s)]
    }
}

/// Largest exponent whose exponential, and its product with `pi`, are finite. Beyond it the entry is zero with a
/// probability that differs from one by less than the smallest number.
const LARGEST_EXPONENT: f64 = 709.0;

impl Denoiser for BernoulliGauss {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        formula::apply(&self.slab(cavity.scalar_precision()), cavity, out);
        Ok(())
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    /// Gaussian when no entry is zero.
    fn gaussian(&self, _row: usize, _d: usize) -> Option<GaussianRow> {
        if self.sparsity < 1.0 {
            return None;
        }
        let spread = Spread::from_variance(self.variance).ok()?;
        Some(normal::message(&spread, &[self.mean]))
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let gamma = cavity.scalar_precision();
        let slab = self.slab(gamma);
        if self.sparsity < 1.0 {
            let log_zero = (-self.sparsity).ln_1p();
            for (out, &n) in out.iter_mut().zip(cavity.natural()) {
                let (_, log_odds) = slab.mean_and_log_odds_of_zero(n);
                *out = log_zero + log1pexp(-log_odds);
            }
        } else {
            // Without a spike only the slab is left, and the log ratio is infinite.
            let at_zero = -0.5 * ((self.variance * gamma).ln_1p() + gamma * self.mean * slab.b);
            for (out, &n) in out.iter_mut().zip(cavity.natural()) {
                *out = at_zero + 0.5 * n * (slab.s * n + 2.0 * slab.b);
            }
        }
        true
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn learning(&self) -> Vec<Parameter> {
        let Learns { sparsity, mean, variance } = self.learns;
        let parameters = [
            (sparsity, "sparsity", self.sparsity),
            (mean, "mean", self.mean),
            (variance, "variance", self.variance),
        ];
        let learned = parameters.into_iter().filter(|(learned, ..)| *learned);
        learned.map(|(_, name, value)| Parameter::scalar(name, value)).collect()
    }

    fn learned(&self, rows: &mut dyn Iterator<Item = RowCavity<'_>>) -> Option<Box<dyn Denoiser>> {
        // Weights, and first and second moments of the slab's posterior around the present mean.
        let (mut count, mut weight, mut first, mut second) = (0.0, 0.0, 0.0, 0.0);
        for piece in rows {
            let slab = self.slab(piece.scalar_precision());
            count += piece.len() as f64;
            for &n in piece.natural() {
                let (mu, log_odds) = slab.mean_and_log_odds_of_zero(n);
                let pi = 1.0 / (1.0 + log_odds.min(LARGEST_EXPONENT).exp());
                let shift = mu - self.mean;
                weight += pi;
                first += pi * shift;
                second += pi * (slab.s + shift * shift);
            }
        }
        let share = weight / count;
        let shift = if self.learns.mean { first / weight } else { 0.0 };
        let variance = second / weight - 2.0 * shift * first / weight + shift * shift;
        let sparsity = if self.learns.sparsity { share.min(1.0) } else { self.sparsity };
        let variance = if self.learns.variance { variance } else { self.variance };
        // Rows that are all zero leave nothing to learn a slab from.
        let learned = Self::new(sparsity, self.mean + shift, variance).ok()?;
        Some(Box::new(Self { learns: self.learns, ..learned }))
    }

    fn name(&self) -> String {
        "Bernoulli-Gauss".to_owned()
    }
}

impl Law for BernoulliGauss {
    fn uniforms(&self, _d: usize) -> usize {
        1
    }

    fn jumps(&self) -> Option<Vec<f64>> {
        Some(vec![1.0 - self.sparsity])
    }

    /// The first `1 - rho` of the unit interval is zero, the rest is stretched to the slab's uniform: one
    /// dimension suffices, which integrates far better than two.
    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        let zero = 1.0 - self.sparsity;
        let u = (uniforms[0] - zero) / self.sparsity;
        row[0] = if u < 0.0 {
            0.0
        } else {
            self.mean + self.variance.sqrt() * quantile(open_uniform(u))
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(prior: &BernoulliGauss, n: f64, gamma: f64) -> (f64, f64, f64) {
        let (natural, precision) = ([n], [gamma]);
        let cavity = RowCavity::new(0, 1, &natural, &[0.0], &precision);
        let (mut mean, mut variance, mut log) = ([0.0], [0.0], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
        prior.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        assert!(prior.log_partition(&cavity, &mut log));
        (mean[0], variance[0], log[0])
    }

    #[test]
    fn without_a_cavity_it_is_the_prior() {
        let prior = BernoulliGauss::new(0.25, 2.0, 3.0).unwrap();
        let (mean, variance, log) = run(&prior, 0.0, 0.0);
        // Rounding only: E x = rho m, Var x = rho (v + m^2) - (rho m)^2.
        assert!((mean - 0.5).abs() < 1e-15 && (variance - 1.5).abs() < 1e-15, "{mean} {variance}");
        assert!(log.abs() < 1e-15, "{log}");
    }

    #[test]
    fn inclusion_is_the_share_of_the_slab() {
        let prior = BernoulliGauss::new(0.1, 1.0, 4.0).unwrap();
        let layout = fg_core::Structure::shared().layout(3, 1).unwrap();
        let means = fg_core::Rows::column(vec![-1.0, 0.3, 60.0]);
        let gamma = 2.0;
        let precision = fg_core::Precision::isotropic(layout, gamma).unwrap();
        let found = prior.inclusion(&Message::from_mean(&means, precision).unwrap());
        for (found, r) in found.iter().zip(means.as_slice()) {
            let density = |mean: f64, variance: f64| -> f64 {
                (-0.5 * (r - mean).powi(2) / variance).exp() / variance.sqrt()
            };
            let (slab, zero) = (0.1 * density(1.0, 4.5), 0.9 * density(0.0, 0.5));
            assert!((found - slab / (slab + zero)).abs() < 1e-14, "{r}: {found}");
        }
    }

    #[test]
    fn no_zeros_is_a_gaussian() {
        let prior = BernoulliGauss::new(1.0, 2.0, 0.5).unwrap();
        let (mean, variance, log) = run(&prior, 3.0, 2.0);
        assert_eq!((mean, variance), (1.75, 0.25));
        let expected = 0.5 * (1.75 * 1.75 / 0.25 - 2.0 * 2.0 / 0.5) - 0.5 * 2.0f64.ln();
        assert!((log - expected).abs() < 1e-14, "{log} {expected}");
        assert!(prior.gaussian(0, 1).is_some());
    }

    #[test]
    fn parameters_are_checked() {
        for (rho, mean, variance) in
            [(0.0, 0.0, 1.0), (1.1, 0.0, 1.0), (0.5, f64::NAN, 1.0), (0.5, 0.0, 0.0)]
        {
            assert!(BernoulliGauss::new(rho, mean, variance).is_err(), "{rho} {mean} {variance}");
        }
    }
}
