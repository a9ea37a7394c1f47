//! What pieces of a line add up to: where the integrand is largest, and mass and moments about that place.

use fg_core::special::number::Number;

use super::{End, Found, Part};

/// The largest logarithm of the integrand so far, or a bound of its order, and where it is.
pub(crate) struct Best<N> {
    top: N,
    at: N,
}

/// Mass and moments about a centre next to which most of the mass is, so that their differences keep their digits.
pub(crate) struct Sums<N> {
    centre: N,
    mass: N,
    first: N,
    second: N,
}

impl<N: Number> Best<N> {
    #[inline(always)]
    pub(crate) fn none(zero: N) -> Self {
        Self { top: zero.constant(f64::NEG_INFINITY), at: zero }
    }

    #[inline(always)]
    pub(crate) fn offer(&mut self, end: End<N>) {
        self.at = end.height.if_above(self.top, end.at, self.at);
        self.top = end.height.at_least(self.top);
    }

    /// The logarithm that heights are counted from, zero where nothing was offered, and sums about the place found.
    #[inline(always)]
    pub(crate) fn sums(self) -> (N, Sums<N>) {
        let zero = self.at.constant(0.0);
        let lowest = self.at.constant(f64::MIN);
        let top = self.top.if_above(lowest, self.top, zero);
        (top, Sums { centre: self.at, mass: zero, first: zero, second: zero })
    }
}

impl<N: Number> Sums<N> {
    /// Adds a part times a weight of either sign.
    #[inline(always)]
    pub(crate) fn add(&mut self, weight: N, part: Part<N>) {
        let (mass, apart) = (weight * part.mass, part.mean - self.centre);
        self.mass = self.mass + mass;
        self.first = mass.mul_add(apart, self.first);
        self.second = mass.mul_add(apart.mul_add(apart, part.variance), self.second);
    }

    /// What the line has; one without mass has the lowest top there is, so that it raises no other.
    #[inline(always)]
    pub(crate) fn found(&self, top: N) -> Found<N> {
        let zero = top.constant(0.0);
        let mass = self.mass.at_least(zero);
        let inverse = top.constant(1.0) / mass.at_least(top.constant(f64::MIN_POSITIVE));
        let apart = self.first * inverse;
        let variance = (self.second * inverse - apart * apart).at_least(zero);
        let top = mass.if_above(zero, top, top.constant(f64::MIN));
        Found { top, part: Part { mass, mean: self.centre + apart, variance } }
    }
}
