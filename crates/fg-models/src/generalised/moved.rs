//! Where a run goes on from a fixed point that it can't leave by itself: along the direction in which it is least stable.

use fg_core::message::{MessageError, small};
use fg_core::{Graph, Inference, Message, Precision, Solution};

use super::parts::Parts;
use super::spectral;
use crate::ModelError;
use crate::linear::outputs;
use crate::matrices::of_eigenvalues;
use crate::start::{OUTPUT_PORT, guessed_power};

/// Starts from the fixed point that a run has ended with, moved where it is least stable: see [`Start::LeastStable`](super::Start::LeastStable).
pub(super) fn moved(
    run: &mut Inference<'_>,
    graph: &Graph,
    parts: &Parts,
    found: &Solution,
    share: f64,
) -> Result<(), ModelError> {
    let Some(factor) = parts.linear(graph) else { return Ok(()) };
    let signal = graph.variable_at(parts.prior, 0);
    let cavity = found.cavity(parts.likelihood, 0);
    let vector = spectral::least_stable(graph, parts, cavity)?;
    guessed_power(graph, signal, &vector, share)?;
    let (layout, d) = (cavity.layout().clone(), vector.columns());
    // What is left unknown of an output is Gamma^-1, of a row of X that over the gain; the step takes share V of it.
    let told = average(cavity.precision());
    let inverse_root = |v: f64| if v > 0.0 { v.sqrt().recip() } else { 0.0 };
    let [root, unit] = [f64::sqrt, inverse_root].map(|f| of_eigenvalues(&told, d, f));
    let operator = factor.operator();
    let gain = operator.squared_norm() / operator.outputs() as f64;
    let (mut mean, mut step) = (found.mean(signal).clone(), vec![0.0; d]);
    for (row, v) in mean.as_mut_slice().chunks_exact_mut(d).zip(vector.as_slice().chunks_exact(d)) {
        small::row_times(v, &unit, &mut step, d);
        row.iter_mut().zip(&step).for_each(|(m, s)| *m += (share / gain).sqrt() * s);
    }
    let left = of_eigenvalues(&spectral::second_moment(&vector), d, |v| (1.0 - share * v).recip());
    let [mut half, mut precision] = [(); 2].map(|()| vec![0.0; d * d]);
    small::multiply(&root, &left, &mut half, d);
    small::multiply(&half, &root, &mut precision, d);
    small::symmetrise(&mut precision, d);
    layout.form().restrict(&mut precision, d);
    let precision = Precision::from_matrix(layout, &precision).map_err(MessageError::from)?;
    run.start(
        parts.operator,
        OUTPUT_PORT,
        Message::from_mean(&outputs(operator, &mean), precision)?,
    )?;
    Ok(())
}

/// The average over rows.
fn average(precision: &Precision) -> Vec<f64> {
    let layout = precision.layout();
    let mut average = vec![0.0; layout.columns() * layout.columns()];
    for b in 0..layout.blocks() {
        let weight = layout.range(b).len() as f64 / layout.rows() as f64;
        average.iter_mut().zip(precision.block(b)).for_each(|(a, p)| *a += weight * p);
    }
    average
}
