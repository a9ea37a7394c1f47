//! What a low-rank factor refuses to be made of.

use core::fmt;

use crate::operator::OperatorError;

/// Something can't be a low-rank factor.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum LowRankError {
    /// The noise variance isn't finite and above zero, or is NaN.
    Variance {
        /// The value.
        value: f64,
    },
    /// The data is empty or an entry isn't finite.
    Data(OperatorError),
    /// Data of the symmetric form has as many rows as columns.
    NotSquare {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// Data of the symmetric form differs from its transpose.
    NotSymmetric {
        /// Row of the first such entry.
        row: usize,
        /// Its column.
        column: usize,
    },
}

impl fmt::Display for LowRankError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variance { value } => {
                write!(f, "noise variance must be finite and above 0, got {value}")
            }
            Self::Data(error) => write!(f, "data: {error}"),
            Self::NotSquare { rows, columns } => {
                write!(f, "symmetric data must be square, got {rows} x {columns}")
            }
            Self::NotSymmetric { row, column } => write!(
                f,
                "data must be symmetric, differs from its transpose at row {row}, column {column}"
            ),
        }
    }
}

impl core::error::Error for LowRankError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Data(error) => Some(error),
            _ => None,
        }
    }
}
