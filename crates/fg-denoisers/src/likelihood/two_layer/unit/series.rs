//! Power series of the probability of a label along the cavity's deviations, and what equal steps from an end leave, by them.

use fg_core::special::{cdf, logistic, pdf};

/// Terms of a series: as many as the longest expansion needs.
pub(super) const TERMS: usize = 32;
/// Terms of the Euler-Maclaurin formula.
pub(super) const ENDS: usize = 10;

/// A power series around zero.
pub(super) type Series = [f64; TERMS];

/// A link whose noise has been given one deviation, along `x >= 0`: the probability of a label is that of `start + rate x`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Along {
    Logistic { start: f64, rate: f64 },
    Probit { start: f64, rate: f64 },
}

impl Along {
    /// The probability at `x`.
    pub(super) fn at(self, x: f64) -> f64 {
        match self {
            Self::Logistic { start, rate } => logistic(rate.mul_add(x, start)),
            Self::Probit { start, rate } => cdf(rate.mul_add(x, start)),
        }
    }

    /// Its series around zero.
    pub(super) fn series(self) -> Series {
        match self {
            Self::Logistic { start, rate } => {
                // L' = L (1 - L), from the side where L is the smaller of both: nothing cancels.
                let side = if start > 0.0 { -1.0 } else { 1.0 };
                let mut series = [0.0; TERMS];
                series[0] = logistic(side * start);
                for k in 0..TERMS - 1 {
                    let square: f64 = (0..=k).map(|i| series[i] * series[k - i]).sum();
                    series[k + 1] = (series[k] - square) / (k + 1) as f64;
                }
                let mut power = side;
                for term in &mut series[1..] {
                    power *= side * rate;
                    *term *= power;
                }
                series[0] = logistic(start);
                series
            }
            Self::Probit { start, rate } => {
                // exp(-start rate x - (rate x)^2 / 2) is the derivative but for a factor.
                let falls = gaussian(-start * rate, rate * rate);
                let mut series = [0.0; TERMS];
                series[0] = cdf(start);
                for k in 1..TERMS {
                    series[k] = pdf(start) * rate * falls[k - 1] / k as f64;
                }
                series
            }
        }
    }
}

/// `exp(slope x - precision x^2 / 2)`.
pub(super) fn gaussian(slope: f64, precision: f64) -> Series {
    let mut series = [0.0; TERMS];
    series[0] = 1.0;
    for k in 1..TERMS {
        let before = if k > 1 { series[k - 2] } else { 0.0 };
        series[k] = (slope * series[k - 1] - precision * before) / k as f64;
    }
    series
}

/// The product of two.
pub(super) fn product(a: &Series, b: &Series) -> Series {
    core::array::from_fn(|k| (0..=k).map(|i| a[i] * b[k - i]).sum())
}

/// The series as one of `x / scale`.
pub(super) fn scaled(series: &Series, scale: f64) -> Series {
    let mut power = 1.0;
    series.map(|term| {
        let own = term * power;
        power *= scale;
        own
    })
}

/// `B_2m / (2 m)`, `B` being Bernoulli's numbers, for `m` from one on.
const BERNOULLI: [f64; ENDS] = [
    1.0 / 12.0,
    -1.0 / 120.0,
    1.0 / 252.0,
    -1.0 / 240.0,
    1.0 / 132.0,
    -691.0 / 32_760.0,
    1.0 / 12.0,
    -3_617.0 / 8_160.0,
    43_867.0 / 14_364.0,
    -174_611.0 / 6_600.0,
];

/// What equal steps of length one from zero on fall short of the integral by, the point at zero taken by half, for the function
/// `u^j e^(t u)` times a series in `u`, `j` from 0 to 2: polynomials in `t` of degree `2 ENDS - 1`, whose coefficients are written
/// to `ends`, the three of each power next to each other.
pub(super) fn ends(series: &Series, ends: &mut [[f64; 3]; 2 * ENDS]) {
    let mut factorial = 1.0;
    for (i, end) in ends.iter_mut().enumerate() {
        factorial *= i.max(1) as f64;
        for (j, end) in end.iter_mut().enumerate() {
            // The term of the power 2m - 1 of the function, of which u^j and t^i take their share.
            let term = |(k, b): (usize, &f64)| {
                let order = (2 * k + 1).checked_sub(i + j);
                order.map_or(0.0, |order| b * series[order])
            };
            *end = BERNOULLI.iter().enumerate().map(term).sum::<f64>() / factorial;
        }
    }
}
