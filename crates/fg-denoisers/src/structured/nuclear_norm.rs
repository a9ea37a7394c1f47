//! The nuclear norm of the whole unknown: matrices of low rank.

use fg_core::denoiser::{Denoiser, Estimation, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;

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
/// # Numerical notes
///
/// * Not separable: all rows together, under one precision. That must be isotropic: the norm doesn't keep its form when
///   columns are mixed, so that another precision has no closed form, and is refused ([`Breakdown::Form`]). It must be
///   above zero, otherwise [`Breakdown::ImproperCavity`].
/// * Singular values by rotations of pairs of columns (one-sided Jacobi): small ones keep their relative accuracy, which
///   the eigenvalues of `X'X` lose.
/// * The quotients of differences are written without a difference where both singular values exceed `t`.
/// * `O(n d^2)` a sweep of rotations, some six sweeps.
///
/// # Reference
///
/// E. Candes, C. Sing-Long and J. Trzasko, "Unbiased Risk Estimates for Singular Value Thresholding and Spectral
/// Estimators", IEEE Transactions on Signal Processing 61 (2013), doi 10.1109/TSP.2013.2270464.
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

/// Sweeps of rotations after which they are given up: convergence is quadratic at the end.
const SWEEPS: usize = 60;
/// Columns are orthogonal when their product is this share of that of their lengths.
const ORTHOGONAL: f64 = 4.0 * f64::EPSILON;
/// Columns shorter than this share of the whole matrix are the rounding of zero, and parallel to anything.
const VANISHING: f64 = 4.0 * f64::EPSILON;

/// The cavity's mean `R = U diag(sigma) V'`.
struct Singular<'a> {
    /// `R V`, `n x d`: orthogonal columns.
    turned: &'a mut [f64],
    /// `V`, `d x d`.
    right: &'a mut [f64],
    values: &'a mut [f64],
    work: &'a mut [f64],
}

impl<'a> Singular<'a> {
    fn len(n: usize, d: usize) -> usize {
        n * d + 2 * d * d + d
    }

    fn new(rows: impl Iterator<Item = f64>, memory: &'a mut [f64], d: usize) -> Option<Self> {
        let (rest, work) = memory.split_at_mut(memory.len() - d * d);
        let (right, rest) = rest.split_at_mut(d * d);
        let (values, turned) = rest.split_at_mut(d);
        turned.iter_mut().zip(rows).for_each(|(t, r)| *t = r);
        small::set_identity(right, d);
        // Entries of order one: products of extreme ones would leave the range of numbers.
        let scale = turned.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        if scale > 0.0 {
            turned.iter_mut().for_each(|v| *v /= scale);
        }
        let mut sweeps = 0;
        while rotate_all(turned, right, d) {
            sweeps += 1;
            if sweeps > SWEEPS {
                return None;
            }
        }
        turned.iter_mut().for_each(|v| *v *= scale);
        for (k, value) in values.iter_mut().enumerate() {
            let square: f64 = turned.iter().skip(k).step_by(d).map(|v| (v / scale).powi(2)).sum();
            *value = if scale > 0.0 { scale * square.sqrt() } else { 0.0 };
        }
        Some(Self { turned, right, values, work })
    }
}

/// Makes every pair of columns orthogonal in turn; false when all were.
fn rotate_all(turned: &mut [f64], right: &mut [f64], d: usize) -> bool {
    let mut rotated = false;
    let vanishing = turned.iter().map(|v| v * v).sum::<f64>() * VANISHING.powi(2);
    for p in 0..d {
        for q in p + 1..d {
            let (mut a, mut b, mut c) = (0.0, 0.0, 0.0);
            for row in turned.chunks_exact(d) {
                a += row[p] * row[p];
                b += row[q] * row[q];
                c += row[p] * row[q];
            }
            if !(c.abs() > ORTHOGONAL * (a * b).sqrt() && a.min(b) > vanishing) {
                continue;
            }
            rotated = true;
            // The smaller root of t^2 + 2 z t - 1 = 0.
            let z = (b - a) / (2.0 * c);
            let t = 1.0f64.copysign(z) / (z.abs() + z.hypot(1.0));
            let cosine = 1.0 / t.hypot(1.0);
            let sine = t * cosine;
            for row in turned.chunks_exact_mut(d).chain(right.chunks_exact_mut(d)) {
                let (x, y) = (row[p], row[q]);
                (row[p], row[q]) = (cosine * x - sine * y, sine * x + cosine * y);
            }
        }
    }
    rotated
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
    use fg_core::message::ColumnForm;

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
    fn small_singular_values_keep_their_digits() {
        // Columns (1, 0, 0) and (1, 1e-12, 0): values sqrt(2) and 1e-12 / sqrt(2) to first order.
        let rows = [1.0, 1.0, 0.0, 1e-12, 0.0, 0.0];
        let mut memory = vec![0.0; Singular::len(3, 2)];
        let singular = Singular::new(rows.into_iter(), &mut memory, 2).unwrap();
        let smallest = singular.values.iter().copied().fold(f64::INFINITY, f64::min);
        assert!((smallest * 2f64.sqrt() / 1e-12 - 1.0).abs() < 1e-10, "{smallest:e}");
    }

    #[test]
    fn what_it_is_not_for_is_refused() {
        let run = |precision: &[f64]| {
            let mut out = RowEstimate { mean: &mut [0.0; 2], covariance: &mut [0.0; 4] };
            let cavity = RowCavity::new(5, 2, &[1.0, 2.0], &[1.0, 2.0], precision);
            NuclearNorm::new(1.0).unwrap().estimate(&cavity, &mut out, &mut Scratch::default())
        };
        let form = Breakdown::Form { port: 0, needed: ColumnForm::Isotropic };
        assert_eq!(run(&[1.0, 0.0, 0.0, 2.0]), Err(form));
        assert_eq!(run(&[0.0; 4]), Err(Breakdown::ImproperCavity { port: 0, row: 5 }));
        assert!(NuclearNorm::new(-1.0).is_err() && NuclearNorm::new(f64::NAN).is_err());
    }
}
