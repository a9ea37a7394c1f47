//! A Gaussian between two ends, of which one may be missing, as a formula for a register of rows.

use fg_core::special::number::Number;
use fg_core::special::tail::tail;

use super::enclosed::{Curvature, Enclosed};
use super::formula::Formula;

/// Rows that lie between two ends of their own, with noise. Inputs are the natural parameter and both ends, of which one may be
/// infinite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TwoEnds {
    /// Precision of the cavity of `u = z + noise`, and one over what `z`'s is more than it.
    curvature: Curvature<f64>,
    share: f64,
    noise: f64,
}

impl TwoEnds {
    /// No density but the ends, of `u = z + noise`, under a cavity of positive precision `gamma` of `z`.
    pub(crate) fn new(noise: f64, gamma: f64) -> Self {
        let share = (1.0 + gamma * noise).recip();
        Self { curvature: Curvature::new(gamma * share), share, noise }
    }

    /// How many kinds of rows there are, by the form that a row asks for.
    pub(crate) const KINDS: usize = Curvature::KINDS;

    /// Whether all rows are of one kind where no ends are nearer to each other than this.
    pub(crate) fn is_uniform(&self, shortest: f64) -> bool {
        self.curvature.bends(shortest)
    }

    /// Of which kind a row is, but for rounding. By plain products: a fused one by itself is a call.
    #[inline]
    pub(crate) fn kind(&self, [n, start, end]: [f64; 3]) -> usize {
        let slopes = (n + n) * self.share - self.curvature.gamma * (start + end);
        self.curvature.kind(slopes, end - start)
    }

    #[inline(always)]
    fn enclosed<N: Number>(&self, [n, start, end]: [N; 3]) -> Enclosed<N> {
        let curvature = self.curvature.of(n);
        let pull = n * n.constant(self.share);
        let down = -curvature.gamma;
        let slopes = [start.mul_add(down, pull), end.mul_add(down, pull)];
        Enclosed { ends: [start, end], slopes, length: end - start, curvature }
    }
}

impl Formula<3> for TwoEnds {
    #[inline(always)]
    fn row<N: Number>(&self, input: [N; 3]) -> [N; 2] {
        let [mean, variance] = self.enclosed(input).moments();
        let [n, ..] = input;
        let (share, noise) = (n.constant(self.share), n.constant(self.noise));
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
    const FOURS: bool = true;

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

/// A density between two finite ends, the same in every row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between {
    ends: [f64; 2],
    /// Of the exponent at both where the natural parameter is zero.
    slopes: [f64; 2],
    curvature: Curvature<f64>,
}

impl Between {
    /// The density `exp(slope t - precision t^2 / 2)` at `start + t`, under a cavity of precision `gamma`.
    pub(crate) fn new(ends: [f64; 2], (slope, precision): (f64, f64), gamma: f64) -> Self {
        let curvature = Curvature::new(precision + gamma);
        let slope = slope - gamma * ends[0];
        let slopes = [slope, slope - curvature.gamma * (ends[1] - ends[0])];
        Self { ends, slopes, curvature }
    }
}

impl Formula<1> for Between {
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let ends = [n.constant(self.ends[0]), n.constant(self.ends[1])];
        let slopes = [n + n.constant(self.slopes[0]), n + n.constant(self.slopes[1])];
        let length = n.constant(self.ends[1] - self.ends[0]);
        Enclosed { ends, slopes, length, curvature: self.curvature.of(n) }.moments()
    }
}
