//! One unknown given another, row by row.

mod column_mixing;
mod gaussian_noise;
mod piecewise_linear;
mod smooth;

pub use column_mixing::ColumnMixing;
pub use gaussian_noise::GaussianNoise;
pub use piecewise_linear::PiecewiseLinear;
pub use smooth::Smooth;
