//! Which rows are free: known rows of X move the output, known rows of Z are constraints.

use core::ops::Range;

use faer::{Mat, MatRef};
use fg_linalg::product;

use super::block;
use crate::factor::Breakdown;
use crate::factor::linear::known::check_consistent;
use crate::factor::linear::{LinearFactor, X, Z};
use crate::message::Message;
use crate::rows::Rows;

/// The free and the known rows of both ports, and the operator between them.
#[derive(Debug)]
pub(super) struct Split<'a> {
    /// Free rows of X.
    pub(super) x: Vec<usize>,
    /// Rows of Z with a finite precision.
    pub(super) z: Vec<usize>,
    /// Known rows of Z.
    pub(super) fixed: Vec<usize>,
    /// `C`: rows `fixed` and columns `x` of the operator.
    pub(super) constraints: Mat<f64>,
    /// Values of `C x`: of `fixed`, without what is known.
    pub(super) fixed_values: Rows,
    messages: [&'a Message; 2],
    matrix: MatRef<'a, f64>,
    /// Rows `z` and columns `x`, where that isn't the whole matrix.
    part: Option<Mat<f64>>,
    /// `1 b' + A_known X_known`, of every row of Z.
    offset: Rows,
}

impl<'a> Split<'a> {
    pub(super) fn new(factor: &'a LinearFactor, messages: [&'a Message; 2]) -> Self {
        let matrix = factor.matrix();
        let (m, n) = matrix.shape();
        let d = messages[X].layout().columns();
        let infinite = |port: usize, &i: &usize| {
            let message = messages[port];
            message.precision().is_infinite(message.layout().partition().block_of(i))
        };
        let (known, x): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| infinite(X, i));
        let (fixed, z): (Vec<usize>, Vec<usize>) = (0..m).partition(|i| infinite(Z, i));
        let values = messages[X].natural();
        let offset = Rows::from_fn(m, d, |k, c| {
            let bias = factor.bias().map_or(0.0, |b| b[c]);
            bias + known.iter().map(|&i| matrix[(k, i)] * values[(i, c)]).sum::<f64>()
        });
        let fixed_values = Rows::from_fn(fixed.len(), d, |k, c| {
            messages[Z].natural()[(fixed[k], c)] - offset[(fixed[k], c)]
        });
        let part =
            |rows: &[usize]| Mat::from_fn(rows.len(), x.len(), |i, j| matrix[(rows[i], x[j])]);
        let constraints = part(&fixed);
        let part = (x.len() < n || z.len() < m).then(|| part(&z));
        Self { constraints, fixed_values, messages, matrix, part, offset, x, z, fixed }
    }

    /// Whether nothing is known.
    pub(super) fn all_free(&self) -> bool {
        self.part.is_none()
    }

    /// The operator from the free rows of X to the free rows of Z.
    pub(super) fn free(&self) -> MatRef<'_, f64> {
        self.part.as_ref().map_or(self.matrix, Mat::as_ref)
    }

    /// `Nx + A' (Nz - offset Gz)` in `columns`, for the free rows of X.
    pub(super) fn right_side(&self, columns: &Range<usize>) -> Mat<f64> {
        let [x, z] = self.messages;
        let shifted = Mat::from_fn(self.z.len(), columns.len(), |k, c| {
            let (i, c) = (self.z[k], columns.start + c);
            z.natural()[(i, c)] - times(self.offset.row(i), block(z, i), c)
        });
        let mut right = Mat::from_fn(self.x.len(), columns.len(), |k, c| {
            x.natural()[(self.x[k], columns.start + c)]
        });
        product::accumulate(right.as_mut(), 1.0, self.free().transpose(), shifted.as_ref());
        right
    }

    /// The free rows of Z that belong to the free rows `mean` of X.
    pub(super) fn output(&self, mean: &Rows) -> Rows {
        let (n, d) = mean.shape();
        let mut output = Mat::from_fn(self.z.len(), d, |k, c| self.offset[(self.z[k], c)]);
        let mean = MatRef::from_row_major_slice(mean.as_slice(), n, d);
        product::accumulate(output.as_mut(), 1.0, self.free(), mean);
        Rows::from_fn(self.z.len(), d, |k, c| output[(k, c)])
    }

    /// `Z Gz - Nz` for the free rows of Z, whose means are `output`.
    pub(super) fn misfit(&self, output: &Rows) -> Rows {
        let z = self.messages[Z];
        Rows::from_fn(output.rows(), output.columns(), |k, c| {
            let i = self.z[k];
            times(output.row(k), block(z, i), c) - z.natural()[(i, c)]
        })
    }

    /// `A' (Nz - Z Gz)` for the free rows of X.
    pub(super) fn residual(&self, output: &Rows) -> Rows {
        let misfit = self.misfit(output);
        let (k, d) = misfit.shape();
        let misfit = MatRef::from_row_major_slice(misfit.as_slice(), k, d);
        let mut residual = Mat::zeros(self.x.len(), d);
        product::accumulate(residual.as_mut(), -1.0, self.free().transpose(), misfit);
        Rows::from_fn(self.x.len(), d, |k, c| residual[(k, c)])
    }

    /// Whether the known rows of Z are met by the free rows `mean` of X; with none of them free, by the known.
    pub(super) fn check_constraints(&self, mean: &Rows) -> Result<(), Breakdown> {
        let (k, d) = self.fixed_values.shape();
        let mut image = Mat::from_fn(k, d, |k, c| self.offset[(self.fixed[k], c)]);
        let mean = MatRef::from_row_major_slice(mean.as_slice(), mean.rows(), d);
        product::accumulate(image.as_mut(), 1.0, self.constraints.as_ref(), mean);
        let image = Rows::from_fn(k, d, |k, c| image[(k, c)]);
        let values = Rows::from_fn(k, d, |k, c| self.messages[Z].natural()[(self.fixed[k], c)]);
        check_consistent(image.as_slice(), values.as_slice(), |e| self.fixed[e / d])
    }
}

/// Entry `c` of a row times a matrix.
fn times(row: &[f64], matrix: &[f64], c: usize) -> f64 {
    row.iter().enumerate().map(|(e, r)| r * matrix[e * row.len() + c]).sum()
}
