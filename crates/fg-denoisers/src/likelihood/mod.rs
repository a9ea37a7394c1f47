//! Data given an unknown, row by row.

mod awgn;
mod two_layer;

pub use awgn::Awgn;
pub use two_layer::{Activation, TwoLayer, TwoLayerMap, TwoLayerMmse};
