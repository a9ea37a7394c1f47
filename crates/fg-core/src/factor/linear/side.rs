//! The singular vectors of one side of an operator: a stored matrix, or a fast transform.

use std::sync::Arc;

use faer::Mat;
use fg_linalg::complex::ComplexMatrix;
use fg_linalg::product;

use crate::operator::Orthogonal;

/// A matrix of orthonormal columns.
#[derive(Debug)]
pub(super) enum Side {
    /// Itself.
    Stored(Mat<f64>),
    /// A complex one, of half the sizes.
    Complex(ComplexMatrix),
    /// The first `rank` columns of a rotation, or of its transpose.
    Turned { rotation: Arc<dyn Orthogonal>, transposed: bool, rank: usize },
}

impl Side {
    /// `y = B x` for planar `x` and `y` of `d` columns.
    pub(super) fn multiply(&self, x: &[f64], y: &mut [f64], d: usize) {
        match self {
            Self::Stored(matrix) => product::multiply(matrix.as_ref(), x, y, d),
            Self::Complex(matrix) => {
                let (inner, outer) = (x.len() / d, y.len() / d);
                for (x, y) in x.chunks_exact(inner).zip(y.chunks_exact_mut(outer)) {
                    matrix.multiply(x, y, 1);
                }
            }
            Self::Turned { rotation, transposed, rank } => {
                let size = y.len() / d;
                for (x, y) in x.chunks_exact(*rank).zip(y.chunks_exact_mut(size)) {
                    y[..*rank].copy_from_slice(x);
                    y[*rank..].fill(0.0);
                    turn(&**rotation, *transposed, y);
                }
            }
        }
    }

    /// `x = B' y`, shapes as in [`multiply`](Self::multiply); `y` is used up.
    pub(super) fn multiply_adjoint(&self, y: &mut [f64], x: &mut [f64], d: usize) {
        match self {
            Self::Stored(matrix) => product::multiply_adjoint(matrix.as_ref(), y, x, d),
            Self::Complex(matrix) => {
                let (inner, outer) = (x.len() / d, y.len() / d);
                for (y, x) in y.chunks_exact(outer).zip(x.chunks_exact_mut(inner)) {
                    matrix.multiply_adjoint(y, x, 1);
                }
            }
            Self::Turned { rotation, transposed, rank } => {
                let size = y.len() / d;
                for (y, x) in y.chunks_exact_mut(size).zip(x.chunks_exact_mut(*rank)) {
                    turn(&**rotation, !*transposed, y);
                    x.copy_from_slice(&y[..*rank]);
                }
            }
        }
    }
}

fn turn(rotation: &dyn Orthogonal, transposed: bool, x: &mut [f64]) {
    if transposed { rotation.apply_adjoint(x) } else { rotation.apply(x) }
}
