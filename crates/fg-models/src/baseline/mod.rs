//! What the models' results are compared with.

mod adam;
mod amp;
mod lasso;

pub use adam::{AdamOptions, AdamOptionsError, Regression, adam};
pub use amp::amp;
pub use lasso::Lasso;
