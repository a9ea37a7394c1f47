//! Where a posterior of one column has its mass, and panels that resolve it.

use super::climb::{NEAR, between, summit};
use super::{Curve, Fault, Mark, Tilt};
use crate::family::Rule;

/// Nodes of a panel. With the panels of [`stride`] a pole that lies as far off the axis as a mark says leaves `1e-15`.
const NODES: usize = 24;
/// What lies this many nats below the highest peak, third powers of the distance included, is left out.
const DEPTH: f64 = 40.0;
/// An end is found when it lies this much deeper at most.
const SLACK: f64 = 15.0;
/// Moments up to the second one and the length of the tail itself: what a tail weighs is its density times this power of
/// the distance.
const POWER: f64 = 3.0;
/// Steps of the search for an end: doublings over the range of doubles, and bisections.
const SEARCH: usize = 2200;
/// Length of a panel relative to the lengths over which the exponent is smooth at its start.
const SHARE: f64 = 2.0 / 3.0;
/// A Gaussian peak is smooth over so many of its deviations for the rule.
const DEVIATIONS: f64 = 4.0;
/// A peak without curvature is taken to be of this share of its interval.
const FLAT: f64 = 0.125;
/// Peaks kept: one of the cavity, one of the curve and those between them.
const MOST: usize = 8;

/// The rule that panels are made for.
pub(crate) fn rule() -> Rule {
    Rule::of(NODES)
}

/// Peaks of `l(z) + n z - gamma z^2 / 2`, highest first, and disjoint intervals that hold all of its mass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peaks {
    at: [f64; MOST],
    /// Length over which each peak is smooth.
    width: [f64; MOST],
    peaks: usize,
    interval: [(f64, f64); MOST],
    intervals: usize,
}

/// The exponent relative to its highest peak.
struct Exponent<'a, C> {
    curve: &'a C,
    tilt: Tilt,
    top: f64,
    base: f64,
    slope: f64,
}

impl<'a, C: Curve> Exponent<'a, C> {
    fn new(curve: &'a C, tilt: Tilt, top: f64) -> Self {
        Self { curve, tilt, top, base: curve.value(top), slope: tilt.slope(top) }
    }

    #[inline]
    fn at(&self, offset: f64) -> f64 {
        let quadratic = offset * (self.slope - 0.5 * self.tilt.gamma * offset);
        self.curve.rise(self.top + offset, self.base) + quadratic
    }

    /// Whether what lies at `offset` counts, and how far below the limit it is where it doesn't.
    fn depth(&self, offset: f64, width: f64) -> f64 {
        self.at(offset) + POWER * (offset / width).abs().ln_1p() + DEPTH
    }

    /// Deviation of a peak by its curvature; infinite without one.
    fn deviation(&self, z: f64) -> f64 {
        let curvature = self.tilt.gamma - self.curve.slopes(z)[1];
        if curvature > 0.0 { curvature.sqrt().recip() } else { f64::INFINITY }
    }

    /// Where, from the peak at `offset` outwards, nothing counts any more.
    fn end(&self, offset: f64, outwards: f64, width: f64) -> Result<f64, Fault> {
        let support = self.curve.support();
        let limit = if outwards > 0.0 { support.1 - self.top } else { self.top - support.0 };
        let limit = limit - outwards * offset;
        let deviation = self.deviation(self.top + offset);
        let first = if deviation.is_finite() { deviation } else { self.curve.marks()[0].scale };
        let (mut inside, mut outside) = (0.0, first * (2.0 * DEPTH).sqrt());
        let mut bounded = false;
        for _ in 0..SEARCH {
            if outside >= limit && !bounded {
                return Ok(offset + outwards * limit);
            }
            let depth = self.depth(offset + outwards * outside, width);
            let step = outside - inside;
            if depth > 0.0 {
                inside = outside;
                outside = if bounded { outside + step } else { 2.0 * outside };
            } else if depth > -SLACK || step <= f64::EPSILON * (self.top.abs() + outside) {
                return Ok(offset + outwards * outside);
            } else {
                bounded = true;
                outside = 0.5 * (inside + outside);
            }
        }
        Err(Fault::Lost)
    }
}

/// How far a panel from `z` on may go for the sake of these features.
fn stride(z: f64, marks: impl Iterator<Item = Mark>) -> f64 {
    let reach = |m: Mark| SHARE * (m.scale + (z - m.centre).abs());
    marks.map(reach).fold(f64::INFINITY, f64::min)
}

impl Peaks {
    /// Finds them; the posterior must be proper.
    pub(crate) fn find(curve: &impl Curve, tilt: Tilt) -> Result<Self, Fault> {
        let zero = (0.0, 0.0);
        let mut found = Self {
            at: [0.0; MOST],
            width: [0.0; MOST],
            peaks: 0,
            interval: [zero; MOST],
            intervals: 0,
        };
        if curve.is_concave() {
            found.at[0] = summit(curve, tilt, NEAR)?;
            found.peaks = 1;
        } else {
            found.scan(curve, tilt)?;
        }
        found.enclose(&Exponent::new(curve, tilt, found.at[0]))?;
        Ok(found)
    }

    /// Place of the highest peak.
    pub(crate) fn top(&self) -> f64 {
        self.at[0]
    }

    /// The exponent at the highest peak.
    pub(crate) fn height(&self, curve: &impl Curve, tilt: Tilt) -> f64 {
        curve.log(curve.value(self.at[0])) + tilt.rise(self.at[0], 0.0)
    }

    /// Looks for turns of the slope between the cavity's mean and the curve's features.
    fn scan(&mut self, curve: &impl Curve, tilt: Tilt) -> Result<(), Fault> {
        let slope = |z: f64| curve.slopes(z)[0] + tilt.slope(z);
        let own = Mark { centre: tilt.n / tilt.gamma, scale: tilt.gamma.sqrt().recip() };
        let own = (tilt.gamma > 0.0).then_some(own);
        let marks = || curve.marks().into_iter().filter(|m| m.centre.is_finite()).chain(own);
        let mut first = marks().map(|m| m.centre).fold(f64::INFINITY, f64::min);
        let mut last = marks().map(|m| m.centre).fold(f64::NEG_INFINITY, f64::max);
        // A tilt without a mean, or a curve that rises to one side, has its peak further out.
        for _ in 0..SEARCH {
            let (left, right) = (slope(first) < 0.0, slope(last) > 0.0);
            if !(left || right) {
                break;
            }
            let more = stride(first, marks()) + stride(last, marks());
            first -= if left { more } else { 0.0 };
            last += if right { more } else { 0.0 };
        }
        let (mut z, mut rising) = (first, slope(first) > 0.0);
        if !rising {
            self.keep(curve, tilt, first);
        }
        for _ in 0..SEARCH {
            if !(z < last) {
                return if self.peaks > 0 { Ok(()) } else { Err(Fault::Lost) };
            }
            let next = (z + stride(z, marks())).min(last);
            let falls = !(slope(next) > 0.0);
            if rising && falls {
                let peak = between(curve, tilt, (z, next), (0.5 * z + 0.5 * next, NEAR))?;
                self.keep(curve, tilt, peak);
            }
            if !(next > z) {
                break;
            }
            (z, rising) = (next, !falls);
        }
        Err(Fault::Lost)
    }

    /// Keeps a peak, the highest one first; the last one gives way where there are too many.
    fn keep(&mut self, curve: &impl Curve, tilt: Tilt, z: f64) {
        let mut z = z;
        if self.peaks > 0 {
            let top = Exponent::new(curve, tilt, self.at[0]);
            if top.at(z - self.at[0]) > 0.0 {
                core::mem::swap(&mut self.at[0], &mut z);
            }
        }
        let place = self.peaks.min(MOST - 1);
        self.at[place] = z;
        self.peaks = place + 1;
    }

    /// Intervals around the peaks that count, in ascending order.
    fn enclose<C: Curve>(&mut self, exponent: &Exponent<'_, C>) -> Result<(), Fault> {
        let scale = exponent.deviation(self.at[0]);
        let scale = if scale.is_finite() { scale } else { exponent.curve.marks()[0].scale };
        for k in 0..self.peaks {
            let offset = self.at[k] - self.at[0];
            if !(exponent.depth(offset, scale) > 0.0) {
                self.width[k] = f64::INFINITY;
                continue;
            }
            let low = exponent.end(offset, -1.0, scale)?;
            let high = exponent.end(offset, 1.0, scale)?;
            self.width[k] = exponent.deviation(self.at[k]).min(FLAT * (high - low));
            self.interval[self.intervals] = (low, high);
            self.intervals += 1;
        }
        let intervals = &mut self.interval[..self.intervals];
        intervals.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut last = 0;
        for k in 1..intervals.len() {
            if intervals[k].0 <= intervals[last].1 {
                intervals[last].1 = intervals[last].1.max(intervals[k].1);
            } else {
                last += 1;
                intervals[last] = intervals[k];
            }
        }
        self.intervals = last + 1;
        Ok(())
    }

    /// Calls `node` with offsets from the highest peak and their weights, relative to the density there.
    pub(crate) fn visit<C: Curve>(
        &self,
        curve: &C,
        tilt: Tilt,
        rule: &Rule,
        mut node: impl FnMut(f64, f64),
    ) {
        let exponent = Exponent::new(curve, tilt, self.at[0]);
        let top = self.at[0];
        let own = |k: usize| Mark { centre: self.at[k], scale: DEVIATIONS * self.width[k] };
        let marks = || curve.marks().into_iter().chain((0..self.peaks).map(own));
        for &(low, high) in &self.interval[..self.intervals] {
            let mut start = low;
            while start < high {
                let mut end = start + stride(top + start, marks());
                // A rest too short for a panel of its own, or steps below rounding.
                if !(start < end && end < high) {
                    end = high;
                }
                let (centre, half) = (0.5 * (start + end), 0.5 * (end - start));
                for &(x, w) in rule.nodes() {
                    let offset = half.mul_add(x, centre);
                    node(offset, half * w * exponent.at(offset).exp());
                }
                start = end;
            }
        }
    }
}
