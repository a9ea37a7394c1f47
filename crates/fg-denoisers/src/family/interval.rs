//! The mass and the moments of one Gaussian that is cut off at both ends, by quadrature: those of registers of them have
//! [forms of their own](super::enclosed).

use core::f64::consts::PI;

use fg_core::special::exp::exp_weight;
use fg_core::special::number::{Lanes, Number};
use pulp::{Simd, WithSimd};

/// A rule of so many points is exact to rounding where the integrand falls by so many nats from its peak to the lower end:
/// for a Gaussian that falls to both sides, which is the worst, the error of its mass is about
/// `nats^points / points! / 2^(2 points - 1)`, and that of its variance some ten times as large.
const RULES: [(usize, f64); 3] = [(12, 1.0), (18, 4.0), (NODES, f64::INFINITY)];
/// Points of the longest rule, for [`DEPTH`] nats.
const NODES: usize = 48;
/// What lies this many nats below the peak of the integrand is left out: `exp(-DEPTH)` is below rounding.
const DEPTH: f64 = 40.0;
/// Newton's iteration for a node converges quadratically from its asymptotic position: four steps reach rounding.
const NEWTON_STEPS: usize = 6;

/// Gauss-Legendre rules on `[-1, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    nodes: Vec<(f64, f64)>,
    /// Nodes, then weights, of each of [`RULES`].
    columns: [[Vec<f64>; 2]; RULES.len()],
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
        Self { nodes: legendre(nodes), columns }
    }

    /// Nodes and weights on `[-1, 1]`.
    pub(crate) fn nodes(&self) -> &[(f64, f64)] {
        &self.nodes
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
    use super::super::enclosed::{Curvature, Enclosed};
    use super::*;
    use fg_core::special::{cdf, pdf, positive_part};
    use proptest::prelude::*;

    /// Moments by the forms for registers.
    fn enclosed(a: f64, gamma: f64, length: f64) -> [f64; 2] {
        Enclosed::new(a, Curvature::new(gamma), length).moments()
    }

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
    fn registers_see_peaks_from_any_distance_and_ends_that_are_missing() {
        for gamma in [1e3, 1e12, 1e26, 1e60] {
            // The peak in the middle of two, and beyond the end by a hundredth.
            let [mean, variance] = enclosed(gamma, gamma, 2.0);
            assert!((mean - 1.0).abs() < ROUNDING, "{gamma}: {mean}");
            assert!((variance * gamma - 1.0).abs() < ROUNDING, "{gamma}: {variance}");
            let slope = -1e-2 * gamma;
            let beyond = Interval::new(slope, gamma, 1.0, &Rule::new());
            let [mean, variance] = enclosed(slope, gamma, 1.0);
            assert!(
                (mean / beyond.mean - 1.0).abs() < 10.0 * ROUNDING,
                "{gamma}: {mean} {beyond:?}"
            );
            let ratio = variance / beyond.variance;
            assert!((ratio - 1.0).abs() < 10.0 * ROUNDING, "{gamma}: {variance} {beyond:?}");
        }
        for (slope, gamma) in [(-7.0, 2.0), (0.0, 1.0), (3.0, 0.5), (1e9, 1e-3)] {
            let expected = (positive_part(slope / f64::sqrt(gamma)), f64::sqrt(gamma).recip());
            let curvature = Curvature::new(gamma);
            let (infinite, at) = (f64::INFINITY, 0.25);
            let rising = Enclosed {
                ends: [at, infinite],
                slopes: [slope, -infinite],
                length: infinite,
                curvature,
            };
            let falling = Enclosed {
                ends: [-infinite, at],
                slopes: [infinite, -slope],
                length: infinite,
                curvature,
            };
            for (own, side) in [(rising, 1.0), (falling, -1.0)] {
                let [mean, variance] = own.moments();
                let part = expected.0;
                let apart = mean - (at + side * part.mean * expected.1);
                assert!(apart.abs() < ROUNDING * (1.0 + mean.abs()), "{slope} {gamma}: {mean}");
                let ratio = variance / (part.variance * expected.1 * expected.1);
                assert!((ratio - 1.0).abs() < 20.0 * ROUNDING, "{slope} {gamma}: {variance}");
            }
        }
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
                let [m, v] = enclosed(gamma, gamma, 2.0);
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
            for [m, v] in [enclosed(a, gamma, length), [part.mean, part.variance]] {
                let apart = (m - mean).abs() / variance.sqrt();
                prop_assert!(apart < ROUNDING * (1.0 + mean / variance.sqrt()), "mean {m} {mean} {span:?}");
                prop_assert!((v / variance - 1.0).abs() < 10.0 * ROUNDING, "variance {v} {variance} {span:?}");
            }
        }
    }
}
