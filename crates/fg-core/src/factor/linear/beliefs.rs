//! From transformed coordinates to a belief: mean, covariance, the gain where it is exact, and the bias.

use super::moments::Moments;
use super::pencil::Pencil;
use crate::factor::Belief;
use crate::message::{ColumnForm, small};

/// One port in transformed columns, planar.
#[derive(Debug)]
pub(super) struct Half {
    /// `N T`, of the cavity.
    pub(super) natural: Vec<f64>,
    /// `Xhat T^-T`.
    pub(super) mean: Vec<f64>,
    /// `Xhat Gamma T - N T`: the natural parameter gained at the cavity's own precision.
    pub(super) residual: Vec<f64>,
}

impl Half {
    pub(super) fn new(length: usize) -> Self {
        let zeros = || vec![0.0; length];
        Self { natural: zeros(), mean: zeros(), residual: zeros() }
    }

    /// Writes the belief; the residual is used up.
    pub(super) fn write(
        &mut self,
        pencil: &Pencil,
        moments: &[Moments],
        bias: Option<&[f64]>,
        belief: &mut Belief,
        (matrix, values): (&mut Vec<f64>, &mut Vec<f64>),
    ) {
        let d = moments.len();
        values.clear();
        values.extend(moments.iter().map(|m| m.variance));
        let (mean, covariance) = belief.blocks_mut();
        pencil.mean(&self.mean, mean.as_mut_slice());
        add_bias(mean.as_mut_slice(), bias, d);
        pencil.covariance(values, covariance);
        if moments.iter().all(|m| m.variance == 0.0) {
            // An operator without range: Z is the bias.
            return belief.set_known(0);
        }
        if !exact_gain(belief.layout().form(), pencil.form()) {
            return;
        }
        let n = self.mean.len() / d;
        for (j, m) in moments.iter().enumerate() {
            let range = j * n..(j + 1) * n;
            for (r, x) in self.residual[range.clone()].iter_mut().zip(&self.mean[range]) {
                *r += m.gain * x;
            }
        }
        values.clear();
        values.extend(moments.iter().map(|m| m.gain));
        let gain = belief.gain_mut();
        pencil.natural(&self.residual, gain.natural.as_mut_slice());
        pencil.precision(values, &mut gain.precision);
        if let Some(bias) = bias {
            // The message about Z is that about Z - 1 b', moved by b: N + 1 b' Gamma.
            small::row_times(bias, &gain.precision, matrix, d);
            add_bias(gain.natural.as_mut_slice(), Some(&matrix[..d]), d);
        }
    }
}

/// Whether a variable of this form can carry the gain of a pencil of that form.
pub(crate) fn exact_gain(variable: ColumnForm, pencil: ColumnForm) -> bool {
    match variable {
        ColumnForm::Full => true,
        ColumnForm::Diagonal => pencil != ColumnForm::Full,
        ColumnForm::Isotropic => pencil == ColumnForm::Isotropic,
    }
}

/// Adds a row to every row.
pub(super) fn add_bias(rows: &mut [f64], bias: Option<&[f64]>, d: usize) {
    let Some(bias) = bias else { return };
    for row in rows.chunks_exact_mut(d) {
        row.iter_mut().zip(bias).for_each(|(r, b)| *r += b);
    }
}

/// Moves natural parameters, or values where there is no precision, from `Z` to `Z - 1 b'`.
pub(super) fn remove_bias(
    rows: &mut [f64],
    bias: Option<&[f64]>,
    precision: Option<&[f64]>,
    d: usize,
) {
    let Some(bias) = bias else { return };
    for row in rows.chunks_exact_mut(d) {
        for j in 0..d {
            row[j] -= match precision {
                Some(gamma) => (0..d).map(|c| bias[c] * gamma[c * d + j]).sum(),
                None => bias[j],
            };
        }
    }
}
