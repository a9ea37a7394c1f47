//! Where a run of the generalised linear model starts: from the prior, or from the size of the data.

use core::any::Any;

use fg_core::factor::{Belief, Cavity, LikelihoodFactor, LinearFactor};
use fg_core::message::{MessageError, small};
use fg_core::{FactorId, Graph, Inference, Message, Precision, Rows};

use super::{GeneralisedGraph, spectral};
use fg_denoisers::ParameterError;

use crate::ModelError;
use crate::linear::outputs;

/// What is known about `X` before the first sweep. It only starts the run: the model, and so its fixed points, stay as
/// they are.
///
/// A sweep starts from what the prior says by itself. A penalty or a bare estimator says nothing: it is no distribution
/// with a variance. With more unknowns than observations the data alone doesn't determine `X` either, and somebody has to
/// speak first.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum Start {
    /// [`Prior`](Self::Prior) where the prior has a mean and a variance by itself, otherwise [`Data`](Self::Data).
    #[default]
    Auto,
    /// The prior's own mean and variance. A run without them is an error when the data doesn't determine `X`.
    Prior,
    /// Mean zero and the variance at which `A X` is as large as the observations, `|Y|^2 / (d |A|_F^2)` for `d` columns;
    /// 1 where the observations or the operator vanish.
    Data,
    /// Mean zero and this variance of each entry.
    Variance(f64),
    /// From values that share this part of their variance with the truth, in `(0, 1)`, the rest being noise.
    ///
    /// For models that don't see the sign of `X`, or the order of its columns: without a start that prefers one, a run
    /// stays where all are alike, which says nothing. Any values will do that aren't alike, such as random ones with a
    /// small share.
    Guess {
        /// `n x d`, of the size that the unknown is expected to have.
        values: Rows,
        /// Part of their variance that is true.
        share: f64,
    },
    /// As [`Guess`](Self::Guess), from the direction that the data prefer while nothing is known: the leading eigenvector
    /// of `sum_i a_i a_i' T_i`, with `T_i = I - t E(z z' | y_i)^-1` for `z` Gaussian of variance `t` in each column, which
    /// among functions of the data finds a direction at the smallest number of observations. It works for phase retrieval
    /// and its like, and its sign is one of those that are possible. It has the prior's own variance where there is one,
    /// otherwise that of [`Data`](Self::Data).
    ///
    /// References: M. Mondelli and A. Montanari, "Fundamental limits of weak recovery with applications to phase
    /// retrieval", Foundations of Computational Mathematics 19 (2019), doi 10.1007/s10208-018-9395-y; W. Luo, W. Alghamdi
    /// and Y. Lu, "Optimal spectral initialization for signal recovery with applications to phase retrieval", IEEE
    /// Transactions on Signal Processing 67 (2019), doi 10.1109/TSP.2019.2904918.
    Spectral {
        /// Part of the direction's variance that is taken for true.
        share: f64,
    },
}

/// The parts of a built [`GeneralisedGraph`] that a start needs.
pub(super) struct Parts {
    prior: FactorId,
    pub(super) operator: FactorId,
    pub(super) likelihood: FactorId,
}

impl Parts {
    pub(super) fn of(model: &GeneralisedGraph) -> Self {
        let GeneralisedGraph { prior, operator, likelihood, .. } = model;
        Self { prior: *prior, operator: *operator, likelihood: *likelihood }
    }
}

impl Start {
    /// Sets the first message of the prior.
    pub(super) fn set(
        &self,
        run: &mut Inference<'_>,
        graph: &Graph,
        parts: &Parts,
    ) -> Result<(), ModelError> {
        let alone = alone(graph, parts.prior);
        let layout = graph.layout(graph.variable_at(parts.prior, 0));
        let zero = || Rows::zeros(layout.rows(), layout.columns());
        let guessed = match self {
            Self::Prior => return Ok(()),
            Self::Auto if alone.is_some() => return Ok(()),
            Self::Auto | Self::Data => {
                let variance = explaining_variance(graph, parts);
                return send(run, graph, (parts.prior, 0), &zero(), variance);
            }
            Self::Variance(variance) => {
                return send(run, graph, (parts.prior, 0), &zero(), *variance);
            }
            Self::Guess { values, share } => correlated(values, *share)?,
            Self::Spectral { share } => {
                let variance = alone.unwrap_or_else(|| explaining_variance(graph, parts));
                correlated(&spectral::direction(graph, parts, variance)?, *share)?
            }
        };
        let (mean, variance) = guessed;
        if alone.is_none() {
            send(run, graph, (parts.prior, 0), &mean, variance)?;
        }
        // The output as the guess has it: what the data are compared with first.
        let operator: &dyn Any = graph.factor(parts.operator);
        let Some(operator) = operator.downcast_ref::<LinearFactor>() else { return Ok(()) };
        let operator = operator.operator();
        let gain = operator.squared_norm() / operator.outputs() as f64;
        send(run, graph, (parts.operator, 1), &outputs(operator, &mean), variance * gain)
    }
}

/// Sets the first message of a factor at a port to this mean and this variance of each entry.
fn send(
    run: &mut Inference<'_>,
    graph: &Graph,
    (factor, port): (FactorId, usize),
    mean: &Rows,
    variance: f64,
) -> Result<(), ModelError> {
    let layout = graph.layout(graph.variable_at(factor, port)).clone();
    let precision = Precision::isotropic(layout, variance.recip()).map_err(MessageError::from)?;
    run.start(factor, port, Message::from_mean(mean, precision)?)?;
    Ok(())
}

/// Mean and variance of what shares the part `share` of its variance with `values`.
fn correlated(values: &Rows, share: f64) -> Result<(Rows, f64), ModelError> {
    if !(share > 0.0 && share < 1.0) {
        let requirement = "above 0 and below 1";
        return Err(
            ParameterError::OutOfRange { parameter: "share", value: share, requirement }.into()
        );
    }
    let power = values.norm_squared() / values.as_slice().len() as f64;
    let mut mean = values.clone();
    mean.as_mut_slice().iter_mut().for_each(|v| *v *= share.sqrt());
    Ok((mean, (1.0 - share) * power))
}

/// The variance of an entry before anything is known about the data, where the prior has a mean and a positive variance
/// then.
fn alone(graph: &Graph, prior: FactorId) -> Option<f64> {
    let (factor, layout) = (graph.factor(prior), graph.layout(graph.variable_at(prior, 0)));
    let nothing = Message::vacuous(layout.clone());
    let mut beliefs = [Belief::new(layout.clone())];
    let cavities = [Cavity { message: &nothing, version: 0 }];
    let told = factor.workspace(core::slice::from_ref(layout)).and_then(|mut workspace| {
        factor.beliefs(&cavities, &[true], &mut beliefs, &mut *workspace)
    });
    told.ok()?;
    let [belief] = &mut beliefs;
    belief.average();
    let d = layout.columns();
    let mut total = 0.0;
    for b in (0..layout.blocks()).filter(|b| !belief.is_known(*b)) {
        let block = &belief.covariances()[b * d * d..(b + 1) * d * d];
        if !(0..d).all(|j| block[j * d + j] > 0.0) {
            return None;
        }
        total += layout.range(b).len() as f64 * small::trace(block, d);
    }
    Some(total / (layout.rows() * d) as f64)
}

/// The variance of the entries of `X` at which `A X` is as large as the observations.
fn explaining_variance(graph: &Graph, parts: &Parts) -> f64 {
    let operator: &dyn Any = graph.factor(parts.operator);
    let likelihood: &dyn Any = graph.factor(parts.likelihood);
    let gain = operator.downcast_ref::<LinearFactor>().and_then(|factor| {
        let values = factor.singular_values().ok()?;
        Some(values.iter().map(|s| s * s).sum::<f64>())
    });
    let power = likelihood.downcast_ref::<LikelihoodFactor>().and_then(|factor| {
        let data = factor.data()?;
        Some(data.norm_squared() / data.columns() as f64)
    });
    let variance = power.zip(gain).map_or(1.0, |(power, gain)| power / gain);
    if variance > 0.0 && variance.is_finite() { variance } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear;
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
        let speaks = |(graph, parts): (Graph, Parts)| alone(&graph, parts.prior).is_some();
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
        assert!((explaining_variance(&graph, &parts) - 25.0 / 55.0).abs() < 1e-14);
    }
}
