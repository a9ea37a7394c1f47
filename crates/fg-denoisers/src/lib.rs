//! Priors, penalties, likelihoods and channels: what a node of a factor graph can be.

mod error;
pub mod likelihood;

pub use error::ParameterError;
