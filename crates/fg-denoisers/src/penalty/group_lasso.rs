//! The group lasso: rows that are zero as a whole.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;

use super::shrinkage::Shrinkage;
use crate::error::{self, ParameterError};

/// The penalty `weight * |x|_2` of a row; summed over rows, the L2,1 norm.
///
/// # Density
///
/// ```text
/// f(x) = exp(-l |x|_2)
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | - | `[0, inf)` | cost of a unit of length |
///
/// # Estimate
///
/// ```text
/// estimate        0 where |n| <= l, else (Gamma + l / rho)^-1 n at the length rho > 0 that it has itself:
///                 sum_k m_k^2 / (lambda_k rho + l)^2 = 1,   Gamma = V diag(lambda) V',   m = V'n
///                 for Gamma = gamma I    n (1 - l / |n|) / gamma
/// covariance      (Gamma + (l / rho) (1 - u u'))^-1 with u = x / rho; zero where x = 0
/// log-partition   the maximum, x' Gamma x / 2
/// ```
///
/// # Numerical notes
///
/// * The equation for `rho` is solved for the sum to the power `-1/2`, which is concave in `rho` and a straight line for
///   isotropic precisions: Newton's steps rise to the root without passing it, and end at the rounding of the sum.
/// * A vanishing precision is legal while the minimum exists: the part of `n` where `Gamma` vanishes is shorter than `l`.
///   Otherwise [`Breakdown::ImproperCavity`].
/// * The update of rank one in the covariance divides by `sum_k u_k^2 lambda_k / (lambda_k + l / rho)`, which is written
///   without the difference that it stands for.
/// * One eigen-decomposition a call, `O(d^3)` a row for the covariance, `O(d)` a Newton step.
///
/// # Reference
///
/// M. Yuan and Y. Lin, "Model selection and estimation in regression with grouped variables", Journal of the Royal
/// Statistical Society B 68 (2006), doi 10.1111/j.1467-9868.2005.00532.x.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::GroupLasso::new(5.0)?;
/// let (mut x, mut covariance) = ([0.0; 4], [0.0; 8]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let n = [6.0, 8.0, 3.0, -4.0];
/// let cavity = RowCavity::new(0, 2, &n, &n, &[1.0, 0.0, 0.0, 1.0]);
/// penalty.estimate(&cavity, &mut out, &mut Scratch::default())?;
/// assert_eq!(x, [3.0, 4.0, 0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GroupLasso {
    weight: f64,
}

/// Newton's steps after which the length is given up: precisions over 300 decades take less than half of them.
const STEPS: usize = 1000;

/// The sum, of terms that are positive, is known to a few units in the last place for each.
const RESOLUTION: f64 = 8.0 * f64::EPSILON;

/// Why a row has no estimate.
enum Failure {
    Unbounded,
    NoConvergence,
}

/// `Gamma` in its eigenbasis, and a row in it.
struct Spectral<'a> {
    values: &'a mut [f64],
    /// Column `k` is the eigenvector of value `k`.
    vectors: &'a mut [f64],
    row: &'a mut [f64],
    work: &'a mut [f64],
}

impl<'a> Spectral<'a> {
    fn len(d: usize) -> usize {
        2 * d + 2 * d * d
    }

    fn new(precision: &[f64], memory: &'a mut [f64], d: usize) -> Self {
        let (values, rest) = memory.split_at_mut(d);
        let (row, rest) = rest.split_at_mut(d);
        let (vectors, rest) = rest.split_at_mut(d * d);
        let work = &mut rest[..d * d];
        work.copy_from_slice(precision);
        small::eigen_symmetric(work, values, vectors, d);
        // Rounding of zero can be negative.
        values.iter_mut().for_each(|v| *v = v.max(0.0));
        Self { values, vectors, row, work }
    }

    /// Leaves in `row` the estimate in the eigenbasis, and returns its length.
    fn solve(&mut self, natural: &[f64], weight: f64) -> Result<f64, Failure> {
        let d = natural.len();
        small::row_times(natural, self.vectors, self.row, d);
        let length = natural.iter().map(|n| n * n).sum::<f64>().sqrt();
        if length <= weight {
            self.row.fill(0.0);
            return Ok(0.0);
        }
        if weight == 0.0 {
            for (m, &value) in self.row.iter_mut().zip(&*self.values) {
                if *m != 0.0 {
                    *m /= value;
                }
            }
            let rho = self.row.iter().map(|x| x * x).sum::<f64>().sqrt();
            return if rho.is_finite() { Ok(rho) } else { Err(Failure::Unbounded) };
        }
        let pairs = || self.row.iter().zip(&*self.values);
        let flat: f64 = pairs().filter(|(_, v)| **v == 0.0).map(|(m, _)| m * m).sum();
        if flat >= weight * weight {
            return Err(Failure::Unbounded);
        }
        let largest = self.values.iter().copied().fold(0.0, f64::max);
        // Below the root: no direction resists more than the stiffest.
        let mut rho = (length - weight) / largest;
        for _ in 0..STEPS {
            let (mut sum, mut slope) = (0.0, 0.0);
            for (m, value) in pairs() {
                let share = m / (value * rho + weight);
                sum += share * share;
                slope += share * share * value / (value * rho + weight);
            }
            // Step of Newton for sum^(-1/2) = 1; at the root rounding makes it zero or negative.
            let next = rho + sum * (sum.sqrt() - 1.0) / slope;
            let arrived = !(sum - 1.0 > RESOLUTION && next > rho);
            if arrived {
                for (m, value) in self.row.iter_mut().zip(&*self.values) {
                    *m *= rho / (value * rho + weight);
                }
                return Ok(rho);
            }
            rho = next;
        }
        Err(Failure::NoConvergence)
    }
}

impl GroupLasso {
    /// The penalty of this weight.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= weight < inf`.
    pub fn new(weight: f64) -> Result<Self, ParameterError> {
        Ok(Self { weight: error::not_negative("weight", weight)? })
    }

    /// Cost of a unit of length.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Solves every row and hands `accept` its index, length and, in the eigenbasis, estimate.
    fn solve(
        &self,
        cavity: &RowCavity<'_>,
        memory: &mut [f64],
        mut accept: impl FnMut(usize, f64, &mut Spectral<'_>),
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        let mut spectral = Spectral::new(cavity.precision(), memory, d);
        for (i, natural) in cavity.natural().chunks_exact(d).enumerate() {
            let row = cavity.first_row() + i;
            let rho = spectral.solve(natural, self.weight).map_err(|failure| match failure {
                Failure::Unbounded => Breakdown::ImproperCavity { port: 0, row },
                Failure::NoConvergence => Breakdown::NoConvergence { port: 0, row },
            })?;
            accept(i, rho, &mut spectral);
        }
        Ok(())
    }
}

/// Writes `(Gamma + (l / rho) (1 - u u'))^-1`, given `x = rho u` in the eigenbasis.
fn covariance(spectral: &mut Spectral<'_>, ratio: f64, rho: f64, out: &mut [f64]) {
    let Spectral { values, vectors, row, work } = spectral;
    let d = values.len();
    // With A = Gamma + l / rho: A^-1 + A^-1 u u' A^-1 (l / rho) / (1 - (l / rho) u' A^-1 u), and u'u = 1.
    let unit = |k: usize| row[k] / rho;
    let rest: f64 = (0..d).map(|k| unit(k).powi(2) * values[k] / (values[k] + ratio)).sum();
    let weighted = |k: usize| unit(k) / (values[k] + ratio);
    for k in 0..d {
        for l in 0..=k {
            let outer = if ratio > 0.0 { weighted(k) * weighted(l) * ratio / rest } else { 0.0 };
            let own = if k == l { 1.0 / (values[k] + ratio) } else { 0.0 };
            (work[k * d + l], work[l * d + k]) = (own + outer, own + outer);
        }
    }
    // V M V', each row of V M in turn.
    for i in 0..d {
        small::row_times(&vectors[i * d..(i + 1) * d], work, row, d);
        for j in 0..d {
            out[i * d + j] = (0..d).map(|l| row[l] * vectors[j * d + l]).sum();
        }
    }
    small::symmetrise(out, d);
}

impl Denoiser for GroupLasso {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        if d == 1 {
            // A length of one entry is its absolute value.
            return Shrinkage { l1: self.weight, l2: 0.0 }.estimate(cavity, out, scratch);
        }
        let memory = scratch.slice(Spectral::len(d));
        self.solve(cavity, memory, |i, rho, spectral| {
            let mean = &mut out.mean[i * d..(i + 1) * d];
            let matrix = &mut out.covariance[i * d * d..(i + 1) * d * d];
            if rho == 0.0 {
                mean.fill(0.0);
                matrix.fill(0.0);
                return;
            }
            for (j, mean) in mean.iter_mut().enumerate() {
                *mean = (0..d).map(|k| spectral.vectors[j * d + k] * spectral.row[k]).sum();
            }
            covariance(spectral, self.weight / rho, rho, matrix);
        })
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let mut memory = vec![0.0; Spectral::len(cavity.columns())];
        let result = self.solve(cavity, &mut memory, |i, _, spectral| {
            let pairs = spectral.values.iter().zip(&*spectral.row);
            out[i] = 0.5 * pairs.map(|(value, x)| value * x * x).sum::<f64>();
        });
        if result.is_err() {
            out.fill(f64::INFINITY);
        }
        true
    }

    fn name(&self) -> String {
        "GroupLasso".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(weight: f64, n: &[f64], precision: &[f64]) -> Result<(Vec<f64>, Vec<f64>), Breakdown> {
        let d = n.len();
        let (mut mean, mut covariance) = (vec![0.0; d], vec![0.0; d * d]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(3, d, n, n, precision);
        GroupLasso::new(weight).unwrap().estimate(&cavity, &mut out, &mut Scratch::default())?;
        Ok((mean, covariance))
    }

    #[test]
    fn a_flat_direction_is_legal_while_its_pull_is_shorter_than_the_weight() {
        // x_2 is held by the penalty alone: n_2 = l x_2 / rho, so x_2 / rho = 0.6 and x_1 / rho = 0.8.
        let (mean, _) = run(1.0, &[3.8, 0.6], &[3.0, 0.0, 0.0, 0.0]).unwrap();
        assert!((mean[0] - 1.0).abs() < 1e-14 && (mean[1] - 0.75).abs() < 1e-14, "{mean:?}");
        let refused = run(1.0, &[3.8, 1.0], &[3.0, 0.0, 0.0, 0.0]);
        assert_eq!(refused, Err(Breakdown::ImproperCavity { port: 0, row: 3 }));
        assert_eq!(run(1.0, &[0.6, 0.8], &[0.0; 4]), Ok((vec![0.0; 2], vec![0.0; 4])));
    }

    #[test]
    fn the_length_solves_its_equation_over_many_decades() {
        for exponent in [-140, -20, -8, 0, 8] {
            let small = 10f64.powi(exponent);
            for pull in [0.999, 1.001, 30.0] {
                let (n, gamma) = ([1.0, pull], [1e3, 0.0, 0.0, small]);
                let (x, _) = run(1.0, &n, &gamma).unwrap();
                let rho = (x[0] * x[0] + x[1] * x[1]).sqrt();
                for j in 0..2 {
                    let residual = gamma[3 * j] * x[j] + x[j] / rho - n[j];
                    // The length is known to a rounding of the sum, which a flat sum spreads over many lengths.
                    assert!(
                        residual.abs() < 1e-13 * pull.max(1.0),
                        "{n:?} {gamma:?} {x:?} {residual:e}"
                    );
                }
            }
        }
    }

    #[test]
    fn one_column_is_a_soft_threshold() {
        let (mean, covariance) = run(0.5, &[-2.5], &[4.0]).unwrap();
        assert!((mean[0] + 0.5).abs() < 1e-15 && (covariance[0] - 0.25).abs() < 1e-15);
        assert!(GroupLasso::new(-1.0).is_err() && GroupLasso::new(f64::NAN).is_err());
    }
}
