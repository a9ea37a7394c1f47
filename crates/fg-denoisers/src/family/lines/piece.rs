//! A Gaussian cut off at the ends of a piece of a line: where it peaks, and mass, mean and variance of what is left.
//!
//! With Mills' ratio `M` the mass beyond a point is a height times `M`, or the whole Gaussian less the other tail: never
//! a difference of nearly equal numbers. Tails of neighbouring pieces of one Gaussian cancel exactly in their sum.

use fg_core::special::exp;
use fg_core::special::number::Number;

/// Pieces shorter than this many cavity deviations have no slope of their own: their mass is rounding.
const SHORTEST: f64 = 1e-12;
/// `sqrt(2 pi)`.
const SQRT_TAU: f64 = 2.506_628_274_631_000_7;

/// One end of a piece.
#[derive(Clone, Copy)]
pub(crate) struct End<N> {
    /// `t`.
    pub(crate) at: N,
    /// The integrand or its logarithm.
    pub(crate) height: N,
}

/// The Gaussian that the integrand `exp(-t^2/2 - lambda/2 |residual(t)|^2)` is on a piece.
#[derive(Clone, Copy)]
pub(crate) struct Gaussian<N> {
    /// Where the piece's first end lies, in deviations from the peak.
    start: N,
    /// Length of the piece in deviations; unused where it has no end.
    extent: N,
    deviation: N,
    /// Logarithm of the integrand at the peak.
    peak: N,
}

/// The integral over a piece, and mean and variance of `t` on it.
#[derive(Clone, Copy)]
pub(crate) struct Part<N> {
    pub(crate) mass: N,
    pub(crate) mean: N,
    pub(crate) variance: N,
}

impl<N: Number> Gaussian<N> {
    /// Its four numbers, for [`load`](Self::load).
    #[inline(always)]
    pub(crate) fn store(self) -> [N; 4] {
        [self.start, self.extent, self.deviation, self.peak]
    }

    /// From its four numbers.
    #[inline(always)]
    pub(crate) fn load([start, extent, deviation, peak]: [N; 4]) -> Self {
        Self { start, extent, deviation, peak }
    }

    /// On a piece beyond one node, where the outputs have slopes of squared length `square` and `product = slope .
    /// residual`.
    #[inline(always)]
    pub(crate) fn beyond(near: End<N>, lambda: N, square: N, product: N) -> Self {
        let one = near.at.constant(1.0);
        let deviation = one / lambda.mul_add(square, one).sqrt();
        let start = (near.at - lambda * product) * deviation;
        Self { start, extent: one, deviation, peak: raise(near, start) }
    }

    /// Between two nodes at distance `L`, given `|fall|^2` and `fall . residual` with the total fall `s L` of the
    /// residuals: the precision is `(L^2 + lambda |s L|^2) / L^2`, which needs no division for the slope.
    #[inline(always)]
    pub(crate) fn between(near: End<N>, length: N, lambda: N, square: N, product: N) -> Self {
        let length = length.at_least(length.constant(SHORTEST));
        let extent = lambda.mul_add(square, length * length).sqrt();
        let inverse = length.constant(1.0) / extent;
        let start = near.at.mul_add(length, -(lambda * product)) * inverse;
        Self { start, extent, deviation: length * inverse, peak: raise(near, start) }
    }

    /// The Gaussian on the piece that starts at `start` and is `length` long, from its height at `origin` (within, where its
    /// digits are), the slope `pull` of the logarithm of the likelihood there, and its negative curvature `stiffness`.
    #[inline(always)]
    pub(crate) fn about(origin: End<N>, pull: N, stiffness: N, start: N, length: N) -> Self {
        let one = start.constant(1.0);
        // Without any length both ends would count as the nearer one of a peak at zero.
        let length = length.at_least(start.constant(SHORTEST));
        let root = (stiffness + one).sqrt();
        let deviation = one / root;
        let offset = (origin.at - pull) * deviation;
        let peak = raise(origin, offset);
        Self {
            start: (start - origin.at).mul_add(root, offset),
            extent: length * root,
            deviation,
            peak,
        }
    }

    /// Where the peak is, for the piece that starts at `start`.
    #[inline(always)]
    pub(crate) fn top(&self, start: N) -> N {
        (-self.start).mul_add(self.deviation, start)
    }

    /// The logarithm of the peak where it lies beyond the node on the given side (1 or -1), else `otherwise`.
    #[inline(always)]
    pub(crate) fn peak_beyond(&self, side: N, otherwise: N) -> N {
        side.constant(0.0).if_above(side * self.start, self.peak, otherwise)
    }

    /// The logarithm of the peak where it lies within the piece, else `otherwise`.
    #[inline(always)]
    pub(crate) fn peak_within(&self, otherwise: N) -> N {
        self.within(self.peak, otherwise)
    }

    #[inline(always)]
    fn within(&self, then: N, otherwise: N) -> N {
        let zero = then.constant(0.0);
        let end = self.start + self.extent;
        zero.if_above(self.start, end.if_above(zero, then, otherwise), otherwise)
    }

    /// The part beyond `near` on the given side, heights counted from `top`, which is at least the peak where that lies
    /// within.
    #[inline(always)]
    pub(crate) fn cut_once(&self, side: N, near: End<N>, top: N) -> Part<N> {
        let (zero, one) = (top.constant(0.0), top.constant(1.0));
        let peak = exp::exp_negative(self.peak - top);
        let a = side * self.start;
        let tail = near.height * exp::mills(a.abs());
        let zeroth = zero.if_above(a, peak.mul_add(top.constant(SQRT_TAU), -tail), tail);
        let first = near.height / zeroth.at_least(top.constant(f64::MIN_POSITIVE));
        let mean = (first - a).at_least(zero) * self.deviation;
        let share = first.mul_add(a - first, one).at_most(one).at_least(zero);
        Part {
            mass: zeroth * self.deviation,
            mean: side.mul_add(mean, near.at),
            variance: share * self.deviation * self.deviation,
        }
    }

    /// The part between two nodes, heights counted from `top`, which is at least the peak where that lies within.
    #[inline(always)]
    pub(crate) fn cut_twice(&self, near: End<N>, far: End<N>, top: N) -> Part<N> {
        let (zero, one) = (top.constant(0.0), top.constant(1.0));
        let peak = exp::exp_negative(self.peak - top) * top.constant(SQRT_TAU);
        let (a, b) = (self.start, self.start + self.extent);
        let (near_ratio, far_ratio) = exp::mills_pair(a.abs(), b.abs());
        let (left, right) = (near.height * near_ratio, far.height * far_ratio);
        let whole = self.within(peak, zero);
        let zeroth = whole + zero.if_above(a, -left, left) + b.if_above(zero, -right, right);
        let zeroth = zeroth.at_least(zero);
        let inverse = one / zeroth.at_least(top.constant(f64::MIN_POSITIVE));
        let first = (near.height - far.height) * inverse;
        let mean = (first - a).at_least(zero).at_most(self.extent);
        let ends = a.mul_add(near.height, -(b * far.height));
        let share = first.mul_add(-first, ends.mul_add(inverse, one)).at_most(one).at_least(zero);
        // A variance on an interval is at most a quarter of its squared length.
        let bound = top.constant(0.25) * self.extent * self.extent;
        Part {
            mass: zeroth * self.deviation,
            mean: mean.mul_add(self.deviation, near.at),
            variance: share.at_most(bound) * self.deviation * self.deviation,
        }
    }
}

/// The height of the peak, `start` deviations from an end.
#[inline(always)]
fn raise<N: Number>(near: End<N>, start: N) -> N {
    (start.constant(0.5) * start).mul_add(start, near.height)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Truncated Chebyshev series of Mills' ratio and rounding.
    const TOLERANCE: f64 = 1e-11;

    /// Mass, mean and variance of `exp(-t^2/2 - lambda/2 (rho - s t)^2)` on `[from, to]` by a fine midpoint rule.
    fn reference(lambda: f64, rho: f64, s: f64, from: f64, to: f64) -> [f64; 3] {
        let n = 2_000_000;
        let h = (to - from) / f64::from(n);
        let mut sums = [0.0; 3];
        for i in 0..n {
            let t = from + (f64::from(i) + 0.5) * h;
            let w = (-0.5 * t * t - 0.5 * lambda * (rho - s * t) * (rho - s * t)).exp() * h;
            sums[0] += w;
            sums[1] += w * t;
            sums[2] += w * t * t;
        }
        let mean = sums[1] / sums[0];
        [sums[0], mean, sums[2] / sums[0] - mean * mean]
    }

    #[test]
    fn parts_agree_with_fine_sums() {
        // A midpoint rule of 2e6 intervals over ten deviations errs by about 1e-11 of the second derivative.
        const FINE: f64 = 1e-9;
        for (lambda, rho, s) in [(3.0, 1.0, 0.7), (40.0, -0.4, 1.5), (0.5, 2.0, -1.0)] {
            let end = |t: f64| End {
                at: t,
                height: -0.5 * t * t - 0.5 * lambda * (rho - s * t) * (rho - s * t),
            };
            for (from, to) in [(-1.0, 0.5), (0.2, 0.3), (1.0, 3.0), (-3.0, -1.0)] {
                let residual = rho - s * from;
                let (length, fall) = (to - from, s * (to - from));
                let inner =
                    Gaussian::between(end(from), length, lambda, fall * fall, fall * residual);
                let top = inner.peak_within(end(from).height.max(end(to).height));
                let height = |t: f64| End { at: t, height: (end(t).height - top).exp() };
                let part = inner.cut_twice(height(from), height(to), top);
                let expected = reference(lambda, rho, s, from, to);
                let found = [part.mass * top.exp(), part.mean, part.variance];
                for (f, e) in found.iter().zip(expected) {
                    assert!((f - e).abs() < FINE * e.abs().max(1.0), "{found:?} {expected:?}");
                }
                let outer = Gaussian::beyond(end(from), lambda, s * s, s * residual);
                let top = outer.peak_beyond(1.0, end(from).height);
                let part = outer.cut_once(1.0, height_at(end(from), top), top);
                let expected = reference(lambda, rho, s, from, 12.0);
                let found = [part.mass * top.exp(), part.mean, part.variance];
                for (f, e) in found.iter().zip(expected) {
                    assert!((f - e).abs() < FINE * e.abs().max(1.0), "{found:?} {expected:?}");
                }
            }
        }
    }

    #[test]
    fn pieces_without_length_have_no_mass() {
        for at in [-1.0, 0.0, 2.0] {
            let origin = End { at, height: -0.5 * at * at };
            let empty = Gaussian::about(origin, 0.0, 0.0, at, 0.0);
            let end = height_at(origin, 0.0);
            let part = empty.cut_twice(end, end, 0.0);
            assert!((0.0..=2.0 * SHORTEST).contains(&part.mass), "{at}: {}", part.mass);
        }
    }

    /// A tilted and narrowed Gaussian seen from within a piece whose ends are far away.
    #[test]
    fn far_ends_keep_the_digits_of_the_peak() {
        // `exp(-t^2/2 + 0.7 t - 3 t^2 / 2)` on all but all of the line.
        let origin = End { at: 0.0, height: 0.0 };
        let whole = Gaussian::about(origin, 0.7, 3.0, -1e7, 2e7);
        let top = whole.peak_within(f64::NEG_INFINITY);
        assert!((top - 0.7 * 0.7 / 8.0).abs() < 1e-15, "{top}");
        let end = |at| End { at, height: 0.0 };
        let part = whole.cut_twice(end(-1e7), end(1e7), top);
        assert!((part.mass - 0.5 * SQRT_TAU).abs() < TOLERANCE, "{}", part.mass);
        assert!((part.mean - 0.175).abs() < 1e-8 && (part.variance - 0.25).abs() < 1e-8);
    }

    fn height_at(end: End<f64>, top: f64) -> End<f64> {
        End { height: (end.height - top).exp(), ..end }
    }

    #[test]
    fn pieces_of_one_gaussian_add_up_to_it() {
        let (lambda, rho, s) = (1e6, 0.3, 0.8);
        let end = |t: f64| End {
            at: t,
            height: -0.5 * t * t - 0.5 * lambda * (rho - s * t) * (rho - s * t),
        };
        let nodes = [-2.0, 0.374, 0.375, 0.3751, 0.4, 3.0];
        let precision = 1.0 + lambda * s * s;
        let mode = lambda * s * rho / precision;
        let top = end(mode).height;
        let mut mass = 0.0;
        for (k, pair) in nodes.windows(2).enumerate() {
            let (near, far) = (end(pair[0]), end(pair[1]));
            let fall = s * (far.at - near.at);
            let residual = rho - s * near.at;
            let inner =
                Gaussian::between(near, far.at - near.at, lambda, fall * fall, fall * residual);
            mass += inner.cut_twice(height_at(near, top), height_at(far, top), top).mass;
            let ends = [(k == 0, -1.0, near), (k == nodes.len() - 2, 1.0, far)];
            for (_, side, near) in ends.into_iter().filter(|e| e.0) {
                let residual = rho - s * near.at;
                let outer = Gaussian::beyond(near, lambda, s * s, s * residual);
                mass += outer.cut_once(side, height_at(near, top), top).mass;
            }
        }
        let expected = SQRT_TAU / precision.sqrt();
        assert!((mass / expected - 1.0).abs() < TOLERANCE, "{mass} {expected}");
    }
}
