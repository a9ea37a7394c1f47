//! The structure of a precision decides how many numbers a message carries: along its rows and along its columns.

use core::fmt;
use core::ops::Range;
use std::sync::Arc;

/// Which rows of a variable share one precision matrix.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum RowSharing {
    /// One precision for all rows (VAMP, ML-VAMP, ML-Mat-VAMP).
    #[default]
    Shared,
    /// One precision for each group of consecutive rows; the group sizes, which add up to `n`.
    Blocks(Vec<usize>),
    /// One precision for each row (classic expectation propagation).
    PerRow,
}

/// Which `d x d` matrices a precision may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ColumnForm {
    /// A multiple of the identity.
    Isotropic,
    /// A diagonal matrix.
    Diagonal,
    /// Any symmetric matrix.
    #[default]
    Full,
}

impl ColumnForm {
    /// Replaces a symmetric `d x d` matrix by the nearest one of this form: its diagonal for
    /// [`Diagonal`](Self::Diagonal), the mean of its diagonal for [`Isotropic`](Self::Isotropic).
    pub fn restrict(self, matrix: &mut [f64], d: usize) {
        if self == Self::Full || d == 1 {
            return;
        }
        let mean = (0..d).map(|j| matrix[j * d + j]).sum::<f64>() / d as f64;
        for j in 0..d {
            for k in 0..d {
                if j != k {
                    matrix[j * d + k] = 0.0;
                } else if self == Self::Isotropic {
                    matrix[j * d + k] = mean;
                }
            }
        }
    }

    /// Whether a symmetric `d x d` matrix has this form exactly.
    pub fn holds(self, matrix: &[f64], d: usize) -> bool {
        let off_diagonal_zero =
            || (0..d).all(|j| (0..d).all(|k| j == k || matrix[j * d + k] == 0.0));
        match self {
            Self::Full => true,
            Self::Diagonal => off_diagonal_zero(),
            Self::Isotropic => {
                off_diagonal_zero()
                    && (1..d).all(|j| matrix[j * d + j].to_bits() == matrix[0].to_bits())
            }
        }
    }
}

/// The two axes of a precision's structure. The default is one full `d x d` matrix for all rows.
///
/// ```
/// use fg_core::{ColumnForm, RowSharing, Structure};
/// let classic = Structure::per_row().with_columns(ColumnForm::Diagonal);
/// assert_eq!(classic.rows, RowSharing::PerRow);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Structure {
    /// Which rows share a precision.
    pub rows: RowSharing,
    /// Which `d x d` matrices it may be.
    pub columns: ColumnForm,
}

impl Structure {
    /// One full `d x d` precision for all rows.
    pub fn shared() -> Self {
        Self::default()
    }

    /// One full `d x d` precision for each group of consecutive rows, of the given sizes.
    pub fn blocks(sizes: impl Into<Vec<usize>>) -> Self {
        Self { rows: RowSharing::Blocks(sizes.into()), columns: ColumnForm::Full }
    }

    /// One full `d x d` precision for each row.
    pub fn per_row() -> Self {
        Self { rows: RowSharing::PerRow, columns: ColumnForm::Full }
    }

    /// The same rows, with matrices of form `columns`.
    #[must_use]
    pub fn with_columns(mut self, columns: ColumnForm) -> Self {
        self.columns = columns;
        self
    }

    /// Resolves the structure for a variable of `rows x columns`.
    ///
    /// # Errors
    /// [`StructureError`] when group sizes don't add up to `rows` or a group is empty.
    pub fn layout(&self, rows: usize, columns: usize) -> Result<Layout, StructureError> {
        let partition = match &self.rows {
            RowSharing::Shared => Partition::Shared(rows),
            RowSharing::PerRow => Partition::PerRow(rows),
            RowSharing::Blocks(sizes) => {
                if let Some(block) = sizes.iter().position(|&s| s == 0) {
                    return Err(StructureError::EmptyBlock { block });
                }
                let total: usize = sizes.iter().sum();
                if total != rows {
                    return Err(StructureError::BlockSizes { total, rows });
                }
                let mut offsets = vec![0];
                offsets.extend(sizes.iter().scan(0, |end, s| {
                    *end += s;
                    Some(*end)
                }));
                Partition::Blocks(offsets.into())
            }
        };
        Ok(Layout { partition, columns, form: self.columns })
    }
}

/// The rows `0..n` cut into consecutive blocks that share a precision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partition {
    /// One block of `n` rows.
    Shared(usize),
    /// Block `b` is `offsets[b]..offsets[b + 1]`.
    Blocks(Arc<[usize]>),
    /// `n` blocks of one row.
    PerRow(usize),
}

impl Partition {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Shared(n) | Self::PerRow(n) => *n,
            Self::Blocks(offsets) => offsets[offsets.len() - 1],
        }
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        match self {
            Self::Shared(_) => 1,
            Self::Blocks(offsets) => offsets.len() - 1,
            Self::PerRow(n) => *n,
        }
    }

    /// The rows of block `b`.
    pub fn range(&self, b: usize) -> Range<usize> {
        match self {
            Self::Shared(n) => 0..*n,
            Self::Blocks(offsets) => offsets[b]..offsets[b + 1],
            Self::PerRow(_) => b..b + 1,
        }
    }

    /// The block that holds row `i`.
    pub fn block_of(&self, i: usize) -> usize {
        match self {
            Self::Shared(_) => 0,
            Self::Blocks(offsets) => offsets.partition_point(|&start| start <= i) - 1,
            Self::PerRow(_) => i,
        }
    }
}

/// A structure resolved for one variable: its shape, its blocks of rows, the form of its matrices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    partition: Partition,
    columns: usize,
    form: ColumnForm,
}

impl Layout {
    /// Number of rows, `n`.
    pub fn rows(&self) -> usize {
        self.partition.rows()
    }

    /// Number of columns, `d`.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of blocks of rows that share a precision.
    pub fn blocks(&self) -> usize {
        self.partition.blocks()
    }

    /// The rows of block `b`.
    pub fn range(&self, b: usize) -> Range<usize> {
        self.partition.range(b)
    }

    /// How the rows are cut into blocks.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The layout of the entries as one column of length `n d`, for which messages of isotropic columns are the same.
    pub(crate) fn of_entries(&self) -> Self {
        let d = self.columns;
        let partition = match &self.partition {
            Partition::Shared(n) => Partition::Shared(n * d),
            Partition::Blocks(offsets) => {
                Partition::Blocks(offsets.iter().map(|o| o * d).collect())
            }
            Partition::PerRow(n) => Partition::Blocks((0..=*n).map(|i| i * d).collect()),
        };
        Self { partition, columns: 1, form: self.form }
    }

    /// The form of every block's matrix.
    pub fn form(&self) -> ColumnForm {
        self.form
    }
}

/// A structure doesn't fit the variable it is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StructureError {
    /// The sizes of the blocks add up to `total`, the variable has `rows` rows.
    BlockSizes {
        /// Sum of the block sizes.
        total: usize,
        /// Rows of the variable.
        rows: usize,
    },
    /// A block of no rows.
    EmptyBlock {
        /// Its index.
        block: usize,
    },
}

impl fmt::Display for StructureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockSizes { total, rows } => {
                write!(f, "block sizes add up to {total}, the variable has {rows} rows")
            }
            Self::EmptyBlock { block } => write!(f, "block {block} has no rows"),
        }
    }
}

impl core::error::Error for StructureError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_consecutive_and_complete() {
        let layout = Structure::blocks([2, 1, 3]).layout(6, 2).unwrap();
        assert_eq!(layout.range(1), 2..3);
        let owners: Vec<_> = (0..6).map(|i| layout.partition().block_of(i)).collect();
        assert_eq!(owners, [0, 0, 1, 2, 2, 2]);
    }

    #[test]
    fn wrong_block_sizes_are_named() {
        let error = Structure::blocks([2, 2]).layout(5, 1).unwrap_err();
        assert_eq!(error.to_string(), "block sizes add up to 4, the variable has 5 rows");
        let error = Structure::blocks([2, 0, 3]).layout(5, 1).unwrap_err();
        assert_eq!(error, StructureError::EmptyBlock { block: 1 });
    }

    #[test]
    fn restriction_keeps_the_trace_and_reaches_the_form() {
        let matrix = [4.0, 1.0, 1.0, 2.0];
        for form in [ColumnForm::Isotropic, ColumnForm::Diagonal, ColumnForm::Full] {
            let mut restricted = matrix;
            form.restrict(&mut restricted, 2);
            assert!(form.holds(&restricted, 2), "{form:?} of {matrix:?} gave {restricted:?}");
            assert!((restricted[0] + restricted[3] - 6.0).abs() < 1e-15, "trace of {restricted:?}");
        }
    }
}
