//! Operators that come with their singular value decomposition, in factors that are applied fast.

use std::sync::Arc;

use super::{LinearOperator, OperatorError, Orthogonal, Permutation};
use crate::evolution::Spectrum;

/// `A = U diag(s) W` (`m x n`) with orthogonal `U` (`m x m`) and `W` (`n x n`) that are applied, not stored, and
/// `min(m, n)` singular values: a subsampled transform, a convolution, a diagonal matrix.
///
/// The linear factor needs no decomposition of it: a set-up costs nothing, and a pair of beliefs costs two passes of each
/// factor for each column.
///
/// ```
/// use fg_core::operator::{Cosine, LinearOperator, Spectral};
/// // A quarter of a cosine transform.
/// let operator = Spectral::rows_of(Cosine::new(8)?, &[5, 2])?;
/// assert_eq!((operator.outputs(), operator.inputs()), (2, 8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Spectral {
    left: Arc<dyn Orthogonal>,
    singular: Vec<f64>,
    right: Arc<dyn Orthogonal>,
}

impl Spectral {
    /// `U`, `s` and `W`.
    ///
    /// # Errors
    /// [`OperatorError`] unless there are `min(m, n)` singular values, at least one, all finite and not negative.
    pub fn new(
        left: impl Orthogonal + 'static,
        singular: Vec<f64>,
        right: impl Orthogonal + 'static,
    ) -> Result<Self, OperatorError> {
        let (rows, columns) = (left.size(), right.size());
        let (expected, found) = (rows.min(columns), singular.len());
        if expected == 0 {
            return Err(OperatorError::Empty { rows, columns });
        }
        if found != expected {
            return Err(OperatorError::Parts { part: "singular values", expected, found });
        }
        let bad = singular.iter().position(|s| !(s.is_finite() && *s >= 0.0));
        if let Some(index) = bad {
            return Err(OperatorError::SingularValue { index, value: singular[index] });
        }
        Ok(Self { left: Arc::new(left), singular, right: Arc::new(right) })
    }

    /// These rows of an orthogonal matrix, in this order.
    ///
    /// # Errors
    /// [`OperatorError`] when there is none, when one doesn't exist, or comes twice.
    pub fn rows_of(
        transform: impl Orthogonal + 'static,
        rows: &[usize],
    ) -> Result<Self, OperatorError> {
        let order = Permutation::first(rows, transform.size())
            .map_err(|error| OperatorError::Row { row: error.index, rows: error.size })?;
        let right = super::Chain::new(transform).then(order)?;
        Self::new(super::Identity::new(rows.len()), vec![1.0; rows.len()], right)
    }

    /// The singular values, in the order of the factors.
    pub fn singular_values(&self) -> &[f64] {
        &self.singular
    }

    /// `U`.
    pub(crate) fn left(&self) -> &Arc<dyn Orthogonal> {
        &self.left
    }

    /// `W`.
    pub(crate) fn right(&self) -> &Arc<dyn Orthogonal> {
        &self.right
    }
}

/// `out = after diag(s) before x`, column by column of row-major `x` and `out`.
fn through(
    before: impl Fn(&mut [f64]),
    singular: &[f64],
    after: impl Fn(&mut [f64]),
    (x, out): (&[f64], &mut [f64]),
    columns: usize,
) {
    let (n, m) = (x.len() / columns, out.len() / columns);
    let (mut input, mut output) = (vec![0.0; n], vec![0.0; m]);
    for j in 0..columns {
        input.iter_mut().enumerate().for_each(|(i, v)| *v = x[i * columns + j]);
        before(&mut input);
        output.fill(0.0);
        for ((o, i), s) in output.iter_mut().zip(&input).zip(singular) {
            *o = s * i;
        }
        after(&mut output);
        output.iter().enumerate().for_each(|(i, v)| out[i * columns + j] = *v);
    }
}

impl LinearOperator for Spectral {
    fn outputs(&self) -> usize {
        self.left.size()
    }

    fn inputs(&self) -> usize {
        self.right.size()
    }

    /// Time: one pass of each factor a column.
    fn apply(&self, x: &[f64], z: &mut [f64], columns: usize) {
        let before = |x: &mut [f64]| self.right.apply(x);
        let after = |z: &mut [f64]| self.left.apply(z);
        through(before, &self.singular, after, (x, z), columns);
    }

    fn apply_adjoint(&self, z: &[f64], x: &mut [f64], columns: usize) {
        let before = |z: &mut [f64]| self.left.apply_adjoint(z);
        let after = |x: &mut [f64]| self.right.apply_adjoint(x);
        through(before, &self.singular, after, (z, x), columns);
    }

    fn squared_norm(&self) -> f64 {
        self.singular.iter().map(|s| s * s).sum()
    }

    fn spectral(&self) -> Option<&Self> {
        Some(self)
    }

    fn spectrum(&self) -> Option<Spectrum> {
        Spectrum::of_singular_values(&self.singular, self.outputs(), self.inputs()).ok()
    }

    fn name(&self) -> String {
        format!("{} x {} of {}", self.outputs(), self.inputs(), self.right.name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cosine, Hadamard};
    use super::*;

    #[test]
    fn rows_are_those_of_the_transform() {
        let (n, rows) = (6, [4, 0, 3]);
        let operator = Spectral::rows_of(Cosine::new(n).unwrap(), &rows).unwrap();
        for i in 0..n {
            // Two columns, of which one is zero.
            let mut x = vec![0.0; 2 * n];
            x[2 * i] = 1.0;
            let mut z = vec![f64::NAN; 6];
            operator.apply(&x, &mut z, 2);
            let mut whole: Vec<f64> = (0..n).map(|k| x[2 * k]).collect();
            Cosine::new(n).unwrap().apply(&mut whole);
            for (k, row) in rows.into_iter().enumerate() {
                assert!((z[2 * k] - whole[row]).abs() < 1e-15 && z[2 * k + 1] == 0.0);
            }
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_named() {
        let four = || Hadamard::new(4).unwrap();
        let few = Spectral::new(four(), vec![1.0; 3], four()).unwrap_err();
        assert_eq!(few.to_string(), "operator needs 4 singular values, got 3");
        let negative = Spectral::new(four(), vec![1.0, -1.0, 0.0, 1.0], four()).unwrap_err();
        assert_eq!(negative, OperatorError::SingularValue { index: 1, value: -1.0 });
        let twice = Spectral::rows_of(four(), &[1, 1]).unwrap_err();
        assert_eq!(twice, OperatorError::Row { row: 1, rows: 4 });
        let none = Spectral::rows_of(four(), &[]).unwrap_err();
        assert_eq!(none, OperatorError::Empty { rows: 0, columns: 4 });
    }
}
