//! Gaussians cut off at both ends, a register of them at a time: in closed form where the integrand falls far from one end to the
//! other, by a recurrence of moments where it doesn't and the closed form cancels.

use fg_core::special::exp::exp_weight;
use fg_core::special::number::{Number, Pair};
use fg_core::special::tail::below_pair;

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
/// Of slopes, what a deviation's inverse is at least: an exponent without curvature is as good as one of so little, and no product
/// overflows.
const STRAIGHT: f64 = 1e-60;

/// Weights of less nats are zero, next to one: no product of two of them underflows, which takes several times as long.
const NOTHING: f64 = -230.0;

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

    /// How many forms there are.
    pub(crate) const KINDS: usize = 2;

    /// Which of them an interval of this length asks for, but for rounding, given the sum of the slopes at its ends.
    #[inline]
    pub(crate) fn kind(&self, slopes: f64, length: f64) -> usize {
        usize::from((0.25 * length * slopes).abs() > SLOPE) | usize::from(self.bends(length))
    }

    /// Whether intervals of this length, or longer ones, ask for the last form whatever their slope.
    #[inline]
    pub(crate) fn bends(&self, length: f64) -> bool {
        let half = 0.5 * length;
        0.5 * self.gamma * half * half > BEND
    }
}

/// An interval with weight `exp(s_0 t - gamma t^2 / 2)`, `t` counted from its start, any slope `s_0`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enclosed<N> {
    /// Start and end, one of which may be infinite where `gamma` is positive.
    pub(crate) ends: [N; 2],
    /// Of the exponent there: the first is the second and `gamma` times the length.
    pub(crate) slopes: [N; 2],
    pub(crate) length: N,
    pub(crate) curvature: Curvature<N>,
}

/// What is found of an interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<N> {
    /// Counted as the ends are.
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
    /// From zero on, with this slope there.
    #[inline(always)]
    pub(crate) fn new(slope: N, curvature: Curvature<N>, length: N) -> Self {
        let slopes = [slope, curvature.gamma.mul_add(-length, slope)];
        Self { ends: [slope.constant(0.0), length], slopes, length, curvature }
    }

    /// Mean and variance.
    #[inline(always)]
    pub(crate) fn moments(&self) -> [N; 2] {
        // Neither depends on where the weight is largest.
        let found = self.found::<false>(self.length);
        [found.mean, found.variance]
    }

    /// Where the weight is largest, counted from the start.
    #[inline(always)]
    pub(crate) fn peak(&self) -> N {
        let Curvature { deviation, .. } = self.curvature;
        let from = self.slopes[0] * deviation * deviation;
        from.within(from.constant(0.0), self.length)
    }

    /// All that is found, given where the weight is largest.
    #[inline(always)]
    pub(crate) fn around(&self, peak: N) -> Found<N> {
        self.found::<true>(peak)
    }

    /// Each interval is answered by the form that it asks for, whatever its neighbours, so that a register takes as long as all that it
    /// asks for. Widths and shifts are found where `ALL`.
    #[inline(always)]
    fn found<const ALL: bool>(&self, peak: N) -> Found<N> {
        let Self { ends: [start, _], slopes, length, curvature } = *self;
        let (zero, half) = (length.constant(0.0), length.constant(0.5) * length);
        let slope = (slopes[0] + slopes[1]) * (length.constant(0.5) * half);
        let bend = length.constant(0.5) * curvature.gamma * half * half;
        // Positive where the recurrence is asked for, and where the exponent is as good as straight.
        let near = (length.constant(SLOPE) - slope.abs()).at_most(length.constant(BEND) - bend);
        let least = slopes[0].abs().at_most(slopes[1].abs()) * length.constant(STRAIGHT);
        if !(near.at_least(least - curvature.root).largest() > 0.0) {
            return self.closed(slope);
        }
        let mut found = Found { mean: zero, shift: zero, variance: zero, width: zero };
        if (-near).largest() >= 0.0 {
            let straight = length.constant(1.0) / least;
            let deviation = least.if_above(curvature.root, straight, curvature.deviation);
            let root = least.at_least(curvature.root);
            let curvature = Curvature { root, deviation, ..curvature };
            found = Self { curvature, ..*self }.closed(slope);
        }
        if near.largest() > 0.0 {
            let mut top = zero;
            if ALL {
                let [first, _] = slopes;
                let down = length.constant(-0.5) * curvature.gamma;
                let centre = half * down.mul_add(half, first);
                let largest = peak * down.mul_add(peak, first);
                top = (down * half).mul_add(half, centre - largest);
            }
            let [mean, variance, mass] = short(slope, bend, top);
            let from = mean.mul_add(half, half);
            let own = Found {
                mean: start + from,
                shift: from - peak,
                variance: variance * (half * half),
                width: half * mass,
            };
            found = own.or(near, found);
        }
        found
    }

    /// That of the half line from the higher end on, less what is beyond the other one: no more than a fifth of it. `slope` is half the
    /// logarithm of the weight at the end over that at the start.
    ///
    /// As [`tail`](fg_core::special::tail::tail) of both, with one division for all quotients.
    #[inline(always)]
    fn closed(&self, slope: N) -> Found<N> {
        let Self { ends: [start, end], slopes, length, curvature } = *self;
        let Curvature { root, deviation, .. } = curvature;
        let (zero, one, half) = (slope.constant(0.0), slope.constant(1.0), slope.constant(0.5));
        let limit = slope.constant(FARTHEST);
        let inwards = slope.if_above(zero, -slopes[1], slopes[0]);
        let outwards = slope.if_above(zero, slopes[0], -slopes[1]);
        let (h, x) = (inwards * deviation, (outwards * deviation).at_most(limit));
        let (light, rest) = below_pair(h.abs().at_most(limit), x);
        let m = light.numerator;
        let e = weight(h * h * -half);
        let heavy = m.mul_add(slope.constant(SQRT_2PI), -e);
        let (numerator, denominator) = (h.if_above(zero, e * m, m), h.if_above(zero, heavy, one));
        // Masses in units of each other: what is beyond, and the half line.
        let fall = slope.abs();
        let beyond = weight(-(fall + fall)) * numerator;
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
            mean: slope.if_above(zero, end - from, start + from),
            shift: slope.if_above(zero, -shift, shift),
            variance: moved.mul_add(-(apart + moved), spread) * (deviation * deviation),
            width: left * deviation / (m * rest.numerator),
        }
    }
}

/// The exponential of nats, which aren't positive, or [zero](NOTHING).
#[inline(always)]
fn weight<N: Number>(nats: N) -> N {
    nats.if_above(nats.constant(NOTHING), exp_weight(nats), nats.constant(0.0))
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
