//! Powers of absolute values below one, between counting entries and the lasso.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::exp::exp_share;
use fg_core::special::log::ln;
use fg_core::special::number::Number;

use super::powers::Powers;
use super::thresholding::{self, Best, Curve, Jump, Jumps, Rule};
use crate::error::{self, ParameterError};

/// The penalty `weight * |x_j|^q` of each entry, `0 < q < 1`.
///
/// # Density
///
/// ```text
/// f(x) = exp(-l sum_j |x_j|^q)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | - | `(0, inf)` | cost of an entry of one |
/// | exponent `q` | - | `(0, 1)` | near 0 all entries cost the same, near 1 it is [`L1`](crate::L1) |
/// | step | 0.3 | `[0, inf)` | how far from a jump it counts, in deviations of the cavity |
///
/// # Estimate
///
/// The estimate is the global maximiser, zero where zero is as good. Columns of a diagonal precision are independent; with `n >= 0`:
///
/// ```text
/// estimate        0 up to gamma s + l q s^(q - 1) with s = (2 l (1 - q) / gamma)^(1 / (2 - q)), the height of the jump;
///                 then the larger root of gamma x + l q x^(q - 1) = n
/// slope           1 / (gamma - l q (1 - q) x^(q - 2)) where the estimate is not zero, else 0
/// log-partition   the maximum
/// ```
///
/// # Numerical notes
///
/// * The estimate jumps, and the average covariance counts the jumps: to its slope an entry
///   within a step of a jump adds the jump's height over twice the step, on average over rows the jump times their density
///   there. The covariance of a single row near a jump is its share of that average, and no error bar of its own; elsewhere
///   it is the slope, zero where the entry is. How far the average is from that of other rows is declared as
///   [standard error](Scratch::declare). With a precision of its own for each row there is nothing to average
///   over: a step of zero leaves the slope alone.
/// * The function of the root is convex and rises right of `s`, and its slope changes by less than a half from there to `n / gamma`:
///   steps of fourth order from there reach rounding in two to four, each of one power, for a register of entries at a time.
/// * With correlated columns the global maximum is found by branch and bound over which entries are zero and the signs of the
///   others: each such pattern has one maximum at most, since what a power takes from the curvature is convex in the size of its
///   entry. Newton's steps find it, along a barrier where they would leave the places of positive curvature. Slopes are the
///   inverse of the curvature of the entries that aren't zero; jumps count along every column, as for
///   [`HardThreshold`](crate::HardThreshold).
/// * The precision must be positive definite, otherwise [`Breakdown::ImproperCavity`], and diagonal with more than 8 columns,
///   otherwise [`Breakdown::Form`]: a search may have to look at all patterns, of which there are `3^d`.
///
/// # Reference
///
/// G. Marjanovic and V. Solo, "On `l_q` Optimization and Matrix Completion", IEEE Transactions on Signal Processing 60
/// (2012), doi 10.1109/TSP.2012.2212015.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::Lq::new(1.0, 0.5)?;
/// let (mut x, mut covariance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let n = [1.4, 2.25];
/// penalty.estimate(&RowCavity::new(0, 1, &n, &n, &[1.0]), &mut out, &mut Scratch::default())?;
/// assert!(x[0] == 0.0 && (x[1] + 0.5 / x[1].sqrt() - 2.25).abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Lq {
    weight: f64,
    exponent: f64,
    jumps: Jumps,
}

impl Lq {
    /// The penalty of this weight and exponent.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < weight < inf` and `0 < exponent < 1`.
    pub fn new(weight: f64, exponent: f64) -> Result<Self, ParameterError> {
        error::positive("weight", weight)?;
        error::fraction("exponent", exponent)?;
        Ok(Self { weight, exponent, jumps: Jumps::default() })
    }

    /// The same with another step for jumps, in deviations of the cavity. Default: 0.3.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= step < inf`.
    pub fn with_step(self, step: f64) -> Result<Self, ParameterError> {
        Ok(Self { jumps: Jumps::with_step(step)?, ..self })
    }

    /// Cost of an entry of one.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// The power of absolute values.
    pub fn exponent(&self) -> f64 {
        self.exponent
    }

    /// How far from a jump it counts, in deviations of the cavity.
    pub fn step(&self) -> f64 {
        self.jumps.step()
    }

    /// From zero to where the maximum is as high as there.
    fn threshold(&self, gamma: f64) -> Jump {
        let (l, q) = (self.weight, self.exponent);
        let height = (2.0 * l * (1.0 - q) / gamma).powf(1.0 / (2.0 - q));
        Jump { at: gamma * height + l * q * height.powf(q - 1.0), height }
    }
}

/// Newton's steps after which the root is as good as it gets: from the right they halve the error at least.
const STEPS: usize = 200;

/// Steps of a climb from `n / gamma`: two to four reach rounding, since the curvature changes by less than a half.
const CLIMB: usize = 12;
/// A step of Newton's, relative to the place, that is followed by one exact to rounding: its error is the fourth power of it.
const LAST: f64 = 3e-5;

/// The maximiser under one precision: the larger root of `gamma x + c x^(q - 1) = n` from the jump on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Power {
    gamma: f64,
    /// `l q`.
    pull: f64,
    exponent: f64,
    jump: Jump,
}

impl Curve for Power {
    const FOURS: bool = false;

    /// By powers of the place: `c x^(q - 1)` and all its derivatives are multiples of one.
    #[inline(always)]
    fn at<N: Number>(&self, n: N) -> [N; 2] {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let (q, gamma) = (self.exponent, n.constant(self.gamma));
        let from = n.constant(self.jump.at);
        // Lanes below the jump go along from there.
        let target = n.at_least(from);
        let inverse = n.constant(self.gamma.recip());
        let (mut x, mut active) = (target * inverse, n.if_above(from, one, zero));
        // What no step finds is no number, and refused by who asked.
        let mut place = n.constant(f64::NAN);
        // One over the curvature is their quotient.
        let (mut width, mut bent) = (place, place);
        for _ in 0..CLIMB {
            if !(active.largest() > 0.0) {
                break;
            }
            // The logarithm of a normal number times less than one.
            let power = exp_share(ln(x) * n.constant(q - 1.0)) * n.constant(self.pull);
            // Derivatives of c x^(q - 1), in units of the place.
            let slope = power * n.constant(q - 1.0);
            let bend = x.mul_add(gamma, slope);
            let inverse = one / bend;
            let share = slope * n.constant(q - 2.0) * inverse;
            let excess = x.mul_add(gamma, power - target);
            let newton = excess * inverse;
            // The root of newton - s + share s^2 / 2 + third s^3 / 6, s the step downwards over x.
            let third = share * n.constant(3.0 - q);
            let half = n.constant(0.5);
            let cube = third.mul_add(n.constant(1.0 / 6.0), share * share * half);
            let series = newton.mul_add(cube, half * share);
            let step = (newton * newton).mul_add(series, newton);
            let next = (x - x * step).at_least(n.constant(self.jump.height));
            let size = active.if_above(zero, newton.abs(), n.constant(f64::INFINITY));
            let there = n.constant(LAST).if_above(size, one, zero);
            place = there.if_above(zero, next, place);
            // To second order in the last step, and in units of the place.
            let second = step.mul_add(n.constant(0.5 * (2.0 - q) * (3.0 - q)), n.constant(2.0 - q));
            let moved = x.mul_add(gamma, slope * step.mul_add(second, one));
            width = there.if_above(zero, x, width);
            bent = there.if_above(zero, moved, bent);
            active = there.if_above(zero, zero, active);
            x = next;
        }
        let slope = n.if_above(from, width / bent, zero);
        [n.if_above(from, place, zero), slope]
    }
}

impl Rule for Lq {
    type Curve = Power;
    type Search = Powers;

    fn curve(&self, gamma: f64) -> Power {
        let (pull, jump) = (self.weight * self.exponent, self.threshold(gamma));
        Power { gamma, pull, exponent: self.exponent, jump }
    }

    fn best(&self, n: f64, gamma: f64) -> Best {
        let (l, q) = (self.weight, self.exponent);
        let Jump { at, height: jump } = self.threshold(gamma);
        if !(n > at) {
            return Best::ZERO;
        }
        let mut x = n / gamma;
        let curvature = |x: f64| gamma - l * q * (1.0 - q) * x.powf(q - 2.0);
        for _ in 0..STEPS {
            let excess = gamma * x - n + l * q * x.powf(q - 1.0);
            let next = (x - excess / curvature(x)).max(jump);
            if !(next < x) {
                break;
            }
            x = next;
        }
        let height = 0.5 * gamma * x * x - l * (1.0 - q) * x.powf(q);
        Best { x, slope: 1.0 / curvature(x), height: height.max(0.0) }
    }

    fn search(&self, precision: &[f64], d: usize) -> Option<Powers> {
        Powers::new(self.weight, self.exponent, precision, d)
    }

    fn jump(&self, gamma: f64) -> Option<Jump> {
        Some(self.threshold(gamma))
    }
}

impl Denoiser for Lq {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.jumps.estimate(self, cavity, out, scratch)
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        thresholding::log_partition(self, cavity, out)
    }

    fn name(&self) -> String {
        "Lq".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::thresholding::tests::{check_global, check_jumps};
    use super::*;

    #[test]
    fn it_is_the_global_maximiser_and_its_jumps_count() {
        for q in [0.1, 0.5, 2.0 / 3.0, 0.95] {
            let penalty = Lq::new(0.8, q).unwrap();
            check_global(&penalty, |x| if x == 0.0 { 0.0 } else { 0.8 * x.powf(q) });
            check_jumps(&penalty, 0.7, 9.0);
        }
        assert!(Lq::new(1.0, 1.0).is_err() && Lq::new(1.0, 0.0).is_err());
        assert!(Lq::new(f64::NAN, 0.5).is_err() && Lq::new(1.0, f64::NAN).is_err());
    }
}
