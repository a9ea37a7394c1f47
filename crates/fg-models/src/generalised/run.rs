//! The runs of a generalised linear model: from its start, and on with damping where it doesn't settle.

use fg_core::{Graph, Inference, InferenceError, Observer, Options, Solution, Status};

use super::moved::moved;
use super::parts::Parts;
use super::{GeneralisedGraph, Start, length};
use crate::{Fit, ModelError};

impl GeneralisedGraph {
    /// Builds the graph and runs it from its [`Start`]; `observer` is told of every sweep (`&mut ()` looks away).
    ///
    /// # Errors
    /// [`ModelError`] when shapes don't fit together or data isn't finite, or when the start's variance isn't positive or
    /// its message can't be set, as for a Gaussian prior, whose message is fixed. Not converging is no error: see the
    /// report.
    pub fn fit(self, options: &Options, observer: &mut dyn Observer) -> Result<Fit, ModelError> {
        self.run(options, None, observer)
    }

    /// As [`fit`](Self::fit), but a run that hasn't settled within the sweeps of `options` goes on, from where it is,
    /// with the weight `damping` for new messages, for as many sweeps again; one that has diverged starts anew with it.
    ///
    /// Without damping a run settles fastest, but at condition numbers of 1e3 and above some runs of a thousand unknowns
    /// go round in a cycle; a weight of 0.7 breaks almost all of them. Data unlike anything the prior expects can make its
    /// message vanish, which leaves more unknowns than observations undetermined; damping leaves a part of the message
    /// before. The report is that of the second part where there is one, and the observer counts its sweeps from one
    /// again.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and when `damping` isn't in `(0, 1]`.
    pub fn fit_settling(
        self,
        options: &Options,
        damping: f64,
        observer: &mut dyn Observer,
    ) -> Result<Fit, ModelError> {
        self.run(options, Some(damping), observer)
    }

    fn run(
        self,
        options: &Options,
        damping: Option<f64>,
        observer: &mut dyn Observer,
    ) -> Result<Fit, ModelError> {
        let (unknowns, parts) = (vec![self.signal, self.output], Parts::of(&self));
        let Self { builder, signal, start, length, .. } = self;
        let graph = builder.build()?;
        let settling = damping.map(|weight| options.clone().with_damping(weight));
        settling.as_ref().map_or(Ok(()), Options::validate).map_err(InferenceError::from)?;
        let (mut run, mut solution) = from_start(&graph, &parts, &start, options, observer)?;
        if let Some(options) = settling {
            match solution.report().status {
                Status::SweepLimit => {
                    run.set_damping(options.damping).map_err(InferenceError::from)?;
                    solution = run.run(observer)?;
                }
                Status::Diverged { .. } => {
                    (run, solution) = from_start(&graph, &parts, &start, &options, observer)?;
                }
                _ => {}
            }
        }
        let length = if length { length::deviation(&mut run, signal, &solution)? } else { None };
        Ok(Fit::new(unknowns, solution, &mut run).with_length(length))
    }
}

/// A run from its start, or the second of two where that is made by the first.
fn from_start<'g>(
    graph: &'g Graph,
    parts: &Parts,
    start: &Start,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<(Inference<'g>, Solution), ModelError> {
    let start = start.resolved(graph, parts, options);
    let mut run = Inference::new(graph, options)?;
    start.set(&mut run, graph, parts)?;
    let mut solution = run.run(observer)?;
    if let Start::LeastStable { share } = start {
        run = Inference::new(graph, options)?;
        moved(&mut run, graph, parts, &solution, share)?;
        solution = run.run(observer)?;
    }
    Ok((run, solution))
}
