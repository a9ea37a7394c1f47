//! The estimate is the gradient of the log-partition function by `n`, the covariance its Hessian.

use super::input::Input;
use super::one_port::{Estimate, OnePort};
use super::{Violation, across, demand};
use crate::denoiser::{Estimation, Scratch};
use crate::message::small;

/// Step of the differences in `n`, in units of one over the deviation of the estimate.
const STEP: f64 = 1e-3;
/// What is left of a smooth function's truncation error after one extrapolation, relative to the scale of the result.
const TRUNCATION: f64 = 1e-9;
/// Share of the extrapolation's correction that its own error may have: the next term is smaller by `STEP` squared
/// times a ratio of cumulants that is large where a law is far from Gaussian.
const CORRECTION: f64 = 0.02;
/// Rounding errors of a function value in units of its size.
const ROUNDINGS: f64 = 64.0 * f64::EPSILON;
/// One-sided slopes that differ by more than this, relative, are the two sides of a kink.
const KINK: f64 = 0.05;

/// A derivative and how far it can be trusted.
pub(super) struct Slope {
    pub(super) value: f64,
    pub(super) correction: f64,
    /// The slopes to both sides, extrapolated to no step.
    pub(super) sides: (f64, f64),
    /// The slopes to both sides differ: the function has a kink within the step.
    pub(super) kinked: bool,
}

/// Central differences of step `h` and `h / 2`, extrapolated; `f(t)` is the function `t` steps away.
pub(super) fn slope(f: [f64; 5], h: f64) -> Slope {
    let [far_left, left, middle, right, far_right] = f;
    let coarse = (far_right - far_left) / (2.0 * h);
    let fine = (right - left) / h;
    let (before, after) = (2.0 * (middle - left) / h, 2.0 * (right - middle) / h);
    let kinked = (after - before).abs() > KINK * before.abs().max(after.abs());
    let sides = (2.0 * before - (middle - far_left) / h, 2.0 * after - (far_right - middle) / h);
    Slope { value: fine + (fine - coarse) / 3.0, correction: (fine - coarse).abs(), sides, kinked }
}

/// Multiples of the step at which functions are taken.
pub(super) const STENCIL: [f64; 5] = [-1.0, -0.5, 0.0, 0.5, 1.0];

/// The step of each row for column `j`, and the deviation that it is measured by.
fn steps(
    subject: OnePort<'_>,
    input: &Input,
    estimate: &Estimate,
    j: usize,
) -> (Vec<f64>, Vec<f64>) {
    let d = input.columns();
    let fallback = 1.0 / (1.0 + input.precision()[j * d + j]).sqrt();
    // Next to one of its points the deviation of a discrete row is exponentially small, unlike the scale of its changes.
    let discrete = subject.discrete(d);
    let deviation = |i: usize| {
        let variance = estimate.covariance[i * d * d + j * d + j];
        // A maximiser in its dead zone has no deviation of its own; that of the cavity is as good.
        let usable = variance > 0.0 && !discrete && subject.estimation() == Estimation::Mmse;
        if usable { variance.sqrt() } else { fallback }
    };
    let deviations: Vec<f64> = (0..input.rows()).map(deviation).collect();
    (deviations.iter().map(|s| STEP / s).collect(), deviations)
}

/// Whether the cavity says nothing: heavy tails then have moments at `n = 0` and nowhere around it.
fn vacuous(input: &Input) -> bool {
    input.precision().iter().all(|&p| p == 0.0)
}

/// Of averages over points the integral of the estimate over two deviations decides where its derivative is off: what an error
/// changes by from place to place is no part of what is declared.
pub(super) fn gradient(subject: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    match gradient_at(subject, input) {
        Err(_) if averaged(subject, input) => across::gradient(subject, input),
        found => found,
    }
}

/// As [`gradient`].
pub(super) fn jacobian(subject: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    match jacobian_at(subject, input) {
        Err(_) if averaged(subject, input) => across::jacobian(subject, input),
        found => found,
    }
}

/// Whether posterior means declare an error here.
fn averaged(subject: OnePort<'_>, input: &Input) -> bool {
    let found = subject.estimate(&input.cavity(), &mut Scratch::default());
    subject.estimation() == Estimation::Mmse && found.is_ok_and(|found| found.standard_error > 0.0)
}

fn gradient_at(subject: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "gradient";
    if subject.log_partition(&input.cavity()).is_none() {
        return Ok(());
    }
    let name = subject.name();
    let estimate = subject
        .estimate(&input.cavity(), &mut Scratch::default())
        .map_err(|e| subject.refused(LAW, input, e))?;
    let d = input.columns();
    let sampling = estimate.sampling(d);
    for j in 0..d {
        let (h, deviations) = steps(subject, input, &estimate, j);
        let values = STENCIL.map(|t| subject.log_partition(&input.moved(j, &h, t).cavity()));
        if vacuous(input) && values.iter().any(Option::is_none) {
            continue;
        }
        let values = values.map(Option::unwrap_or_default);
        for i in 0..input.rows() {
            let f = [0, 1, 2, 3, 4].map(|k| values[k].get(i).copied().unwrap_or(f64::NAN));
            let derivative = slope(f, h[i]);
            let found = estimate.mean[i * d + j];
            let tolerance = TRUNCATION * (deviations[i] + found.abs())
                + sampling * deviations[i]
                + CORRECTION * derivative.correction
                + ROUNDINGS * (f[2].abs() + 1.0) / h[i];
            // The maximum is convex in n; where it has a kink, maximisers are many, and all between its slopes are.
            let differs = !((found - derivative.value).abs() <= tolerance);
            let expected = match derivative.sides {
                (before, after) if differs && subject.estimation() == Estimation::Map => {
                    found.max(before).min(after)
                }
                _ => derivative.value,
            };
            demand((&name, LAW), || input.describe(i), (found, expected), tolerance)?;
        }
    }
    Ok(())
}

fn jacobian_at(subject: OnePort<'_>, input: &Input) -> Result<(), Violation> {
    const LAW: &str = "jacobian";
    if !subject.separable() {
        return Ok(()); // the averaged Jacobian of a coupled estimator isn't that of a row
    }
    let name = subject.name();
    let mut scratch = Scratch::default();
    let mut run = |input: &Input| {
        subject.estimate(&input.cavity(), &mut scratch).map_err(|e| subject.refused(LAW, input, e))
    };
    // An estimator that works from the mean needs a precision, which zero isn't.
    let Ok(estimate) = run(input) else { return Ok(()) };
    let d = input.columns();
    let sampling = estimate.sampling(d);
    for j in 0..d {
        let (h, deviations) = steps(subject, input, &estimate, j);
        let mut values = Vec::with_capacity(STENCIL.len());
        for t in STENCIL {
            match run(&input.moved(j, &h, t)) {
                Err(_) if vacuous(input) => break,
                answer => values.push(answer?),
            }
        }
        if values.len() < STENCIL.len() {
            continue;
        }
        for i in 0..input.rows() {
            for k in 0..d {
                let f = [0, 1, 2, 3, 4].map(|t| values[t].mean[i * d + k]);
                let derivative = slope(f, h[i]);
                if derivative.kinked && subject.estimation() == Estimation::Map {
                    continue;
                }
                let matrix = &estimate.covariance[i * d * d..(i + 1) * d * d];
                let found = matrix[k * d + j];
                let tolerance = TRUNCATION * (deviations[i] * deviations[i] + found.abs())
                    + sampling * small::trace(matrix, d)
                    + CORRECTION * derivative.correction
                    + ROUNDINGS * (f[2].abs() + deviations[i]) / h[i];
                demand((&name, LAW), || input.describe(i), (found, derivative.value), tolerance)?;
            }
        }
    }
    Ok(())
}
