//! Data with heavy-tailed noise: absolute deviations.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::open_uniform;

use crate::error::{self, ParameterError};
use crate::family::formula::{self, Cusp};
use crate::family::{Piece, Rule, pieces};

/// Data with Laplace noise: robust regression by absolute deviations.
///
/// # Density
///
/// ```text
/// p(y | z) = exp(-|y - z| / s) / (2 s)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | scale `s` | - | `(0, inf)` | mean absolute deviation |
///
/// # Estimate
///
/// On either side of `y` a Gaussian of natural parameter `n + 1 / s` (left) or `n - 1 / s` (right) and precision `gamma`,
/// cut off at `y`, with their shares of the mass.
///
/// # Numerical notes and limits
///
/// * By Mills' ratio on both sides, masses relative to the weight at `y`: outliers any number of deviations away keep
///   their digits. With `gamma = 0` it is improper unless `|n| < 1 / s`.
/// * For a register of entries at a time; some 13 ns an entry.
///
/// # Reference
///
/// P. J. Huber and E. M. Ronchetti, *Robust Statistics* (2009), doi 10.1002/9780470434697.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let noise = fg_denoisers::LaplaceNoise::new(0.5)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// // An outlier at 100 moves the estimate by no more than the slope of its cost, 1 / s.
/// let cavity = RowCavity::new(0, 1, &[0.0], &[0.0], &[1.0]);
/// noise.estimate(&[100.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 2.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LaplaceNoise {
    scale: f64,
    rule: Rule,
}

impl LaplaceNoise {
    /// Noise of this mean absolute deviation.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < scale < inf`.
    pub fn new(scale: f64) -> Result<Self, ParameterError> {
        Ok(Self { scale: error::positive("scale", scale)?, rule: Rule::new() })
    }

    /// Mean absolute deviation.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    fn density(&self, y: f64) -> [Piece; 2] {
        let (height, rate) = (-(2.0 * self.scale).ln(), self.scale.recip());
        [
            Piece::line(f64::NEG_INFINITY, y, height, rate),
            Piece::line(y, f64::INFINITY, height, -rate),
        ]
    }
}

impl Likelihood for LaplaceNoise {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let gamma = cavity.scalar_precision();
        if gamma > 0.0 {
            formula::apply_observed(&Cusp::new(self.scale.recip(), gamma), observed, cavity, out);
            return Ok(());
        }
        pieces::estimate(|i| self.density(observed[i]), &self.rule, cavity, out, scratch)
    }

    fn outputs(&self, _d: usize) -> usize {
        1
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        pieces::log_partition(|i| self.density(observed[i]), &self.rule, cavity, out)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let u = open_uniform(uniforms[0]);
        let noise = if u < 0.5 { (2.0 * u).ln() } else { -(2.0 * (1.0 - u)).ln() };
        y[0] = z[0] + self.scale * noise;
    }

    fn name(&self) -> String {
        "Laplace noise".to_owned()
    }
}
