//! A sparse signal of which nothing is known: noise, sparsity and size are learned along with it, for several columns also
//! how they hang together.

use fg_core::Rows;
use fg_core::operator::LinearOperator;

use super::dependence::dependent_columns;
use crate::ModelError;
use crate::generalised::{GeneralisedGraph, sparse_of};
use crate::start::unknown_noise;

/// The graph of [`graph`](super::graph) for a Bernoulli-Gauss signal whose sparsity and variance, and whose noise, are
/// learned by expectation-maximisation in the loop, one step a sweep. Of several columns (multiple measurement vectors,
/// multi-task regression) rows are zero or not as a whole, and the full covariance of the columns is learned.
///
/// It starts from what Vila and Schniter start from: a hundredth of the power of the observations being noise, as many
/// non-zero entries as basis pursuit can recover from `m` observations of `n` entries, and slabs that make up for the
/// power. Learned values are in [`Solution::parameters`](fg_core::Solution::parameters). For other likelihoods see
/// [`generalised::sparse`](crate::generalised::sparse).
///
/// Reference: J. P. Vila and P. Schniter, "Expectation-Maximization Gaussian-Mixture Approximate Message Passing", IEEE
/// Transactions on Signal Processing 61 (2013), doi 10.1109/TSP.2013.2272287, section III-E.
///
/// Columns of observations must be linearly independent, to rounding: in a direction in which all observations vanish, their
/// density grows without bound as the noise and the covariance of the columns go to zero, and there is nothing to be learned.
/// Leave such columns out, or fix the noise ([`graph`](super::graph) with a
/// [`GroupBernoulliGauss`](fg_denoisers::GroupBernoulliGauss) that learns its covariance).
///
/// # Errors
/// [`ModelError`] when the observations or the operator vanish, so that there is nothing to start from;
/// [`ModelError::Dependent`] naming columns of observations that are linearly dependent, or one that is zero. Shapes and data
/// are checked when the graph is built.
pub fn sparse(
    operator: impl LinearOperator + 'static,
    observations: Rows,
) -> Result<GeneralisedGraph, ModelError> {
    let (noise, signal) = unknown_noise(&observations)?;
    if let Some(columns) = dependent_columns(&observations) {
        return Err(ModelError::Dependent { columns });
    }
    let columns = observations.columns();
    sparse_of(operator, noise, observations, columns, signal)
}
