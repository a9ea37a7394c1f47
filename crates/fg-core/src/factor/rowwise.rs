//! What the row-wise factors share: cutting cavities into rows of one precision, and known rows.

use super::partition::PartitionError;
use crate::denoiser::{Estimation, GaussianRow, RowCavity, RowEstimate, Scratch};
use crate::factor::{Belief, Breakdown, Cavity};
use crate::message::{Layout, Message, Precision, small};
use crate::rows::Rows;

/// Buffers of a row-wise factor with one port.
#[derive(Debug)]
pub(super) struct RowWorkspace {
    mean: Rows,
    pub(super) scratch: Scratch,
}

impl RowWorkspace {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { mean: Rows::zeros(layout.rows(), layout.columns()), scratch: Scratch::default() }
    }
}

/// Calls `estimate` on every block of rows whose cavity is finite; known rows are passed on as they are. The belief's
/// standard error is that of the worst block.
pub(super) fn estimate_blocks(
    cavity: Cavity<'_>,
    belief: &mut Belief,
    workspace: &mut RowWorkspace,
    mut estimate: impl FnMut(
        &RowCavity<'_>,
        &mut RowEstimate<'_>,
        &mut Scratch,
    ) -> Result<(), Breakdown>,
) -> Result<(), Breakdown> {
    let layout = cavity.message.layout();
    let d = layout.columns();
    cavity.message.mean_into(&mut workspace.mean);
    // What a sweep that broke down has left says nothing about this one.
    workspace.scratch.take_standard_error();
    for b in 0..layout.blocks() {
        let range = layout.range(b);
        if cavity.message.precision().is_infinite(b) {
            belief.set_known(b);
            let (mean, covariance) = belief.rows_mut();
            let values = cavity.message.natural().rows_slice(range.clone());
            mean.rows_slice_mut(range.clone()).copy_from_slice(values);
            covariance[range.start * d * d..range.end * d * d].fill(0.0);
            continue;
        }
        let rows = RowCavity::new(
            range.start,
            d,
            cavity.message.natural().rows_slice(range.clone()),
            workspace.mean.rows_slice(range.clone()),
            cavity.message.precision().block(b),
        );
        let (mean, covariance) = belief.rows_mut();
        let mut out = RowEstimate {
            mean: mean.rows_slice_mut(range.clone()),
            covariance: &mut covariance[range.start * d * d..range.end * d * d],
        };
        estimate(&rows, &mut out, &mut workspace.scratch)?;
    }
    belief.set_standard_error(workspace.scratch.take_standard_error());
    Ok(())
}

/// Rows of a cavity in pieces of one precision, known rows left out.
pub(super) fn pieces<'a>(
    cavity: Cavity<'a>,
    workspace: &'a mut RowWorkspace,
) -> impl Iterator<Item = RowCavity<'a>> {
    cavity.message.mean_into(&mut workspace.mean);
    let (mean, layout) = (&workspace.mean, cavity.message.layout());
    let finite = (0..layout.blocks()).filter(|b| !cavity.message.precision().is_infinite(*b));
    finite.map(move |b| {
        let range = layout.range(b);
        let natural = cavity.message.natural().rows_slice(range.clone());
        let precision = cavity.message.precision().block(b);
        let mean = mean.rows_slice(range.clone());
        RowCavity::new(range.start, layout.columns(), natural, mean, precision)
    })
}

/// Sum over all rows of the log-partition function that `rows` writes for pieces of one precision.
///
/// A node of the other kind of estimation can answer where it is `gaussian`: the integral of an exponent with the precision
/// `P` is `(2 pi)^(d/2) det P^(-1/2)` times the exponential of its maximum.
pub(super) fn log_partition(
    cavity: Cavity<'_>,
    workspace: &mut RowWorkspace,
    (own, asked): (Estimation, Estimation),
    gaussian: impl Fn(usize) -> Option<GaussianRow>,
    mut rows: impl FnMut(&RowCavity<'_>, &mut [f64]) -> bool,
) -> Result<f64, PartitionError> {
    if cavity.message.precision().any_infinite() {
        return Err(Breakdown::KnownCavity { port: 0 }.into());
    }
    let (mut total, mut values) = (0.0, Vec::new());
    for piece in pieces(cavity, workspace) {
        values.clear();
        values.resize(piece.len(), 0.0);
        if !rows(&piece, &mut values) {
            return Err(PartitionError::Unknown);
        }
        total += values.iter().sum::<f64>();
        if own == asked {
            continue;
        }
        for i in 0..piece.len() {
            let row = gaussian(piece.first_row() + i).ok_or(PartitionError::Estimation)?;
            total += gaussian_excess(&row, piece.precision(), asked)?;
        }
    }
    Ok(total)
}

/// What a Gaussian node's log-partition function has in excess in the kind that is `asked` for over the other one: the integral
/// over its maximum, or the reverse.
pub(crate) fn gaussian_excess(
    row: &GaussianRow,
    gamma: &[f64],
    asked: Estimation,
) -> Result<f64, Breakdown> {
    let volume = row.log_volume(gamma).ok_or(Breakdown::Undetermined { port: 0 })?;
    Ok(if asked == Estimation::Mmse { volume } else { -volume })
}

/// The message of a factor that is Gaussian in every row, where the layout can represent it.
pub(super) fn constant_message(
    layout: &Layout,
    gaussian: impl Fn(usize) -> Option<GaussianRow>,
) -> Option<Message> {
    let mut natural = Rows::zeros(layout.rows(), layout.columns());
    let mut precision = Precision::zero(layout.clone());
    for b in 0..layout.blocks() {
        let mut first: Option<GaussianRow> = None;
        for i in layout.range(b) {
            let row = gaussian(i)?;
            natural.row_mut(i).copy_from_slice(&row.natural);
            match &first {
                None => first = Some(row),
                Some(first) if first.known == row.known && first.precision == row.precision => {}
                Some(_) => return None,
            }
        }
        match first {
            Some(row) if row.known => precision.set_infinite(b),
            Some(row) => precision.set_block(b, &row.precision).ok()?,
            None => {}
        }
    }
    Message::new(natural, precision).ok()
}

/// Product of one Gaussian and rows of a cavity: the belief of a Gaussian factor the layout can't represent.
pub(crate) fn gaussian_estimate(
    gaussian: impl Fn(usize) -> Option<GaussianRow>,
    cavity: &RowCavity<'_>,
    out: &mut RowEstimate<'_>,
    scratch: &mut Scratch,
) -> Option<Result<(), Breakdown>> {
    let d = cavity.columns();
    for i in 0..cavity.len() {
        let row = gaussian(cavity.first_row() + i)?;
        let mean = &mut out.mean[i * d..(i + 1) * d];
        let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
        if row.known {
            mean.copy_from_slice(&row.natural);
            covariance.fill(0.0);
            continue;
        }
        let (total, rest) = scratch.slice(3 * d * d + d).split_at_mut(d * d);
        let (inverse_scratch, natural) = rest.split_at_mut(2 * d * d);
        for (t, (a, b)) in total.iter_mut().zip(row.precision.iter().zip(cavity.precision())) {
            *t = a + b;
        }
        if small::invert_positive(total, covariance, inverse_scratch, d).is_err() {
            return Some(Err(Breakdown::Undetermined { port: 0 }));
        }
        for j in 0..d {
            natural[j] = row.natural[j] + cavity.natural()[i * d + j];
        }
        small::row_times(natural, covariance, mean, d);
    }
    Some(Ok(()))
}
