//! A symmetric matrix becomes tridiagonal by blocks of reflections, which read the matrix once a reflection.
//!
//! Half of an eigen-decomposition is this reduction, and it is bound by memory: every reflection needs the product
//! of what is left of the matrix with its vector. Updating the matrix in the same pass, as faer does, also writes it
//! every time. Here the updates of a block of reflections wait and come as one product (Dongarra, Sorensen and
//! Hammarling 1989), and the pass only reads.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_sequence,
    make_householder_in_place,
};
use faer::{ColMut, Conj, Mat, MatMut, Par};

use super::padded::{LINE, Padded};
use super::{kernels, product, symmetric};

/// Reflections of a block: their update of the matrix costs `1 / BLOCK` of a pass each, their own corrections of
/// later columns stay in the second-level cache.
const BLOCK: usize = 64;

/// `A = Q T Q'`, `T` tridiagonal.
#[derive(Debug)]
pub(crate) struct Tridiagonal {
    /// Diagonal of `T`.
    pub(crate) diagonal: Vec<f64>,
    /// Below the diagonal of `T`, then a zero.
    pub(crate) below: Vec<f64>,
    /// The reflections `I - v v' / tau`: `v` below the one it has under the diagonal.
    vectors: Padded,
    /// For each block of reflections `V`, the upper triangular `F` of `I - V F^-1 V'`.
    factors: Mat<f64>,
}

/// Vectors of the current block, in the rows of the whole matrix.
struct Block {
    /// The vectors of the reflections.
    v: Padded,
    /// `w` of the update `A - v w' - w v'` that each makes.
    w: Padded,
    sums: Vec<f64>,
    correction: Vec<f64>,
}

impl Tridiagonal {
    /// Reduces `a`, of which the lower triangle is read.
    pub(crate) fn new(mut a: Padded) -> Self {
        let n = a.as_ref().nrows();
        let (mut diagonal, mut below) = (vec![0.0; n], vec![0.0; n]);
        let count = n.saturating_sub(1);
        let mut factors = Mat::zeros(BLOCK.min(count), count);
        let panel = || Padded::zeros(n, BLOCK.min(count));
        let (sums, correction) = (vec![0.0; BLOCK], vec![0.0; n]);
        let mut block = Block { v: panel(), w: panel(), sums, correction };
        for start in (0..count).step_by(BLOCK) {
            let width = BLOCK.min(count - start);
            let mut factor = factors.as_mut().submatrix_mut(0, start, width, width);
            for c in 0..width {
                let k = start + c;
                block.update_column(&mut a, k, c);
                diagonal[k] = a.as_ref()[(k, k)];
                let (beta, tau) = block.reflect(&mut a, k, c);
                below[k] = beta;
                block.follow(&a, (k, c), tau);
                factor[(c, c)] = tau;
            }
            block.complete(start, width, factor);
            block.update_rest(&mut a, start + width, width);
        }
        if n > 0 {
            diagonal[count] = a.as_ref()[(count, count)];
        }
        Self { diagonal, below, vectors: a, factors }
    }

    /// Replaces `rows` by `Q rows`.
    pub(crate) fn rotate(&self, rows: MatMut<'_, f64>) {
        let (count, columns) = (self.factors.ncols(), rows.ncols());
        if count == 0 {
            return;
        }
        let scratch = apply_scratch::<f64>(count, self.factors.nrows(), columns);
        apply_sequence(
            self.vectors.as_ref().submatrix(1, 0, count, count),
            self.factors.as_ref(),
            Conj::No,
            rows.subrows_mut(1, count),
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(scratch)),
        );
    }
}

impl Block {
    /// Brings column `k` up to date with the first `c` reflections of the block.
    fn update_column(&mut self, a: &mut Padded, k: usize, c: usize) {
        let n = self.correction.len();
        for (left, right) in [(&self.v, &self.w), (&self.w, &self.v)] {
            (0..c).for_each(|j| self.sums[j] = right.as_ref()[(k, j)]);
            let left = left.as_ref().submatrix(k, 0, n - k, c);
            kernels::multiply(left, &self.sums[..c], &mut self.correction[k..]);
            let column = &mut a.column_mut(k)[k..];
            column.iter_mut().zip(&self.correction[k..]).for_each(|(x, y)| *x -= y);
        }
    }

    /// The reflection that clears column `k` below the subdiagonal; returns the subdiagonal and `tau`.
    fn reflect(&mut self, a: &mut Padded, k: usize, c: usize) -> (f64, f64) {
        let (head, tail) = a.column_mut(k)[k..].split_at_mut(2);
        let info = make_householder_in_place(&mut head[1], ColMut::from_slice_mut(tail));
        let v = self.v.column_mut(c);
        v[..=k].fill(0.0);
        v[k + 1] = 1.0;
        v[k + 2..].copy_from_slice(tail);
        (head[1], info.tau)
    }

    /// `w` of reflection `c`, from the matrix as it was before the block and the updates since.
    fn follow(&mut self, a: &Padded, (k, c): (usize, usize), tau: f64) {
        let Self { v, w, sums, correction } = self;
        let n = correction.len();
        // From a whole cache line on: the vector is zero before the row below `k`.
        let first = LINE * ((k + 1) / LINE);
        let rest = a.as_ref().submatrix(first, first, n - first, n - first);
        let (done, current) = w.split_at_column_mut(c);
        let current = &mut current[first..n];
        let vector = &v.column(c)[first..];
        symmetric::multiply(rest, vector, current);
        let vs = v.as_ref().submatrix(first, 0, n - first, c);
        let ws = done.submatrix(first, 0, n - first, c);
        let correction = &mut correction[first..];
        for (left, right) in [(vs, ws), (ws, vs)] {
            kernels::multiply_adjoint(right, vector, &mut sums[..c]);
            kernels::multiply(left, &sums[..c], correction);
            current.iter_mut().zip(&*correction).for_each(|(x, y)| *x -= y);
        }
        // A tau of infinity belongs to a column that has nothing to clear.
        current.iter_mut().for_each(|x| *x /= tau);
        let dot: f64 = current.iter().zip(vector).map(|(x, y)| x * y).sum();
        let half = 0.5 * dot / tau;
        current.iter_mut().zip(vector).for_each(|(x, y)| *x -= half * y);
    }

    /// The strict upper triangle of `F`, that of `V' V`.
    fn complete(&self, start: usize, width: usize, mut factor: MatMut<'_, f64>) {
        let v = self.v.as_ref().submatrix(start, 0, self.correction.len() - start, width);
        let mut gram = Mat::zeros(width, width);
        product::accumulate(gram.as_mut(), 1.0, v.transpose(), v);
        for j in 0..width {
            (0..j).for_each(|i| factor[(i, j)] = gram[(i, j)]);
        }
    }

    /// `A - V W' - W V'` in the lower triangle of what the block leaves.
    fn update_rest(&self, a: &mut Padded, from: usize, width: usize) {
        let rest = self.correction.len() - from;
        for (left, right) in [(&self.v, &self.w), (&self.w, &self.v)] {
            let out = a.as_mut().submatrix_mut(from, from, rest, rest);
            let left = left.as_ref().submatrix(from, 0, rest, width);
            let right = right.as_ref().submatrix(from, 0, rest, width);
            symmetric::add_lower_product(out, -1.0, left, right.transpose());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Backward error of a few dozen to two hundred reflections of a matrix with entries of size one.
    const ROUNDING: f64 = 1e-12;

    fn check(n: usize, entry: impl Fn(usize, usize) -> f64) {
        let a = Mat::from_fn(n, n, |i, j| entry(i.max(j), i.min(j)));
        // Only the lower triangle may be read.
        let lower = Mat::from_fn(n, n, |i, j| if i < j { f64::NAN } else { a[(i, j)] });
        let reduced = Tridiagonal::new(Padded::new(lower.as_ref()));
        let mut q = Mat::from_fn(n, n, |i, j| f64::from(u8::from(i == j)));
        reduced.rotate(q.as_mut());
        let t = Mat::from_fn(n, n, |i, j| match i.abs_diff(j) {
            0 => reduced.diagonal[i],
            1 => reduced.below[i.min(j)],
            _ => 0.0,
        });
        let error = (&q * t * q.transpose() - a).norm_max();
        assert!(error < ROUNDING, "{n}: {error:e}");
        let error = (q.transpose() * &q - Mat::<f64>::identity(n, n)).norm_max();
        assert!(error < ROUNDING, "{n}: not orthogonal by {error:e}");
    }

    #[test]
    fn the_matrix_is_rebuilt_from_its_parts() {
        for n in [1, 2, 3, 7, BLOCK, BLOCK + 1, BLOCK + 2, 2 * BLOCK + 5, 4 * BLOCK + 3] {
            check(n, |i, j| ((3 * i * i + 5 * j + i * j) as f64).sin());
        }
    }

    #[test]
    fn columns_with_nothing_to_clear_are_left_alone() {
        check(9, |i, j| if i == j { i as f64 } else { 0.0 });
        check(9, |_, _| 0.0);
        check(70, |i, j| if i - j < 2 { 1.0 } else { 0.0 });
    }
}
