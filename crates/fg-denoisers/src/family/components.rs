//! Rows of one column that come from one of a few components, as a formula without branches.

use fg_core::special::exp::exp_negative;
use fg_core::special::number::Number;

use super::formula::Formula;

/// What component `k` says of a row.
#[derive(Clone, Copy)]
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
        // A few answers stay in registers; more are computed twice.
        match components.count() {
            3 => self.several::<N, 3>(n),
            4 => self.several::<N, 4>(n),
            5 => self.several::<N, 5>(n),
            count => mix(n, count, self),
        }
    }
}

impl<T: Components> Mixed<T> {
    #[inline(always)]
    fn several<N: Number, const K: usize>(&self, n: N) -> [N; 2] {
        let mut answers = [self.0.answer(0, n); K];
        for k in 1..K {
            answers[k] = self.0.answer(k, n);
        }
        mix(n, K, &Kept(answers))
    }
}

/// Where the answers of components to a row come from.
trait Answers<N> {
    fn get(&self, k: usize, n: N) -> Answer<N>;
}

/// They have been computed.
struct Kept<N, const K: usize>([Answer<N>; K]);

impl<N: Number, const K: usize> Answers<N> for Kept<N, K> {
    #[inline(always)]
    fn get(&self, k: usize, _: N) -> Answer<N> {
        self.0[k]
    }
}

impl<N: Number, T: Components> Answers<N> for Mixed<T> {
    #[inline(always)]
    fn get(&self, k: usize, n: N) -> Answer<N> {
        self.0.answer(k, n)
    }
}

/// The row drawn from one of the components that answer so.
#[inline(always)]
fn mix<N: Number>(n: N, count: usize, answers: &impl Answers<N>) -> [N; 2] {
    let (first, zero) = (answers.get(0, n), n.constant(0.0));
    let (mut height, mut centre) = (first.exponent, first.mean);
    for k in 1..count {
        let own = answers.get(k, n);
        centre = own.exponent.if_above(height, own.mean, centre);
        height = own.exponent.at_least(height);
    }
    let (mut total, mut shift, mut second) = (zero, zero, zero);
    for k in 0..count {
        let own = answers.get(k, n);
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
