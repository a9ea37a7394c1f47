//! A Gaussian between two ends, of which one may be missing, as a formula for a register of rows.

use fg_core::special::number::Number;
use fg_core::special::tail::tail;

use super::enclosed::{Curvature, Enclosed};
use super::formula::Formula;

/// A density between two ends under a cavity that it is seen through noise by. Inputs are the natural parameter, the end
/// that lengths count from, and the length to the other one, negative where that is below and infinite where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TwoEnds {
    /// Of the logarithm of the density, upwards at the end that lengths count from.
    slope: f64,
    /// Total precision of `u = z + noise`, that of the density included.
    curvature: Curvature<f64>,
    noise: f64,
    /// Precision of the cavity of `u`, and one over what `z`'s is more than it.
    gamma: f64,
    share: f64,
}

impl TwoEnds {
    /// The density `exp(slope t - precision t^2 / 2)` of `u`, which is `z` with noise of this variance, under a cavity of
    /// precision `gamma` of `z`.
    pub(crate) fn new((slope, precision): (f64, f64), noise: f64, gamma: f64) -> Self {
        let share = (1.0 + gamma * noise).recip();
        let gamma = gamma * share;
        Self { slope, curvature: Curvature::new(precision + gamma), noise, gamma, share }
    }

    /// How many kinds of rows there are, by the form that a row asks for.
    pub(crate) const KINDS: usize = Enclosed::<f64>::KINDS;

    /// Of which kind a row is, but for rounding.
    #[inline]
    pub(crate) fn kind(&self, [n, end, length]: [f64; 3]) -> usize {
        let slope = n * self.share + self.slope - self.gamma * end;
        Enclosed { a: slope, curvature: self.curvature, length }.kind()
    }
}

impl Formula<3> for TwoEnds {
    #[inline(always)]
    fn row<N: Number>(&self, [n, end, length]: [N; 3]) -> [N; 2] {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let direction = length.if_above(zero, one, -one);
        let (share, curvature) = (n.constant(self.share), self.curvature.of(n));
        let slope = n.mul_add(share, n.constant(self.slope)) - n.constant(self.gamma) * end;
        let inwards = slope * direction;
        let length = length.abs().at_most(curvature.endless(inwards));
        let [offset, variance] = Enclosed { a: inwards, curvature, length }.moments();
        let (mean, noise) = (direction.mul_add(offset, end), n.constant(self.noise));
        [noise.mul_add(n, mean) * share, variance.mul_add(share, noise) * share]
    }
}

/// Rows that are on one or the other side of one end: inputs are the natural parameter and the side, above the end for numbers
/// above one half and below it for others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneOf {
    /// `1 / k`, what of `z`'s deviation is that of `u`.
    share: f64,
    /// Of the exponent of `u` at the end where `n` is zero.
    slope: f64,
    deviation: f64,
    /// Share of the end in the mean, and of the noise in mean and variance.
    end: f64,
    own: f64,
}

impl OneOf {
    /// No density but the side, of `u = z + noise`, under a cavity of precision `gamma` of `z`.
    pub(crate) fn new(end: f64, noise: f64, gamma: f64) -> Self {
        let k = 1.0 + gamma * noise;
        let (share, precision) = (k.recip(), gamma / k);
        let deviation = precision.sqrt().recip();
        Self { share, slope: -precision * end, deviation, end: end * share, own: noise * share }
    }
}

impl Formula<2> for OneOf {
    const PAIRS: bool = false;

    #[inline(always)]
    fn row<N: Number>(&self, [n, side]: [N; 2]) -> [N; 2] {
        let (share, own) = (n.constant(self.share), n.constant(self.own));
        let deviation = n.constant(self.deviation);
        let step = side.if_above(n.constant(0.5), deviation, -deviation);
        let beyond = tail(n.mul_add(share, n.constant(self.slope)) * step);
        let mean = beyond.mean.mul_add(step * share, n.constant(self.end));
        let scale = deviation * share;
        [own.mul_add(n, mean), beyond.variance.mul_add(scale * scale, own)]
    }
}

/// [`TwoEnds`], the same in every row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between {
    pub(crate) density: TwoEnds,
    pub(crate) start: f64,
    pub(crate) length: f64,
}

impl Formula<1> for Between {
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        self.density.row([n, n.constant(self.start), n.constant(self.length)])
    }
}
