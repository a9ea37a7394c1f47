//! Data with noise that is Gaussian near by and exponential far out.

use core::f64::consts::TAU;

use fg_core::denoiser::{Estimation, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::exp::exp_share;
use fg_core::special::number::Number;
use fg_core::special::tail::{above, below_pair};
use fg_core::special::{cdf, open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::bent::Bent;
use crate::family::enclosed::{Curvature, Enclosed, Found};
use crate::family::formula::{self, FARTHEST, Formula};
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
/// * The middle as [`Uniform`](crate::Uniform), the sides by Mills' ratio: nothing
///   cancels. For a register of rows at a time, but without precision. With `gamma = 0` it is improper unless
///   `|n| < t / s`.
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

/// The noise under one positive cavity precision: natural parameter and data to mean and variance, of `u = z - y` turned to
/// the side that the cavity pulls to.
struct Bounded {
    gamma: f64,
    /// Curvature of the middle under the cavity, where it ends, and the slope beyond.
    stiffness: Curvature<f64>,
    end: f64,
    slope: f64,
}

impl Bounded {
    /// Offsets count from the peak of the middle, within it or at its end on the side of the pull. The left side falls away from its end; where the right one doesn't, all masses are taken in
    /// units of it, and where the middle has its peak within, that is what exponents count from.
    #[inline(always)]
    fn moments<N: Number>(&self, pull: N) -> [N; 2] {
        let (end, gamma) = (pull.constant(self.end), pull.constant(self.gamma));
        let (stiffness, slope) = (pull.constant(self.stiffness.gamma), pull.constant(self.slope));
        let (twice, limit) = (end + end, pull.constant(FARTHEST));
        let deviation = pull.constant(self.gamma.sqrt().recip());
        let curvature = self.stiffness.of(pull);
        let middle = Enclosed::new(end.mul_add(curvature.gamma, -pull), curvature, twice);
        let inwards = middle.peak();
        let Found { shift, variance, width, .. } = middle.around(inwards);
        let h = (end.mul_add(-gamma, pull) - slope) * deviation;
        let away = (end.mul_add(gamma, pull) + slope) * deviation;
        let (right, left) = below_pair(h.abs().at_most(limit), away.at_most(limit));
        let right = above(h, right);
        let depth = pull.constant(-0.5) * stiffness * inwards * inwards;
        let middle = width * right.numerator;
        let (near, far) = (exp_share(depth), exp_share(pull.mul_add(-twice, depth)));
        let beyond = near * deviation * right.denominator;
        let behind = far * deviation * right.numerator / left.numerator;
        let inverse = pull.constant(1.0) / (middle + beyond + behind);
        let shares = [middle * inverse, beyond * inverse, behind * inverse];
        let square = deviation * deviation;
        let ahead = right.mean.mul_add(deviation, inwards);
        let offsets = [-shift, ahead, inwards - twice - left.mean * deviation];
        let variances = [variance, right.variance * square, left.variance * square];
        let mean =
            shares[0].mul_add(offsets[0], shares[1].mul_add(offsets[1], shares[2] * offsets[2]));
        let mut total = pull.constant(0.0);
        for ((share, offset), variance) in shares.into_iter().zip(offsets).zip(variances) {
            let apart = offset - mean;
            total = share.mul_add(apart.mul_add(apart, variance), total);
        }
        let zero = pull.constant(0.0);
        let within = pull * pull.constant(self.stiffness.gamma.recip());
        [inwards.if_above(zero, within, end) + mean, total]
    }
}

/// Answers `z`, given an answer to `u` for a pull that isn't negative.
#[inline(always)]
fn turned<N: Number>([n, y]: [N; 2], pull: N, [u, variance]: [N; 2]) -> [N; 2] {
    [pull.if_above(n.constant(0.0), y + u, y - u), variance]
}

impl Formula<2> for Bounded {
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let pull = y.mul_add(n.constant(-self.gamma), n);
        turned([n, y], pull, self.moments(pull.abs()))
    }
}

/// The maximiser under one positive cavity precision, as a distance from the data.
struct Nearest {
    apart: Bent,
    gamma: f64,
}

impl Formula<2> for Nearest {
    const FOURS: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let [u, variance] = self.apart.row([y.mul_add(n.constant(-self.gamma), n)]);
        [y + u, variance]
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
        let gamma = cavity.scalar_precision();
        if gamma > 0.0 {
            let stiffness = gamma + 1.0 / (self.scale * self.scale);
            let (end, slope) = (self.threshold * self.scale, self.threshold / self.scale);
            if self.estimation == Estimation::Mmse {
                let stiffness = Curvature::new(stiffness);
                let bounded = Bounded { gamma, stiffness, end, slope };
                formula::apply_observed(&bounded, observed, cavity, out);
            } else {
                let ends = [-end * stiffness, end * stiffness];
                let (inner, outer) = (stiffness.recip(), gamma.recip());
                let apart = Bent { ends, inner, outer };
                formula::apply_observed(&Nearest { apart, gamma }, observed, cavity, out);
            }
            return Ok(());
        }
        if self.estimation == Estimation::Map {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Errors of means, next to their size and the deviation, and of variances, as a share: those of tails.
    const AGREEMENT: f64 = 4e-12;

    proptest! {
        #[test]
        fn registers_agree_with_rows_one_by_one(
            mean in -8.0..8.0f64,
            gamma in -6.0..7.0f64,
            y in -1.0..1.0f64,
            scale in -2.0..1.0f64,
            threshold in 0.1..4.0f64,
        ) {
            let gamma = 10f64.powf(gamma);
            let noise = HuberNoise::new(10f64.powf(scale), threshold).unwrap();
            let (n, precision) = (mean * gamma.sqrt().min(gamma), [gamma]);
            let (natural, data) = ([n; 5], [y; 5]);
            let cavity = RowCavity::new(0, 1, &natural, &natural, &precision);
            let mut kept = [0.0; 9];
            let slow = pieces::answer(&noise.density(y), (n, gamma), &noise.rule, &mut kept).unwrap();
            let [m, v, _] = noise.nearest(y, n, gamma).unwrap();
            // Ends of pieces are places, too.
            let rounding = 2.0 * f64::EPSILON * (y.abs() + noise.threshold * noise.scale);
            let exact = [[slow.mean, slow.variance], [m, v]];
            for (model, [m, v]) in [noise.clone(), noise.maximised()].iter().zip(exact) {
                let (mut mean, mut variance) = ([0.0; 5], [0.0; 5]);
                let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
                model.estimate(&data, &cavity, &mut out, &mut Scratch::default()).unwrap();
                for (found, spread) in mean.into_iter().zip(variance) {
                    let scale = m.abs() + v.sqrt();
                    prop_assert!((found - m).abs() <= AGREEMENT * scale + rounding, "{found} {spread} {m} {v}");
                    prop_assert!((spread / v - 1.0).abs() <= AGREEMENT, "{found} {spread} {m} {v}");
                }
            }
        }
    }
}
