//! Data with noise that is Gaussian near by and exponential far out.

use core::f64::consts::TAU;

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{cdf, open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::{Piece, Rule, pieces};

/// Data with the noise whose cost is Huber's: quadratic up to `t` scales, linear beyond.
///
/// # Density
///
/// ```text
/// p(y | z) = exp(-rho((y - z) / s)) / Z,     rho(e) = e^2 / 2  for |e| < t,   t |e| - t^2 / 2  beyond
/// Z = s (sqrt(2 pi) (2 Phi(t) - 1) + 2 exp(-t^2 / 2) / t)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | scale `s` | - | `(0, inf)` | deviation of the Gaussian part |
/// | threshold `t` | - | `(0, inf)` | where the tails begin, in scales; 1.345 is usual |
///
/// # Estimate
///
/// Three pieces: a Gaussian around `y` cut off at `y - t s` and `y + t s`, and one of natural parameter `n + t / s` or
/// `n - t / s` on either side, with their shares of the mass.
///
/// # Numerical notes and limits
///
/// * The middle by a Gauss-Legendre rule over all that is within 40 nats of its peak, the sides by Mills' ratio: nothing
///   cancels. With `gamma = 0` it is improper unless `|n| < t / s`.
/// * About a microsecond an entry.
///
/// # Reference
///
/// P. J. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35 (1964), doi
/// 10.1214/aoms/1177703732.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
/// let noise = fg_denoisers::HuberNoise::new(1.0, 1.345)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// // An outlier at 100 moves the estimate by no more than the slope of its cost.
/// let cavity = RowCavity::new(0, 1, &[0.0], &[0.0], &[1.0]);
/// noise.estimate(&[100.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 1.345).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HuberNoise {
    scale: f64,
    threshold: f64,
    /// Mass of each tail and of the middle, both over `scale`.
    tail: f64,
    middle: f64,
    estimation: Estimation,
    rule: Rule,
}

impl HuberNoise {
    /// Noise of this scale, with tails from `threshold` scales on.
    ///
    /// # Errors
    /// [`ParameterError`] unless both are positive and finite.
    pub fn new(scale: f64, threshold: f64) -> Result<Self, ParameterError> {
        let scale = error::positive("scale", scale)?;
        let threshold = error::positive("threshold", threshold)?;
        let tail = (-0.5 * threshold * threshold).exp() / threshold;
        let middle = TAU.sqrt() * (1.0 - 2.0 * cdf(-threshold));
        let estimation = Estimation::Mmse;
        Ok(Self { scale, threshold, tail, middle, estimation, rule: Rule::new() })
    }

    /// The same noise, answered by maximisers: the proximal map of Huber's cost. Default: posterior means.
    #[must_use]
    pub fn maximised(self) -> Self {
        Self { estimation: Estimation::Map, ..self }
    }

    /// Maximiser, one over the curvature there, and the maximum; none without a maximiser.
    ///
    /// With `e = z - y` the cost is a parabola of curvature `1 / s^2` and slopes up to `t / s`.
    fn nearest(&self, y: f64, n: f64, gamma: f64) -> Option<[f64; 3]> {
        let Self { scale, threshold, tail, middle, .. } = self;
        let (stiffness, steepest) = (1.0 / (scale * scale), threshold / scale);
        let pull = n - gamma * y;
        let inner = pull / (gamma + stiffness);
        let within = inner.abs() <= threshold * scale;
        if gamma == 0.0 && !(pull.abs() < steepest) {
            return None;
        }
        let e = if within { inner } else { (pull - steepest.copysign(pull)) / gamma };
        let variance = 1.0 / (gamma + if within { stiffness } else { 0.0 });
        let size = e.abs() / scale;
        let cost = if within { 0.5 * size * size } else { threshold * (size - 0.5 * threshold) };
        let log_mass = (scale * (middle + 2.0 * tail)).ln();
        let log = y * (n - 0.5 * gamma * y) + e * (pull - 0.5 * gamma * e) - cost - log_mass;
        Some([y + e, variance, log])
    }

    /// Deviation of the Gaussian part.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Where the tails begin, in scales.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    fn density(&self, y: f64) -> [Piece; 3] {
        let Self { scale, threshold, tail, middle, .. } = self;
        let log_mass = (scale * (middle + 2.0 * tail)).ln();
        let (low, high) = (y - threshold * scale, y + threshold * scale);
        let height = -0.5 * threshold * threshold - log_mass;
        let weight = 0.5 * TAU.ln() + scale.ln() - log_mass;
        [
            Piece::line(f64::NEG_INFINITY, low, height, threshold / scale),
            Piece::gaussian(low, high, weight, y, scale * scale),
            Piece::line(high, f64::INFINITY, height, -threshold / scale),
        ]
    }
}

impl Likelihood for HuberNoise {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if self.estimation == Estimation::Map {
            let gamma = cavity.scalar_precision();
            for (i, (&n, &y)) in cavity.natural().iter().zip(observed).enumerate() {
                let row = cavity.first_row() + i;
                let found = self.nearest(y, n, gamma);
                let [mean, variance, _] =
                    found.ok_or(Breakdown::ImproperCavity { port: 0, row })?;
                (out.mean[i], out.covariance[i]) = (mean, variance);
            }
            return Ok(());
        }
        pieces::estimate(|i| self.density(observed[i]), &self.rule, cavity, out, scratch)
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

    /// False where a row is improper.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        if self.estimation == Estimation::Map {
            let gamma = cavity.scalar_precision();
            for (out, (&n, &y)) in out.iter_mut().zip(cavity.natural().iter().zip(observed)) {
                let Some([_, _, log]) = self.nearest(y, n, gamma) else { return false };
                *out = log;
            }
            return true;
        }
        pieces::log_partition(|i| self.density(observed[i]), &self.rule, cavity, out)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    /// The inverse of the distribution function: one tail, the middle, the other tail.
    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let Self { scale, threshold, tail, middle, .. } = self;
        let u = open_uniform(uniforms[0]) * (middle + 2.0 * tail);
        let beyond = |mass: f64| threshold - (mass / tail).ln() / threshold;
        let noise = if u < *tail {
            -beyond(u)
        } else if u < tail + middle {
            quantile(cdf(-threshold) + (u - tail) / TAU.sqrt())
        } else {
            beyond(middle + 2.0 * tail - u)
        };
        y[0] = z[0] + scale * noise;
    }

    fn name(&self) -> String {
        "Huber noise".to_owned()
    }
}
