//! Where a run starts: without information, or from weights that know a part of the truth.

use fg_core::{FactorId, Graph, Inference, Message, Precision, Rows};

use super::TwoLayerGraph;
use crate::ModelError;

/// What is known about `W1` before the first sweep.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum Start {
    /// Nothing but its prior.
    #[default]
    Uninformed,
    /// Weights of which `share` of the variance is the truth's, as
    /// [`correlated_weights`](crate::synthetic::correlated_weights) makes them. They only start the run: the model
    /// and so its fixed points stay as they are.
    Correlated {
        /// `N_in x d`; with a bias one row more, the last.
        weights: Rows,
        /// In `(0, 1)`.
        share: f64,
    },
}

/// The parts of a graph a start needs, after the builder has been used up.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartPort {
    operator: FactorId,
}

/// Port of the linear factor that is connected to its output.
const OUTPUT_PORT: usize = 1;

impl StartPort {
    pub(super) fn of(graph: &TwoLayerGraph) -> Self {
        Self { operator: graph.operator }
    }

    /// Sets the first message about `Z`.
    ///
    /// Given weights `W` with `W = sqrt(s) W1 + sqrt(1 - s) noise` and unit variances, `W1` has mean `sqrt(s) W` and
    /// variance `1 - s`, so `z = W1' x` has mean `sqrt(s) W' x` and variance `(1 - s) |x|^2`, averaged over samples.
    pub(super) fn set(
        self,
        run: &mut Inference<'_>,
        graph: &Graph,
        inputs: &Rows,
        start: &Start,
    ) -> Result<(), ModelError> {
        let Start::Correlated { weights, share } = start else { return Ok(()) };
        let hidden = graph.variable_at(self.operator, OUTPUT_PORT);
        let layout = graph.layout(hidden).clone();
        let scale = share.sqrt();
        let mut mean = super::predict::hidden_rows(weights, inputs);
        mean.as_mut_slice().iter_mut().for_each(|z| *z *= scale);
        let constant = (weights.rows() - inputs.columns()) as f64;
        let length = inputs.norm_squared() / inputs.rows() as f64 + constant;
        let precision = Precision::isotropic(layout, ((1.0 - share) * length).recip())
            .map_err(fg_core::message::MessageError::from)?;
        run.start(self.operator, OUTPUT_PORT, Message::from_mean(&mean, precision)?)?;
        Ok(())
    }
}
