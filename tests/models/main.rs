//! Models against what is published or known of them.

#![expect(clippy::unwrap_used, reason = "parts of tests fail by panicking")]

mod committee;
mod generalised;
mod instruments;
mod layers;
mod learned;
mod linear;
mod low_rank;
mod perceptron;
mod phase_retrieval;
