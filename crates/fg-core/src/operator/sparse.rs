//! An operator given by those entries of its matrix that aren't zero.

use core::fmt;

use faer::sparse::{SparseRowMat, Triplet};

use super::{LinearOperator, OperatorError};

/// A stored sparse `m x n` matrix, row after row.
///
/// The linear factor decomposes it like any other unless it is too large for that, or told to
/// [iterate](crate::factor::Solver::Iterative).
///
/// ```
/// use fg_core::operator::{LinearOperator, Sparse};
/// let a = Sparse::from_triplets(2, 3, &[(0, 0, 1.0), (1, 2, 4.0), (0, 2, 2.0)])?;
/// let mut z = [0.0; 2];
/// a.apply(&[1.0, 1.0, 1.0], &mut z, 1);
/// assert_eq!(z, [3.0, 4.0]);
/// # Ok::<(), fg_core::operator::OperatorError>(())
/// ```
#[derive(Clone)]
pub struct Sparse {
    matrix: SparseRowMat<usize, f64>,
}

impl Sparse {
    /// The operator of `outputs x inputs` with these entries `(row, column, value)`, in any order; entries of one place add
    /// up.
    ///
    /// # Errors
    /// [`OperatorError`] when the matrix has no rows or columns, an entry lies outside, or isn't finite.
    pub fn from_triplets(
        outputs: usize,
        inputs: usize,
        entries: &[(usize, usize, f64)],
    ) -> Result<Self, OperatorError> {
        if outputs == 0 || inputs == 0 {
            return Err(OperatorError::Empty { rows: outputs, columns: inputs });
        }
        let outside =
            |&&(row, column, _): &&(usize, usize, f64)| row >= outputs || column >= inputs;
        if let Some(&(row, column, _)) = entries.iter().find(outside) {
            return Err(OperatorError::Outside { row, column, shape: (outputs, inputs) });
        }
        if let Some(&(row, column, value)) = entries.iter().find(|(_, _, value)| !value.is_finite())
        {
            return Err(OperatorError::NotFinite { row, column, value });
        }
        let triplets: Vec<_> =
            entries.iter().map(|&(row, column, value)| Triplet::new(row, column, value)).collect();
        let matrix = SparseRowMat::try_new_from_triplets(outputs, inputs, &triplets)
            .map_err(|_| OperatorError::Size { rows: outputs, columns: inputs })?;
        Ok(Self { matrix })
    }

    /// Stored entries.
    pub fn entries(&self) -> usize {
        self.matrix.compute_nnz()
    }

    /// The stored entries of a row: columns and values.
    fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> {
        let matrix = self.matrix.as_ref();
        let columns = matrix.symbolic().col_idx_of_row_raw(i);
        columns.iter().copied().zip(matrix.val_of_row(i).iter().copied())
    }
}

impl LinearOperator for Sparse {
    fn outputs(&self) -> usize {
        self.matrix.nrows()
    }

    fn inputs(&self) -> usize {
        self.matrix.ncols()
    }

    /// Time: two operations a stored entry and column; the matrix is read once.
    fn apply(&self, x: &[f64], z: &mut [f64], columns: usize) {
        for (i, z) in z.chunks_exact_mut(columns).enumerate() {
            z.fill(0.0);
            for (k, a) in self.row(i) {
                let x = &x[k * columns..][..columns];
                z.iter_mut().zip(x).for_each(|(z, x)| *z += a * x);
            }
        }
    }

    fn apply_adjoint(&self, z: &[f64], x: &mut [f64], columns: usize) {
        x.fill(0.0);
        for (i, z) in z.chunks_exact(columns).enumerate() {
            for (k, a) in self.row(i) {
                let x = &mut x[k * columns..][..columns];
                x.iter_mut().zip(z).for_each(|(x, z)| *x += a * z);
            }
        }
    }

    fn squared_norm(&self) -> f64 {
        self.matrix.val().iter().map(|a| a * a).sum()
    }

    fn name(&self) -> String {
        format!("sparse {} x {}", self.outputs(), self.inputs())
    }
}

impl fmt::Debug for Sparse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sparse({} x {}, {} entries)", self.outputs(), self.inputs(), self.entries())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_one_place_add_up() {
        let operator =
            Sparse::from_triplets(2, 2, &[(1, 0, 1.0), (0, 1, 2.0), (1, 0, 0.5)]).unwrap();
        assert_eq!((operator.entries(), operator.squared_norm()), (2, 6.25));
        let mut x = [f64::NAN; 4];
        operator.apply_adjoint(&[1.0, 2.0, 3.0, 4.0], &mut x, 2);
        assert_eq!(x.as_slice(), [4.5, 6.0, 2.0, 4.0]);
    }

    #[test]
    fn bad_entries_are_named() {
        let text =
            |m, n, entries: &[_]| Sparse::from_triplets(m, n, entries).unwrap_err().to_string();
        assert_eq!(text(0, 3, &[]), "operator needs a matrix with entries, got 0 x 3");
        assert_eq!(
            text(2, 3, &[(0, 0, 1.0), (1, 3, 1.0)]),
            "operator entry at row 1, column 3 is outside of 2 x 3"
        );
        assert_eq!(
            text(2, 3, &[(1, 2, f64::NAN)]),
            "operator entry at row 1, column 2 is NaN, must be finite"
        );
        let empty = Sparse::from_triplets(2, 3, &[]).unwrap();
        assert_eq!((empty.entries(), empty.squared_norm()), (0, 0.0));
    }
}
