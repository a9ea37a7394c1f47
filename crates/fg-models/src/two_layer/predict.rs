//! Predictions for new inputs: with the estimated weights plugged in, or averaged over what is left unknown.

use fg_core::Rows;
use fg_core::factor::Belief;
use fg_denoisers::likelihood::TwoLayer;

use super::TwoLayerModel;

impl TwoLayerModel {
    /// Outputs (`N x N_out`) for `inputs` (`N x N_in`) with `weights` (`N_in x d`, with a bias one row more) plugged
    /// in: `W2' sigma(W1' x) + b2`.
    ///
    /// # Panics
    /// When the shapes don't fit together.
    #[track_caller]
    pub fn predict(&self, weights: &Rows, inputs: &Rows) -> Rows {
        let hidden = hidden_rows(weights, inputs);
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
        let hidden = hidden_rows(belief.mean(), inputs);
        let (layout, size) = (belief.layout(), hidden.columns() * hidden.columns());
        let mut covariance = vec![0.0; size];
        rows_of_outputs(self.output(), &hidden, |layer, i, y| {
            let x = inputs.row(i);
            covariance.fill(0.0);
            for b in 0..layout.blocks() {
                // The row after the last input is the bias, whose input is 1.
                let squares = layout.range(b).map(|k| x.get(k).map_or(1.0, |x| x * x));
                let length: f64 = squares.sum();
                let block = &belief.covariances()[b * size..(b + 1) * size];
                covariance.iter_mut().zip(block).for_each(|(c, v)| *c += length * v);
            }
            layer.average(hidden.row(i), &covariance, y);
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

/// `Z = X W1`, where a row of `W1` beyond the columns of `X` is a bias.
#[track_caller]
pub(super) fn hidden_rows(weights: &Rows, inputs: &Rows) -> Rows {
    let (n, d) = weights.shape();
    let columns = inputs.columns();
    assert!(
        n == columns || n == columns + 1,
        "{n} rows of weights for inputs of {columns} columns"
    );
    let mut hidden = Rows::zeros(inputs.rows(), d);
    for i in 0..inputs.rows() {
        let z = hidden.row_mut(i);
        if n > columns {
            z.copy_from_slice(weights.row(columns));
        }
        for (k, x) in inputs.row(i).iter().enumerate() {
            z.iter_mut().zip(weights.row(k)).for_each(|(z, w)| *z += x * w);
        }
    }
    hidden
}
