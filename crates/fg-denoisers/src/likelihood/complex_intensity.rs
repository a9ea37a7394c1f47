//! Squared magnitudes of a complex unknown with noise as data: phase retrieval from intensities.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::Rule;
use crate::family::finite;
use crate::family::ring::{Plane, Ring};

/// The squared magnitude of a complex number, whose real and imaginary parts are the two columns of a variable, seen with
/// Gaussian noise: what a detector of intensities reads, below zero where the noise says so.
///
/// # Density
///
/// ```text
/// p(y | z) = N(y; abs(z)^2, v)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | noise variance `v` | - | `(0, inf)` | of the squared magnitude |
///
/// Data without noise are magnitudes: take their roots for [`ComplexMagnitude`](crate::ComplexMagnitude), which noise before
/// the square is for, too. Real unknowns: [`Intensity`](crate::Intensity).
///
/// # Estimate
///
/// By quadrature in polar coordinates. Given the distance from zero the direction has the density of a Gaussian on a circle;
/// over the distance `s` its mass and moments are integrated once more:
///
/// ```text
/// exponent        n'z - z' Gamma z / 2 - (y - abs(z)^2)^2 / (2 v),     z = s (cos a, sin a)
/// mass of s       s exp(-(y - s^2)^2 / (2 v)) integral of exp(n'z - z' Gamma z / 2) over a
/// mean            E s e(s),                                             e(s) and C(s) moments of (cos a, sin a) given s
/// covariance      E s^2 C(s) + Cov(s e(s))
/// ```
///
/// # Numerical notes and limits
///
/// * The smaller eigenvalue `g` of the precision moves the data to `b = y - g v / 2`, as for
///   [`Intensity`](crate::Intensity); exponents are differences to that at the peak in the plane, the distance along the
///   peak's direction by a polynomial and the directions by sines of half angles. Thin rings and known phases keep their
///   digits; variances along the distance lose them where they are below `1e-20` of its square.
/// * The peak in the plane is the root of a secular equation, bracketed and found to rounding.
/// * Directions by the trapezoidal rule of [`UnitModulus`](crate::UnitModulus), distances by Gauss-Legendre panels over all
///   that is within 40 nats of the peak: one of 48 points, and more towards zero where the precision is far from isotropic.
/// * Any cavity is legal, one without information included. One that knows no phase gets none, and models of intensities
///   alone need a start that does.
/// * Some 100 microseconds a row.
///
/// # Reference
///
/// P. Schniter and S. Rangan, "Compressive Phase Retrieval via Generalized Approximate Message Passing", IEEE Transactions on
/// Signal Processing 63 (2015), doi 10.1109/TSP.2014.2386294.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let intensity = fg_denoisers::ComplexIntensity::new(1e-12)?;
/// let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
/// let cavity = RowCavity::new(0, 2, &[0.5, 0.0], &[0.5, 0.0], &[1.0, 0.0, 0.0, 1.0]);
/// intensity.estimate(&[4.0], &cavity, &mut out, &mut Scratch::default())?;
/// // A circle of radius 2: 2 I1(1) / I0(1)
/// assert!((mean[0] - 0.892_779_931_793).abs() < 1e-10 && mean[1].abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ComplexIntensity {
    variance: f64,
    ring: Ring,
}

impl ComplexIntensity {
    /// Squared magnitudes with Gaussian noise of this variance.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < variance < inf`.
    pub fn new(variance: f64) -> Result<Self, ParameterError> {
        let variance = error::positive("noise variance", variance)?;
        Ok(Self { variance, ring: Ring::new(Rule::new()) })
    }

    /// Variance of the noise.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    fn plane(&self, n: &[f64], y: f64, gamma: &[f64]) -> Plane {
        let gamma = [gamma[0], 0.5 * (gamma[1] + gamma[2]), gamma[3]];
        Plane::new([n[0], n[1]], gamma, (y, self.variance))
    }
}

impl Likelihood for ComplexIntensity {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        for (i, (n, &y)) in cavity.natural().chunks_exact(2).zip(observed).enumerate() {
            let found = self.ring.moments(&self.plane(n, y, cavity.precision()));
            let [xx, xy, yy] = found.covariance;
            if ![found.mean[0], found.mean[1], xx, xy, yy].iter().all(|v| v.is_finite()) {
                return Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() + i });
            }
            out.mean[2 * i..2 * i + 2].copy_from_slice(&found.mean);
            out.covariance[4 * i..4 * i + 4].copy_from_slice(&[xx, xy, xy, yy]);
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
        finite::check(observed, "intensity")
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let rows = cavity.natural().chunks_exact(2).zip(observed);
        for (out, (n, &y)) in out.iter_mut().zip(rows) {
            *out = self.ring.moments(&self.plane(n, y, cavity.precision())).log_partition;
        }
        out.iter().all(|log| log.is_finite())
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let noise = self.variance.sqrt() * quantile(open_uniform(uniforms[0]));
        y[0] = z[0] * z[0] + z[1] * z[1] + noise;
    }

    fn name(&self) -> String {
        "complex intensity".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::plane::{self, Row};

    fn run(v: f64, y: f64, n: [f64; 2], gamma: [f64; 4]) -> Row {
        plane::answer(&ComplexIntensity::new(v).unwrap(), y, n, gamma)
    }

    fn expected(v: f64, y: f64, n: [f64; 2], gamma: [f64; 4]) -> Row {
        let constant = 0.5 * (core::f64::consts::TAU * v).ln();
        let log_density = |r: f64| -(y - r * r).powi(2) / (2.0 * v) - constant;
        plane::sum((240, 0.025), n, gamma, log_density)
    }

    #[test]
    fn full_precisions_agree_with_the_plane() {
        for (v, y, n, gamma) in [
            (0.3, 1.2, [0.4, -0.3], [1.0, 0.3, 0.3, 0.5]),
            (0.3, 1.2, [3.0, 1.0], [2.0, -0.9, -0.9, 0.7]),
            (0.3, -1.5, [0.4, -0.3], [1.0, 0.3, 0.3, 0.5]),
            (2.0, 0.0, [0.0, 0.0], [0.0; 4]),
            (2.0, -1.0, [0.0, 0.0], [3.0, 1.0, 1.0, 2.0]),
            (2.0, 0.4, [0.0, 0.0], [30.0, 29.0, 29.0, 30.0]),
            (0.5, 2.0, [0.05, 0.0], [0.0; 4]),
            (0.5, 1.5, [0.2, 0.1], [0.1, 0.2, 0.2, 60.0]),
            (0.5, 3.0, [0.0, 8.0], [60.0, 0.0, 0.0, 0.1]),
            (0.5, 3.0, [60.0, 0.2], [60.0, 0.0, 0.0, 0.1]),
            (5.0, -4.0, [0.2, 0.1], [0.1, 0.2, 0.2, 12.0]),
        ] {
            let (found, expected) = (run(v, y, n, gamma), expected(v, y, n, gamma));
            let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-11);
            assert!(close(&found.0, &expected.0), "{found:?} {expected:?}");
            assert!(close(&found.1, &expected.1), "{found:?} {expected:?}");
            assert!((found.2 - expected.2).abs() < 1e-10, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn thin_rings_are_circles() {
        for v in [1e-12, 1e-20, 1e-30] {
            // The circle of radius 2 of the example, under any isotropic precision.
            let (mean, covariance, _) = run(v, 4.0, [0.3, 0.4], [2.0, 0.0, 0.0, 2.0]);
            let ratio = 0.446_389_965_896_534_9;
            let expected = [2.0 * ratio * 0.6, 2.0 * ratio * 0.8];
            let close = |a: f64, b: f64| (a - b).abs() < 1e-11;
            assert!(close(mean[0], expected[0]) && close(mean[1], expected[1]), "{v}: {mean:?}");
            let square = covariance[0] + covariance[3] + mean[0] * mean[0] + mean[1] * mean[1];
            assert!(close(square, 4.0), "{v}: {covariance:?}");
        }
        // A known phase: across it as on the circle, along it the deviation of the root.
        let (mean, covariance, _) = run(1e-12, 4.0, [5e5, 0.0], [0.0; 4]);
        assert!((mean[0] - 2.0).abs() < 1e-6, "{mean:?}");
        assert!((covariance[3] * 5e5 / 2.0 - 1.0).abs() < 1e-5, "{covariance:?}");
        let along = 1e-12 / 16.0 + 0.5 / (5e5 * 5e5);
        assert!((covariance[0] / along - 1.0).abs() < 1e-4, "{covariance:?} {along}");
    }

    #[test]
    fn sharp_cavities_keep_their_covariance() {
        for gamma in [1e8, 1e12] {
            let mean = [0.6, -0.3];
            let n = mean.map(|m| m * gamma);
            let (found, covariance, _) = run(0.25, 1.3, n, [gamma, 0.0, 0.0, gamma]);
            assert!((found[0] - mean[0]).abs() < 20.0 / gamma, "{found:?}");
            assert!((found[1] - mean[1]).abs() < 20.0 / gamma, "{found:?}");
            for (c, e) in covariance.iter().zip([1.0, 0.0, 0.0, 1.0]) {
                assert!((c * gamma - e).abs() < 20.0 / gamma + 1e-8, "{covariance:?}");
            }
        }
        let (found, covariance, _) = run(0.25, 1.3, [0.0; 2], [1e12, 0.0, 0.0, 1e12]);
        assert!(found[0].hypot(found[1]) < 1e-18, "{found:?}");
        assert!((covariance[0] * 1e12 - 1.0).abs() < 1e-10, "{covariance:?}");
    }

    #[test]
    fn both_phases_of_a_ridge_count() {
        // The first column is known to be small: a quarter turn to either side, with odds exp(2 y n).
        let (mean, covariance, _) = run(1e-10, 1.0, [0.0, 0.5], [1e8, 0.0, 0.0, 0.0]);
        let tanh = f64::tanh(0.5);
        assert!(mean[0].abs() < 1e-12 && (mean[1] - tanh).abs() < 1e-7, "{mean:?}");
        assert!((covariance[0] * 1e8 - 1.0).abs() < 1e-6, "{covariance:?}");
        assert!((covariance[3] - (1.0 - tanh * tanh)).abs() < 1e-7, "{covariance:?}");
    }

    #[test]
    fn parameters_and_data_are_checked() {
        assert!(ComplexIntensity::new(0.0).is_err() && ComplexIntensity::new(f64::NAN).is_err());
        let model = ComplexIntensity::new(0.5).unwrap();
        assert_eq!(model.check(&[-3.0]), Ok(()));
        assert!(model.check(&[f64::INFINITY]).is_err() && model.check(&[1.0, 2.0]).is_err());
        let mut y = [0.0];
        model.draw(&[1.5, -2.0], &[0.5], &mut y);
        assert!((y[0] - 6.25).abs() < 1e-14, "{y:?}");
    }
}
