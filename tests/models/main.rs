//! Models against what is published or known of them.

#![expect(clippy::unwrap_used, reason = "parts of tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "figures of a test that fails show how it fails")]

mod classification;
mod committee;
mod detection;
mod erm;
mod evidence;
mod fast;
mod generalised;
mod headline;
mod instruments;
mod layers;
mod learned;
mod linear;
mod low_rank;
mod mixed;
mod perceptron;
mod phase_retrieval;
mod regression;
mod told_nothing;
