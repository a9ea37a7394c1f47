//! `Rows` decides how the value of a variable is stored: `n` rows of `d` columns, row after row.

use core::fmt;

/// A real `n x d` matrix in row-major order: one row per unknown, one column per component.
///
/// A vector has `d = 1`, a complex vector `d = 2`, a hidden layer of four units `d = 4`.
///
/// ```
/// use fg_core::Rows;
/// let x = Rows::from_fn(3, 2, |i, j| (10 * i + j) as f64);
/// assert_eq!(x.row(2), &[20.0, 21.0]);
/// ```
#[derive(Clone, PartialEq, Default)]
pub struct Rows {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Rows {
    /// The `rows x columns` matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![0.0; rows * columns] }
    }

    /// The matrix whose entry `(i, j)` is `entry(i, j)`.
    pub fn from_fn(
        rows: usize,
        columns: usize,
        mut entry: impl FnMut(usize, usize) -> f64,
    ) -> Self {
        let mut values = Vec::with_capacity(rows * columns);
        for i in 0..rows {
            values.extend((0..columns).map(|j| entry(i, j)));
        }
        Self { rows, columns, values }
    }

    /// Takes `values` as a `rows x columns` matrix, row after row.
    ///
    /// # Errors
    /// [`ShapeError`] when `values.len() != rows * columns`.
    pub fn from_vec(rows: usize, columns: usize, values: Vec<f64>) -> Result<Self, ShapeError> {
        if values.len() == rows * columns {
            Ok(Self { rows, columns, values })
        } else {
            Err(ShapeError { rows, columns, values: values.len() })
        }
    }

    /// Takes `values` as one column.
    pub fn column(values: Vec<f64>) -> Self {
        Self { rows: values.len(), columns: 1, values }
    }

    /// Number of rows, `n`.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns, `d`.
    #[inline]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `(n, d)`.
    #[inline]
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Row `i`, of length `d`.
    ///
    /// # Panics
    /// When `i >= n`.
    #[inline]
    #[track_caller]
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// Row `i`, of length `d`.
    ///
    /// # Panics
    /// When `i >= n`.
    #[inline]
    #[track_caller]
    pub fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// Rows `range` as one slice of `range.len() * d` values.
    ///
    /// # Panics
    /// When the range ends beyond `n`.
    #[inline]
    #[track_caller]
    pub fn rows_slice(&self, range: core::ops::Range<usize>) -> &[f64] {
        &self.values[range.start * self.columns..range.end * self.columns]
    }

    /// Rows `range` as one slice of `range.len() * d` values.
    ///
    /// # Panics
    /// When the range ends beyond `n`.
    #[inline]
    #[track_caller]
    pub fn rows_slice_mut(&mut self, range: core::ops::Range<usize>) -> &mut [f64] {
        &mut self.values[range.start * self.columns..range.end * self.columns]
    }

    /// All values, row after row.
    #[inline]
    pub fn as_slice(&self) -> &[f64] {
        &self.values
    }

    /// All values, row after row.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// The values, row after row.
    pub fn into_vec(self) -> Vec<f64> {
        self.values
    }

    /// Position `(row, column)` of the first value that is NaN or infinite.
    pub fn first_non_finite(&self) -> Option<(usize, usize)> {
        let k = self.values.iter().position(|v| !v.is_finite())?;
        Some((k / self.columns, k % self.columns))
    }

    /// Sum of squares of all entries.
    pub fn norm_squared(&self) -> f64 {
        self.values.iter().map(|v| v * v).sum()
    }

    /// Mean square of the entries of `self - other`.
    ///
    /// # Panics
    /// When the shapes differ.
    #[track_caller]
    pub fn mean_squared_error(&self, other: &Self) -> f64 {
        assert_eq!(self.shape(), other.shape(), "mean squared error of matrices of two shapes");
        let sum: f64 = self.values.iter().zip(&other.values).map(|(a, b)| (a - b) * (a - b)).sum();
        sum / self.values.len() as f64
    }

    /// Overwrites the values by those of `other`, without allocating.
    ///
    /// # Panics
    /// When the shapes differ.
    #[track_caller]
    pub fn copy_from(&mut self, other: &Self) {
        assert_eq!(self.shape(), other.shape(), "copy between matrices of two shapes");
        self.values.copy_from_slice(&other.values);
    }
}

impl core::ops::Index<(usize, usize)> for Rows {
    type Output = f64;
    #[inline]
    #[track_caller]
    fn index(&self, (i, j): (usize, usize)) -> &f64 {
        &self.row(i)[j]
    }
}

impl core::ops::IndexMut<(usize, usize)> for Rows {
    #[inline]
    #[track_caller]
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut f64 {
        &mut self.row_mut(i)[j]
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        write!(f, "Rows {} x {} ", self.rows, self.columns)?;
        let mut list = f.debug_list();
        list.entries((0..self.rows.min(SHOWN)).map(|i| self.row(i)));
        if self.rows > SHOWN {
            list.entry(&format_args!(".."));
        }
        list.finish()
    }
}

/// A list of values doesn't fill the matrix it is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeError {
    /// Rows asked for.
    pub rows: usize,
    /// Columns asked for.
    pub columns: usize,
    /// Number of values given.
    pub values: usize,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, columns, values } = self;
        write!(f, "{rows} x {columns} matrix needs {} values, got {values}", rows * columns)
    }
}

impl core::error::Error for ShapeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_values_that_do_not_fill_the_shape() {
        let error = Rows::from_vec(2, 3, vec![0.0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "2 x 3 matrix needs 6 values, got 5");
    }

    #[test]
    fn finds_the_first_non_finite_entry() {
        let mut x = Rows::zeros(3, 2);
        assert_eq!(x.first_non_finite(), None);
        x[(2, 1)] = f64::NAN;
        x[(1, 1)] = f64::INFINITY;
        assert_eq!(x.first_non_finite(), Some((1, 1)));
    }
}
