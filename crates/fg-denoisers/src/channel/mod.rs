//! One unknown given another, row by row.

mod gaussian_noise;
mod piecewise_linear;

pub use gaussian_noise::GaussianNoise;
pub use piecewise_linear::PiecewiseLinear;
