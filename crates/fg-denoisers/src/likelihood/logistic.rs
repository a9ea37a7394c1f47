//! Labels with logistic probabilities: classification by logistic regression, as a posterior mean or a maximiser.

use core::f64::consts::PI;

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{log1pexp, logistic};

use crate::family::Rule;
use crate::family::curve::{self, Curve, Flat, Mark};
use crate::family::label;

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
/// * The mode by Newton's steps within a bracket; then Gauss-Legendre panels over all that is within 40 nats of it, never
///   longer than the distance of the poles at `+-i pi` allows. Weights are relative to the mode: nothing overflows.
/// * Means and variances to `1e-12` relative, at any precision from zero on.
/// * With `gamma = 0` it is improper unless `-1 < y n < 0`.
/// * Below 8 microseconds a row, 1 as a maximiser.
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
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        curve::estimate(|i| Label(observed[i]), (self.estimation, &self.rule), cavity, out)
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
        curve::log_partition(|i| Label(observed[i]), (self.estimation, &self.rule), cavity, out)
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
