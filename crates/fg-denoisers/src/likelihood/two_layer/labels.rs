//! Integration of a label along a line: on each side of the zeros of the output its probability is a sum of exponentials.
//!
//! Where the output `x = y u` (`y` the label) is linear and negative, `p = sum_k w_k exp(-r_k |x| - c_k x^2 / 2)`, where it
//! is positive, `p` is one less the same sum: times `exp(-t^2 / 2)` these are Gaussians cut off at the ends, exact however
//! steep the output is. Weights may be negative, and what little cancels is the number of terms.

use fg_core::special::exp;
use fg_core::special::number::{Lanes, Number};
use pulp::{Simd, WithSimd};

use super::line::Line;
use super::output::Term;
use crate::family::lines::{Best, End, Found, Gaussian, Part};

/// Zeros of the output farther out than this many cavity deviations are moved here: no mass is there.
const FARTHEST: f64 = 1e8;
/// Pieces shorter than this many cavity deviations have no slope of their own: their mass is rounding.
const SHORTEST: f64 = 1e-12;

/// A term, in every lane.
#[derive(Clone, Copy)]
struct Rates<N> {
    rate: N,
    curvature: N,
}

/// A part of a piece on which the output has one sign. Without an end it extends from `start` to one side.
#[derive(Clone, Copy)]
struct Strip<N> {
    /// Its lower end; the only one where it has but one.
    start: N,
    /// Size of the output there.
    size: N,
    /// Slope of that size.
    slope: N,
    /// Zero or more; unused where it has but one end.
    length: N,
    /// One where the output has the label's sign, else zero.
    agrees: N,
    /// Where there is but one end, the side (1 or -1) to which it extends.
    side: Option<N>,
}

impl<N: Number> Strip<N> {
    /// `-t^2 / 2` and the term, where the size of the output is `size`.
    #[inline(always)]
    fn height(at: N, size: N, rates: Rates<N>) -> N {
        let half = at.constant(0.5);
        let falls = (rates.curvature * half).mul_add(size, rates.rate) * size;
        -(at * half).mul_add(at, falls)
    }

    /// The point of the strip nearest to the cavity's mean, where squares are smallest, and the Gaussian seen from it.
    #[inline(always)]
    fn gaussian(&self, rates: Rates<N>) -> (Gaussian<N>, End<N>) {
        let zero = self.start.constant(0.0);
        let at = match self.side {
            None => zero.at_least(self.start).at_most(self.start + self.length),
            // The larger or the smaller of zero and the start.
            Some(side) => side * (side * self.start).at_least(zero),
        };
        let size = (at - self.start).mul_add(self.slope, self.size);
        let height = Self::height(at, size, rates);
        let pull = -(rates.curvature.mul_add(size, rates.rate) * self.slope);
        let stiffness = rates.curvature * self.slope * self.slope;
        let origin = End { at, height };
        (Gaussian::about(origin, pull, stiffness, self.start, self.length), origin)
    }

    #[inline(always)]
    fn part(&self, rates: Rates<N>, top: N) -> Part<N> {
        let (gaussian, _) = self.gaussian(rates);
        let end = |at: N, size: N| End {
            at,
            height: exp::exp_negative(Self::height(at, size, rates) - top),
        };
        let near = end(self.start, self.size);
        match self.side {
            Some(side) => gaussian.cut_once(side, near, top),
            None => {
                let size = self.length.mul_add(self.slope, self.size);
                gaussian.cut_twice(near, end(self.start + self.length, size), top)
            }
        }
    }
}

/// Offers what is largest on a strip: the Gaussian itself where the output has the label's sign, the slowest term elsewhere.
#[inline(always)]
fn look<N: Number>(best: &mut Best<N>, strip: &Strip<N>, first: Rates<N>) {
    let (zero, half) = (strip.start.constant(0.0), strip.start.constant(0.5));
    let pick = |value: N| strip.agrees.if_above(half, zero, value);
    let rates = Rates { rate: pick(first.rate), curvature: pick(first.curvature) };
    let (gaussian, origin) = strip.gaussian(rates);
    best.offer(origin);
    let none = zero.constant(f64::NEG_INFINITY);
    let height = match strip.side {
        None => gaussian.peak_within(none),
        Some(side) => gaussian.peak_beyond(side, none),
    };
    best.offer(End { at: gaussian.top(strip.start), height });
    let end = |at, size| End { at, height: Strip::height(at, size, rates) };
    best.offer(end(strip.start, strip.size));
    if strip.side.is_none() {
        let size = strip.length.mul_add(strip.slope, strip.size);
        best.offer(end(strip.start + strip.length, size));
    }
}

/// The integral of a register of lines as a function of its own, compiled once for all activations.
struct Integral<'l, 'a, S: Simd> {
    line: &'l Line<'a, S>,
    y: f64,
    terms: &'l [Term],
}

impl<S: Simd> WithSimd for Integral<'_, '_, S> {
    type Output = Found<Lanes<S>>;

    #[inline(always)]
    fn with_simd<T: Simd>(self, _: T) -> Self::Output {
        self.line.sum_label(self.y, self.terms)
    }
}

impl<S: Simd> Line<'_, S> {
    /// Integrates the label `y` along every line of the register.
    #[inline(always)]
    pub(super) fn integrate_label(&self, y: f64, terms: &[Term]) -> Found<Lanes<S>> {
        self.simd.vectorize(Integral { line: self, y, terms })
    }

    #[inline(always)]
    fn sum_label(&self, y: f64, terms: &[Term]) -> Found<Lanes<S>> {
        let zero = self.splat(0.0);
        let first = self.rates(terms[0]);
        let mut best = Best::none(zero);
        for k in 0..=self.shape.nodes {
            self.piece(k, y).iter().for_each(|strip| look(&mut best, strip, first));
        }
        let (top, mut sums) = best.sums();
        let whole = Rates { rate: zero, curvature: zero };
        let (half, one) = (self.splat(0.5), self.splat(1.0));
        for k in 0..=self.shape.nodes {
            for strip in self.piece(k, y) {
                if strip.side.is_none() && !(strip.length.largest() > 0.0) {
                    continue;
                }
                if strip.agrees.largest() > 0.5 {
                    // Where the other label is certain the Gaussian itself may be higher than the top.
                    let high = strip.agrees.if_above(half, top, zero);
                    sums.add(strip.agrees, strip.part(whole, high));
                }
                let sign = strip.agrees.if_above(half, -one, one);
                for term in terms {
                    let part = strip.part(self.rates(*term), top);
                    sums.add(sign * self.splat(term.weight), part);
                }
            }
        }
        sums.found(top)
    }

    #[inline(always)]
    fn rates(&self, term: Term) -> Rates<Lanes<S>> {
        Rates { rate: self.splat(term.rate), curvature: self.splat(term.curvature) }
    }

    /// The parts of piece `k`, on both sides of a zero of the output; either may be empty.
    #[inline(always)]
    fn piece(&self, k: usize, y: f64) -> [Strip<Lanes<S>>; 2] {
        if k == 0 || k == self.shape.nodes { self.outer(k, y) } else { self.inner(k, y) }
    }

    /// `y u` at a node; residuals are `-u`.
    #[inline(always)]
    fn output(&self, node: usize, y: f64) -> Lanes<S> {
        self.load(self.residual[node]) * self.splat(-y)
    }

    /// One where `x` is positive, else zero.
    #[inline(always)]
    fn agrees(&self, x: Lanes<S>) -> Lanes<S> {
        x.if_above(self.splat(0.0), self.splat(1.0), self.splat(0.0))
    }

    /// The piece between two nodes, on both sides of a zero of the output; where there is none the second part is empty.
    #[inline(always)]
    fn inner(&self, k: usize, y: f64) -> [Strip<Lanes<S>>; 2] {
        let (zero, one) = (self.splat(0.0), self.splat(1.0));
        let (from, to) = (self.load(self.at[k - 1]), self.load(self.at[k]));
        let (a, b) = (self.output(k - 1, y), self.output(k, y));
        let length = to - from;
        let slope = (b - a) / length.at_least(self.splat(SHORTEST));
        // NaN, of two zeros, leaves nothing on the left; whatever sign it takes the output is zero.
        let share = (a * b).if_above(zero, one, (a / (a - b)).at_least(zero).at_most(one));
        let split = share * length;
        let sign = |x: Lanes<S>| x.if_above(zero, one, -one);
        let at_split = split.mul_add(slope, a);
        let before = Strip {
            start: from,
            size: a.abs(),
            slope: slope * sign(a),
            length: split,
            agrees: self.agrees(a),
            side: None,
        };
        let after = Strip {
            start: from + split,
            size: at_split * sign(b),
            slope: slope * sign(b),
            length: length - split,
            agrees: self.agrees(b),
            side: None,
        };
        [before, after]
    }

    /// A piece beyond the first or the last node: up to a zero of the output, empty where there is none, and from there on.
    #[inline(always)]
    fn outer(&self, k: usize, y: f64) -> [Strip<Lanes<S>>; 2] {
        let zero = self.splat(0.0);
        let (node, end) = (k.saturating_sub(1), usize::from(k != 0));
        let side = self.splat(if k == 0 { -1.0 } else { 1.0 });
        let (at, x) = (self.load(self.at[node]), self.output(node, y));
        let slope = self.load(self.ends[end][0]) * self.splat(y);
        let outward = side * slope;
        // Beyond zero where the output falls in size; NaN and infinity are no zero, or one without mass beyond it.
        let crossing = (-x / outward).at_least(zero).at_most(self.splat(FARTHEST));
        let crossing = zero.if_above(x * outward, crossing, zero);
        let far = crossing.mul_add(outward, x);
        let sign = |x: Lanes<S>| x.if_above(zero, self.splat(1.0), self.splat(-1.0));
        let beyond = far + outward;
        let start = if k == 0 { at - crossing } else { at };
        let near = Strip {
            start,
            size: if k == 0 { far * sign(x) } else { x.abs() },
            slope: slope * sign(x),
            length: crossing,
            agrees: self.agrees(x),
            side: None,
        };
        let beyond = Strip {
            start: at + side * crossing,
            size: far * sign(beyond),
            slope: slope * sign(beyond),
            length: self.splat(1.0),
            agrees: self.agrees(beyond),
            side: Some(side),
        };
        [near, beyond]
    }
}
