//! The prediction of a generalised linear model's runs, from the start that they have.

use fg_core::evolution::{Evolution, MessageLaw, Prediction};
use fg_core::message::small;
use fg_core::operator::LinearOperator;
use fg_core::{Graph, Options};
use fg_denoisers::ParameterError;

use super::parts::Parts;
use super::{GeneralisedGraph, Start};
use crate::ModelError;
use crate::start::{OUTPUT_PORT, Sent, guessed_power, predicted_from};

impl GeneralisedGraph {
    /// Predicts [`fit`](Self::fit) with these options, from the law of its [`Start`], the true signal and data being as the
    /// model assumes.
    ///
    /// A start that shares a part of its variance with the truth is predicted as a [guess](MessageLaw::guess) that owes
    /// nothing to the operator. So is [`Start::Spectral`], which is made of the data: its run ends where predicted, on a way
    /// of its own. And so is [`Start::LeastStable`], whose first run is left out.
    ///
    /// ```
    /// use fg_core::{Options, evolution::Spectrum, operator::Ensemble};
    /// use fg_denoisers::{Gaussian, Magnitude};
    /// use fg_models::generalised;
    ///
    /// // Magnitudes don't see the sign: what starts from the prior by itself stays at the power of the signal.
    /// let operator = Ensemble::new(1000, Spectrum::marchenko_pastur(3.0)?.scaled(3.0)?);
    /// let model = generalised::unobserved(operator, 1, Gaussian::new(0.0, 1.0)?, Magnitude::new(1e-4)?);
    /// let signal = model.signal;
    /// let prediction = model.predict(&Options::default())?;
    /// assert!(prediction.estimate(signal).nmse() < 1e-3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError`] when the graph can't be followed, describes no law, or its start can't be predicted: one of the size of
    /// data that there aren't, or with parameters out of range.
    pub fn predict(self, options: &Options) -> Result<Prediction, ModelError> {
        self.predict_with(options, |evolution| evolution)
    }

    /// As [`predict`](Self::predict), with what `change` sets besides: what is true in place of what the model assumes, such as
    /// the law of a signal under a penalty, points, or what else to follow.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_with(
        self,
        options: &Options,
        change: impl for<'g> FnOnce(Evolution<'g>) -> Evolution<'g>,
    ) -> Result<Prediction, ModelError> {
        let parts = Parts::of(&self);
        let Self { builder, start, .. } = self;
        let graph = builder.build()?;
        let laws = start.resolved(&graph, &parts, options).laws(&graph, &parts)?;
        predicted_from(&graph, options, laws, change)
    }
}

impl Start {
    /// The laws of the first messages of a run.
    fn laws(&self, graph: &Graph, parts: &Parts) -> Result<Vec<Sent>, ModelError> {
        let signal = graph.variable_at(parts.prior, 0);
        let d = graph.layout(signal).columns();
        let centred = |variance: f64| Ok(vec![(parts.prior, 0, uninformed(d, variance)?)]);
        let own = || parts.alone(graph).map_or_else(|| by_data(graph, parts), Ok);
        match self {
            Self::Prior => Ok(Vec::new()),
            Self::Auto if parts.speaks(graph) => Ok(Vec::new()),
            Self::Auto | Self::Data => centred(by_data(graph, parts)?),
            Self::Variance(variance) => centred(*variance),
            Self::Guess { values, share } => {
                guess(graph, parts, *share, guessed_power(graph, signal, values, *share)?)
            }
            Self::Spectral { share } | Self::LeastStable { share } => {
                guess(graph, parts, *share, own()?)
            }
        }
    }
}

/// The variance at which the output is as large as the data.
fn by_data(graph: &Graph, parts: &Parts) -> Result<f64, ModelError> {
    if parts.observed(graph).is_some_and(|factor| factor.data().is_some()) {
        return Ok(parts.explaining_variance(graph));
    }
    Err(ModelError::StartNeedsData)
}

/// Mean zero and this variance: a message that says so, and holds nothing of the truth.
fn uninformed(d: usize, variance: f64) -> Result<MessageLaw, ModelError> {
    let precision = variance.recip();
    if !(variance > 0.0 && variance.is_finite() && precision.is_finite()) {
        let (parameter, requirement) = ("start variance", "finite and above 0");
        return Err(ParameterError::OutOfRange { parameter, value: variance, requirement }.into());
    }
    let nothing = || vec![0.0; d * d];
    let claimed = small::scalar_matrix(precision, d);
    Ok(MessageLaw::new(d, claimed, nothing(), vec![0.0; d], nothing())?)
}

/// What a run is told of values of this power that share a part of their variance with the truth.
fn guess(graph: &Graph, parts: &Parts, share: f64, power: f64) -> Result<Vec<Sent>, ModelError> {
    let d = graph.layout(graph.variable_at(parts.prior, 0)).columns();
    let mut sent = Vec::new();
    if !parts.speaks(graph) {
        sent.push((parts.prior, 0, MessageLaw::guess(d, share, power)?));
    }
    if let Some(factor) = parts.linear(graph) {
        let operator: &dyn LinearOperator = factor.operator();
        let gain = operator.squared_norm() / operator.outputs() as f64;
        sent.push((parts.operator, OUTPUT_PORT, MessageLaw::guess(d, share, power * gain)?));
    }
    Ok(sent)
}
