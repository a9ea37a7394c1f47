//! Distributions of the rows of an unknown, estimated by posterior mean and covariance.

mod bernoulli_gauss;
mod discrete;
mod exponential;
mod gaussian;
mod gaussian_mixture;
mod group_bernoulli_gauss;
mod laplace;
mod stacked;
mod truncated_gaussian;
mod uniform;

pub use bernoulli_gauss::BernoulliGauss;
pub use discrete::Discrete;
pub use exponential::Exponential;
pub use gaussian::Gaussian;
pub use gaussian_mixture::GaussianMixture;
pub use group_bernoulli_gauss::GroupBernoulliGauss;
pub use laplace::Laplace;
pub use stacked::Stacked;
pub use truncated_gaussian::TruncatedGaussian;
pub use uniform::Uniform;
