//! A Gaussian on one side of zero: what truncated estimates are made of, stable in both tails.

use fg_core::special::{log_mills, positive_part};

/// Positive `x` with weight `exp(a x - gamma x^2 / 2)`: its moments, and one over its mass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HalfLine {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    /// Zero where the mass overflows.
    pub(crate) reciprocal_mass: f64,
}

impl HalfLine {
    /// None when the integral diverges; `root` is the square root of `gamma`.
    #[inline]
    pub(crate) fn new(a: f64, gamma: f64, root: f64) -> Option<Self> {
        if gamma > 0.0 {
            let t = positive_part(a / root);
            let (mean, variance) = (t.mean / root, t.variance / gamma);
            return Some(Self { mean, variance, reciprocal_mass: t.inverse_mills * root });
        }
        let rate = -a;
        let mean = 1.0 / rate;
        (rate > 0.0).then_some(Self { mean, variance: mean * mean, reciprocal_mass: rate })
    }

    /// The logarithm of the mass, also where the mass overflows; infinite when the integral diverges.
    pub(crate) fn log_mass(a: f64, gamma: f64) -> f64 {
        if gamma > 0.0 {
            let root = gamma.sqrt();
            log_mills(a / root) - root.ln()
        } else if a < 0.0 {
            -(-a).ln()
        } else {
            f64::INFINITY
        }
    }
}
