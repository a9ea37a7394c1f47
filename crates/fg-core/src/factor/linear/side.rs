//! The singular vectors of one side of an operator: a stored matrix, or a fast transform.

use std::sync::Arc;

use faer::Mat;

use crate::linalg::product;
use crate::operator::Orthogonal;

/// A matrix of orthonormal columns.
#[derive(Debug)]
pub(super) enum Side {
    /// Itself.
    Stored(Mat<f64>),
    /// The first `rank` columns of a rotation.
    Synthesis { rotation: Arc<dyn Orthogonal>, rank: usize },
    /// The first `rank` columns of the transpose of a rotation.
    Analysis { rotation: Arc<dyn Orthogonal>, rank: usize },
}

impl Side {
    /// `y = B x` for planar `x` and `y` of `d` columns.
    pub(super) fn multiply(&self, x: &[f64], y: &mut [f64], d: usize) {
        let mut rotate = |rank: usize, apply: &dyn Fn(&mut [f64])| {
            let size = y.len() / d;
            for (x, y) in x.chunks_exact(rank).zip(y.chunks_exact_mut(size)) {
                y[..rank].copy_from_slice(x);
                y[rank..].fill(0.0);
                apply(y);
            }
        };
        match self {
            Self::Stored(matrix) => product::multiply(matrix.as_ref(), x, y, d),
            Self::Synthesis { rotation, rank } => rotate(*rank, &|y| rotation.apply(y)),
            Self::Analysis { rotation, rank } => rotate(*rank, &|y| rotation.apply_adjoint(y)),
        }
    }

    /// `x = B' y`, shapes as in [`multiply`](Self::multiply); `y` is used up.
    pub(super) fn multiply_adjoint(&self, y: &mut [f64], x: &mut [f64], d: usize) {
        let mut rotate = |rank: usize, apply: &dyn Fn(&mut [f64])| {
            let size = y.len() / d;
            for (y, x) in y.chunks_exact_mut(size).zip(x.chunks_exact_mut(rank)) {
                apply(y);
                x.copy_from_slice(&y[..rank]);
            }
        };
        match self {
            Self::Stored(matrix) => product::multiply_adjoint(matrix.as_ref(), y, x, d),
            Self::Synthesis { rotation, rank } => rotate(*rank, &|y| rotation.apply_adjoint(y)),
            Self::Analysis { rotation, rank } => rotate(*rank, &|y| rotation.apply(y)),
        }
    }
}
