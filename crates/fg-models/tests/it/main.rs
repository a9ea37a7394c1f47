//! The models from the outside: against closed forms, on files, and as the programs a user runs.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod command_line;
mod files;
mod learning;
mod linear;
mod two_layer;
mod two_layer_accuracy;
