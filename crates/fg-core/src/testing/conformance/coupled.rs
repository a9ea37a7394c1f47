//! Laws of estimators that look at all rows together: gradient and average Jacobian over all of them.

use super::calculus::{STENCIL, slope};
use super::case::Case;
use super::input::Input;
use super::one_port::OnePort;
use super::{Violation, accepted, demand};
use crate::denoiser::{Denoiser, Scratch};

/// Step of the differences, in units of the root of the precision.
const STEP: f64 = 1e-3;
/// What differences leave of a smooth function, and of an inner iteration's tolerance, relative to the scale.
const ACCURACY: f64 = 1e-6;
/// Standard errors that an average by sampling may be off.
const STANDARD_ERRORS: f64 = 6.0;

/// Holds an estimator of all rows together to the laws that those of single rows can't: each entry of the estimate is the
/// derivative of the summed log-partition function, and the average covariance that of the estimate, averaged over rows.
/// `O(rows d)` estimates for each of a few precisions; those that the estimator refuses are left out, unless it refuses all.
pub(super) fn coupled(case: &Case<'_>) -> Result<(), Violation> {
    let OnePort::Denoiser(denoiser) = case.node else { return Ok(()) };
    let mut tried = false;
    for input in case.inputs() {
        if case.node.estimate(&input.cavity(), &mut Scratch::default()).is_ok() {
            tried = true;
            compare(denoiser, &input)?;
        }
    }
    accepted((&denoiser.name(), "coupled"), tried)
}

fn compare(denoiser: &dyn Denoiser, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "coupled";
    let subject = OnePort::Denoiser(denoiser);
    let name = subject.name();
    let mut scratch = Scratch::default();
    // What a former call left in memory must not matter.
    scratch.slice(64 * input.natural().len()).fill(f64::NAN);
    let mut run = |input: &Input| {
        subject.estimate(&input.cavity(), &mut scratch).map_err(|e| subject.refused(LAW, input, e))
    };
    let (n, d) = (input.rows(), input.columns());
    let here = run(input)?;
    let error = ACCURACY + STANDARD_ERRORS * here.standard_error;
    let mut jacobian = vec![0.0; d * d];
    for j in 0..d {
        let root = (1.0 + input.precision()[j * d + j]).sqrt();
        let h = STEP * root;
        for i in 0..n {
            let mut steps = vec![0.0; n];
            steps[i] = h;
            let (mut values, mut totals) = (Vec::new(), Vec::new());
            for t in STENCIL {
                let moved = input.moved(j, &steps, t);
                values.push(run(&moved)?.mean);
                totals.push(subject.log_partition(&moved.cavity()).map(|v| v.iter().sum::<f64>()));
            }
            for k in 0..d {
                let f = [0, 1, 2, 3, 4].map(|t| values[t][i * d + k]);
                jacobian[k * d + j] += slope(f, h).value / n as f64;
            }
            if let [Some(a), Some(b), Some(c), Some(e), Some(f)] = totals[..] {
                let found = here.mean[i * d + j];
                let pair = (found, slope([a, b, c, e, f], h).value);
                let rounding = 64.0 * f64::EPSILON * (c.abs() + 1.0) / h;
                let tolerance = ACCURACY * (1.0 / root + found.abs()) + rounding;
                demand((&name, LAW), || input.describe(i), pair, tolerance)?;
            }
        }
    }
    let scale = 1.0 / (0..d).map(|j| input.precision()[j * d + j]).fold(0.0, f64::max);
    for k in 0..d * d {
        let column = here.covariance.iter().skip(k).step_by(d * d);
        let average = column.sum::<f64>() / n as f64;
        let at = || format!("all rows, {input:?}");
        demand((&name, LAW), at, (average, jacobian[k]), error * scale)?;
    }
    Ok(())
}
