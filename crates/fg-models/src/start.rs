//! How a run is told what is known before its first sweep: a first message of independent errors.

use fg_core::evolution::{Evolution, MessageLaw, Prediction};
use fg_core::factor::{Belief, Cavity};
use fg_core::inference::StartError;
use fg_core::message::{MessageError, small};
use fg_core::{FactorId, Graph, Inference, Message, Options, Precision, Rows, VariableId};
use fg_denoisers::{Awgn, ParameterError};

use crate::ModelError;

/// Port of a linear factor that is connected to its output.
pub(crate) const OUTPUT_PORT: usize = 1;

/// Sets the first message of a factor at a port to this mean and this variance of each entry.
///
/// # Errors
/// Among others a variance that isn't finite and above zero, as one over it must be: a run that is told a certainty ends with
/// it.
pub(crate) fn send(
    run: &mut Inference<'_>,
    graph: &Graph,
    (factor, port): (FactorId, usize),
    mean: &Rows,
    variance: f64,
) -> Result<(), ModelError> {
    if !(variance > 0.0 && variance.is_finite() && variance.recip().is_finite()) {
        let (parameter, requirement) = ("start variance", "finite and above 0");
        return Err(ParameterError::OutOfRange { parameter, value: variance, requirement }.into());
    }
    let layout = graph.layout(graph.variable_at(factor, port)).clone();
    let precision = Precision::isotropic(layout, variance.recip()).map_err(MessageError::from)?;
    run.start(factor, port, Message::from_mean(mean, precision)?)?;
    Ok(())
}

/// Share of noise in observations that learning starts from, one over a signal-to-noise ratio of a hundred plus one.
const NOISE: f64 = 1.0 / 101.0;

/// The mean square of entries that something is to be made of; names of it and of how many entries there are.
///
/// # Errors
/// No entries, entries without a size, or that aren't finite.
pub(crate) fn mean_square(
    [parameter, count]: [&'static str; 2],
    rows: &Rows,
) -> Result<f64, ParameterError> {
    if rows.as_slice().is_empty() {
        let requirement = "at least 1";
        return Err(ParameterError::OutOfRange { parameter: count, value: 0.0, requirement });
    }
    let value = rows.norm_squared() / rows.as_slice().len() as f64;
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(ParameterError::OutOfRange { parameter, value, requirement: "finite and above 0" })
}

/// Noise of unknown variance in `observations`, to be learned, and what it leaves of the mean square of their entries.
///
/// # Errors
/// Observations of which nothing is left, or that aren't finite.
pub(crate) fn unknown_noise(observations: &Rows) -> Result<(Awgn, f64), ParameterError> {
    let names = ["mean square of the observations", "number of observations"];
    let power = mean_square(names, observations)?;
    Ok((Awgn::from_variance(NOISE * power)?.learn_noise(), (1.0 - NOISE) * power))
}

/// What the truth has as mean where `values` share the part `share` of their variance with it, `sqrt(share) values`; what
/// is left unknown has the part `1 - share`.
pub(crate) fn shrunk(mut values: Rows, share: f64) -> Rows {
    values.as_mut_slice().iter_mut().for_each(|v| *v *= share.sqrt());
    values
}

/// The mean square of `values` that are guessed for a variable and share the part `share` of their variance with the truth.
///
/// # Errors
/// Another shape than the variable's, a share outside `(0, 1)`, values without a size.
pub(crate) fn guessed_power(
    graph: &Graph,
    variable: VariableId,
    values: &Rows,
    share: f64,
) -> Result<f64, ModelError> {
    let layout = graph.layout(variable);
    let (expected, found) = ((layout.rows(), layout.columns()), values.shape());
    if found != expected {
        let variable = graph.variable_name(variable).to_owned();
        return Err(StartError::Layout { variable, expected, found }.into());
    }
    if !(share > 0.0 && share < 1.0) {
        let (parameter, requirement) = ("share", "above 0 and below 1");
        return Err(ParameterError::OutOfRange { parameter, value: share, requirement }.into());
    }
    Ok(mean_square(["mean square of the guess", "values of the guess"], values)?)
}

/// The variance of an entry before anything is known about the data, where the prior has a mean and a positive variance
/// then.
pub(crate) fn alone(graph: &Graph, prior: FactorId) -> Option<f64> {
    let (factor, layout) = (graph.factor(prior), graph.layout(graph.variable_at(prior, 0)));
    let nothing = Message::vacuous(layout.clone());
    let mut beliefs = [Belief::new(layout.clone())];
    let cavities = [Cavity { message: &nothing, version: 0 }];
    let told = factor.workspace(core::slice::from_ref(layout)).and_then(|mut workspace| {
        factor.beliefs(&cavities, &[true], &mut beliefs, &mut *workspace)
    });
    told.ok()?;
    let [belief] = &mut beliefs;
    belief.average();
    let d = layout.columns();
    let mut total = 0.0;
    for b in (0..layout.blocks()).filter(|b| !belief.is_known(*b)) {
        let block = &belief.covariances()[b * d * d..(b + 1) * d * d];
        if !(0..d).all(|j| block[j * d + j] > 0.0) {
            return None;
        }
        total += layout.range(b).len() as f64 * small::trace(block, d);
    }
    Some(total / (layout.rows() * d) as f64)
}

/// A message's law, and where it is sent.
pub(crate) type Sent = (FactorId, usize, MessageLaw);

/// The prediction of a run from these messages, with what `change` sets besides.
pub(crate) fn predicted_from(
    graph: &Graph,
    options: &Options,
    starts: Vec<Sent>,
    change: impl for<'g> FnOnce(Evolution<'g>) -> Evolution<'g>,
) -> Result<Prediction, ModelError> {
    let mut evolution = Evolution::new(graph, options);
    for (factor, port, law) in starts {
        evolution = evolution.with_start(factor, port, law);
    }
    Ok(change(evolution).run()?)
}
