//! What a run found about the unknown of a model, in one form for all models.

use fg_core::evidence::{Evidence, EvidenceError};
use fg_core::factor::Belief;
use fg_core::{Inference, Report, Rows, Solution, VariableId};

use crate::predict::{Predicted, predict};
use crate::{ModelError, check};

/// What a run found about a model's unknown, and everything else it found.
#[derive(Debug)]
pub struct Fit {
    unknowns: Vec<VariableId>,
    solution: Solution,
    evidence: Result<Evidence, EvidenceError>,
    length: Option<f64>,
}

impl Fit {
    /// What `solution`, found by `run`, says about `unknowns`, variables of its graph, of which the first is what the model
    /// is about.
    ///
    /// # Panics
    /// When there are none.
    #[track_caller]
    pub fn new(unknowns: Vec<VariableId>, solution: Solution, run: &mut Inference<'_>) -> Self {
        assert!(!unknowns.is_empty(), "a fit needs an unknown");
        Self { unknowns, solution, evidence: run.evidence(), length: None }
    }

    pub(crate) fn with_length(mut self, deviation: Option<f64>) -> Self {
        self.length = deviation;
        self
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

    /// Standard deviation of each entry, `n x d`; with that of the [length](Self::length_deviation) where it was asked for.
    pub fn deviation(&self) -> Rows {
        let mut deviation = self.solution.deviation(self.unknowns[0]);
        if let Some(length) = self.length {
            let entries = deviation.as_mut_slice().iter_mut().zip(self.estimate().as_slice());
            entries.for_each(|(s, x)| *s = s.hypot(length * x));
        }
        deviation
    }

    /// Standard deviation of the length of the unknown over its length, an error that all entries have in common; none where
    /// it wasn't [asked for](crate::GeneralisedGraph::with_length), or the runs that tell it didn't settle.
    pub fn length_deviation(&self) -> Option<f64> {
        self.length
    }

    /// The belief about the unknown.
    pub fn belief(&self) -> &Belief {
        self.solution.belief(self.unknowns[0])
    }

    /// What the belief says about `Z = inputs X` for new `inputs` (`N x n`).
    ///
    /// # Errors
    /// [`ModelError::Inputs`] when the inputs have another number of columns than the unknown has rows;
    /// [`ModelError::NotFinite`].
    pub fn predict(&self, inputs: &Rows) -> Result<Predicted, ModelError> {
        check::inputs(self.estimate().rows(), inputs)?;
        check::finite("inputs", inputs)?;
        Ok(predict(self.belief(), inputs))
    }

    /// The evidence for the model as a whole, with what was learned: by its differences models of the same data, and runs of
    /// the same model that ended in different places, are compared.
    ///
    /// # Errors
    /// The factor that has no log-partition function, such as a black box.
    pub fn evidence(&self) -> Result<&Evidence, &EvidenceError> {
        self.evidence.as_ref()
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
