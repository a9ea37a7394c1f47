//! What the models' results are compared with.

mod adam;
mod amp;

pub use adam::{AdamOptions, AdamOptionsError, Regression, adam};
pub use amp::amp;
