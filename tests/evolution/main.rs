//! State evolution: published values, its own accuracy, and runs.

#![expect(clippy::unwrap_used, reason = "parts of tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "figures of a test that fails show how it fails")]

mod accuracy;
mod chain;
mod columns;
mod complex;
mod evidence;
mod extremes;
mod labels;
mod learning_curve;
mod low_rank;
mod runs;
mod shared_basis;
mod simulation;
mod symmetry;
mod thresholds;
mod values;
