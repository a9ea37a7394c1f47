//! One unknown given another, row by row.

mod gaussian_noise;

pub use gaussian_noise::GaussianNoise;
