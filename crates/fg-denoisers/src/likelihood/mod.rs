//! Data given an unknown, row by row.

mod awgn;
mod censored;
mod huber;
mod laplace_noise;
mod magnitude;
mod quantised;
mod rectified;
mod sign;
mod two_layer;

pub use awgn::Awgn;
pub use censored::Censored;
pub use huber::HuberNoise;
pub use laplace_noise::LaplaceNoise;
pub use magnitude::Magnitude;
pub use quantised::Quantised;
pub use rectified::Rectified;
pub use sign::Sign;
pub use two_layer::{Activation, TwoLayer, TwoLayerMap, TwoLayerMmse};
