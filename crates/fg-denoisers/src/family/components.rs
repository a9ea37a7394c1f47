//! Rows of one column that come from one of a few components, as a formula without branches.

use fg_core::special::exp::exp_negative;
use fg_core::special::number::Number;

use super::formula::Formula;

/// What component `k` says of a row.
pub(crate) struct Answer<N> {
    /// Logarithm of its share, up to what all components have in common.
    pub(crate) exponent: N,
    pub(crate) mean: N,
    pub(crate) variance: N,
}

/// Components of rows of one column.
pub(crate) trait Components {
    /// At least one.
    fn count(&self) -> usize;

    /// Component `k` given the natural parameter of a row.
    fn answer<N: Number>(&self, k: usize, n: N) -> Answer<N>;
}

/// The row that is drawn from one of the components.
pub(crate) struct Mixed<T>(pub(crate) T);

impl<T: Components> Formula<1> for Mixed<T> {
    /// Moments are taken about the mean of the component of the largest share: with `K` components that is `1 / K` at
    /// least, and the difference of squares keeps that much of the second moment.
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let Self(components) = self;
        let first = components.answer(0, n);
        let zero = n.constant(0.0);
        if components.count() == 2 {
            // One share counts from the other.
            let second = components.answer(1, n);
            let rise = second.exponent - first.exponent;
            let share = exp_negative(-rise.abs());
            let pick = |a: N, b: N| rise.if_above(zero, a, b);
            let (centre, other) = (pick(second.mean, first.mean), pick(first.mean, second.mean));
            let (own, others) =
                (pick(second.variance, first.variance), pick(first.variance, second.variance));
            let p = n.constant(1.0) / (share + n.constant(1.0));
            let (q, apart) = (share * p, other - centre);
            let variance = p.mul_add(own, q * (p * apart).mul_add(apart, others));
            return [q.mul_add(apart, centre), variance];
        }
        let (mut height, mut centre) = (first.exponent, first.mean);
        for k in 1..components.count() {
            let own = components.answer(k, n);
            centre = own.exponent.if_above(height, own.mean, centre);
            height = own.exponent.at_least(height);
        }
        let (mut total, mut shift, mut second) = (zero, zero, zero);
        for k in 0..components.count() {
            let own = components.answer(k, n);
            let share = exp_negative(own.exponent - height);
            let apart = own.mean - centre;
            total = total + share;
            shift = share.mul_add(apart, shift);
            second = share.mul_add(apart.mul_add(apart, own.variance), second);
        }
        let inverse = n.constant(1.0) / total;
        let shift = shift * inverse;
        [centre + shift, second.mul_add(inverse, -(shift * shift))]
    }
}
