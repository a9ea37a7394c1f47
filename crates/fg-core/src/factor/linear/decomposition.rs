//! Which spectral decomposition serves an operator: its own, the smaller Gram matrix where it is accurate, or the SVD.

use std::sync::Arc;

use faer::MatRef;
use fg_linalg::padded::Padded;
use fg_linalg::spectral::{self, Unconverged};

use super::iterative::{Iterative, Law};
use super::moments::Spectrum;
use super::side::Side;
use crate::operator::{Complex, LinearOperator, Spectral};

/// How the linear factor decomposes its operator. The default is [`Auto`](Self::Auto).
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum Solver {
    /// [`Operator`](Self::Operator) where there is such a thing; [`Iterative`](Self::Iterative) where the matrix isn't stored
    /// and would be larger than may be [built](super::LinearFactor::with_matrix_limit); otherwise [`Gram`](Self::Gram) unless
    /// the operator's condition number would cost it too many digits, or the operator is complex.
    #[default]
    Auto,
    /// Thin singular value decomposition: any conditioning, about three times the set-up time.
    Svd,
    /// Eigen-decomposition of the smaller of `A A'` and `A' A`, which squares the condition number.
    Gram,
    /// The operator's own [`spectral`](crate::operator::LinearOperator::spectral) factors: no set-up, and no matrix. An
    /// operator without them isn't ready.
    Operator,
    /// Conjugate gradients and an estimate of the spectrum: products with the operator, and no matrix. Averaged variances
    /// have a [standard error](crate::factor::Belief::standard_error).
    Iterative(Iterative),
}

/// Smallest eigenvalue of a Gram matrix relative to the largest that [`Solver::Auto`] accepts: eigenvalues carry
/// an error of a few `1e-16` of the largest, so ten digits of the smallest are left. A zero eigenvalue can't be
/// told from the square of a singular value below `1e-8` and isn't accepted either.
const GRAM_CONDITION: f64 = 1e-6;

/// `A = U diag(s) V'`, as much of it as was computed.
#[derive(Debug)]
pub(super) enum Basis {
    /// `U` (`m x m`) of `A A'`, for `m <= n`.
    Wide(Padded),
    /// `V` (`n x n`) of `A' A`, for `m > n`.
    Tall(Padded),
    /// Thin `U` and `V`.
    Svd(Side, Side),
    /// None: products, and the law of the singular values.
    Products(Law, Iterative),
}

/// A basis and the squares of the `min(m, n)` singular values in its order, exactly zero beyond the rank; without a basis, what
/// is known of them is in the [law](Law), and there are none here.
#[derive(Debug)]
pub(super) struct Decomposition {
    pub(super) basis: Basis,
    pub(super) squares: Vec<f64>,
    /// The singular values themselves.
    pub(super) singular: Vec<f64>,
    pub(super) outputs: usize,
    pub(super) inputs: usize,
}

impl Decomposition {
    /// Decomposes `a`, never forming the larger of `U` and `V` unless by SVD.
    pub(super) fn new(a: MatRef<'_, f64>, solver: Solver) -> Result<Self, Unconverged> {
        if solver == Solver::Svd {
            return Self::svd(a);
        }
        let gram = Self::gram(a);
        match gram {
            Ok(gram) if solver == Solver::Gram || gram.well_conditioned() => Ok(gram),
            Err(error) if solver == Solver::Gram => Err(error),
            _ => Self::svd(a),
        }
    }

    fn gram(a: MatRef<'_, f64>) -> Result<Self, Unconverged> {
        let (outputs, inputs) = a.shape();
        let wide = outputs <= inputs;
        let gram = spectral::gram(if wide { a } else { a.transpose() });
        let spectral::Eigen { values, vectors } = spectral::eigen(gram)?;
        let largest = values.iter().copied().fold(0.0, f64::max);
        let zero = rank_tolerance(a) * largest;
        let squares: Vec<f64> = values.iter().map(|&v| if v > zero { v } else { 0.0 }).collect();
        let singular = squares.iter().map(|v| v.sqrt()).collect();
        let basis = if wide { Basis::Wide(vectors) } else { Basis::Tall(vectors) };
        Ok(Self { basis, squares, singular, outputs, inputs })
    }

    /// That which an operator is made of.
    pub(super) fn given(operator: &Spectral) -> Self {
        let (outputs, inputs) = (operator.left().size(), operator.right().size());
        let singular = operator.singular_values().to_vec();
        let squares = singular.iter().map(|s| s * s).collect();
        let rank = singular.len();
        let left = Side::Turned { rotation: Arc::clone(operator.left()), transposed: false, rank };
        let right = Side::Turned { rotation: Arc::clone(operator.right()), transposed: true, rank };
        Self { basis: Basis::Svd(left, right), squares, singular, outputs, inputs }
    }

    /// Products, and the law of the singular values.
    pub(super) fn products(
        operator: &dyn LinearOperator,
        options: Iterative,
    ) -> Result<Self, Unconverged> {
        let (outputs, inputs) = (operator.outputs(), operator.inputs());
        let basis = Basis::Products(Law::new(operator, &options)?, options);
        Ok(Self { basis, squares: Vec::new(), singular: Vec::new(), outputs, inputs })
    }

    /// That of a complex operator: each singular value twice, of real singular vectors that are neighbours.
    pub(super) fn complex(operator: &Complex) -> Result<Self, Unconverged> {
        let matrix = operator.matrix();
        let (m, n) = (matrix.nrows(), matrix.ncols());
        let spectral::ComplexSvd { u, s, v } = spectral::thin_complex_svd(matrix)?;
        let largest = s.iter().copied().fold(0.0, f64::max);
        let zero = m.max(n) as f64 * f64::EPSILON * largest;
        let singular: Vec<f64> =
            s.iter().flat_map(|&s| if s > zero { [s; 2] } else { [0.0; 2] }).collect();
        let squares = singular.iter().map(|s| s * s).collect();
        let basis = Basis::Svd(Side::Complex(u), Side::Complex(v));
        Ok(Self { basis, squares, singular, outputs: 2 * m, inputs: 2 * n })
    }

    fn svd(a: MatRef<'_, f64>) -> Result<Self, Unconverged> {
        let (outputs, inputs) = a.shape();
        let spectral::Svd { u, s, v } = spectral::thin_svd(a)?;
        let largest = s.iter().copied().fold(0.0, f64::max);
        let zero = rank_tolerance(a) * largest;
        let singular: Vec<f64> = s.iter().map(|&s| if s > zero { s } else { 0.0 }).collect();
        let squares = singular.iter().map(|s| s * s).collect();
        let basis = Basis::Svd(Side::Stored(u), Side::Stored(v));
        Ok(Self { basis, squares, singular, outputs, inputs })
    }

    fn well_conditioned(&self) -> bool {
        let largest = self.squares.iter().copied().fold(0.0, f64::max);
        self.squares.iter().all(|&s| s >= GRAM_CONDITION * largest)
    }

    /// The solver it was made by: never [`Solver::Auto`].
    pub(super) fn solver(&self) -> Solver {
        match self.basis {
            Basis::Wide(_) | Basis::Tall(_) => Solver::Gram,
            Basis::Svd(Side::Stored(_) | Side::Complex(_), _) => Solver::Svd,
            Basis::Svd(..) => Solver::Operator,
            Basis::Products(_, options) => Solver::Iterative(options),
        }
    }

    pub(super) fn spectrum(&self) -> Spectrum<'_> {
        let Self { squares, outputs, inputs, .. } = self;
        let (squares, weights) = match &self.basis {
            Basis::Products(law, _) => (&law.squares, Some(&law.weights[..])),
            _ => (squares, None),
        };
        Spectrum { squares, weights, outputs: *outputs, inputs: *inputs }
    }

    /// The smallest of the squares.
    pub(super) fn smallest(&self) -> f64 {
        self.squares.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// Rounding of a decomposition's values, relative to the largest: what is smaller counts as zero.
fn rank_tolerance(a: MatRef<'_, f64>) -> f64 {
    a.nrows().max(a.ncols()) as f64 * f64::EPSILON
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    fn graded(ratio: f64) -> Mat<f64> {
        // Orthogonal columns 1, 1 and 1, -1 of lengths one and `ratio`.
        Mat::from_fn(2, 2, |i, j| [[1.0, ratio], [1.0, -ratio]][i][j])
    }

    #[test]
    fn auto_leaves_gram_when_digits_would_be_lost() {
        let solver =
            |ratio: f64| Decomposition::new(graded(ratio).as_ref(), Solver::Auto).unwrap().solver();
        assert_eq!(solver(0.01), Solver::Gram);
        assert_eq!(solver(1e-4), Solver::Svd);
        assert_eq!(solver(0.0), Solver::Svd);
    }

    #[test]
    fn rank_counts_what_isnt_rounding() {
        for (solver, ratio, rank) in
            [(Solver::Svd, 1e-10, 2), (Solver::Svd, 1e-17, 1), (Solver::Gram, 1e-10, 1)]
        {
            let decomposition = Decomposition::new(graded(ratio).as_ref(), solver).unwrap();
            let found = decomposition.spectrum().rank();
            assert!((found - f64::from(rank)).abs() < 0.5, "{solver:?} {ratio:e}: {found}");
        }
        let zero = Decomposition::new(Mat::zeros(2, 3).as_ref(), Solver::Gram).unwrap();
        assert!(zero.spectrum().rank().abs() < 0.5);
    }
}
