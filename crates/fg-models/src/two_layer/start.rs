//! Where a run starts: without information, or from weights that know a part of the truth.

use fg_core::{FactorId, Graph, Inference, Rows};

use crate::ModelError;
use crate::predict::outputs;
use crate::start::{OUTPUT_PORT, send, shrunk};

/// What is known about the hidden rows before the first sweep. It only starts the run: the model, and so its fixed
/// points, stay as they are.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Start {
    hidden: Option<Guess>,
}

/// `Z` is near `mean` (`N x d`), with independent errors of this variance.
#[derive(Clone, Debug, PartialEq)]
struct Guess {
    mean: Rows,
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
    /// # Panics
    /// When `share` is outside `[0, 1)` or the shapes don't fit together.
    #[track_caller]
    pub fn correlated(weights: &Rows, share: f64, inputs: &Rows) -> Self {
        assert!((0.0..1.0).contains(&share), "share {share} outside [0, 1)");
        let mean = shrunk(outputs(weights, inputs), share);
        let constant = (weights.rows() - inputs.columns()) as f64;
        let length = inputs.norm_squared() / inputs.rows() as f64 + constant;
        Self { hidden: Some(Guess { mean, variance: (1.0 - share) * length }) }
    }

    /// Sets the first message that `operator`, a linear factor, sends about its output.
    pub(super) fn set(
        &self,
        run: &mut Inference<'_>,
        graph: &Graph,
        operator: FactorId,
    ) -> Result<(), ModelError> {
        let Some(Guess { mean, variance }) = &self.hidden else { return Ok(()) };
        send(run, graph, (operator, OUTPUT_PORT), mean, *variance)
    }
}
