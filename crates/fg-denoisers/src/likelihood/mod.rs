//! Data given an unknown, row by row.

mod awgn;
mod sign;
mod two_layer;

pub use awgn::Awgn;
pub use sign::Sign;
pub use two_layer::{Activation, TwoLayer, TwoLayerMap, TwoLayerMmse};
