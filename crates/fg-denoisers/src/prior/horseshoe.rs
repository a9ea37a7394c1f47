//! Sparse entries without exact zeros: a sharp peak and heavy tails.

use core::f64::consts::FRAC_PI_2;

use fg_core::denoiser::{Denoiser, Law, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::{open_uniform, quantile};

use crate::error::{self, ParameterError};
use crate::family::{Mixing, ScaleMixture};

/// The horseshoe: entries of a variable of one column that are mostly very small, and now and then of any size.
///
/// # Density
///
/// ```text
/// f(x) = int N(x; 0, s^2 lambda^2) 2 / (pi (1 + lambda^2)) dlambda,      lambda > 0
/// ```
///
/// It is infinite at zero, as a logarithm, and falls as `1 / x^2`.
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | scale `s` | - | `(0, inf)` | half of all entries have a deviation below it |
///
/// # Estimate
///
/// As [`StudentT`](crate::StudentT), with `v = lambda^2`: the share of the evidence that is kept, `gamma b`, is near zero for
/// small entries and near one for large ones.
///
/// # Numerical notes and limits
///
/// * Equal steps in `log v` as for [`StudentT`](crate::StudentT). Small variances count as their square root only, so that the
///   rule reaches far down: mean and variance are good to `1e-12`, relative, at any precision and 30 deviations out.
/// * The law has no mean. Without precision every estimate is [`Breakdown::ImproperCavity`].
/// * Some 500 exponentials an entry.
///
/// # Reference
///
/// C. M. Carvalho, N. G. Polson and J. G. Scott, "The horseshoe estimator for sparse signals", Biometrika 97 (2010), doi
/// 10.1093/biomet/asq017.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let prior = fg_denoisers::Horseshoe::new(0.1)?;
/// let (mut mean, mut variance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut mean, covariance: &mut variance };
/// let cavity = RowCavity::new(0, 1, &[1.0, 10.0], &[1.0, 10.0], &[1.0]);
/// prior.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert!(mean[0] < 0.2 && mean[1] > 9.7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Horseshoe {
    mixture: ScaleMixture,
}

impl Horseshoe {
    /// Entries of this scale.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < scale < inf`.
    pub fn new(scale: f64) -> Result<Self, ParameterError> {
        let scale = error::positive("scale", scale)?;
        Ok(Self { mixture: ScaleMixture::new(scale, Mixing::HalfCauchy) })
    }

    /// Scale `s`.
    pub fn scale(&self) -> f64 {
        self.mixture.scale()
    }
}

impl Denoiser for Horseshoe {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.mixture.estimate(cavity, out, scratch)
    }

    fn columns(&self) -> Option<usize> {
        Some(1)
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        self.mixture.log_partition(cavity, out)
    }

    fn law(&self) -> Option<&dyn Law> {
        Some(self)
    }

    fn name(&self) -> String {
        "horseshoe".to_owned()
    }
}

impl Law for Horseshoe {
    fn uniforms(&self, _d: usize) -> usize {
        2
    }

    /// The first uniform makes the deviation, the second the entry.
    fn draw(&self, uniforms: &[f64], row: &mut [f64]) {
        let deviation = (FRAC_PI_2 * open_uniform(uniforms[0])).tan();
        row[0] = self.mixture.scale() * deviation * quantile(open_uniform(uniforms[1]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_precision_there_is_no_estimate() {
        let prior = Horseshoe::new(1.0).unwrap();
        let cavity = RowCavity::new(3, 1, &[0.0], &[0.0], &[0.0]);
        let mut out = RowEstimate { mean: &mut [0.0], covariance: &mut [0.0] };
        let found = prior.estimate(&cavity, &mut out, &mut Scratch::default());
        assert_eq!(found, Err(Breakdown::ImproperCavity { port: 0, row: 3 }));
    }

    #[test]
    fn parameters_are_checked() {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Horseshoe::new(scale).is_err(), "{scale}");
        }
    }
}
