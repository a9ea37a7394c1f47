//! A Gaussian cut off at both ends: in closed form where the integrand falls far from one end to the other, by quadrature where it
//! doesn't and the closed form cancels.

use core::f64::consts::PI;

use fg_core::special::exp::{exp_share, exp_weight};
use fg_core::special::number::{Lanes, Number, Pair};
use fg_core::special::tail::below_pair;
use pulp::{Simd, WithSimd};

/// A rule of so many points is exact to rounding where the integrand falls by so many nats from its peak to the lower end:
/// for a Gaussian that falls to both sides, which is the worst, the error of its mass is about
/// `nats^points / points! / 2^(2 points - 1)`, and that of its variance some ten times as large.
const RULES: [(usize, f64); 3] = [(12, 1.0), (18, 4.0), (NODES, f64::INFINITY)];
/// Points of the longest rule, for [`DEPTH`] nats.
const NODES: usize = 48;
/// What lies this many nats below the peak of the integrand is left out: `exp(-DEPTH)` is below rounding.
const DEPTH: f64 = 40.0;
/// The last of the rules, in whose place there is a closed form for registers of intervals.
const CLOSED: usize = RULES.len() - 1;
/// Lengths in deviations are cut off there, so that products of four of them are finite.
const FARTHEST: f64 = 1e70;
/// `sqrt(2 pi)`.
const SQRT_2PI: f64 = 2.506_628_274_631_000_5;
/// Of slopes, what a deviation's inverse is at least: a straight exponent is one of a curvature that is nothing next to the slope.
const STRAIGHT: f64 = 1e-12;
/// Newton's iteration for a node converges quadratically from its asymptotic position: four steps reach rounding.
const NEWTON_STEPS: usize = 6;

/// Gauss-Legendre rules on `[-1, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    nodes: Vec<(f64, f64)>,
    /// Nodes, then weights, of each of [`RULES`].
    columns: [[Vec<f64>; 2]; RULES.len()],
    /// Of each of them, the nodes above zero, which the others mirror.
    halves: [Vec<Mirrored>; RULES.len()],
}

/// A node, its square, and the logarithm of its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mirrored {
    node: f64,
    square: f64,
    log_weight: f64,
}

impl Rule {
    pub(crate) fn new() -> Self {
        Self::of(NODES)
    }

    /// The rule of so many nodes.
    pub(crate) fn of(nodes: usize) -> Self {
        let columns = RULES.map(|(count, _)| {
            let rule = legendre(count);
            [rule.iter().map(|node| node.0).collect(), rule.iter().map(|node| node.1).collect()]
        });
        let halves = RULES.map(|(count, _)| {
            let mirrored = |&(node, weight): &(f64, f64)| Mirrored {
                node,
                square: node * node,
                log_weight: weight.ln(),
            };
            legendre(count)[..count / 2].iter().map(mirrored).collect()
        });
        Self { nodes: legendre(nodes), columns, halves }
    }

    /// Nodes and weights on `[-1, 1]`.
    pub(crate) fn nodes(&self) -> &[(f64, f64)] {
        &self.nodes
    }

    /// How many rules there are.
    pub(crate) const KINDS: usize = RULES.len();

    /// Which of the rules an interval asks for, but for rounding.
    pub(crate) fn kind(&self, a: f64, gamma: f64, length: f64) -> usize {
        let peak = if gamma > 0.0 { (a / gamma).clamp(0.0, length) } else { length };
        let slope = a - gamma * peak;
        // By how much the exponent falls to an end at this distance.
        let fall = |s: f64| s * (0.5 * gamma * s - slope);
        let depth = fall(-peak).max(fall(length - peak));
        RULES.iter().position(|(_, nats)| depth <= *nats).unwrap_or(0)
    }

    /// The rule that is enough for an integrand that falls by so many nats.
    fn reaching(depth: f64) -> usize {
        RULES.iter().position(|(_, nats)| depth <= *nats).unwrap_or(RULES.len() - 1)
    }
}

fn legendre(count: usize) -> Vec<(f64, f64)> {
    let order = count as f64;
    let node = |k: usize| {
        let mut x = (PI * (k as f64 + 0.75) / (order + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..NEWTON_STEPS {
            let (mut before, mut p) = (1.0, x);
            for j in 2..=count {
                let j = j as f64;
                (before, p) = (p, ((2.0 * j - 1.0) * x * p - (j - 1.0) * before) / j);
            }
            slope = order * (x * p - before) / (x * x - 1.0);
            x -= p / slope;
        }
        (x, 2.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..count).map(node).collect()
}

/// Where `exp(a t - gamma t^2 / 2)` is integrated over `0 < t < length`, any slope and any `gamma >= 0`, zero included. With
/// `t = peak + s` and the slope `g` at the peak, which is zero within the interval and points outwards at its ends, the
/// integrand is `exp(g s - gamma s^2 / 2)` of its largest value: all sums are of positive terms.
#[derive(Clone, Copy, Debug)]
struct Span<N> {
    peak: N,
    g: N,
    gamma: N,
    /// Middle and half of the length of what isn't negligible.
    centre: N,
    half: N,
    /// By how many nats the integrand falls there.
    depth: N,
}

impl<N: Number> Span<N> {
    /// All of the interval.
    #[inline(always)]
    fn whole(a: N, gamma: N, length: N) -> Self {
        let (zero, half) = (a.constant(0.0), a.constant(0.5));
        let far = a - gamma * length;
        let within = a.if_above(zero, a / gamma, zero);
        let peak = far.if_above(zero, length, within);
        let g = far.if_above(zero, far, a.at_most(zero));
        let (low, high) = (-peak, length - peak);
        let depth = Self::fall(low, g, gamma).at_least(Self::fall(high, g, gamma));
        Self { peak, g, gamma, centre: half * (low + high), half: half * length, depth }
    }

    /// By how many nats the integrand falls at this offset.
    #[inline(always)]
    fn fall(s: N, g: N, gamma: N) -> N {
        s * (s.constant(0.5) * gamma).mul_add(s, -g)
    }

    /// What isn't negligible of an interval.
    #[inline(always)]
    fn new(a: N, gamma: N, length: N) -> Self {
        let span = Self::whole(a, gamma, length);
        let (half, Self { peak, g, .. }) = (a.constant(0.5), span);
        // Where the exponent has fallen by DEPTH: |g| s + gamma s^2 / 2 = DEPTH, without cancellation.
        let twice = a.constant(2.0 * DEPTH);
        let reach = twice / (g.abs() + g.mul_add(g, twice * gamma).sqrt());
        let (low, high) = (-peak.at_most(reach), reach.at_most(length - peak));
        let depth = Self::fall(low, g, gamma).at_least(Self::fall(high, g, gamma));
        Self { centre: half * (low + high), half: half * (high - low), depth, ..span }
    }

    /// Adds a node's weight, and its products with `s` and its square.
    #[inline(always)]
    fn add(&self, sums: &mut [N; 3], x: N, w: N) {
        let s = x.mul_add(self.half, self.centre);
        let exponent = s * (x.constant(-0.5) * self.gamma).mul_add(s, self.g);
        // Zero at the peak and negative elsewhere, not below -DEPTH, but for rounding.
        let weight = w * exp_weight(exponent);
        let first = weight * s;
        *sums = [sums[0] + weight, sums[1] + first, first.mul_add(s, sums[2])];
    }

    /// Mean and variance from the sums. The mean is no more than twice the deviation from the peak: little cancels.
    #[inline(always)]
    fn moments(&self, [mass, first, second]: [N; 3]) -> [N; 2] {
        let inverse = mass.constant(1.0) / mass;
        let shift = first * inverse;
        [self.peak + shift, second.mul_add(inverse, -(shift * shift))]
    }

    /// Mean less the peak, variance, and the mass relative to the largest weight, of an interval that the integrand falls by more
    /// than four nats in: that of the half line from the higher end on, less what is beyond the other one. That is a fiftieth of
    /// it at most, and takes no digits.
    ///
    /// As [`tail`](fg_core::special::tail::tail) of both, with one division for all quotients.
    #[inline(always)]
    fn closed(&self, a: N, length: N) -> [N; 3] {
        let (zero, one, half) = (a.constant(0.0), a.constant(1.0), a.constant(0.5));
        let limit = a.constant(FARTHEST);
        // Logarithm of the weight at the end of the interval over that at its start.
        let rise = length * (half * self.gamma).mul_add(-length, a);
        let root = self.gamma.sqrt().at_least(a.abs() * a.constant(STRAIGHT));
        let deviation = one / root;
        let far = self.gamma.mul_add(-length, a);
        let (inwards, outwards) = (rise.if_above(zero, -far, a), rise.if_above(zero, a, -far));
        let (h, x) = (inwards * deviation, (outwards * deviation).at_most(limit));
        let (light, rest) = below_pair(h.abs().at_most(limit), x);
        let m = light.numerator;
        let e = exp_share(h * h * -half);
        let heavy = m.mul_add(a.constant(SQRT_2PI), -e);
        let (numerator, denominator) = (h.if_above(zero, e * m, m), h.if_above(zero, heavy, one));
        // Masses in units of each other: what is beyond, and the half line.
        let beyond = exp_share(-rise.abs()) * numerator;
        let all = denominator * rest.numerator;
        let left = all - beyond;
        let inverse = one / (all * left);
        let odds = beyond * all * inverse;
        // Of a half line that has its peak within, the mean is above that by one over its mass.
        let excess = numerator * rest.numerator * (left * inverse);
        let further = h + excess;
        let mean = h.if_above(zero, further, light.mean);
        let variance = h.if_above(zero, one - excess * further, light.variance);
        // Of the mean of what is beyond from that of the half line.
        let apart = (length.mul_add(root, rest.mean) - mean).at_most(limit);
        let moved = odds * apart;
        let shift = (h.if_above(zero, excess, light.mean) - moved) * deviation;
        let spread = odds.mul_add(variance - rest.variance, variance);
        let spread = moved.mul_add(-(apart + moved), spread) * (deviation * deviation);
        let width = left * deviation / (m * rest.numerator);
        [rise.if_above(zero, -shift, shift), spread, width]
    }

    /// Mean less the peak, variance, and the mass relative to the largest weight, by a rule of these nodes and their mirror images.
    ///
    /// The exponent at `centre + half x` is `level + slope x + bend x^2`, so that two nodes share its even part and the logarithm
    /// of their weight, and moments of `x` are sums of sums and of differences. The deviation of `x` is a fortieth at least,
    /// where the integrand is steepest: the variance loses the squares of that and no more, some `1e-13` of itself.
    #[inline(always)]
    fn folded(&self, nodes: &[Mirrored]) -> [N; 3] {
        let (zero, curvature) = (self.g.constant(0.0), self.g.constant(-0.5) * self.gamma);
        let level = self.centre * curvature.mul_add(self.centre, self.g);
        let slope = self.half * (curvature + curvature).mul_add(self.centre, self.g);
        let bend = curvature * self.half * self.half;
        let (mut mass, mut first, mut second) = (zero, zero, zero);
        for Mirrored { node, square, log_weight } in nodes {
            let (node, square) = (zero.constant(*node), zero.constant(*square));
            let even = bend.mul_add(square, level + zero.constant(*log_weight));
            let odd = slope * node;
            // Not above the logarithm of the weight, nor below that by more than DEPTH, but for rounding.
            let Pair(above, below) = exp_weight(Pair(even + odd, even - odd));
            let both = above + below;
            mass = mass + both;
            first = (above - below).mul_add(node, first);
            second = both.mul_add(square, second);
        }
        let inverse = zero.constant(1.0) / mass;
        let mean = first * inverse;
        let variance = second.mul_add(inverse, -(mean * mean));
        let shift = mean.mul_add(self.half, self.centre);
        [shift, variance * (self.half * self.half), self.half * mass]
    }
}

impl Rule {
    /// Mean and variance of `0 < t < length` with weight `exp(a t - gamma t^2 / 2)`: a register of intervals at a time.
    #[inline(always)]
    pub(crate) fn moments<N: Number>(&self, a: N, gamma: N, length: N) -> [N; 2] {
        let [shift, variance, _, peak] = self.parts(a, gamma, length);
        [peak + shift, variance]
    }

    /// Mean less the peak, variance, the mass relative to the largest weight, and the peak, where that is. Each interval is answered by the rule that
    /// its own depth asks for, whatever its neighbours, so that a register takes as long as all rules that it asks for.
    #[inline(always)]
    pub(crate) fn parts<N: Number>(&self, a: N, gamma: N, length: N) -> [N; 4] {
        let span = Span::whole(a, gamma, length);
        let (zero, one) = (a.constant(0.0), a.constant(1.0));
        let (mut found, mut last) = ([zero; 3], -one);
        for (k, (_, nats)) in RULES.into_iter().enumerate() {
            let nats = a.constant(nats);
            let asks = span.depth.if_above(last, span.depth.if_above(nats, zero, one), zero);
            last = nats;
            if !(asks.largest() > 0.0) {
                continue;
            }
            let own =
                if k == CLOSED { span.closed(a, length) } else { span.folded(&self.halves[k]) };
            for (found, own) in found.iter_mut().zip(own) {
                *found = asks.if_above(zero, own, *found);
            }
        }
        let [shift, variance, width] = found;
        [shift, variance, width, span.peak]
    }

    /// Mean, variance and mass relative to the largest weight, of intervals that are one row's: those that a rule is for all by the
    /// longest.
    #[inline(always)]
    pub(crate) fn together<N: Number>(&self, a: N, gamma: N, length: N) -> [N; 3] {
        let span = Span::whole(a, gamma, length);
        let (zero, one) = (a.constant(0.0), a.constant(1.0));
        let deep = span.depth.if_above(a.constant(RULES[CLOSED - 1].1), one, zero);
        let mut found = [zero; 3];
        if deep.largest() > 0.0 {
            found = span.closed(a, length);
        }
        let rest = deep.if_above(zero, -one, span.depth);
        if rest.largest() >= 0.0 {
            let own = span.folded(&self.halves[Self::reaching(rest.largest())]);
            for (found, own) in found.iter_mut().zip(own) {
                *found = deep.if_above(zero, *found, own);
            }
        }
        let [shift, variance, width] = found;
        [span.peak + shift, variance, width]
    }
}

/// `0 < t < length` with weight `exp(a t - gamma t^2 / 2)`: its moments and the logarithm of its mass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    pub(crate) log_mass: f64,
    /// Where the integrand is largest.
    pub(crate) peak: f64,
    /// Logarithm of the mass relative to the integrand there, which stays small where that is huge.
    pub(crate) log_width: f64,
}

impl Interval {
    /// Any slope and any `gamma >= 0`, zero included.
    pub(crate) fn new(a: f64, gamma: f64, length: f64, rule: &Rule) -> Self {
        let span = Span::new(a, gamma, length);
        let [nodes, weights] = &rule.columns[Rule::reaching(span.depth)];
        let sums = pulp::Arch::new().dispatch(Sums { nodes, weights, span });
        let [mean, variance] = span.moments(sums);
        let peak = span.peak;
        let log_width = (span.half * sums[0]).ln();
        let log_mass = peak * (a - 0.5 * gamma * peak) + log_width;
        Self { mean, variance, log_mass, peak, log_width }
    }
}

/// The sums of one interval, a register of nodes at a time.
struct Sums<'a> {
    nodes: &'a [f64],
    weights: &'a [f64],
    span: Span<f64>,
}

impl WithSimd for Sums<'_> {
    type Output = [f64; 3];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 3] {
        let Span { peak, g, gamma, centre, half, depth } = self.span;
        let [peak, g, gamma, centre, half, depth] =
            [peak, g, gamma, centre, half, depth].map(|v| Lanes::splat(simd, v));
        let span = Span { peak, g, gamma, centre, half, depth };
        let (nodes, node_rest) = Lanes::<S>::registers(self.nodes);
        let (weights, weight_rest) = Lanes::<S>::registers(self.weights);
        let mut sums = [Lanes::splat(simd, 0.0); 3];
        for (x, w) in nodes.iter().zip(weights) {
            span.add(&mut sums, Lanes::new(simd, *x), Lanes::new(simd, *w));
        }
        let mut total = [sums[0].sum(), sums[1].sum(), sums[2].sum()];
        for (x, w) in node_rest.iter().zip(weight_rest) {
            self.span.add(&mut total, *x, *w);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fg_core::special::{cdf, pdf};
    use proptest::prelude::*;

    /// Rounding of a sum over the rule.
    const ROUNDING: f64 = 1e-13;

    #[test]
    fn short_intervals_are_uniform_steep_ones_exponential_and_wide_ones_gaussian() {
        let rule = Rule::new();
        let close = |name: &str, part: Interval, expected: [f64; 3]| {
            let found = [part.mean, part.variance, part.log_mass];
            for (f, e) in found.iter().zip(expected) {
                assert!(
                    (f - e).abs() <= ROUNDING * e.abs().max(1.0),
                    "{name}: {found:?} {expected:?}"
                );
            }
            let relative = (part.variance / expected[1] - 1.0).abs();
            assert!(relative < 10.0 * ROUNDING, "{name}: variance {found:?} {expected:?}");
        };
        let (log, whole) = (f64::ln, (0.5 * (2.0 * PI).ln(), 1.0));
        close("uniform", Interval::new(0.0, 0.0, 3.0, &rule), [1.5, 0.75, log(3.0)]);
        let short = Interval::new(1e-3, 1e-6, 1e-5, &rule);
        assert!((short.variance / (1e-10 / 12.0) - 1.0).abs() < ROUNDING, "{short:?}");
        close("exponential", Interval::new(-50.0, 0.0, 9.0, &rule), [0.02, 4e-4, -log(50.0)]);
        let mirrored = Interval::new(50.0, 0.0, 9.0, &rule);
        close("mirrored", mirrored, [8.98, 4e-4, 450.0 - log(50.0)]);
        // Twenty deviations to both sides of the peak.
        close("whole", Interval::new(20.0, 1.0, 40.0, &rule), [20.0, whole.1, 200.0 + whole.0]);
        // Three deviations to one side, one to the other: by the distribution function, which doesn't cancel here.
        let (a, b) = (-3.0, 1.0);
        let mass = cdf(b) - cdf(a);
        let mean = (pdf(a) - pdf(b)) / mass;
        let variance = 1.0 + (a * pdf(a) - b * pdf(b)) / mass - mean * mean;
        let expected = [mean - a, variance, 4.5 + whole.0 + mass.ln()];
        close("both ends", Interval::new(3.0, 1.0, 4.0, &rule), expected);
    }

    #[test]
    fn rules_are_exact_where_gaussians_fall_to_both_sides_as_far_as_they_may() {
        for (_, nats) in RULES.into_iter().filter(|(_, nats)| nats.is_finite()) {
            for share in [0.8, 0.999] {
                // The peak in the middle of an interval of two.
                let gamma = 2.0 * share * nats;
                let span = Span::new(gamma, gamma, 2.0);
                let mut sums = [0.0; 3];
                legendre(200).iter().for_each(|&(x, w)| span.add(&mut sums, x, w));
                let [mean, variance] = span.moments(sums);
                let [m, v] = Rule::new().moments(gamma, gamma, 2.0);
                assert!((m - mean).abs() < ROUNDING, "{nats}: mean {m} {mean}");
                assert!(
                    (v / variance - 1.0).abs() < 2.0 * ROUNDING,
                    "{nats}: variance {v} {variance}"
                );
            }
        }
    }

    proptest! {
        /// Against a rule of 200 points, at every depth: slopes, curvatures and lengths over many orders.
        #[test]
        fn every_rule_is_exact_as_deep_as_it_is_used(
            slope in -30.0..30.0f64,
            gamma in -4.0..3.0f64,
            length in -3.0..2.0f64,
        ) {
            let (a, gamma, length) = (slope, 10f64.powf(gamma), 10f64.powf(length));
            let span = Span::new(a, gamma, length);
            let mut sums = [0.0; 3];
            legendre(200).iter().for_each(|&(x, w)| span.add(&mut sums, x, w));
            let [mean, variance] = span.moments(sums);
            let rule = Rule::new();
            let part = Interval::new(a, gamma, length, &rule);
            for [m, v] in [rule.moments(a, gamma, length), [part.mean, part.variance]] {
                let apart = (m - mean).abs() / variance.sqrt();
                prop_assert!(apart < ROUNDING * (1.0 + mean / variance.sqrt()), "mean {m} {mean} {span:?}");
                prop_assert!((v / variance - 1.0).abs() < 10.0 * ROUNDING, "variance {v} {variance} {span:?}");
            }
        }
    }
}
