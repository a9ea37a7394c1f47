//! Some rows of a cavity, and where their estimates go.

use core::ops::Range;

use fg_core::denoiser::{RowCavity, RowEstimate};

/// These rows of a cavity.
pub(crate) fn rows<'c>(cavity: &RowCavity<'c>, rows: Range<usize>) -> RowCavity<'c> {
    let first = cavity.first_row() + rows.start;
    renumbered(cavity, rows, first)
}

/// These rows of a cavity, for an estimator that counts them from `first` on.
pub(crate) fn renumbered<'c>(
    cavity: &RowCavity<'c>,
    rows: Range<usize>,
    first: usize,
) -> RowCavity<'c> {
    let d = cavity.columns();
    let values = rows.start * d..rows.end * d;
    let (natural, mean) = (&cavity.natural()[values.clone()], &cavity.mean()[values]);
    RowCavity::new(first, d, natural, mean, cavity.precision())
}

/// Where the estimates of these rows of `d` columns go.
pub(crate) fn answers<'o>(
    out: &'o mut RowEstimate<'_>,
    rows: Range<usize>,
    d: usize,
) -> RowEstimate<'o> {
    let size = d * d;
    RowEstimate {
        mean: &mut out.mean[rows.start * d..rows.end * d],
        covariance: &mut out.covariance[rows.start * size..rows.end * size],
    }
}
