//! What the models' results are compared with.

mod adam;

pub use adam::{AdamOptions, AdamOptionsError, Regression, adam};
