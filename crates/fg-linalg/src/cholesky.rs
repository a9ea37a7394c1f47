//! Cholesky factorisation of a large symmetric matrix and triangular solves with it.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::{Mat, MatMut, MatRef, Par};

/// A pivot isn't positive beside the diagonal entry it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Singular;

/// Replaces the lower triangle of `a` by its Cholesky factor.
///
/// A pivot of a singular matrix is rounding instead of zero; it counts as zero below `n` rounding errors of its
/// diagonal entry, whatever the scales of the other rows.
///
/// # Errors
/// [`Singular`] when a pivot isn't positive.
pub fn factor(a: &mut Mat<f64>) -> Result<(), Singular> {
    let n = a.nrows();
    let diagonal: Vec<f64> = (0..n).map(|i| a[(i, i)]).collect();
    let mut memory =
        MemBuffer::new(cholesky_in_place_scratch::<f64>(n, Par::Seq, Default::default()));
    cholesky_in_place(
        a.as_mut(),
        Default::default(),
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map_err(|_| Singular)?;
    let tolerance = n as f64 * f64::EPSILON;
    let regular = |i: usize| a[(i, i)] * a[(i, i)] > tolerance * diagonal[i];
    if (0..n).all(regular) { Ok(()) } else { Err(Singular) }
}

/// Replaces `x` by `L^-1 x`.
pub fn solve_lower(l: MatRef<'_, f64>, x: MatMut<'_, f64>) {
    solve_lower_triangular_in_place(l, x, Par::Seq);
}

/// Replaces `x` by `L^-T x`.
pub fn solve_lower_transposed(l: MatRef<'_, f64>, x: MatMut<'_, f64>) {
    solve_upper_triangular_in_place(l.transpose(), x, Par::Seq);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_a_graded_system() {
        // L = [[1e-6, 0], [2, 3e6]].
        let mut a = Mat::from_fn(2, 2, |i, j| [[1e-12, 2e-6], [2e-6, 4.0 + 9e12]][i][j]);
        factor(&mut a).unwrap();
        let mut x = Mat::from_fn(2, 1, |i, _| [1e-6, 5.0 + 3e6 - 3.0][i]);
        solve_lower(a.as_ref(), x.as_mut());
        assert!((x[(0, 0)] - 1.0).abs() < 1e-14 && (x[(1, 0)] - 1.0).abs() < 1e-14, "{x:?}");
        solve_lower_transposed(a.as_ref(), x.as_mut());
        assert!((x[(1, 0)] * 3e6 - 1.0).abs() < 1e-14, "{x:?}");
    }

    #[test]
    fn singular_and_indefinite_matrices_are_refused() {
        let mut a = Mat::from_fn(3, 3, |i, j| ((i + 1) * (j + 1)) as f64 / 3.0);
        assert_eq!(factor(&mut a), Err(Singular));
        let mut a = Mat::from_fn(2, 2, |i, j| if i == j { 1.0 } else { 2.0 });
        assert_eq!(factor(&mut a), Err(Singular));
    }
}
