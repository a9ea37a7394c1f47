//! An operator given by its matrix.

use core::fmt;

use faer::{Mat, MatRef};
use fg_linalg::product;

use super::{LinearOperator, OperatorError};
use crate::rows::Rows;

/// A stored `m x n` matrix, column after column.
///
/// ```
/// use fg_core::{Rows, operator::{Dense, LinearOperator}};
/// let a = Dense::from_rows(&Rows::from_fn(2, 3, |i, j| (i + j) as f64))?;
/// let mut z = [0.0; 2];
/// a.apply(&[1.0, 1.0, 1.0], &mut z, 1);
/// assert_eq!(z, [3.0, 6.0]);
/// # Ok::<(), fg_core::operator::OperatorError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Dense {
    matrix: Mat<f64>,
}

impl Dense {
    /// The operator of this matrix.
    ///
    /// # Errors
    /// [`OperatorError`] when the matrix is empty or an entry isn't finite.
    pub fn new(matrix: Mat<f64>) -> Result<Self, OperatorError> {
        check(matrix.as_ref())?;
        Ok(Self { matrix })
    }

    /// The operator of this matrix.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_rows(matrix: &Rows) -> Result<Self, OperatorError> {
        Self::new(Mat::from_fn(matrix.rows(), matrix.columns(), |i, j| matrix[(i, j)]))
    }

    /// The matrix.
    pub fn matrix(&self) -> MatRef<'_, f64> {
        self.matrix.as_ref()
    }
}

/// Whether a matrix can be an operator.
fn check(matrix: MatRef<'_, f64>) -> Result<(), OperatorError> {
    let (rows, columns) = matrix.shape();
    if rows == 0 || columns == 0 {
        return Err(OperatorError::Empty { rows, columns });
    }
    for column in 0..columns {
        for row in 0..rows {
            let value = matrix[(row, column)];
            if !value.is_finite() {
                return Err(OperatorError::NotFinite { row, column, value });
            }
        }
    }
    Ok(())
}

impl LinearOperator for Dense {
    fn outputs(&self) -> usize {
        self.matrix.nrows()
    }

    fn inputs(&self) -> usize {
        self.matrix.ncols()
    }

    /// Time: `2 m n` operations a column; one column reads the matrix once.
    fn apply(&self, x: &[f64], z: &mut [f64], columns: usize) {
        product::multiply_rows(self.matrix(), x, z, columns);
    }

    fn apply_adjoint(&self, z: &[f64], x: &mut [f64], columns: usize) {
        product::multiply_adjoint_rows(self.matrix(), z, x, columns);
    }

    fn dense(&self) -> Option<MatRef<'_, f64>> {
        Some(self.matrix())
    }

    fn name(&self) -> String {
        format!("dense {} x {}", self.outputs(), self.inputs())
    }
}

impl fmt::Debug for Dense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matrix } = self;
        write!(f, "Dense({} x {})", matrix.nrows(), matrix.ncols())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bad_matrices_are_named() {
        let empty = OperatorError::Empty { rows: 0, columns: 3 };
        assert_eq!(Dense::new(Mat::zeros(0, 3)).unwrap_err(), empty);
        let bad = Rows::from_fn(2, 3, |i, j| if (i, j) == (1, 2) { f64::INFINITY } else { 1.0 });
        let error = Dense::from_rows(&bad).unwrap_err();
        let text = "operator entry at row 1, column 2 is inf, must be finite";
        assert_eq!(error.to_string(), text);
        assert!(Dense::from_rows(&Rows::column(vec![f64::NAN])).is_err());
    }

    proptest! {
        #[test]
        fn adjoint_identity(m in 1usize..9, n in 1usize..9, d in 1usize..4, seed in 0.1..1.0f64) {
            let value = |k: usize| (seed * (k * k + 3) as f64).sin();
            let a = Dense::new(Mat::from_fn(m, n, |i, j| value(i * n + j))).unwrap();
            let x: Vec<f64> = (0..n * d).map(|k| value(k + 100)).collect();
            let z: Vec<f64> = (0..m * d).map(|k| value(k + 200)).collect();
            let (mut ax, mut atz) = (vec![f64::NAN; m * d], vec![f64::NAN; n * d]);
            a.apply(&x, &mut ax, d);
            a.apply_adjoint(&z, &mut atz, d);
            let left: f64 = ax.iter().zip(&z).map(|(a, b)| a * b).sum();
            let right: f64 = atz.iter().zip(&x).map(|(a, b)| a * b).sum();
            // Two sums of at most 8 * 8 * 3 products of size one.
            prop_assert!((left - right).abs() < 1e-13, "{left} {right}");
        }
    }
}
