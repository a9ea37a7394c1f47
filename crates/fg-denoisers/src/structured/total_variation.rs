//! Total variation along the rows: signals that are constant in pieces.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;

use super::chain::{self, Workspace};
use super::chains;
use crate::error::{self, ParameterError};
use crate::family::proper;

/// The penalty `weight * sum_i |x_{i+1} - x_i|` over consecutive rows, summed over columns.
///
/// # Density
///
/// ```text
/// f(X) = exp(-l sum_ij |X_{i+1,j} - X_ij|)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | - | `[0, inf)` | cost of a unit step between two rows |
///
/// # Estimate
///
/// Under a diagonal precision columns are independent; for column `j`, with `r = n / gamma_j`:
///
/// ```text
/// estimate        argmin |x - r|^2 / 2 + (l / gamma_j) sum_i |x_{i+1} - x_i|
/// covariance      1 / (gamma_j L) for a row in a constant piece of L rows: a piece moves as the mean of its data does
/// log-partition   the maximum, gamma_j |x|^2 / 2, each row with its own square
/// ```
///
/// Under any other the pieces of all columns move together. With `P` their indicators among the `n d` entries:
///
/// ```text
/// estimate        argmin tr(X Gamma X') / 2 - tr(N X') + l sum_ij |X_{i+1,j} - X_ij|
/// covariance      of a row, its block of P (P'(I x Gamma) P)^-1 P'
/// log-partition   the maximum, x'Gamma x / 2 for each row
/// ```
///
/// # Numerical notes
///
/// * Not separable: all rows together, under one precision.
/// * Diagonal precisions: exact, by dynamic programming in `O(n)`; rows of a piece are equal to the last bit, so pieces are
///   counted, not judged. The average covariance is `pieces / (n gamma_j)`, the exact divergence.
/// * Others: exact, too. An interior method goes on until the pieces can be told, which takes some five steps whatever the
///   precision; the values of pieces solve a linear system, and are the answer once the dual of the steps, a sum along each column,
///   keeps within the weight to rounding. A step is a pass along the rows in `O(n d^3)`: 2 to 4 microseconds a row of two columns
///   in all. [`Breakdown::NoConvergence`] after a hundred steps.
/// * The estimate is continuous in `n`. The precision must be positive definite, since a constant costs nothing:
///   otherwise [`Breakdown::ImproperCavity`].
///
/// # Reference
///
/// N. Johnson, "A dynamic programming algorithm for the fused lasso and L0-segmentation", Journal of Computational and
/// Graphical Statistics 22 (2013), doi 10.1080/10618600.2012.681238; degrees of freedom as in R. Tibshirani and J.
/// Taylor, "The solution path of the generalized lasso", Annals of Statistics 39 (2011), doi 10.1214/11-AOS878. Steps of the
/// interior method after S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM Journal on
/// Optimization 2 (1992), doi 10.1137/0802028.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::TotalVariation::new(1.0)?;
/// let (mut x, mut covariance) = ([0.0; 4], [0.0; 4]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let n = [0.0, 1.0, 9.0, 10.0];
/// penalty.estimate(&RowCavity::new(0, 1, &n, &n, &[1.0]), &mut out, &mut Scratch::default())?;
/// assert_eq!((x, covariance), ([1.0, 1.0, 9.0, 9.0], [0.5; 4]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TotalVariation {
    weight: f64,
}

impl TotalVariation {
    /// The penalty of this weight.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= weight < inf`.
    pub fn new(weight: f64) -> Result<Self, ParameterError> {
        Ok(Self { weight: error::not_negative("weight", weight)? })
    }

    /// Cost of a unit step between two rows.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Solves column by column and hands `accept` column, precision and estimate.
    fn solve(
        &self,
        cavity: &RowCavity<'_>,
        memory: &mut [f64],
        mut accept: impl FnMut(usize, f64, &[f64]),
    ) -> Result<(), Breakdown> {
        let (n, d) = (cavity.len(), cavity.columns());
        proper::diagonal(cavity)?;
        let (x, memory) = memory.split_at_mut(n);
        let mut workspace = Workspace::new(memory, n);
        for j in 0..d {
            let gamma = cavity.precision()[j * d + j];
            for (i, x) in x.iter_mut().enumerate() {
                *x = cavity.natural()[i * d + j] / gamma;
            }
            chain::minimise(x, self.weight / gamma, &mut workspace);
            accept(j, gamma, x);
        }
        Ok(())
    }

    /// Writes the minimiser for columns that aren't independent, and covariances if there is room for them.
    fn solve_together(
        &self,
        cavity: &RowCavity<'_>,
        x: &mut [f64],
        covariance: &mut [f64],
        memory: &mut [f64],
    ) -> Result<(), Breakdown> {
        let (d, natural, gamma) = (cavity.columns(), cavity.natural(), cavity.precision());
        let (inverse, memory) = memory.split_at_mut(d * d);
        proper::inverse(cavity, inverse, memory)?;
        if self.weight == 0.0 || cavity.is_empty() {
            for (x, natural) in x.chunks_exact_mut(d).zip(natural.chunks_exact(d)) {
                small::row_times(natural, inverse, x, d);
            }
            covariance.chunks_exact_mut(d * d).for_each(|row| row.copy_from_slice(inverse));
            return Ok(());
        }
        let problem = chains::Problem { natural, gamma, inverse, weight: self.weight, columns: d };
        if chains::minimise(&problem, x, covariance, memory) {
            return Ok(());
        }
        Err(Breakdown::NoConvergence { port: 0, row: cavity.first_row() })
    }

    /// Values of memory for either way to solve.
    fn memory(cavity: &RowCavity<'_>) -> usize {
        let (n, d) = (cavity.len(), cavity.columns());
        if cavity.is_diagonal() {
            return n + Workspace::len(n);
        }
        d * d + chains::memory(n.max(1), d)
    }
}

impl Denoiser for TotalVariation {
    #[expect(clippy::float_cmp, reason = "rows of a piece are copies of each other")]
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        let memory = scratch.slice(Self::memory(cavity));
        if !cavity.is_diagonal() {
            return self.solve_together(cavity, out.mean, out.covariance, memory);
        }
        out.covariance.fill(0.0);
        self.solve(cavity, memory, |j, gamma, x| {
            for piece in x.chunk_by(|a, b| a == b).scan(0, |start, piece| {
                let from = *start;
                *start += piece.len();
                Some(from..*start)
            }) {
                let variance = 1.0 / (gamma * piece.len() as f64);
                for i in piece {
                    out.mean[i * d + j] = x[i];
                    // Without a weight every row is a piece, whatever its neighbours are.
                    out.covariance[i * d * d + j * d + j] =
                        if self.weight > 0.0 { variance } else { 1.0 / gamma };
                }
            }
        })
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn separable(&self) -> bool {
        false
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        out.fill(0.0);
        // The cost grows in proportion to x, so that n'x - x' Gamma x is the cost and half of x' Gamma x the maximum.
        let mut memory = vec![0.0; Self::memory(cavity)];
        if cavity.is_diagonal() {
            let result = self.solve(cavity, &mut memory, |_, gamma, x| {
                out.iter_mut().zip(x).for_each(|(out, x)| *out += 0.5 * gamma * x * x);
            });
            return result.is_ok();
        }
        let d = cavity.columns();
        let mut x = vec![0.0; cavity.natural().len()];
        let result = self.solve_together(cavity, &mut x, &mut [], &mut memory);
        for (out, x) in out.iter_mut().zip(x.chunks_exact(d)) {
            *out = 0.5 * small::bilinear(x, cavity.precision(), x, d);
        }
        result.is_ok()
    }

    fn name(&self) -> String {
        "TotalVariation".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_covariance_counts_the_pieces() {
        let n: Vec<f64> =
            (0..200).map(|i| (0.7 * f64::from(i)).sin() + f64::from(i / 50)).collect();
        let (mut x, mut covariance) = (vec![0.0; 200], vec![0.0; 200]);
        let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
        let cavity = RowCavity::new(0, 1, &n, &n, &[4.0]);
        let penalty = TotalVariation::new(0.5).unwrap();
        penalty.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
        let pieces = x.chunk_by(|a, b| a.to_bits() == b.to_bits()).count();
        assert!(pieces > 3 && pieces < 190, "{pieces}");
        let average = covariance.iter().sum::<f64>() / 200.0;
        assert!((average - pieces as f64 / 800.0).abs() < 1e-14, "{average} {pieces}");
    }

    #[test]
    fn diagonal_precisions_have_the_same_answer_either_way() {
        let precision = [2.0, 0.0, 0.0, 0.3];
        let n: Vec<f64> = (0..80).map(|k| (1.0 + 3.0 * f64::from(k)).sin()).collect();
        let cavity = RowCavity::new(0, 2, &n, &n, &precision);
        for weight in [0.0, 0.2, 0.9, 30.0] {
            let penalty = TotalVariation::new(weight).unwrap();
            let (mut x, mut covariance) = ([0.0; 80], [0.0; 160]);
            let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
            penalty.estimate(&cavity, &mut out, &mut Scratch::default()).unwrap();
            let (mut own, mut own_covariance) = ([f64::NAN; 80], [f64::NAN; 160]);
            let mut memory = vec![f64::NAN; 4 + chains::memory(40, 2)];
            penalty.solve_together(&cavity, &mut own, &mut own_covariance, &mut memory).unwrap();
            let pairs = x.iter().chain(&covariance).zip(own.iter().chain(&own_covariance));
            for (expected, found) in pairs {
                assert!((expected - found).abs() < 1e-13, "{weight}: {expected} {found}");
            }
        }
    }

    #[test]
    fn what_it_is_not_for_is_refused() {
        let run = |precision: &[f64]| {
            let mut out = RowEstimate { mean: &mut [0.0; 4], covariance: &mut [0.0; 8] };
            let n = [1.0, 2.0, 3.0, 4.0];
            let cavity = RowCavity::new(0, 2, &n, &n, precision);
            TotalVariation::new(1.0).unwrap().estimate(&cavity, &mut out, &mut Scratch::default())
        };
        assert_eq!(run(&[1.0, 0.0, 0.0, 2.0]), Ok(()));
        assert_eq!(run(&[1.0, 0.5, 0.5, 1.0]), Ok(()));
        let improper = Err(Breakdown::ImproperCavity { port: 0, row: 0 });
        assert_eq!(run(&[1.0, 0.0, 0.0, 0.0]), improper);
        assert_eq!(run(&[0.01, 0.03, 0.03, 0.09]), improper);
        assert_eq!(run(&[1.0, 2.0, 2.0, 1.0]), improper);
        assert!(TotalVariation::new(-1.0).is_err() && TotalVariation::new(f64::NAN).is_err());
    }
}
