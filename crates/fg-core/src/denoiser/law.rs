//! A law decides how a quantity is truly distributed: a map from uniforms to a row.

use core::fmt;

/// The true distribution of a row, as a map from uniforms `[0, 1)^k`.
///
/// Random uniforms simulate, low-discrepancy uniforms integrate. A law may differ from what an estimator assumes.
pub trait Law: fmt::Debug + Send + Sync {
    /// How many uniforms make a row of `d` columns.
    fn uniforms(&self, d: usize) -> usize;

    /// Writes the row that belongs to `uniforms`; `row` has length `d`.
    fn draw(&self, uniforms: &[f64], row: &mut [f64]);
}
