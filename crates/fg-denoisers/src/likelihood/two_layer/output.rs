//! What the outputs become: numbers with Gaussian noise, or a label by a logistic or a probit link.

use core::f64::consts::{PI, TAU};

use fg_core::special::{
    cdf, inverse_mills, log_cdf, log1pexp, logistic, open_uniform, positive_part, quantile,
};

use crate::error::{self, ParameterError};
use crate::family::label;

/// The law of the data given the outputs of a two-layer network.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// The outputs with independent Gaussian noise of this precision.
    Noise {
        /// Precision of the noise on each output.
        precision: f64,
    },
    /// A label -1 or 1 of a single output.
    Label(Link),
}

/// The probability of the label 1 as a function of the output `u`; that of -1 is its value at `-u`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Link {
    /// `1 / (1 + e^-u)`.
    Logistic,
    /// `Phi(u / sqrt(variance))`: the sign of the output and Gaussian noise.
    Probit {
        /// Variance of the noise before the sign is taken, above zero.
        variance: f64,
    },
}

/// A logistic function is a normal distribution function of this deviation, within 0.01.
const LOGISTIC_DEVIATION: f64 = 1.702;
/// `-log phi(x) - x^2 / 2`.
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

impl Link {
    pub(super) fn check(self) -> Result<(), ParameterError> {
        match self {
            Self::Logistic => Ok(()),
            Self::Probit { variance } => error::positive("variance", variance).map(|_| ()),
        }
    }

    /// Variance of the noise of which the label is the sign, `sign(u + noise)`: logistic or normal noise.
    pub fn noise_variance(self) -> f64 {
        match self {
            Self::Logistic => PI * PI / 3.0,
            Self::Probit { variance } => variance,
        }
    }

    /// Logarithm of the odds of the label 1, exact where one of the probabilities rounds to one.
    pub fn log_odds(self, u: f64) -> f64 {
        match self {
            Self::Logistic => u,
            Self::Probit { .. } => self.log(u) - self.log(-u),
        }
    }

    /// Probability of the label 1.
    pub fn probability(self, u: f64) -> f64 {
        match self {
            Self::Logistic => logistic(u),
            Self::Probit { variance } => cdf(u / variance.sqrt()),
        }
    }

    /// `log p` of the own label, whose output is `x = y u`.
    pub(super) fn log(self, x: f64) -> f64 {
        match self {
            Self::Logistic => -log1pexp(-x),
            Self::Probit { variance } => log_cdf(x / variance.sqrt()),
        }
    }

    /// First derivative of [`log`](Self::log), and the negative second: both positive, the first falls.
    pub(super) fn slopes(self, x: f64) -> (f64, f64) {
        match self {
            Self::Logistic => (logistic(-x), logistic(x) * logistic(-x)),
            Self::Probit { variance } => {
                let deviation = variance.sqrt();
                let h = x / deviation;
                // One less the variance of what is left of a normal law above -h: either form is exact on its side.
                let curvature = if h < 0.0 {
                    1.0 - positive_part(h).variance
                } else {
                    inverse_mills(h) * (inverse_mills(h) + h)
                };
                (inverse_mills(h) / deviation, curvature / variance)
            }
        }
    }

    /// The deviation of the probit link next to this one.
    pub(super) fn deviation(self) -> f64 {
        match self {
            Self::Logistic => LOGISTIC_DEVIATION,
            Self::Probit { variance } => variance.sqrt(),
        }
    }
}

impl Output {
    /// What an output is subtracted from: the residual is `y - b2 - W2' sigma` with noise, `-u` with labels.
    pub(super) fn target(self, y: f64, bias: f64) -> f64 {
        match self {
            Self::Noise { .. } => y - bias,
            Self::Label(_) => -bias,
        }
    }

    /// `-log p(y | output)` up to a constant, at least zero.
    pub(super) fn loss(self, y: f64, residual: f64) -> f64 {
        match self {
            Self::Noise { precision } => 0.5 * precision * residual * residual,
            Self::Label(link) => -link.log(-y * residual),
        }
    }

    /// Derivative of `log p` by the output, and the negative second derivative.
    pub(super) fn slopes(self, y: f64, residual: f64) -> (f64, f64) {
        match self {
            Self::Noise { precision } => (precision * residual, precision),
            Self::Label(link) => {
                let (pull, stiffness) = link.slopes(-y * residual);
                (y * pull, stiffness)
            }
        }
    }

    /// What the data of one output add to the logarithm of the integral, apart from `-loss`.
    pub(super) fn log_scale(self) -> f64 {
        match self {
            Self::Noise { precision } => 0.5 * precision.ln() - HALF_LN_TAU,
            Self::Label(_) => 0.0,
        }
    }

    /// Data of the output `u`, as a map from a uniform.
    pub(super) fn draw(self, u: f64, uniform: f64) -> f64 {
        match self {
            Self::Noise { precision } => u + quantile(open_uniform(uniform)) / precision.sqrt(),
            Self::Label(link) => {
                // From the side of the less likely label, whose probability keeps its digits.
                if uniform >= link.probability(-u) { 1.0 } else { -1.0 }
            }
        }
    }

    pub(super) fn check(self, observed: &[f64]) -> Result<(), String> {
        match self {
            Self::Noise { .. } => match observed.iter().find(|v| !v.is_finite()) {
                Some(value) => Err(format!("output must be finite, got {value}")),
                None => Ok(()),
            },
            Self::Label(_) => label::check(observed),
        }
    }
}

/// `weight exp(-rate |u| - curvature u^2 / 2)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) weight: f64,
    pub(super) rate: f64,
    pub(super) curvature: f64,
}

/// `e^|u| / (1 + e^|u|) = P(e^-|u|)` with this polynomial, the one of degree nine that is right at Chebyshev's points; to
/// `4.4e-8`, relative, so that the smaller probability is as exact.
const LOGISTIC: [f64; 10] = [
    0.999_999_955_790_430_2,
    -0.999_991_113_876_468_8,
    0.999_699_330_715_743_7,
    -0.995_964_506_258_461_4,
    0.971_688_147_286_127_1,
    -0.881_056_407_122_745_2,
    0.675_075_179_478_695_8,
    -0.385_343_342_792_560_2,
    0.139_071_281_609_345_04,
    -0.023_178_546_934_890_84,
];

/// Points of the sum of exponentials for the tail of the normal law.
const PROBIT_POINTS: usize = 14;
/// Where that sum ends: `e^(-s^2 / 2)` is `2e-11` there.
const PROBIT_REACH: f64 = 7.0;

impl Link {
    /// The smaller of both labels' probabilities at `|u|`, as a sum of terms of which the first falls slowest.
    ///
    /// The logistic function is a power series of `e^-|u|`, of no curvature. The tail of the normal law is
    /// `phi(h) int_0^oo exp(-h s - s^2 / 2) ds`, by points that crowd at zero: to `1e-7` relative within five deviations,
    /// `1e-5` within ten, `1e-3` within thirty.
    pub(super) fn terms(self) -> Vec<Term> {
        match self {
            Self::Logistic => {
                let power = |(k, &weight): (usize, &f64)| Term {
                    weight,
                    rate: k as f64 + 1.0,
                    curvature: 0.0,
                };
                LOGISTIC.iter().enumerate().map(power).collect()
            }
            Self::Probit { variance } => {
                let rule = crate::family::Rule::of(PROBIT_POINTS);
                let term = |&(x, weight): &(f64, f64)| {
                    let share = 0.5 * (1.0 + x);
                    let (s, step) = (PROBIT_REACH * share * share, PROBIT_REACH * share);
                    let density = (-0.5 * s * s).exp() / TAU.sqrt();
                    let (rate, curvature) = (s / variance.sqrt(), 1.0 / variance);
                    Term { weight: weight * step * density, rate, curvature }
                };
                let mut terms: Vec<Term> = rule.nodes().iter().map(term).collect();
                terms.sort_by(|a, b| a.rate.total_cmp(&b.rate));
                terms
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_terms_are_the_links() {
        for (link, deviations) in [
            (Link::Logistic, [(0.0, 1e-7), (1.0, 1e-7), (8.0, 1e-7), (300.0, 1e-7)]),
            (
                Link::Probit { variance: 4.0 },
                [(0.0, 2e-7), (4.9, 2e-7), (10.0, 1e-5), (30.0, 1e-3)],
            ),
        ] {
            for (h, tolerance) in deviations {
                let u = h * if link == Link::Logistic { 1.0 } else { link.deviation() };
                let term = |t: &Term| t.weight * (-t.rate * u - 0.5 * t.curvature * u * u).exp();
                let sum: f64 = link.terms().iter().map(term).sum();
                let ratio = sum / link.log(-u).exp();
                assert!((ratio - 1.0).abs() < tolerance, "{link:?} at {u}: {ratio}");
            }
            assert!(link.terms().is_sorted_by(|a, b| a.rate < b.rate), "{link:?}");
        }
    }

    #[test]
    fn slopes_agree_with_differences() {
        // Central differences of step h err by h^2 and by rounding / h.
        const STEP: f64 = 1e-5;
        const TOLERANCE: f64 = 1e-9;
        let outputs = [
            Output::Noise { precision: 2.0 },
            Output::Label(Link::Logistic),
            Output::Label(Link::Probit { variance: 0.5 }),
        ];
        for output in outputs {
            for (y, residual) in [(1.0, -0.3), (-1.0, 2.0), (1.0, 3.0), (-1.0, -0.8), (1.0, 0.0)] {
                // The output rises as the residual falls.
                let loss = |t: f64| output.loss(y, residual - t);
                let pull = |t: f64| output.slopes(y, residual - t).0;
                let (first, second) = output.slopes(y, residual);
                let slope = (loss(-STEP) - loss(STEP)) / (2.0 * STEP);
                let stiffness = (pull(-STEP) - pull(STEP)) / (2.0 * STEP);
                assert!((slope - first).abs() < TOLERANCE, "{output:?}: {slope} {first}");
                assert!((stiffness - second).abs() < TOLERANCE, "{output:?}: {stiffness} {second}");
            }
        }
    }
}
