//! Data given an unknown, row by row.

mod awgn;
mod censored;
mod diagonal_noise;
mod huber;
mod laplace_noise;
mod magnitude;
mod masked;
mod quantised;
mod rectified;
mod sign;
mod two_layer;

pub use awgn::Awgn;
pub use censored::Censored;
pub use diagonal_noise::DiagonalNoise;
pub use huber::HuberNoise;
pub use laplace_noise::LaplaceNoise;
pub use magnitude::Magnitude;
pub use masked::Masked;
pub use quantised::Quantised;
pub use rectified::Rectified;
pub use sign::Sign;
pub use two_layer::{Activation, TwoLayer, TwoLayerMap, TwoLayerMmse};
