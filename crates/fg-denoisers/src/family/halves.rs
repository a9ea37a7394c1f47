//! Two Gaussians, each on its own side of the point where they meet, as a formula without branches.

use fg_core::special::exp::exp_share;
use fg_core::special::number::Number;
use fg_core::special::tail::{above, below_pair};

use super::formula::FARTHEST;

/// One side: `t > 0` with weight `exp(h t / s - t^2 / (2 s^2))`, which is one where the sides meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Half<N> {
    /// Where the weight would be largest, in units of `s`.
    pub(crate) h: N,
    /// `s`.
    pub(crate) deviation: N,
}

/// Mean and variance about the point where the sides meet; `right` is above it, and `apart` is half of what the square of
/// the left `h` exceeds that of the right one by, which counts where both are positive: what the squares have in common
/// may be huge.
///
/// With `u = |h|` and `c` the mean of the light tail at `-u`, a side has the mass `s exp(e) b / (u + c)`: on the light side
/// of its own peak `e = 0` and `b = 1`, on the other `e = h^2 / 2` and `b = sqrt(2 pi) (u + c) - exp(-e)`.
#[inline(always)]
pub(crate) fn meet<N: Number>(right: Half<N>, left: Half<N>, apart: N) -> [N; 2] {
    let (zero, limit) = (right.h.constant(0.0), right.h.constant(FARTHEST));
    let ends = (right.h.abs().at_most(limit), left.h.abs().at_most(limit));
    let (light_right, light_left) = below_pair(ends.0, ends.1);
    let (r, l) = (above(right.h, light_right), above(left.h, light_left));
    let heights = (right.h * right.h.at_least(zero), left.h * left.h.at_least(zero));
    let rise = (heights.1 - heights.0) * zero.constant(0.5);
    let rise = right.h.at_most(left.h).if_above(zero, apart, rise);
    let faint = exp_share(-rise.abs());
    let one = zero.constant(1.0);
    let mass = right.deviation * r.denominator * light_left.numerator;
    let other = left.deviation * l.denominator * light_right.numerator;
    let mass = mass * rise.if_above(zero, faint, one);
    let other = other * rise.if_above(zero, one, faint);
    let inverse = one / (mass + other);
    let (p, q) = (mass * inverse, other * inverse);
    let (m, k) = (r.mean * right.deviation, l.mean * left.deviation);
    let apart = m + k;
    let within = p * r.variance * (right.deviation * right.deviation);
    let within = (q * l.variance).mul_add(left.deviation * left.deviation, within);
    [p * m - q * k, (p * apart).mul_add(q * apart, within)]
}
