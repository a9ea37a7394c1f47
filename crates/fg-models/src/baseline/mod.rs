//! What the models' results are compared with.

mod adam;
mod amp;
mod lasso;
mod network;
mod primal_dual;

pub use adam::{AdamOptions, AdamOptionsError, adam};
pub use amp::amp;
pub use lasso::Lasso;
pub use network::{Regression, logistic_loss, squared_loss};
pub use primal_dual::{End, PrimalDual, optimality, primal_dual};
