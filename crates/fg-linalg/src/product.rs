//! Products of a matrix with one or several columns: own kernels for one, faer's blocked product for more.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::kernels;

/// `y = A x` for planar `x` (`ncols x d`) and `y` (`nrows x d`).
pub fn multiply(a: MatRef<'_, f64>, x: &[f64], y: &mut [f64], d: usize) {
    if d == 1 {
        return kernels::multiply(a, x, y);
    }
    let x = MatRef::from_column_major_slice(x, a.ncols(), d);
    let y = MatMut::from_column_major_slice_mut(y, a.nrows(), d);
    matmul(y, Accum::Replace, a, x, 1.0, Par::Seq);
}

/// `x = A' y`, shapes as in [`multiply`].
pub fn multiply_adjoint(a: MatRef<'_, f64>, y: &[f64], x: &mut [f64], d: usize) {
    if d == 1 {
        return kernels::multiply_adjoint(a, y, x);
    }
    let y = MatRef::from_column_major_slice(y, a.nrows(), d);
    let x = MatMut::from_column_major_slice_mut(x, a.ncols(), d);
    matmul(x, Accum::Replace, a.transpose(), y, 1.0, Par::Seq);
}

/// `y = A x` for row-major `x` (`ncols x d`) and `y` (`nrows x d`).
pub fn multiply_rows(a: MatRef<'_, f64>, x: &[f64], y: &mut [f64], d: usize) {
    if d == 1 {
        return kernels::multiply(a, x, y);
    }
    let x = MatRef::from_row_major_slice(x, a.ncols(), d);
    let y = MatMut::from_row_major_slice_mut(y, a.nrows(), d);
    matmul(y, Accum::Replace, a, x, 1.0, Par::Seq);
}

/// `x = A' y`, shapes as in [`multiply_rows`].
pub fn multiply_adjoint_rows(a: MatRef<'_, f64>, y: &[f64], x: &mut [f64], d: usize) {
    if d == 1 {
        return kernels::multiply_adjoint(a, y, x);
    }
    let y = MatRef::from_row_major_slice(y, a.nrows(), d);
    let x = MatMut::from_row_major_slice_mut(x, a.ncols(), d);
    matmul(x, Accum::Replace, a.transpose(), y, 1.0, Par::Seq);
}

/// `output_q = U f_q(k, j, U' input_0, ..)`, entry by entry `(k, j)`, for planar inputs and outputs of `d` columns.
///
/// One column passes `U` once; several take one blocked product for each input and output.
pub fn sandwich<const IN: usize, const OUT: usize>(
    u: MatRef<'_, f64>,
    d: usize,
    input: [&[f64]; IN],
    output: [&mut [f64]; OUT],
    scratch: &mut Vec<f64>,
    mut f: impl FnMut(usize, usize, [f64; IN]) -> [f64; OUT],
) {
    let mut output = output;
    if d == 1 {
        return kernels::sandwich(u, input, &mut output, |k, sums| f(k, 0, sums));
    }
    let size = u.ncols() * d;
    scratch.resize((IN + OUT) * size, 0.0);
    let (sums, scales) = scratch.split_at_mut(IN * size);
    for (x, sum) in input.iter().zip(sums.chunks_exact_mut(size)) {
        multiply_adjoint(u, x, sum, d);
    }
    for e in 0..size {
        let values = f(e % u.ncols(), e / u.ncols(), core::array::from_fn(|p| sums[p * size + e]));
        (0..OUT).for_each(|q| scales[q * size + e] = values[q]);
    }
    for (y, scale) in output.iter_mut().zip(scales.chunks_exact(size)) {
        multiply(u, scale, y, d);
    }
}

/// `out += alpha a b`.
pub fn accumulate(out: MatMut<'_, f64>, alpha: f64, a: MatRef<'_, f64>, b: MatRef<'_, f64>) {
    matmul(out, Accum::Add, a, b, alpha, Par::Seq);
}
