//! Distributions of the rows of an unknown, estimated by posterior mean and covariance.

mod bernoulli_gauss;
mod gaussian;
mod laplace;
mod stacked;

pub use bernoulli_gauss::BernoulliGauss;
pub use gaussian::Gaussian;
pub use laplace::Laplace;
pub use stacked::Stacked;
