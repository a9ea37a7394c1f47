//! What a generalised linear model says before its first sweep: its prior by itself, and the size of its data.

use core::any::Any;

use fg_core::factor::{LikelihoodFactor, LinearEntries, LinearFactor};
use fg_core::{FactorId, Graph};

use super::GeneralisedGraph;
use crate::start::alone;

/// The parts of a built [`GeneralisedGraph`] that a start needs.
pub(super) struct Parts {
    pub(super) prior: FactorId,
    pub(super) operator: FactorId,
    pub(super) likelihood: FactorId,
}

impl Parts {
    pub(super) fn of(model: &GeneralisedGraph) -> Self {
        let GeneralisedGraph { prior, operator, likelihood, .. } = model;
        Self { prior: *prior, operator: *operator, likelihood: *likelihood }
    }

    /// `A`, while the operator of the graph is what it was made with.
    pub(super) fn linear<'g>(&self, graph: &'g Graph) -> Option<&'g LinearFactor> {
        let factor: &dyn Any = graph.factor(self.operator);
        factor.downcast_ref().or_else(|| self.entries(graph))
    }

    /// The same where it is an operator on entries.
    fn entries<'g>(&self, graph: &'g Graph) -> Option<&'g LinearFactor> {
        let factor: &dyn Any = graph.factor(self.operator);
        factor.downcast_ref().map(LinearEntries::of_entries)
    }

    /// The likelihood with its data, while it is what the graph was made with.
    pub(super) fn observed<'g>(&self, graph: &'g Graph) -> Option<&'g LikelihoodFactor> {
        let factor: &dyn Any = graph.factor(self.likelihood);
        factor.downcast_ref()
    }

    /// Whether the prior has a mean and a positive variance before anything is known about the data.
    pub(super) fn speaks(&self, graph: &Graph) -> bool {
        let layout = graph.layout(graph.variable_at(self.prior, 0));
        let constant = graph.factor(self.prior).constant_message(0, layout);
        constant.is_some() || self.alone(graph).is_some()
    }

    /// The variance of an entry before anything is known about the data, where the prior has a mean and a positive variance
    /// then.
    pub(super) fn alone(&self, graph: &Graph) -> Option<f64> {
        alone(graph, self.prior)
    }

    /// The variance of the entries of `X` at which `A X` is as large as the observations.
    pub(super) fn explaining_variance(&self, graph: &Graph) -> f64 {
        let gain = self.linear(graph).and_then(|factor| {
            let operator = factor.operator();
            let shared = operator.outputs().min(operator.inputs()) as f64;
            Some(shared * factor.spectrum().ok()?.mean_square())
        });
        let power = self.observed(graph).and_then(|factor| {
            let data = factor.data()?;
            // An operator on entries makes all that there is of a row from all entries of the signal at once.
            let columns = if self.entries(graph).is_some() { 1 } else { data.columns() };
            Some(data.norm_squared() / columns as f64)
        });
        let variance = power.zip(gain).map_or(1.0, |(power, gain)| power / gain);
        if variance > 0.0 && variance.is_finite() { variance } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear;
    use fg_core::Rows;
    use fg_core::denoiser::{Denoiser, Pointwise};
    use fg_core::operator::Dense;
    use fg_denoisers::prior::{BernoulliGauss, Gaussian};
    use fg_denoisers::{L1, L2};

    fn built(prior: impl Denoiser + 'static) -> (Graph, Parts) {
        let operator = Dense::from_rows(&Rows::from_fn(2, 3, |i, j| (i + 2 * j) as f64)).unwrap();
        let data = Rows::column(vec![3.0, 4.0]);
        let model = linear::graph(operator, data, prior, 1.0).unwrap();
        let parts = Parts::of(&model);
        (model.builder.build().unwrap(), parts)
    }

    #[test]
    fn distributions_speak_and_penalties_do_not() {
        let speaks = |(graph, parts): (Graph, Parts)| parts.speaks(&graph);
        assert!(speaks(built(Gaussian::new(1.0, 2.0).unwrap())));
        assert!(speaks(built(BernoulliGauss::new(0.1, 0.0, 1.0).unwrap())));
        assert!(speaks(built(L2::new(0.1).unwrap())));
        assert!(!speaks(built(L1::new(0.1).unwrap())));
        assert!(!speaks(built(Pointwise::new("half", |r, _| (r / 2.0, 0.5)))));
    }

    #[test]
    fn the_variance_makes_the_output_as_large_as_the_data() {
        let (graph, parts) = built(L1::new(0.1).unwrap());
        // |Y|^2 = 25, |A|_F^2 = 4 + 16 + 1 + 9 + 25.
        assert!((parts.explaining_variance(&graph) - 25.0 / 55.0).abs() < 1e-14);
    }
}
