//! The engine: forms cavities, asks factors for beliefs, divides, projects, damps, decides order and convergence.

mod acceleration;
mod beliefs;
mod engine;
mod error;
mod extrinsic;
mod failure;
mod live;
mod observer;
mod options;
mod report;
mod response;
mod saved;
mod solution;
mod state;

pub use engine::Inference;
pub use error::{InferenceError, StartError};
pub use observer::{Every, IterationInfo, Observer};
pub use options::{Options, OptionsError};
pub use report::{EdgeFigures, Event, Recovery, Report, Status, SweepFigures};
pub use response::Response;
pub use solution::Solution;

pub(crate) use extrinsic::Extrinsic;
pub(crate) use live::prune;
pub(crate) use state::{State, reporter};

use crate::graph::Graph;

impl Graph {
    /// Runs expectation propagation from uninformed messages.
    ///
    /// A factor that has no answer to being told nothing, such as a penalty, which has a place then but no spread, says nothing in
    /// the first sweep either. Where that leaves something undetermined, as with fewer rows of an operator than unknowns,
    /// [`Inference::start`] takes a first message, and its lack is [`InferenceError::StartNeeded`].
    ///
    /// # Errors
    /// [`InferenceError`] when options are invalid, data is missing, or the model leaves something undetermined
    /// from the start. Not converging is no error: see [`Report::status`].
    pub fn infer(&self, options: &Options) -> Result<Solution, InferenceError> {
        Inference::new(self, options)?.run(&mut ())
    }

    /// As [`infer`](Self::infer), with an observer that is told of every sweep and can stop the run.
    ///
    /// # Errors
    /// As [`infer`](Self::infer).
    pub fn infer_observed(
        &self,
        options: &Options,
        observer: &mut dyn Observer,
    ) -> Result<Solution, InferenceError> {
        Inference::new(self, options)?.run(observer)
    }
}
