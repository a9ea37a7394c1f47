//! Densities `z^y exp(-z)` of positive `z`, of counts of the rate `z`, as formulas for a register of rows.

use core::f64::consts::TAU;

use fg_core::special::number::Number;

use super::formula::Formula;
use super::halves::{Half, meet};
use super::outwards::{ALIASES, Exponent, Outwards};

/// How far off the axis of `log z` a rule may look: at a quarter of pi Gaussians stop falling.
const STRIP: f64 = 0.6;
/// What `sin^2 d / cos 2d`, twice the nats by which a Gaussian of `e^v` grows at the distance `d` off the axis, exceeds `d^2`
/// by, over its square: a bound as far as [`STRIP`]. `-2 log cos d`, of the power of `z`, is below it.
const BEND: f64 = 4.0;

/// Counts under one positive cavity precision: the natural parameter and the count to mean and variance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PositiveRate {
    gamma: f64,
    /// `1 / sqrt(gamma)`.
    deviation: f64,
    averaged: bool,
}

impl PositiveRate {
    /// Posterior means, or maximisers.
    pub(crate) fn new(gamma: f64, averaged: bool) -> Self {
        Self { gamma, deviation: gamma.sqrt().recip(), averaged }
    }

    /// The positive root of `gamma z^2 - (n - 1) z = y`, where the exponent is largest, and one over the curvature there, which
    /// is the root's slope in `n`: itself over the root of the discriminant.
    #[inline(always)]
    fn maximiser<N: Number>(&self, n: N, y: N) -> [N; 2] {
        let (zero, two) = (n.constant(0.0), n.constant(2.0));
        let (b, gamma) = (n - n.constant(1.0), n.constant(self.gamma));
        let root = b.mul_add(b, n.constant(4.0 * self.gamma) * y).sqrt();
        // Neither form cancels on its side.
        let numerator = b.if_above(zero, b + root, two * y);
        let denominator = b.if_above(zero, two * gamma, root - b);
        let inverse = n.constant(1.0) / (denominator * root);
        let z = numerator * root * inverse;
        [z, z * denominator * inverse]
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
        if self.averaged {
            let right = Half { h: (n - one) * deviation, deviation };
            return meet(right, Half { h: -(n * deviation), deviation }, zero);
        }
        let variance = deviation * deviation;
        let (above, below) = (n - one, n);
        let mean = above.at_least(zero) + below.at_most(zero);
        let slope = above.if_above(zero, variance, zero.if_above(below, variance, zero));
        [mean * variance, slope]
    }
}

impl Formula<2> for PositiveRate {
    const PAIRS: bool = false;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        if !self.averaged {
            // Both are short: registers of one kind aren't looked for.
            let (own, none) = (self.maximiser(n, y.if_above(zero, y, one)), self.nothing(n));
            return [y.if_above(zero, own[0], none[0]), y.if_above(zero, own[1], none[1])];
        }
        let counts = y.if_above(zero, one, zero);
        let mut found = [zero; 2];
        if counts.largest() > 0.0 {
            // Lanes without counts go along with one.
            let y = y.if_above(zero, y, one);
            found = self.moments(n, y);
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
    /// `v` less the parabola of the rest, whose curvature is one at least.
    const LIFT: f64 = 0.5;

    #[inline(always)]
    fn at(&self, v: N, growth: N) -> N {
        let apart = growth + v;
        let lowered = growth.mul_add(-self.y, v - v.constant(Self::LIFT));
        (apart * apart).mul_add(-self.half, lowered)
    }

    /// `e^v - 1`.
    #[inline(always)]
    fn value(&self, v: N, growth: N) -> N {
        growth + v
    }
}
