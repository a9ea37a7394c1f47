//! Whole inference problems assembled as factor graphs, and what they are tried on and compared with.
//!
//! Each model gives its graph in one call, so that it can be changed before it is built, and fits and predicts with
//! it. Nothing here is engine: a model only puts factors together.
//!
//! What is unknown beside the unknowns is learned by the run, one step a sweep, from starts that the data give:
//!
//! | model | given the data alone | learned |
//! |---|---|---|
//! | linear inverse problem | [`linear::sparse`] | noise, sparsity, size and covariance of columns |
//! | any likelihood | [`generalised::sparse`] | sparsity and size, and the likelihood's own |
//! | chain of layers | [`MultiLayer::observed_in_noise`] | noise |
//! | two-layer network, `W2` known | [`TwoLayerModel::learning`] | noise, variance of the weights |
//! | low rank | [`low_rank::noise_variance`] | nothing: it is the noise itself that the data show |
//!
//! Learned values are in [`Solution::parameters`](fg_core::Solution::parameters); `docs/learning.md` lists their names.
//! Priors and likelihoods have further parameters to learn (`learn_..`), [`Tuned`](fg_denoisers::Tuned) any single one.

pub mod baseline;
mod check;
pub mod comparison;
pub mod erm;
mod error;
mod fit;
pub mod generalised;
pub mod linear;
pub mod low_rank;
mod matrices;
pub mod metrics;
mod multilayer;
mod pairs;
mod predict;
#[cfg(feature = "report")]
pub mod report;
mod start;
pub mod synthetic;
pub mod two_layer;

pub use error::ModelError;
pub use fit::Fit;
pub use generalised::GeneralisedGraph;
pub use low_rank::LowRankGraph;
pub use multilayer::{MultiLayer, MultiLayerGraph};
pub use predict::{Predicted, predicted_log_density};
pub use two_layer::{TwoLayerFit, TwoLayerGraph, TwoLayerModel};
