//! Labels with logistic probabilities: classification by logistic regression, as a posterior mean or a maximiser.

use core::f64::consts::PI;

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{log1pexp, logistic};

use crate::family::curve::{self, Curve, Flat, Mark};
use crate::family::logit::{Logit, LogitMass, LogitPeak};
use crate::family::{Rule, formula, label};

/// Labels -1 and 1 of a variable of one column with probabilities by the logistic function: logistic regression.
///
/// # Density
///
/// ```text
/// p(y | z) = 1 / (1 + exp(-y z)),      y = -1 or 1
/// ```
///
/// # Parameters
///
/// None. Data are labels. A scale of the unknown is for the operator before it.
///
/// # Estimate
///
/// Mean, variance and log-partition of `exp(n z - gamma z^2 / 2) / (1 + exp(-y z))` by quadrature. After
/// [`maximised`](Self::maximised) the maximiser `z` of the same expression and `1 / (gamma + p q)` with the two labels'
/// probabilities `p` and `q` there: the cost of regularised logistic regression.
///
/// # Numerical notes and limits
///
/// * For a register of rows at a time, by a step or two of third order to the mode and, for means, equal steps of a length that
///   the cavity's width and the poles at `+-i pi` allow: all rows share the cavity's weights at the points, and the logistic
///   function at each is a product of exponentials at the one before. Weights are relative to the mode: nothing overflows.
/// * Means under precisions below 0.01, and the few rows whose mode is further away than a dozen steps, row by row: the mode by
///   Newton's steps within a bracket, then Gauss-Legendre panels over all that is within 40 nats of it.
/// * Means and variances to `1e-12` relative, at any precision from zero on.
/// * With `gamma = 0` it is improper unless `-1 < y n < 0`.
///
/// # Reference
///
/// P. Sur and E. J. Candes, "A modern maximum-likelihood theory for high-dimensional logistic regression", Proceedings of
/// the National Academy of Sciences 116 (2019), doi 10.1073/pnas.1810420116.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let label = fg_denoisers::Logistic::new();
/// let (mut mean, mut variance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// let cavity = RowCavity::new(0, 1, &[0.0; 2], &[0.0; 2], &[1.0]);
/// label.estimate(&[1.0, -1.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!(mean[0] > 0.0 && (mean[0] + mean[1]).abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Logistic {
    estimation: Estimation,
    rule: Rule,
}

impl Default for Logistic {
    fn default() -> Self {
        Self::new()
    }
}

impl Logistic {
    /// Labels, answered by posterior means.
    pub fn new() -> Self {
        Self { estimation: Estimation::Mmse, rule: curve::rule() }
    }

    /// The same labels, answered by maximisers. Default: posterior means.
    #[must_use]
    pub fn maximised(self) -> Self {
        Self { estimation: Estimation::Map, ..self }
    }
}

/// `-log(1 + exp(-y z))`.
pub(super) struct Label(pub(super) f64);

impl Curve for Label {
    fn value(&self, z: f64) -> f64 {
        -log1pexp(-self.0 * z)
    }

    fn slopes(&self, z: f64) -> [f64; 2] {
        let (p, q) = (logistic(self.0 * z), logistic(-self.0 * z));
        [self.0 * q, -p * q]
    }

    fn marks(&self) -> [Mark; 2] {
        [Mark { centre: 0.0, scale: PI }; 2]
    }

    fn flat(&self, n: f64) -> Flat {
        let rate = -self.0 * n;
        if 0.0 < rate && rate < 1.0 { Flat::Proper } else { Flat::Improper }
    }
}

impl Likelihood for Logistic {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (gamma, how) = (cavity.scalar_precision(), (self.estimation, &self.rule));
        let complete = match self.estimation {
            Estimation::Mmse => {
                let Some(margins) = Logit::averaged(gamma, scratch) else {
                    return curve::estimate(|i| Label(observed[i]), how, cavity, out);
                };
                formula::apply_observed(&margins, observed, cavity, out)
            }
            Estimation::Map => {
                let Some(margins) = LogitPeak::new(gamma) else {
                    return curve::estimate(|i| Label(observed[i]), how, cavity, out);
                };
                formula::apply_observed(&margins, observed, cavity, out)
            }
        };
        if complete {
            return Ok(());
        }
        curve::settle(|i| Label(observed[i]), how, cavity, out)
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn estimation(&self) -> Estimation {
        self.estimation
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        label::check(observed)
    }

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let (gamma, how) = (cavity.scalar_precision(), (self.estimation, &self.rule));
        let (label, input) = (|i: usize| Label(observed[i]), [cavity.natural(), observed]);
        let mut scratch = Scratch::default();
        let found = match self.estimation {
            Estimation::Mmse => Logit::averaged(gamma, &mut scratch)
                .map(|margins| formula::found(&LogitMass(margins), input)),
            // At the peak itself nothing is integrated.
            Estimation::Map => LogitPeak::new(gamma).map(|margins| {
                let [places, _] = formula::found(&margins, input);
                [places, vec![0.0; out.len()]]
            }),
        };
        match found {
            Some([places, masses]) => {
                curve::log_partition_from(label, how, (&places, &masses), cavity, out)
            }
            None => curve::log_partition(label, how, cavity, out),
        }
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        y[0] = if uniforms[0] < logistic(z[0]) { 1.0 } else { -1.0 };
    }

    fn name(&self) -> String {
        "logistic".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::family::curve::Tilt;

    /// Errors of means, next to their size and the deviation, and of variances, as a share, beyond the rounding of the exponents
    /// that rows one by one are weighted by.
    const AGREEMENT: f64 = 2e-12;

    proptest! {
        #[test]
        fn registers_agree_with_rows_one_by_one(
            mean in -12.0..12.0f64,
            gamma in -3.0..9.0f64,
            label: bool,
        ) {
            let (y, gamma) = (if label { 1.0 } else { -1.0 }, 10f64.powf(gamma));
            let (n, precision) = (mean * gamma, [gamma]);
            let natural = [n; 5];
            let cavity = RowCavity::new(0, 1, &natural, &natural, &precision);
            let slow = [
                curve::average(&Label(y), Tilt { n, gamma }, &curve::rule()).unwrap(),
                curve::maximise(&Label(y), Tilt { n, gamma }).unwrap(),
            ];
            for (model, slow) in [Logistic::new(), Logistic::new().maximised()].iter().zip(slow) {
                let (mut mean, mut variance) = ([0.0; 5], [0.0; 5]);
                let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
                model.estimate(&[y; 5], &cavity, &mut out, &mut Scratch::default()).unwrap();
                let agreement = AGREEMENT + f64::EPSILON * (slow.log_partition.abs() + n * n / gamma);
                for (m, v) in mean.into_iter().zip(variance) {
                    let scale = slow.mean.abs() + slow.variance.sqrt();
                    prop_assert!((m - slow.mean).abs() <= agreement * scale, "{m} {v} {slow:?}");
                    prop_assert!((v / slow.variance - 1.0).abs() <= 10.0 * agreement, "{m} {v} {slow:?}");
                }
            }
        }
    }
}
