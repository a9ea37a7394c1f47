//! The density `1 / (1 + e^-u)` of a label's margin `u` as a formula for a register of rows.

use core::f64::consts::TAU;

use fg_core::denoiser::Scratch;
use fg_core::special::exp::exp;
use fg_core::special::number::Number;

use super::formula::Formula;
use super::outwards::ALIASES;

/// Steps of a climb. Rows that take more are left open.
const STEPS: usize = 12;
/// A step of Newton's of this length is followed by one that is exact to rounding: its error is the fourth power of it.
const LAST: f64 = 3e-5;
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
    /// Points of the rule, none for maximisers.
    points: &'a [f64],
    h: f64,
    /// `e^h` and `e^-h`.
    growth: [f64; 2],
}

impl<'a> Logit<'a> {
    /// Answers by maximisers; none without precision.
    pub(crate) fn maximised(gamma: f64) -> Option<Self> {
        (gamma > 0.0).then(|| Self { gamma, points: &[], h: 0.0, growth: [1.0; 2] })
    }

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

    /// A place next to the root of `a - gamma u + 1 / (1 + e^u)`, which lies between `a / gamma` and `(a + 1) / gamma`, and the
    /// probabilities of the label and of the other there; NaN in lanes that are left open. With `exact` the root itself.
    #[inline(always)]
    fn climb<N: Number>(&self, a: N, exact: bool) -> Place<N> {
        let (zero, one, half) = (a.constant(0.0), a.constant(1.0), a.constant(0.5));
        let (gamma, nothing) = (a.constant(self.gamma), a.constant(f64::NAN));
        let low = a * a.constant(self.gamma.recip());
        let high = low + a.constant(self.gamma.recip());
        let mut u = low.at_least(high.at_most(zero));
        let mut active = one;
        // A lane that finds none goes on with numbers.
        let mut found = Place { u: nothing, p: half, q: half, bend: half };
        for _ in 0..STEPS {
            let e = exp(-u.abs());
            let large = one / (one + e);
            let small = e * large;
            let (p, q) = (u.if_above(zero, large, small), u.if_above(zero, small, large));
            let (pq, apart) = (p * q, q - p);
            let slope = u.mul_add(-gamma, a) + q;
            let curvature = gamma + pq;
            let inverse = one / curvature;
            let newton = slope * inverse;
            // Higher derivatives of the slope over the first: the series inverted.
            let (b, c) = (-pq * apart * inverse, pq * (pq * a.constant(6.0) - one) * inverse);
            let cube = c.mul_add(a.constant(1.0 / 6.0), half * b * b);
            let series = newton.mul_add(cube, half * b);
            let longest = a.constant(LONGEST);
            let step = (newton * newton).mul_add(series, newton);
            let step = step.at_most(longest).at_least(-longest);
            let next = u + step;
            if exact {
                let size = active.if_above(zero, newton.abs(), nothing);
                let there = a.constant(LAST).if_above(size, one, zero);
                found.u = there.if_above(zero, next, found.u);
                // The curvature at the root, to second order.
                let second = apart.mul_add(apart, pq * a.constant(-2.0));
                let change = step * step.mul_add(half * second, apart);
                found.bend = there.if_above(zero, change.mul_add(pq, pq), found.bend);
                active = there.if_above(zero, zero, active);
            } else {
                let size = active.if_above(zero, newton * slope, nothing);
                let there = a.constant(NEAR).if_above(size, one, zero);
                found.u = there.if_above(zero, u, found.u);
                found.p = there.if_above(zero, p, found.p);
                found.q = there.if_above(zero, q, found.q);
                active = there.if_above(zero, zero, active);
            }
            if !(active.largest() > 0.0) {
                break;
            }
            u = next;
        }
        found
    }

    /// With `s = u - u0` the integrand relative to that at `u0` is `exp(-gamma s^2 / 2) / (p e^(r s) + q e^(-(1 - r) s))`,
    /// `r = gamma u0 - a`: the cavity's weights are those of all rows, and the exponentials of one step to the next are
    /// products. Two points on either side share a division.
    #[inline(always)]
    fn moments<N: Number>(&self, a: N) -> [N; 2] {
        let Place { u, p, q, .. } = self.climb(a, false);
        let (zero, one) = (a.constant(0.0), a.constant(1.0));
        let tilt = u.mul_add(a.constant(self.gamma), -a);
        let first = exp(tilt * a.constant(self.h));
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
        let [mass, shift, square] = sums;
        let inverse = one / mass;
        let shift = shift * inverse;
        let variance = square.mul_add(inverse, -(shift * shift));
        let h = a.constant(self.h);
        [shift.mul_add(h, u), variance * (h * h)]
    }
}

/// Where a climb has led to.
struct Place<N> {
    u: N,
    p: N,
    q: N,
    /// `p q`.
    bend: N,
}

impl Formula<2> for Logit<'_> {
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let a = y * n;
        if self.points.is_empty() {
            let Place { u, bend, .. } = self.climb(a, true);
            return [y * u, n.constant(1.0) / (bend + n.constant(self.gamma))];
        }
        let [mean, variance] = self.moments(a);
        [y * mean, variance]
    }
}
