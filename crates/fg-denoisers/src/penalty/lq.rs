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

/// Steps of a climb from a start that is off by a tenth at most, but for exponents close to one: two or three reach rounding.
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
    /// What the power takes from `n / gamma` at the jump, relative to that.
    taken: f64,
}

impl Power {
    /// Of the step from `x` downwards, relative to `x`: Newton's, and that to fourth order, which is the root of
    /// `newton - s + share s^2 / 2 + share (3 - q) s^3 / 6`; and `c x^(q - 1)` times `q - 1`.
    #[inline(always)]
    fn step<N: Number>(&self, x: N, target: N) -> [N; 3] {
        let (q, gamma, half) = (self.exponent, x.constant(self.gamma), x.constant(0.5));
        // The logarithm of a normal number times less than one.
        let power = exp_share(ln(x) * x.constant(q - 1.0)) * x.constant(self.pull);
        // Derivatives of c x^(q - 1), in units of the place.
        let slope = power * x.constant(q - 1.0);
        let inverse = x.constant(1.0) / x.mul_add(gamma, slope);
        let newton = x.mul_add(gamma, power - target) * inverse;
        let share = newton * inverse * (slope * x.constant(q - 2.0));
        let rest = share.mul_add(half, newton.mul_add(x.constant((3.0 - q) / 6.0), half));
        [newton, newton.mul_add(share * rest, newton), slope]
    }

    /// Where a step from `x` leads: the root is no nearer than the jump.
    #[inline(always)]
    fn moved<N: Number>(&self, x: N, step: N) -> N {
        step.mul_add(-x, x).at_least(x.constant(self.jump.height))
    }

    /// Where the last step from `x` leads, and the slope there: one over the curvature, to second order in the step.
    #[inline(always)]
    fn end<N: Number>(&self, x: N, [_, step, slope]: [N; 3]) -> [N; 2] {
        let (q, one, gamma) = (self.exponent, x.constant(1.0), x.constant(self.gamma));
        let second = step.mul_add(x.constant(0.5 * (2.0 - q) * (3.0 - q)), x.constant(2.0 - q));
        let bend = x.mul_add(gamma, slope * step.mul_add(second, one));
        [self.moved(x, step), x / bend]
    }

    /// The same by as many steps from `x` as each lane takes; what no step finds is no number, and refused by who asked.
    #[inline(always)]
    fn climb<N: Number>(&self, mut x: N, target: N) -> [N; 2] {
        let (zero, one) = (x.constant(0.0), x.constant(1.0));
        let (mut found, mut active) = ([x.constant(f64::NAN); 2], one);
        for _ in 0..CLIMB {
            if !(active.largest() > 0.0) {
                break;
            }
            let taken = self.step(x, target);
            let [place, slope] = self.end(x, taken);
            let size = active.if_above(zero, taken[0].abs(), x.constant(f64::INFINITY));
            let there = x.constant(LAST).if_above(size, one, zero);
            found[0] = there.if_above(zero, place, found[0]);
            found[1] = there.if_above(zero, slope, found[1]);
            active = there.if_above(zero, zero, active);
            x = place;
        }
        found
    }
}

impl Curve for Power {
    /// By powers of the place: `c x^(q - 1)` and all its derivatives are multiples of one.
    #[inline(always)]
    fn at<N: Number>(&self, n: N) -> [N; 2] {
        let zero = n.constant(0.0);
        let q = self.exponent;
        let from = n.constant(self.jump.at);
        // Lanes below the jump go along from there.
        let target = n.at_least(from);
        // The power takes a share from the root that is right at the jump, and falls as `n^(q - 2)` far beyond: between its
        // neighbours of whole exponents.
        let near = from / target;
        let taken =
            n.constant(1.0 - q).mul_add(near, n.constant(q)) * near * n.constant(self.taken);
        let start = self.moved(target * n.constant(self.gamma.recip()), taken);
        // One step is no root yet.
        let [_, step, _] = self.step(start, target);
        let [place, slope] = self.climb(self.moved(start, step), target);
        [n.if_above(from, place, zero), n.if_above(from, slope, zero)]
    }
}

impl Rule for Lq {
    type Curve = Power;
    type Search = Powers;

    fn curve(&self, gamma: f64) -> Power {
        let (pull, jump) = (self.weight * self.exponent, self.threshold(gamma));
        let taken = 1.0 - gamma * jump.height / jump.at;
        Power { gamma, pull, exponent: self.exponent, jump, taken }
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
