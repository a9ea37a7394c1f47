//! Densities `z^y exp(-z)` of positive `z`, of counts of the rate `z`, as formulas for a register of rows.

use core::f64::consts::TAU;

use fg_core::special::number::Number;
use fg_core::special::tail::tail;

use super::formula::Formula;
use super::halves::{Half, meet};
use super::outwards::{ALIASES, Exponent, Outwards, Step, Walk};

/// How far off the axis of `log z` a rule may look: at a quarter of pi Gaussians stop falling.
const STRIP: f64 = 0.6;
/// What `sin^2 d / cos 2d`, twice the nats by which a Gaussian of `e^v` grows at the distance `d` off the axis, exceeds `d^2`
/// by, over its square: a bound as far as [`STRIP`]. `-2 log cos d`, of the power of `z`, is below it.
const BEND: f64 = 4.0;

/// Most counts of rows that are answered by recurrence, which takes a step a count.
const FEW: f64 = 16.0;
/// Least slope at zero, in deviations, of such rows: below, errors grow with every step, by a factor of eight in all.
const UPWARDS: f64 = -0.25;
/// Largest such slope, whose power is finite.
const STEEPEST: f64 = 1e15;
/// Counts up to which rows of few are put next to each other: a register takes the steps of its most.
const STEPS: [f64; 2] = [2.0, 6.0];

/// Counts under one positive cavity precision: the natural parameter and the count to mean and variance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PositiveRate<const AVERAGED: bool> {
    gamma: f64,
    /// `1 / sqrt(gamma)`.
    deviation: f64,
}

/// Posterior means.
pub(crate) type Averaged = PositiveRate<true>;
/// Maximisers.
pub(crate) type Maximised = PositiveRate<false>;

impl<const AVERAGED: bool> PositiveRate<AVERAGED> {
    pub(crate) fn new(gamma: f64) -> Self {
        Self { gamma, deviation: gamma.sqrt().recip() }
    }

    /// How many [kinds](Self::kind) of rows there are.
    pub(crate) const KINDS: usize = 3 + STEPS.len();

    /// Rows that take about as long: without counts, of few, and others.
    pub(crate) fn kind(&self, [n, y]: [f64; 2]) -> usize {
        let slope = (n - 1.0) * self.deviation;
        if y > FEW || !(slope > UPWARDS && slope < STEEPEST) {
            return if y > 0.0 { Self::KINDS - 1 } else { 0 };
        }
        if y > 0.0 { 1 + STEPS.iter().filter(|most| y > **most).count() } else { 0 }
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

    /// Densities `t^y exp(x t - t^2 / 2)` of positive `t`, `z` in deviations of the cavity: with `J_k` the moment of `t^k`,
    /// `J_(k+1) = x J_k + k J_(k-1)`, sums of positive terms for positive `x`, from those of a normal tail.
    #[inline(always)]
    fn few<N: Number>(&self, n: N, y: N) -> [N; 2] {
        let (one, deviation) = (n.constant(1.0), n.constant(self.deviation));
        let x = (n - one) * deviation;
        let first = tail(x).mean;
        // Of y - 1, y and y + 1, once there are as many steps as counts.
        let [mut before, mut here, mut after] = [one, first, x.mul_add(first, one)];
        let (most, mut k) = (y.largest(), 1.0);
        while k < most {
            let (own, next) = (n.constant(k), n.constant(k + 1.0));
            let further = x.mul_add(after, next * here);
            before = y.if_above(own, here, before);
            here = y.if_above(own, after, here);
            after = y.if_above(own, further, after);
            k += 1.0;
        }
        let inverse = one / here;
        let mean = after * inverse;
        // x mean + y + 1 less the square of the mean, with what its excess over x is.
        let variance = y + one - y * mean * (before * inverse);
        [mean * deviation, variance * (deviation * deviation)]
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

    /// No counts: the density is one below zero and `exp(-z)` above.
    #[inline(always)]
    fn nothing<N: Number>(&self, n: N) -> [N; 2] {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let deviation = n.constant(self.deviation);
        let right = Half { h: (n - one) * deviation, deviation };
        meet(right, Half { h: -(n * deviation), deviation }, zero)
    }
}

impl Formula<2> for Maximised {
    const FOURS: bool = true;
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (zero, variance) = (n.constant(0.0), n.constant(self.gamma.recip()));
        let [z, slope] = self.maximiser(n, y);
        // Without counts there is a line on negative `z`, too.
        let pull = y.if_above(zero, zero, n.at_most(zero));
        [pull.mul_add(variance, z), zero.if_above(pull, variance, slope)]
    }
}

impl Formula<2> for Averaged {
    const PAIRS: bool = false;
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let slope = (n - one) * n.constant(self.deviation);
        let counts = y.if_above(zero, one, zero);
        let upwards = slope.if_above(n.constant(UPWARDS), counts, zero);
        let few = y.if_above(n.constant(FEW), zero, upwards);
        let few = n.constant(STEEPEST).if_above(slope, few, zero);
        let mut found = [zero; 2];
        if few.largest() > 0.0 {
            // Lanes of other kinds take no steps.
            found = self.few(n, few.if_above(zero, y, one));
        }
        let many = few.if_above(zero, zero, counts);
        if many.largest() > 0.0 {
            // Lanes of other kinds go along with counts of a short rule.
            let y = many.if_above(zero, y, y.constant(FEW));
            let [mean, variance] = self.moments(n, y);
            found[0] = many.if_above(zero, mean, found[0]);
            found[1] = many.if_above(zero, variance, found[1]);
        }
        if (one - counts).largest() > 0.0 {
            let [mean, variance] = self.nothing(n);
            found[0] = counts.if_above(zero, found[0], mean);
            found[1] = counts.if_above(zero, found[1], variance);
        }
        found
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
