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
    /// What its maximum is at most, which is taken off.
    const LIFT: f64;

    /// At `s`, with `growth = e^s - 1 - s`, less [`LIFT`](Self::LIFT).
    fn at(&self, s: N, growth: N) -> N;

    /// What moments are taken of.
    fn value(&self, s: N, growth: N) -> N;
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
        let log = ln(mass * self.h) + mass.constant(E::LIFT);
        // The logarithm of what isn't a number is arbitrary.
        mass.if_above(mass.constant(0.0), log, mass)
    }

    /// Sum of the points, mean and variance.
    #[inline(always)]
    fn all(&self, exponent: &impl Exponent<N>) -> [N; 3] {
        let zero = self.h.constant(0.0);
        let mut sums = [exp_weight(exponent.at(zero, zero)), zero, zero];
        let right = self.side(exponent, self.h, &mut sums);
        let left = self.side(exponent, -self.h, &mut sums);
        let [mass, first, second] = sums;
        let inverse = zero.constant(1.0) / mass;
        let mean = first * inverse;
        // No further from the peak than about a deviation: little cancels.
        let variance = second.mul_add(inverse, -(mean * mean));
        let deepest = zero.constant(-DEPTH);
        let nothing = zero.constant(f64::NAN);
        let variance = deepest.if_above(right, variance, nothing);
        let variance = deepest.if_above(left, variance, nothing);
        [deepest.if_above(right.at_least(left), mass, nothing), mean, variance]
    }

    /// Adds the points on one side, and returns the exponent of the last.
    ///
    /// `e^s - 1 - s` follows from that one step before as a sum of terms of one sign on either side of zero: its relative
    /// error grows with the number of steps alone.
    #[inline(always)]
    fn side(&self, exponent: &impl Exponent<N>, h: N, sums: &mut [N; 3]) -> N {
        let (zero, one) = (h.constant(0.0), h.constant(1.0));
        let odd = h.if_above(zero, self.odd, -self.odd);
        let start = self.even + odd;
        let rise = start + h;
        let factor = rise + one;
        let (deepest, mut s, mut growth, mut last) = (h.constant(-DEPTH), zero, zero, zero);
        for block in 0..BLOCKS {
            let count = if block == 0 { FIRST } else { BLOCK };
            for _ in 0..count {
                growth = factor.mul_add(growth, s.mul_add(rise, start));
                s = s + h;
                last = exponent.at(s, growth);
                let weight = last.if_above(deepest, exp_weight(last), zero);
                let value = exponent.value(s, growth);
                let first = weight * value;
                sums[0] = sums[0] + weight;
                sums[1] = sums[1] + first;
                sums[2] = first.mul_add(value, sums[2]);
            }
            if !(last.largest() > -DEPTH) {
                break;
            }
        }
        last
    }
}
