//! Densities `z^y exp(-z)` of positive `z`, of counts of the rate `z`, as formulas for a register of rows.

use core::f64::consts::TAU;

use fg_core::special::number::Number;

use super::formula::Formula;
use super::outwards::{ALIASES, Exponent, Outwards, Step, Walk};
use super::ridge::Ridge;

/// How far off the axis of `log z` a rule may look: at a quarter of pi Gaussians stop falling.
const STRIP: f64 = 0.6;
/// What `sin^2 d / cos 2d`, twice the nats by which a Gaussian of `e^v` grows at the distance `d` off the axis, exceeds `d^2`
/// by, over its square: a bound as far as [`STRIP`]. `-2 log cos d`, of the power of `z`, is below it.
const BEND: f64 = 4.0;

/// Most counts of rows that are answered by recurrence, which takes a step a count.
const FEW: f64 = 16.0;
/// More than these, for rows that are not.
const MANY: f64 = 2.0 * FEW;
/// Least product of the count and the square of a falling slope at zero, in deviations, of such rows: errors grow from step to step
/// as the exponential of twice its root, a factor of eight in all.
const FALL: f64 = -1.0;

/// Counts under one positive cavity precision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PositiveRate {
    gamma: f64,
    /// `1 / sqrt(gamma)`.
    deviation: f64,
}

/// The natural parameter and the count to mean and variance, of rows of few counts; others are left open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FewCounts(pub(crate) PositiveRate);

/// The same of rows of any counts, none of them zero, in many times the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyCounts(pub(crate) PositiveRate);

/// The natural parameter and the count to the maximiser and one over the curvature there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maximised(pub(crate) PositiveRate);

impl PositiveRate {
    pub(crate) fn new(gamma: f64) -> Self {
        Self { gamma, deviation: gamma.sqrt().recip() }
    }

    /// The positive root of `gamma z^2 - (n - 1) z = y`, where the exponent is largest, and one over the curvature there, which
    /// is the root's slope in `n`: itself over the root of the discriminant. Without counts it is the end of the line on
    /// positive `z`.
    #[inline(always)]
    fn maximiser<N: Number>(&self, n: N, y: N) -> [N; 2] {
        let b = n - n.constant(1.0);
        let root = b.mul_add(b, n.constant(4.0 * self.gamma) * y).sqrt();
        // No form cancels: the root is the sum over the double precision on one side, on the other what it makes the product
        // of both roots with.
        let sum = root + b.abs();
        let inverse = n.constant(1.0) / (sum * root).at_least(n.constant(f64::MIN_POSITIVE));
        let (above, below) = (sum * n.constant(0.5 / self.gamma), (y + y) * (root * inverse));
        let z = b.if_above(n.constant(0.0), above, below);
        [z, z * (sum * inverse)]
    }

    #[inline(always)]
    fn moments<N: Number>(&self, n: N, y: N) -> [N; 2] {
        let [z, _] = self.maximiser(n, y);
        let stiffness = n.constant(self.gamma) * z * z;
        // The square of the distance d off the axis at which the growth (y + stiffness) (1 + BEND d^2) d^2 / 2 leaves the
        // longest step.
        let half = n.constant(0.5) * (y + stiffness);
        let bend = n.constant(6.0 * BEND * ALIASES) * half;
        let best =
            n.constant(2.0 * ALIASES) / (half + half.mul_add(half, bend * n.constant(2.0)).sqrt());
        let widest = best.at_most(n.constant(STRIP * STRIP));
        let grown = half * widest * n.constant(BEND).mul_add(widest, n.constant(1.0));
        let h = widest.sqrt() * n.constant(TAU) / (grown + n.constant(ALIASES));
        let below = Below { y, half: n.constant(0.5) * stiffness };
        let [shift, variance] = Outwards::new(h).moments(&below);
        [shift.mul_add(z, z), variance * (z * z)]
    }
}

impl Formula<2> for Maximised {
    const FOURS: bool = true;
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (zero, variance) = (n.constant(0.0), n.constant(self.0.gamma.recip()));
        let [z, slope] = self.0.maximiser(n, y);
        // Without counts there is a line on negative `z`, too.
        let pull = y.if_above(zero, zero, n.at_most(zero));
        [pull.mul_add(variance, z), zero.if_above(pull, variance, slope)]
    }
}

impl Formula<2> for FewCounts {
    const OPEN: bool = true;

    /// Without counts the density is one below zero and `exp(-z)` above. With `y` of them it is `t^y exp(x t - t^2 / 2)` of positive
    /// `t`, `z` in deviations of the cavity: with `J_k` the moment of `t^k`, `J_(k+1) = x J_k + k J_(k-1)`, sums of positive terms
    /// for positive `x`, from those of the right side of the other. Where they overflow a mean isn't finite.
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let (deviation, most) = (n.constant(self.0.deviation), n.constant(FEW));
        let x = (n - one) * deviation;
        let sides = Ridge::new(x, -(n * deviation));
        let fall = x.abs() * x * y;
        let counts = fall.if_above(n.constant(FALL), y, n.constant(MANY));
        let few = counts.if_above(most, zero, counts);
        // J_(k-1) and J_k, of every lane until k is its count.
        let [mut before, mut here] = [one, sides.right_mean()];
        let (last, mut k) = (few.largest(), 1.0);
        while k < last {
            let own = n.constant(k);
            let next = x.mul_add(here, own * before);
            before = y.if_above(own, here, before);
            here = y.if_above(own, next, here);
            k += 1.0;
        }
        let inverse = one / here;
        let mean = x.mul_add(here, y * before) * inverse;
        let mean = counts.if_above(most, n.constant(f64::NAN), mean);
        // x mean + y + 1 less the square of the mean, with what its excess over x is.
        let variance = y + one - y * mean * (before * inverse);
        let [nothing, spread] = sides.moments();
        let mean = y.if_above(zero, mean, nothing);
        let variance = y.if_above(zero, variance, spread);
        [mean * deviation, variance * (deviation * deviation)]
    }
}

impl Formula<2> for AnyCounts {
    const PAIRS: bool = false;
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let [mean, variance] = self.0.moments(n, y);
        [y.if_above(n.constant(0.0), mean, n.constant(f64::NAN)), variance]
    }
}

/// The exponent next to the peak in `v`, `z = z0 e^v`, that of the measure `dz` included:
/// `v - y (e^v - 1 - v) - stiffness (e^v - 1)^2 / 2`.
struct Below<N> {
    y: N,
    half: N,
}

impl<N: Number> Exponent<N> for Below<N> {
    type Walk = Down<N>;

    #[inline(always)]
    fn walk(&self, step: &Step<N>) -> Down<N> {
        let zero = self.y.constant(0.0);
        let Step { h, rise, growth: added, .. } = *step;
        let factor = rise + zero.constant(1.0);
        let (y, half) = (self.y, self.half);
        Down { y, half, h, factor, further: rise * h, added, v: zero, growth: zero }
    }

    #[inline(always)]
    fn unit(&self, h: N) -> N {
        h.constant(1.0)
    }
}

/// The exponent on one side. `e^v - 1 - v` follows from that one step before as a sum of terms of one sign, which grow by equal
/// steps: its relative error grows with the number of steps alone.
struct Down<N> {
    y: N,
    half: N,
    h: N,
    factor: N,
    /// What the next one is more than a multiple of the last, and by how much that grows.
    added: N,
    further: N,
    v: N,
    growth: N,
}

impl<N: Number> Walk<N> for Down<N> {
    /// `v` less the parabola of the rest, whose curvature is one at least.
    const LIFT: f64 = 0.5;

    #[inline(always)]
    fn further(&mut self) -> N {
        self.growth = self.factor.mul_add(self.growth, self.added);
        self.added = self.added + self.further;
        self.v = self.v + self.h;
        let apart = self.value();
        let lowered = self.growth.mul_add(-self.y, self.v - self.v.constant(Self::LIFT));
        (apart * apart).mul_add(-self.half, lowered)
    }

    /// `e^v - 1`.
    #[inline(always)]
    fn value(&self) -> N {
        self.growth + self.v
    }
}
