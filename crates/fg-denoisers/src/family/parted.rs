//! Rows put next to their like: a register whose rows are of one kind doesn't take the time of the others.

use fg_core::denoiser::RowEstimate;

use super::formula::{self, Formula};
use super::part;

/// Rows that are put next to each other at once: what is copied stays in the nearest cache.
pub(crate) const PIECE: usize = 256;

/// Fewer rows aren't worth it.
const FEW: usize = 32;

/// As [`formula::apply_to`], for a formula to which rows are of a few kinds, `0..KINDS`, by their inputs.
pub(crate) fn apply_parted<const K: usize, const KINDS: usize>(
    formula: &impl Formula<K>,
    kind: impl Fn([f64; K]) -> usize,
    input: [&[f64]; K],
    out: &mut RowEstimate<'_>,
) -> bool {
    if out.mean.len() < FEW {
        return formula::apply_to(formula, input, out);
    }
    let mut complete = true;
    let (mut own, mut place) = ([0; PIECE], [0; PIECE + 1]);
    let (mut sorted, mut answers) = ([[0.0; PIECE]; K], [[0.0; PIECE]; 2]);
    for start in (0..out.mean.len()).step_by(PIECE) {
        let len = PIECE.min(out.mean.len() - start);
        let mut piece = input;
        for piece in &mut piece {
            *piece = &piece[start..start + len];
        }
        for (i, own) in own[..len].iter_mut().enumerate() {
            *own = kind(piece.map(|piece| piece[i]));
        }
        // Kind by kind: one count for all would wait for itself.
        let (mut count, mut alike) = (0, false);
        for k in 0..KINDS {
            let before = count;
            for (i, own) in own[..len].iter().enumerate() {
                // What isn't of this kind is written over.
                place[count] = start + i;
                count += usize::from(*own == k);
            }
            alike |= count - before == len;
        }
        if alike {
            let mut found = part::answers(out, start..start + len, 1);
            complete &= formula::apply_to(formula, piece, &mut found);
            continue;
        }
        for (sorted, input) in sorted.iter_mut().zip(input) {
            for (sorted, place) in sorted.iter_mut().zip(&place[..len]) {
                *sorted = input[*place];
            }
        }
        complete &= apply_at(formula, &sorted, &place[..len], &mut answers, out);
    }
    complete
}

/// As [`formula::apply_to`] of rows that stand next to each other, whose answers belong to these places.
pub(crate) fn apply_at<const K: usize>(
    formula: &impl Formula<K>,
    sorted: &[[f64; PIECE]; K],
    places: &[usize],
    [mean, variance]: &mut [[f64; PIECE]; 2],
    out: &mut RowEstimate<'_>,
) -> bool {
    let len = places.len();
    let input = sorted.each_ref().map(|sorted| &sorted[..len]);
    let mut found = RowEstimate { mean: &mut mean[..len], covariance: &mut variance[..len] };
    let complete = formula::apply_to(formula, input, &mut found);
    for ((&i, m), v) in places.iter().zip(&*found.mean).zip(&*found.covariance) {
        (out.mean[i], out.covariance[i]) = (*m, *v);
    }
    complete
}
