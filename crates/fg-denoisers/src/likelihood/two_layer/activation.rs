//! The activation decides what a hidden unit passes on: its value, slopes and Gaussian averages.

use core::f64::consts::{FRAC_2_PI, FRAC_2_SQRT_PI, PI};

use fg_core::special::exp;
use fg_core::special::number::Number;

use super::average;
use crate::ParameterError;

/// A scalar function applied to every hidden unit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(z, 0)`.
    Relu,
    /// `z` for `z > 0`, `slope * z` otherwise.
    LeakyRelu {
        /// Slope on the left.
        slope: f64,
    },
    /// `1 / (1 + e^-z)`.
    Sigmoid,
    /// `tanh z`.
    Tanh,
    /// `erf z`.
    Erf,
    /// `z`: the two layers are one linear map, and the node is Gaussian.
    Linear,
}

/// An activation's value, slope and curvature at a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jet {
    pub(super) value: f64,
    pub(super) slope: f64,
    pub(super) curvature: f64,
}

/// `sqrt(2 pi)`.
const SQRT_TAU: f64 = 2.506_628_274_631_000_7;

impl Activation {
    /// `sigma(z)`.
    pub fn value(self, z: f64) -> f64 {
        match self {
            Self::Relu => z.max(0.0),
            Self::LeakyRelu { slope } => z.max(0.0) + slope * z.min(0.0),
            Self::Sigmoid => 1.0 / (1.0 + (-z).exp()),
            Self::Tanh => z.tanh(),
            Self::Erf => libm::erf(z),
            Self::Linear => z,
        }
    }

    /// `sigma'(z)`; at a kink the slope on its right.
    pub fn slope(self, z: f64) -> f64 {
        match self {
            Self::Relu => f64::from(u8::from(z >= 0.0)),
            Self::LeakyRelu { slope } => {
                if z >= 0.0 {
                    1.0
                } else {
                    slope
                }
            }
            Self::Sigmoid => {
                // e^-|z| keeps both tails; p (1 - p) would lose the right one.
                let e = (-z.abs()).exp();
                e / ((1.0 + e) * (1.0 + e))
            }
            Self::Tanh => {
                let e = (-2.0 * z.abs()).exp();
                4.0 * e / ((1.0 + e) * (1.0 + e))
            }
            Self::Erf => FRAC_2_SQRT_PI * (-z * z).exp(),
            Self::Linear => 1.0,
        }
    }

    /// `sigma''(z)`, zero at kinks.
    pub fn curvature(self, z: f64) -> f64 {
        match self {
            Self::Relu | Self::LeakyRelu { .. } | Self::Linear => 0.0,
            Self::Sigmoid => -self.slope(z) * (0.5 * z).tanh(),
            Self::Tanh => -2.0 * self.slope(z) * z.tanh(),
            Self::Erf => -2.0 * z * self.slope(z),
        }
    }

    /// Value, slope and curvature for the price of one.
    pub(super) fn jet(self, z: f64) -> Jet {
        match self {
            Self::Relu | Self::LeakyRelu { .. } | Self::Linear => {
                Jet { value: self.value(z), slope: self.slope(z), curvature: 0.0 }
            }
            Self::Sigmoid => {
                let small = (-z.abs()).exp();
                let large = 1.0 / (1.0 + small);
                let (slope, tail) = (small * large * large, small * large);
                let (value, sign) = if z < 0.0 { (tail, 1.0) } else { (large, -1.0) };
                Jet { value, slope, curvature: sign * slope * (large - tail) }
            }
            Self::Tanh => {
                // 1 - e^(-2 |z|) keeps the digits of a small argument.
                let gap = -(-2.0 * z.abs()).exp_m1();
                let inverse = 1.0 / (2.0 - gap);
                let value = (gap * inverse).copysign(z);
                let slope = 4.0 * (1.0 - gap) * inverse * inverse;
                Jet { value, slope, curvature: -2.0 * slope * value }
            }
            Self::Erf => {
                let slope = self.slope(z);
                Jet { value: self.value(z), slope, curvature: -2.0 * z * slope }
            }
        }
    }

    /// An upper bound of `|sigma''|`, and bounds of `sigma` where that isn't zero; for activations without a kink.
    pub(super) fn bounds(self) -> (f64, (f64, f64)) {
        match self {
            Self::Relu | Self::LeakyRelu { .. } | Self::Linear => {
                (0.0, (f64::NEG_INFINITY, f64::INFINITY))
            }
            // 1 / (6 sqrt 3), 4 / (3 sqrt 3), sqrt(8 / (pi e)), rounded up
            Self::Sigmoid => (0.096_226, (0.0, 1.0)),
            Self::Tanh => (0.769_801, (-1.0, 1.0)),
            Self::Erf => (0.967_883, (-1.0, 1.0)),
        }
    }

    /// Where an activation without a kink has turned from nearly straight to nearly flat: it has done three quarters of its
    /// rise from zero to one side. Starts of climbs are put there, so that a rough value will do.
    pub(super) fn bend(self) -> f64 {
        match self {
            Self::Relu | Self::LeakyRelu { .. } | Self::Linear => 0.0,
            Self::Sigmoid => 2.0,
            Self::Tanh => 1.0,
            Self::Erf => 0.8,
        }
    }

    /// The slopes left and right of zero where they differ.
    pub(super) fn kink(self) -> Option<(f64, f64)> {
        self.slopes().filter(|(left, right)| (left - right).abs() > 0.0)
    }

    /// The slopes left and right of the kink at zero of a piecewise-linear activation.
    pub fn slopes(self) -> Option<(f64, f64)> {
        match self {
            Self::Relu => Some((0.0, 1.0)),
            Self::LeakyRelu { slope } => Some((slope, 1.0)),
            Self::Linear => Some((1.0, 1.0)),
            Self::Sigmoid | Self::Tanh | Self::Erf => None,
        }
    }

    /// `E sigma(z)` for `z ~ N(mean, variance)`: closed forms, for the sigmoid and tanh quadrature to `1e-12`.
    pub fn average(self, mean: f64, variance: f64) -> f64 {
        if !(variance > 0.0) {
            return self.value(mean);
        }
        let deviation = variance.sqrt();
        match self {
            Self::Relu => average::rectified(mean, deviation),
            Self::LeakyRelu { slope } => {
                slope * mean + (1.0 - slope) * average::rectified(mean, deviation)
            }
            Self::Sigmoid => average::sigmoid(mean, deviation),
            Self::Tanh => 2.0 * average::sigmoid(2.0 * mean, 2.0 * deviation) - 1.0,
            Self::Erf => libm::erf(mean / (1.0 + 2.0 * variance).sqrt()),
            Self::Linear => mean,
        }
    }

    /// `E sigma(a) sigma(b)` for `a` and `b` jointly normal around zero with these variances and covariance: the kernel
    /// of a layer of random units. Closed forms (Cho and Saul 2009 for kinks, Williams 1997 for `erf`), for the sigmoid
    /// and tanh quadrature to `1e-12`.
    pub fn correlation(self, variances: [f64; 2], covariance: f64) -> f64 {
        // sigma(z) = even |z| + odd z, and the mixed terms cancel.
        let kink = |left: f64| {
            let (odd, even) = (0.5 * (1.0 + left), 0.5 * (1.0 - left));
            even * even * average::absolute_product(variances, covariance) + odd * odd * covariance
        };
        match self {
            Self::Relu => kink(0.0),
            Self::LeakyRelu { slope } => kink(slope),
            Self::Sigmoid => average::sigmoid_product(variances, covariance),
            // tanh(z) = 2 p(2 z) - 1, E p = 1/2.
            Self::Tanh => {
                let doubled = variances.map(|v| 4.0 * v);
                4.0 * average::sigmoid_product(doubled, 4.0 * covariance) - 1.0
            }
            Self::Erf => {
                let [a, b] = variances.map(|v| 1.0 + 2.0 * v);
                FRAC_2_PI * (2.0 * covariance / (a * b).sqrt()).asin()
            }
            Self::Linear => covariance,
        }
    }

    pub(super) fn check(self) -> Result<(), ParameterError> {
        match self {
            Self::LeakyRelu { slope } if !slope.is_finite() => Err(ParameterError::OutOfRange {
                parameter: "slope",
                value: slope,
                requirement: "finite",
            }),
            _ => Ok(()),
        }
    }

    /// `E sigma'(z)` and `E sigma(z)` for `z ~ N(mean, variance)`, to a few percent: they choose where an
    /// integration looks, never what it finds.
    #[inline(always)]
    pub(super) fn rough_average<N: Number>(self, mean: N, variance: N) -> (N, N) {
        let one = mean.constant(1.0);
        match self {
            Self::Relu => rough_kink(mean, variance, 0.0),
            Self::LeakyRelu { slope } => rough_kink(mean, variance, slope),
            Self::Sigmoid => {
                let shrink = shrink(variance, PI / 8.0);
                let p = exp::sigmoid(shrink * mean);
                (shrink * p * (one - p), p)
            }
            Self::Tanh => {
                let shrink = shrink(variance, PI / 2.0);
                let t = exp::tanh(shrink * mean);
                (shrink * (one - t * t), t)
            }
            Self::Erf => {
                let shrink = shrink(variance, 2.0);
                let x = shrink * mean;
                (shrink * one.constant(FRAC_2_SQRT_PI) * exp::exp(-x * x), exp::erf(x))
            }
            Self::Linear => (one, mean),
        }
    }
}

/// [`Activation::rough_average`] of an activation with slope `left` on the left of zero and 1 on the right.
#[inline(always)]
fn rough_kink<N: Number>(mean: N, variance: N, left: f64) -> (N, N) {
    // Phi(x) is a logistic function of 1.702 x within 0.01.
    const PROBIT: f64 = 1.702;
    let deviation = variance.sqrt();
    let x = mean / (deviation + mean.constant(f64::MIN_POSITIVE));
    let active = exp::sigmoid(x * x.constant(PROBIT));
    let slope = active.mul_add(x.constant(1.0 - left), x.constant(left));
    let density = exp::exp_negative(x * x * x.constant(-0.5));
    let bump = deviation * density * x.constant((1.0 - left) / SQRT_TAU);
    (slope, slope.mul_add(mean, bump))
}

/// By how much the argument of a sigmoid shrinks when it is averaged: `1 / sqrt(1 + share variance)`.
#[inline(always)]
fn shrink<N: Number>(variance: N, share: f64) -> N {
    let one = variance.constant(1.0);
    one / variance.mul_add(variance.constant(share), one).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Activation; 6] = [
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Erf,
        Activation::Linear,
    ];

    #[test]
    fn derivatives_agree_with_differences() {
        // Central differences of step h err by h^2 and by rounding / h.
        const STEP: f64 = 1e-5;
        const TOLERANCE: f64 = 1e-9;
        for activation in ALL {
            for z in [-3.0, -1.1, -0.3, 0.2, 0.9, 2.5] {
                let slope =
                    (activation.value(z + STEP) - activation.value(z - STEP)) / (2.0 * STEP);
                let curvature =
                    (activation.slope(z + STEP) - activation.slope(z - STEP)) / (2.0 * STEP);
                assert!((slope - activation.slope(z)).abs() < TOLERANCE, "{activation:?} {z}");
                assert!(
                    (curvature - activation.curvature(z)).abs() < TOLERANCE,
                    "{activation:?} {z}"
                );
            }
        }
    }

    #[test]
    fn jets_are_value_slope_and_curvature_within_their_bounds() {
        // Rounding of numbers of order one.
        const TOLERANCE: f64 = 1e-15;
        for activation in ALL {
            let (bend, (low, high)) = activation.bounds();
            for z in (-400..=400).map(|k| f64::from(k) * 0.05) {
                let jet = activation.jet(z);
                let found = [jet.value, jet.slope, jet.curvature];
                let expected = [activation.value(z), activation.slope(z), activation.curvature(z)];
                for (f, e) in found.iter().zip(expected) {
                    let near = (f - e).abs() <= TOLERANCE * (1.0 + e.abs());
                    assert!(near, "{activation:?} at {z}: {found:?}, {expected:?}");
                }
                assert!(jet.curvature.abs() <= bend, "{activation:?} at {z}");
                assert!(low <= jet.value && jet.value <= high, "{activation:?} at {z}");
            }
        }
    }

    #[test]
    fn averages_agree_with_a_fine_sum() {
        // The trapezoidal rule over +-9 deviations; kinks leave an error of step^2.
        const TOLERANCE: f64 = 1e-7;
        for activation in ALL {
            for (mean, variance) in
                [(0.3, 1.0), (-2.0, 0.1), (1.0, 30.0), (-0.5, 400.0), (3.0, 0.0)]
            {
                let n = 400_000;
                let sum: f64 = (0..n)
                    .map(|i| {
                        let x = -9.0 + 18.0 * (f64::from(i) + 0.5) / f64::from(n);
                        fg_core::special::pdf(x) * activation.value(mean + f64::sqrt(variance) * x)
                    })
                    .sum();
                let reference = sum * 18.0 / f64::from(n);
                let found = activation.average(mean, variance);
                assert!(
                    (found - reference).abs() < TOLERANCE,
                    "{activation:?} {found} {reference}"
                );
            }
        }
    }

    #[test]
    fn correlations_agree_with_a_sum_in_two_dimensions() {
        // The trapezoidal rule over +-9 deviations in both: exact for smooth units, to the square of its step for kinks.
        const SMOOTH: f64 = 1e-10;
        const KINKED: f64 = 2e-4;
        let n = 900;
        let node = |i: u32| -9.0 + 18.0 * f64::from(i) / f64::from(n);
        let weight = |i: u32| 18.0 / f64::from(n) * fg_core::special::pdf(node(i));
        for activation in ALL {
            for (a, b, rho) in [(1.0, 1.0, 0.6), (2.0, 0.3, -0.8), (0.5, 4.0, 1.0), (0.0, 1.0, 0.0)]
            {
                let covariance: f64 = rho * f64::sqrt(a * b);
                let rest = f64::sqrt(b * (1.0 - rho * rho));
                let mut sum = 0.0;
                for i in 0..=n {
                    let x = node(i);
                    let inner: f64 = (0..=n)
                        .map(|k| {
                            let z = rho * f64::sqrt(b) * x + rest * node(k);
                            weight(k) * activation.value(z)
                        })
                        .sum();
                    sum += weight(i) * activation.value(f64::sqrt(a) * x) * inner;
                }
                let found = activation.correlation([a, b], covariance);
                let kinked = matches!(activation, Activation::Relu | Activation::LeakyRelu { .. });
                let tolerance = if kinked { KINKED } else { SMOOTH };
                assert!(
                    (found - sum).abs() < tolerance,
                    "{activation:?} {a} {b} {rho}: {found} {sum}"
                );
            }
        }
    }

    #[test]
    fn rough_averages_are_within_a_few_percent() {
        const ROUGH: f64 = 0.08;
        for activation in ALL {
            for (mean, variance) in [(0.3, 1.0), (-1.0, 0.1), (1.0, 3.0), (0.0, 1e-6)] {
                let (_, value) = activation.rough_average(mean, variance);
                let exact = activation.average(mean, variance);
                assert!((value - exact).abs() < ROUGH, "{activation:?} {mean} {value} {exact}");
            }
        }
    }
}
