//! Refuses what doesn't fit what it goes with, or isn't finite, before anything is computed from it.

use fg_core::Rows;
use fg_core::denoiser::Likelihood;

use crate::ModelError;

/// Refuses any other shape.
pub(crate) fn shape(
    part: &'static str,
    expected: (usize, usize),
    found: (usize, usize),
) -> Result<(), ModelError> {
    if found == expected { Ok(()) } else { Err(ModelError::Shape { part, expected, found }) }
}

/// Refuses numbers that aren't finite.
pub(crate) fn finite(part: &'static str, rows: &Rows) -> Result<(), ModelError> {
    match rows.first_non_finite() {
        Some((row, _)) => Err(ModelError::NotFinite { part, row }),
        None => Ok(()),
    }
}

/// Refuses inputs of another number of columns.
pub(crate) fn inputs(columns: usize, inputs: &Rows) -> Result<(), ModelError> {
    if inputs.columns() == columns {
        return Ok(());
    }
    Err(ModelError::Inputs { columns, found: inputs.shape() })
}

/// Refuses a likelihood that is for another number of columns.
pub(crate) fn columns(likelihood: &dyn Likelihood, d: usize) -> Result<(), ModelError> {
    let Some(own) = likelihood.columns().filter(|own| *own != d) else { return Ok(()) };
    let reason = format!("it is for {own} columns, there are {d}");
    Err(ModelError::Data { likelihood: likelihood.name(), reason })
}

/// Refuses data that aren't of this number of rows, of as many outputs as the likelihood has for `d` columns, or that it can't
/// produce.
pub(crate) fn data(
    likelihood: &dyn Likelihood,
    (rows, d): (usize, usize),
    data: &Rows,
) -> Result<(), ModelError> {
    columns(likelihood, d)?;
    let refused = |reason| Err(ModelError::Data { likelihood: likelihood.name(), reason });
    if let Some(own) = likelihood.rows().filter(|own| *own != rows) {
        return refused(format!("it is for {own} rows, there are {rows}"));
    }
    shape("data", (rows, likelihood.outputs(d)), data.shape())?;
    finite("data", data)?;
    for i in 0..rows {
        let model = likelihood.row_model(i).unwrap_or(likelihood);
        if let Err(reason) = model.check(data.row(i)) {
            return refused(format!("row {i}: {reason}"));
        }
    }
    Ok(())
}
