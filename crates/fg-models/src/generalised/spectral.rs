//! The direction that data prefer while nothing is known of the unknown.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::{Breakdown, LikelihoodFactor};
use fg_core::message::small;
use fg_core::operator::LinearOperator;
use fg_core::special::quantile;
use fg_core::{FactorId, Graph, InferenceError, Rows};

use super::parts::Parts;
use crate::ModelError;

/// A row of data that all but rules out some direction counts as `1 - 1 / SMALLEST` there: without a bound it alone would
/// be the answer.
const SMALLEST: f64 = 0.25;
/// The iteration ends when its vector turns by less than this in a step, or after so many steps: it is a start.
const TURN: f64 = 1e-5;
const STEPS: usize = 2000;

/// The leading eigenvector (`n x d`) of `sum_i a_i a_i' T_i`, for operators on entries of `A' diag(T_i) A`, of mean square `variance`.
pub(super) fn direction(graph: &Graph, parts: &Parts, variance: f64) -> Result<Rows, ModelError> {
    let d = graph.layout(graph.variable_at(parts.likelihood, 0)).columns();
    let (operator, likelihood) = parts
        .linear(graph)
        .zip(parts.observed(graph))
        .expect("the graph has the operator and the likelihood it was made with");
    // No eigenvalue of T is below `1 - 1 / SMALLEST`, none of `A'A` above the square of the largest singular value.
    let singular =
        operator.singular_values().map_err(|reason| broken(graph, parts.operator, reason))?;
    let largest = singular.iter().copied().fold(0.0, f64::max);
    let shift = (SMALLEST.recip() - 1.0) * largest * largest;
    let operator = operator.operator();
    let spread = variance * operator.squared_norm() / operator.outputs() as f64;
    let signal = graph.layout(graph.variable_at(parts.prior, 0));
    let mut vector = start(signal.rows(), d);
    if let Some(data) = likelihood.data() {
        let told = weights(likelihood, data, spread, d)
            .map_err(|reason| broken(graph, parts.likelihood, reason))?;
        climb(operator, &told, shift, &mut vector);
    }
    let scale = (variance * vector.as_slice().len() as f64 / vector.norm_squared()).sqrt();
    vector.as_mut_slice().iter_mut().for_each(|v| *v *= scale);
    Ok(vector)
}

fn broken(graph: &Graph, factor: FactorId, reason: Breakdown) -> ModelError {
    let variable = graph.variable_name(graph.variable_at(factor, 0)).to_owned();
    let factor = graph.factor_name(factor).to_owned();
    InferenceError::Breakdown { factor, variable, reason }.into()
}

/// Quantiles at multiples of the golden ratio: values that aren't alike, the same in every run.
fn start(n: usize, d: usize) -> Rows {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    Rows::from_fn(n, d, |i, j| quantile(((i * d + j) as f64 + 0.5) * GOLDEN % 1.0))
}

/// `T_i = I - t E(z z' | y_i)^-1` (`m x d x d`), for `z` of variance `t` in each column.
fn weights(
    factor: &LikelihoodFactor,
    data: &Rows,
    spread: f64,
    d: usize,
) -> Result<Vec<f64>, Breakdown> {
    let (m, size) = (data.rows(), d * d);
    let nothing = vec![0.0; m * d];
    let entry = |k: usize| if k.is_multiple_of(d + 1) { spread.recip() } else { 0.0 };
    let precision: Vec<f64> = (0..size).map(entry).collect();
    let (mut mean, mut weights) = (vec![0.0; m * d], vec![0.0; m * size]);
    let cavity = RowCavity::new(0, d, &nothing, &nothing, &precision);
    let mut out = RowEstimate { mean: &mut mean, covariance: &mut weights };
    factor.likelihood().estimate(data.as_slice(), &cavity, &mut out, &mut Scratch::default())?;
    let (mut values, mut vectors) = (vec![0.0; d], vec![0.0; size]);
    for (mean, weight) in mean.chunks_exact(d).zip(weights.chunks_exact_mut(size)) {
        for j in 0..d {
            for k in 0..d {
                weight[j * d + k] += mean[j] * mean[k];
            }
        }
        small::eigen_symmetric(weight, &mut values, &mut vectors, d);
        values.iter_mut().for_each(|s| *s = 1.0 - (*s / spread).max(SMALLEST).recip());
        small::rebuild(&vectors, &values, weight, d);
    }
    Ok(weights)
}

/// Power iteration, shifted so that the largest eigenvalue is also the largest in modulus.
fn climb(operator: &dyn LinearOperator, weights: &[f64], shift: f64, vector: &mut Rows) {
    let (n, d) = vector.shape();
    let size = d * d;
    let mut image = vec![0.0; operator.outputs() * n * d / operator.inputs()];
    // Rows are columns of their own, or the entries one.
    let columns = n * d / operator.inputs();
    let (mut turned, mut row) = (vec![0.0; n * d], vec![0.0; d]);
    for _ in 0..STEPS {
        let length = vector.norm_squared().sqrt();
        vector.as_mut_slice().iter_mut().for_each(|v| *v /= length);
        operator.apply(vector.as_slice(), &mut image, columns);
        for (z, weight) in image.chunks_exact_mut(d).zip(weights.chunks_exact(size)) {
            small::row_times(z, weight, &mut row, d);
            z.copy_from_slice(&row);
        }
        operator.apply_adjoint(&image, &mut turned, columns);
        for (t, v) in turned.iter_mut().zip(vector.as_slice()) {
            *t += shift * v;
        }
        let norm = turned.iter().map(|t| t * t).sum::<f64>().sqrt();
        let pairs = turned.iter().zip(vector.as_slice());
        let turn: f64 = pairs.map(|(t, v)| (t / norm - v).powi(2)).sum();
        vector.as_mut_slice().copy_from_slice(&turned);
        if turn.sqrt() < TURN {
            break;
        }
    }
}
