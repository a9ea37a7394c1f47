//! Entries that can't be negative, with or without a cost of their size.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use super::piecewise::{Piece, Piecewise};
use crate::error::{self, ParameterError};

/// Rows without negative entries, at a cost of `weight` a unit.
///
/// # Density
///
/// ```text
/// f(x) = exp(-l sum_j x_j)   where all x_j >= 0, else 0
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | 0 | `[0, inf)` | cost of a unit; an [`Exponential`](crate::Exponential) prior of mean `1 / l` has the same maximum |
///
/// # Estimate
///
/// ```text
/// estimate        argmin over x >= 0 of l sum_j x_j + x' Gamma x / 2 - n'x
///                 for diagonal Gamma    x_j = max(n_j - l, 0) / gamma_j
/// covariance      inverse of the block of Gamma where x is not zero, and zero elsewhere
/// log-partition   the maximum, sum_j x_j (n_j - l) / 2
/// ```
///
/// # Numerical notes
///
/// * A vanishing precision is legal while the minimum exists (`n_j <= l` at `gamma_j = 0`), and otherwise
///   [`Breakdown::ImproperCavity`].
/// * For a full `Gamma` the active-set method of [`L1`](crate::L1); singular `Gamma` is legal. Where the minimiser isn't
///   unique, one with few entries above zero is returned.
/// * The estimate is continuous in `n`; a covariance can be exactly zero.
///
/// # Reference
///
/// C. Lawson and R. Hanson, "Solving Least Squares Problems" (1974), chapter 23, doi 10.1137/1.9781611971217.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::NonNegative::new().with_weight(1.0)?;
/// let (mut x, mut covariance) = ([0.0; 3], [0.0; 3]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let cavity = RowCavity::new(0, 1, &[-4.0, 0.5, 3.0], &[-2.0, 0.25, 1.5], &[2.0]);
/// penalty.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert_eq!(x, [0.0, 0.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NonNegative {
    weight: f64,
    cost: Piecewise,
}

impl NonNegative {
    /// The constraint alone.
    pub fn new() -> Self {
        Self::of(0.0)
    }

    /// The same with a cost of this weight. Default: 0.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= weight < inf`.
    pub fn with_weight(self, weight: f64) -> Result<Self, ParameterError> {
        Ok(Self::of(error::not_negative("weight", weight)?))
    }

    fn of(weight: f64) -> Self {
        let cost = Piecewise::one_kink(0.0, [Piece::BELOW, Piece::new(0.0, weight, 0.0)]);
        Self { weight, cost }
    }

    /// Cost of a unit.
    pub fn weight(&self) -> f64 {
        self.weight
    }
}

impl Default for NonNegative {
    fn default() -> Self {
        Self::new()
    }
}

impl Denoiser for NonNegative {
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
        "NonNegative".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_nothing_holds_back_has_no_estimate() {
        let run = |n: &[f64]| {
            let mut out = RowEstimate { mean: &mut [f64::NAN; 2], covariance: &mut [f64::NAN; 2] };
            let cavity = RowCavity::new(4, 1, n, n, &[0.0]);
            NonNegative::new().estimate(&cavity, &mut out, &mut Scratch::default())?;
            Ok((out.mean[1], out.covariance[1]))
        };
        assert_eq!(run(&[0.0, -7.0]), Ok((0.0, 0.0)));
        assert_eq!(run(&[0.0, 1e-9]), Err(Breakdown::ImproperCavity { port: 0, row: 5 }));
    }

    #[test]
    fn clipping_column_by_column_is_not_the_answer_to_a_correlated_precision() {
        // Without constraint x = (2, -1); with it the first entry is n_1 / gamma_11 = 1.5, not 2.
        let (mut mean, mut covariance) = ([0.0; 2], [0.0; 4]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(0, 2, &[1.5, 0.0], &[2.0, -1.0], &[1.0, 0.5, 0.5, 1.0]);
        NonNegative::new().estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        assert_eq!((mean, covariance), ([1.5, 0.0], [1.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn parameters_are_checked() {
        assert!(NonNegative::new().with_weight(-1.0).is_err());
        assert!(NonNegative::new().with_weight(f64::NAN).is_err());
    }
}
