//! Factor graphs of matrix-valued variables: Gaussian messages, expectation propagation, extension traits.

pub mod denoiser;
pub mod factor;
pub mod graph;
pub mod inference;
pub mod message;
pub mod operator;
mod rows;
pub mod schedule;

pub use graph::{FactorId, Graph, GraphBuilder, GraphError, VariableId};
pub use inference::{
    Inference, InferenceError, IterationInfo, Observer, Options, Report, Solution, Status,
};
pub use message::{ColumnForm, Layout, Message, Policy, Precision, RowSharing, Structure};
pub use rows::{Rows, ShapeError};
pub use schedule::{Schedule, ScheduleChoice, Update};

/// The linear algebra crate whose matrices operators are built from.
pub use faer;
