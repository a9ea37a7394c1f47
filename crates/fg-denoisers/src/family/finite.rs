//! What a value may be that may be anything: finite.

/// Refuses data other than one finite value, of this name.
pub(crate) fn check(observed: &[f64], name: &str) -> Result<(), String> {
    match observed {
        [y] if y.is_finite() => Ok(()),
        _ => Err(format!("{name} must be finite, got {observed:?}")),
    }
}
