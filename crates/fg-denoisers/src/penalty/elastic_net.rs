//! The elastic net, a lasso with a ridge.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use super::shrinkage::Shrinkage;
use crate::error::{self, ParameterError};

/// The penalty `l1 |x|_1 + l2 x'x / 2` on rows of any number of columns.
///
/// # Density
///
/// ```text
/// f(x) = exp(-l1 |x|_1 - l2 x'x / 2)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | `l1` | - | `[0, inf)` | cost of a unit of absolute value |
/// | `l2` | - | `[0, inf)` | precision of the ridge: half of it is the cost of a unit of square |
///
/// # Estimate
///
/// That of [`L1`](crate::L1) with `Gamma + l2 I` in place of `Gamma`:
///
/// ```text
/// estimate        argmin l1 |x|_1 + x' (Gamma + l2 I) x / 2 - n'x
/// covariance      inverse of the block of Gamma + l2 I where x is not zero, and zero elsewhere
/// log-partition   the maximum, x'(n - l1 sign x) / 2
/// ```
///
/// # Numerical notes
///
/// As for [`L1`](crate::L1). With `l2 > 0` the estimate exists for any cavity, no information included.
///
/// # Reference
///
/// H. Zou and T. Hastie, "Regularization and variable selection via the elastic net", Journal of the Royal Statistical
/// Society B 67 (2005), doi 10.1111/j.1467-9868.2005.00503.x.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::ElasticNet::new(1.0, 2.0)?;
/// let (mut x, mut covariance) = ([0.0], [0.0]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// penalty.estimate(&RowCavity::new(0, 1, &[9.0], &[4.5], &[2.0]), &mut out, &mut Scratch::default())?;
/// assert_eq!((x, covariance), ([2.0], [0.25]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNet {
    shrinkage: Shrinkage,
}

impl ElasticNet {
    /// The penalty of these weights.
    ///
    /// # Errors
    /// [`ParameterError`] unless both are at least zero and finite.
    pub fn new(l1: f64, l2: f64) -> Result<Self, ParameterError> {
        let (l1, l2) = (error::not_negative("l1", l1)?, error::not_negative("l2", l2)?);
        Ok(Self { shrinkage: Shrinkage { l1, l2 } })
    }

    /// Cost of a unit of absolute value.
    pub fn l1(&self) -> f64 {
        self.shrinkage.l1
    }

    /// Precision of the ridge.
    pub fn l2(&self) -> f64 {
        self.shrinkage.l2
    }
}

impl Denoiser for ElasticNet {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.shrinkage.estimate(cavity, out, scratch)
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        self.shrinkage.log_partition(cavity, out);
        true
    }

    fn name(&self) -> String {
        "elastic net".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked_by_name() {
        let error = ElasticNet::new(1.0, -2.0).unwrap_err();
        assert_eq!(error.to_string(), "l2 must be finite and at least 0, got -2");
        assert!(ElasticNet::new(f64::INFINITY, 0.0).is_err());
    }
}
