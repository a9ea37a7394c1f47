//! Magnitudes of a complex unknown as data, exact or with noise: phase retrieval.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::circle::{Circle, Harmonics};

/// The magnitude of a complex number, whose real and imaginary parts are the two columns of a variable, with complex
/// Gaussian noise before it is taken: Rice's law.
///
/// # Density
///
/// ```text
/// y = abs(z + w),  w ~ N(0, v I)      p(y | z) = (y / v) exp(-(y^2 + abs(z)^2) / (2 v)) I0(y abs(z) / v)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | noise variance `v` | - | `[0, inf)` | of the real and of the imaginary part; 0 leaves the phase alone unknown |
///
/// Data are magnitudes; of intensities take the square root.
///
/// # Estimate
///
/// With `K = (I + v Gamma)^-1`, `t = z + w = y (cos a, sin a)` has a density of its phase `a` alone:
///
/// ```text
/// exponent        y e'K n - y^2 e'Gamma K e / 2,     e = (cos a, sin a)
/// mean            K (v n + E t)
/// covariance      v K + K Cov(t) K
/// log-partition   log det(K) / 2 + v n'K n / 2 + log y + log(integral of exp(exponent) over the phase)
/// ```
///
/// The precision may be any, full ones included. For an isotropic one the integrals are Bessel functions.
///
/// # Numerical notes and limits
///
/// * The integrand is entire and periodic: the trapezoidal rule with a step of its narrowest width is exact to rounding.
///   Only points within 40 nats of the peak count; the walk starts at each of the two peaks that there can be.
/// * Exponents are differences to that at the peak, as products of sines of half angles: phases known to `1e-6` and better
///   keep their digits.
/// * Nothing is divided by `v`. Any cavity is legal, one without information included; as with
///   [`Magnitude`](crate::Magnitude), a cavity that knows no phase gets none, and models of magnitudes alone need a start.
/// * Below 5 microseconds a row where the phase isn't known sharply.
///
/// # Reference
///
/// A. Maillard, B. Loureiro, F. Krzakala and L. Zdeborova, "Phase retrieval in high dimensions: Statistical and
/// computational phase transitions", Advances in Neural Information Processing Systems 33 (2020),
/// [arXiv:2006.05228](https://arxiv.org/abs/2006.05228).
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let exact = fg_denoisers::ComplexMagnitude::new(0.0)?;
/// let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
/// let cavity = RowCavity::new(0, 2, &[0.5, 0.0], &[0.5, 0.0], &[1.0, 0.0, 0.0, 1.0]);
/// exact.estimate(&[2.0], &cavity, &mut out, &mut Scratch::default())?;
/// // 2 I1(1) / I0(1)
/// assert!((mean[0] - 0.892_779_931_793).abs() < 1e-11 && mean[1].abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ComplexMagnitude {
    variance: f64,
    circle: Circle,
}

impl ComplexMagnitude {
    /// Magnitudes with noise of this variance on the real and on the imaginary part.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= variance < inf`.
    pub fn new(variance: f64) -> Result<Self, ParameterError> {
        let variance = error::not_negative("noise variance", variance)?;
        Ok(Self { variance, circle: Circle::new() })
    }

    /// Variance of the noise on either part.
    pub fn variance(&self) -> f64 {
        self.variance
    }
}

/// What all rows of a cavity share: `K`, `Gamma K` and `log det K`.
struct Narrowed {
    k: [f64; 3],
    gamma: [f64; 3],
    log_determinant: f64,
    variance: f64,
}

impl Narrowed {
    fn new(variance: f64, precision: &[f64]) -> Self {
        let v = variance;
        let (a, b, c) = (precision[0], 0.5 * (precision[1] + precision[2]), precision[3]);
        // A difference of two products only for the cavity's own determinant.
        let own = (a * c - b * b).max(0.0);
        let growth = v * (a + c) + v * v * own;
        let scale = 1.0 / (1.0 + growth);
        let k = [scale * (1.0 + v * c), -scale * v * b, scale * (1.0 + v * a)];
        let gamma = [scale * (a + v * own), scale * b, scale * (c + v * own)];
        Self { k, gamma, log_determinant: -growth.ln_1p(), variance }
    }

    fn times(m: [f64; 3], [x, y]: [f64; 2]) -> [f64; 2] {
        [m[0] * x + m[1] * y, m[1] * x + m[2] * y]
    }

    /// The phase's exponent but for its constant, and that constant.
    fn phase(&self, n: [f64; 2], y: f64) -> (Harmonics, f64) {
        let pull = Self::times(self.k, n);
        let [a, b, c] = self.gamma;
        let square = y * y;
        let second = [-0.25 * square * (a - c), -0.5 * square * b];
        (Harmonics { first: [y * pull[0], y * pull[1]], second }, -0.25 * square * (a + c))
    }
}

impl Likelihood for ComplexMagnitude {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (v, narrowed) = (self.variance, Narrowed::new(self.variance, cavity.precision()));
        let k = narrowed.k;
        for (i, (n, &y)) in cavity.natural().chunks_exact(2).zip(observed).enumerate() {
            let (phase, _) = narrowed.phase([n[0], n[1]], y);
            let found = self.circle.moments(&phase);
            let t = [v * n[0] + y * found.mean[0], v * n[1] + y * found.mean[1]];
            out.mean[2 * i..2 * i + 2].copy_from_slice(&Narrowed::times(k, t));
            let [xx, xy, yy] = found.covariance.map(|c| y * y * c);
            // K C K, column by column.
            let first = Narrowed::times(k, [xx * k[0] + xy * k[1], xy * k[0] + yy * k[1]]);
            let last = xx * k[1] * k[1] + 2.0 * xy * k[1] * k[2] + yy * k[2] * k[2];
            let mixed = v * k[1] + first[1];
            let covariance = [v * k[0] + first[0], mixed, mixed, v * k[2] + last.max(0.0)];
            out.covariance[4 * i..4 * i + 4].copy_from_slice(&covariance);
        }
        Ok(())
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(2)
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        match observed {
            [y] if *y >= 0.0 && y.is_finite() => Ok(()),
            _ => Err(format!("magnitude must be finite and at least 0, got {observed:?}")),
        }
    }

    /// False where a magnitude is zero, whose density is zero.
    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let narrowed = Narrowed::new(self.variance, cavity.precision());
        let rows = cavity.natural().chunks_exact(2).zip(observed);
        for (out, (n, &y)) in out.iter_mut().zip(rows) {
            let n = [n[0], n[1]];
            let (phase, constant) = narrowed.phase(n, y);
            let pull = Narrowed::times(narrowed.k, n);
            let around = 0.5 * narrowed.variance * (n[0] * pull[0] + n[1] * pull[1]);
            let integral = self.circle.moments(&phase).log_integral + constant;
            *out = 0.5 * narrowed.log_determinant + around + y.ln() + integral;
        }
        out.iter().all(|log| log.is_finite())
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(if self.variance > 0.0 { 2 } else { 0 })
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let noise = |j: usize| {
            let u = uniforms.get(j);
            u.map_or(0.0, |u| self.variance.sqrt() * quantile(open_uniform(*u)))
        };
        y[0] = (z[0] + noise(0)).hypot(z[1] + noise(1));
    }

    fn name(&self) -> String {
        "complex magnitude".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use core::f64::consts::TAU;

    use super::*;
    use crate::family::plane::{self, Row};

    fn run(v: f64, y: f64, n: [f64; 2], gamma: [f64; 4]) -> Row {
        plane::answer(&ComplexMagnitude::new(v).unwrap(), y, n, gamma)
    }

    /// Rice's law with its Bessel function by the trapezoidal rule.
    fn expected(v: f64, y: f64, n: [f64; 2], gamma: [f64; 4]) -> Row {
        let log_density = |r: f64| {
            let angles = (0..200).map(|k| (TAU * (f64::from(k) + 0.5) / 200.0).cos());
            let bessel: f64 = angles.map(|c| (y * r / v * (c - 1.0)).exp()).sum::<f64>() / 200.0;
            (y / v).ln() - (y - r) * (y - r) / (2.0 * v) + bessel.ln()
        };
        plane::sum((150, 0.05), n, gamma, log_density)
    }

    #[test]
    fn full_precisions_agree_with_the_plane() {
        for (v, y, n, gamma) in [
            (0.3, 1.2, [0.4, -0.3], [1.0, 0.3, 0.3, 0.5]),
            (0.3, 1.2, [3.0, 1.0], [2.0, -0.9, -0.9, 0.7]),
            (0.2, 2.0, [0.05, 0.0], [0.0; 4]),
            (0.3, 1.5, [0.2, 0.1], [0.1, 0.2, 0.2, 12.0]),
        ] {
            let (found, expected) = (run(v, y, n, gamma), expected(v, y, n, gamma));
            let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-11);
            assert!(close(&found.0, &expected.0), "{found:?} {expected:?}");
            assert!(close(&found.1, &expected.1), "{found:?} {expected:?}");
            assert!((found.2 - expected.2).abs() < 1e-11, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn both_peaks_of_a_narrow_ridge_count() {
        // The first column is known to be small: two phases, a quarter turn to either side, with odds exp(2 y n).
        let (mean, covariance, _) = run(0.0, 1.0, [0.0, 0.5], [1e8, 0.0, 0.0, 0.0]);
        let tanh = f64::tanh(0.5);
        assert!(mean[0].abs() < 1e-12 && (mean[1] - tanh).abs() < 1e-7, "{mean:?}");
        assert!((covariance[0] * 1e8 - 1.0).abs() < 1e-6, "{covariance:?}");
        assert!((covariance[3] - (1.0 - tanh * tanh)).abs() < 1e-7, "{covariance:?}");
    }

    #[test]
    fn a_known_phase_leaves_its_own_deviation() {
        // exp(k cos a) with k = 1e12: variance 1 / k across, 1 / (2 k^2) along.
        let (mean, covariance, _) = run(0.0, 2.0, [3e11, 4e11], [0.0; 4]);
        assert!((mean[0] - 1.2).abs() < 1e-11 && (mean[1] - 1.6).abs() < 1e-11, "{mean:?}");
        let across = 4e-12;
        for (c, e) in covariance.iter().zip([0.64, -0.48, -0.48, 0.36]) {
            assert!((c / (e * across) - 1.0).abs() < 1e-9, "{covariance:?}");
        }
    }

    #[test]
    fn magnitudes_are_checked() {
        let model = ComplexMagnitude::new(0.0).unwrap();
        assert!(model.check(&[0.0]).is_ok() && model.check(&[-0.1]).is_err());
        assert!(model.check(&[f64::INFINITY]).is_err() && ComplexMagnitude::new(-1.0).is_err());
    }
}
