//! Predictions for new inputs: with the estimated weights plugged in, or averaged over what is left unknown.

use fg_core::Rows;
use fg_core::factor::Belief;
use fg_denoisers::likelihood::TwoLayer;

use super::TwoLayerModel;
use crate::predict::{outputs, predict};

impl TwoLayerModel {
    /// Outputs (`N x N_out`) for `inputs` (`N x N_in`) with `weights` (`N_in x d`, with a bias one row more) plugged
    /// in: `W2' sigma(W1' x) + b2`.
    ///
    /// # Panics
    /// When the shapes don't fit together.
    #[track_caller]
    pub fn predict(&self, weights: &Rows, inputs: &Rows) -> Rows {
        let hidden = outputs(weights, inputs);
        rows_of_outputs(self.output(), &hidden, |layer, i, y| layer.predict(hidden.row(i), y))
    }

    /// Outputs (`N x N_out`) for `inputs` (`N x N_in`) averaged over the belief about the weights: the mean of
    /// `W2' sigma(z) + b2` for `z` Gaussian with mean `What' x` and covariance `sum_k x_k^2 C_k`, `C_k` being the
    /// covariance of row `k` of `W1`, averaged over the block of rows it shares its precision with.
    ///
    /// # Panics
    /// When the shapes don't fit together.
    #[track_caller]
    pub fn predict_averaged(&self, belief: &Belief, inputs: &Rows) -> Rows {
        let hidden = predict(belief, inputs);
        let size = hidden.mean().columns().pow(2);
        rows_of_outputs(self.output(), hidden.mean(), |layer, i, y| {
            let covariance = &hidden.covariances()[i * size..(i + 1) * size];
            layer.average(hidden.mean().row(i), covariance, y);
        })
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
