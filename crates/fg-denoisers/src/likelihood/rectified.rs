//! Data behind a (leaky) ReLU, with noise or without.

use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{log_pdf, open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::formula;
use crate::family::sides::Sides;
use crate::family::{Piece, Rule, pieces};

/// Outputs of a ReLU or leaky ReLU with Gaussian noise.
///
/// # Density
///
/// ```text
/// y = max(z, 0) + a min(z, 0) + noise
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | slope `a` | 0 | `[0, inf)` | slope on the left of zero |
/// | variance `v` | - | `[0, inf)` | of the noise |
///
/// # Estimate
///
/// Two pieces that meet at zero. On the right a Gaussian around `y` of variance `v`; on the left one around `y / a` of
/// variance `v / a^2`, or for `a = 0` the cavity alone with weight `N(y; 0, v)`; each with its share of the mass. Without
/// noise, positive outputs and those of a leaky unit say what `z` is, and an output of zero that it isn't positive.
///
/// # Numerical notes and limits
///
/// * By Mills' ratio on both sides, masses relative to the weights at zero.
/// * For `a = 0` and `gamma = 0` it is improper: nothing bounds `z` on the left.
/// * For a register of entries at a time with noise; some 16 ns an entry.
///
/// # Reference
///
/// A. K. Fletcher, S. Rangan and P. Schniter, "Inference in Deep Networks in High Dimensions", IEEE International Symposium
/// on Information Theory (2018), doi 10.1109/ISIT.2018.8437792.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Likelihood, RowCavity, RowEstimate, Scratch};
/// let output = fg_denoisers::Rectified::relu(0.0)?;
/// let (mut mean, mut variance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// let cavity = RowCavity::new(0, 1, &[0.0; 2], &[0.0; 2], &[1.0]);
/// output.estimate(&[0.7, 0.0], &cavity, &mut out, &mut Scratch::default())?;
/// assert!((mean[0] - 0.7).abs() < 1e-15 && mean[1] < 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rectified {
    slope: f64,
    variance: f64,
    rule: Rule,
}

impl Rectified {
    /// Outputs of a ReLU with noise of this variance.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= variance < inf`.
    pub fn relu(variance: f64) -> Result<Self, ParameterError> {
        Self::leaky_relu(0.0, variance)
    }

    /// Outputs of a leaky ReLU of this slope on the left, with noise of this variance.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= slope < inf` and `0 <= variance < inf`.
    pub fn leaky_relu(slope: f64, variance: f64) -> Result<Self, ParameterError> {
        let slope = error::not_negative("slope", slope)?;
        let variance = error::not_negative("noise variance", variance)?;
        Ok(Self { slope, variance, rule: Rule::new() })
    }

    /// Slope on the left of zero.
    pub fn slope(&self) -> f64 {
        self.slope
    }

    /// Variance of the noise.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    fn density(&self, y: f64) -> [Piece; 2] {
        const NONE: f64 = f64::NEG_INFINITY;
        let (a, v) = (self.slope, self.variance);
        if v == 0.0 {
            let left = match a > 0.0 {
                true => Piece::atom((y / a).min(0.0), if y < 0.0 { -a.ln() } else { NONE }),
                false => Piece::line(NONE, 0.0, if y > 0.0 { NONE } else { 0.0 }, 0.0),
            };
            // Zero itself has no weight beside the half line that a ReLU maps to it.
            let right = if y > 0.0 || (y == 0.0 && a > 0.0) { 0.0 } else { NONE };
            return [left, Piece::atom(y.max(0.0), right)];
        }
        let left = match a > 0.0 {
            true => Piece::gaussian(NONE, 0.0, -a.ln(), y / a, v / (a * a)),
            false => {
                let deviation = v.sqrt();
                Piece::line(NONE, 0.0, log_pdf(y / deviation) - deviation.ln(), 0.0)
            }
        };
        [left, Piece::gaussian(0.0, f64::INFINITY, 0.0, y, v)]
    }
}

impl Likelihood for Rectified {
    fn estimate(
        &self,
        observed: &[f64],
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let gamma = cavity.scalar_precision();
        if self.variance > 0.0 && gamma > 0.0 {
            let sides = Sides::new((1.0, self.slope), (0.0, self.variance.recip()), gamma);
            formula::apply_observed(&sides, observed, cavity, out);
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

    fn check(&self, observed: &[f64]) -> Result<(), String> {
        match observed {
            [y] if self.variance == 0.0 && self.slope == 0.0 && *y < 0.0 => {
                Err(format!("an output of a ReLU without noise must be at least 0, got {y}"))
            }
            _ => Ok(()),
        }
    }

    fn log_partition(&self, observed: &[f64], cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        pieces::log_partition(|i| self.density(observed[i]), &self.rule, cavity, out)
    }

    fn uniforms(&self, _d: usize) -> Option<usize> {
        Some(1)
    }

    fn draw(&self, z: &[f64], uniforms: &[f64], y: &mut [f64]) {
        let noise = self.variance.sqrt() * quantile(open_uniform(uniforms[0]));
        y[0] = z[0].max(0.0) + self.slope * z[0].min(0.0) + noise;
    }

    fn name(&self) -> String {
        if self.slope > 0.0 { "leaky ReLU output" } else { "ReLU output" }.to_owned()
    }
}
