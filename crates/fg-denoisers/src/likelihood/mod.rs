//! Data given an unknown, row by row.

mod awgn;

pub use awgn::Awgn;
