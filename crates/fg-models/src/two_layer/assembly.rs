//! The graph of the two-layer model, with data or without, of posterior means or of maximisers.

use fg_core::denoiser::{Estimation, Likelihood};
use fg_core::operator::{Dense, LinearOperator};
use fg_core::{FactorId, GraphBuilder, Rows, Structure, VariableId};
use fg_denoisers::likelihood::{TwoLayerMap, TwoLayerMmse};
use fg_denoisers::{L2, ParameterError, prior};

use super::{TwoLayerGraph, TwoLayerModel, with_constant_column};
use crate::ModelError;

impl TwoLayerModel {
    /// The graph for `inputs` (`N x N_in`) and `targets` (`N x N_out`).
    ///
    /// # Errors
    /// [`ModelError`] when a variance isn't positive or the inputs are empty or not finite. Shapes and targets are
    /// checked when the graph is built.
    pub fn graph(&self, inputs: &Rows, targets: &Rows) -> Result<TwoLayerGraph, ModelError> {
        let operator = match self.bias_variance {
            Some(_) => Dense::from_rows(&with_constant_column(inputs))?,
            None => Dense::from_rows(inputs)?,
        };
        self.assemble(operator, Some(targets))
    }

    pub(super) fn assemble(
        &self,
        operator: impl LinearOperator + 'static,
        targets: Option<&Rows>,
    ) -> Result<TwoLayerGraph, ModelError> {
        let d = self.output.hidden();
        let mut builder = GraphBuilder::new();
        let weights = builder.variable("W1", operator.inputs(), d);
        let hidden = builder.variable("Z", operator.outputs(), d);
        let inputs = operator.inputs() - usize::from(self.has_bias());
        let prior = self.add_prior(&mut builder, weights, inputs)?;
        let operator = builder.linear("X", weights, hidden, operator);
        let likelihood = match self.estimation {
            Estimation::Mmse => match self.learned_noise()? {
                Some(node) => add_output(&mut builder, hidden, targets, node),
                None => {
                    let node = TwoLayerMmse::new(self.output.clone());
                    add_output(&mut builder, hidden, targets, node)
                }
            },
            Estimation::Map => {
                add_output(&mut builder, hidden, targets, TwoLayerMap::new(self.output.clone())?)
            }
        };
        let model = self.clone();
        Ok(TwoLayerGraph { builder, weights, hidden, prior, operator, likelihood, model })
    }

    fn add_prior(
        &self,
        builder: &mut GraphBuilder,
        weights: VariableId,
        inputs: usize,
    ) -> Result<FactorId, ModelError> {
        let Some(bias_variance) = self.bias_variance else {
            return Ok(match self.estimation {
                Estimation::Mmse => {
                    builder.prior("prior", weights, self.gaussian(self.weight_variance)?)
                }
                Estimation::Map => builder.prior(
                    "prior",
                    weights,
                    penalty("weight variance", self.weight_variance)?,
                ),
            });
        };
        // The bias sees every sample with input 1, the weights with inputs of their own size: a shared precision would
        // average two unlike things.
        builder.structure(weights, Structure::blocks([inputs, 1]));
        let stack = match self.estimation {
            Estimation::Mmse => {
                // One row of biases doesn't tell their variance.
                prior::Stacked::new(inputs, self.gaussian(self.weight_variance)?)?
                    .then(1, prior::Gaussian::new(0.0, bias_variance)?)?
            }
            Estimation::Map => {
                prior::Stacked::new(inputs, penalty("weight variance", self.weight_variance)?)?
                    .then(1, penalty("bias variance", bias_variance)?)?
            }
        };
        Ok(builder.prior("prior", weights, stack))
    }
}

/// The penalty of weights of this variance, which has to have a weight.
fn penalty(parameter: &'static str, variance: f64) -> Result<L2, ParameterError> {
    if variance > 0.0 && variance.is_finite() && variance.recip().is_finite() {
        return L2::new(variance.recip());
    }
    let requirement = "finite and above 0 for a maximiser";
    Err(ParameterError::OutOfRange { parameter, value: variance, requirement })
}

fn add_output(
    builder: &mut GraphBuilder,
    hidden: VariableId,
    targets: Option<&Rows>,
    node: impl Likelihood + 'static,
) -> FactorId {
    const NAME: &str = "output";
    match targets {
        Some(targets) => builder.likelihood(NAME, hidden, targets.clone(), node),
        None => builder.unobserved(NAME, hidden, node),
    }
}
