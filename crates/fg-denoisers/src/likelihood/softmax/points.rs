//! Averages over weighted points of the Gaussian around the mode, and how far they differ between two halves of the points.

use core::f64::consts::TAU;
use core::ops::Range;

use fg_core::message::small;
use fg_core::special::points::GaussianPoints;

use super::climb::{Climb, log_sum};

/// Values of memory for `d` columns.
pub(super) fn len(d: usize) -> usize {
    5 * d + d * d
}

/// Where the moments of a row go.
pub(super) struct Moments<'a> {
    pub(super) mean: &'a mut [f64],
    pub(super) covariance: &'a mut [f64],
    /// Covariance of the first half of the points less that of the second.
    pub(super) difference: &'a mut [f64],
}

/// The exponent around the mode, at points of the Gaussian that the climb's factor describes.
struct Around<'a> {
    climb: &'a Climb<'a>,
    points: &'a GaussianPoints,
    /// Slope of the cavity's exponent at the mode.
    pull: &'a mut [f64],
    offset: &'a mut [f64],
    z: &'a mut [f64],
    /// Log-sum at the mode.
    base: f64,
}

/// Writes the moments and returns the log-partition; none where they aren't finite.
///
/// With the factor `L L'` of the Gaussian's precision, points are `mode + L^-T u` with weights
/// `exp(rise + u'u / 2)`, of the exponent relative to the mode.
pub(super) fn average(
    climb: &Climb<'_>,
    points: &GaussianPoints,
    out: &mut Moments<'_>,
    memory: &mut [f64],
) -> Option<f64> {
    let Moments { mean, covariance, difference } = out;
    let d = mean.len();
    let (offset, rest) = memory.split_at_mut(d);
    let (z, rest) = rest.split_at_mut(d);
    let (pull, rest) = rest.split_at_mut(d);
    let (other, rest) = rest.split_at_mut(d);
    let other_covariance = &mut rest[..d * d];
    small::row_times(climb.place(), climb.precision(), pull, d);
    pull.iter_mut().zip(climb.natural()).for_each(|(p, n)| *p = n - *p);
    let mut around = Around { climb, points, pull, offset, z, base: log_sum(climb.place()) };
    let half = points.count() / 2;
    let first = around.sum(0..half, mean, covariance);
    let second = around.sum(half..2 * half, other, other_covariance);
    let top = first.max(second);
    let masses = [first, second].map(|log| (log - top).exp());
    let total = masses[0] + masses[1];
    let share = masses[1] / total;
    for j in 0..d {
        for k in 0..d {
            let (a, b) = (covariance[j * d + k], other_covariance[j * d + k]);
            let apart = (other[j] - mean[j]) * (other[k] - mean[k]);
            difference[j * d + k] = a - b;
            covariance[j * d + k] = a + share * (b - a + (1.0 - share) * apart);
        }
    }
    for (m, (b, mode)) in mean.iter_mut().zip(other.iter().zip(climb.place())) {
        *m += share * (*b - *m) + mode;
    }
    let log_volume: f64 = (0..d).map(|j| 0.5 * TAU.ln() - climb.factor()[j * d + j].ln()).sum();
    let log = climb.height() + log_volume + top + (total / points.count() as f64).ln();
    let finite = mean.iter().chain(&**covariance).all(|v| v.is_finite());
    (finite && log.is_finite()).then_some(log)
}

impl Around<'_> {
    /// Mean and covariance of the offset from the mode over these points; returns the logarithm of the sum of weights.
    fn sum(&mut self, range: Range<usize>, mean: &mut [f64], covariance: &mut [f64]) -> f64 {
        let d = mean.len();
        let (mut mass, mut shift) = (0.0, f64::NEG_INFINITY);
        mean.fill(0.0);
        covariance.fill(0.0);
        for i in range {
            let rise = self.rise(i);
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
                mean[j] += weight * self.offset[j];
                for k in 0..d {
                    covariance[j * d + k] += weight * (self.offset[j] * self.offset[k]);
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
        shift + mass.ln()
    }

    /// Writes the offset of point `i` and returns the logarithm of its weight.
    fn rise(&mut self, i: usize) -> f64 {
        let Self { climb, points, pull, offset, z, base } = self;
        let (d, class, mode) = (offset.len(), climb.class(), climb.place());
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
        rise + offset[class] - (log_sum(z) - *base)
    }
}
