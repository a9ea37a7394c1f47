//! Minimisers of a cost of three quadratic pieces that join smoothly, as a formula for a register of rows.

use fg_core::special::number::Number;

use super::formula::Formula;

/// The cost under one precision; the middle piece is flat at zero, and the outer ones have the same curvature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bent {
    /// The natural parameters that lead to the ends of the middle piece.
    pub(crate) ends: [f64; 2],
    /// One over the curvatures of the middle piece and of the others.
    pub(crate) inner: f64,
    pub(crate) outer: f64,
}

impl Formula<1> for Bent {
    const FOURS: bool = true;

    /// The way to the end of the middle piece, and what is beyond: without a comparison, and of one sign.
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let [low, high] = self.ends.map(|end| n.constant(end));
        let (inner, outer) = (n.constant(self.inner), n.constant(self.outer));
        let within = n.within(low, high);
        let beyond = n - within;
        let x = beyond.mul_add(outer, within * inner);
        [x, beyond.abs().if_above(n.constant(0.0), outer, inner)]
    }
}
