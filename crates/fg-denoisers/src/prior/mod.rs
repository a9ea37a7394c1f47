//! Distributions of the rows of an unknown, estimated by posterior mean and covariance.

mod bernoulli_gauss;
mod discrete;
mod gaussian;
mod group_bernoulli_gauss;
mod laplace;
mod stacked;

pub use bernoulli_gauss::BernoulliGauss;
pub use discrete::Discrete;
pub use gaussian::Gaussian;
pub use group_bernoulli_gauss::GroupBernoulliGauss;
pub use laplace::Laplace;
pub use stacked::Stacked;
