//! Algebra of `d x d` matrices for small `d`, row-major in slices: no allocation, no generic sizes.
//!
//! Factorisations of large matrices live in the linear factor's solvers; these routines serve precisions
//! and covariances of one row.

use core::fmt;

/// A pivot of a Cholesky factorisation is not positive (or NaN).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NotPositive {
    /// Index of the pivot.
    pub index: usize,
    /// Its value.
    pub pivot: f64,
}

impl fmt::Display for NotPositive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "matrix is not positive definite: pivot {} is {:e}", self.index, self.pivot)
    }
}

impl core::error::Error for NotPositive {}

/// Writes the `d x d` identity.
pub fn set_identity(out: &mut [f64], d: usize) {
    out[..d * d].fill(0.0);
    for j in 0..d {
        out[j * d + j] = 1.0;
    }
}

/// `value` times the identity, `d x d`.
pub fn scalar_matrix(value: f64, d: usize) -> Vec<f64> {
    (0..d * d).map(|k| if k.is_multiple_of(d + 1) { value } else { 0.0 }).collect()
}

/// `out = a b`.
pub fn multiply(a: &[f64], b: &[f64], out: &mut [f64], d: usize) {
    for i in 0..d {
        row_times(&a[i * d..(i + 1) * d], b, &mut out[i * d..(i + 1) * d], d);
    }
}

/// `out = x m`, a row times a matrix.
#[inline]
pub fn row_times(x: &[f64], m: &[f64], out: &mut [f64], d: usize) {
    out[..d].fill(0.0);
    for (i, &xi) in x[..d].iter().enumerate() {
        for (o, &mij) in out[..d].iter_mut().zip(&m[i * d..(i + 1) * d]) {
            *o += xi * mij;
        }
    }
}

/// `out = m'`.
pub fn transpose(m: &[f64], out: &mut [f64], d: usize) {
    for i in 0..d {
        for j in 0..d {
            out[j * d + i] = m[i * d + j];
        }
    }
}

/// Replaces `m` by `(m + m') / 2`.
pub fn symmetrise(m: &mut [f64], d: usize) {
    for i in 0..d {
        for j in 0..i {
            let mean = 0.5 * (m[i * d + j] + m[j * d + i]);
            m[i * d + j] = mean;
            m[j * d + i] = mean;
        }
    }
}

/// `x' m y`.
pub fn bilinear(x: &[f64], m: &[f64], y: &[f64], d: usize) -> f64 {
    let mut sum = 0.0;
    for i in 0..d {
        for j in 0..d {
            sum += x[i] * m[i * d + j] * y[j];
        }
    }
    sum
}

/// Sum of the diagonal.
pub fn trace(m: &[f64], d: usize) -> f64 {
    (0..d).map(|j| m[j * d + j]).sum()
}

/// Replaces the symmetric positive definite `a` by its lower Cholesky factor, zeros above the diagonal.
///
/// # Errors
/// [`NotPositive`] at the first pivot that is not above zero; `a` is then partly overwritten.
pub fn cholesky(a: &mut [f64], d: usize) -> Result<(), NotPositive> {
    for j in 0..d {
        let mut pivot = a[j * d + j];
        for k in 0..j {
            pivot -= a[j * d + k] * a[j * d + k];
        }
        if !(pivot > 0.0) || pivot == f64::INFINITY {
            return Err(NotPositive { index: j, pivot });
        }
        let root = pivot.sqrt();
        a[j * d + j] = root;
        for i in j + 1..d {
            let mut sum = a[i * d + j];
            for k in 0..j {
                sum -= a[i * d + k] * a[j * d + k];
            }
            a[i * d + j] = sum / root;
        }
        for i in 0..j {
            a[i * d + j] = 0.0;
        }
    }
    Ok(())
}

/// Replaces `x` by `l^-1 x` for lower triangular `l`.
pub fn solve_lower(l: &[f64], x: &mut [f64], d: usize) {
    for i in 0..d {
        let mut sum = x[i];
        for k in 0..i {
            sum -= l[i * d + k] * x[k];
        }
        x[i] = sum / l[i * d + i];
    }
}

/// Replaces `x` by `l^-T x` for lower triangular `l`.
pub fn solve_lower_transposed(l: &[f64], x: &mut [f64], d: usize) {
    for i in (0..d).rev() {
        let mut sum = x[i];
        for k in i + 1..d {
            sum -= l[k * d + i] * x[k];
        }
        x[i] = sum / l[i * d + i];
    }
}

/// Writes the inverse of lower triangular `l`, itself lower triangular.
pub fn invert_lower(l: &[f64], out: &mut [f64], d: usize) {
    out[..d * d].fill(0.0);
    for j in 0..d {
        out[j * d + j] = 1.0 / l[j * d + j];
        for i in j + 1..d {
            let mut sum = 0.0;
            for k in j..i {
                sum += l[i * d + k] * out[k * d + j];
            }
            out[i * d + j] = -sum / l[i * d + i];
        }
    }
}

/// Writes the inverse of the symmetric positive definite `a`, exactly symmetric, by way of its Cholesky
/// factor; `scratch` holds at least `2 d^2` values.
///
/// # Errors
/// [`NotPositive`] as [`cholesky`].
pub fn invert_positive(
    a: &[f64],
    out: &mut [f64],
    scratch: &mut [f64],
    d: usize,
) -> Result<(), NotPositive> {
    if d == 1 {
        if !(a[0] > 0.0) || a[0] == f64::INFINITY {
            return Err(NotPositive { index: 0, pivot: a[0] });
        }
        out[0] = 1.0 / a[0];
        return Ok(());
    }
    let (l, inverse) = scratch[..2 * d * d].split_at_mut(d * d);
    l.copy_from_slice(&a[..d * d]);
    cholesky(l, d)?;
    invert_lower(l, inverse, d);
    for i in 0..d {
        for j in 0..=i {
            let sum = (i..d).map(|k| inverse[k * d + i] * inverse[k * d + j]).sum();
            out[i * d + j] = sum;
            out[j * d + i] = sum;
        }
    }
    Ok(())
}

/// Sweeps after which Jacobi's iteration is given up: quadratic convergence needs fewer than ten.
const JACOBI_SWEEPS: usize = 60;

/// Eigen-decomposition of the symmetric `a` by Jacobi rotations: `a = v diag(values) v'`.
///
/// On return `values` holds the eigenvalues, in no particular order, and column `k` of `v` the eigenvector
/// of `values[k]`. Small eigenvalues of graded positive matrices keep their relative accuracy, which a
/// tridiagonal reduction loses. `a` is overwritten.
pub fn eigen_symmetric(a: &mut [f64], values: &mut [f64], v: &mut [f64], d: usize) {
    set_identity(v, d);
    for _ in 0..JACOBI_SWEEPS {
        let mut rotated = false;
        for p in 0..d {
            for q in p + 1..d {
                rotated |= rotate(a, v, p, q, d);
            }
        }
        if !rotated {
            break;
        }
    }
    for k in 0..d {
        values[k] = a[k * d + k];
    }
}

/// `out = v diag(values) v'`, exactly symmetric: the inverse of [`eigen_symmetric`] for changed eigenvalues.
pub fn rebuild(v: &[f64], values: &[f64], out: &mut [f64], d: usize) {
    for i in 0..d {
        for j in 0..=i {
            let sum = (0..d).map(|k| v[i * d + k] * values[k] * v[j * d + k]).sum();
            out[i * d + j] = sum;
            out[j * d + i] = sum;
        }
    }
}

/// Annihilates `a[p][q]`; false when it is already negligible beside both diagonal entries.
fn rotate(a: &mut [f64], v: &mut [f64], p: usize, q: usize, d: usize) -> bool {
    let apq = a[p * d + q];
    let (app, aqq) = (a[p * d + p], a[q * d + q]);
    // Relative to the geometric mean of the diagonal: keeps tiny eigenvalues of graded matrices accurate.
    if apq == 0.0 || !(apq.abs() > f64::EPSILON * (app.abs() * aqq.abs()).sqrt()) {
        a[p * d + q] = 0.0;
        a[q * d + p] = 0.0;
        return false;
    }
    let theta = (aqq - app) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    a[p * d + p] = app - t * apq;
    a[q * d + q] = aqq + t * apq;
    a[p * d + q] = 0.0;
    a[q * d + p] = 0.0;
    for k in 0..d {
        if k != p && k != q {
            let (akp, akq) = (a[k * d + p], a[k * d + q]);
            a[k * d + p] = c * akp - s * akq;
            a[k * d + q] = s * akp + c * akq;
            a[p * d + k] = a[k * d + p];
            a[q * d + k] = a[k * d + q];
        }
        let (vkp, vkq) = (v[k * d + p], v[k * d + q]);
        v[k * d + p] = c * vkp - s * vkq;
        v[k * d + q] = s * vkp + c * vkq;
    }
    true
}

/// The larger of two changes; NaN, which is no small one, stays.
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    /// Backward error of an orthogonal or triangular `d <= 5` routine: a few rounding errors per entry.
    const ROUNDING: f64 = 1e-13;

    fn positive(d: usize) -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(-1.0..1.0f64, d * d).prop_map(move |g| {
            let mut gt = vec![0.0; d * d];
            transpose(&g, &mut gt, d);
            let mut a = vec![0.0; d * d];
            multiply(&g, &gt, &mut a, d);
            (0..d).for_each(|j| a[j * d + j] += 0.1);
            a
        })
    }

    proptest! {
        #[test]
        fn inverse_times_matrix_is_identity(d in 1usize..6, seed in positive(5)) {
            let a: Vec<f64> = (0..d * d).map(|k| seed[(k / d) * 5 + k % d]).collect();
            let (mut inverse, mut product) = (vec![0.0; d * d], vec![0.0; d * d]);
            invert_positive(&a, &mut inverse, &mut vec![0.0; 2 * d * d], d).unwrap();
            multiply(&a, &inverse, &mut product, d);
            let mut identity = vec![0.0; d * d];
            set_identity(&mut identity, d);
            for (p, i) in product.iter().zip(&identity) {
                prop_assert!((p - i).abs() < 100.0 * ROUNDING, "{a:?} {product:?}");
            }
        }

        #[test]
        fn eigenvectors_rebuild_the_matrix(a in positive(4)) {
            let d = 4;
            let (mut values, mut v) = (vec![0.0; d], vec![0.0; d * d]);
            eigen_symmetric(&mut a.clone(), &mut values, &mut v, d);
            let mut rebuilt = vec![0.0; d * d];
            rebuild(&v, &values, &mut rebuilt, d);
            for (found, expected) in rebuilt.iter().zip(&a) {
                prop_assert!((found - expected).abs() < ROUNDING * trace(&a, d));
            }
        }
    }

    #[test]
    fn graded_eigenvalues_keep_relative_accuracy() {
        // diag(1e-12, 1) rotated by the Cholesky-graded congruence: exact eigenvalues by the quadratic formula.
        let (mut values, mut v) = ([0.0; 2], [0.0; 4]);
        eigen_symmetric(&mut [1e-12, 1e-7, 1e-7, 1.0], &mut values, &mut v, 2);
        let small = values[0].min(values[1]);
        assert_relative_eq!(small, 1e-12 - 1e-14, max_relative = 1e-10);
    }

    #[test]
    fn indefinite_and_nan_matrices_are_refused() {
        assert_eq!(cholesky(&mut [1.0, 2.0, 2.0, 1.0], 2).unwrap_err().index, 1);
        assert!(cholesky(&mut [f64::NAN], 1).is_err());
    }
}
