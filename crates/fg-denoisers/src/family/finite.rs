//! What a value may be that may be anything: finite.

use fg_core::denoiser::{RowCavity, RowEstimate};
use fg_core::factor::Breakdown;

/// Refuses data other than one finite value, of this name.
pub(crate) fn check(observed: &[f64], name: &str) -> Result<(), String> {
    match observed {
        [y] if y.is_finite() => Ok(()),
        _ => Err(format!("{name} must be finite, got {observed:?}")),
    }
}

/// Refuses rows that aren't numbers.
pub(crate) fn answers(cavity: &RowCavity<'_>, out: &RowEstimate<'_>) -> Result<(), Breakdown> {
    let mut found = out.mean.iter().zip(&*out.covariance);
    match found.position(|(mean, variance)| !(mean.is_finite() && variance.is_finite())) {
        Some(i) => Err(Breakdown::NotFinite { port: 0, row: cavity.first_row() + i }),
        None => Ok(()),
    }
}
