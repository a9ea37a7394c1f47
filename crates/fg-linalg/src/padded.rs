//! Where the columns of a matrix lie in memory: each from a new cache line on, apart by an odd number of them.

use faer::{MatMut, MatRef};

/// Values in a cache line of 64 bytes.
pub(crate) const LINE: usize = 8;

/// A column-major matrix whose columns start in different sets of a cache.
///
/// A pass over several columns at once reads the same place of each. Where columns are apart by a power of two, as
/// those of a plain matrix of 2048 rows are, all these places share one set of the first-level cache and evict each
/// other. Apart by an odd number of lines, no two of a whole cache way coincide. Every column starts with a line: a
/// register that straddles two lines is two loads.
#[derive(Debug)]
pub struct Padded {
    /// The columns, from `start` on.
    values: Vec<f64>,
    start: usize,
    rows: usize,
    columns: usize,
    stride: usize,
}

impl Padded {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        let stride = (rows.div_ceil(LINE) | 1) * LINE;
        let values = vec![0.0; LINE - 1 + stride * columns];
        // Never moved again: a vector that isn't resized stays where it is.
        let start = values.as_ptr().align_offset(LINE * size_of::<f64>());
        Self { values, start, rows, columns, stride }
    }

    /// A copy of `matrix`.
    #[cfg(test)]
    pub(crate) fn new(matrix: MatRef<'_, f64>) -> Self {
        let mut copy = Self::zeros(matrix.nrows(), matrix.ncols());
        copy.as_mut().copy_from(matrix);
        copy
    }

    /// A view of all entries.
    pub fn as_ref(&self) -> MatRef<'_, f64> {
        let values = &self.values[self.start..][..self.stride * self.columns];
        MatRef::from_column_major_slice_with_stride(values, self.rows, self.columns, self.stride)
    }

    /// A mutable view of all entries.
    pub fn as_mut(&mut self) -> MatMut<'_, f64> {
        let Self { values, start, rows, columns, stride } = self;
        let values = &mut values[*start..][..*stride * *columns];
        MatMut::from_column_major_slice_with_stride_mut(values, *rows, *columns, *stride)
    }

    /// Column `j`.
    pub fn column(&self, j: usize) -> &[f64] {
        &self.values[self.start + j * self.stride..][..self.rows]
    }

    /// Column `j`, mutable.
    pub fn column_mut(&mut self, j: usize) -> &mut [f64] {
        &mut self.values[self.start + j * self.stride..][..self.rows]
    }

    /// The columns before `j`, and column `j`.
    pub fn split_at_column_mut(&mut self, j: usize) -> (MatRef<'_, f64>, &mut [f64]) {
        let Self { values, start, rows, stride, .. } = self;
        let (before, after) = values[*start..].split_at_mut(j * *stride);
        let before = MatRef::from_column_major_slice_with_stride(before, *rows, j, *stride);
        (before, &mut after[..*rows])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    #[test]
    fn columns_start_lines_that_are_an_odd_number_apart() {
        for rows in [1, 8, 9, 2048, 2049] {
            let matrix = Mat::from_fn(rows, 3, |i, j| (i + 2 * j) as f64);
            let padded = Padded::new(matrix.as_ref());
            assert_eq!(padded.as_ref().col_stride() / 8 % 2, 1, "{rows} rows");
            assert_eq!(padded.as_ref(), matrix.as_ref());
            (0..3)
                .for_each(|j| assert_eq!(padded.column(j).as_ptr().addr() % 64, 0, "{rows} rows"));
        }
    }
}
