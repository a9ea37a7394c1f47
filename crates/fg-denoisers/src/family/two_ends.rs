//! A Gaussian between two ends, of which one may be missing, as a formula for a register of rows.

use fg_core::special::number::Number;
use fg_core::special::tail::tail;

use super::Rule;
use super::formula::Formula;

/// A density between two ends under a cavity that it is seen through noise by. Inputs are the natural parameter, the end
/// that lengths count from, and the length to the other one, negative where that is below and infinite where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TwoEnds<'a> {
    rule: &'a Rule,
    /// Of the logarithm of the density, upwards at the end that lengths count from.
    slope: f64,
    /// Total precision of `u = z + noise`, that of the density included.
    precision: f64,
    noise: f64,
    /// Precision of the cavity of `u`, and what `z`'s is more than it.
    gamma: f64,
    k: f64,
}

impl<'a> TwoEnds<'a> {
    /// The density `exp(slope t - precision t^2 / 2)` of `u`, which is `z` with noise of this variance, under a cavity of
    /// precision `gamma` of `z`.
    pub(crate) fn new(
        (slope, precision): (f64, f64),
        (noise, rule): (f64, &'a Rule),
        gamma: f64,
    ) -> Self {
        let k = 1.0 + gamma * noise;
        Self { rule, slope, precision: precision + gamma / k, noise, gamma: gamma / k, k }
    }
}

impl TwoEnds<'_> {
    /// Offset from the end and variance, of `u` beyond it in this direction, one or minus one.
    #[inline(always)]
    fn beyond<N: Number>(&self, slope: N, direction: N) -> [N; 2] {
        let deviation = slope.constant(self.precision.sqrt().recip());
        let found = tail(slope * direction * deviation);
        [found.mean * deviation * direction, found.variance * (deviation * deviation)]
    }

    /// Mean and variance of `z` given those of `u`.
    #[inline(always)]
    fn seen<N: Number>(&self, n: N, [mean, variance]: [N; 2]) -> [N; 2] {
        let (noise, share) = (n.constant(self.noise), n.constant(self.k.recip()));
        [noise.mul_add(n, mean) * share, variance.mul_add(share, noise) * share]
    }

    /// Of which kind a row is: of one end, or of two ends that one of the rules is for.
    pub(crate) fn kind(&self, [n, end, length]: [f64; 3]) -> usize {
        if length.is_infinite() {
            return 0;
        }
        let slope = n / self.k + self.slope - self.gamma * end;
        1 + self.rule.kind(slope.copysign(slope * length), self.precision, length.abs())
    }
}

impl Formula<3> for TwoEnds<'_> {
    const PAIRS: bool = false;

    #[inline(always)]
    fn row<N: Number>(&self, [n, end, length]: [N; 3]) -> [N; 2] {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let direction = length.if_above(zero, one, -one);
        let (length, precision) = (length.abs(), n.constant(self.precision));
        let share = n.constant(self.k.recip());
        let slope = n.mul_add(share, n.constant(self.slope)) - n.constant(self.gamma) * end;
        let inwards = slope * direction;
        // Of rows with one end and with two in a register, either asks for its own way.
        let endless = length.if_above(n.constant(f64::MAX), one, zero);
        let (mut offset, mut variance) = (zero, zero);
        if (one - endless).largest() > 0.0 {
            let length = endless.if_above(zero, zero, length);
            [offset, variance] = self.rule.moments(inwards, precision, length);
        }
        if endless.largest() > 0.0 {
            let beyond = self.beyond(inwards, one);
            offset = endless.if_above(zero, beyond[0], offset);
            variance = endless.if_above(zero, beyond[1], variance);
        }
        self.seen(n, [direction.mul_add(offset, end), variance])
    }
}

/// [`TwoEnds`] without the other end, of which inputs are the natural parameter and on which side the density is: above `end`
/// for numbers above one half, below it for others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneOf<'a> {
    pub(crate) density: TwoEnds<'a>,
    pub(crate) end: f64,
}

impl Formula<2> for OneOf<'_> {
    const PAIRS: bool = false;

    #[inline(always)]
    fn row<N: Number>(&self, [n, side]: [N; 2]) -> [N; 2] {
        let (end, one) = (n.constant(self.end), n.constant(1.0));
        let direction = side.if_above(n.constant(0.5), one, -one);
        let share = n.constant(self.density.k.recip());
        let slope =
            n.mul_add(share, n.constant(self.density.slope - self.density.gamma * self.end));
        let [offset, variance] = self.density.beyond(slope, direction);
        self.density.seen(n, [offset + end, variance])
    }
}

/// [`TwoEnds`], the same in every row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between<'a> {
    pub(crate) density: TwoEnds<'a>,
    pub(crate) start: f64,
    pub(crate) length: f64,
}

impl Formula<1> for Between<'_> {
    const PAIRS: bool = false;

    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        self.density.row([n, n.constant(self.start), n.constant(self.length)])
    }
}
