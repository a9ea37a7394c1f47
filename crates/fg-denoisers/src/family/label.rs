//! What a label of two classes may be.

/// Refuses data other than one label -1 or 1.
pub(crate) fn check(observed: &[f64]) -> Result<(), String> {
    match observed {
        [y] if (y.abs() - 1.0).abs() == 0.0 => Ok(()),
        _ => Err(format!("label must be -1 or 1, got {observed:?}")),
    }
}
