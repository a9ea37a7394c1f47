//! A Gaussian cut off at the ends of a piece: where it peaks, and mass, mean and variance of what is left.
//!
//! With Mills' ratio `M` the mass beyond a point is a height times `M`, or the whole Gaussian less the other tail: never a
//! difference of nearly equal numbers. Tails of neighbouring pieces of one Gaussian cancel exactly in their sum.

use fg_core::special::exp;

use super::line::{LANES, Lane};

/// Pieces shorter than this many cavity deviations have no slope of their own: their mass is rounding.
const SHORTEST: f64 = 1e-12;
/// `sqrt(2 pi)`.
const SQRT_TAU: f64 = 2.506_628_274_631_000_7;

/// `exp(-t^2/2 - lambda/2 |residual|^2)` for residuals `rho` linear in `t`.
pub(super) struct Gaussian<'a> {
    pub(super) lambda: f64,
    /// `|slope|^2` of the outputs; between two nodes that of their total fall instead.
    pub(super) square: &'a Lane,
    /// `slope . residual` at the node; between two nodes with the total fall instead.
    pub(super) product: &'a Lane,
}

/// A piece between two nodes.
pub(super) struct Span<'a> {
    pub(super) at: &'a Lane,
    pub(super) next: &'a Lane,
    /// Logarithm of the integrand at the first node.
    pub(super) height: &'a Lane,
}

impl Gaussian<'_> {
    /// The Gaussian of the piece beyond a node on the given side, which lies at `near.0` with log-height `near.1`: the
    /// peak's distance from the node, the deviation, its inverse, the logarithm of the peak, into `out`.
    #[inline(always)]
    pub(super) fn beyond(
        &self,
        side: f64,
        near: (&Lane, &Lane),
        top: &mut Lane,
        out: &mut [Lane; 4],
    ) {
        let [offset, deviation, scale, peak] = out;
        let (at, height) = near;
        for l in 0..LANES {
            let precision = self.lambda.mul_add(self.square[l], 1.0);
            let variance = 1.0 / precision;
            let delta = self.lambda.mul_add(self.product[l], -at[l]) * variance;
            let highest = (0.5 * delta * precision).mul_add(delta, height[l]);
            offset[l] = delta;
            deviation[l] = variance.sqrt();
            scale[l] = precision * variance.sqrt();
            peak[l] = highest;
            top[l] = if side * delta > 0.0 && highest > top[l] { highest } else { top[l] };
        }
    }

    /// As [`beyond`](Self::beyond) for a piece between two nodes. With the length `L` and the fall `s L` of the
    /// residuals the precision is `(L^2 + lambda (s L)^2) / L^2`, which needs no division for the slope.
    #[inline(always)]
    pub(super) fn between(&self, span: &Span<'_>, top: &mut Lane, out: &mut [Lane; 4]) {
        let [offset, deviation, scale, peak] = out;
        let Span { at, next, height } = span;
        for l in 0..LANES {
            let gap = next[l] - at[l];
            let length = if gap > SHORTEST { gap } else { SHORTEST };
            let sum = self.lambda.mul_add(self.square[l], length * length);
            let inverse = 1.0 / (sum * length);
            let over_sum = inverse * length;
            let over_length = inverse * sum;
            let variance = length * length * over_sum;
            let precision = sum * over_length * over_length;
            let pull = self.lambda.mul_add(self.product[l], -at[l] * length);
            let delta = length * pull * over_sum;
            let highest = (0.5 * delta * precision).mul_add(delta, height[l]);
            offset[l] = delta;
            deviation[l] = variance.sqrt();
            scale[l] = precision * variance.sqrt();
            peak[l] = highest;
            let within = delta > 0.0 && delta < gap && highest > top[l];
            top[l] = if within { highest } else { top[l] };
        }
    }
}

/// Replaces the Gaussian of a piece beyond a node, at `near.0` with height `near.1`, by mean, variance and mass of its
/// part on that side. `side` is 1 beyond the last node, -1 before the first.
#[inline(always)]
pub(super) fn cut_once(side: f64, near: (&Lane, &Lane), top: &Lane, piece: &mut [Lane; 4]) {
    let [offset, deviation, scale, peak] = piece;
    let (at, height) = near;
    for l in 0..LANES {
        let (delta, s) = (side * offset[l], deviation[l]);
        let peak_height = exp::exp(peak[l] - top[l]);
        let a = -delta * scale[l];
        let tail = height[l] * exp::mills(a.abs());
        let zeroth = if a >= 0.0 { tail } else { peak_height.mul_add(SQRT_TAU, -tail) };
        let first = height[l] / at_least(zeroth, f64::MIN_POSITIVE);
        let mean = at_least(first.mul_add(s, delta), 0.0);
        let share = first.mul_add(a - first, 1.0);
        offset[l] = side.mul_add(mean, at[l]);
        deviation[l] = at_least(at_most(share, 1.0), 0.0) * s * s;
        peak[l] = zeroth * s;
    }
}

/// As [`cut_once`] for a piece between two nodes.
#[inline(always)]
pub(super) fn cut_twice(
    near: (&Lane, &Lane),
    far: (&Lane, &Lane),
    top: &Lane,
    piece: &mut [Lane; 4],
) {
    let [offset, deviation, scale, peak] = piece;
    let ((at, near), (next, far)) = (near, far);
    for l in 0..LANES {
        let (delta, s, length) = (offset[l], deviation[l], next[l] - at[l]);
        let peak_height = exp::exp(peak[l] - top[l]);
        let (a, b) = (-delta * scale[l], (length - delta) * scale[l]);
        let (near_ratio, far_ratio) = exp::mills_pair(a.abs(), b.abs());
        let (near_tail, far_tail) = (near[l] * near_ratio, far[l] * far_ratio);
        let signed_near = if a >= 0.0 { near_tail } else { -near_tail };
        let signed_far = if b >= 0.0 { -far_tail } else { far_tail };
        let whole = if a < 0.0 && b > 0.0 { peak_height * SQRT_TAU } else { 0.0 };
        let zeroth = at_least(whole + signed_near + signed_far, 0.0);
        let inverse = 1.0 / at_least(zeroth, f64::MIN_POSITIVE);
        let first = (near[l] - far[l]) * inverse;
        let mean = at_most(at_least(first.mul_add(s, delta), 0.0), length);
        let share = first.mul_add(-first, (a * near[l] - b * far[l]).mul_add(inverse, 1.0));
        offset[l] = at[l] + mean;
        // A variance on an interval is at most a quarter of its squared length.
        let variance = at_least(at_most(share, 1.0), 0.0) * s * s;
        deviation[l] = at_most(variance, 0.25 * length * length);
        peak[l] = zeroth * s;
    }
}

/// Adds up the pieces of each line. The variance is summed about the mean, so that it can't cancel.
#[inline(always)]
pub(super) fn collect(pieces: &[[Lane; 4]], mass: &mut Lane, mean: &mut Lane, variance: &mut Lane) {
    let (mut total, mut first, mut second) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for [m, _, _, w] in pieces {
        for l in 0..LANES {
            total[l] += w[l];
            first[l] = w[l].mul_add(m[l], first[l]);
        }
    }
    let mut inverse = [0.0; LANES];
    for l in 0..LANES {
        inverse[l] = 1.0 / total[l];
        first[l] *= inverse[l];
    }
    for [m, v, _, w] in pieces {
        for l in 0..LANES {
            let apart = m[l] - first[l];
            second[l] = w[l].mul_add(apart.mul_add(apart, v[l]), second[l]);
        }
    }
    for l in 0..LANES {
        second[l] *= inverse[l];
    }
    (*mass, *mean, *variance) = (total, first, second);
}

/// The larger of two numbers, as one instruction: `f64::max` spends three on NaN.
#[inline(always)]
fn at_least(x: f64, bound: f64) -> f64 {
    if x > bound { x } else { bound }
}

/// The smaller of two numbers, as one instruction.
#[inline(always)]
fn at_most(x: f64, bound: f64) -> f64 {
    if x < bound { x } else { bound }
}
