//! Fitting the model: one run on its graph, and what it found.

use fg_core::factor::Belief;
use fg_core::{FactorId, Inference, Observer, Options, Report, Rows, Solution, VariableId};

use super::unknown::NOISE_VARIANCE;
use super::{Start, TwoLayerGraph, TwoLayerModel};
use crate::ModelError;

/// What a run learned about the first layer.
#[derive(Debug)]
pub struct TwoLayerFit {
    weights: VariableId,
    likelihood: FactorId,
    bias: bool,
    solution: Solution,
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
        let Self { weights, operator, likelihood, bias, .. } = self;
        let graph = self.builder.build()?;
        let mut run = Inference::new(&graph, options)?;
        start.set(&mut run, &graph, operator)?;
        let solution = run.run(observer)?;
        Ok(TwoLayerFit { weights, likelihood, bias, solution })
    }
}

impl TwoLayerFit {
    /// `W1`, `N_in x d`.
    pub fn input_weights(&self) -> Rows {
        self.without_bias(self.solution.mean(self.weights))
    }

    /// `b1`, of length `d`; zero without a bias.
    pub fn input_bias(&self) -> Vec<f64> {
        let all = self.solution.mean(self.weights);
        match self.bias {
            true => all.row(all.rows() - 1).to_vec(),
            false => vec![0.0; all.columns()],
        }
    }

    /// Standard deviation of each entry of `W1`, `N_in x d`.
    pub fn deviation(&self) -> Rows {
        self.without_bias(&self.solution.deviation(self.weights))
    }

    /// The belief about all weights, a bias in the last row, from which predictions are made.
    pub fn belief(&self) -> &Belief {
        self.solution.belief(self.weights)
    }

    /// The variance of the noise, where it was [learned](TwoLayerModel::learn_noise).
    pub fn noise_variance(&self) -> Option<f64> {
        self.solution.parameter(self.likelihood, NOISE_VARIANCE)
    }

    /// How the run went.
    pub fn report(&self) -> &Report {
        self.solution.report()
    }

    /// Everything the run found.
    pub fn solution(&self) -> &Solution {
        &self.solution
    }

    fn without_bias(&self, all: &Rows) -> Rows {
        let rows = all.rows() - usize::from(self.bias);
        Rows::from_fn(rows, all.columns(), |i, j| all[(i, j)])
    }
}
