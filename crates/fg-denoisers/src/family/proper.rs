//! The precisions that an estimator takes which needs a positive one of a simple form.

use fg_core::denoiser::RowCavity;
use fg_core::factor::Breakdown;
use fg_core::message::ColumnForm;

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
