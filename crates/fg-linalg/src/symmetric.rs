//! Products with symmetric matrices, of which the lower triangle alone is read or computed.

use faer::{MatMut, MatRef};
use pulp::{Arch, Simd, WithSimd};

use super::kernels::{BLOCK, check, columns, split};
use super::product;

/// Rows of a symmetric product computed together: with [`DEPTH`] terms of each they fit the second-level cache, and
/// are four times what the widest kernels of faer take.
const ROWS: usize = 192;

/// Columns that a block of the diagonal is computed by, the rows of one kernel: what lies above the diagonal and is
/// computed in vain is a fortieth of the whole at two thousand rows.
const STEP: usize = 48;

/// Terms of a symmetric product summed together: measured at 2048 x 4096, half of it takes 4 percent more, 512 terms
/// 11 percent.
const DEPTH: usize = 384;

/// Adds the lower triangle of `alpha a b` to that of `out`; what is above the diagonal isn't meaningful after it.
///
/// For `A A'`, and for sums of products that are symmetric together, as `V W' + W V'`: `m x inner` times `inner x m`.
pub fn add_lower_product(
    mut out: MatMut<'_, f64>,
    alpha: f64,
    a: MatRef<'_, f64>,
    b: MatRef<'_, f64>,
) {
    let (m, inner) = a.shape();
    let mut block = |k: usize, depth: usize, rows: (usize, usize), columns: (usize, usize)| {
        let out = out.as_mut().submatrix_mut(rows.0, columns.0, rows.1, columns.1);
        let left = a.submatrix(rows.0, k, rows.1, depth);
        product::accumulate(out, alpha, left, b.submatrix(k, columns.0, depth, columns.1));
    };
    for k in (0..inner).step_by(DEPTH) {
        let depth = DEPTH.min(inner - k);
        for start in (0..m).step_by(ROWS) {
            let end = m.min(start + ROWS);
            block(k, depth, (start, end - start), (0, start));
            for j in (start..end).step_by(STEP) {
                block(k, depth, (j, end - j), (j, STEP.min(end - j)));
            }
        }
    }
}

/// `y = A x` for symmetric `A`, of which the lower triangle is read.
pub(crate) fn multiply(a: MatRef<'_, f64>, x: &[f64], y: &mut [f64]) {
    let n = x.len();
    check(a, n, y.len());
    let arch = Arch::new();
    y.fill(0.0);
    let blocked = n - n % BLOCK;
    for j in (0..blocked).step_by(BLOCK) {
        multiply_block::<BLOCK>(arch, a, j, x, y);
    }
    for j in blocked..n {
        multiply_block::<1>(arch, a, j, x, y);
    }
}

/// Columns `j..j + B`, used as columns and as rows in one pass.
#[inline]
fn multiply_block<const B: usize>(
    arch: Arch,
    a: MatRef<'_, f64>,
    j: usize,
    x: &[f64],
    y: &mut [f64],
) {
    let columns = columns::<B>(a, j);
    for b in 0..B {
        y[j + b] += columns[b][j + b] * x[j + b];
        for c in 0..b {
            let entry = columns[c][j + b];
            y[j + b] += entry * x[j + c];
            y[j + c] += entry * x[j + b];
        }
    }
    let below = columns.map(|column| &column[j + B..]);
    let scale = core::array::from_fn(|b| x[j + b]);
    let (input, output) = (&x[j + B..], &mut y[j + B..]);
    let sums = arch.dispatch(Pass { columns: below, input, scale, output });
    (0..B).for_each(|b| y[j + b] += sums[b]);
}

/// One pass over the rows below a block of the diagonal: sums `columns_b . input` while adding `columns_b scale_b` to
/// the output. Every entry is loaded once, which halves the loads of a pass that knows two sets of columns.
struct Pass<'a, 'o, const B: usize> {
    columns: [&'a [f64]; B],
    input: &'a [f64],
    scale: [f64; B],
    output: &'o mut [f64],
}

impl<const B: usize> WithSimd for Pass<'_, '_, B> {
    type Output = [f64; B];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let (columns, column_tails) = split(self.columns.map(S::as_simd_f64s));
        let (input, input_tail) = S::as_simd_f64s(self.input);
        let (output, output_tail) = S::as_mut_simd_f64s(self.output);
        let scale = self.scale.map(|s| simd.splat_f64s(s));
        let mut sums = [simd.splat_f64s(0.0); B];
        // Equal lengths known to the compiler: no bounds checks in the loop.
        let length = input.len();
        let columns = columns.map(|c| &c[..length]);
        let output = &mut output[..length];
        for i in 0..length {
            let (x, mut y) = (input[i], output[i]);
            for b in 0..B {
                let entry = columns[b][i];
                sums[b] = simd.mul_add_e_f64s(entry, x, sums[b]);
                y = simd.mul_add_e_f64s(entry, scale[b], y);
            }
            output[i] = y;
        }
        let mut result = sums.map(|sum| simd.reduce_sum_f64s(sum));
        for b in 0..B {
            for (i, entry) in column_tails[b].iter().enumerate() {
                result[b] += entry * input_tail[i];
                output_tail[i] += entry * self.scale[b];
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    fn entry(i: usize, j: usize) -> f64 {
        ((7 * i + 13 * j) as f64).sin()
    }

    #[test]
    fn products_with_vectors_agree_with_sums() {
        for n in [1, 3, 4, 5, 17, 40] {
            let a = Mat::from_fn(n, n, |i, j| if i < j { f64::NAN } else { entry(i, j) });
            let x: Vec<f64> = (0..n).map(|j| entry(j, 3)).collect();
            let full = |i: usize, j: usize| entry(i.max(j), i.min(j));
            let expected: Vec<f64> =
                (0..n).map(|i| (0..n).map(|j| full(i, j) * x[j]).sum()).collect();
            let mut y = vec![f64::NAN; n];
            multiply(a.as_ref(), &x, &mut y);
            // Sums of at most forty terms of size one, in two orders.
            let close = y.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-13);
            assert!(close, "{n} rows: {y:?} for {expected:?}");
        }
    }

    #[test]
    fn blocks_make_the_whole_lower_triangle() {
        for (m, inner) in [(1, 1), (STEP + 1, 2), (ROWS, 3), (2 * ROWS + STEP + 5, DEPTH + 2)] {
            let a = Mat::from_fn(m, inner, entry);
            let full = &a * a.transpose();
            let mut lower = Mat::from_fn(m, m, |_, _| 1.0);
            add_lower_product(lower.as_mut(), -2.0, a.as_ref(), a.transpose());
            // Sums of at most 386 products of size one.
            let close =
                |i: usize, j: usize| (lower[(i, j)] - 1.0 + 2.0 * full[(i, j)]).abs() < 1e-12;
            assert!((0..m).all(|i| (0..=i).all(|j| close(i, j))), "{m} x {inner}");
        }
    }
}
