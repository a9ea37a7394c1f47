//! An operator given by a complex matrix, on pairs of real entries.

use core::fmt;

use faer::{MatRef, c64};
use fg_linalg::complex::ComplexMatrix;

use super::{LinearOperator, OperatorError};
use crate::rows::Rows;

/// A stored complex `m x n` matrix as a real operator of `2 n` inputs and `2 m` outputs: the real and the imaginary part of
/// a number are neighbours, and the transpose is the conjugate one.
///
/// The entries of a complex signal kept as `n x 2` are `2 n` such numbers, row after row:
/// [`linear_entries`](crate::GraphBuilder::linear_entries) connects the two. The linear factor decomposes the complex
/// matrix and not the real one of twice its sizes, which takes a half of the time.
///
/// ```
/// use fg_core::{Rows, operator::{Complex, LinearOperator}};
/// // The number i.
/// let i = Complex::from_parts(&Rows::column(vec![0.0]), &Rows::column(vec![1.0]))?;
/// let mut z = [0.0; 2];
/// i.apply(&[3.0, 4.0], &mut z, 1);
/// assert_eq!(z, [-4.0, 3.0]);
/// # Ok::<(), fg_core::operator::OperatorError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Complex {
    matrix: ComplexMatrix,
}

impl Complex {
    /// The operator of this matrix.
    ///
    /// # Errors
    /// [`OperatorError`] when the matrix is empty or an entry isn't finite.
    pub fn new(matrix: MatRef<'_, c64>) -> Result<Self, OperatorError> {
        Self::checked(ComplexMatrix::of(matrix))
    }

    /// The operator of the matrix with these real and imaginary parts.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when the shapes of the parts differ.
    pub fn from_parts(real: &Rows, imaginary: &Rows) -> Result<Self, OperatorError> {
        let (m, n) = real.shape();
        let sizes = [
            ("rows of the imaginary part", m, imaginary.rows()),
            ("columns of the imaginary part", n, imaginary.columns()),
        ];
        for (part, expected, found) in sizes {
            if found != expected {
                return Err(OperatorError::Parts { part, expected, found });
            }
        }
        Self::checked(ComplexMatrix::new(m, n, |i, j| [real[(i, j)], imaginary[(i, j)]]))
    }

    fn checked(matrix: ComplexMatrix) -> Result<Self, OperatorError> {
        let (rows, columns) = (matrix.nrows(), matrix.ncols());
        if rows == 0 || columns == 0 {
            return Err(OperatorError::Empty { rows, columns });
        }
        let stacked = matrix.stacked();
        for column in 0..columns {
            for row in 0..2 * rows {
                let value = stacked[(row, column)];
                if !value.is_finite() {
                    return Err(OperatorError::NotFinite { row: row % rows, column, value });
                }
            }
        }
        Ok(Self { matrix })
    }

    /// The matrix.
    pub(crate) fn matrix(&self) -> &ComplexMatrix {
        &self.matrix
    }
}

impl LinearOperator for Complex {
    /// `2 m`.
    fn outputs(&self) -> usize {
        2 * self.matrix.nrows()
    }

    /// `2 n`.
    fn inputs(&self) -> usize {
        2 * self.matrix.ncols()
    }

    /// Time: `8 m n` operations a column; the matrix is read once.
    fn apply(&self, x: &[f64], z: &mut [f64], columns: usize) {
        self.matrix.multiply(x, z, columns);
    }

    fn apply_adjoint(&self, z: &[f64], x: &mut [f64], columns: usize) {
        self.matrix.multiply_adjoint(z, x, columns);
    }

    /// Of the real matrix: twice that of the complex one.
    fn squared_norm(&self) -> f64 {
        2.0 * self.matrix.stacked().squared_norm_l2()
    }

    fn complex(&self) -> Option<&Self> {
        Some(self)
    }

    fn name(&self) -> String {
        format!("complex {} x {}", self.matrix.nrows(), self.matrix.ncols())
    }
}

impl fmt::Debug for Complex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Complex({} x {})", self.matrix.nrows(), self.matrix.ncols())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_complex_numbers() {
        let value = |k: usize| (0.3 + (k * k + 3 * k) as f64).sin();
        let entry = |i: usize, j: usize| c64::new(value(7 * i + j), value(50 + 5 * i + j));
        let (m, n) = (3, 4);
        let matrix = faer::Mat::from_fn(m, n, entry);
        let operator = Complex::new(matrix.as_ref()).unwrap();
        let x: Vec<f64> = (0..2 * n).map(|k| value(k + 100)).collect();
        let y: Vec<f64> = (0..2 * m).map(|k| value(k + 200)).collect();
        let (mut ax, mut ay) = (vec![f64::NAN; 2 * m], vec![f64::NAN; 2 * n]);
        operator.apply(&x, &mut ax, 1);
        operator.apply_adjoint(&y, &mut ay, 1);
        let number = |v: &[f64], k: usize| c64::new(v[2 * k], v[2 * k + 1]);
        for i in 0..m {
            let sum: c64 = (0..n).map(|j| entry(i, j) * number(&x, j)).sum();
            assert!((sum - number(&ax, i)).norm() < 1e-14, "row {i}");
        }
        for j in 0..n {
            let sum: c64 = (0..m).map(|i| entry(i, j).conj() * number(&y, i)).sum();
            assert!((sum - number(&ay, j)).norm() < 1e-14, "column {j}");
        }
    }

    #[test]
    fn bad_parts_are_named() {
        let part = |m: usize, n: usize| Rows::from_fn(m, n, |_, _| 1.0);
        let error = Complex::from_parts(&part(2, 3), &part(2, 2)).unwrap_err();
        assert_eq!(error.to_string(), "operator needs 3 columns of the imaginary part, got 2");
        let error = Complex::from_parts(&part(2, 3), &part(1, 3)).unwrap_err();
        assert_eq!(error.to_string(), "operator needs 2 rows of the imaginary part, got 1");
        let empty = Complex::from_parts(&part(0, 3), &part(0, 3)).unwrap_err();
        assert_eq!(empty, OperatorError::Empty { rows: 0, columns: 3 });
        let mut bad = part(2, 3);
        bad[(1, 2)] = f64::INFINITY;
        let error = Complex::from_parts(&part(2, 3), &bad).unwrap_err();
        assert_eq!(error, OperatorError::NotFinite { row: 1, column: 2, value: f64::INFINITY });
    }
}
