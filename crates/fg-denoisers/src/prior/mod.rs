//! Distributions of the rows of an unknown, estimated by posterior mean and covariance.

mod bernoulli_gauss;
mod discrete;
mod exponential;
mod gaussian;
mod gaussian_mixture;
mod group_bernoulli_gauss;
mod grouped;
mod horseshoe;
mod laplace;
mod per_row;
mod product;
mod scaled;
mod stacked;
mod student_t;
mod tabulated;
mod truncated_gaussian;
mod uniform;
mod unit_modulus;

pub use bernoulli_gauss::BernoulliGauss;
pub use discrete::Discrete;
pub use exponential::Exponential;
pub use gaussian::Gaussian;
pub use gaussian_mixture::GaussianMixture;
pub use group_bernoulli_gauss::GroupBernoulliGauss;
pub use grouped::Grouped;
pub use horseshoe::Horseshoe;
pub use laplace::Laplace;
pub use per_row::PerRow;
pub use product::{LogDensity, Product};
pub use scaled::Scaled;
pub use stacked::Stacked;
pub use student_t::StudentT;
pub use tabulated::Tabulated;
pub use truncated_gaussian::TruncatedGaussian;
pub use uniform::Uniform;
pub use unit_modulus::UnitModulus;
