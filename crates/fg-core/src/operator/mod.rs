//! Linear maps between the rows of two variables, `Z = A X`.

mod complex;
mod convolution;
mod dense;
mod ensemble;
mod error;
mod orthogonal;
mod sparse;
mod spectral;

pub use complex::Complex;
pub use dense::Dense;
pub use ensemble::Ensemble;
pub use error::OperatorError;
pub use orthogonal::{
    Chain, Cosine, CosineError, Fourier, Hadamard, HadamardError, Hartley, Identity, Orthogonal,
    Permutation, PermutationError, Signs, Wavelet, WaveletError,
};
pub use sparse::Sparse;
pub use spectral::Spectral;

use core::fmt;

use crate::evolution::Spectrum;

/// A linear map `A` (`m x n`) applied to the rows of a matrix of `d` columns.
///
/// Required: the two sizes, [`apply`](Self::apply), [`apply_adjoint`](Self::apply_adjoint) and
/// [`name`](Self::name). The linear factor asks for [`spectral`](Self::spectral) factors, else for the matrix itself by
/// [`dense`](Self::dense), which it builds from products with unit vectors when there is none and the matrix isn't too large;
/// products alone are enough when it [iterates](crate::factor::Solver::Iterative).
pub trait LinearOperator: fmt::Debug + Send + Sync {
    /// Rows of `A`: rows of the output.
    fn outputs(&self) -> usize;

    /// Columns of `A`: rows of the input.
    fn inputs(&self) -> usize;

    /// `z = A x`; `x` is `inputs x columns` and `z` is `outputs x columns`, both row-major.
    fn apply(&self, x: &[f64], z: &mut [f64], columns: usize);

    /// `x = A' z`; shapes as in [`apply`](Self::apply).
    fn apply_adjoint(&self, z: &[f64], x: &mut [f64], columns: usize);

    /// The matrix, where it is stored.
    fn dense(&self) -> Option<faer::MatRef<'_, f64>> {
        None
    }

    /// The sum of the squares of its entries, `|A|_F^2`. By default from the matrix, or where there is none from products
    /// with as many unit vectors as there are inputs.
    fn squared_norm(&self) -> f64 {
        if let Some(matrix) = self.dense() {
            return matrix.squared_norm_l2();
        }
        let (m, n) = (self.outputs(), self.inputs());
        let (mut unit, mut column) = (vec![0.0; n], vec![0.0; m]);
        let mut sum = 0.0;
        for k in 0..n {
            unit[k] = 1.0;
            self.apply(&unit, &mut column, 1);
            unit[k] = 0.0;
            sum += column.iter().map(|a| a * a).sum::<f64>();
        }
        sum
    }

    /// The law of its singular values, where it is known without a decomposition; state evolution asks for it.
    fn spectrum(&self) -> Option<Spectrum> {
        None
    }

    /// Its singular value decomposition in fast factors, where it is made of these: the linear factor then needs no
    /// decomposition of the matrix.
    fn spectral(&self) -> Option<&Spectral> {
        None
    }

    /// The complex matrix that it applies to pairs of entries, where it is one: the linear factor then decomposes this one.
    fn complex(&self) -> Option<&Complex> {
        None
    }

    /// Whether there is a matrix, so that the operator can be applied.
    fn is_realised(&self) -> bool {
        true
    }

    /// Short name shown in pictures and reports.
    fn name(&self) -> String;
}
