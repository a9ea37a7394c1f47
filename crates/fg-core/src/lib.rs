//! Factor graphs of matrix-valued variables: Gaussian messages, expectation propagation, extension traits.
//!
//! Conventions that hold everywhere:
//!
//! * **Shapes.** A variable is a matrix of `n` rows and `d` columns, row-major ([`Rows`]); covariances and precisions
//!   are symmetric `d x d`, row-major, one a row or one a block of rows.
//! * **Errors.** Bad parameters and data are a `Result` from the constructor or builder, so that evaluation doesn't
//!   fail for them; shapes of objects already built are asserted; a numerical breakdown during a run is a typed
//!   [`factor::Breakdown`], and not converging is a [`Status`].
//! * **Workspaces.** Graphs and factors don't change during a run; whatever does is in [`Inference`].
//! * **Randomness** is an argument.

pub mod denoiser;
pub mod evidence;
pub mod evolution;
pub mod factor;
pub mod graph;
pub mod inference;
pub mod message;
pub mod operator;
pub mod parallel;
mod rows;
pub mod schedule;
pub mod special;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use evidence::{Evidence, EvidenceError};
pub use evolution::{Evolution, Prediction};
pub use graph::{FactorId, Graph, GraphBuilder, GraphError, VariableId};
pub use inference::{
    Inference, InferenceError, IterationInfo, Observer, Options, Report, Solution, Status,
};
pub use message::{ColumnForm, Layout, Message, Policy, Precision, RowSharing, Structure};
pub use rows::{Rows, ShapeError};
pub use schedule::{Schedule, ScheduleChoice, Update};

/// The linear algebra crate whose matrices operators are built from.
pub use faer;
