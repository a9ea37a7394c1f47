//! A quadrant of two units of any precision, for a register of rows: one column in closed form, the other by one rule.

use fg_core::special::exp::exp_moderate;
use fg_core::special::log::ln;
use fg_core::special::number::Number;
use fg_core::special::tail::{Tail, above, below};

use super::mixture::Part;
use crate::family::Rule;

/// What lies this many nats below the peak is left out.
const DEPTH: f64 = 40.0;
/// An end is found when it lies this much deeper at most.
const SLACK: f64 = 2.0;
/// Steps to the peak and to each end, at most. Each halves the distance to a place that is far off, which is a thousand times
/// too long at first where `1 - p^2` is [`LEAST`]; what more steps would find is a shorter interval.
const STEPS: usize = 24;
/// Square of the step to the peak, in deviations, from which on a place is next to it.
const NEAR: f64 = 1.0 / 64.0;
/// Width of the map, in deviations of the first column. Of widths from 1.5 to 12 those from 8 on need the shortest rules.
const WIDTH: f64 = 8.0;
/// The smallest `1 - p^2` that the rules are for.
pub(super) const LEAST: f64 = 1e-6;
/// Nodes of a rule for `1 - p^2` from so much on. Of random rows of means up to thirty deviations away the worst moments are
/// wrong by `1e-11` at the end of the first range, where 44 nodes leave `3e-10`; 72 leave rounding for `p` of 0.9999.
const NODES: [(usize, f64); 2] = [(48, 0.1), (80, LEAST)];

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
/// cancel when it is set up.
#[derive(Clone, Copy, Debug)]
struct Peak<N> {
    x: N,
    /// Mean of `u` before and after it is cut off.
    h: N,
    u: N,
    /// Slope and value of the parabola for `h > 0`.
    free: [N; 2],
    /// The same of the other one.
    cut: [N; 2],
}

/// The weight at an offset is `factor` times the exponential of `exponent`.
struct Point<N> {
    exponent: N,
    factor: N,
    tail: Tail<N>,
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
            let e = exp_moderate(reach * zero.constant(t));
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
        let Point { exponent, factor, tail } = self.point(peak, s);
        let weight = weight * exp_moderate(exponent) * factor;
        let u = tail.mean - peak.u;
        let (first, second) = (weight * s, weight * u);
        let [mass, x, y, xx, xy, yy, v] = *sums;
        *sums = [
            mass + weight,
            x + first,
            y + second,
            first.mul_add(s, xx),
            first.mul_add(u, xy),
            second.mul_add(u, yy),
            weight.mul_add(tail.variance, v),
        ];
    }

    /// The weight at the offset `s` from the peak.
    #[inline(always)]
    fn point<N: Number>(&self, peak: &Peak<N>, s: N) -> Point<N> {
        let half = s.constant(0.5);
        let h = s.mul_add(-self.p(s), peak.h);
        let mirrored = below(h.abs());
        let tail = above(h, mirrored);
        // The mass of u is that over phi(h) where h < 0, and over phi(0) elsewhere.
        let factor = tail.denominator / mirrored.numerator;
        let free = (s * half).mul_add(s.constant(-self.rest), peak.free[0]);
        let cut = s.mul_add(-half, peak.cut[0]);
        let free = s.mul_add(free, peak.free[1]);
        let cut = s.mul_add(cut, peak.cut[1]);
        Point { exponent: h.if_above(s.constant(0.0), free, cut), factor, tail }
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
        let mut active = one;
        for _ in 0..STEPS {
            let h = x.mul_add(-p, first);
            let tail = above(h, below(h.abs()));
            let slope = tail.mean.mul_add(-p, second - x);
            let curvature = tail.variance.mul_add(-(p * p), one);
            let next = (x + slope / curvature).at_least(zero);
            let step = next - x;
            // Lanes that are there stay, whatever the others take.
            x = active.if_above(zero, next, x);
            active = (step * step * curvature).if_above(near, active, zero);
            if !(active.largest() > 0.0) {
                break;
            }
        }
        let h = x.mul_add(-p, first);
        let tail = above(h, below(h.abs()));
        let (cut, square) = (second - x, h * h * zero.constant(0.5));
        Peak {
            x,
            h,
            u: tail.mean,
            free: [h.mul_add(-p, cut), h.if_above(zero, zero, square)],
            cut: [cut, h.if_above(zero, -square, zero)],
        }
    }

    /// Offsets of both ends: from where a parabola of the least curvature ends, by Newton's steps, which stay outside.
    #[inline(always)]
    fn ends<N: Number>(&self, peak: &Peak<N>) -> (N, N) {
        let zero = peak.x.constant(0.0);
        let Point { exponent, factor, tail } = self.point(peak, zero);
        let height = exponent + ln(factor);
        let slope = tail.mean.mul_add(-self.p(zero), peak.cut[0]);
        let twice = zero.constant(2.0 * DEPTH);
        let root = slope.mul_add(slope, twice * zero.constant(self.rest)).sqrt();
        let mut high = twice / (root - slope);
        let mut low = -(twice / (root + slope)).at_most(peak.x);
        for _ in 0..STEPS {
            let [left, more] = self.nearer(peak, low, height);
            let [right, most] = self.nearer(peak, high, height);
            (low, high) = (left, right);
            if !(more.at_least(most).largest() > 0.0) {
                break;
            }
        }
        (low, high)
    }

    /// A step towards the end from `s` outside of it, and one where that was needed, else `s` itself and zero.
    #[inline(always)]
    fn nearer<N: Number>(&self, peak: &Peak<N>, s: N, height: N) -> [N; 2] {
        let (zero, one, deep) = (s.constant(0.0), s.constant(1.0), s.constant(DEPTH + SLACK));
        let Point { exponent, factor, tail } = self.point(peak, s);
        let depth = height - exponent - ln(factor);
        let slope = tail.mean.mul_add(-self.p(s), peak.cut[0] - s);
        let next = s + (depth - s.constant(DEPTH)) / slope;
        [depth.if_above(deep, next, s), depth.if_above(deep, one, zero)]
    }
}

/// The inverse of `sinh`, to rounding of one.
#[inline(always)]
fn asinh<N: Number>(x: N) -> N {
    let (zero, one, size) = (x.constant(0.0), x.constant(1.0), x.abs());
    let log = ln(size + size.mul_add(size, one).sqrt());
    x.if_above(zero, log, -log)
}
