//! Products that are smooth on the whole line: points of a lattice that rows near each other share, with their densities.
//!
//! Rows of one precision differ by a factor `exp(t x)`. At equal steps it is a product from one point to the next, whatever the
//! density is: its function is called at the points of a lattice once for all rows that are near enough to each other for their
//! masses to lie there, and a row takes no exponential at a point. Equal steps are exact to rounding where they are short enough
//! for what is integrated; every row compares the even points with the odd ones, each of which are a rule of twice the step.

use fg_core::special::exp::exp_moderate;
use fg_core::special::number::Number;

use crate::family::curve::Tilt;
use crate::family::formula::Formula;

/// Steps in deviations of the sharpest peak: of a Gaussian the rules of twice the step are off by `3e-11`.
const STEP: f64 = 0.45;
/// By how much both rules may differ, as a share. The error of all points is a smaller one: of a Gaussian the fourth power; of a
/// pole off the axis it is the square but for the pole's own weight, so that a sharp one that hardly counts leaves `1e-11`.
const AGREEMENT: f64 = 1e-9;
/// Points at most: rows that need more have lattices of their own.
pub(super) const MOST: usize = 128;
/// Points at which curvatures are looked at.
const LOOK: usize = 64;
/// What lies this many nats below the highest point is left out, squares of distances in steps included.
const DEPTH: f64 = 42.0;
/// The largest exponent that rows differ by: what has underflowed doesn't come back.
const APART: f64 = 300.0;
/// The largest exponent of a point beside the density: rows that are further off are left open.
const FARTHEST: f64 = 600.0;

/// Values of memory, for so many points beside the density.
pub(super) fn memory(points: usize) -> usize {
    MOST + 2 * points
}

/// The density at equal steps under a tilt between two others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lattice<'a> {
    natural: f64,
    centre: f64,
    step: f64,
    /// Number of the first point from the centre.
    first: f64,
    /// An even number of them, relative to the largest.
    weights: &'a [f64],
    /// Offset from the centre and logarithm, relative to the same, of each point beside the density.
    points: &'a [f64],
}

/// What is put on a lattice.
pub(super) struct Density<'a> {
    /// Its logarithm.
    pub(super) log: &'a dyn Fn(f64) -> f64,
    /// Places and log-weights beside it.
    pub(super) points: &'a [(f64, f64)],
    pub(super) gamma: f64,
}

impl<'a> Lattice<'a> {
    /// For natural parameters between two values, of which all mass lies between two places; none where it takes too many points,
    /// or where the density isn't positive everywhere.
    pub(super) fn new(
        density: &Density<'_>,
        (least, most): (f64, f64),
        ends: (f64, f64),
        memory: &'a mut [f64],
    ) -> Option<Self> {
        let Density { log, points, gamma } = *density;
        let (curvature, (low, high)) = look(density, (least, most), ends)?;
        let step = STEP / curvature.sqrt();
        let half = 0.5 * (high - low) / step;
        if !(half <= 0.5 * MOST as f64 - 1.0) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of points, bounded above"
        )]
        let count = 2 * (half.ceil() as usize + 1).min(MOST / 2);
        let (centre, first) = (0.5 * (low + high), -0.5 * (count as f64 - 1.0));
        let (natural, base) = (0.5 * (least + most), log(centre));
        let (weights, rest) = memory.split_at_mut(MOST);
        let weights = &mut weights[..count];
        let number = |k: usize| first + k as f64;
        // Differences from the centre, which may be many deviations from zero.
        let slope = Tilt { n: natural, gamma }.slope(centre);
        let rise = |offset: f64| offset * (slope - 0.5 * gamma * offset);
        for (k, weight) in weights.iter_mut().enumerate() {
            let offset = step * number(k);
            *weight = log(centre + offset) - base + rise(offset);
        }
        if weights.iter().any(|w| !w.is_finite()) {
            return None;
        }
        // Rows are between the two at the ends, and so is their mass.
        let reach = 0.5 * (most - least) * step;
        let own = |k: usize, tilt: f64| weights[k] + tilt * number(k);
        let top = |tilt: f64| (0..count).map(|k| own(k, tilt)).fold(f64::NEG_INFINITY, f64::max);
        let (lowest, highest) = (top(-reach) - DEPTH, top(reach) - DEPTH);
        let start = (0..count).find(|&k| own(k, -reach) > lowest)?;
        let end = (0..count).rev().find(|&k| own(k, reach) > highest)? + 1;
        // An even number again.
        let start = if (end - start).is_multiple_of(2) { start } else { start.max(1) - 1 };
        let end = if (end - start).is_multiple_of(2) { end } else { end + 1 };
        if !(start < end && end <= count && reach * number(0).abs() <= APART) {
            return None;
        }
        let largest = top(0.0);
        weights.iter_mut().for_each(|w| *w = (*w - largest).exp());
        for (kept, &(x, weight)) in rest.chunks_exact_mut(2).zip(points) {
            let offset = x - centre;
            kept.copy_from_slice(&[offset, weight - base + rise(offset) - largest]);
        }
        let (weights, points) = (&weights[start..end], &rest[..2 * points.len()]);
        Some(Self { natural, centre, step, first: number(start), weights, points })
    }

    /// The same for natural parameters of a cavity, to which Gaussian factors have added this much.
    pub(super) fn behind(self, natural: f64) -> Self {
        Self { natural: self.natural - natural, ..self }
    }

    /// Sums over all points, and whether even and odd ones agree.
    #[inline(always)]
    fn sums<N: Number>(&self, t: N) -> ([N; 3], N) {
        let (zero, one) = (t.constant(0.0), t.constant(1.0));
        let rate = t * t.constant(self.step);
        let growth = exp_moderate(rate);
        let square = growth * growth;
        let mut power = exp_moderate(rate * t.constant(self.first));
        let mut other = power * growth;
        let (mut even, mut odd, mut count) = ([zero; 3], [zero; 3], self.first);
        for kept in self.weights.chunks_exact(2) {
            add(&mut even, power * t.constant(kept[0]), t.constant(count));
            add(&mut odd, other * t.constant(kept[1]), t.constant(count + 1.0));
            power = power * square;
            other = other * square;
            count += 2.0;
        }
        let mass = even[0] + odd[0];
        let second = even[2] + odd[2];
        let off = (even[0] - odd[0]).abs() + (even[2] - odd[2]).abs() / (second + mass) * mass;
        let agree = (mass * t.constant(AGREEMENT)).if_above(off, one, zero);
        ([mass, even[1] + odd[1], second], agree)
    }
}

/// Adds a weight, and its products with a number and its square.
#[inline(always)]
fn add<N: Number>(sums: &mut [N; 3], weight: N, k: N) {
    let first = weight * k;
    *sums = [sums[0] + weight, sums[1] + first, first.mul_add(k, sums[2])];
}

/// The largest curvature at a place that may be a peak of some row, and the places between which there is mass.
fn look(
    density: &Density<'_>,
    (least, most): (f64, f64),
    (low, high): (f64, f64),
) -> Option<(f64, (f64, f64))> {
    let Density { log, gamma, .. } = *density;
    let step = (high - low) / (LOOK - 1) as f64;
    if !(step > 0.0 && step.is_finite()) {
        return None;
    }
    let at = |k: usize| low + step * k as f64;
    let mut logs = [0.0; LOOK];
    logs.iter_mut().enumerate().for_each(|(k, own)| *own = log(at(k)));
    let mut largest = gamma;
    for k in 1..LOOK - 1 {
        let (before, after) = (logs[k] - logs[k - 1], logs[k + 1] - logs[k]);
        let curvature = gamma + (before - after) / (step * step);
        let natural = gamma * at(k) - (before + after) / (2.0 * step);
        // Up to a deviation from the peak.
        let near = curvature.max(gamma).sqrt();
        if least - near <= natural && natural <= most + near {
            largest = largest.max(curvature);
        }
    }
    let middle = 0.5 * (low + high);
    let own = |k: usize, n: f64| logs[k] + Tilt { n, gamma }.rise(at(k), middle);
    let top = |n: f64| (0..LOOK).map(|k| own(k, n)).fold(f64::NEG_INFINITY, f64::max) - DEPTH;
    let (lowest, highest) = (top(least), top(most));
    let start = (0..LOOK).find(|&k| own(k, least) > lowest)?;
    let end = (0..LOOK).rev().find(|&k| own(k, most) > highest)?;
    let ends = (at(start.max(1) - 1), at((end + 1).min(LOOK - 1)));
    (largest > 0.0 && largest.is_finite() && ends.0 < ends.1).then_some((largest, ends))
}

impl Formula<1> for Lattice<'_> {
    const OPEN: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let (zero, one, half) = (n.constant(0.0), n.constant(1.0), n.constant(0.5));
        let (step, nothing) = (n.constant(self.step), n.constant(f64::NAN));
        let t = n - n.constant(self.natural);
        let ([mass, first, second], agree) = self.sums(t);
        let inverse = one / mass;
        let shift = first * inverse;
        let mut mean = shift * step;
        let mut variance = second.mul_add(inverse, -(shift * shift)) * (step * step);
        let mut total = mass * step;
        for kept in self.points.chunks_exact(2) {
            // Two parts at a time: sums of positive terms, and means next to the heavier one.
            let offset = n.constant(kept[0]);
            let exponent = offset.mul_add(t, n.constant(kept[1]));
            let limit = n.constant(FARTHEST);
            let own = exponent.if_above(limit, nothing, exp_moderate(exponent.at_most(limit)));
            let apart = offset - mean;
            let inverse = one / (total + own);
            let (p, q) = (total * inverse, own * inverse);
            mean = q.if_above(half, offset - p * apart, q.mul_add(apart, mean));
            variance = (p * q * apart).mul_add(apart, p * variance);
            total = total + own;
        }
        [agree.if_above(zero, n.constant(self.centre) + mean, nothing), variance]
    }
}
