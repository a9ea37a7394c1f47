//! Getting data in and results out: `.npy` and `.npz` arrays, CSV, tables of text, figures.
//!
//! Files appear complete or not at all: everything is written under a temporary name in the same folder and renamed.

mod atomic;
mod csv;
mod error;
mod figure;
mod heatmap;
mod npy;
mod picture;
mod sparse;
mod table;

pub use atomic::write_atomically;
pub use csv::CsvTable;
pub use error::{ReadError, ReadProblem, WriteError};
pub use figure::{Axis, Figure, Panel, Reference, Scale, Series, Stroke};
pub use heatmap::HeatMap;
pub use npy::{NpzFile, read_npy, write_npy, write_npy_vector};
pub use sparse::read_sparse;
pub use table::TextTable;
