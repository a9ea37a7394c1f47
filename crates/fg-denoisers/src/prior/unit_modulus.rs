//! Complex entries of known modulus and unknown phase.

use core::f64::consts::TAU;

use fg_core::denoiser::{Denoiser, Law, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use crate::error::{self, ParameterError};
use crate::family::circle::{Circle, Harmonics, Turned};

/// Points of the plane at a known distance from the origin, in any direction: complex entries whose modulus is known, as two
/// columns.
///
/// # Density
///
/// ```text
/// x = R (cos t, sin t),      t uniform on [0, 2 pi)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | radius `R` | 1 | `(0, inf)` | the modulus |
///
/// # Estimate
///
/// The angle has the density `exp(e(t))`, `e(t) = n'x - x' Gamma x / 2`: one harmonic of `t` from `n`, and one of `2 t` from
/// what differs between the columns of `Gamma`.
///
/// ```text
/// mean            E x
/// covariance      E (x - E x)(x - E x)'
/// log-partition   log int exp(e(t)) dt / (2 pi)
/// ```
///
/// Where `Gamma` is isotropic this is von Mises' law of concentration `k = R abs(n)`: the mean has the length
/// `R I_1(k) / I_0(k)`.
///
/// # Numerical notes and limits
///
/// * The integrand is entire and periodic: the trapezoidal rule with a step of its narrowest width is exact to rounding at
///   any concentration. Only points within 40 nats of the peak count; the walk starts at each of the one or two peaks.
/// * Moments are taken about the highest peak by `1 - cos` and `sin` of the angle from there, which keep their digits where
///   the angle is nearly known: the radial variance is then half the square of the tangential one.
/// * Any precision is legal, zero and singular ones included.
/// * Some 25 to 250 exponentials a row.
///
/// # Reference
///
/// K. V. Mardia and P. E. Jupp, *Directional Statistics* (2000), section 3.5.4.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let prior = fg_denoisers::UnitModulus::new();
/// let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
/// // Seen at (0, 3) with noise of precision 10: the direction is nearly known, the length is one.
/// let cavity = RowCavity::new(0, 2, &[0.0, 30.0], &[0.0, 3.0], &[10.0, 0.0, 0.0, 10.0]);
/// prior.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert!(mean[0].abs() < 1e-12 && (mean[1] - 1.0).abs() < 0.02);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct UnitModulus {
    radius: f64,
    circle: Circle,
}

impl Default for UnitModulus {
    fn default() -> Self {
        Self::new()
    }
}

impl UnitModulus {
    /// Points at distance one.
    pub fn new() -> Self {
        Self { radius: 1.0, circle: Circle::new() }
    }

    /// Points at this distance.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < radius < inf`.
    pub fn with_radius(radius: f64) -> Result<Self, ParameterError> {
        Ok(Self { radius: error::positive("radius", radius)?, ..Self::new() })
    }

    /// The distance from the origin.
    pub fn radius(&self) -> f64 {
        self.radius
    }

    /// The direction's moments, and the log-partition function.
    fn answer(&self, n: &[f64], gamma: &[f64]) -> (Turned, f64) {
        let r = self.radius;
        // x' Gamma x = R^2 (trace / 2 + (g11 - g22) / 2 cos 2t + g12 sin 2t).
        let quarter = -0.25 * r * r;
        let found = self.circle.moments(&Harmonics {
            first: [r * n[0], r * n[1]],
            second: [quarter * (gamma[0] - gamma[3]), quarter * (gamma[1] + gamma[2])],
        });
        let log = quarter * (gamma[0] + gamma[3]) + (found.log_integral - TAU.ln());
        (found, log)
    }
}

impl Denoiser for UnitModulus {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let r = self.radius;
        for (i, n) in cavity.natural().chunks_exact(2).enumerate() {
            let (found, _) = self.answer(n, cavity.precision());
            out.mean[2 * i..2 * i + 2].copy_from_slice(&found.mean.map(|m| r * m));
            let [xx, xy, yy] = found.covariance.map(|c| r * r * c);
            out.covariance[4 * i..4 * i + 4].copy_from_slice(&[xx, xy, xy, yy]);
        }
        Ok(())
    }

    fn columns(&self) -> Option<usize> {
        Some(2)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        for (out, n) in out.iter_mut().zip(cavity.natural().chunks_exact(2)) {
            *out = self.answer(n, cavity.precision()).1;
        }
        true
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn name(&self) -> String {
        "unit modulus".to_owned()
    }
}

impl Law for UnitModulus {
    fn uniforms(&self, _d: usize) -> usize {
        1
    }

    /// Smooth all around.
    fn jumps(&self) -> Option<Vec<f64>> {
        Some(Vec::new())
    }

    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        let (s, c) = (TAU * uniforms[0]).sin_cos();
        row.copy_from_slice(&[self.radius * c, self.radius * s]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of sums over two hundred points.
    const ROUNDING: f64 = 1e-13;

    /// `k`, `I_1(k) / I_0(k)`, its radial variance `1 - A / k - A^2` and `log I_0(k)`: mpmath with 40 digits.
    #[rustfmt::skip]
    const VON_MISES: [[f64; 4]; 8] = [
        [0.001, 0.000499999937500010427, 0.499999812500052083, 2.49999984375001747e-7],
        [0.3, 0.148337426940875257, 0.483537917965642953, 0.0223746886220419032],
        [1.0, 0.446389965896534507, 0.354346032450356253, 0.235914358507178649],
        [5.0, 0.893383137044085222, 0.0231899430364521996, 3.30468177582253343],
        [40.0, 0.987419841336350658, 0.000316560901887325029, 37.2397868613523568],
        [1000.0, 0.99949987487480428, 5.0025037578328756e-7, 995.627308889869465],
        [1000000.0, 0.999999499999875, 5.00000250000375001e-13, 999992.173306312813],
        [10000000000.0, 0.99999999995, 5.00000000025e-21, 9999999987.568136],
    ];

    #[test]
    fn isotropic_precisions_give_von_mises_law() {
        let prior = UnitModulus::new();
        for [k, ratio, radial, log] in VON_MISES {
            for angle in [0.0, 0.7, -2.0, 0.5 * TAU] {
                let (s, c) = f64::sin_cos(angle);
                let (Turned { mean, covariance, .. }, found) =
                    prior.answer(&[k * c, k * s], &[2.0, 0.0, 0.0, 2.0]);
                let (a, b) = (mean[0] * c + mean[1] * s, mean[1] * c - mean[0] * s);
                assert!((a - ratio).abs() < ROUNDING && b.abs() < ROUNDING, "{k}: {mean:?}");
                assert!((found - (log - 1.0)).abs() < ROUNDING * (1.0 + log.abs()), "{k}: {found}");
                // Rotating back mixes the two variances: along the axes they stand alone.
                if angle == 0.0 {
                    let tangential = ratio / k;
                    let close = |x: f64, y: f64| (x / y - 1.0).abs() < 10.0 * ROUNDING;
                    assert!(close(covariance[0], radial), "{k}: {covariance:?} {radial}");
                    assert!(close(covariance[2], tangential), "{k}: {covariance:?} {tangential}");
                }
            }
        }
    }

    #[test]
    fn full_precisions_agree_with_equal_steps_around_the_circle() {
        /// The rule converges exponentially once it resolves the peaks.
        const STEPS: usize = 4096;
        let prior = UnitModulus::with_radius(1.5).unwrap();
        for gamma in [[3.0, 1.0, 1.0, 0.5], [40.0, -9.0, -9.0, 4.0], [0.0, 0.0, 0.0, 70.0]] {
            for n in [[0.0, 0.0], [1.0, -2.0], [0.0, 30.0], [12.0, 1e-3]] {
                let exponent = |t: f64| {
                    let x = [1.5 * t.cos(), 1.5 * t.sin()];
                    let pull = gamma[0] * x[0] * x[0] + 2.0 * gamma[1] * x[0] * x[1];
                    n[0] * x[0] + n[1] * x[1] - 0.5 * (pull + gamma[3] * x[1] * x[1])
                };
                let angles = || (0..STEPS).map(|k| TAU * k as f64 / STEPS as f64);
                let height = angles().map(exponent).fold(f64::NEG_INFINITY, f64::max);
                let mean_of = |f: &dyn Fn(f64) -> f64| {
                    angles().map(|t| (exponent(t) - height).exp() * f(t)).sum::<f64>()
                        / STEPS as f64
                };
                let total = mean_of(&|_| 1.0);
                let mean = [mean_of(&f64::cos) / total, mean_of(&f64::sin) / total];
                let xy = mean_of(&|t| (t.cos() - mean[0]) * (t.sin() - mean[1])) / total;
                let yy = mean_of(&|t| (t.sin() - mean[1]).powi(2)) / total;
                let (Turned { mean: found, covariance, .. }, log) = prior.answer(&n, &gamma);
                let expected = [mean[0], mean[1], xy, yy, height + total.ln()];
                let all = [found[0], found[1], covariance[1], covariance[2], log];
                for (a, b) in all.iter().zip(expected) {
                    assert!(
                        (a - b).abs() < 10.0 * ROUNDING * (1.0 + b.abs()),
                        "{all:?} {expected:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn parameters_are_checked() {
        for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(UnitModulus::with_radius(radius).is_err(), "{radius}");
        }
    }
}
