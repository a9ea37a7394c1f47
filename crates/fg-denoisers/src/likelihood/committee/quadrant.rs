//! A quadrant of two units of any precision, for a register of rows: one column in closed form, the other by one rule.

use fg_core::special::exp::{exp_moderate, exp_share, exp_weight};
use fg_core::special::log::ln;
use fg_core::special::number::Number;
use fg_core::special::tail::{Tail, below};

use super::mixture::Part;
use crate::family::Rule;

/// What lies this many nats below the peak is left out.
const DEPTH: f64 = 40.0;
/// Steps to the peak, at most. Each halves the distance to a place that is far off, which is a thousand times too long at first
/// where `1 - p^2` is [`LEAST`]; what more steps would find is a shorter interval.
const STEPS: usize = 24;
/// Square of the step to the peak, in deviations, from which on a place is next to it.
const NEAR: f64 = 1.0 / 16.0;
/// `sqrt(2 pi)`: the largest mass of `u` over its weight at the peak.
const WHOLE: f64 = 2.506_628_274_631_000_5;
/// Width of the map, in deviations of the first column. Of widths from 1.5 to 12 those from 8 on need the shortest rules.
const WIDTH: f64 = 8.0;
/// The smallest `1 - p^2` that the rules are for.
pub(super) const LEAST: f64 = 1e-6;
/// Nodes of a rule for `1 - p^2` from so much on. Of some thousand random rows of means up to thirty deviations away the worst moments
/// are wrong by `3e-12` at the end of the first range, where 36 nodes leave `4e-10` and 44 rounding, and by `4e-12` at that of the
/// second, where 44 leave `3e-10`; 72 leave rounding for `p` of 0.9999.
const NODES: [(usize, f64); 3] = [(40, 0.5), (48, 0.1), (80, LEAST)];

/// Sizes `u, x >= 0` of both columns in a quadrant, each in deviations given the other one, with the weight
///
/// ```text
/// exp(h_1 u + h_2 x - u^2 / 2 - p u x - x^2 / 2)
/// ```
///
/// Given `x`, `u` is a normal variable of mean `h = h_1 - p x` cut off at zero. With `m` its mean, the logarithm of the weight of
/// `x` has the slope `h_2 - x - p m`, and is concave: its second derivative is between `-1` and `p^2 - 1`. Off the axis
/// the weight grows as a normal one of unit deviation at most, but where correlations are strong it may be `1 / sqrt(1 - p^2)`
/// deviations long, and is as smooth there as that: only next to `h = 0` it turns within a deviation. So the rule is one of
/// `t`, with `x = x_0 + width sinh t` and `x_0` next to that turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quadrant<'a> {
    p: f64,
    /// `1 - p^2`.
    rest: f64,
    rule: &'a Rule,
}

/// A place next to the peak of the weight of `x`. The weight at a distance from it is a factor, the mass of `u` relative to its
/// weight at zero or, where `h > 0`, at its peak, and an exponential: for each of both cases of `h` a parabola, whose large terms
/// cancel when it is set up, and which is zero at the place in the case that it is in.
#[derive(Clone, Copy, Debug)]
struct Peak<N> {
    x: N,
    /// Mean of `u` before and after it is cut off.
    h: N,
    u: N,
    /// The factor.
    factor: N,
    /// Slope and value of the parabola for `h > 0`.
    free: [N; 2],
    /// The same of the other one.
    cut: [N; 2],
}

/// `u` given `x`: mean, variance, and mass relative to the weight at zero or, where `h > 0`, at the peak.
struct Given<N> {
    mean: N,
    variance: N,
    factor: N,
}

/// Rules for all correlations.
pub(super) fn rules() -> [Rule; NODES.len()] {
    NODES.map(|(nodes, _)| Rule::of(nodes))
}

impl<'a> Quadrant<'a> {
    /// None where the columns are nearer to one line than the rules are for; `rest` is `1 - p^2`.
    pub(super) fn new(p: f64, rest: f64, rules: &'a [Rule; NODES.len()]) -> Option<Self> {
        let kind = NODES.iter().position(|(_, least)| rest >= *least)?;
        Some(Self { p, rest, rule: &rules[kind] })
    }

    /// The quadrant in which one column has the other sign.
    pub(super) fn mirrored(&self) -> Self {
        Self { p: -self.p, ..*self }
    }

    #[inline(always)]
    fn p<N: Number>(&self, number: N) -> N {
        number.constant(self.p)
    }

    /// Moments of `u` and `x`, and the logarithm of the integral of their weight.
    #[inline(always)]
    pub(super) fn sizes<N: Number>(&self, h: [N; 2]) -> Part<N> {
        let peak = self.peak(h);
        let (low, high) = self.ends(&peak);
        let (zero, one, half) = (low.constant(0.0), low.constant(1.0), low.constant(0.5));
        // Where the turn is far off, or the interval short, the map is next to a straight one, and nothing cancels.
        let length = high - low;
        let width = zero.constant(WIDTH / self.p.abs()).at_most(length);
        let centre = (peak.h / self.p(zero)).within(low - length, high + length);
        let inverse = one / width;
        let (first, last) = (asinh((low - centre) * inverse), asinh((high - centre) * inverse));
        let (middle, reach) = (half * (first + last), half * (last - first));
        // e^t and e^-t in the middle.
        let grown = exp_moderate(middle);
        let shrunk = one / grown;
        let scale = half * width;
        let start = (grown - shrunk).mul_add(scale, centre);
        let mut sums = [zero; 7];
        let nodes = self.rule.nodes();
        for &(t, weight) in &nodes[..nodes.len() / 2] {
            let weight = zero.constant(weight);
            let e = exp_weight(reach * zero.constant(t));
            let f = one / e;
            // A sinh's difference from the one in the middle is a product.
            let (a, b) = (grown * e, shrunk * f);
            let s = (scale * (e - one)).mul_add(grown + b, start);
            self.add(&peak, s, weight * (a + b), &mut sums);
            let (a, b) = (grown * f, shrunk * e);
            let s = (scale * (f - one)).mul_add(grown + b, start);
            self.add(&peak, s, weight * (a + b), &mut sums);
        }
        let [mass, x, u, xx, xu, uu, v] = sums;
        let share = one / mass;
        let (x, u) = (x * share, u * share);
        let spread = uu.mul_add(share, -(u * u)).at_least(zero);
        let height = peak.x * peak.x.mul_add(-half, h[1]) - peak.cut[1];
        Part {
            log_mass: height + ln(mass * scale * reach),
            mean: [peak.u + u, peak.x + x],
            covariance: [
                v.mul_add(share, spread),
                xu.mul_add(share, -(x * u)),
                xx.mul_add(share, -(x * x)),
            ],
        }
    }

    /// Adds a node's weight, and its products with the offset `s`, the mean of `u` less that at the peak, and its variance.
    #[inline(always)]
    fn add<N: Number>(&self, peak: &Peak<N>, s: N, weight: N, sums: &mut [N; 7]) {
        let (zero, half) = (s.constant(0.0), s.constant(-0.5));
        let h = s.mul_add(-self.p(s), peak.h);
        let Given { mean, variance, factor } = given(h);
        let free = s.mul_add((s * half).mul_add(s.constant(self.rest), peak.free[0]), peak.free[1]);
        let cut = s.mul_add(s.mul_add(half, peak.cut[0]), peak.cut[1]);
        let weight = weight * exp_weight(h.if_above(zero, free, cut)) * factor;
        let u = mean - peak.u;
        let (first, second) = (weight * s, weight * u);
        let [mass, x, y, xx, xy, yy, v] = *sums;
        *sums = [
            mass + weight,
            x + first,
            y + second,
            first.mul_add(s, xx),
            first.mul_add(u, xy),
            second.mul_add(u, yy),
            weight.mul_add(variance, v),
        ];
    }

    /// Newton's method. The mean of `u` is above `max(h, 0)`. With that in its place the slope has its root beyond the peak
    /// where the slope is concave, `p > 0`, and before it where it is convex: from there no step passes the peak.
    #[inline(always)]
    fn peak<N: Number>(&self, [first, second]: [N; 2]) -> Peak<N> {
        let (zero, one) = (first.constant(0.0), first.constant(1.0));
        let (p, near) = (self.p(zero), zero.constant(NEAR));
        let free = first.mul_add(-p, second) * zero.constant(self.rest.recip());
        let outside = second.mul_add(-p, first);
        let mut x = outside.if_above(zero, free, second).at_least(zero);
        let (mut u, mut factor, mut active) = (zero, one, one);
        for _ in 0..STEPS {
            let own = given(x.mul_add(-p, first));
            (u, factor) = (own.mean, own.factor);
            let slope = u.mul_add(-p, second - x);
            let curvature = own.variance.mul_add(-(p * p), one);
            let next = (x + slope / curvature).at_least(zero);
            let step = next - x;
            // Lanes that are there stay, whatever the others take.
            active = (step * step * curvature).if_above(near, active, zero);
            if !(active.largest() > 0.0) {
                break;
            }
            x = active.if_above(zero, next, x);
        }
        let h = x.mul_add(-p, first);
        let (cut, square) = (second - x, h * h * zero.constant(0.5));
        Peak {
            x,
            h,
            u,
            factor,
            free: [h.mul_add(-p, cut), h.if_above(zero, zero, square)],
            cut: [cut, h.if_above(zero, -square, zero)],
        }
    }

    /// Offsets of both ends. In either case of `h` the factor grows with it: bounds of it leave parabolas above the weight's logarithm,
    /// and their ends are no further off than where that is deeper by the few nats that the factor changes by.
    #[inline(always)]
    fn ends<N: Number>(&self, peak: &Peak<N>) -> (N, N) {
        let zero = peak.x.constant(0.0);
        // From the place's factor on where h falls, and the largest ones: of both cases, less that at the place.
        let height = ln(peak.factor);
        let (cut, free) = (zero.constant((0.5 * WHOLE).ln()), zero.constant(WHOLE.ln()));
        let rising = [free - height, cut - height];
        let own = [peak.h.if_above(zero, zero, rising[0]), peak.h.if_above(zero, rising[1], zero)];
        let to_turn = peak.h * zero.constant(self.p.recip());
        let (right, left) = if self.p > 0.0 { (own, rising) } else { (rising, own) };
        let high = self.end(peak, zero.constant(1.0), to_turn, right);
        let low = self.end(peak, zero.constant(-1.0), -to_turn, left);
        (-low.at_most(peak.x), high)
    }

    /// Distance of the end on one side, on which `h` changes its sign at `turn` if that is positive; logarithms of factors are bounded for
    /// `h > 0` and for others.
    #[inline(always)]
    fn end<N: Number>(&self, peak: &Peak<N>, side: N, turn: N, bounds: [N; 2]) -> N {
        let (zero, one) = (side.constant(0.0), side.constant(1.0));
        let free = root(side * peak.free[0], peak.free[1] + bounds[0], side.constant(self.rest));
        let cut = root(side * peak.cut[0], peak.cut[1] + bounds[1], one);
        let near = peak.h.if_above(zero, free, cut);
        let far = peak.h.if_above(zero, cut, free);
        let turn = turn.if_above(zero, turn, side.constant(f64::INFINITY));
        near.if_above(turn, far.at_least(turn), near)
    }
}

/// Where the parabola `value + slope t - bend t^2 / 2` has fallen to [`DEPTH`] below zero; not a number where it is below everywhere.
#[inline(always)]
fn root<N: Number>(slope: N, value: N, bend: N) -> N {
    let (zero, depth) = (slope.constant(0.0), value + slope.constant(DEPTH));
    let twice = depth + depth;
    let root = slope.mul_add(slope, twice * bend).sqrt();
    // Sums of terms of one sign.
    let above = slope.if_above(zero, slope + root, twice);
    above / slope.if_above(zero, bend, root - slope)
}

/// As [`tail`](fg_core::special::tail::tail), with one division for the mass.
#[inline(always)]
fn given<N: Number>(h: N) -> Given<N> {
    let (zero, one) = (h.constant(0.0), h.constant(1.0));
    let Tail { mean, variance, numerator: m, .. } = below(h.abs());
    let e = exp_share(h * h * h.constant(-0.5));
    let heavy = m.mul_add(h.constant(WHOLE), -e);
    let inverse = one / (heavy * m);
    let mass = heavy * inverse;
    let ratio = e * m * (m * inverse);
    let far = h + ratio;
    Given {
        mean: h.if_above(zero, far, mean),
        variance: h.if_above(zero, one - ratio * far, variance),
        factor: h.if_above(zero, heavy * mass, mass),
    }
}

/// The inverse of `sinh`, to rounding of one.
#[inline(always)]
fn asinh<N: Number>(x: N) -> N {
    let (zero, one, size) = (x.constant(0.0), x.constant(1.0), x.abs());
    let log = ln(size + size.mul_add(size, one).sqrt());
    x.if_above(zero, log, -log)
}
