//! A precision decides what a message claims to know: one symmetric `d x d` matrix for each block of rows, or certainty.

use core::fmt;

use super::small;
use super::structure::Layout;

/// The precisions of a message: a symmetric positive semi-definite `d x d` matrix a block of rows.
///
/// Every matrix is stored in full whatever its [`ColumnForm`](super::ColumnForm): sums of matrices of one form
/// keep it, so the form is an invariant and not a storage format. A block can be *infinite*: its rows are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Precision {
    layout: Layout,
    values: Vec<f64>,
    infinite: Vec<bool>,
}

impl Precision {
    /// No information about any row.
    pub fn zero(layout: Layout) -> Self {
        let (blocks, d) = (layout.blocks(), layout.columns());
        Self { layout, values: vec![0.0; blocks * d * d], infinite: vec![false; blocks] }
    }

    /// The same scalar precision, times the identity, for every block; `f64::INFINITY` makes rows known.
    ///
    /// # Errors
    /// [`PrecisionError::Negative`] when `precision` is negative or NaN.
    pub fn isotropic(layout: Layout, precision: f64) -> Result<Self, PrecisionError> {
        if !(precision >= 0.0) {
            return Err(PrecisionError::Negative { block: 0, value: precision });
        }
        let mut result = Self::zero(layout);
        let d = result.layout.columns();
        for b in 0..result.blocks() {
            if precision == f64::INFINITY {
                result.set_infinite(b);
            } else {
                (0..d).for_each(|j| result.block_mut(b)[j * d + j] = precision);
            }
        }
        Ok(result)
    }

    /// The same symmetric `d x d` matrix for every block.
    ///
    /// # Errors
    /// [`PrecisionError`] when the matrix isn't `d x d`, symmetric, positive semi-definite and of the layout's
    /// column form.
    pub fn from_matrix(layout: Layout, matrix: &[f64]) -> Result<Self, PrecisionError> {
        let mut result = Self::zero(layout);
        for b in 0..result.blocks() {
            result.set_block(b, matrix)?;
        }
        Ok(result)
    }

    /// Sets block `b` to a symmetric positive semi-definite matrix.
    ///
    /// # Errors
    /// As [`from_matrix`](Self::from_matrix).
    pub fn set_block(&mut self, b: usize, matrix: &[f64]) -> Result<(), PrecisionError> {
        let d = self.layout.columns();
        check(matrix, d, b)?;
        if !self.layout.form().holds(matrix, d) {
            return Err(PrecisionError::Form { block: b, form: self.layout.form() });
        }
        self.block_mut(b).copy_from_slice(matrix);
        self.infinite[b] = false;
        Ok(())
    }

    /// The structure resolved for the variable.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.infinite.len()
    }

    /// The matrix of block `b`, row-major `d x d`; zero when the block is infinite.
    pub fn block(&self, b: usize) -> &[f64] {
        let size = self.layout.columns() * self.layout.columns();
        &self.values[b * size..(b + 1) * size]
    }

    /// The matrix of block `b` for the engine's own arithmetic, which keeps the invariants.
    pub(crate) fn block_mut(&mut self, b: usize) -> &mut [f64] {
        let size = self.layout.columns() * self.layout.columns();
        &mut self.values[b * size..(b + 1) * size]
    }

    /// Whether the rows of block `b` are known.
    pub fn is_infinite(&self, b: usize) -> bool {
        self.infinite[b]
    }

    /// Declares the rows of block `b` known.
    pub fn set_infinite(&mut self, b: usize) {
        self.block_mut(b).fill(0.0);
        self.infinite[b] = true;
    }

    /// Whether no block carries any information.
    pub fn is_zero(&self) -> bool {
        self.values.iter().all(|&v| v == 0.0) && self.infinite.iter().all(|&i| !i)
    }

    /// Whether some block is infinite.
    pub fn any_infinite(&self) -> bool {
        self.infinite.contains(&true)
    }

    /// All matrices, block after block.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    pub(crate) fn clear(&mut self) {
        self.values.fill(0.0);
        self.infinite.fill(false);
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.values.copy_from_slice(&other.values);
        self.infinite.copy_from_slice(&other.infinite);
    }

    /// Mean over rows and columns of the diagonal; infinite when some block is.
    pub fn mean_diagonal(&self) -> f64 {
        if self.any_infinite() {
            return f64::INFINITY;
        }
        let d = self.layout.columns();
        let weighted = |b| self.layout.range(b).len() as f64 * small::trace(self.block(b), d);
        (0..self.blocks()).map(weighted).sum::<f64>() / (self.layout.rows() * d) as f64
    }
}

/// Slack of the positive-semidefinite check, relative to the trace: rounding of a matrix formed as a product.
const ROUNDING: f64 = 1e-12;

fn check(matrix: &[f64], d: usize, block: usize) -> Result<(), PrecisionError> {
    if matrix.len() != d * d {
        return Err(PrecisionError::Size { block, values: matrix.len(), columns: d });
    }
    if matrix.iter().any(|v| !v.is_finite()) {
        return Err(PrecisionError::NotFinite { block });
    }
    let trace = small::trace(matrix, d);
    for i in 0..d {
        for j in 0..i {
            if !((matrix[i * d + j] - matrix[j * d + i]).abs() <= ROUNDING * trace.abs()) {
                return Err(PrecisionError::NotSymmetric { block, row: i, column: j });
            }
        }
    }
    let (mut values, mut vectors) = (vec![0.0; d], vec![0.0; d * d]);
    small::eigen_symmetric(&mut matrix.to_vec(), &mut values, &mut vectors, d);
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    if !(smallest >= -ROUNDING * trace.abs()) || trace < 0.0 {
        return Err(PrecisionError::Negative { block, value: smallest });
    }
    Ok(())
}

/// A matrix can't be the precision of a block of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PrecisionError {
    /// The matrix doesn't have `columns x columns` values.
    Size {
        /// Index of the block.
        block: usize,
        /// Number of values given.
        values: usize,
        /// Columns of the variable.
        columns: usize,
    },
    /// An entry is NaN or infinite.
    NotFinite {
        /// Index of the block.
        block: usize,
    },
    /// Entries `(row, column)` and `(column, row)` differ.
    NotSymmetric {
        /// Index of the block.
        block: usize,
        /// Row of the entry below the diagonal.
        row: usize,
        /// Its column.
        column: usize,
    },
    /// An eigenvalue is negative or NaN.
    Negative {
        /// Index of the block.
        block: usize,
        /// The smallest eigenvalue.
        value: f64,
    },
    /// The matrix doesn't have the column form of the variable's structure.
    Form {
        /// Index of the block.
        block: usize,
        /// The form asked for.
        form: super::ColumnForm,
    },
}

impl fmt::Display for PrecisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { block, values, columns } => write!(
                f,
                "precision of block {block} needs {columns} x {columns} values, got {values}"
            ),
            Self::NotFinite { block } => write!(f, "precision of block {block} is not finite"),
            Self::NotSymmetric { block, row, column } => write!(
                f,
                "precision of block {block} is not symmetric at row {row}, column {column}"
            ),
            Self::Negative { block, value } => {
                write!(
                    f,
                    "precision of block {block} has eigenvalue {value:e}, must not be negative"
                )
            }
            Self::Form { block, form } => {
                write!(
                    f,
                    "precision of block {block} is not {form:?}, as the variable's structure asks"
                )
            }
        }
    }
}

impl core::error::Error for PrecisionError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ColumnForm, Structure};

    fn layout() -> Layout {
        Structure::shared().layout(3, 2).unwrap()
    }

    #[test]
    fn bad_matrices_are_named() {
        let error = |m: &[f64]| Precision::from_matrix(layout(), m).unwrap_err();
        assert_eq!(error(&[1.0]), PrecisionError::Size { block: 0, values: 1, columns: 2 });
        assert_eq!(error(&[1.0, f64::NAN, 0.0, 1.0]), PrecisionError::NotFinite { block: 0 });
        assert!(matches!(error(&[1.0, 0.5, 0.0, 1.0]), PrecisionError::NotSymmetric { .. }));
        assert!(matches!(error(&[1.0, 2.0, 2.0, 1.0]), PrecisionError::Negative { .. }));
        let diagonal = Structure::shared().with_columns(ColumnForm::Diagonal).layout(3, 2).unwrap();
        let error = Precision::from_matrix(diagonal, &[1.0, 0.5, 0.5, 1.0]).unwrap_err();
        assert_eq!(error, PrecisionError::Form { block: 0, form: ColumnForm::Diagonal });
        assert!(Precision::isotropic(layout(), f64::NAN).is_err());
    }

    #[test]
    fn zero_and_infinity_are_legal() {
        assert!(Precision::isotropic(layout(), 0.0).unwrap().is_zero());
        let known = Precision::isotropic(layout(), f64::INFINITY).unwrap();
        assert!(known.is_infinite(0) && known.mean_diagonal() == f64::INFINITY);
    }
}
