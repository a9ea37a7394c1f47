//! The direction that data prefer while nothing is known of the unknown.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::{Breakdown, LikelihoodFactor, LinearFactor};
use fg_core::message::{MessageError, small};
use fg_core::operator::LinearOperator;
use fg_core::special::quantile;
use fg_core::{FactorId, Graph, InferenceError, Message, Precision, Rows};

use super::parts::Parts;
use crate::ModelError;
use crate::matrices::of_eigenvalues;

/// A row of data that all but rules out some direction counts as `1 - 1 / SMALLEST` there: without a bound it alone would
/// be the answer.
const SMALLEST: f64 = 0.25;
/// The iteration ends when its vector turns by less than this in a step, or after so many steps: it is a start.
const TURN: f64 = 1e-5;
const STEPS: usize = 2000;

/// The leading eigenvector (`n x d`) of `sum_i a_i a_i' T_i`, for operators on entries of `A' diag(T_i) A`, of mean square
/// `variance`: `T_i = I - t E(z z' | y_i)^-1`.
pub(super) fn direction(graph: &Graph, parts: &Parts, variance: f64) -> Result<Rows, ModelError> {
    let (factor, _) = made_with(graph, parts);
    let operator = factor.operator();
    let spread = variance * operator.squared_norm() / operator.outputs() as f64;
    let layout = graph.layout(graph.variable_at(parts.likelihood, 0)).clone();
    let nothing = Message::new(
        Rows::zeros(layout.rows(), layout.columns()),
        Precision::isotropic(layout, spread.recip()).map_err(MessageError::from)?,
    )?;
    let mut vector = leading(graph, parts, &nothing, true)?;
    scale(&mut vector, variance);
    Ok(vector)
}

/// The same with `T_i = I - (Gamma^(1/2) C_i Gamma^(1/2))^-1`, for a likelihood that was told `cavity`, of precision `Gamma`,
/// and finds the covariances `C_i`: where a fixed point of the run is least stable, in units of what is unknown there.
/// Rows `v_k` of the vector have a second moment whose largest eigenvalue is one.
pub(super) fn least_stable(
    graph: &Graph,
    parts: &Parts,
    cavity: &Message,
) -> Result<Rows, ModelError> {
    let mut vector = leading(graph, parts, cavity, false)?;
    let (d, mut values) = (vector.columns(), vec![0.0; vector.columns()]);
    let (mut moment, mut vectors) = (second_moment(&vector), vec![0.0; d * d]);
    small::eigen_symmetric(&mut moment, &mut values, &mut vectors, d);
    let largest = values.iter().copied().fold(0.0, f64::max);
    vector.as_mut_slice().iter_mut().for_each(|v| *v /= largest.sqrt());
    Ok(vector)
}

/// `V'V / n` of `n` rows.
pub(super) fn second_moment(rows: &Rows) -> Vec<f64> {
    let d = rows.columns();
    let mut moment = vec![0.0; d * d];
    for row in rows.as_slice().chunks_exact(d) {
        moment.iter_mut().enumerate().for_each(|(k, m)| *m += row[k / d] * row[k % d]);
    }
    moment.iter_mut().for_each(|m| *m /= rows.rows() as f64);
    moment
}

fn made_with<'g>(graph: &'g Graph, parts: &Parts) -> (&'g LinearFactor, &'g LikelihoodFactor) {
    let both = parts.linear(graph).zip(parts.observed(graph));
    both.expect("the graph has the operator and the likelihood it was made with")
}

fn leading(
    graph: &Graph,
    parts: &Parts,
    cavity: &Message,
    whole: bool,
) -> Result<Rows, ModelError> {
    let (factor, likelihood) = made_with(graph, parts);
    // No eigenvalue of T is below `1 - 1 / SMALLEST`, none of `A'A` above the square of the largest singular value.
    let spectrum = factor.spectrum().map_err(|reason| broken(graph, parts.operator, reason))?;
    let largest = spectrum.atoms().iter().map(|(square, _)| *square).fold(0.0, f64::max);
    let shift = (SMALLEST.recip() - 1.0) * largest;
    let signal = graph.layout(graph.variable_at(parts.prior, 0));
    let mut vector = start(signal.rows(), signal.columns());
    if let Some(data) = likelihood.data() {
        let told = weights(likelihood, data, cavity, whole)
            .map_err(|reason| broken(graph, parts.likelihood, reason))?;
        climb(factor.operator(), &told, shift, &mut vector);
    }
    Ok(vector)
}

/// Makes the mean square of the entries `variance`.
fn scale(vector: &mut Rows, variance: f64) {
    let factor = (variance * vector.as_slice().len() as f64 / vector.norm_squared()).sqrt();
    vector.as_mut_slice().iter_mut().for_each(|v| *v *= factor);
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

/// `T_i = I - (Gamma^(1/2) S_i Gamma^(1/2))^-1` (`m x d x d`) for a cavity of precision `Gamma`; `S_i` is the covariance that
/// the likelihood finds or, for its `whole` effect, the second moment about the cavity's mean.
fn weights(
    factor: &LikelihoodFactor,
    data: &Rows,
    cavity: &Message,
    whole: bool,
) -> Result<Vec<f64>, Breakdown> {
    let layout = cavity.layout();
    let (m, d) = (layout.rows(), layout.columns());
    let (size, outputs) = (d * d, data.columns());
    let mut centre = Rows::zeros(m, d);
    cavity.mean_into(&mut centre);
    let (mut mean, mut weights) = (vec![0.0; m * d], vec![0.0; m * size]);
    let [mut half, mut vectors] = [(); 2].map(|()| vec![0.0; size]);
    let mut values = vec![0.0; d];
    for b in 0..layout.blocks() {
        let (rows, precision) = (layout.range(b), cavity.precision().block(b));
        let (entries, blocks) = (rows.start * d..rows.end * d, rows.start * size..rows.end * size);
        let told = RowCavity::new(
            rows.start,
            d,
            &cavity.natural().as_slice()[entries.clone()],
            &centre.as_slice()[entries.clone()],
            precision,
        );
        let mut out =
            RowEstimate { mean: &mut mean[entries], covariance: &mut weights[blocks.clone()] };
        let seen = &data.as_slice()[rows.start * outputs..rows.end * outputs];
        factor.likelihood().estimate(seen, &told, &mut out, &mut Scratch::default())?;
        let root = of_eigenvalues(precision, d, f64::sqrt);
        for (i, weight) in rows.zip(weights[blocks].chunks_exact_mut(size)) {
            if whole {
                for k in 0..size {
                    let off = |j: usize| mean[i * d + j] - centre[(i, j)];
                    weight[k] += off(k / d) * off(k % d);
                }
            }
            small::multiply(&root, weight, &mut half, d);
            small::multiply(&half, &root, weight, d);
            small::eigen_symmetric(weight, &mut values, &mut vectors, d);
            values.iter_mut().for_each(|s| *s = 1.0 - s.max(SMALLEST).recip());
            small::rebuild(&vectors, &values, weight, d);
        }
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
