//! Data given an unknown, row by row.

mod awgn;
pub mod two_layer;

pub use awgn::Awgn;
