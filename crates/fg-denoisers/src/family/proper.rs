//! The precisions that an estimator takes which needs a positive one of a simple form.

use fg_core::denoiser::RowCavity;
use fg_core::factor::Breakdown;
use fg_core::message::{ColumnForm, small};

/// Holds where the precision is diagonal and positive in every column.
///
/// # Errors
/// [`Breakdown::Form`] where it isn't diagonal, [`Breakdown::ImproperCavity`] where it isn't positive.
pub(crate) fn diagonal(cavity: &RowCavity<'_>) -> Result<(), Breakdown> {
    check(cavity, ColumnForm::Diagonal)
}

/// The precision `gamma > 0` of an isotropic cavity.
///
/// # Errors
/// [`Breakdown::Form`] where it isn't isotropic, [`Breakdown::ImproperCavity`] where it isn't positive.
pub(crate) fn isotropic(cavity: &RowCavity<'_>) -> Result<f64, Breakdown> {
    check(cavity, ColumnForm::Isotropic)?;
    Ok(cavity.precision()[0])
}

/// A pivot below this share of its diagonal entry is the rounding of zero.
const SINGULAR_PIVOT: f64 = 64.0 * f64::EPSILON;

/// Writes the inverse, `d x d`, of a positive definite precision of any form; `scratch` holds at least `2 d^2` values.
///
/// # Errors
/// [`Breakdown::ImproperCavity`] where it isn't positive definite.
pub(crate) fn inverse(
    cavity: &RowCavity<'_>,
    out: &mut [f64],
    scratch: &mut [f64],
) -> Result<(), Breakdown> {
    let (d, precision) = (cavity.columns(), cavity.precision());
    let improper = Breakdown::ImproperCavity { port: 0, row: cavity.first_row() };
    let factor = &mut scratch[..d * d];
    factor.copy_from_slice(precision);
    if small::cholesky(factor, d).is_err() {
        return Err(improper);
    }
    let mut diagonal = factor.iter().zip(precision).step_by(d + 1);
    if diagonal.any(|(l, gamma)| !(l * l > SINGULAR_PIVOT * gamma)) {
        return Err(improper);
    }
    small::invert_positive(precision, out, scratch, d).map_err(|_| improper)
}

fn check(cavity: &RowCavity<'_>, needed: ColumnForm) -> Result<(), Breakdown> {
    let (d, precision) = (cavity.columns(), cavity.precision());
    if !needed.holds(precision, d) {
        return Err(Breakdown::Form { port: 0, needed });
    }
    if precision.iter().step_by(d + 1).any(|gamma| !(*gamma > 0.0)) {
        return Err(Breakdown::ImproperCavity { port: 0, row: cavity.first_row() });
    }
    Ok(())
}
