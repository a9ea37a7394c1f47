//! Rows of one column that come from one of a few components, as a formula without branches.

use fg_core::denoiser::{RowCavity, RowEstimate};
use fg_core::special::exp::exp_share;
use fg_core::special::number::Number;

use super::formula::{self, Formula};

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
    /// Whether components have no variance.
    const POINTS: bool = false;

    /// At least one.
    fn count(&self) -> usize;

    /// Component `k` given the natural parameter of a row.
    fn answer<N: Number>(&self, k: usize, n: N) -> Answer<N>;
}

/// Answers all rows of a cavity.
pub(crate) fn apply<T: Components>(
    components: T,
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
) {
    if components.count() == 2 {
        formula::apply(&Two(components), cavity, out);
    } else {
        formula::apply(&Mixed(components), cavity, out);
    }
}

/// The row that is drawn from one of two components.
struct Two<T>(T);

impl<T: Components> Formula<1> for Two<T> {
    const FOURS: bool = true;

    /// Both shares from one exponential, and moments from them without a difference.
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let (first, second) = (self.0.answer(0, n), self.0.answer(1, n));
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let rise = second.exponent - first.exponent;
        let small = exp_share(-rise.abs());
        let large = one / (small + one);
        let small = small * large;
        let apart = second.mean - first.mean;
        if T::POINTS {
            let near = rise.if_above(zero, second.mean, first.mean);
            let mean = small.mul_add(rise.if_above(zero, -apart, apart), near);
            return [mean, small * large * (apart * apart)];
        }
        let (p, q) = (rise.if_above(zero, small, large), rise.if_above(zero, large, small));
        let mean = q.mul_add(second.mean, p * first.mean);
        let variance = q.mul_add((p * apart).mul_add(apart, second.variance), p * first.variance);
        [mean, variance]
    }
}

/// The row that is drawn from one of any number of components.
struct Mixed<T>(T);

impl<T: Components> Formula<1> for Mixed<T> {
    /// Moments are taken about the mean of the component of the largest share: with `K` components that is `1 / K` at
    /// least, and the difference of squares keeps that much of the second moment.
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let Self(components) = self;
        // A few answers stay in registers; more are computed twice.
        match components.count() {
            3 => self.several::<N, 3>(n),
            4 => self.several::<N, 4>(n),
            5 => self.several::<N, 5>(n),
            count => mix(n, count, components),
        }
    }
}

impl<T: Components> Mixed<T> {
    /// The component of the largest share, from which the others count, is found first: they change places.
    #[inline(always)]
    fn several<N: Number, const K: usize>(&self, n: N) -> [N; 2] {
        let mut top = self.0.answer(0, n);
        let mut others = [top; K];
        for k in 1..K {
            let own = self.0.answer(k, n);
            let pick = |a: N, b: N| own.exponent.if_above(top.exponent, a, b);
            others[k] = Answer {
                exponent: own.exponent.at_most(top.exponent),
                mean: pick(top.mean, own.mean),
                variance: pick(top.variance, own.variance),
            };
            top = Answer {
                exponent: own.exponent.at_least(top.exponent),
                mean: pick(own.mean, top.mean),
                variance: pick(own.variance, top.variance),
            };
        }
        let (mut total, mut shift, mut second) = (n.constant(1.0), n.constant(0.0), top.variance);
        for own in &others[1..] {
            let share = exp_share(own.exponent - top.exponent);
            let apart = own.mean - top.mean;
            total = total + share;
            shift = share.mul_add(apart, shift);
            second = share.mul_add(apart.mul_add(apart, own.variance), second);
        }
        let inverse = n.constant(1.0) / total;
        let shift = shift * inverse;
        [top.mean + shift, second.mul_add(inverse, -(shift * shift))]
    }
}

/// The row drawn from one of any number of components.
#[inline(always)]
fn mix<N: Number>(n: N, count: usize, components: &impl Components) -> [N; 2] {
    let (first, zero) = (components.answer(0, n), n.constant(0.0));
    let (mut height, mut centre) = (first.exponent, first.mean);
    for k in 1..count {
        let own = components.answer(k, n);
        centre = own.exponent.if_above(height, own.mean, centre);
        height = own.exponent.at_least(height);
    }
    let (mut total, mut shift, mut second) = (zero, zero, zero);
    for k in 0..count {
        let own = components.answer(k, n);
        let share = exp_share(own.exponent - height);
        let apart = own.mean - centre;
        total = total + share;
        shift = share.mul_add(apart, shift);
        second = share.mul_add(apart.mul_add(apart, own.variance), second);
    }
    let inverse = n.constant(1.0) / total;
    let shift = shift * inverse;
    [centre + shift, second.mul_add(inverse, -(shift * shift))]
}
