//! Data given an unknown, row by row.

mod awgn;
mod censored;
mod committee;
mod complex_magnitude;
mod hinge;
mod huber;
mod laplace_noise;
mod logistic;
mod magnitude;
mod poisson;
mod quantised;
mod rectified;
mod sign;
mod softmax;
mod student_noise;
mod survival;
mod two_layer;

pub use awgn::Awgn;
pub use censored::Censored;
pub use committee::Committee;
pub use complex_magnitude::ComplexMagnitude;
pub use hinge::Hinge;
pub use huber::HuberNoise;
pub use laplace_noise::LaplaceNoise;
pub use logistic::Logistic;
pub use magnitude::Magnitude;
pub use poisson::Poisson;
pub use quantised::Quantised;
pub use rectified::Rectified;
pub use sign::Sign;
pub use softmax::Softmax;
pub use student_noise::StudentNoise;
pub use survival::Survival;
pub use two_layer::{Activation, TwoLayer, TwoLayerMap, TwoLayerMmse};
