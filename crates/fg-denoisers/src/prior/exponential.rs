//! Positive entries with an exponential tail.

use fg_core::denoiser::{Denoiser, Law, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::open_uniform;

use crate::error::{self, ParameterError};
use crate::family::{Piece, Rule, pieces};

/// Exponential entries of a variable of one column.
///
/// # Density
///
/// ```text
/// f(x) = exp(-x / s) / s  for x > 0
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | scale `s` | - | `(0, inf)` | mean |
///
/// # Estimate
///
/// A normal law of natural parameter `n - 1 / s` and precision `gamma` cut off at zero.
///
/// # Numerical notes and limits
///
/// * By Mills' ratio, to full relative accuracy in both tails. With `gamma = 0` it is exponential of rate `1 / s - n`,
///   improper unless that is positive.
/// * For a register of entries at a time; some 8 ns an entry.
///
/// # Reference
///
/// M. N. Schmidt, O. Winther and L. K. Hansen, "Bayesian Non-negative Matrix Factorization", Independent Component
/// Analysis and Signal Separation (2009), doi 10.1007/978-3-642-00599-2_68.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let prior = fg_denoisers::Exponential::new(2.0)?;
/// let (mut mean, mut variance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// prior.estimate(&RowCavity::new(0, 1, &[-1.0], &[-1.0], &[1.0]), &mut out, &mut Scratch::default())?;
/// assert!(mean[0] > 0.0); // seen below zero, it is small
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Exponential {
    scale: f64,
    density: [Piece; 1],
    rule: Rule,
}

impl Exponential {
    /// Entries of this mean.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < scale < inf`.
    pub fn new(scale: f64) -> Result<Self, ParameterError> {
        let scale = error::positive("scale", scale)?;
        let density = [Piece::line(0.0, f64::INFINITY, -scale.ln(), -scale.recip())];
        Ok(Self { scale, density, rule: Rule::new() })
    }

    /// The mean.
    pub fn scale(&self) -> f64 {
        self.scale
    }
}

impl Denoiser for Exponential {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        pieces::estimate_alike(&self.density, &self.rule, cavity, out, scratch)
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        pieces::log_partition(|_| &self.density, &self.rule, cavity, out)
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn name(&self) -> String {
        "exponential".to_owned()
    }
}

impl Law for Exponential {
    fn uniforms(&self, _d: usize) -> usize {
        1
    }

    fn jumps(&self) -> Option<Vec<f64>> {
        Some(Vec::new())
    }

    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        row[0] = -self.scale * (-open_uniform(uniforms[0])).ln_1p();
    }
}
