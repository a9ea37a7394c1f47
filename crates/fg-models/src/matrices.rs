//! Small symmetric matrices, row after row in a vector, where models make them.

use fg_core::message::small;

/// The symmetric matrix with the same eigenvectors and `f` of the eigenvalues, of which negative ones are rounding.
pub(crate) fn of_eigenvalues(matrix: &[f64], d: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
    let (mut values, mut vectors, mut out) = (vec![0.0; d], vec![0.0; d * d], matrix.to_vec());
    small::eigen_symmetric(&mut out, &mut values, &mut vectors, d);
    values.iter_mut().for_each(|v| *v = f(v.max(0.0)));
    small::rebuild(&vectors, &values, &mut out, d);
    out
}
