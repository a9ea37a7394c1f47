//! Where a run of the generalised linear model starts: from the prior, or from the size of the data.

use fg_core::factor::{Belief, Cavity, LikelihoodFactor, LinearFactor};
use fg_core::message::MessageError;
use fg_core::{FactorId, Graph, Inference, Message, Precision, Rows};

use super::GeneralisedGraph;
use crate::ModelError;

/// What is known about `X` before the first sweep. It only starts the run: the model, and so its fixed points, stay as
/// they are.
///
/// A sweep starts from what the prior says by itself. A penalty or a bare estimator says nothing: it is no distribution
/// with a variance. With more unknowns than observations the data alone doesn't determine `X` either, and somebody has to
/// speak first.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
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
}

/// The parts of a built [`GeneralisedGraph`] that a start needs.
pub(super) struct Parts {
    prior: FactorId,
    operator: FactorId,
    likelihood: FactorId,
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
        self,
        run: &mut Inference<'_>,
        graph: &Graph,
        parts: &Parts,
    ) -> Result<(), ModelError> {
        let variance = match self {
            Self::Prior => return Ok(()),
            Self::Auto if speaks(graph, parts.prior) => return Ok(()),
            Self::Auto | Self::Data => explaining_variance(graph, parts),
            Self::Variance(variance) => variance,
        };
        let layout = graph.layout(graph.variable_at(parts.prior, 0)).clone();
        let mean = Rows::zeros(layout.rows(), layout.columns());
        let precision =
            Precision::isotropic(layout, variance.recip()).map_err(MessageError::from)?;
        run.start(parts.prior, 0, Message::from_mean(&mean, precision)?)?;
        Ok(())
    }
}

/// Whether the prior has a mean and a positive variance before anything is known about the data.
fn speaks(graph: &Graph, prior: FactorId) -> bool {
    let (factor, layout) = (graph.factor(prior), graph.layout(graph.variable_at(prior, 0)));
    if factor.constant_message(0, layout).is_some() {
        return true;
    }
    let nothing = Message::vacuous(layout.clone());
    let mut beliefs = [Belief::new(layout.clone())];
    let cavities = [Cavity { message: &nothing, version: 0 }];
    let told = factor.workspace(core::slice::from_ref(layout)).and_then(|mut workspace| {
        factor.beliefs(&cavities, &[true], &mut beliefs, &mut *workspace)
    });
    if told.is_err() {
        return false;
    }
    let [belief] = &mut beliefs;
    belief.average();
    let d = layout.columns();
    let positive = |b: usize| {
        let block = &belief.covariances()[b * d * d..(b + 1) * d * d];
        belief.is_known(b) || (0..d).all(|j| block[j * d + j] > 0.0)
    };
    (0..layout.blocks()).all(positive)
}

/// The variance of the entries of `X` at which `A X` is as large as the observations.
fn explaining_variance(graph: &Graph, parts: &Parts) -> f64 {
    let operator: &dyn core::any::Any = graph.factor(parts.operator);
    let likelihood: &dyn core::any::Any = graph.factor(parts.likelihood);
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
        let speaks = |(graph, parts): (Graph, Parts)| speaks(&graph, parts.prior);
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
