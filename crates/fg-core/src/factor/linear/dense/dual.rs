//! What X says of rows of Z that are known far better without it: the normal equations seen from the output.
//!
//! With `K = A Gx^-1 A' + Gz^-1` the posterior of `Z` has `I - C Gz = Gz^-1 K^-1` and `Z Gz - Nz = K^-1 (A Rx - Rz)`, both
//! small where X adds little, and neither the difference of what is nearly equal.

use faer::Mat;

use super::known::Split;
use super::system::{Precisions, System};
use super::{PANEL, add_block};
use crate::factor::Breakdown;
use crate::factor::linear::{X, Z};
use crate::message::{ColumnForm, Message, small};
use crate::rows::Rows;

/// `K`, factored, as far as the message to Z needs it.
#[derive(Debug)]
pub(super) struct Dual {
    /// `I - C Gz` averaged over each block of Z.
    pub(super) shares: Vec<f64>,
    /// By what factor rounding errors of a block's share can exceed those of its terms.
    pub(super) losses: Vec<f64>,
    /// `Z Gz - Nz` of the free rows of Z.
    pub(super) residual: Rows,
}

impl Dual {
    /// `None` where a free row of X, or of Z, has no precision in some direction.
    ///
    /// # Errors
    /// [`Breakdown::Undetermined`] when `K` isn't positive to rounding.
    pub(super) fn new(
        split: &Split<'_>,
        messages: [&Message; 2],
        form: ColumnForm,
    ) -> Result<Option<Self>, Breakdown> {
        let Some(inverses) = inverses(split, messages) else { return Ok(None) };
        let d = messages[Z].layout().columns();
        let precision = messages[Z].precision();
        let mut dual = Self {
            shares: vec![0.0; precision.values().len()],
            losses: vec![1.0; precision.blocks()],
            residual: Rows::zeros(split.z.len(), d),
        };
        let mut system = None;
        let width = if form == ColumnForm::Full { d } else { 1 };
        for start in (0..d).step_by(width) {
            let variance = |port: usize, i: usize, c: usize, e: usize| {
                let b = messages[port].layout().partition().block_of(i);
                inverses[port][b * d * d + (start + c) * d + start + e]
            };
            if form != ColumnForm::Isotropic || start == 0 {
                let precisions = Precisions {
                    width,
                    x: &|m, c, e| variance(Z, split.z[m], c, e),
                    z: &|i, c, e| variance(X, split.x[i], c, e),
                    normal: None,
                };
                let none = Mat::zeros(0, split.z.len());
                let made = System::new(split.free().transpose(), none.as_ref(), &precisions)?;
                let repeated = if form == ColumnForm::Isotropic { d } else { 1 };
                for shift in 0..repeated {
                    let columns = start + shift..start + shift + width;
                    dual.add_shares(split, messages[Z], columns, &made, &variance);
                }
                system = Some(made);
            }
            if let Some(system) = &system {
                dual.add_residual(split, messages, start..start + width, system, &inverses);
            }
        }
        Ok(Some(dual))
    }

    /// `Gz^-1 K^-1` on the diagonal blocks.
    fn add_shares(
        &mut self,
        split: &Split<'_>,
        z: &Message,
        columns: core::ops::Range<usize>,
        system: &System,
        variance: &dyn Fn(usize, usize, usize, usize) -> f64,
    ) {
        let (rows, w) = (split.z.len(), columns.len());
        let (mut own, mut share) = (vec![0.0; w * w], vec![0.0; w * w]);
        for first in (0..rows).step_by(PANEL) {
            let count = PANEL.min(rows - first);
            let units = Mat::from_fn(rows, count, |m, t| f64::from(u8::from(m == first + t)));
            system.covariances(units.as_ref(), |t, inverse, _| {
                let i = split.z[first + t];
                (0..w * w).for_each(|e| own[e] = variance(Z, i, e / w, e % w));
                small::multiply(&own, inverse, &mut share, w);
                let b = z.layout().partition().block_of(i);
                add_block(&mut self.shares, z, b, columns.clone(), &share);
                for c in 0..w {
                    let loss = system.diagonal(first + t, c) * inverse[c * w + c];
                    self.losses[b] = small::larger(self.losses[b], loss);
                }
            });
        }
    }

    /// `K^-1 (A Rx - Rz)` in `columns`.
    fn add_residual(
        &mut self,
        split: &Split<'_>,
        messages: [&Message; 2],
        columns: core::ops::Range<usize>,
        system: &System,
        inverses: &[Vec<f64>; 2],
    ) {
        let d = messages[Z].layout().columns();
        let mean = |port: usize, rows: &[usize]| {
            let message = messages[port];
            Rows::from_fn(rows.len(), d, |k, c| {
                let b = message.layout().partition().block_of(rows[k]);
                let inverse = &inverses[port][b * d * d..(b + 1) * d * d];
                (0..d).map(|e| message.natural()[(rows[k], e)] * inverse[e * d + c]).sum()
            })
        };
        let (told, own) = (split.output(&mean(X, &split.x)), mean(Z, &split.z));
        let (rows, w) = (split.z.len(), columns.len());
        let mut right = Mat::from_fn(rows * w, 1, |e, _| {
            let at = (e % rows, columns.start + e / rows);
            told[at] - own[at]
        });
        system.solve(&mut right, &Mat::zeros(0, 1));
        for e in 0..rows * w {
            self.residual[(e % rows, columns.start + e / rows)] = right[(e, 0)];
        }
    }
}

/// The covariances of the cavities, by block, where all blocks of free rows have one.
fn inverses(split: &Split<'_>, messages: [&Message; 2]) -> Option<[Vec<f64>; 2]> {
    let of = |port: usize, rows: &[usize]| {
        let message = messages[port];
        let d = message.layout().columns();
        let mut out = vec![0.0; message.precision().values().len()];
        let mut scratch = vec![0.0; 2 * d * d];
        let mut last = None;
        for &i in rows {
            let b = message.layout().partition().block_of(i);
            // Rows of a block follow one another.
            if last != Some(b) {
                let block = message.precision().block(b);
                let inverse = &mut out[b * d * d..(b + 1) * d * d];
                small::invert_positive(block, inverse, &mut scratch, d).ok()?;
                last = Some(b);
            }
        }
        Some(out)
    };
    Some([of(X, &split.x)?, of(Z, &split.z)?])
}
