//! How a run is told what is known before its first sweep: a first message of independent errors.

use fg_core::message::MessageError;
use fg_core::{FactorId, Graph, Inference, Message, Precision, Rows};

use crate::ModelError;

/// Port of a linear factor that is connected to its output.
pub(crate) const OUTPUT_PORT: usize = 1;

/// Sets the first message of a factor at a port to this mean and this variance of each entry.
pub(crate) fn send(
    run: &mut Inference<'_>,
    graph: &Graph,
    (factor, port): (FactorId, usize),
    mean: &Rows,
    variance: f64,
) -> Result<(), ModelError> {
    let layout = graph.layout(graph.variable_at(factor, port)).clone();
    let precision = Precision::isotropic(layout, variance.recip()).map_err(MessageError::from)?;
    run.start(factor, port, Message::from_mean(mean, precision)?)?;
    Ok(())
}

/// What the truth has as mean where `values` share the part `share` of their variance with it, `sqrt(share) values`; what
/// is left unknown has the part `1 - share`.
pub(crate) fn shrunk(mut values: Rows, share: f64) -> Rows {
    values.as_mut_slice().iter_mut().for_each(|v| *v *= share.sqrt());
    values
}
