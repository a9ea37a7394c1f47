//! Squares of an unknown with noise as data: phase retrieval from intensities.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::quartic::{Masses, Wells};
use crate::family::{finite, formula, parted};

/// The square of a variable of one column, seen with Gaussian noise: what a detector of intensities reads, below zero where
/// the noise says so.
///
/// # Density
///
/// ```text
/// p(y | z) = N(y; z^2, v)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | noise variance `v` | - | `(0, inf)` | of the square |
///
/// Data without noise are magnitudes: take their roots for [`Magnitude`](crate::Magnitude), which noise before the square
/// is for, too. Complex unknowns: [`ComplexIntensity`](crate::ComplexIntensity).
///
/// # Estimate
///
/// Mean, variance and log-partition by quadrature. The posterior is the exponential of a polynomial, with a peak on the side of the cavity's mean and, where
/// the data are precise and positive, one on the other side:
///
/// ```text
/// exponent        n z - gamma z^2 / 2 - (y - z^2)^2 / (2 v)
///                 = n z - (z^2 - b)^2 / (2 v) + gamma^2 v / 8 - gamma y / 2,     b = y - gamma v / 2
/// ```
///
/// # Numerical notes and limits
///
/// * Equal steps around each peak, of a length that the density is resolved by up to `exp(-34)` wherever its peaks are; a
///   register of rows at a time. The exponent is a polynomial of the distance from next to the peak, so that weights are products
///   of ratios and no point takes an exponential. Nothing cancels, for variances of `1e-30` as for `1e30`. Where the valley
///   between both peaks counts their steps fit together.
/// * Peaks by Newton's method, which converges from one side as the slope is concave.
/// * Any cavity is legal, one without information included: the fourth power makes every posterior proper. With `n = 0` both
///   signs are alike and the mean is zero; models of intensities alone need a start that isn't.
/// * Some 20 nanoseconds a row with one peak, 60 with two.
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
/// let intensity = fg_denoisers::Intensity::new(1e-6)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// // A root of 9 whose sign is all but known.
/// let cavity = RowCavity::new(0, 1, &[-2.0], &[-2.0], &[1.0]);
/// intensity.estimate(&[9.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[0] + 3.0 * 6f64.tanh()).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Intensity {
    variance: f64,
}

impl Intensity {
    /// Squares with Gaussian noise of this variance.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < variance < inf`.
    pub fn new(variance: f64) -> Result<Self, ParameterError> {
        Ok(Self { variance: error::positive("noise variance", variance)? })
    }

    /// Variance of the noise.
    pub fn variance(&self) -> f64 {
        self.variance
    }
}

impl Likelihood for Intensity {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        _scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let wells = Wells::new(self.variance, cavity.scalar_precision());
        let kind = |row: [f64; 2]| usize::from(wells.has_two(row));
        let input = [cavity.natural(), observed];
        if parted::apply_parted::<2, 2>(&wells, kind, input, out) {
            return Ok(());
        }
        finite::answers(cavity, out)
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        finite::check(observed, "intensity")
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let wells = Wells::new(self.variance, cavity.scalar_precision());
        let [found, _] = formula::found(&Masses(wells), [cavity.natural(), observed]);
        out.copy_from_slice(&found);
        out.iter().all(|log| log.is_finite())
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        y[0] = z[0] * z[0] + self.variance.sqrt() * quantile(open_uniform(uniforms[0]));
    }

    fn name(&self) -> String {
        "intensity".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_data_are_checked() {
        assert!(Intensity::new(0.0).is_err() && Intensity::new(f64::NAN).is_err());
        let intensity = Intensity::new(0.5).unwrap();
        assert_eq!(intensity.check(&[-3.0]), Ok(()));
        assert!(intensity.check(&[f64::NAN]).is_err() && intensity.check(&[]).is_err());
    }

    #[test]
    fn the_mirror_image_has_the_mirrored_mean() {
        let intensity = Intensity::new(0.5).unwrap();
        let ask = |n: f64| {
            let (mut mean, mut variance) = ([0.0], [0.0]);
            let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
            let natural = [n];
            let cavity = RowCavity::new(0, 1, &natural, &natural, &[0.4]);
            intensity.estimate(&[1.3], &cavity, &mut out, &mut Scratch::default()).unwrap();
            (mean[0], variance[0])
        };
        let (a, b) = (ask(1.7), ask(-1.7));
        assert_eq!(a, (-b.0, b.1));
    }

    #[test]
    fn noise_is_added_to_the_square() {
        let mut y = [0.0];
        Intensity::new(4.0).unwrap().draw(&[-1.5], &[0.5], &mut y);
        assert!((y[0] - 2.25).abs() < 1e-15, "{y:?}");
        Intensity::new(4.0).unwrap().draw(&[-0.1], &[0.1], &mut y);
        assert!(y[0] < 0.0, "{y:?}");
    }
}
