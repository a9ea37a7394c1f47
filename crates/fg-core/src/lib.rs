//! Factor graphs of matrix-valued variables: Gaussian messages, expectation propagation, extension traits.

pub mod denoiser;
pub mod factor;
pub mod message;
pub mod operator;
mod rows;
pub mod special;

pub use message::{ColumnForm, Layout, Message, Policy, Precision, RowSharing, Structure};
pub use rows::{Rows, ShapeError};

/// The linear algebra crate whose matrices operators are built from.
pub use faer;
