//! Huber's cost of the entries of an unknown: square near zero, linear beyond.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use super::piecewise::{Piece, Piecewise};
use crate::error::{self, ParameterError};

/// The penalty `weight * h(x)` with Huber's function `h`, on rows of any number of columns.
///
/// # Density
///
/// ```text
/// f(x) = exp(-l sum_j h(x_j)),   h(x) = x^2 / 2            for |x| <= t
///                                       t |x| - t^2 / 2    beyond
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | - | `[0, inf)` | curvature of the cost near zero |
/// | threshold `t` | - | `(0, inf)` | where the square ends |
///
/// # Estimate
///
/// ```text
/// estimate        argmin l sum_j h(x_j) + x' Gamma x / 2 - n'x
///                 for diagonal Gamma    n_j / (gamma_j + l)             while that is within the threshold,
///                                       (|n_j| - l t) / gamma_j, signed   beyond
/// covariance      (Gamma + D)^-1 with D = diag(l where |x_j| <= t, else 0)
/// log-partition   the maximum
/// ```
///
/// # Numerical notes
///
/// * A vanishing precision is legal while the minimum exists (`|n_j| <= l t` at `gamma_j = 0`), and otherwise
///   [`Breakdown::ImproperCavity`].
/// * For a full `Gamma` the active-set method of [`L1`](crate::L1); singular `Gamma` is legal.
/// * The estimate is continuous in `n`. Exactly at a threshold, where the slopes to both sides differ, the covariance is that
///   of the square in one column, and zero in this entry in several.
///
/// # Reference
///
/// P. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35 (1964),
/// doi 10.1214/aoms/1177703732.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::Huber::new(2.0, 1.0)?;
/// let (mut x, mut covariance) = ([0.0; 2], [0.0; 2]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let cavity = RowCavity::new(0, 1, &[2.0, -6.0], &[1.0, -3.0], &[2.0]);
/// penalty.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert_eq!((x, covariance), ([0.5, -2.0], [0.25, 0.5]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Huber {
    weight: f64,
    threshold: f64,
    cost: Piecewise,
}

impl Huber {
    /// The penalty of this weight and threshold.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= weight < inf` and `0 < threshold < inf`.
    pub fn new(weight: f64, threshold: f64) -> Result<Self, ParameterError> {
        error::not_negative("weight", weight)?;
        error::positive("threshold", threshold)?;
        let slope = weight * threshold;
        let beyond = |slope| Piece::new(-0.5 * weight * threshold * threshold, slope, 0.0);
        let pieces = [beyond(-slope), Piece::new(0.0, 0.0, weight), beyond(slope)];
        Ok(Self { weight, threshold, cost: Piecewise::two_kinks([-threshold, threshold], pieces) })
    }

    /// Curvature of the cost near zero.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Where the square ends.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }
}

impl Denoiser for Huber {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        self.cost.estimate(cavity, out, scratch)
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        self.cost.log_partition(cavity, None, out);
        true
    }

    fn name(&self) -> String {
        "Huber".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_passes_its_threshold_on_the_way_to_the_solution() {
        let penalty = Huber::new(1.0, 1.0).unwrap();
        let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(0, 2, &[19.0, -19.0], &[0.0; 2], &[2.0, 1.0, 1.0, 2.0]);
        penalty.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        // n - slope = (18, -18), an eigenvector of Gamma of eigenvalue 1.
        assert!((mean[0] - 18.0).abs() < 1e-13 && (mean[1] + 18.0).abs() < 1e-13, "{mean:?}");
        assert!((covariance[0] - 2.0 / 3.0).abs() < 1e-15, "{covariance:?}");
    }

    #[test]
    fn parameters_are_checked() {
        assert!(Huber::new(-1.0, 1.0).is_err() && Huber::new(1.0, 0.0).is_err());
        assert!(Huber::new(f64::NAN, 1.0).is_err() && Huber::new(1.0, f64::NAN).is_err());
    }
}
