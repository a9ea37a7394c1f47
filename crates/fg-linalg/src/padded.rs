//! Where the columns of a matrix lie in memory: apart by an odd number of cache lines.

use faer::{MatMut, MatRef};

/// Values in a cache line of 64 bytes.
const LINE: usize = 8;

/// A column-major matrix whose columns start in different sets of a cache.
///
/// A pass over several columns at once reads the same place of each. Where columns are apart by a power of two, as
/// those of a plain matrix of 2048 rows are, all these places share one set of the first-level cache and evict each
/// other. Apart by an odd number of lines, no two of a whole cache way coincide.
#[derive(Debug)]
pub struct Padded {
    values: Vec<f64>,
    rows: usize,
    columns: usize,
    stride: usize,
}

impl Padded {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        let stride = (rows.div_ceil(LINE) | 1) * LINE;
        Self { values: vec![0.0; stride * columns], rows, columns, stride }
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
        let Self { values, rows, columns, stride } = self;
        MatRef::from_column_major_slice_with_stride(values, *rows, *columns, *stride)
    }

    /// A mutable view of all entries.
    pub fn as_mut(&mut self) -> MatMut<'_, f64> {
        let Self { values, rows, columns, stride } = self;
        MatMut::from_column_major_slice_with_stride_mut(values, *rows, *columns, *stride)
    }

    /// Column `j`.
    pub fn column(&self, j: usize) -> &[f64] {
        &self.values[j * self.stride..][..self.rows]
    }

    /// Column `j`, mutable.
    pub fn column_mut(&mut self, j: usize) -> &mut [f64] {
        &mut self.values[j * self.stride..][..self.rows]
    }

    /// The columns before `j`, and column `j`.
    pub fn split_at_column_mut(&mut self, j: usize) -> (MatRef<'_, f64>, &mut [f64]) {
        let Self { values, rows, stride, .. } = self;
        let (before, after) = values.split_at_mut(j * *stride);
        let before = MatRef::from_column_major_slice_with_stride(before, *rows, j, *stride);
        (before, &mut after[..*rows])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    #[test]
    fn columns_are_an_odd_number_of_lines_apart() {
        for rows in [1, 8, 9, 2048, 2049] {
            let matrix = Mat::from_fn(rows, 3, |i, j| (i + 2 * j) as f64);
            let padded = Padded::new(matrix.as_ref());
            assert_eq!(padded.as_ref().col_stride() / 8 % 2, 1, "{rows} rows");
            assert_eq!(padded.as_ref(), matrix.as_ref());
        }
    }
}
