//! Rows of two kinds put next to their like: a register whose rows are of one kind doesn't take the time of the other.

use fg_core::denoiser::{RowCavity, RowEstimate};

use super::formula::{self, Formula};

/// Rows that are parted at once.
const PIECE: usize = 256;

/// As [`formula::apply_observed`], for a formula to which rows are of two kinds by their data.
pub(crate) fn apply_parted(
    formula: &impl Formula<2>,
    kind: impl Fn(f64) -> bool,
    observed: &[f64],
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
) {
    let (mut place, mut n, mut y) = ([0; PIECE], [0.0; PIECE], [0.0; PIECE]);
    let (mut mean, mut variance) = ([0.0; PIECE], [0.0; PIECE]);
    for start in (0..cavity.len()).step_by(PIECE) {
        let len = PIECE.min(cavity.len() - start);
        let (mut first, mut last) = (0, len);
        for i in start..start + len {
            // Those of the second kind fill the piece from its end.
            let k = if kind(observed[i]) {
                first += 1;
                first - 1
            } else {
                last -= 1;
                last
            };
            (place[k], n[k], y[k]) = (i, cavity.natural()[i], observed[i]);
        }
        let mut found = RowEstimate { mean: &mut mean[..len], covariance: &mut variance[..len] };
        formula::apply_to(formula, [&n[..len], &y[..len]], &mut found);
        for ((&i, m), v) in place.iter().zip(&mean[..len]).zip(&variance[..len]) {
            (out.mean[i], out.covariance[i]) = (*m, *v);
        }
    }
}
