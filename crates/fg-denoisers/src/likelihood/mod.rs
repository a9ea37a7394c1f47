//! Data given an unknown, row by row.

mod awgn;
mod magnitude;
mod sign;
mod two_layer;

pub use awgn::Awgn;
pub use magnitude::Magnitude;
pub use sign::Sign;
pub use two_layer::{Activation, TwoLayer, TwoLayerMap, TwoLayerMmse};
