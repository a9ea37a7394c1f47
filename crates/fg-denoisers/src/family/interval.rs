//! A Gaussian cut off at both ends, by quadrature: the closed form cancels wherever an interval is short or far out.

use core::f64::consts::PI;

use fg_core::special::exp::exp_negative;
use fg_core::special::number::{Lanes, Number};
use pulp::{Simd, WithSimd};

/// Points of the rule. A Gaussian over [`DEPTH`] nats to both sides is integrated to `1e-16`, as its error falls as
/// `exp(-NODES^2 / DEPTH)`.
const NODES: usize = 48;
/// Points where the integrand changes by [`SHORT`] nats at most, to the same accuracy: in Chebyshev polynomials its terms beyond
/// the 24th, the first that the rule gets wrong, are below `1e-12`, and their integrals below `1e-15`.
const FEW_NODES: usize = 12;
const SHORT: f64 = 2.0;
/// What lies this many nats below the peak of the integrand is left out: `exp(-DEPTH)` is below rounding.
const DEPTH: f64 = 40.0;
/// Newton's iteration for a node converges quadratically from its asymptotic position: four steps reach rounding.
const NEWTON_STEPS: usize = 6;

/// Nodes and weights of the Gauss-Legendre rule on `[-1, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    nodes: Vec<(f64, f64)>,
    /// Nodes, then weights, for registers.
    many: [Vec<f64>; 2],
    few: [Vec<f64>; 2],
}

impl Rule {
    pub(crate) fn new() -> Self {
        Self::of(NODES)
    }

    /// The rule of so many nodes.
    pub(crate) fn of(nodes: usize) -> Self {
        let columns = |rule: &[(f64, f64)]| {
            [rule.iter().map(|node| node.0).collect(), rule.iter().map(|node| node.1).collect()]
        };
        let nodes = legendre(nodes);
        Self { many: columns(&nodes), few: columns(&legendre(FEW_NODES)), nodes }
    }

    /// Nodes and weights on `[-1, 1]`.
    pub(crate) fn nodes(&self) -> &[(f64, f64)] {
        &self.nodes
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
    /// Any slope and any `gamma >= 0`, zero included. With `t = peak + s` and the slope `g` at the peak, which is zero
    /// within the interval and points outwards at its ends, the integrand is `exp(g s - gamma s^2 / 2)` of its largest
    /// value: all sums are of positive terms.
    pub(crate) fn new(a: f64, gamma: f64, length: f64, rule: &Rule) -> Self {
        let far = a - gamma * length;
        let (peak, g) = if far >= 0.0 {
            (length, far)
        } else if a <= 0.0 {
            (0.0, a)
        } else {
            (a / gamma, 0.0)
        };
        // Where the exponent has fallen by DEPTH: |g| s + gamma s^2 / 2 = DEPTH, without cancellation.
        let reach = 2.0 * DEPTH / (g.abs() + (g * g + 2.0 * DEPTH * gamma).sqrt());
        let (low, high) = (-reach.min(peak), reach.min(length - peak));
        let (centre, half) = (0.5 * (low + high), 0.5 * (high - low));
        // The exponent is largest at zero.
        let depth = |s: f64| -s * (g - 0.5 * gamma * s);
        let short = depth(low).max(depth(high)) < SHORT;
        let [nodes, weights] = if short { &rule.few } else { &rule.many };
        let sums = Sums { nodes, weights, centre, half, g, gamma };
        let [mass, first, second] = pulp::Arch::new().dispatch(sums);
        let shift = first / mass;
        // The mean is no further from the peak than twice the deviation: little cancels.
        let variance = second / mass - shift * shift;
        let log_width = (half * mass).ln();
        let log_mass = peak * (a - 0.5 * gamma * peak) + log_width;
        Self { mean: peak + shift, variance, log_mass, peak, log_width }
    }
}

/// Sums of weights, and of their products with `s` and its square.
struct Sums<'a> {
    nodes: &'a [f64],
    weights: &'a [f64],
    centre: f64,
    half: f64,
    g: f64,
    gamma: f64,
}

impl Sums<'_> {
    #[inline(always)]
    fn add<N: Number>(&self, sums: &mut [N; 3], x: N, w: N) {
        let s = x.mul_add(x.constant(self.half), x.constant(self.centre));
        let exponent = s * s.mul_add(x.constant(-0.5 * self.gamma), x.constant(self.g));
        let weight = w * exp_negative(exponent.at_most(x.constant(0.0)));
        let first = weight * s;
        *sums = [sums[0] + weight, sums[1] + first, first.mul_add(s, sums[2])];
    }
}

impl WithSimd for Sums<'_> {
    type Output = [f64; 3];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 3] {
        let (nodes, node_rest) = Lanes::<S>::registers(self.nodes);
        let (weights, weight_rest) = Lanes::<S>::registers(self.weights);
        let mut sums = [Lanes::splat(simd, 0.0); 3];
        for (x, w) in nodes.iter().zip(weights) {
            self.add(&mut sums, Lanes::new(simd, *x), Lanes::new(simd, *w));
        }
        let mut total = [sums[0].sum(), sums[1].sum(), sums[2].sum()];
        for (x, w) in node_rest.iter().zip(weight_rest) {
            self.add(&mut total, *x, *w);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fg_core::special::{cdf, pdf};

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
}
