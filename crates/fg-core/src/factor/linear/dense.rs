//! stub
use super::LinearFactor;
use crate::factor::{Belief, Breakdown, Cavity};
#[derive(Debug, Default)]
pub(super) struct DenseWorkspace {}
pub(super) fn beliefs(
    _: &LinearFactor,
    _: &[Cavity<'_>],
    _: &[bool],
    _: &mut [Belief],
    _: &mut DenseWorkspace,
) -> Result<(), Breakdown> {
    Ok(())
}
