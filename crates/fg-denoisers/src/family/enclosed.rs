//! Gaussians cut off at both ends, a register of them at a time: in closed form where the integrand falls far from one end to the
//! other, by a recurrence of moments where it doesn't and the closed form cancels.

use fg_core::special::exp::{exp_share, exp_weight};
use fg_core::special::number::{Number, Pair};
use fg_core::special::tail::below_pair;

use super::formula;

/// With `x` from -1 to 1 across the interval the exponent is `u x - b x^2` up to a constant. The recurrence is for `|u|` and `b` up to
/// these: beyond, the integrand falls by four nats from one end to the other, or by more than a half nat to both, and what is beyond
/// one end is a small part of the half line from the other one, of which the closed form takes it.
const SLOPE: f64 = 2.0;
/// See [`SLOPE`].
const BEND: f64 = 0.5;
/// Moments that the recurrence begins with, as zero: the error of the variance is `2e-13` of itself at most, where slope and bend are
/// as large as they may be.
const MOMENTS: usize = 30;
/// `1 / k!` by `k`.
const INVERSE_FACTORIALS: [f64; MOMENTS + 1] = inverse_factorials();
/// Lengths in deviations are cut off there, so that products of four of them are finite.
const FARTHEST: f64 = 1e70;
/// `sqrt(2 pi)`.
const SQRT_2PI: f64 = 2.506_628_274_631_000_5;
/// Of slopes, what a deviation's inverse is at least: a straight exponent is one of a curvature that is nothing next to the slope.
const STRAIGHT: f64 = 1e-12;

/// Deviations that are as good as infinitely many: the weight there is `exp(-5000)` of that at the end.
const ENDLESS: f64 = 100.0;

const fn inverse_factorials() -> [f64; MOMENTS + 1] {
    let (mut all, mut factorial, mut k) = ([1.0; MOMENTS + 1], 1.0, 1);
    while k <= MOMENTS {
        factorial *= k as f64;
        all[k] = 1.0 / factorial;
        k += 1;
    }
    all
}

/// A precision, not negative, with its root and one over that, infinite where it is zero: what intervals of one precision share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Curvature<N> {
    pub(crate) gamma: N,
    pub(super) root: N,
    pub(super) deviation: N,
}

impl<N: Number> Curvature<N> {
    #[inline(always)]
    pub(crate) fn new(gamma: N) -> Self {
        let root = gamma.sqrt();
        Self { gamma, root, deviation: gamma.constant(1.0) / root }
    }
}

impl Curvature<f64> {
    /// The same for a register.
    #[inline(always)]
    pub(crate) fn of<N: Number>(&self, like: N) -> Curvature<N> {
        Curvature {
            gamma: like.constant(self.gamma),
            root: like.constant(self.root),
            deviation: like.constant(self.deviation),
        }
    }
}

impl<N: Number> Curvature<N> {
    /// A length that is as good as infinite for an exponent of this slope: [`ENDLESS`] deviations beyond the end, and twice as far as
    /// the peak.
    #[inline(always)]
    pub(crate) fn endless(&self, a: N) -> N {
        let h = a.abs() * self.deviation;
        self.deviation * (h + (h + a.constant(ENDLESS))).at_most(a.constant(formula::FARTHEST))
    }
}

impl Enclosed<f64> {
    /// How many forms there are.
    pub(crate) const KINDS: usize = 2;

    /// Which of them an interval asks for, but for rounding; a negative length reaches to the other side.
    #[inline]
    pub(crate) fn kind(&self) -> usize {
        let half = 0.5 * self.length;
        let slope = half * (self.a - self.curvature.gamma * half);
        let bend = 0.5 * self.curvature.gamma * half * half;
        usize::from((slope.abs() > SLOPE) | (bend > BEND))
    }
}

/// `0 < t < length` with weight `exp(a t - gamma t^2 / 2)`, any slope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enclosed<N> {
    pub(crate) a: N,
    pub(crate) curvature: Curvature<N>,
    pub(crate) length: N,
}

/// What is found of an interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<N> {
    pub(crate) mean: N,
    /// Mean less where the weight is largest.
    pub(crate) shift: N,
    pub(crate) variance: N,
    /// Mass relative to the largest weight.
    pub(crate) width: N,
}

impl<N: Number> Found<N> {
    #[inline(always)]
    fn or(self, asks: N, other: Self) -> Self {
        let zero = asks.constant(0.0);
        Self {
            mean: asks.if_above(zero, self.mean, other.mean),
            shift: asks.if_above(zero, self.shift, other.shift),
            variance: asks.if_above(zero, self.variance, other.variance),
            width: asks.if_above(zero, self.width, other.width),
        }
    }
}

impl<N: Number> Enclosed<N> {
    /// Mean and variance.
    #[inline(always)]
    pub(crate) fn moments(&self) -> [N; 2] {
        // Neither depends on the largest weight.
        let zero = self.a.constant(0.0);
        let found = self.found(zero, zero);
        [found.mean, found.variance]
    }

    /// Where the weight is largest.
    #[inline(always)]
    pub(crate) fn peak(&self) -> N {
        let Curvature { deviation, .. } = self.curvature;
        (self.a * deviation * deviation).within(self.a.constant(0.0), self.length)
    }

    /// All that is found, given where the weight is largest.
    #[inline(always)]
    pub(crate) fn around(&self, peak: N) -> Found<N> {
        let Self { a, curvature, length } = *self;
        let (half, bend) = (a.constant(0.5) * length, a.constant(-0.5) * curvature.gamma);
        let centre = half * bend.mul_add(half, a);
        let largest = peak * bend.mul_add(peak, a);
        self.found(peak, (bend * half).mul_add(half, centre - largest))
    }

    /// `top` is the exponent in the middle, less the largest and the bend. Each interval is answered by the form that it asks for,
    /// whatever its neighbours, so that a register takes as long as all that it asks for.
    #[inline(always)]
    fn found(&self, peak: N, top: N) -> Found<N> {
        let Self { a, curvature, length } = *self;
        let (zero, one, half) = (a.constant(0.0), a.constant(1.0), a.constant(0.5) * length);
        let slope = half * curvature.gamma.mul_add(-half, a);
        let bend = a.constant(0.5) * curvature.gamma * half * half;
        let far = bend.if_above(a.constant(BEND), one, zero);
        let far = slope.abs().if_above(a.constant(SLOPE), one, far);
        let near = one - far;
        let mut found = Found { mean: zero, shift: zero, variance: zero, width: zero };
        if far.largest() > 0.0 {
            found = self.closed();
        }
        if near.largest() > 0.0 {
            let [mean, variance, mass] = short(slope, bend, top);
            let own = Found {
                mean: mean.mul_add(half, half),
                shift: mean.mul_add(half, half - peak),
                variance: variance * (half * half),
                width: half * mass,
            };
            found = found.or(far, own);
        }
        found
    }

    /// That of the half line from the higher end on, less what is beyond the other one: no more than a fifth of it.
    ///
    /// As [`tail`](fg_core::special::tail::tail) of both, with one division for all quotients.
    #[inline(always)]
    fn closed(&self) -> Found<N> {
        let Self { a, curvature: Curvature { gamma, mut root, mut deviation }, length } = *self;
        let (zero, one, half) = (a.constant(0.0), a.constant(1.0), a.constant(0.5));
        let limit = a.constant(FARTHEST);
        let steep = a.abs() * a.constant(STRAIGHT);
        if (steep - root).largest() > 0.0 {
            let straight = one / steep;
            (deviation, root) =
                (steep.if_above(root, straight, deviation), steep.if_above(root, steep, root));
        }
        // Logarithm of the weight at the end of the interval over that at its start.
        let rise = length * (half * gamma).mul_add(-length, a);
        let far = gamma.mul_add(-length, a);
        let (inwards, outwards) = (rise.if_above(zero, -far, a), rise.if_above(zero, a, -far));
        let (h, x) = (inwards * deviation, (outwards * deviation).at_most(limit));
        let (light, rest) = below_pair(h.abs().at_most(limit), x);
        let m = light.numerator;
        let e = exp_share(h * h * -half);
        let heavy = m.mul_add(a.constant(SQRT_2PI), -e);
        let (numerator, denominator) = (h.if_above(zero, e * m, m), h.if_above(zero, heavy, one));
        // Masses in units of each other: what is beyond, and the half line.
        let beyond = exp_share(-rise.abs()) * numerator;
        let all = denominator * rest.numerator;
        let left = all - beyond;
        let inverse = one / (all * left);
        let odds = beyond * all * inverse;
        // Of a half line that has its peak within, the mean is above that by one over its mass.
        let excess = numerator * rest.numerator * (left * inverse);
        let further = h + excess;
        let mean = h.if_above(zero, further, light.mean);
        let variance = h.if_above(zero, one - excess * further, light.variance);
        // Of the mean of what is beyond from that of the half line.
        let apart = (length.mul_add(root, rest.mean) - mean).at_most(limit);
        let moved = odds * apart;
        let shift = (h.if_above(zero, excess, light.mean) - moved) * deviation;
        let from = (mean - moved) * deviation;
        let spread = odds.mul_add(variance - rest.variance, variance);
        Found {
            mean: rise.if_above(zero, length - from, from),
            shift: rise.if_above(zero, -shift, shift),
            variance: moved.mul_add(-(apart + moved), spread) * (deviation * deviation),
            width: left * deviation / (m * rest.numerator),
        }
    }
}

/// Mean, variance and mass of `-1 < x < 1` with weight `exp(top + b + u x - b x^2)`.
///
/// By parts, `k m_(k-1) = [x^k w] - u m_k + 2 b m_(k+1)` for the moments `m_k`, from the last ones down to the mass. Written for
/// `m_k / k!`, what a moment waits for is one operation of the moment after it.
#[inline(always)]
fn short<N: Number>(slope: N, bend: N, top: N) -> [N; 3] {
    let zero = slope.constant(0.0);
    let Pair(above, below) = exp_weight(Pair(top + slope, top - slope));
    let (sum, difference) = (above + below, above - below);
    let (twice, down) = (bend + bend, -slope);
    let (mut second, mut first, mut mass) = (zero, zero, zero);
    for k in (1..=MOMENTS).rev() {
        let ends = if k % 2 == 0 { difference } else { sum };
        let ends = ends * slope.constant(INVERSE_FACTORIALS[k]);
        let next = (twice * slope.constant((k + 1) as f64)).mul_add(first, ends);
        (second, first, mass) = (first, mass, down.mul_add(mass, next));
    }
    let inverse = slope.constant(1.0) / mass;
    let mean = first * inverse;
    [mean, ((second + second) * inverse) - mean * mean, mass]
}
