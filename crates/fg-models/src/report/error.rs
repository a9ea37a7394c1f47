//! What can be wrong with a file: each error names the file, the array and what was expected.

use core::fmt;
use std::io;
use std::path::PathBuf;

/// A file can't be read as the array it should hold.
#[derive(Debug)]
#[non_exhaustive]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The array inside an `.npz` file; `None` for an `.npy` file or when the file as a whole is meant.
    pub array: Option<String>,
    /// What is wrong.
    pub problem: ReadProblem,
}

/// What is wrong with a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadProblem {
    /// The operating system refused.
    Io(io::Error),
    /// The content isn't in the format that the name promises; the reason in the words of the decoder.
    Format(String),
    /// The header promises more data than there is.
    Truncated {
        /// Bytes of data promised.
        expected: u64,
        /// Bytes of data present.
        found: u64,
    },
    /// The elements aren't real numbers; the type as numpy writes it.
    ElementType(String),
    /// More than two dimensions.
    Dimensions {
        /// Shape as written.
        shape: Vec<u64>,
    },
    /// No rows or no columns.
    Empty {
        /// Rows and columns.
        shape: (usize, usize),
    },
    /// A value is NaN or infinite.
    NotFinite {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The value.
        value: f64,
    },
    /// The archive has no such array.
    Missing,
    /// Another shape is needed; `None` where any size will do.
    Shape {
        /// Rows and columns needed.
        expected: (Option<usize>, Option<usize>),
        /// Rows and columns given.
        found: (usize, usize),
        /// Where the needed sizes come from, such as `rows of X`.
        reason: String,
    },
    /// A value is outside its range; the words say what is needed and what was given.
    Value(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some(array) = &self.array {
            write!(f, "array {array}: ")?;
        }
        match &self.problem {
            ReadProblem::Io(error) => error.fmt(f),
            ReadProblem::Format(reason) => write!(f, "can't be decoded: {reason}"),
            ReadProblem::Truncated { expected, found } => {
                write!(f, "truncated: header promises {expected} bytes of data, found {found}")
            }
            ReadProblem::ElementType(found) => {
                write!(f, "needs real numbers (float or integer), got type {found}")
            }
            ReadProblem::Dimensions { shape } => {
                write!(f, "needs at most two dimensions, got shape {shape:?}")
            }
            ReadProblem::Empty { shape } => {
                write!(f, "needs at least one row and one column, got {} x {}", shape.0, shape.1)
            }
            ReadProblem::NotFinite { row, column, value } => {
                write!(f, "value at row {row}, column {column} is {value}")
            }
            ReadProblem::Missing => write!(f, "not in the file"),
            ReadProblem::Shape { expected, found, reason } => {
                let size =
                    |s: &Option<usize>| s.map_or_else(|| "any".to_owned(), |s| s.to_string());
                let (rows, columns) = (size(&expected.0), size(&expected.1));
                write!(f, "needs {rows} x {columns} ({reason}), got {} x {}", found.0, found.1)
            }
            ReadProblem::Value(words) => f.write_str(words),
        }
    }
}

impl core::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.problem {
            ReadProblem::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// A file can't be written.
#[derive(Debug)]
#[non_exhaustive]
pub struct WriteError {
    /// The file that was asked for; it is unchanged.
    pub path: PathBuf,
    /// The reason.
    pub error: io::Error,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: can't be written: {}", self.path.display(), self.error)
    }
}

impl core::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.error)
    }
}
