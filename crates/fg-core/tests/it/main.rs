//! Tests of the public interface, as an outsider sees it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod engine;
mod graph_errors;
mod limits;
mod memory;
mod render;
mod rows_models;
mod schedules;
