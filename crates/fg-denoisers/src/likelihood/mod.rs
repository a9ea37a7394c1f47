//! Likelihoods: nodes with one port that hold data.

pub mod two_layer;
