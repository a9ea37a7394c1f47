//! Where a run of the generalised linear model starts: from the prior, or from the size of the data.

#[cfg(test)]
mod tests;

use fg_core::evolution::{Symmetry, Warning};
use fg_core::message::Layout;
use fg_core::{Evolution, Graph, Inference, Options, Rows};

use super::parts::Parts;
use super::spectral;
use crate::ModelError;
use crate::linear::outputs;
use crate::start::{OUTPUT_PORT, guessed_power, send, shrunk};

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
    ///
    /// Where that would stay for good because the model doesn't see a [symmetry](fg_core::evolution::Symmetry) of `X`:
    /// [`Spectral`](Self::Spectral) of the share [`AUTO_SHARE`](Self::AUTO_SHARE) for its sign, and
    /// [`LeastStable`](Self::LeastStable) of the share [`AUTO_MOVED`](Self::AUTO_MOVED) for the order of its columns.
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
    /// From the fixed point of a run that starts as [`Auto`](Self::Auto) does, moved in the direction in which that is least
    /// stable: the leading eigenvector of `sum_i a_i a_i' T_i` again, now with `T_i = I - (Gamma^(1/2) C_i Gamma^(1/2))^-1` for
    /// the precision `Gamma` that the likelihood was told and the covariances `C_i` that it finds, in units in which what is
    /// left unknown of a row of `X` is the identity.
    ///
    /// For models in which a part of the unknown is found from no information and the rest isn't: with mixed regressions
    /// that is their mean, with committees the sum of their units. Observers see both runs, one after the other.
    LeastStable {
        /// Part of what the first run leaves unknown in that direction that is taken for told by it.
        share: f64,
    },
}

impl Start {
    /// The part of a spectral direction's variance that [`Auto`](Self::Auto) takes for true.
    pub const AUTO_SHARE: f64 = 0.3;
    /// The part of what is unknown that [`Auto`](Self::Auto) takes for told in the least stable direction.
    pub const AUTO_MOVED: f64 = 0.1;

    /// What [`Auto`](Self::Auto) stands for where the model doesn't see a symmetry of `X` and the graph still is what it was
    /// made as; itself otherwise.
    pub(super) fn resolved(&self, graph: &Graph, parts: &Parts, options: &Options) -> Self {
        let made = parts.linear(graph).is_some() && parts.observed(graph).is_some();
        if *self != Self::Auto || !made {
            return self.clone();
        }
        let name = graph.variable_name(graph.variable_at(parts.prior, 0));
        let warnings = Evolution::new(graph, options).warnings();
        let unseen = |kind: Symmetry| {
            let of = |w: &Warning| matches!(w, Warning::Symmetric { variable, symmetry } if variable == name && *symmetry == kind);
            warnings.iter().any(of)
        };
        if unseen(Symmetry::Sign) {
            Self::Spectral { share: Self::AUTO_SHARE }
        } else if unseen(Symmetry::Columns) {
            Self::LeastStable { share: Self::AUTO_MOVED }
        } else {
            Self::Auto
        }
    }

    /// Sets the first messages of a run.
    pub(super) fn set(
        &self,
        run: &mut Inference<'_>,
        graph: &Graph,
        parts: &Parts,
    ) -> Result<(), ModelError> {
        let x = graph.variable_at(parts.prior, 0);
        let layout = graph.layout(x);
        let mut centred = |variance| send(run, graph, (parts.prior, 0), &zeros(layout), variance);
        match self {
            Self::Prior => Ok(()),
            Self::Auto | Self::LeastStable { .. } if parts.speaks(graph) => Ok(()),
            Self::Auto | Self::LeastStable { .. } | Self::Data => {
                centred(parts.explaining_variance(graph))
            }
            Self::Variance(variance) => centred(*variance),
            Self::Guess { values, share } => guess(run, graph, parts, values.clone(), *share),
            Self::Spectral { share } => {
                let variance = parts.alone(graph);
                let variance = variance.unwrap_or_else(|| parts.explaining_variance(graph));
                guess(run, graph, parts, spectral::direction(graph, parts, variance)?, *share)
            }
        }
    }
}

fn zeros(layout: &Layout) -> Rows {
    Rows::zeros(layout.rows(), layout.columns())
}

/// Starts from values that share the part `share` of their variance with the truth: with the output as they have it, what
/// the data are compared with first, and for a prior that says nothing by itself also with the values.
fn guess(
    run: &mut Inference<'_>,
    graph: &Graph,
    parts: &Parts,
    values: Rows,
    share: f64,
) -> Result<(), ModelError> {
    let signal = graph.variable_at(parts.prior, 0);
    let power = guessed_power(graph, signal, &values, share)?;
    let variance = (1.0 - share) * power;
    let mean = shrunk(values, share);
    if !parts.speaks(graph) {
        send(run, graph, (parts.prior, 0), &mean, variance)?;
    }
    let Some(factor) = parts.linear(graph) else { return Ok(()) };
    let operator = factor.operator();
    let gain = operator.squared_norm() / operator.outputs() as f64;
    let output = outputs(operator, &mean);
    send(run, graph, (parts.operator, OUTPUT_PORT), &output, variance * gain)
}
