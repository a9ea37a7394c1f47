//! Where a run starts: without information, or from weights that know a part of the truth.

use fg_core::inference::StartError;
use fg_core::{FactorId, Graph, Inference, Rows, VariableId};
use fg_denoisers::ParameterError;

use crate::ModelError;
use crate::predict::outputs;
use crate::start::{OUTPUT_PORT, send, shrunk};

/// What is known about the hidden rows before the first sweep. It only starts the run: the model, and so its fixed
/// points, stay as they are.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Start {
    guess: Option<Guess>,
}

/// `Z` is near `hidden` (`N x d`), with independent errors of this variance, as weights of this shape have it.
#[derive(Clone, Debug, PartialEq)]
struct Guess {
    weights: (usize, usize),
    hidden: Rows,
    variance: f64,
}

impl Start {
    /// Nothing is known but the prior of the weights.
    pub fn uninformed() -> Self {
        Self::default()
    }

    /// From `weights` (`N_in x d`, with a bias one row more) that share the part `share` of their variance with the
    /// truth, as [`correlated_weights`](crate::synthetic::correlated_weights) makes them, for `inputs` (`N x N_in`).
    ///
    /// Given `W = sqrt(s) W1 + sqrt(1 - s) noise`, all of variance 1, `W1` has mean `sqrt(s) W` and variance `1 - s`,
    /// so `z = W1' x` has mean `sqrt(s) W' x` and variance `(1 - s) |x|^2`, which is averaged over the samples.
    ///
    /// # Errors
    /// [`ModelError`] when `share` is outside `[0, 1)` or the weights don't fit the inputs. That they have a row for a bias
    /// where the model has one is checked when it is fitted.
    pub fn correlated(weights: &Rows, share: f64, inputs: &Rows) -> Result<Self, ModelError> {
        if !(0.0..1.0).contains(&share) {
            let (parameter, requirement) = ("share", "at least 0 and below 1");
            return Err(ParameterError::OutOfRange { parameter, value: share, requirement }.into());
        }
        let ((rows, d), columns) = (weights.shape(), inputs.columns());
        let bias = rows > columns;
        if rows != columns + usize::from(bias) {
            let expected = (columns + usize::from(bias), d);
            return Err(ModelError::Weights { inputs: columns, bias, expected, found: (rows, d) });
        }
        let mean = shrunk(outputs(weights, inputs), share);
        let length = inputs.norm_squared() / inputs.rows() as f64 + f64::from(u8::from(bias));
        let variance = (1.0 - share) * length;
        Ok(Self { guess: Some(Guess { weights: (rows, d), hidden: mean, variance }) })
    }

    /// Sets the first message that `operator`, a linear factor, sends about its output, made of `weights`.
    pub(super) fn set(
        &self,
        run: &mut Inference<'_>,
        graph: &Graph,
        weights: VariableId,
        operator: FactorId,
    ) -> Result<(), ModelError> {
        let Some(guess) = &self.guess else { return Ok(()) };
        let layout = graph.layout(weights);
        let (expected, found) = ((layout.rows(), layout.columns()), guess.weights);
        if found != expected {
            let variable = graph.variable_name(weights).to_owned();
            return Err(StartError::Layout { variable, expected, found }.into());
        }
        send(run, graph, (operator, OUTPUT_PORT), &guess.hidden, guess.variance)
    }
}
