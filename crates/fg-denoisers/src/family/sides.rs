//! Noisy data of a map that is straight on both sides of zero, as a formula for a register of rows.

use fg_core::special::number::Number;

use super::formula::Formula;
use super::halves::{Half, meet};

/// `y = offset + slope z + noise` with a slope on each side of zero, under one positive cavity precision: natural parameter and
/// data to mean and variance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides {
    offset: f64,
    /// Pull of the data, and the deviation, on the right and on the left.
    pulls: [f64; 2],
    deviations: [f64; 2],
}

impl Sides {
    /// Slopes on the right and on the left; offset and precision of the data.
    pub(crate) fn new(slopes: (f64, f64), (offset, precision): (f64, f64), gamma: f64) -> Self {
        let slopes = [slopes.0, slopes.1];
        let deviations = slopes.map(|slope| (gamma + slope * slope * precision).sqrt().recip());
        Self { offset, pulls: slopes.map(|slope| slope * precision), deviations }
    }
}

impl Formula<2> for Sides {
    #[inline(always)]
    fn row<N: Number>(&self, [n, y]: [N; 2]) -> [N; 2] {
        let [right, left] = self.deviations.map(|deviation| n.constant(deviation));
        let y = y - n.constant(self.offset);
        let up = y.mul_add(n.constant(self.pulls[0]), n) * right;
        let down = -(y.mul_add(n.constant(self.pulls[1]), n) * left);
        let apart = (down - up) * (down + up) * n.constant(0.5);
        meet(Half { h: up, deviation: right }, Half { h: down, deviation: left }, apart)
    }
}
