//! Gaussian averages of activations decide what the network predicts for an uncertain hidden row.

use core::f64::consts::FRAC_2_PI;

use fg_core::special::{cdf, pdf};

/// `E max(z, 0)` for `z ~ N(mean, deviation^2)`.
pub(super) fn rectified(mean: f64, deviation: f64) -> f64 {
    let x = mean / deviation;
    mean * cdf(x) + deviation * pdf(x)
}

/// Beyond so many deviations the normal density is below `1e-17`.
const REACH: f64 = 9.0;
/// From this deviation on, the logistic function is averaged as a step and a remainder.
const STEP_LIKE: f64 = 4.0;

/// `E 1 / (1 + e^-z)` for `z ~ N(mean, deviation^2)`, to `1e-12`.
pub(super) fn sigmoid(mean: f64, deviation: f64) -> f64 {
    if deviation < STEP_LIKE { smooth(mean, deviation) } else { step_like(mean, deviation) }
}

fn smooth(mean: f64, deviation: f64) -> f64 {
    standard(deviation, |x| 1.0 / (1.0 + (-(mean + deviation * x)).exp()))
}

/// `E f(x)` for `x ~ N(0, 1)` and a function without poles within `c = pi / deviation` of the real axis, as logistic
/// functions of `deviation * x` are: by the trapezoidal rule, whose error is `exp(-2 pi c / h)` for the function and
/// `exp(-2 pi^2 / h^2)` for the density.
fn standard(deviation: f64, f: impl Fn(f64) -> f64) -> f64 {
    let intervals = (2.0 * REACH / (0.5 / deviation.max(1.0))).ceil();
    let h = 2.0 * REACH / intervals;
    let (mut sum, mut k) = (0.0, 0.0);
    while k <= intervals {
        let x = -REACH + k * h;
        sum += pdf(x) * f(x);
        k += 1.0;
    }
    sum * h
}

/// `E |a b|` for `a`, `b` jointly normal around zero with these variances and covariance: the arc-cosine kernel of Cho
/// and Saul (2009).
pub(super) fn absolute_product([a, b]: [f64; 2], covariance: f64) -> f64 {
    let size = (a * b).sqrt();
    if !(size > 0.0) {
        return 0.0;
    }
    let rho = (covariance / size).clamp(-1.0, 1.0);
    FRAC_2_PI * size * (((1.0 - rho) * (1.0 + rho)).sqrt() + rho * rho.asin())
}

/// `E p(a) p(b)` for the logistic function `p` and `a`, `b` as in [`absolute_product`], to `1e-12`: over `a` by
/// quadrature, over `b` given `a` as [`sigmoid`].
pub(super) fn sigmoid_product([a, b]: [f64; 2], covariance: f64) -> f64 {
    if !(a > 0.0) {
        return 0.5 * 0.5;
    }
    let deviation = a.sqrt();
    let slope = covariance / deviation;
    let rest = (b - slope * slope).max(0.0).sqrt();
    let wider = deviation.max(b.sqrt());
    standard(wider, |x| sigmoid(deviation * x, 0.0) * sigmoid(slope * x, rest))
}

/// Nodes and weights of the Gauss-Legendre rule of ten points on `[-1, 1]`, the positive half.
const LEGENDRE: [(f64, f64); 5] = [
    (0.148_874_338_981_631_22, 0.295_524_224_714_752_87),
    (0.433_395_394_129_247_2, 0.269_266_719_309_996_35),
    (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
    (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
    (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
];
/// Panels that resolve `1 / (1 + e^z)`, whose poles are `pi` away from zero, until it is below `1e-16`.
const PANELS: [f64; 8] = [0.0, 1.5, 3.0, 5.0, 8.0, 13.0, 21.0, 37.0];

/// A logistic function is a step plus `-sign(z) / (1 + e^|z|)`, which lives on the scale one, where the wide
/// density is smooth.
fn step_like(mean: f64, deviation: f64) -> f64 {
    let density = |z: f64| pdf((z - mean) / deviation) / deviation;
    let remainder = |z: f64| (density(-z) - density(z)) / (1.0 + z.exp());
    let mut sum = 0.0;
    for panel in PANELS.windows(2) {
        let (centre, half) = (0.5 * (panel[0] + panel[1]), 0.5 * (panel[1] - panel[0]));
        for (node, weight) in LEGENDRE {
            let pair = remainder(centre - half * node) + remainder(centre + half * node);
            sum += weight * half * pair;
        }
    }
    cdf(mean / deviation) + sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_logistic_functions_are_symmetric_and_right_in_the_limits() {
        const TOLERANCE: f64 = 1e-12;
        for (a, b, rho) in [(1.0, 1.0, 0.3), (4.0, 0.25, -0.9), (30.0, 2.0, 0.99), (0.1, 9.0, 1.0)]
        {
            let covariance: f64 = rho * f64::sqrt(a * b);
            let found = sigmoid_product([a, b], covariance);
            let mirrored = sigmoid_product([b, a], covariance);
            assert!((found - mirrored).abs() < TOLERANCE, "{a} {b} {rho}: {found} {mirrored}");
            // p(-b) = 1 - p(b) and E p(a) = 1/2.
            let opposite = sigmoid_product([a, b], -covariance);
            assert!((found + opposite - 0.5).abs() < TOLERANCE, "{a} {b} {rho}");
            assert!((sigmoid_product([a, b], 0.0) - 0.25).abs() < TOLERANCE, "{a} {b}");
        }
        // Equal and wide: p^2 = p - p'.
        let wide: f64 = 1e4;
        let expected = 0.5
            - standard(wide.sqrt(), |x| {
                let e = (-(wide.sqrt() * x).abs()).exp();
                e / ((1.0 + e) * (1.0 + e))
            });
        assert!((sigmoid_product([wide, wide], wide) - expected).abs() < TOLERANCE);
    }

    #[test]
    fn both_branches_agree_where_they_meet() {
        const TOLERANCE: f64 = 1e-12;
        for mean in [-7.0, -0.4, 0.0, 2.0, 15.0] {
            for deviation in [3.0, 4.0, 6.0] {
                let (a, b) = (smooth(mean, deviation), step_like(mean, deviation));
                assert!((a - b).abs() < TOLERANCE, "{mean} {deviation}: {a} {b}");
            }
        }
    }
}
