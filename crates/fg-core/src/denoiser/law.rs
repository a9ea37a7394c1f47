//! A law decides how a quantity is truly distributed: a map from uniforms to a row.

use core::fmt;

/// The true distribution of a row, as a map from uniforms `[0, 1)^k`.
///
/// Random uniforms simulate, low-discrepancy uniforms integrate. A law may differ from what an estimator assumes.
pub trait Law: fmt::Debug + Send + Sync {
    /// How many uniforms make a row of `d` columns.
    fn uniforms(&self, d: usize) -> usize;

    /// Where in `(0, 1)`, ascending, the map of a law of one uniform jumps, when it is smooth in between: integrals are
    /// then taken piece by piece. `None` when that isn't known, or there are more uniforms.
    fn jumps(&self) -> Option<Vec<f64>> {
        None
    }

    /// Writes the row that belongs to `uniforms`; `row` has length `d`.
    fn draw(&self, uniforms: &[f64], row: &mut [f64]);
}
