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
            let single = (d, outputs) == (1, 1);
            if single {
                let from = [self.cavity.natural(), self.cavity.mean(), self.observed];
                at.gather_entries(from, [natural, mean, data]);
            } else {
                at.gather(self.cavity.natural(), natural, d);
                at.gather(self.cavity.mean(), mean, d);
                at.gather(self.observed, data, outputs);
            }
            let cavity = RowCavity::new(0, d, natural, mean, self.cavity.precision());
            let mut answer = RowEstimate { mean: found, covariance: spread };
            ask(data, &cavity, &mut answer, scratch).map_err(|b| placed(b, places))?;
            if single {
                at.scatter_entries([found, spread], [&mut *out.mean, &mut *out.covariance]);
            } else {
                at.scatter(found, out.mean, d);
                at.scatter(spread, out.covariance, d * d);
            }
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
    /// Copies entries of one column from their places, all three of a row at once.
    fn gather_entries(&self, from: [&[f64]; 3], to: [&mut [f64]; 3]) {
        let ([a, b, c], [x, y, z]) = (from, to);
        // One length is checked for all.
        let (b, c) = (&b[..a.len()], &c[..a.len()]);
        let to = x.iter_mut().zip(y).zip(z);
        for (((x, y), z), row) in to.zip(self.rows) {
            let i = row - self.first;
            (*x, *y, *z) = (a[i], b[i], c[i]);
        }
    }

    /// Copies both answers of entries of one column to their places.
    fn scatter_entries(&self, from: [&[f64]; 2], to: [&mut [f64]; 2]) {
        let ([x, y], [a, b]) = (from, to);
        let b = &mut b[..a.len()];
        for ((x, y), row) in x.iter().zip(y).zip(self.rows) {
            let i = row - self.first;
            (a[i], b[i]) = (*x, *y);
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "numbers that are copied")]
    fn rows_go_there_and_back_and_breakdowns_name_their_place() {
        const ROWS: usize = 600;
        let n: Vec<f64> = (0..2 * ROWS).map(|k| k as f64).collect();
        let y: Vec<f64> = (0..ROWS).map(|i| -(i as f64)).collect();
        let (mut mean, mut covariance) = (vec![7.0; 2 * ROWS], vec![7.0; 4 * ROWS]);
        let mut out = RowEstimate { mean: &mut mean, covariance: &mut covariance };
        let cavity = RowCavity::new(10, 2, &n, &n, &[0.0; 4]);
        // Every other row of a variable, of which the cavity has those from the tenth on.
        let rows: Vec<usize> = (0..700).filter(|row| row % 2 == 1).collect();
        let places = within(&rows, &cavity);
        assert_eq!((places[0], places.len()), (11, ROWS / 2));
        let apart = Apart { cavity: &cavity, places, observed: &y, outputs: 1 };
        let mut scratch = Scratch::default();
        let copied = apart.estimate(&mut out, &mut scratch, |data, cavity, out, _| {
            out.mean.copy_from_slice(cavity.natural());
            for (covariance, y) in out.covariance.chunks_exact_mut(4).zip(data) {
                covariance.fill(*y);
            }
            Ok(())
        });
        assert_eq!(copied, Ok(()));
        for i in 0..ROWS {
            let seen = i % 2 == 1;
            let own = if seen { [n[2 * i], n[2 * i + 1]] } else { [7.0; 2] };
            assert_eq!(out.mean[2 * i..2 * i + 2], own);
            assert_eq!(out.covariance[4 * i], if seen { y[i] } else { 7.0 });
        }
        let failed = apart.estimate(&mut out, &mut scratch, |data, _, _, _| {
            // The place of a row among those of its call.
            let row = data.iter().position(|y| *y == -301.0);
            row.map_or(Ok(()), |row| Err(Breakdown::NotFinite { port: 0, row }))
        });
        assert_eq!(failed, Err(Breakdown::NotFinite { port: 0, row: 311 }));
    }
}
