//! Observers look at a run after every sweep, and can stop it.

use core::ops::ControlFlow;

use super::report::{Report, SweepFigures};
use super::state::State;
use crate::evidence::{self, Evidence, EvidenceError};
use crate::factor::{Belief, Breakdown};
use crate::graph::{Graph, VariableId};
use crate::rows::Rows;

/// Is told of a run's start, of every sweep and of its end. Closures over [`IterationInfo`] are observers.
pub trait Observer {
    /// The run begins.
    fn on_start(&mut self, graph: &Graph) {
        let _ = graph;
    }

    /// A sweep has been completed; [`ControlFlow::Break`] stops the run.
    fn on_iteration(&mut self, info: &mut IterationInfo<'_>) -> ControlFlow<()> {
        let _ = info;
        ControlFlow::Continue(())
    }

    /// The run has ended.
    fn on_end(&mut self, report: &Report) {
        let _ = report;
    }
}

/// Looks away.
impl Observer for () {}

impl<F: FnMut(&mut IterationInfo<'_>) -> ControlFlow<()>> Observer for F {
    fn on_iteration(&mut self, info: &mut IterationInfo<'_>) -> ControlFlow<()> {
        self(info)
    }
}

/// Passes on every `n`-th sweep only, from the `n`-th.
#[derive(Clone, Copy, Debug)]
pub struct Every<O>(pub usize, pub O);

impl<O: Observer> Observer for Every<O> {
    fn on_start(&mut self, graph: &Graph) {
        self.1.on_start(graph);
    }

    fn on_iteration(&mut self, info: &mut IterationInfo<'_>) -> ControlFlow<()> {
        if info.sweep().is_multiple_of(self.0.max(1)) {
            self.1.on_iteration(info)
        } else {
            ControlFlow::Continue(())
        }
    }

    fn on_end(&mut self, report: &Report) {
        self.1.on_end(report);
    }
}

/// A run after a sweep: figures, and estimates on demand.
///
/// Asking for an estimate costs a factor's belief where the sweep hasn't computed it anyway.
pub struct IterationInfo<'a> {
    pub(super) graph: &'a Graph,
    pub(super) state: &'a mut State,
    pub(super) figures: &'a SweepFigures,
}

impl IterationInfo<'_> {
    /// Number of the sweep, from 1.
    pub fn sweep(&self) -> usize {
        self.figures.sweep
    }

    /// Largest change of a message in this sweep: see
    /// [`EdgeFigures::change`](super::EdgeFigures::change).
    pub fn change(&self) -> f64 {
        self.figures.change
    }

    /// Figures of every message sent in this sweep.
    pub fn figures(&self) -> &SweepFigures {
        self.figures
    }

    /// The current estimate of a variable, with its covariances.
    ///
    /// # Errors
    /// [`Breakdown`] when the belief can't be computed from the current messages.
    pub fn belief(&mut self, variable: VariableId) -> Result<&Belief, Breakdown> {
        self.state.variable_belief(self.graph, variable.index()).map_err(|(_, reason)| reason)
    }

    /// The current mean of a variable, `n x d`.
    ///
    /// # Errors
    /// As [`belief`](Self::belief).
    pub fn mean(&mut self, variable: VariableId) -> Result<&Rows, Breakdown> {
        self.belief(variable).map(Belief::mean)
    }

    /// The evidence by the messages of this sweep; on the way to a fixed point it may rise and fall.
    ///
    /// # Errors
    /// As [`Inference::evidence`](super::Inference::evidence).
    pub fn evidence(&mut self) -> Result<Evidence, EvidenceError> {
        evidence::bethe(self.graph, self.state)
    }
}

impl core::fmt::Debug for IterationInfo<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IterationInfo").field("figures", self.figures).finish_non_exhaustive()
    }
}
