//! What a run found about the unknown of a model, in one form for all models.

use fg_core::factor::Belief;
use fg_core::{Report, Rows, Solution, VariableId};

use crate::predict::{Predicted, predict};

/// What a run found about a model's unknown, and everything else it found.
#[derive(Debug)]
pub struct Fit {
    unknowns: Vec<VariableId>,
    solution: Solution,
}

impl Fit {
    /// What `solution` says about `unknowns`, variables of its graph, of which the first is what the model is about.
    ///
    /// # Panics
    /// When there are none.
    #[track_caller]
    pub fn new(unknowns: Vec<VariableId>, solution: Solution) -> Self {
        assert!(!unknowns.is_empty(), "a fit needs an unknown");
        Self { unknowns, solution }
    }

    /// The unknowns of the model, with which to ask the [`solution`](Self::solution); the first is the one that
    /// everything else here is about.
    pub fn unknowns(&self) -> &[VariableId] {
        &self.unknowns
    }

    /// The estimate of the unknown, `n x d`.
    pub fn estimate(&self) -> &Rows {
        self.solution.mean(self.unknowns[0])
    }

    /// Standard deviation of each entry, `n x d`.
    pub fn deviation(&self) -> Rows {
        self.solution.deviation(self.unknowns[0])
    }

    /// The belief about the unknown.
    pub fn belief(&self) -> &Belief {
        self.solution.belief(self.unknowns[0])
    }

    /// What the belief says about `Z = inputs X` for new `inputs` (`N x n`).
    ///
    /// # Panics
    /// When the inputs have another number of columns than the unknown has rows.
    #[track_caller]
    pub fn predict(&self, inputs: &Rows) -> Predicted {
        assert_eq!(inputs.columns(), self.estimate().rows(), "inputs need a column a row of X");
        predict(self.belief(), inputs)
    }

    /// How the run went: status, history, recoveries.
    pub fn report(&self) -> &Report {
        self.solution.report()
    }

    /// Everything the run found.
    pub fn solution(&self) -> &Solution {
        &self.solution
    }
}
