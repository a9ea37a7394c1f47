//! Equal steps outwards from a peak, a register of rows at a time: a rule without an exponential of the place of a point.

use fg_core::special::exp::exp_weight;
use fg_core::special::log::ln;
use fg_core::special::number::Number;

/// The error of equal steps is the largest ratio `exp(growth - 2 pi d / step)`, over the distance `d` off the real axis, by
/// which the integrand grows there: steps are chosen so that it lies this many nats below one.
pub(crate) const ALIASES: f64 = 34.0;
/// What lies this many nats below the peak is left out, once and for all on its side.
const DEPTH: f64 = 34.5;
/// Points before the first look at whether any lane needs more: a Gaussian takes eleven.
const FIRST: usize = 9;
/// Points between two looks.
const BLOCK: usize = 2;
/// Most blocks to one side. Lanes that need more are left open.
const BLOCKS: usize = 256;

/// A logarithm of an integrand around `s = 0`, which falls to both sides once it has fallen by some nats.
pub(crate) trait Exponent<N> {
    type Walk: Walk<N>;

    /// From zero outwards.
    fn walk(&self, step: &Step<N>) -> Self::Walk;

    /// What values are multiples of.
    fn unit(&self, h: N) -> N;
}

/// Its points on one side.
pub(crate) trait Walk<N> {
    /// What the maximum of the logarithm is at most, which is taken off.
    const LIFT: f64;

    /// The logarithm one step further on, less [`LIFT`](Self::LIFT).
    fn further(&mut self) -> N;

    /// What moments are taken of there.
    fn value(&self) -> N;
}

/// A step to one side.
pub(crate) struct Step<N> {
    /// One, with the sign of the side.
    pub(crate) one: N,
    /// Its length `h`, `e^h - 1` and `e^h - 1 - h`.
    pub(crate) h: N,
    pub(crate) rise: N,
    pub(crate) growth: N,
}

/// Steps of one length in each lane.
pub(crate) struct Outwards<N> {
    h: N,
    /// `cosh h - 1` and `sinh h - h`.
    even: N,
    odd: N,
}

impl<N: Number> Outwards<N> {
    /// Steps of `0 < h < 1/4`.
    #[inline(always)]
    pub(crate) fn new(h: N) -> Self {
        let (one, square) = (h.constant(1.0), h * h);
        // Nested series: the next factor of each is below 1e-17.
        let (mut even, mut odd) = (one, one);
        for k in [132.0, 90.0, 56.0, 30.0, 12.0] {
            even = (square * h.constant(1.0 / k)).mul_add(even, one);
        }
        for k in [156.0, 110.0, 72.0, 42.0, 20.0] {
            odd = (square * h.constant(1.0 / k)).mul_add(odd, one);
        }
        let even = even * square * h.constant(0.5);
        let odd = odd * square * h * h.constant(1.0 / 6.0);
        Self { h, even, odd }
    }

    /// Mean and variance of the value; NaN in lanes that are left open.
    #[inline(always)]
    pub(crate) fn moments(&self, exponent: &impl Exponent<N>) -> [N; 2] {
        let [_, mean, variance] = self.all(exponent);
        [mean, variance]
    }

    /// Logarithm of the integral; NaN in lanes that are left open.
    #[inline(always)]
    pub(crate) fn log_mass<E: Exponent<N>>(&self, exponent: &E) -> N {
        let [mass, ..] = self.all(exponent);
        let log = ln(mass * self.h) + mass.constant(<E::Walk as Walk<N>>::LIFT);
        // The logarithm of what isn't a number is arbitrary.
        mass.if_above(mass.constant(0.0), log, mass)
    }

    /// Sum of the points, mean and variance.
    #[inline(always)]
    fn all<E: Exponent<N>>(&self, exponent: &E) -> [N; 3] {
        let (zero, one) = (self.h.constant(0.0), self.h.constant(1.0));
        let lift = zero.constant(-<E::Walk as Walk<N>>::LIFT);
        let mut sums = [exp_weight(lift), zero, zero];
        let (even, odd, h) = (self.even, self.odd, self.h);
        let to = Step { one, h, rise: even + odd + h, growth: even + odd };
        let right = side(exponent.walk(&to), one, &mut sums);
        let to = Step { one: -one, h: -h, rise: even - odd - h, growth: even - odd };
        let left = side(exponent.walk(&to), one, &mut sums);
        let [mass, first, second] = sums;
        let (inverse, unit) = (one / mass, exponent.unit(h));
        let mean = first * inverse;
        // No further from the peak than about a deviation: little cancels.
        let variance = second.mul_add(inverse, -(mean * mean)) * (unit * unit);
        let deepest = zero.constant(-DEPTH);
        let nothing = zero.constant(f64::NAN);
        let variance = deepest.if_above(right, variance, nothing);
        let variance = deepest.if_above(left, variance, nothing);
        [deepest.if_above(right.at_least(left), mass, nothing), mean * unit, variance]
    }
}

/// Adds the points on one side, and returns the exponent of the last.
#[inline(always)]
fn side<N: Number, W: Walk<N>>(mut walk: W, one: N, sums: &mut [N; 3]) -> N {
    let (zero, deepest) = (one.constant(0.0), one.constant(-DEPTH));
    let (mut last, mut own) = (zero, *sums);
    for block in 0..BLOCKS {
        let count = if block == 0 { FIRST } else { BLOCK };
        for _ in 0..count {
            last = walk.further();
            let weight = last.if_above(deepest, exp_weight(last), zero);
            let value = walk.value();
            let first = weight * value;
            own = [own[0] + weight, own[1] + first, first.mul_add(value, own[2])];
        }
        if !(last.largest() > -DEPTH) {
            break;
        }
    }
    *sums = own;
    last
}
