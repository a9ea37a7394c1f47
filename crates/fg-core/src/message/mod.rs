//! Gaussian messages in natural form: what one factor tells a variable.
//!
//! A message about an `n x d` variable is `q(X) ~ exp(-1/2 sum_i (x_i - r_i)' Gamma_b(i) (x_i - r_i))`, held as
//! `N = R Gamma` and `Gamma`, so that no information (`Gamma = 0`) and information in some directions only
//! are exact. Complete certainty about a block of rows can't be held so and has a flag of its own.

mod natural;
mod precision;
mod projection;
pub mod small;
mod structure;

pub use natural::{Contradiction, Message, MessageError};
pub use precision::{Precision, PrecisionError};
pub use projection::{Policy, Projector};
pub use structure::{ColumnForm, Layout, Partition, RowSharing, Structure, StructureError};
