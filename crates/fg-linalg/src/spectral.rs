//! Singular value and symmetric eigen-decompositions, of finite matrices and checked to be finite.

use core::fmt;

use faer::diag::{DiagMut, DiagRef};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{
    ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd,
};
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd, svd_scratch};
use faer::traits::ComplexField;
use faer::{Auto, Mat, MatRef, Par, c64};

use super::complex::ComplexMatrix;
use super::padded::Padded;
use super::symmetric;
use super::tridiagonal::Tridiagonal;

/// An iteration didn't converge, or the entries under- or overflowed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unconverged;

impl fmt::Display for Unconverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spectral decomposition did not converge")
    }
}

impl core::error::Error for Unconverged {}

/// `vectors diag(values) vectors'`, eigenvalues ascending.
#[derive(Debug)]
pub struct Eigen {
    /// Eigenvalues, ascending.
    pub values: Vec<f64>,
    /// Eigenvectors in the columns.
    pub vectors: Padded,
}

/// `u diag(s) v'` with `min(m, n)` singular values, descending.
#[derive(Debug)]
pub struct Svd {
    /// Left singular vectors, `m x min(m, n)`.
    pub u: Mat<f64>,
    /// Singular values, descending.
    pub s: Vec<f64>,
    /// Right singular vectors, `n x min(m, n)`.
    pub v: Mat<f64>,
}

/// `u diag(s) v*` with `min(m, n)` singular values, descending.
#[derive(Debug)]
pub struct ComplexSvd {
    /// Left singular vectors, `m x min(m, n)`.
    pub u: ComplexMatrix,
    /// Singular values, descending.
    pub s: Vec<f64>,
    /// Right singular vectors, `n x min(m, n)`.
    pub v: ComplexMatrix,
}

/// `A A'`, of which only the lower triangle is meaningful: `m x m`.
pub fn gram(a: MatRef<'_, f64>) -> Padded {
    let mut gram = Padded::zeros(a.nrows(), a.nrows());
    symmetric::add_lower_product(gram.as_mut(), 1.0, a, a.transpose());
    gram
}

/// Eigen-decomposition of a symmetric matrix, of which the lower triangle is read.
///
/// Own reduction to tridiagonal form, faer's divide and conquer from there: eigenvectors are born where they stay,
/// and the reduction takes half the time of the one in faer's own driver.
///
/// # Errors
/// [`Unconverged`], also for entries that aren't finite.
pub fn eigen(matrix: Padded) -> Result<Eigen, Unconverged> {
    let n = matrix.as_ref().nrows();
    let mut values = vec![0.0; n];
    let mut vectors = Padded::zeros(n, n);
    let reduced = Tridiagonal::new(matrix);
    // A matrix with NaN "converges" to NaN.
    let finite = |values: &[f64]| values.iter().all(|v| v.is_finite());
    if !(finite(&reduced.diagonal) && finite(&reduced.below)) {
        return Err(Unconverged);
    }
    let scratch =
        self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    tridiagonal_self_adjoint_evd(
        DiagRef::from_slice(&reduced.diagonal),
        DiagRef::from_slice(&reduced.below),
        DiagMut::from_slice_mut(&mut values),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| Unconverged)?;
    reduced.rotate(vectors.as_mut());
    if finite(&values) && vectors.as_ref().is_all_finite() {
        Ok(Eigen { values, vectors })
    } else {
        Err(Unconverged)
    }
}

/// Thin singular value decomposition.
///
/// # Errors
/// [`Unconverged`], also for entries that aren't finite.
pub fn thin_svd(a: MatRef<'_, f64>) -> Result<Svd, Unconverged> {
    let (u, s, v) = thin(a)?;
    Ok(Svd { u, s, v })
}

/// Thin singular value decomposition of a complex matrix.
///
/// # Errors
/// [`Unconverged`], also for entries that aren't finite.
pub fn thin_complex_svd(a: &ComplexMatrix) -> Result<ComplexSvd, Unconverged> {
    let (u, s, v) = thin::<c64>(a.to_matrix().as_ref())?;
    let s = s.iter().map(|s| s.re).collect();
    Ok(ComplexSvd { u: ComplexMatrix::of(u.as_ref()), s, v: ComplexMatrix::of(v.as_ref()) })
}

/// Left singular vectors, singular values and right singular vectors.
type Factors<T> = (Mat<T>, Vec<T>, Mat<T>);

fn thin<T: ComplexField>(a: MatRef<'_, T>) -> Result<Factors<T>, Unconverged>
where
    SvdParams: Auto<T>,
{
    let (m, n) = a.shape();
    let r = m.min(n);
    let mut s = vec![T::zero_impl(); r];
    let (mut u, mut v) = (Mat::zeros(m, r), Mat::zeros(n, r));
    let thin = ComputeSvdVectors::Thin;
    let scratch = svd_scratch::<T>(m, n, thin, thin, Par::Seq, Default::default());
    svd(
        a,
        DiagMut::from_slice_mut(&mut s),
        Some(u.as_mut()),
        Some(v.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| Unconverged)?;
    let values = DiagRef::from_slice(&s).column_vector();
    if values.is_all_finite() && u.is_all_finite() && v.is_all_finite() {
        Ok((u, s, v))
    } else {
        Err(Unconverged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Backward error of an orthogonal decomposition of a small matrix with entries of size one.
    const ROUNDING: f64 = 1e-13;

    fn matrix(m: usize, n: usize) -> Mat<f64> {
        Mat::from_fn(m, n, |i, j| ((3 * i * i + 5 * j + i * j) as f64).sin())
    }

    #[test]
    fn decompositions_rebuild_the_matrix() {
        for (m, n) in [(3, 7), (7, 3), (5, 5), (1, 4)] {
            let a = matrix(m, n);
            let Svd { u, s, v } = thin_svd(a.as_ref()).unwrap();
            let Eigen { values, vectors } = eigen(gram(a.as_ref())).unwrap();
            for i in 0..m {
                for j in 0..n {
                    let sum: f64 = (0..s.len()).map(|k| u[(i, k)] * s[k] * v[(j, k)]).sum();
                    assert!((sum - a[(i, j)]).abs() < ROUNDING, "{m} x {n} at ({i}, {j})");
                }
                for j in 0..m {
                    let sum: f64 = (0..m)
                        .map(|k| vectors.column(k)[i] * values[k] * vectors.column(k)[j])
                        .sum();
                    let expected: f64 = (0..n).map(|k| a[(i, k)] * a[(j, k)]).sum();
                    assert!((sum - expected).abs() < ROUNDING, "gram of {m} x {n}");
                }
            }
        }
    }

    #[test]
    fn overflow_is_an_error() {
        let a = Mat::from_fn(4, 4, |i, j| 1e200 * (1.0 + (i * j) as f64));
        assert!(eigen(gram(a.as_ref())).is_err());
    }
}
