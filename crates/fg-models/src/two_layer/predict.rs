//! Predictions for new inputs: with the estimated weights plugged in, or averaged over what is left unknown.

use fg_core::Rows;
use fg_core::factor::Belief;
use fg_denoisers::likelihood::TwoLayer;

use super::TwoLayerModel;
use crate::predict::{outputs, predict};
use crate::{ModelError, check};

/// What is predicted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predictor {
    /// The estimate of the weights, plugged in for them.
    PlugIn,
    /// The belief about the weights, which outputs or probabilities are averaged over.
    Averaged,
}

impl TwoLayerModel {
    /// Outputs (`N x N_out`) for `inputs` (`N x N_in`) with `weights` (`N_in x d`, with a bias one row more) plugged
    /// in: `W2' sigma(W1' x) + b2`.
    ///
    /// # Errors
    /// [`ModelError::Weights`] when the weights aren't of this shape, [`ModelError::NotFinite`].
    pub fn predict(&self, weights: &Rows, inputs: &Rows) -> Result<Rows, ModelError> {
        self.check(weights, inputs)?;
        let hidden = outputs(weights, inputs);
        let layer = self.output();
        Ok(rows_of_outputs(layer, &hidden, |layer, i, y| layer.predict(hidden.row(i), y)))
    }

    /// Outputs (`N x N_out`) for `inputs` (`N x N_in`) averaged over the belief about the weights: the mean of
    /// `W2' sigma(z) + b2` for `z` Gaussian with mean `What' x` and covariance `sum_k x_k^2 C_k`, `C_k` being the
    /// covariance of row `k` of `W1`, averaged over the block of rows it shares its precision with.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_averaged(&self, belief: &Belief, inputs: &Rows) -> Result<Rows, ModelError> {
        self.check(belief.mean(), inputs)?;
        let hidden = predict(belief, inputs);
        let size = hidden.mean().columns().pow(2);
        Ok(rows_of_outputs(self.output(), hidden.mean(), |layer, i, y| {
            let covariance = &hidden.covariances()[i * size..(i + 1) * size];
            layer.average(hidden.mean().row(i), covariance, y);
        }))
    }

    /// That `weights` have a row an input, and one for the bias where the model has one, and all is finite.
    pub(super) fn check(&self, weights: &Rows, inputs: &Rows) -> Result<(), ModelError> {
        let (columns, bias) = (inputs.columns(), self.has_bias());
        let expected = (columns + usize::from(bias), self.output().hidden());
        let found = weights.shape();
        if found != expected {
            return Err(ModelError::Weights { inputs: columns, bias, expected, found });
        }
        check::finite("weights", weights)?;
        check::finite("inputs", inputs)
    }
}

fn rows_of_outputs(
    layer: &TwoLayer,
    hidden: &Rows,
    mut output: impl FnMut(&TwoLayer, usize, &mut [f64]),
) -> Rows {
    let mut outputs = Rows::zeros(hidden.rows(), layer.outputs());
    (0..hidden.rows()).for_each(|i| output(layer, i, outputs.row_mut(i)));
    outputs
}
