//! Slow and obvious answers: quadrature of a density in one dimension, and costs around a maximiser.

use super::case::Case;
use super::input::Input;
use super::one_port::{Estimate, OnePort};
use super::{Subject, Violation, accepted, demand, demand_finite};
use crate::denoiser::Scratch;
use crate::message::small;

/// A law of one column written as a formula, to hold a fast estimator against.
pub struct Density<'a> {
    /// Logarithm of the continuous part.
    pub log: &'a dyn Fn(f64) -> f64,
    /// Outside of this interval the continuous part vanishes; infinite ends are none.
    pub support: (f64, f64),
    /// Where the continuous part has kinks or jumps.
    pub breaks: &'a [f64],
    /// Points of positive probability, with the logarithm of their weight.
    pub atoms: &'a [(f64, f64)],
}

/// Simpson's panels between two breaks: a step of a thousandth of a deviation.
const PANELS: usize = 20_000;
/// What lies this many nats below the peak is left out.
const DEPTH: f64 = 60.0;
/// Mean (in deviations) and variance (relative) in the bulk.
const BULK: f64 = 1e-10;
/// The same beyond ten deviations of the cavity.
const TAIL: f64 = 1e-6;

struct Moments {
    log_partition: f64,
    mean: f64,
    variance: f64,
}

impl Density<'_> {
    /// Integrates the tilted density over all that is within [`DEPTH`] nats of its peak.
    ///
    /// The continuous part must have a single peak under the tilt, within `reach` of the origin.
    fn moments(&self, n: f64, gamma: f64, reach: f64) -> Moments {
        let exponent = |x: f64| (self.log)(x) + n * x - 0.5 * gamma * x * x;
        let (first, last) = (self.support.0.max(-reach), self.support.1.min(reach));
        let (mut low, mut high) = (first, last);
        // Ternary search: 300 steps shrink any interval to rounding.
        for _ in 0..300 {
            let third = (high - low) / 3.0;
            if exponent(low + third) < exponent(high - third) {
                low += third;
            } else {
                high -= third;
            }
        }
        let inside = self.breaks.iter().copied().filter(|b| (first..=last).contains(b));
        let candidates = inside.chain([0.5 * (low + high)]);
        let peak = candidates.max_by(|a, b| exponent(*a).total_cmp(&exponent(*b))).unwrap_or(0.0);
        let height = exponent(peak);
        let end = |direction: f64| {
            let (mut inside, mut outside) = (0.0, reach * 1e-18);
            while exponent(peak + direction * outside) > height - DEPTH {
                inside = outside;
                outside *= 2.0;
            }
            for _ in 0..60 {
                let middle = 0.5 * (inside + outside);
                if exponent(peak + direction * middle) > height - DEPTH {
                    inside = middle;
                } else {
                    outside = middle;
                }
            }
            peak + direction * outside
        };
        let (first, last) = (end(-1.0).max(self.support.0), end(1.0).min(self.support.1));
        let mut edges = vec![first, last, peak];
        edges.extend(self.breaks.iter().filter(|&&b| b > first && b < last));
        edges.sort_by(f64::total_cmp);

        let top =
            self.atoms.iter().map(|&(x, w)| w + n * x - 0.5 * gamma * x * x).fold(height, f64::max);
        let mut points = Vec::new();
        for pair in edges.windows(2) {
            let h = (pair[1] - pair[0]) / PANELS as f64;
            for k in 0..=PANELS {
                let x = if k == PANELS { pair[1] } else { pair[0] + h * k as f64 };
                let weight = match k {
                    0 | PANELS => 1.0,
                    k if k % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                // Just inside the panel, so that a jump at its end counts on the right side.
                let inside =
                    x.clamp(pair[0].next_up().min(pair[1]), pair[1].next_down().max(pair[0]));
                points.push((x, weight * h / 3.0 * (exponent(inside) - top).exp()));
            }
        }
        for &(x, w) in self.atoms {
            points.push((x, (w + n * x - 0.5 * gamma * x * x - top).exp()));
        }
        let total: f64 = points.iter().map(|p| p.1).sum();
        let mean = peak + points.iter().map(|p| p.1 * (p.0 - peak)).sum::<f64>() / total;
        let variance =
            points.iter().map(|p| p.1 * (p.0 - mean) * (p.0 - mean)).sum::<f64>() / total;
        Moments { log_partition: top + total.ln(), mean, variance }
    }
}

/// Compares log-partition, mean and variance of one column with quadrature, at cavities of precisions 0.01 to 1e4 and
/// means up to 30 deviations.
///
/// # Errors
/// The first [`Violation`]; also for a subject that is no estimator of one port.
pub fn check_against_density(subject: Subject<'_>, density: &Density<'_>) -> Result<(), Violation> {
    integrate(subject.one_port("density")?, density)
}

/// The same for a density that is claimed.
pub(super) fn integrals(case: &Case<'_>) -> Result<(), Violation> {
    case.claims.density.map_or(Ok(()), |density| integrate(case.node, density))
}

fn integrate(subject: OnePort<'_>, density: &Density<'_>) -> Result<(), Violation> {
    const LAW: &str = "density";
    let name = subject.name();
    for gamma in [0.01, 0.3, 1.0, 8.0, 1e2, 1e4] {
        for deviations in [-30.0, -8.0, -2.3, -0.4, 0.0, 0.7, 3.1, 12.0, 30.0] {
            let deviation = 1.0 / f64::sqrt(gamma);
            let mean = deviations * deviation;
            let input = Input::from_mean(1, &[mean], vec![gamma]);
            let estimate = subject
                .estimate(&input.cavity(), &mut Scratch::default())
                .map_err(|e| subject.refused(LAW, &input, e))?;
            let reach = 1e3 * (1.0 + deviation + mean.abs());
            let exact = density.moments(gamma * mean, gamma, reach);
            let accuracy = if f64::abs(deviations) > 10.0 { TAIL } else { BULK };
            let label = (&*name, LAW);
            let at = || input.describe(0);
            let spread = exact.variance.sqrt();
            let tolerance = accuracy * (spread + exact.mean.abs());
            demand(label, at, (estimate.mean[0], exact.mean), tolerance)?;
            demand(label, at, (estimate.covariance[0], exact.variance), accuracy * exact.variance)?;
            if let Some(log) = subject.log_partition(&input.cavity()) {
                let tolerance = BULK * (1.0 + exact.log_partition.abs());
                demand(label, at, (log[0], exact.log_partition), tolerance)?;
            }
        }
    }
    Ok(())
}

impl core::fmt::Debug for Density<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { log: _, support, breaks, atoms } = self;
        f.debug_struct("Density")
            .field("support", support)
            .field("breaks", breaks)
            .field("atoms", atoms)
            .finish_non_exhaustive()
    }
}

/// Demands that each MAP estimate is a minimum of `cost(x) + x' Gamma x / 2 - n'x`: no nearby point, along a column or
/// along a few oblique directions, costs less. The cost is that of a row, or of all rows where they are estimated together.
///
/// # Errors
/// The first [`Violation`]; also for a subject that is no estimator of one port.
pub fn check_maximiser(
    subject: Subject<'_>,
    input: &Input,
    cost: &dyn Fn(&[f64]) -> f64,
) -> Result<(), Violation> {
    let node = subject.one_port(MAXIMISER)?;
    let estimate = node
        .estimate(&input.cavity(), &mut Scratch::default())
        .map_err(|e| node.refused(MAXIMISER, input, e))?;
    compare(node, input, &estimate, cost)
}

/// The same for a cost that is claimed, on all examples that the estimator accepts: one that doesn't bound the unknown refuses
/// a cavity without information.
pub(super) fn minimum(case: &Case<'_>) -> Result<(), Violation> {
    let Some(cost) = case.claims.cost else { return Ok(()) };
    let mut tried = false;
    for input in case.inputs() {
        if let Ok(estimate) = case.node.estimate(&input.cavity(), &mut Scratch::default()) {
            tried = true;
            compare(case.node, &input, &estimate, cost)?;
        }
    }
    accepted((&case.node.name(), MAXIMISER), tried)
}

const MAXIMISER: &str = "maximiser";

fn compare(
    node: OnePort<'_>,
    input: &Input,
    estimate: &Estimate,
    cost: &dyn Fn(&[f64]) -> f64,
) -> Result<(), Violation> {
    let name = node.name();
    let columns = input.columns();
    // What has one cost: a row, or all of them.
    let d = if node.separable() { columns } else { input.natural().len() };
    let pieces = input.natural().chunks_exact(d).zip(estimate.mean.chunks_exact(d));
    for (i, (n, x)) in pieces.enumerate() {
        let total = |x: &[f64]| {
            let rows = x.chunks_exact(columns);
            let quadratic: f64 =
                rows.map(|x| small::bilinear(x, input.precision(), x, columns)).sum();
            cost(x) + 0.5 * quadratic - (0..d).map(|j| n[j] * x[j]).sum::<f64>()
        };
        let here = total(x);
        // Where the cost is infinite every neighbour may be as bad: no minimum.
        demand_finite((&name, MAXIMISER), || input.describe(i), here)?;
        let size = here.abs() + cost(x).abs() + (0..d).map(|j| (n[j] * x[j]).abs()).sum::<f64>();
        for direction in 0..4 * d {
            for step in [1e-1, 1e-3, 1e-5] {
                let moved: Vec<f64> = (0..d)
                    .map(|j| {
                        let along = if direction < 2 * d {
                            let sign = if direction % 2 == 0 { 1.0 } else { -1.0 };
                            if direction / 2 == j { sign } else { 0.0 }
                        } else {
                            (1.0 + direction as f64 + 2.0 * j as f64).sin()
                        };
                        x[j] + step * along * (1.0 + x[j].abs())
                    })
                    .collect();
                let gain = (here - total(&moved)).max(0.0);
                // Rounding of the costs themselves.
                let tolerance = 64.0 * f64::EPSILON * size;
                demand((&name, MAXIMISER), || input.describe(i), (gain, 0.0), tolerance)?;
            }
        }
    }
    Ok(())
}
