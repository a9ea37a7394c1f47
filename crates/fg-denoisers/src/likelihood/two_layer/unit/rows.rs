//! Labels of one rectified unit under one cavity precision, a register of rows at a time.

use fg_core::special::number::Number;
use fg_core::special::tail::tail;

use super::lattice::{Both, Lattice, Steep};
use super::whole::Whole;
use crate::family::formula::Formula;

/// Natural parameter and label to mean and variance. In deviations of the cavity, `h` is its mean: what differs between rows that
/// share a label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit<'a> {
    /// Of the cavity.
    pub(super) deviation: f64,
    /// The probability of the labels where the unit isn't active.
    pub(super) silent: Both,
    /// Up to which `h` rows are of each of the first three kinds.
    pub(super) steepest: f64,
    pub(super) falling: f64,
    pub(super) cut: Both,
    pub(super) steep: Steep<'a>,
    pub(super) fine: Lattice<'a>,
    pub(super) coarse: Lattice<'a>,
    pub(super) whole: Whole<'a>,
}

impl Unit<'_> {
    /// Which of the formulas a row takes.
    pub(super) fn kind(&self, [n, y]: [f64; 2]) -> usize {
        let h = n * self.deviation;
        let bounds = [self.steepest, self.falling, self.cut.of(y)];
        bounds.iter().filter(|bound| h > **bound).count()
    }

    /// Moments about zero of the side on which the unit is active; those of rows that are no side are arbitrary.
    #[inline(always)]
    fn active<N: Number>(&self, h: N, y: N) -> [N; 3] {
        let (zero, one) = (h.constant(0.0), h.constant(1.0));
        let (steepest, falling) = (h.constant(self.steepest), h.constant(self.falling));
        let mut found = [one; 3];
        if h.if_above(steepest, zero, one).largest() > 0.0 {
            found = self.steep.moments(h, y);
        }
        let fine = h.if_above(steepest, h.if_above(falling, zero, one), zero);
        if fine.largest() > 0.0 {
            let own = self.fine.moments(h, y);
            for (found, own) in found.iter_mut().zip(own) {
                *found = fine.if_above(zero, own, *found);
            }
        }
        let coarse = h.if_above(falling, h.if_above(self.cut.of(y), zero, one), zero);
        if coarse.largest() > 0.0 {
            let own = self.coarse.moments(h, y);
            for (found, own) in found.iter_mut().zip(own) {
                *found = coarse.if_above(zero, own, *found);
            }
        }
        found
    }

    /// Both sides.
    #[inline(always)]
    fn sides<N: Number>(&self, h: N, y: N) -> [N; 2] {
        let one = h.constant(1.0);
        let [mass, first, second] = self.active(h, y);
        let left = tail(-h);
        let (own, other) = (mass * left.numerator, self.silent.of(y) * left.denominator);
        let (inverse, share) = (one / mass, one / (own + other));
        let (p, q) = (own * share, other * share);
        let mean = first * inverse;
        let variance = second.mul_add(inverse, -(mean * mean));
        let apart = mean + left.mean;
        let within = p.mul_add(variance, q * left.variance);
        let deviation = h.constant(self.deviation);
        let all = (p * apart).mul_add(q * apart, within);
        [(p * mean - q * left.mean) * deviation, all * (deviation * deviation)]
    }
}

impl Formula<2> for Unit<'_> {
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let (zero, one) = (n.constant(0.0), n.constant(1.0));
        let h = n * n.constant(self.deviation);
        let cut = self.cut.of(y);
        let whole = h.if_above(cut, one, zero);
        if !(whole.largest() > 0.0) {
            return self.sides(h, y);
        }
        let alone = self.whole.row([n, y]);
        if !((one - whole).largest() > 0.0) {
            return alone;
        }
        let [mean, variance] = self.sides(h, y);
        [whole.if_above(zero, alone[0], mean), whole.if_above(zero, alone[1], variance)]
    }
}
