//! One column whose square has been seen with noise: `exp(n z - gamma z^2 / 2 - (y - z^2)^2 / (2 v))` and its moments.

mod steps;
#[cfg(test)]
mod tests;
mod wells;

use core::f64::consts::TAU;

use fg_core::special::number::Number;

pub(crate) use wells::{Masses, Wells};

/// What lies this many nats below the highest peak is left out: `exp(-DEPTH)` is below rounding.
pub(crate) const DEPTH: f64 = 40.0;

/// The exponent without its tilt, where the cavity's precision has been moved into the data:
/// `-gamma z^2 / 2 - (y - z^2)^2 / (2 v) = base - p (p + 2 a) / (2 v)` with `b = y - gamma v / 2`, `p = z^2 - r^2`,
/// `r^2 = max(b, 0)` and `a = max(-b, 0)`.
///
/// With `z = r + w` it is `p = w (2 r + w)`: the distance from where the data alone are keeps its digits, however precise they
/// are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quartic<N> {
    pub(crate) r: N,
    pub(crate) a: N,
    pub(crate) v: f64,
}

/// The exponent around one point, less that there: `slope t - curvature t^2 / 2 - 2 (z / v) t^3 - t^4 / (2 v)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<N> {
    pub(crate) slope: N,
    pub(crate) curvature: N,
    pub(crate) z: N,
    pub(crate) v: f64,
}

impl Around<f64> {
    #[inline]
    pub(crate) fn rise(&self, t: f64) -> f64 {
        let bend = 0.5 * self.curvature + t * (2.0 * self.z + 0.5 * t) / self.v;
        t * (self.slope - t * bend)
    }

    /// No further away from zero than this has the exponent fallen by [`DEPTH`], where there is no slope.
    pub(crate) fn reach(&self) -> f64 {
        let Self { curvature, z, v, .. } = self;
        let square = (2.0 * DEPTH / curvature).sqrt();
        let cube = (0.5 * DEPTH * v / z).cbrt();
        square.min(cube).min((2.0 * DEPTH * v).sqrt().sqrt())
    }
}

impl<N: Number> Quartic<N> {
    /// A value `y` of the square, with noise of variance `v > 0`, under a cavity of this precision.
    #[inline(always)]
    pub(crate) fn new(y: N, v: f64, gamma: f64) -> Self {
        let zero = y.constant(0.0);
        let b = y - y.constant(0.5 * gamma * v);
        Self { r: b.at_least(zero).sqrt(), a: (-b).at_least(zero), v }
    }

    /// The exponent without a tilt where `p` is zero, density included.
    pub(crate) fn base(y: N, v: f64, gamma: f64) -> N {
        let b = y - y.constant(0.5 * gamma * v);
        // Neither form cancels on its side.
        let shifted = (y - y.constant(0.25 * gamma * v)) * y.constant(-0.5 * gamma);
        let alone = y * y * y.constant(-0.5 / v);
        b.if_above(y.constant(0.0), shifted, alone) - y.constant(0.5 * (TAU * v).ln())
    }

    /// `p` at `r + w`.
    #[inline(always)]
    fn excess(&self, w: N) -> N {
        w * (self.r + self.r + w)
    }

    /// The exponent at `r + w` but for the base and the tilt.
    #[inline(always)]
    fn depth(&self, w: N) -> N {
        let p = self.excess(w);
        p * (self.a + self.a + p) * w.constant(-0.5 / self.v)
    }

    #[inline(always)]
    pub(crate) fn around(&self, tilt: N, w: N) -> Around<N> {
        let (z, p, twice) = (self.r + w, self.excess(w) + self.a, w.constant(2.0 / self.v));
        let slope = (z * p).mul_add(-twice, tilt);
        let curvature = (z * z).mul_add(w.constant(2.0), p) * twice;
        Around { slope, curvature, z, v: self.v }
    }
}
