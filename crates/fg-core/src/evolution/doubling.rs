//! Doubling decides what a prediction knows of its own error: the same recursion on twice as many points.

use super::Evolution;
use super::error::EvolutionError;
use super::prediction::{Prediction, SweepPrediction};
use crate::graph::VariableId;

/// A prediction on two numbers of points, one twice the other.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Doubling {
    /// On as many points as the evolution has.
    pub coarse: Prediction,
    /// On twice as many.
    pub fine: Prediction,
}

impl Doubling {
    /// By how much the mean squared error of a variable changes after each sweep that both predictions have, relative to
    /// the finer one. It is about the error of the coarser one, and more than that of the finer one. A recursion that
    /// is unstable carries errors of early sweeps on, so that later changes are larger; empty when the variable isn't
    /// followed.
    pub fn changes(&self, variable: VariableId) -> Vec<f64> {
        let pairs = self.coarse.sweeps().iter().zip(self.fine.sweeps());
        let change = |(coarse, fine): (&SweepPrediction, &SweepPrediction)| {
            let (coarse, fine) = (coarse.estimate(variable)?.mse(), fine.estimate(variable)?.mse());
            Some(if coarse.to_bits() == fine.to_bits() { 0.0 } else { coarse / fine - 1.0 })
        };
        pairs.filter_map(change).collect()
    }

    /// The largest of [`changes`](Self::changes), without its sign; zero when there are none.
    pub fn largest_change(&self, variable: VariableId) -> f64 {
        self.changes(variable).iter().map(|change| change.abs()).fold(0.0, f64::max)
    }
}

impl Evolution<'_> {
    /// Runs the recursion on as many points as it has and on twice as many: what changes is its error of integration.
    /// Costs three runs.
    ///
    /// ```
    /// # fn demo(graph: &fg_core::Graph, x: fg_core::VariableId) -> Result<(), Box<dyn std::error::Error>> {
    /// # use fg_core::{Options, evolution::Evolution};
    /// let doubling = Evolution::new(graph, &Options::default()).run_doubled()?;
    /// println!("{:.3e} within {:.0e}", doubling.fine.estimate(x).mse(), doubling.largest_change(x));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run); also [`EvolutionError::Points`] when twice as many points are too many.
    pub fn run_doubled(mut self) -> Result<Doubling, EvolutionError> {
        let coarse = self.run()?;
        self.points *= 2;
        Ok(Doubling { coarse, fine: self.run()? })
    }
}
