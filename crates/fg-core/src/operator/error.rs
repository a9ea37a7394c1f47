//! What an operator refuses to be made of.

use core::fmt;

/// Something can't be an operator.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum OperatorError {
    /// The matrix has no entries.
    Empty {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// An entry is NaN or infinite.
    NotFinite {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// Its value.
        value: f64,
    },
    /// An entry lies outside of the matrix.
    Outside {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// Rows and columns of the matrix.
        shape: (usize, usize),
    },
    /// The matrix has more entries than can be counted.
    Size {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// A part is of another size than the others ask for.
    Parts {
        /// The part.
        part: &'static str,
        /// The size it needs.
        expected: usize,
        /// The size it has.
        found: usize,
    },
    /// A singular value is negative, NaN or infinite.
    SingularValue {
        /// Its index.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// A row that was asked for doesn't exist, or was asked for twice.
    Row {
        /// The row.
        row: usize,
        /// How many there are.
        rows: usize,
    },
}

impl fmt::Display for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { rows, columns } => {
                write!(f, "operator needs a matrix with entries, got {rows} x {columns}")
            }
            Self::NotFinite { row, column, value } => {
                write!(f, "operator entry at row {row}, column {column} is {value}, must be finite")
            }
            Self::Outside { row, column, shape: (rows, columns) } => {
                write!(
                    f,
                    "operator entry at row {row}, column {column} is outside of {rows} x {columns}"
                )
            }
            Self::Size { rows, columns } => {
                write!(f, "operator of {rows} x {columns} has more entries than can be counted")
            }
            Self::Parts { part, expected, found } => {
                write!(f, "operator needs {expected} {part}, got {found}")
            }
            Self::SingularValue { index, value } => {
                write!(f, "singular value {index} is {value}, must be finite and not negative")
            }
            Self::Row { row, rows } => {
                write!(f, "operator row {row} must be below {rows} and come once")
            }
        }
    }
}

impl core::error::Error for OperatorError {}
