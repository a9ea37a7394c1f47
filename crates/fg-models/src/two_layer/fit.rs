//! Fitting the model: one run on its graph, and what it found.

use fg_core::{FactorId, Inference, Observer, Options, Rows};

use super::unknown::NOISE_VARIANCE;
use super::{Start, TwoLayerGraph, TwoLayerModel};
use crate::{Fit, ModelError, check};

/// What a run learned about the first layer: a [`Fit`] of which the last row may be a bias, and the network to predict with.
#[derive(Debug)]
pub struct TwoLayerFit {
    model: TwoLayerModel,
    likelihood: FactorId,
    fit: Fit,
}

impl TwoLayerModel {
    /// Learns from `inputs` (`N x N_in`) and `targets` (`N x N_out`) without a start and without an observer.
    ///
    /// # Errors
    /// [`ModelError`] when shapes don't fit together or data isn't finite. Not converging is no error: see the
    /// report.
    pub fn fit(
        &self,
        inputs: &Rows,
        targets: &Rows,
        options: &Options,
    ) -> Result<TwoLayerFit, ModelError> {
        self.graph(inputs, targets)?.fit(&Start::uninformed(), options, &mut ())
    }
}

impl TwoLayerGraph {
    /// Builds the graph and runs it from `start`; `observer` is told of every sweep (`&mut ()` looks away).
    ///
    /// # Errors
    /// As [`TwoLayerModel::fit`], and when the start doesn't fit the hidden rows.
    pub fn fit(
        self,
        start: &Start,
        options: &Options,
        observer: &mut dyn Observer,
    ) -> Result<TwoLayerFit, ModelError> {
        let Self { weights, hidden, operator, likelihood, model, .. } = self;
        let graph = self.builder.build()?;
        let mut run = Inference::new(&graph, options)?;
        start.set(&mut run, &graph, weights, operator)?;
        let solution = run.run(observer)?;
        let fit = Fit::new(vec![weights, hidden], solution, &mut run);
        Ok(TwoLayerFit { model, likelihood, fit })
    }
}

impl TwoLayerFit {
    /// What was found about all weights, a bias in the last row, in the one form of all models: belief, evidence, report, and
    /// everything else. The unknowns are `W1` and the hidden rows.
    pub fn fit(&self) -> &Fit {
        &self.fit
    }

    /// `W1`, `N_in x d`.
    pub fn input_weights(&self) -> Rows {
        self.without_bias(self.fit.estimate())
    }

    /// Standard deviation of each entry of `W1`, `N_in x d`.
    pub fn input_weights_deviation(&self) -> Rows {
        self.without_bias(&self.fit.deviation())
    }

    /// `b1`, of length `d`; zero without a bias.
    pub fn input_bias(&self) -> Vec<f64> {
        let all = self.fit.estimate();
        match self.model.has_bias() {
            true => all.row(all.rows() - 1).to_vec(),
            false => vec![0.0; all.columns()],
        }
    }

    /// The variance of the noise, where it was [learned](TwoLayerModel::learn_noise).
    pub fn noise_variance(&self) -> Option<f64> {
        self.fit.solution().parameter(self.likelihood, NOISE_VARIANCE)
    }

    /// Outputs (`N x N_out`) for new `inputs` (`N x N_in`) with the estimate plugged in, as [`TwoLayerModel::predict`].
    ///
    /// # Errors
    /// [`ModelError::Inputs`] when the inputs have another number of columns than those the run learned from.
    pub fn predict(&self, inputs: &Rows) -> Result<Rows, ModelError> {
        check::inputs(self.inputs(), inputs)?;
        self.model.predict(self.fit.estimate(), inputs)
    }

    /// The same averaged over what is left unknown of the weights, as [`TwoLayerModel::predict_averaged`].
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_averaged(&self, inputs: &Rows) -> Result<Rows, ModelError> {
        check::inputs(self.inputs(), inputs)?;
        self.model.predict_averaged(self.fit.belief(), inputs)
    }

    /// Log-odds of the label 1 (`N x 1`) for new `inputs` with the estimate plugged in, as [`TwoLayerModel::log_odds`].
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn log_odds(&self, inputs: &Rows) -> Result<Option<Rows>, ModelError> {
        check::inputs(self.inputs(), inputs)?;
        self.model.log_odds(self.fit.estimate(), inputs)
    }

    /// The same averaged over what is left unknown of the weights, as [`TwoLayerModel::log_odds_averaged`].
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn log_odds_averaged(&self, inputs: &Rows) -> Result<Option<Rows>, ModelError> {
        check::inputs(self.inputs(), inputs)?;
        self.model.log_odds_averaged(self.fit.belief(), inputs)
    }

    /// Rows of `W1` without a bias.
    fn inputs(&self) -> usize {
        self.fit.estimate().rows() - usize::from(self.model.has_bias())
    }

    fn without_bias(&self, all: &Rows) -> Rows {
        Rows::from_fn(self.inputs(), all.columns(), |i, j| all[(i, j)])
    }
}
