//! The lasso penalty, whose proximal operator is the soft threshold.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use super::shrinkage::Shrinkage;
use crate::error::{self, ParameterError};

/// The penalty `weight * |x|_1` on rows of any number of columns.
///
/// # Density
///
/// ```text
/// f(x) = exp(-l |x|_1)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | - | `[0, inf)` | cost of a unit of absolute value; a [`Laplace`](crate::Laplace) prior of scale `1 / l` has the same maximum |
///
/// # Estimate
///
/// ```text
/// estimate        argmin l |x|_1 + x' Gamma x / 2 - n'x
///                 for diagonal Gamma    x_j = sign(n_j) max(|n_j| - l, 0) / gamma_j
/// covariance      inverse of the block of Gamma where x is not zero, and zero elsewhere
/// log-partition   the maximum, x'(n - l sign x) / 2
/// ```
///
/// # Numerical notes
///
/// * Written in `n`, not in `r = n / gamma`: a vanishing precision is legal while the minimum exists (`|n_j| <= l` at
///   `gamma_j = 0`), and otherwise [`Breakdown::ImproperCavity`].
/// * For a full `Gamma` an active-set method ends at the exact support, optimal to the rounding of the gradient, after
///   about one `O(d^3)` solve for each entry that isn't zero. Singular `Gamma` is legal.
/// * The soft threshold is continuous, so its average Jacobian has no jumps; a covariance can be exactly zero.
/// * One column: 1 ns a row.
///
/// # Reference
///
/// R. Tibshirani, "Regression Shrinkage and Selection via the Lasso", Journal of the Royal Statistical Society B 58
/// (1996), doi 10.1111/j.2517-6161.1996.tb02080.x; the active set as in H. Lee et al., "Efficient sparse coding
/// algorithms" (2006), doi 10.7551/mitpress/7503.003.0105.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::L1::new(1.0)?;
/// let (mut x, mut covariance) = ([0.0; 3], [0.0; 3]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let cavity = RowCavity::new(0, 1, &[-4.0, 0.5, 3.0], &[-2.0, 0.25, 1.5], &[2.0]);
/// penalty.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert_eq!(x, [-1.5, 0.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct L1 {
    shrinkage: Shrinkage,
}

impl L1 {
    /// The penalty of this weight.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= weight < inf`.
    pub fn new(weight: f64) -> Result<Self, ParameterError> {
        let l1 = error::not_negative("weight", weight)?;
        Ok(Self { shrinkage: Shrinkage { l1, l2: 0.0 } })
    }

    /// Cost of a unit of absolute value.
    pub fn weight(&self) -> f64 {
        self.shrinkage.l1
    }
}

impl Denoiser for L1 {
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
        "L1".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_cavity_is_legal_while_the_pull_stays_below_the_weight() {
        let penalty = L1::new(1.0).unwrap();
        let run = |n: &[f64]| {
            let mut out = RowEstimate { mean: &mut [f64::NAN; 2], covariance: &mut [f64::NAN; 2] };
            let cavity = RowCavity::new(4, 1, n, n, &[0.0]);
            penalty.estimate(&cavity, &mut out, &mut Scratch::default())?;
            Ok((out.mean[1], out.covariance[1]))
        };
        assert_eq!(run(&[0.0, 1.0]), Ok((0.0, 0.0)));
        assert_eq!(run(&[0.0, 1.5]), Err(Breakdown::ImproperCavity { port: 0, row: 5 }));
    }

    #[test]
    fn a_correlated_precision_changes_the_support() {
        // At Gamma = I the second entry is 0.5; strong correlation with the first removes it.
        let penalty = L1::new(1.0).unwrap();
        let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(0, 2, &[3.0, 1.5], &[0.0; 2], &[1.0, 0.5, 0.5, 1.0]);
        penalty.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        assert_eq!((mean, covariance), ([2.0, 0.0], [1.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn parameters_are_checked() {
        assert!(L1::new(-1.0).is_err() && L1::new(f64::NAN).is_err());
    }
}
