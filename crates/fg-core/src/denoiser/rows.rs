//! What a row-wise estimator is given and where it answers: rows that share a precision.

use core::fmt;

/// Consecutive rows of a cavity that share one precision.
///
/// Natural parameters are exact also where the precision is singular; the mean is then the pseudo-inverse one.
#[derive(Clone, Copy, Debug)]
pub struct RowCavity<'a> {
    pub(crate) first_row: usize,
    pub(crate) columns: usize,
    pub(crate) natural: &'a [f64],
    pub(crate) mean: &'a [f64],
    pub(crate) precision: &'a [f64],
}

impl<'a> RowCavity<'a> {
    /// Rows `first_row..` of a variable of `columns` columns; `natural` and `mean` hold `rows x columns` values,
    /// `precision` is `columns x columns`, and `natural = mean precision`.
    ///
    /// # Panics
    /// When the lengths don't fit each other.
    #[track_caller]
    pub fn new(
        first_row: usize,
        columns: usize,
        natural: &'a [f64],
        mean: &'a [f64],
        precision: &'a [f64],
    ) -> Self {
        assert_eq!(natural.len(), mean.len(), "natural parameters and means of one length");
        assert_eq!(precision.len(), columns * columns, "a precision of {columns} x {columns}");
        assert_eq!(natural.len() % columns, 0, "whole rows of {columns} columns");
        Self { first_row, columns, natural, mean, precision }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.natural.len() / self.columns
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.natural.is_empty()
    }

    /// Index of the first of these rows in the variable.
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// Number of columns, `d`.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `N = R Gamma`, `rows x d`.
    pub fn natural(&self) -> &'a [f64] {
        self.natural
    }

    /// `R`, `rows x d`.
    pub fn mean(&self) -> &'a [f64] {
        self.mean
    }

    /// `Gamma`, `d x d`, symmetric positive semi-definite.
    pub fn precision(&self) -> &'a [f64] {
        self.precision
    }

    /// The precision of a variable of one column.
    ///
    /// # Panics
    /// When the variable has more columns.
    #[track_caller]
    pub fn scalar_precision(&self) -> f64 {
        assert_eq!(self.columns, 1, "a scalar precision needs a variable of one column");
        self.precision[0]
    }

    /// Whether `Gamma` is exactly diagonal.
    pub fn is_diagonal(&self) -> bool {
        crate::message::ColumnForm::Diagonal.holds(self.precision, self.columns)
    }
}

/// Where an estimator writes its answer.
#[derive(Debug)]
pub struct RowEstimate<'a> {
    /// Estimates, `rows x d`.
    pub mean: &'a mut [f64],
    /// Covariances, `rows x d x d`, each symmetric.
    pub covariance: &'a mut [f64],
}

/// What an estimator keeps between calls, owned by who calls it: working memory, which grows to what is asked for, and the
/// sampling error of what it has answered.
#[derive(Default)]
pub struct Scratch {
    buffer: Vec<f64>,
    inner: Option<Box<Self>>,
    standard_error: f64,
}

/// Memory begins at a multiple of so many bytes, the line of a cache and the longest register: what takes longer to cross is at the
/// same places whatever was allocated before.
const ALIGNMENT: usize = 64;
/// Values that may have to be left out for it.
const SPARE: usize = ALIGNMENT / size_of::<f64>() - 1;

impl Scratch {
    /// A slice of `len` values with arbitrary content.
    pub fn slice(&mut self, len: usize) -> &mut [f64] {
        aligned(&mut self.buffer, len)
    }

    /// A slice of `len` values with arbitrary content, and memory for an estimator within this one.
    pub fn nested(&mut self, len: usize) -> (&mut [f64], &mut Self) {
        (aligned(&mut self.buffer, len), self.inner.get_or_insert_default())
    }

    /// Declares the relative standard error of the row-averaged covariance of an answer, for estimators that compute it by
    /// sampling. The largest one counts.
    pub fn declare(&mut self, standard_error: f64) {
        self.standard_error = self.standard_error.max(standard_error);
    }

    /// The largest standard error declared since it was last taken, by an estimator or those within it; zero if none was.
    pub fn take_standard_error(&mut self) -> f64 {
        let within = self.inner.as_mut().map_or(0.0, |inner| inner.take_standard_error());
        core::mem::take(&mut self.standard_error).max(within)
    }
}

/// So many values of a buffer that grows as needed.
fn aligned(buffer: &mut Vec<f64>, len: usize) -> &mut [f64] {
    if buffer.len() < len + SPARE {
        buffer.resize(len + SPARE, 0.0);
    }
    let first = buffer.as_ptr().align_offset(ALIGNMENT).min(SPARE);
    &mut buffer[first..first + len]
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch of {} values", self.buffer.len())
    }
}
