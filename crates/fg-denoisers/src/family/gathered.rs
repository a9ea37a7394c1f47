//! Rows that stand apart and have one model: put side by side for one call, and their answers back.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

/// Rows of one call: what is copied stays in the nearest cache.
const PIECE: usize = 256;

/// Some rows of a cavity, and how many values of data a row has.
#[derive(Clone, Copy)]
pub(crate) struct Apart<'a, 'c> {
    pub(crate) cavity: &'a RowCavity<'c>,
    /// Rows of the variable, all of them within the cavity, and data of all rows of the cavity.
    pub(crate) places: &'a [usize],
    pub(crate) observed: &'a [f64],
    pub(crate) outputs: usize,
}

impl Apart<'_, '_> {
    /// Has `ask` answer these rows, given their data, and writes what it answers to their places.
    pub(crate) fn estimate(
        &self,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
        mut ask: impl FnMut(
            &[f64],
            &RowCavity<'_>,
            &mut RowEstimate<'_>,
            &mut Scratch,
        ) -> Result<(), Breakdown>,
    ) -> Result<(), Breakdown> {
        let (d, outputs) = (self.cavity.columns(), self.outputs);
        let most = PIECE.min(self.places.len());
        let (memory, scratch) = scratch.nested(most * (3 * d + d * d + outputs));
        for places in self.places.chunks(PIECE) {
            let rows = places.len();
            let (natural, rest) = memory.split_at_mut(rows * d);
            let (mean, rest) = rest.split_at_mut(rows * d);
            let (data, rest) = rest.split_at_mut(rows * outputs);
            let (found, rest) = rest.split_at_mut(rows * d);
            let spread = &mut rest[..rows * d * d];
            let at = Places { rows: places, first: self.cavity.first_row() };
            at.gather(self.cavity.natural(), natural, d);
            at.gather(self.cavity.mean(), mean, d);
            at.gather(self.observed, data, outputs);
            let cavity = RowCavity::new(0, d, natural, mean, self.cavity.precision());
            let mut answer = RowEstimate { mean: found, covariance: spread };
            ask(data, &cavity, &mut answer, scratch).map_err(|b| placed(b, places))?;
            at.scatter(found, out.mean, d);
            at.scatter(spread, out.covariance, d * d);
        }
        Ok(())
    }
}

/// A breakdown by the row of the variable.
fn placed(breakdown: Breakdown, rows: &[usize]) -> Breakdown {
    match breakdown {
        Breakdown::ImproperCavity { port, row } => {
            Breakdown::ImproperCavity { port, row: rows[row] }
        }
        Breakdown::NotFinite { port, row } => Breakdown::NotFinite { port, row: rows[row] },
        Breakdown::Contradiction { port, row } => Breakdown::Contradiction { port, row: rows[row] },
        Breakdown::NoConvergence { port, row } => Breakdown::NoConvergence { port, row: rows[row] },
        other => other,
    }
}

/// Where rows of a call are.
struct Places<'a> {
    rows: &'a [usize],
    /// First row of the cavity.
    first: usize,
}

impl Places<'_> {
    /// Copies rows of `size` values from their places.
    fn gather(&self, from: &[f64], to: &mut [f64], size: usize) {
        if size == 1 {
            to.iter_mut().zip(self.rows).for_each(|(to, row)| *to = from[row - self.first]);
            return;
        }
        for (k, row) in self.rows.iter().enumerate() {
            let from = &from[(row - self.first) * size..];
            to[k * size..(k + 1) * size].copy_from_slice(&from[..size]);
        }
    }

    /// Copies rows of `size` values to their places.
    fn scatter(&self, from: &[f64], to: &mut [f64], size: usize) {
        if size == 1 {
            from.iter().zip(self.rows).for_each(|(from, row)| to[row - self.first] = *from);
            return;
        }
        for (k, row) in self.rows.iter().enumerate() {
            let to = &mut to[(row - self.first) * size..];
            to[..size].copy_from_slice(&from[k * size..(k + 1) * size]);
        }
    }
}

/// The part of ascending rows that a cavity is about.
pub(crate) fn within<'r>(rows: &'r [usize], cavity: &RowCavity<'_>) -> &'r [usize] {
    let first = cavity.first_row();
    let start = rows.partition_point(|&row| row < first);
    let end = rows.partition_point(|&row| row < first + cavity.len());
    &rows[start..end]
}

/// Runs of rows of one model that are this long on average are asked for as they stand.
const LONG: usize = 16;

/// Whether rows that fall into so many runs of one model are better put side by side.
pub(crate) fn is_worth_it(rows: usize, runs: usize) -> bool {
    rows < LONG * runs
}
