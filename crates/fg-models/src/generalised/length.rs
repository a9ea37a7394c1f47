//! How uncertain the length of the unknown is, as a run that is pulled along its estimate tells.

use fg_core::{Inference, Solution, Status, VariableId};

use crate::ModelError;

/// The pull in units of the deviation that the rows' error bars claim along the estimate. The true deviation can be a hundred
/// times that, and the estimate then moves by a fifth of it: with a pull of one it would leave the linear range.
const PULL: f64 = 0.002;

/// The standard deviation of the length of the signal over its length, beyond what the rows' own error bars add up to; none
/// where the run or one of the pulled ones hasn't settled, or where there is no length.
pub(super) fn deviation(
    run: &mut Inference<'_>,
    signal: VariableId,
    solution: &Solution,
) -> Result<Option<f64>, ModelError> {
    let mut direction = solution.mean(signal).clone();
    let power = direction.norm_squared();
    if solution.report().status != Status::Converged || power == 0.0 {
        return Ok(None);
    }
    direction.as_mut_slice().iter_mut().for_each(|x| *x /= power.sqrt());
    let response = run.response(signal, &direction, PULL)?;
    let settled = response.status.iter().all(|status| *status == Status::Converged);
    let excess = (response.variance - response.claimed).max(0.0);
    Ok(settled.then(|| (excess / power).sqrt()))
}
