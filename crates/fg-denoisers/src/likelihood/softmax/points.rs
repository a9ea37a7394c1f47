//! Averages over weighted points of the Gaussian around the mode.

use core::f64::consts::TAU;

use fg_core::message::small;
use fg_core::special::points::GaussianPoints;

use super::climb::{Climb, log_sum};

/// Values of memory for `d` columns.
pub(super) fn len(d: usize) -> usize {
    4 * d
}

/// Writes mean and covariance and returns the log-partition; none where they aren't finite.
///
/// With the factor `L L'` of the Gaussian's precision, points are `mode + L^-T u` with weights
/// `exp(rise + u'u / 2)`, of the exponent relative to the mode.
pub(super) fn average(
    climb: &mut Climb<'_>,
    points: &GaussianPoints,
    (mean, covariance): (&mut [f64], &mut [f64]),
    memory: &mut [f64],
) -> Option<f64> {
    let d = mean.len();
    let (offset, rest) = memory.split_at_mut(d);
    let (z, rest) = rest.split_at_mut(d);
    let (pull, _) = rest.split_at_mut(d);
    let (mode, class) = (climb.place(), climb.class());
    small::row_times(mode, climb.precision(), pull, d);
    pull.iter_mut().zip(climb.natural()).for_each(|(p, n)| *p = n - *p);
    let base = log_sum(mode);
    let (mut mass, mut shift) = (0.0, f64::NEG_INFINITY);
    mean.fill(0.0);
    covariance.fill(0.0);
    for i in 0..points.count() {
        let mut square = 0.0;
        for (k, o) in offset.iter_mut().enumerate() {
            let u = points.component(k)[i];
            *o = u;
            square += u * u;
        }
        small::solve_lower_transposed(climb.factor(), offset, d);
        let mut rise = 0.5 * square - 0.5 * small::bilinear(offset, climb.precision(), offset, d);
        for j in 0..d {
            rise += pull[j] * offset[j];
            z[j] = mode[j] + offset[j];
        }
        rise += offset[class] - (log_sum(z) - base);
        // Weights are kept relative to the largest so far.
        if rise > shift {
            let fade = (shift - rise).exp();
            mass *= fade;
            mean.iter_mut().chain(covariance.iter_mut()).for_each(|v| *v *= fade);
            shift = rise;
        }
        let weight = (rise - shift).exp();
        mass += weight;
        for j in 0..d {
            mean[j] += weight * offset[j];
            for k in 0..d {
                covariance[j * d + k] += weight * (offset[j] * offset[k]);
            }
        }
    }
    mean.iter_mut().for_each(|m| *m /= mass);
    for j in 0..d {
        for k in 0..d {
            let entry = &mut covariance[j * d + k];
            *entry = *entry / mass - mean[j] * mean[k];
        }
    }
    mean.iter_mut().zip(mode).for_each(|(m, z)| *m += z);
    let log_volume: f64 = (0..d).map(|j| 0.5 * TAU.ln() - climb.factor()[j * d + j].ln()).sum();
    let log = climb.height() + log_volume + shift + (mass / points.count() as f64).ln();
    let finite = mean.iter().chain(&*covariance).all(|v| v.is_finite());
    (finite && log.is_finite()).then_some(log)
}
