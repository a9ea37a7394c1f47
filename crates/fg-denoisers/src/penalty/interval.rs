//! Entries within an interval: the projection on a box.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use super::piecewise::{Piece, Piecewise};
use crate::error::{self, ParameterError};

/// Rows with all entries between two bounds.
///
/// # Density
///
/// ```text
/// f(x) = 1   where all low <= x_j <= high, else 0
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | `low` | - | finite | least value of an entry |
/// | `high` | - | finite, above `low` | largest value of an entry |
///
/// # Estimate
///
/// ```text
/// estimate        argmin over the box of x' Gamma x / 2 - n'x
///                 for diagonal Gamma    x_j = n_j / gamma_j, clipped to the interval
/// covariance      inverse of the block of Gamma where x is inside, and zero elsewhere
/// log-partition   the maximum, n'x - x' Gamma x / 2
/// ```
///
/// # Numerical notes
///
/// * Every cavity is legal, no information included; where the minimiser isn't unique, one at a bound is returned.
/// * For a full `Gamma` the active-set method of [`L1`](crate::L1), from the legal point nearest to the origin.
/// * The estimate is continuous in `n`; a covariance can be exactly zero.
///
/// # Reference
///
/// D. Bertsekas, "Projected Newton methods for optimization problems with simple constraints", SIAM Journal on Control
/// and Optimization 20 (1982), doi 10.1137/0320018.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::Interval::new(-1.0, 1.0)?;
/// let (mut x, mut covariance) = ([0.0; 3], [0.0; 3]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let cavity = RowCavity::new(0, 1, &[-4.0, 0.5, 3.0], &[-2.0, 0.25, 1.5], &[2.0]);
/// penalty.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert_eq!((x, covariance), ([-1.0, 0.25, 1.0], [0.0, 0.5, 0.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    low: f64,
    high: f64,
    cost: Piecewise,
}

impl Interval {
    /// The constraint with these bounds.
    ///
    /// # Errors
    /// [`ParameterError`] unless both are finite and `low < high`.
    pub fn new(low: f64, high: f64) -> Result<Self, ParameterError> {
        error::finite("low", low)?;
        error::above("high", error::finite("high", high)?, low, "above low")?;
        let inside = Piece::new(0.0, 0.0, 0.0);
        let cost = Piecewise::two_kinks([low, high], [Piece::BELOW, inside, Piece::ABOVE]);
        Ok(Self { low, high, cost })
    }

    /// The bounds.
    pub fn bounds(&self) -> (f64, f64) {
        (self.low, self.high)
    }
}

impl Denoiser for Interval {
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
        "Interval".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: &[f64], precision: &[f64]) -> (Vec<f64>, Vec<f64>, f64) {
        let d = n.len();
        let penalty = Interval::new(0.5, 2.0).unwrap();
        let (mut mean, mut covariance, mut log) = (vec![0.0; d], vec![0.0; d * d], [0.0]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(0, d, n, n, precision);
        penalty.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        assert!(penalty.log_partition(&cavity, &mut log));
        (mean, covariance, log[0])
    }

    #[test]
    fn no_information_and_endless_pull_end_at_the_bounds() {
        assert_eq!(run(&[1e30], &[0.0]), (vec![2.0], vec![0.0], 2e30));
        assert_eq!(run(&[-1e30], &[0.0]), (vec![0.5], vec![0.0], -5e29));
        assert!((0.5..=2.0).contains(&run(&[0.0], &[0.0]).0[0]));
    }

    #[test]
    fn a_box_away_from_the_origin_is_met_with_a_full_precision() {
        // At the corner (2, 0.5) the pulls are 9 - 2.25 > 0 and 0 - 1.5 < 0: it is the solution.
        let (mean, covariance, log) = run(&[9.0, 0.0], &[1.0, 0.5, 0.5, 1.0]);
        assert_eq!((mean, covariance), (vec![2.0, 0.5], vec![0.0; 4]));
        assert!((log - (18.0 - 0.5 * (4.0 + 0.25 + 1.0))).abs() < 1e-14, "{log}");
    }

    #[test]
    fn parameters_are_checked() {
        assert!(Interval::new(1.0, 1.0).is_err() && Interval::new(f64::NAN, 1.0).is_err());
        assert!(
            Interval::new(0.0, f64::INFINITY).is_err() && Interval::new(0.0, f64::NAN).is_err()
        );
    }
}
