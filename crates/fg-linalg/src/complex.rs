//! Complex matrices in real arithmetic: a complex number is two consecutive real ones.

use faer::{Mat, MatRef, c64};

use super::product;

/// A complex `m x n` matrix, its real part above its imaginary one, so that each product passes it once.
#[derive(Clone, PartialEq)]
pub struct ComplexMatrix {
    stacked: Mat<f64>,
}

impl ComplexMatrix {
    /// The matrix of these parts, real and imaginary.
    pub fn new(m: usize, n: usize, part: impl Fn(usize, usize) -> [f64; 2]) -> Self {
        let entry = |i: usize, j: usize| if i < m { part(i, j)[0] } else { part(i - m, j)[1] };
        Self { stacked: Mat::from_fn(2 * m, n, entry) }
    }

    /// A copy of `matrix`.
    pub fn of(matrix: MatRef<'_, c64>) -> Self {
        let (m, n) = matrix.shape();
        Self::new(m, n, |i, j| [matrix[(i, j)].re, matrix[(i, j)].im])
    }

    /// A copy as complex numbers.
    pub fn to_matrix(&self) -> Mat<c64> {
        let m = self.nrows();
        let entry = |i: usize, j: usize| c64::new(self.stacked[(i, j)], self.stacked[(m + i, j)]);
        Mat::from_fn(m, self.ncols(), entry)
    }

    /// Number of complex rows.
    pub fn nrows(&self) -> usize {
        self.stacked.nrows() / 2
    }

    /// Number of complex columns.
    pub fn ncols(&self) -> usize {
        self.stacked.ncols()
    }

    /// Both parts, one above the other: `2 m x n`.
    pub fn stacked(&self) -> MatRef<'_, f64> {
        self.stacked.as_ref()
    }

    /// `y = A x` for row-major `x` (`2 n x columns`) and `y` (`2 m x columns`), the two parts of a number in neighbouring
    /// rows.
    pub fn multiply(&self, x: &[f64], y: &mut [f64], columns: usize) {
        // As n x 2 columns: real parts, then imaginary ones.
        let mut products = vec![0.0; 2 * y.len()];
        product::multiply_rows(self.stacked(), x, &mut products, 2 * columns);
        let (by_real, by_imaginary) = products.split_at(y.len());
        let rows = by_real.chunks_exact(2 * columns).zip(by_imaginary.chunks_exact(2 * columns));
        for (y, (a, b)) in y.chunks_exact_mut(2 * columns).zip(rows) {
            for j in 0..columns {
                y[j] = a[j] - b[columns + j];
                y[columns + j] = a[columns + j] + b[j];
            }
        }
    }

    /// `x = A* y` by the conjugate transpose, shapes as in [`multiply`](Self::multiply).
    pub fn multiply_adjoint(&self, y: &[f64], x: &mut [f64], columns: usize) {
        // y above -i y.
        let mut turned = Vec::with_capacity(2 * y.len());
        turned.extend_from_slice(y);
        for row in y.chunks_exact(2 * columns) {
            turned.extend_from_slice(&row[columns..]);
            turned.extend(row[..columns].iter().map(|v| -v));
        }
        product::multiply_adjoint_rows(self.stacked(), &turned, x, 2 * columns);
    }
}

impl core::fmt::Debug for ComplexMatrix {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ComplexMatrix({} x {})", self.nrows(), self.ncols())
    }
}
