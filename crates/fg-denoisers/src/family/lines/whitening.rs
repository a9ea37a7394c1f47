//! Coordinates in which a cavity is standard normal, the first along the lines.

use fg_core::factor::Breakdown;
use fg_core::message::small;

use super::LONGEST;

/// The Gaussian that rows of a cavity share, in the form `z = r + L u` with `L L' = Gamma^-1`.
pub(crate) struct Whitening<'a> {
    /// `L`, `d x d`, upper triangular.
    pub(crate) root: &'a mut [f64],
    /// Variances of single units, the diagonal of `Gamma^-1`, as whole registers.
    pub(crate) variances: &'a mut [f64],
    /// `log det Gamma`.
    pub(crate) log_determinant: f64,
}

impl<'a> Whitening<'a> {
    /// Values needed by [`new`](Self::new).
    pub(crate) fn len(d: usize) -> usize {
        2 * d * d + d.next_multiple_of(LONGEST)
    }

    /// Whitens the Gaussian of this precision.
    pub(crate) fn new(
        precision: &[f64],
        first_row: usize,
        d: usize,
        memory: &'a mut [f64],
    ) -> Result<Self, Breakdown> {
        let (root, rest) = memory.split_at_mut(d * d);
        let (factor, variances) = rest.split_at_mut(d * d);
        factor.copy_from_slice(precision);
        small::cholesky(factor, d)
            .map_err(|_| Breakdown::ImproperCavity { port: 0, row: first_row })?;
        let log_determinant = (0..d).map(|j| 2.0 * factor[j * d + j].ln()).sum();
        small::invert_lower(factor, root, d);
        factor.copy_from_slice(root);
        small::transpose(factor, root, d);
        variances.fill(0.0);
        for (j, v) in variances[..d].iter_mut().enumerate() {
            *v = root[j * d..(j + 1) * d].iter().map(|x| x * x).sum();
        }
        if root.iter().all(|v| v.is_finite()) {
            Ok(Self { root, variances, log_determinant })
        } else {
            Err(Breakdown::ImproperCavity { port: 0, row: first_row })
        }
    }
}

/// `map = L H` with the Householder reflection `H = I - 2 v v' / v'v` whose first column is the unit vector `axis`, up to
/// sign; `root` is `L`, `d x d`.
#[inline(always)]
pub(crate) fn reflect(axis: &[f64], root: &[f64], map: &mut [f64]) {
    let d = axis.len();
    let sign = if axis[0] < 0.0 { -1.0 } else { 1.0 };
    let first = axis[0] + sign;
    // v = axis + sign e_1 is never small; v'v = 2 (1 + |axis_1|).
    let scale = 2.0 / (2.0 * (1.0 + axis[0].abs()));
    for j in 0..d {
        let (row, out) = (&root[j * d..(j + 1) * d], &mut map[j * d..(j + 1) * d]);
        let mut along = row[0] * first;
        for k in 1..d {
            along = row[k].mul_add(axis[k], along);
        }
        along *= scale;
        out[0] = (-along).mul_add(first, row[0]);
        for k in 1..d {
            out[k] = (-along).mul_add(axis[k], row[k]);
        }
    }
}
