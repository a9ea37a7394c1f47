//! The density `1 / (1 + e^-u)` of a label's margin `u` as a formula for a register of rows.

use core::f64::consts::TAU;

use fg_core::denoiser::Scratch;
use fg_core::special::exp::{exp_moderate, exp_share};
use fg_core::special::log::ln;
use fg_core::special::number::Number;

use super::formula::Formula;
use super::outwards::ALIASES;

/// Steps of a climb. Rows that take more are left open.
const STEPS: usize = 12;
/// A step of fourth order with this bound of its error is the last.
const LAST: f64 = 1e-14;
/// That error, over the share of `p q` in the curvature and the fourth power of Newton's step, where the share is none, and
/// what its square adds.
const FIFTH: [f64; 2] = [0.05, 0.65];
/// From this precision on climbs start where a straight line leads to.
const PRECISE: f64 = 1.0;
/// Square of the distance from the peak, in deviations, from which a rule may count.
const NEAR: f64 = 1.0 / 16.0;
/// Longest step of a climb: one from a bad start is no better.
const LONGEST: f64 = 2.0;
/// How far off the axis a rule may look: the poles are at `+-i pi`.
const STRIP: f64 = 2.9;
/// At the distance `d` off the axis `1 / (1 + e^-u)` has grown by `-log cos(d / 2)`, as far as [`STRIP`] not more than this
/// times `d^2 / 2`.
const CURVATURE: f64 = 0.5;
/// What lies this many nats below the cavity's weight at the peak is left out: four beyond rounding, since the peak is met to
/// a quarter of a deviation.
const DEPTH: f64 = 40.0;
/// Least precision of a cavity: below it the rule would take more than some hundred points to either side.
const LEAST: f64 = 0.01;
/// What is kept of each point: the cavity's weight there, and its products with the number of the point and its square.
const KEPT: usize = 3;

/// Margins under one cavity precision: natural parameter and label to mean and variance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logit<'a> {
    gamma: f64,
    /// Points of the rule.
    points: &'a [f64],
    h: f64,
    /// `e^h` and `e^-h`.
    growth: [f64; 2],
}

impl<'a> Logit<'a> {
    /// Answers by means; none where the precision is too low for a rule of equal steps.
    pub(crate) fn averaged(gamma: f64, scratch: &'a mut Scratch) -> Option<Self> {
        if !(gamma >= LEAST) {
            return None;
        }
        let curvature = gamma + CURVATURE;
        let d = (2.0 * ALIASES / curvature).sqrt().min(STRIP);
        let h = TAU * d / (ALIASES + 0.5 * curvature * d * d);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of points, some ten to two hundred"
        )]
        let count = ((2.0 * DEPTH / gamma).sqrt() / h).ceil() as usize;
        let points = scratch.slice(KEPT * count);
        for (k, kept) in points.chunks_exact_mut(KEPT).enumerate() {
            let k = (k + 1) as f64;
            let weight = (-0.5 * gamma * (k * h) * (k * h)).exp();
            kept.copy_from_slice(&[weight, k * weight, k * k * weight]);
        }
        Some(Self { gamma, points, h, growth: [h.exp(), (-h).exp()] })
    }

    /// Where the climb to the root of `a - gamma u + 1 / (1 + e^u)` starts, which lies between `a / gamma` and
    /// `(a + 1) / gamma`: where a straight line in place of the logistic function leads to, or next to zero.
    #[inline(always)]
    fn start<N: Number>(&self, a: N) -> N {
        let (zero, one, inverse) =
            (a.constant(0.0), a.constant(1.0), a.constant(self.gamma.recip()));
        let low = a * inverse;
        if self.gamma < PRECISE {
            return low.at_least((low + inverse).at_most(zero));
        }
        let level = low.mul_add(a.constant(-0.25), a.constant(0.5)).at_least(zero).at_most(one);
        level.mul_add(inverse, low)
    }

    /// What is at `u`. With `e = e^-|u|` and `d = 1 + e` all is over `gamma d^2 + e`, which is `d^2` times the curvature.
    #[inline(always)]
    fn at<N: Number>(&self, a: N, u: N) -> At<N> {
        let (zero, one, gamma) = (a.constant(0.0), a.constant(1.0), a.constant(self.gamma));
        let e = exp_share(-u.abs());
        let d = one + e;
        let product = d * d;
        let inverse = one / product.mul_add(gamma, e);
        let slope = u.mul_add(-gamma, a).mul_add(d, u.if_above(zero, e, one));
        let share = slope * inverse;
        let newton = share * d;
        // Newton's step times the difference of both probabilities, the other's less the label's.
        let bend = share * u.if_above(zero, e - one, one - e);
        let step = (newton * a.constant(-0.5)).mul_add(bend * (e * inverse), newton);
        let longest = a.constant(LONGEST);
        let step = step.at_most(longest).at_least(-longest);
        At { e, d, inverse, slope, newton, bend, step }
    }

    /// The root, and one over the curvature there; NaN in lanes that are left open.
    #[inline(always)]
    fn peak<N: Number>(&self, a: N) -> [N; 2] {
        let (zero, one, nothing) = (a.constant(0.0), a.constant(1.0), a.constant(f64::NAN));
        let last = a.constant(LAST);
        let mut u = self.start(a);
        let mut at = self.at(a, u);
        let (size, found) = Self::rooted(u, &at);
        if !(last.if_above(size, zero, one).largest() > 0.0) {
            return found;
        }
        let (mut active, mut place, mut variance) = (one, nothing, nothing);
        for _ in 0..STEPS {
            // Lanes that are there keep what they have found, whatever the others take.
            let (size, found) = Self::rooted(u, &at);
            let size = active.if_above(zero, size, nothing);
            place = last.if_above(size, found[0], place);
            variance = last.if_above(size, found[1], variance);
            active = last.if_above(size, zero, active);
            if !(active.largest() > 0.0) {
                break;
            }
            u = u + at.step;
            at = self.at(a, u);
        }
        [place, variance]
    }

    /// A bound of the error of a step of fourth order, where that leads to from `u`, and one over the curvature there.
    ///
    /// With Newton's step `x`, the share `r` of `p q` in the curvature and `b = x (q - p)`, the step is
    /// `x (1 - r b / 2 + r^2 b^2 / 2 + r (x^2 - 3 b^2) / 12 + ..)`, and after a step `s` with `t = s (q - p)` the product `p q`
    /// has grown by `t + (3 t^2 - s^2) / 4 + t (3 t^2 - 2 s^2) / 6 + ..` of itself.
    #[inline(always)]
    fn rooted<N: Number>(u: N, at: &At<N>) -> (N, [N; 2]) {
        let (half, x, b) = (u.constant(0.5), at.newton, at.bend);
        let (square, bends, share) = (x * x, b * b, at.e * at.inverse);
        let third = bends.mul_add(u.constant(-3.0), square) * u.constant(1.0 / 12.0);
        let inner = bends.mul_add(share * half, third - b * half);
        let factor = share.mul_add(inner, u.constant(1.0));
        let (s, t) = (x * factor, b * factor);
        let (squares, turned) = (s * s, t * t * u.constant(3.0));
        let second = (turned - squares) * u.constant(0.25);
        let growth = (turned - squares - squares) * t * u.constant(1.0 / 6.0) + (t + second);
        // The quotient to third order.
        let (rise, one) = (-share * growth, u.constant(1.0));
        let variance =
            rise.mul_add(rise.mul_add(rise + one, one), one) * (at.inverse * at.d * at.d);
        let bound = (share * share).mul_add(u.constant(FIFTH[1]), u.constant(FIFTH[0]));
        (square * square * share * bound, [u + s, variance])
    }

    /// A place next to the root, and `e^-|u|` there; NaN in lanes that are left open.
    #[inline(always)]
    fn near<N: Number>(&self, a: N) -> [N; 2] {
        let (zero, one, nothing) = (a.constant(0.0), a.constant(1.0), a.constant(f64::NAN));
        let (mut u, mut active, mut found) = (self.start(a), one, [nothing; 2]);
        for _ in 0..STEPS {
            let At { e, slope, newton, step, .. } = self.at(a, u);
            // The slope is taken times d, which is one to two.
            let size = active.if_above(zero, newton * slope, nothing);
            let close = a.constant(NEAR);
            found = [close.if_above(size, u, found[0]), close.if_above(size, e, found[1])];
            active = close.if_above(size, zero, active);
            if !(active.largest() > 0.0) {
                break;
            }
            u = u + step;
        }
        found
    }

    /// With `s = u - u0` the integrand relative to that at `u0` is `exp(-gamma s^2 / 2) / (p e^(r s) + q e^(-(1 - r) s))`,
    /// `r = gamma u0 - a`: the cavity's weights are those of all rows, and the exponentials of one step to the next are
    /// products. Two points on either side share a division.
    #[inline(always)]
    fn sums<N: Number>(&self, a: N) -> (N, [N; 3]) {
        let (zero, one) = (a.constant(0.0), a.constant(1.0));
        let [u, e] = self.near(a);
        let large = one / (one + e);
        let small = e * large;
        let (p, q) = (u.if_above(zero, large, small), u.if_above(zero, small, large));
        let tilt = u.mul_add(a.constant(self.gamma), -a);
        let first = exp_moderate(tilt * a.constant(self.h));
        let first_inverse = one / first;
        let other = first * a.constant(self.growth[1]);
        let other_inverse = first_inverse * a.constant(self.growth[0]);
        let (mut right, mut left) = ([p, q], [p, q]);
        let mut sums = [one, zero, zero];
        for kept in self.points.chunks_exact(KEPT) {
            right = [right[0] * first, right[1] * other];
            left = [left[0] * first_inverse, left[1] * other_inverse];
            let (ahead, behind) = (right[0] + right[1], left[0] + left[1]);
            let inverse = one / (ahead * behind);
            let (both, apart) = ((ahead + behind) * inverse, (behind - ahead) * inverse);
            sums[0] = both.mul_add(a.constant(kept[0]), sums[0]);
            sums[1] = apart.mul_add(a.constant(kept[1]), sums[1]);
            sums[2] = both.mul_add(a.constant(kept[2]), sums[2]);
        }
        (u, sums)
    }

    /// Mean and variance of the margin; NaN in lanes that are left open.
    #[inline(always)]
    fn moments<N: Number>(&self, a: N) -> [N; 2] {
        let (u, [mass, shift, square]) = self.sums(a);
        let inverse = a.constant(1.0) / mass;
        let shift = shift * inverse;
        let variance = square.mul_add(inverse, -(shift * shift));
        let h = a.constant(self.h);
        [shift.mul_add(h, u), variance * (h * h)]
    }
}

/// Rows of [`Logit`] to a place next to the peak and the logarithm of the integral over the density there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogitMass<'a>(pub(crate) Logit<'a>);

impl Formula<2> for LogitMass<'_> {
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (u, [mass, ..]) = self.0.sums(y * n);
        [y * u, ln(mass * n.constant(self.0.h))]
    }
}

/// What is at a place of a climb.
struct At<N> {
    /// `e^-|u|`.
    e: N,
    /// `1 + e`.
    d: N,
    /// One over the curvature times `d^2`.
    inverse: N,
    /// The slope times `d`.
    slope: N,
    /// Newton's step, and it times the difference of the probabilities.
    newton: N,
    bend: N,
    /// The step of third order.
    step: N,
}

impl Formula<2> for Logit<'_> {
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let [mean, variance] = self.moments(y * n);
        [y * mean, variance]
    }
}

/// The maximiser of the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogitPeak(Logit<'static>);

impl LogitPeak {
    /// None without precision.
    pub(crate) fn new(gamma: f64) -> Option<Self> {
        let margins = Logit { gamma, points: &[], h: 0.0, growth: [1.0; 2] };
        (gamma > 0.0).then_some(Self(margins))
    }
}

impl Formula<2> for LogitPeak {
    const FOURS: bool = true;
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let [u, variance] = self.0.peak(y * n);
        [y * u, variance]
    }
}
