//! The nuclear norm of the whole unknown: matrices of low rank.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::{ColumnForm, small};

use super::low_rank::{self, Singular};
use crate::error::{self, ParameterError};
use crate::family::proper;

/// The penalty `weight * |X|_*`, the sum of the singular values of all rows together.
///
/// # Density
///
/// ```text
/// f(X) = exp(-l sum_k sigma_k(X))
/// ```
///
/// # Parameters
///
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | weight `l` | - | `[0, inf)` | cost of a unit of singular value |
///
/// # Estimate
///
/// For an isotropic precision `gamma I`, with `N / gamma = U diag(sigma) V'` and `t = l / gamma`:
///
/// ```text
/// estimate        U diag(f_k) V',   f_k = max(sigma_k - t, 0)
/// covariance      V diag(j_k) V' / (n gamma), the average over rows, for every row:
///                 j_k = [sigma_k > t] + sum_{m != k} (sigma_k f_k - sigma_m f_m) / (sigma_k^2 - sigma_m^2) + (n - d) f_k / sigma_k
/// log-partition   the maximum, gamma |X|^2 / 2, each row with its own square
/// ```
///
/// `j_k` sum up to the divergence; the sum over `m` and the last term are for `n >= d` and analogous otherwise.
///
/// For any other there is no closed form; with `X = U S V'` of rank `r`, and `F` for the part of `(N - X Gamma) / l` outside of both
/// spaces, of no singular value above one:
///
/// ```text
/// estimate        argmin tr(X Gamma X') / 2 - tr(N X') + l |X|_*
/// covariance      the average over rows of the inverse of the curvature: moves U A V' + U C V_' + U_ B V' cost their square in
///                 Gamma and l (sum_{k<m} (A_km - A_mk)^2 / (s_k + s_m) + sum_k (|C_k|^2 + |B_k|^2 - 2 B_k' F C_k) / s_k)
/// log-partition   the maximum, x'Gamma x / 2 for each row
/// ```
///
/// # Numerical notes
///
/// * Not separable: all rows together, under one precision. It must be positive definite, otherwise
///   [`Breakdown::ImproperCavity`].
/// * Singular values by rotations of pairs of columns (one-sided Jacobi): small ones keep their relative accuracy, which
///   the eigenvalues of `X'X` lose.
/// * The quotients of differences are written without a difference where both singular values exceed `t`.
/// * `O(n d^2)` a sweep of rotations, some six sweeps.
/// * Where the precision isn't isotropic, columns of the estimate are combinations of those of `N`, which leaves `q <= min(n, d)`
///   rows. A barrier in the dual's ball goes on until the rank can be told, and Newton's steps among matrices of that rank to
///   rounding; it is the right one if the dual keeps within the ball. Some ten to twenty steps in `O(q^3 d^3)`, in all
///   some 10 microseconds for three columns and a millisecond for eight; [`Breakdown::NoConvergence`] where rounding ends them
///   before, or after 250 of them.
///
/// # Reference
///
/// E. Candes, C. Sing-Long and J. Trzasko, "Unbiased Risk Estimates for Singular Value Thresholding and Spectral
/// Estimators", IEEE Transactions on Signal Processing 61 (2013), doi 10.1109/TSP.2013.2270464; the curvature as in A. Shapiro
/// and M. Fan, "On eigenvalue optimization", SIAM Journal on Optimization 5 (1995), doi 10.1137/0805028.
///
/// # Example
///
/// ```
/// use fg_core::denoiser::{Denoiser, RowCavity, RowEstimate, Scratch};
/// let penalty = fg_denoisers::NuclearNorm::new(1.0)?;
/// let (mut x, mut covariance) = ([0.0; 6], [0.0; 12]);
/// let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
/// let n = [3.0, 0.0, 0.0, 0.5, 0.0, 0.0];
/// penalty.estimate(&RowCavity::new(0, 2, &n, &n, &[1.0, 0.0, 0.0, 1.0]), &mut out, &mut Scratch::default())?;
/// assert_eq!(x, [2.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NuclearNorm {
    weight: f64,
}

/// `(a f(a) - b f(b)) / (a^2 - b^2)` for the soft threshold `f` at `t`.
fn mixing(a: f64, b: f64, t: f64) -> f64 {
    let (large, small) = (a.max(b), a.min(b));
    if small > t {
        1.0 - t / (large + small)
    } else if large > t {
        (large / (large + small)) * ((large - t) / (large - small))
    } else {
        0.0
    }
}

impl NuclearNorm {
    /// The penalty of this weight.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= weight < inf`.
    pub fn new(weight: f64) -> Result<Self, ParameterError> {
        Ok(Self { weight: error::not_negative("weight", weight)? })
    }

    /// Cost of a unit of singular value.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    fn decompose<'m>(
        cavity: &RowCavity<'_>,
        memory: &'m mut [f64],
    ) -> Result<(f64, Singular<'m>), Breakdown> {
        let (d, row) = (cavity.columns(), cavity.first_row());
        let gamma = proper::isotropic(cavity)?;
        let rows = cavity.natural().iter().map(|n| n / gamma);
        let singular =
            Singular::new(rows, memory, d).ok_or(Breakdown::NoConvergence { port: 0, row })?;
        Ok((gamma, singular))
    }

    /// Writes the minimiser where the precision isn't isotropic, and the average covariance, `d x d`.
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
        if self.weight == 0.0 {
            for (x, natural) in x.chunks_exact_mut(d).zip(natural.chunks_exact(d)) {
                small::row_times(natural, inverse, x, d);
            }
            covariance.copy_from_slice(inverse);
            return Ok(());
        }
        let problem = low_rank::Problem { natural, gamma, weight: self.weight, columns: d };
        if !low_rank::minimise(&problem, x, covariance, memory) {
            return Err(Breakdown::NoConvergence { port: 0, row: cavity.first_row() });
        }
        covariance.iter_mut().for_each(|c| *c /= cavity.len() as f64);
        Ok(())
    }

    fn closed(cavity: &RowCavity<'_>) -> bool {
        ColumnForm::Isotropic.holds(cavity.precision(), cavity.columns())
    }

    /// Diagonal of the summed Jacobian in the right singular basis: `j_k`.
    fn divergence(values: &[f64], k: usize, t: f64, n: usize) -> f64 {
        let d = values.len();
        // With fewer rows than columns, only the largest values have a left vector.
        let rank = |m: usize| (0..d).filter(|&l| (values[l], m) > (values[m], l)).count();
        let left = n.min(d);
        let others = (0..d).filter(|&m| m != k && rank(m) < left);
        let mut sum: f64 = others.map(|m| mixing(values[k], values[m], t)).sum();
        if values[k] > t && rank(k) < left {
            sum += 1.0 + (n - left) as f64 * (1.0 - t / values[k]);
        }
        sum
    }
}

impl Denoiser for NuclearNorm {
    fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let (n, d) = (cavity.len(), cavity.columns());
        if n == 0 {
            return Ok(());
        }
        if !Self::closed(cavity) {
            let memory = scratch.slice(2 * d * d + low_rank::memory(n, d));
            let (covariance, memory) = memory.split_at_mut(d * d);
            self.solve_together(cavity, out.mean, covariance, memory)?;
            out.covariance.chunks_exact_mut(d * d).for_each(|row| row.copy_from_slice(covariance));
            return Ok(());
        }
        let (gamma, singular) = Self::decompose(cavity, scratch.slice(Singular::len(n, d)))?;
        let Singular { turned, right, values, work } = singular;
        let t = self.weight / gamma;
        for (i, row) in turned.chunks_exact_mut(d).enumerate() {
            for (entry, &value) in row.iter_mut().zip(&*values) {
                *entry *= if value > t { 1.0 - t / value } else { 0.0 };
            }
            for j in 0..d {
                out.mean[i * d + j] = (0..d).map(|k| row[k] * right[j * d + k]).sum();
            }
        }
        work.fill(0.0);
        for k in 0..d {
            let share = Self::divergence(values, k, t, n) / (n as f64 * gamma);
            for e in 0..d * d {
                work[e] += share * right[e / d * d + k] * right[e % d * d + k];
            }
        }
        out.covariance.chunks_exact_mut(d * d).for_each(|row| row.copy_from_slice(work));
        Ok(())
    }

    fn estimation(&self) -> Estimation {
        Estimation::Map
    }

    fn separable(&self) -> bool {
        false
    }

    fn log_partition(&self, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
        let (n, d) = (cavity.len(), cavity.columns());
        if n == 0 {
            return true;
        }
        if !Self::closed(cavity) {
            let mut x = vec![0.0; n * d];
            let mut memory = vec![0.0; d * d + low_rank::memory(n, d)];
            let solved = self.solve_together(cavity, &mut x, &mut vec![0.0; d * d], &mut memory);
            for (out, x) in out.iter_mut().zip(x.chunks_exact(d)) {
                *out = 0.5 * small::bilinear(x, cavity.precision(), x, d);
            }
            return solved.is_ok();
        }
        let mut memory = vec![0.0; Singular::len(n, d)];
        let Ok((gamma, singular)) = Self::decompose(cavity, &mut memory) else { return false };
        let t = self.weight / gamma;
        // The cost grows in proportion to X, so that the maximum is half of gamma |X|^2; V keeps the lengths of rows.
        for (out, row) in out.iter_mut().zip(singular.turned.chunks_exact(d)) {
            let kept = |k: usize| (1.0 - t / singular.values[k]).max(0.0);
            let entry = |k: usize| if singular.values[k] > t { row[k] * kept(k) } else { 0.0 };
            *out = 0.5 * gamma * (0..d).map(|k| entry(k).powi(2)).sum::<f64>();
        }
        true
    }

    fn name(&self) -> String {
        "NuclearNorm".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Estimate, covariance of a row and singular values of the cavity's mean.
    fn run(n: usize, d: usize, natural: &[f64], gamma: f64, weight: f64) -> (Vec<f64>, Vec<f64>) {
        let mut precision = vec![0.0; d * d];
        (0..d).for_each(|j| precision[j * d + j] = gamma);
        let (mut x, mut covariance) = (vec![0.0; n * d], vec![f64::NAN; n * d * d]);
        let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
        let cavity = RowCavity::new(0, d, natural, natural, &precision);
        let mut scratch = Scratch::default();
        scratch.slice(1000).fill(f64::NAN);
        NuclearNorm::new(weight).unwrap().estimate(&cavity, &mut out, &mut scratch).unwrap();
        covariance.truncate(d * d);
        (x, covariance)
    }

    fn wave(n: usize, d: usize) -> Vec<f64> {
        (0..n * d).map(|k| 3.0 * (1.0 + 7.0 * k as f64).sin()).collect()
    }

    #[test]
    fn the_average_jacobian_agrees_with_differences_for_tall_and_wide_matrices() {
        const STEP: f64 = 1e-5;
        for (n, d) in [(6, 3), (3, 3), (2, 4)] {
            for weight in [0.0, 2.0, 9.0] {
                let (natural, gamma) = (wave(n, d), 2.0);
                let (_, covariance) = run(n, d, &natural, gamma, weight);
                for j in 0..d {
                    let mut column = vec![0.0; d];
                    for i in 0..n {
                        let moved = [STEP, -STEP].map(|h| {
                            let mut natural = natural.clone();
                            natural[i * d + j] += h;
                            run(n, d, &natural, gamma, weight).0
                        });
                        for k in 0..d {
                            let difference = moved[0][i * d + k] - moved[1][i * d + k];
                            column[k] += difference / (2.0 * STEP * n as f64);
                        }
                    }
                    for k in 0..d {
                        let found = covariance[k * d + j];
                        // Square of the step, and rounding over the step.
                        assert!(
                            (found - column[k]).abs() < 1e-9,
                            "{n} {d} {weight}: {found} {column:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn isotropic_precisions_have_the_same_answer_either_way() {
        for (n, d) in [(6, 3), (3, 3), (2, 4), (9, 2)] {
            for weight in [0.2, 2.0, 9.0, 30.0] {
                let (natural, gamma) = (wave(n, d), 2.0);
                let (x, covariance) = run(n, d, &natural, gamma, weight);
                let precision = small::scalar_matrix(gamma, d);
                let (mut own, mut average) = (vec![0.0; n * d], vec![0.0; d * d]);
                let mut memory = vec![f64::NAN; d * d + low_rank::memory(n, d)];
                let cavity = RowCavity::new(0, d, &natural, &natural, &precision);
                NuclearNorm::new(weight)
                    .unwrap()
                    .solve_together(&cavity, &mut own, &mut average, &mut memory)
                    .unwrap();
                let pairs = x.iter().chain(&covariance).zip(own.iter().chain(&average));
                for (expected, found) in pairs {
                    assert!(
                        (expected - found).abs() < 1e-12,
                        "{n} {d} {weight}: {expected} {found}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_subgradient_certifies_the_estimate() {
        // (N - gamma X) / l has no singular value above one, and its product with X is the nuclear norm.
        let (n, d, weight) = (7, 3, 4.0);
        let natural = wave(n, d);
        let (x, _) = run(n, d, &natural, 0.5, weight);
        let dual: Vec<f64> = natural.iter().zip(&x).map(|(n, x)| (n - 0.5 * x) / weight).collect();
        let singular = |rows: &[f64]| -> Vec<f64> {
            let mut memory = vec![0.0; Singular::len(n, d)];
            Singular::new(rows.iter().copied(), &mut memory, d).unwrap().values.to_vec()
        };
        assert!(singular(&dual).iter().all(|&s| s <= 1.0 + 1e-13), "{:?}", singular(&dual));
        let product: f64 = x.iter().zip(&dual).map(|(x, d)| x * d).sum();
        let norm: f64 = singular(&x).iter().sum();
        assert!((product - norm).abs() < 1e-12 * norm && norm > 0.0, "{product} {norm}");
    }

    #[test]
    fn what_it_is_not_for_is_refused() {
        let run = |precision: &[f64]| {
            let mut out = RowEstimate { mean: &mut [0.0; 2], covariance: &mut [0.0; 4] };
            let cavity = RowCavity::new(5, 2, &[1.0, 2.0], &[1.0, 2.0], precision);
            NuclearNorm::new(1.0).unwrap().estimate(&cavity, &mut out, &mut Scratch::default())
        };
        assert_eq!(run(&[1.0, 0.0, 0.0, 2.0]), Ok(()));
        let improper = Err(Breakdown::ImproperCavity { port: 0, row: 5 });
        assert_eq!(run(&[0.0; 4]), improper);
        assert_eq!(run(&[0.01, 0.03, 0.03, 0.09]), improper);
        assert_eq!(run(&[1.0, 2.0, 2.0, 1.0]), improper);
        assert!(NuclearNorm::new(-1.0).is_err() && NuclearNorm::new(f64::NAN).is_err());
    }
}
