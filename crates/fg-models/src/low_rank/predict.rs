//! The prediction of a low-rank model's runs, from the start that they have.

use core::any::Any;

use fg_core::evolution::{Evolution, MessageLaw, Prediction};
use fg_core::factor::LowRankFactor;
use fg_core::{Graph, Options};

use super::spike::Spike;
use super::{LowRankGraph, Start};
use crate::ModelError;
use crate::start::{Sent, alone, guessed_power, predicted_from};

impl LowRankGraph {
    /// Predicts [`fit`](Self::fit) with these options, from the law of its [`Start`], the truth being as the model assumes. A
    /// spectral start is one observation of what random matrix theory says of entries with the variance that the priors
    /// give them by themselves, averaged over columns.
    ///
    /// ```
    /// use fg_core::Options;
    /// use fg_denoisers::Discrete;
    /// use fg_models::low_rank;
    ///
    /// let model = low_rank::unobserved_symmetric(1000, 1, Discrete::binary(), 1000.0 / 2.0)?;
    /// let x = model.unknowns[0];
    /// let prediction = model.predict(&Options::default())?;
    /// assert!((prediction.estimate(x).overlap()[0] - 0.6184).abs() < 1e-4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError`] when the graph can't be followed, describes no law, or its start can't be predicted: a spectral one where
    /// a prior has no variance by itself, or a guess with parameters out of range.
    pub fn predict(self, options: &Options) -> Result<Prediction, ModelError> {
        self.predict_with(options, |evolution| evolution)
    }

    /// As [`predict`](Self::predict), with what `change` sets besides: what is true in place of what the model assumes, points,
    /// or what else to follow.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_with(
        self,
        options: &Options,
        change: impl for<'g> FnOnce(Evolution<'g>) -> Evolution<'g>,
    ) -> Result<Prediction, ModelError> {
        let Self { builder, priors, data, start, .. } = self;
        let graph = builder.build()?;
        let precisions = match &start {
            Start::Prior => Vec::new(),
            Start::Guess { values, share } => {
                let port = priors.len() - 1;
                let power = guessed_power(&graph, graph.variable_at(data, port), values, *share)?;
                vec![(port, share / ((1.0 - share) * power))]
            }
            Start::Spectral => {
                let own =
                    |port: usize| alone(&graph, priors[port]).ok_or(ModelError::StartNeedsData);
                let own: Result<Vec<f64>, _> = (0..priors.len()).map(own).collect();
                spectral(&graph, data, &own?)
            }
        };
        let law = |(port, precision)| {
            let d = graph.layout(graph.variable_at(data, port)).columns();
            Ok((data, port, MessageLaw::isotropic(precision, d)?))
        };
        let laws: Result<Vec<Sent>, ModelError> = precisions.into_iter().map(law).collect();
        predicted_from(&graph, options, laws?, change)
    }
}

/// The precisions of the first messages at the ports of the factor, for entries of these variances.
fn spectral(graph: &Graph, data: fg_core::FactorId, own: &[f64]) -> Vec<(usize, f64)> {
    let factor: &dyn Any = graph.factor(data);
    let Some(factor) = factor.downcast_ref::<LowRankFactor>() else { return Vec::new() };
    let (m, n) = (factor.shape().0 as f64, factor.shape().1 as f64);
    let noise = factor.variance();
    match *own {
        [u, v] => {
            let spikes = Spike::rectangular([m, n], noise, [u, v], u * v);
            spikes.into_iter().map(Spike::precision).enumerate().collect()
        }
        [x] => vec![(0, Spike::symmetric(n, noise, x).precision())],
        _ => Vec::new(),
    }
}
