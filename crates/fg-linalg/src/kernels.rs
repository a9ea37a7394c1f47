//! Products of a column-major matrix with a few vectors, each reading the matrix from memory exactly once.
//!
//! A sweep of a large problem is bound by memory: what counts is the number of times a matrix passes by.

use faer::MatRef;
use pulp::{Arch, Simd, WithSimd};

/// Columns taken together: enough to hide the latency of one sum and to read each vector a quarter as often;
/// more would spill the sixteen registers of AVX2 when two vectors go in and out.
pub(crate) const BLOCK: usize = 4;

/// One pass over the rows: sums `next_b . input_p` while adding `prev_b scale_qb` to `output_q`.
struct Pass<'a, 'o, const B: usize, const IN: usize, const OUT: usize> {
    next: [&'a [f64]; B],
    input: [&'a [f64]; IN],
    prev: [&'a [f64]; B],
    scale: [[f64; B]; OUT],
    output: [&'o mut [f64]; OUT],
}

impl<const B: usize, const IN: usize, const OUT: usize> WithSimd for Pass<'_, '_, B, IN, OUT> {
    type Output = [[f64; B]; IN];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let (next, next_tail) = split(self.next.map(S::as_simd_f64s));
        let (prev, prev_tail) = split(self.prev.map(S::as_simd_f64s));
        let (input, input_tail) = split(self.input.map(S::as_simd_f64s));
        let mut output = self.output.map(S::as_mut_simd_f64s);
        let scale = self.scale.map(|s| s.map(|s| simd.splat_f64s(s)));
        let mut sums = [[simd.splat_f64s(0.0); B]; IN];
        let length = next[0].len();
        // Equal lengths known to the compiler: no bounds checks in the loop.
        let (next, prev) = (next.map(|c| &c[..length]), prev.map(|c| &c[..length]));
        let input = input.map(|x| &x[..length]);
        for i in 0..length {
            for p in 0..IN {
                let x = input[p][i];
                for b in 0..B {
                    sums[p][b] = simd.mul_add_e_f64s(next[b][i], x, sums[p][b]);
                }
            }
            for q in 0..OUT {
                let mut y = output[q].0[i];
                for b in 0..B {
                    y = simd.mul_add_e_f64s(prev[b][i], scale[q][b], y);
                }
                output[q].0[i] = y;
            }
        }
        for (q, (_, tail)) in output.iter_mut().enumerate() {
            for (i, y) in tail.iter_mut().enumerate() {
                for b in 0..B {
                    *y += prev_tail[b][i] * self.scale[q][b];
                }
            }
        }
        let mut result = [[0.0; B]; IN];
        for p in 0..IN {
            for b in 0..B {
                let tail = next_tail[b].iter().zip(input_tail[p]).map(|(c, x)| c * x);
                result[p][b] = simd.reduce_sum_f64s(sums[p][b]) + tail.sum::<f64>();
            }
        }
        result
    }
}

/// The parts of pairs.
#[inline(always)]
pub(crate) fn split<A: Copy, B: Copy, const K: usize>(pairs: [(A, B); K]) -> ([A; K], [B; K]) {
    (pairs.map(|p| p.0), pairs.map(|p| p.1))
}

/// Columns `j..j + B`.
///
/// # Panics
/// When the matrix isn't column-major, which the owned matrices of this crate are.
#[inline]
pub(crate) fn columns<const B: usize>(a: MatRef<'_, f64>, j: usize) -> [&[f64]; B] {
    core::array::from_fn(|b| {
        let column = a.col(j + b).try_as_col_major();
        #[expect(clippy::expect_used, reason = "matrices are copied to column-major on entry")]
        column.expect("a column-major matrix").as_slice()
    })
}

/// `y = A x`; lengths `ncols` and `nrows`.
pub(crate) fn multiply(a: MatRef<'_, f64>, x: &[f64], y: &mut [f64]) {
    fn update<const B: usize>(arch: Arch, a: MatRef<'_, f64>, j: usize, x: &[f64], y: &mut [f64]) {
        let prev = columns::<B>(a, j);
        let scale = [core::array::from_fn(|b| x[j + b])];
        arch.dispatch(Pass { next: prev, input: [], prev, scale, output: [y] });
    }
    check(a, y.len(), x.len());
    let arch = Arch::new();
    y.fill(0.0);
    let blocked = x.len() - x.len() % BLOCK;
    for j in (0..blocked).step_by(BLOCK) {
        update::<BLOCK>(arch, a, j, x, y);
    }
    for j in blocked..x.len() {
        update::<1>(arch, a, j, x, y);
    }
}

/// `x = A' y`; lengths `ncols` and `nrows`.
pub(crate) fn multiply_adjoint(a: MatRef<'_, f64>, y: &[f64], x: &mut [f64]) {
    check(a, y.len(), x.len());
    let arch = Arch::new();
    let blocked = x.len() - x.len() % BLOCK;
    for j in (0..blocked).step_by(BLOCK) {
        x[j..j + BLOCK].copy_from_slice(&dots::<BLOCK, 1>(arch, a, j, [y])[0]);
    }
    for j in blocked..x.len() {
        x[j] = dots::<1, 1>(arch, a, j, [y])[0][0];
    }
}

#[inline]
fn dots<const B: usize, const IN: usize>(
    arch: Arch,
    a: MatRef<'_, f64>,
    j: usize,
    input: [&[f64]; IN],
) -> [[f64; B]; IN] {
    let next = columns::<B>(a, j);
    arch.dispatch(Pass { next, input, prev: next, scale: [], output: [] })
}

/// `output_q = sum_k u_k f_q(k, u_k . input_0, u_k . input_1, ..)` over the columns `u_k` of `U`.
///
/// The heart of a sweep, `U diag(.) U'`: the sums over one block of columns and the update by the block before
/// share a pass, so that memory never waits for the one to finish before the other starts.
pub(crate) fn sandwich<const IN: usize, const OUT: usize>(
    u: MatRef<'_, f64>,
    input: [&[f64]; IN],
    output: &mut [&mut [f64]; OUT],
    mut f: impl FnMut(usize, [f64; IN]) -> [f64; OUT],
) {
    input.iter().for_each(|x| check(u, x.len(), u.ncols()));
    output.iter_mut().for_each(|y| {
        check(u, y.len(), u.ncols());
        y.fill(0.0);
    });
    let arch = Arch::new();
    let n = u.ncols();
    let blocked = n - n % BLOCK;
    let mut coefficients = |j: usize, sums: &[[f64; BLOCK]; IN], count: usize| {
        let mut scale = [[0.0; BLOCK]; OUT];
        for b in 0..count {
            let values = f(j + b, core::array::from_fn(|p| sums[p][b]));
            (0..OUT).for_each(|q| scale[q][b] = values[q]);
        }
        scale
    };
    if blocked > 0 {
        let mut sums = dots::<BLOCK, IN>(arch, u, 0, input);
        for j in (BLOCK..blocked).step_by(BLOCK) {
            let scale = coefficients(j - BLOCK, &sums, BLOCK);
            let (next, prev) = (columns::<BLOCK>(u, j), columns::<BLOCK>(u, j - BLOCK));
            sums = arch.dispatch(Pass { next, input, prev, scale, output: reborrow(output) });
        }
        let scale = coefficients(blocked - BLOCK, &sums, BLOCK);
        let prev = columns::<BLOCK>(u, blocked - BLOCK);
        arch.dispatch(Pass { next: prev, input: [], prev, scale, output: reborrow(output) });
    }
    for j in blocked..n {
        let single = dots::<1, IN>(arch, u, j, input);
        let sums = core::array::from_fn(|p| [single[p][0], 0.0, 0.0, 0.0]);
        let scale = coefficients(j, &sums, 1).map(|s| [s[0]]);
        let prev = columns::<1>(u, j);
        arch.dispatch(Pass { next: prev, input: [], prev, scale, output: reborrow(output) });
    }
}

fn reborrow<'s, const K: usize>(slices: &'s mut [&mut [f64]; K]) -> [&'s mut [f64]; K] {
    slices.each_mut().map(|s| &mut **s)
}

/// A product of `rows x columns`.
///
/// # Panics
/// When `a` isn't of this shape.
#[track_caller]
pub(crate) fn check(a: MatRef<'_, f64>, rows: usize, columns: usize) {
    assert!(
        a.shape() == (rows, columns),
        "product of a {:?} matrix with vectors of {rows} and {columns} values",
        a.shape()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;
    use proptest::prelude::*;

    /// Sums of at most forty terms of size one, in two orders.
    const ROUNDING: f64 = 1e-13;

    fn entry(i: usize, j: usize) -> f64 {
        ((7 * i + 13 * j) as f64).sin()
    }

    fn close(a: &[f64], b: &[f64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < ROUNDING)
    }

    proptest! {
        #[test]
        fn products_agree_with_sums(m in 1usize..40, n in 1usize..14) {
            let a = Mat::from_fn(m, n, entry);
            let x: Vec<f64> = (0..n).map(|j| entry(j, 3)).collect();
            let y: Vec<f64> = (0..m).map(|i| entry(2, i)).collect();
            let ax: Vec<f64> = (0..m).map(|i| (0..n).map(|j| a[(i, j)] * x[j]).sum()).collect();
            let aty: Vec<f64> = (0..n).map(|j| (0..m).map(|i| a[(i, j)] * y[i]).sum()).collect();
            let (mut out, mut out_adjoint) = (vec![f64::NAN; m], vec![f64::NAN; n]);
            multiply(a.as_ref(), &x, &mut out);
            multiply_adjoint(a.as_ref(), &y, &mut out_adjoint);
            prop_assert!(close(&out, &ax) && close(&out_adjoint, &aty));
        }

        #[test]
        fn sandwich_agrees_with_two_products(m in 1usize..40, n in 1usize..14) {
            let a = Mat::from_fn(m, n, entry);
            let inputs: [Vec<f64>; 2] =
                core::array::from_fn(|p| (0..m).map(|i| entry(p, i)).collect());
            let mut outputs = [vec![f64::NAN; m], vec![f64::NAN; m]];
            let [first, second] = &mut outputs;
            let f = |k: usize, [s, t]: [f64; 2]| [s + k as f64 * t, s * 0.5 - t];
            sandwich(a.as_ref(), [&inputs[0], &inputs[1]], &mut [first, second], f);
            let mut sums = [vec![0.0; n], vec![0.0; n]];
            (0..2).for_each(|p| multiply_adjoint(a.as_ref(), &inputs[p], &mut sums[p]));
            for q in 0..2 {
                let scale: Vec<f64> = (0..n).map(|k| f(k, [sums[0][k], sums[1][k]])[q]).collect();
                let mut expected = vec![0.0; m];
                multiply(a.as_ref(), &scale, &mut expected);
                let bound = ROUNDING * (1.0 + m as f64 * n as f64);
                prop_assert!(expected.iter().zip(&outputs[q]).all(|(a, b)| (a - b).abs() < bound));
            }
        }
    }

    #[test]
    #[should_panic(expected = "product of a (3, 2) matrix")]
    fn wrong_lengths_are_refused() {
        multiply(Mat::zeros(3, 2).as_ref(), &[0.0; 3], &mut [0.0; 3]);
    }
}
