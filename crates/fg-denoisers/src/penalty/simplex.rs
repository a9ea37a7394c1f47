//! Rows that are shares of a total: the projection on a simplex.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use super::piecewise::{Piece, Piecewise};
use crate::error::{self, ParameterError};

/// Rows without negative entries that add up to `total`: mixing proportions, abundances, probabilities.
///
/// # Density
///
/// ```text
/// f(x) = 1   where all x_j >= 0 and sum_j x_j = s, else 0
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | total `s` | 1 | `(0, inf)` | sum of a row |
///
/// # Estimate
///
/// ```text
/// estimate        argmin over the simplex of x' Gamma x / 2 - n'x
/// covariance      G - G 1 1'G / 1'G 1 on the entries above zero, G the inverse of their block of Gamma; zero elsewhere
/// log-partition   the maximum, n'x - x' Gamma x / 2
/// ```
///
/// # Numerical notes
///
/// * The covariance is singular: the sum of a row is known. With one column everything is.
/// * The active-set method of [`L1`](crate::L1) with the sum as a constraint, from the cheapest corner, for any form of
///   `Gamma`; about one `O(d^3)` solve for each entry above zero.
/// * Every cavity is legal. `Gamma` enters as `Gamma + c 1 1'`, which costs the same all over the simplex and is singular
///   only where two points cost the same; one with few entries above zero is returned then.
/// * The sum holds to rounding.
///
/// # Reference
///
/// C. Michelot, "A finite algorithm for finding the projection of a point onto the canonical simplex of R^n", Journal of
/// Optimization Theory and Applications 50 (1986), doi 10.1007/BF00938486.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::Simplex::new();
/// let (mut x, mut covariance) = ([0.0; 2], [0.0; 4]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let cavity = RowCavity::new(0, 2, &[2.0, 2.5], &[2.0, 2.5], &[1.0, 0.0, 0.0, 1.0]);
/// penalty.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert!((x[0] - 0.25).abs() < 1e-15 && (x[1] - 0.75).abs() < 1e-15);
/// assert_eq!(covariance, [0.5, -0.5, -0.5, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Simplex {
    total: f64,
}

/// Nothing below zero, no cost above it.
const COST: Piecewise = Piecewise::one_kink(0.0, [Piece::BELOW, Piece::new(0.0, 0.0, 0.0)]);

impl Simplex {
    /// Rows that add up to one.
    pub fn new() -> Self {
        Self { total: 1.0 }
    }

    /// The same with another sum. Default: 1.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 < total < inf`.
    pub fn with_total(self, total: f64) -> Result<Self, ParameterError> {
        Ok(Self { total: error::positive("total", total)? })
    }

    /// Sum of a row.
    pub fn total(&self) -> f64 {
        self.total
    }
}

impl Default for Simplex {
    fn default() -> Self {
        Self::new()
    }
}

impl Denoiser for Simplex {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if cavity.columns() == 1 {
            // The one share is the total.
            out.mean.fill(self.total);
            out.covariance.fill(0.0);
            return Ok(());
        }
        COST.jointly(cavity, Some(self.total), out, scratch)
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        COST.log_partition(cavity, Some(self.total), out);
        true
    }

    fn name(&self) -> String {
        "Simplex".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: &[f64], precision: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let d = n.len();
        let (mut mean, mut covariance) = (vec![0.0; d], vec![0.0; d * d]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(0, d, n, n, precision);
        let penalty = Simplex::new().with_total(2.0).unwrap();
        penalty.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        (mean, covariance)
    }

    #[test]
    fn one_column_is_known() {
        assert_eq!(run(&[-5.0], &[3.0]), (vec![2.0], vec![0.0]));
    }

    #[test]
    fn without_precision_the_largest_pull_takes_all() {
        assert_eq!(run(&[1.0, 1.5, -2.0], &[0.0; 9]).0, [0.0, 2.0, 0.0]);
        // A precision along the sum alone says nothing that isn't known.
        assert_eq!(run(&[1.0, 1.5, -2.0], &[1e3; 9]).0, [0.0, 2.0, 0.0]);
    }

    #[test]
    fn a_grid_search_finds_nothing_better() {
        let precision = [2.0, 1.2, -0.3, 1.2, 1.5, 0.2, -0.3, 0.2, 0.7];
        let n = [1.4, 1.9, -0.2];
        let cost = |x: &[f64]| {
            let product = |j: usize| (0..3).map(|k| precision[3 * j + k] * x[k]).sum::<f64>();
            (0..3).map(|j| x[j] * (0.5 * product(j) - n[j])).sum::<f64>()
        };
        let (mean, _) = run(&n, &precision);
        assert!((mean.iter().sum::<f64>() - 2.0).abs() < 1e-14, "{mean:?}");
        let best = cost(&mean);
        for a in 0..=400 {
            for b in 0..=400 - a {
                let x =
                    [0.005 * f64::from(a), 0.005 * f64::from(b), 0.005 * f64::from(400 - a - b)];
                assert!(cost(&x) >= best - 1e-14, "{x:?} costs less than {mean:?}");
            }
        }
    }

    #[test]
    fn parameters_are_checked() {
        assert!(Simplex::new().with_total(0.0).is_err());
        assert!(Simplex::new().with_total(f64::NAN).is_err());
    }
}
