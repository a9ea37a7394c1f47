//! Two exponential sides of one Gaussian that meet in a weight of one peak, as a formula without branches.

use fg_core::special::number::Number;
use fg_core::special::tail::{Tail, above, below_pair};

use super::formula::FARTHEST;

/// Normal variables of one deviation, each on its own side of the point where they meet with equal weights: one of them falls
/// from there, so that neither a mass nor what both are compared by needs an exponential of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ridge<N> {
    /// Where the weights would be largest, in deviations outwards; `right <= -left`.
    right: N,
    left: N,
    /// Of the side that is pulled to, and of the other.
    near: Tail<N>,
    far: Tail<N>,
}

impl<N: Number> Ridge<N> {
    /// Sides of the weights `exp(right t - t^2 / 2)` and `exp(left t - t^2 / 2)` of `t > 0`, in deviations to the right and to the
    /// left.
    #[inline(always)]
    pub(crate) fn new(right: N, left: N) -> Self {
        let limit = right.constant(FARTHEST);
        let (h, x) = (right.at_least(left), -right.at_most(left));
        let (near, far) = below_pair(h.abs().at_most(limit), x.at_most(limit));
        Self { right, left, near: above(h, near), far }
    }

    /// The mean of the right side alone, in deviations.
    #[inline(always)]
    pub(crate) fn right_mean(&self) -> N {
        self.right.if_above(self.left, self.near.mean, self.far.mean)
    }

    /// Mean and variance about the point where the sides meet, in deviations. With masses `1 / m` the far side has the
    /// probability `q = m_near / (m_near + m_far)`, a half at most, and the smaller variance: of that of the near side half is
    /// left at least.
    #[inline(always)]
    pub(crate) fn moments(&self) -> [N; 2] {
        let Self { right, left, near, far } = *self;
        let one = right.constant(1.0);
        let sum = far.numerator.mul_add(near.denominator, near.numerator);
        let q = near.numerator * (one / sum);
        let apart = near.mean + far.mean;
        let mean = (-q).mul_add(apart, near.mean);
        let more = (one - q).mul_add(apart * apart, far.variance - near.variance);
        [right.if_above(left, mean, -mean), q.mul_add(more, near.variance)]
    }
}
