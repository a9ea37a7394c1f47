//! The way to a peak: Newton's steps within a bracket of the slope's root.

use super::{Curve, Fault, Tilt};

/// Steps of one climb: a bracket of any two doubles is bisected to rounding in 2100, ordinary ones in some ten.
const STEPS: usize = 2200;
/// Last step, in deviations, of a peak that only says where to integrate.
pub(super) const NEAR: f64 = 1e-3;
/// Last step, relative to the place, of a peak that is the answer.
pub(super) const EXACT: f64 = 0.0;

/// The peak of a concave curve under a tilt, to a last step of `tolerance` deviations or to rounding.
pub(super) fn summit(curve: &impl Curve, tilt: Tilt, tolerance: f64) -> Result<f64, Fault> {
    let support = curve.support();
    for (end, inwards) in [(support.0, 1.0), (support.1, -1.0)] {
        if end.is_finite() && !(inwards * (curve.slopes(end)[0] + tilt.slope(end)) > 0.0) {
            return Ok(end);
        }
    }
    between(curve, tilt, support, (curve.start(tilt.n, tilt.gamma), tolerance))
}

/// A root of the slope where it turns from positive to negative, within a bracket whose ends may be infinite.
pub(super) fn between(
    curve: &impl Curve,
    tilt: Tilt,
    (mut low, mut high): (f64, f64),
    (start, tolerance): (f64, f64),
) -> Result<f64, Fault> {
    let (mut z, mut last, mut reach) = (start, f64::INFINITY, curve.marks()[0].scale);
    for _ in 0..STEPS {
        let [slope, bend] = curve.slopes(z);
        let (slope, curvature) = (slope + tilt.slope(z), tilt.gamma - bend);
        if slope == 0.0 {
            return Ok(z);
        }
        if slope > 0.0 {
            low = z;
        } else {
            high = z;
        }
        let newton = slope / curvature;
        // A step that doesn't halve the one before it, leaves the bracket or isn't a number gives way to bisection.
        let moved = z + newton;
        let usable = newton.abs() <= 0.5 * last && low < moved && moved < high && curvature > 0.0;
        let next = if usable {
            last = newton.abs();
            moved
        } else if low.is_finite() && high.is_finite() {
            last = 0.5 * (high - low);
            0.5 * low + 0.5 * high
        } else {
            // No bracket yet: Newton's step, or one of twice the length before, whichever is longer.
            reach = if curvature > 0.0 { (2.0 * reach).max(newton.abs()) } else { 2.0 * reach };
            last = f64::INFINITY;
            if slope > 0.0 { z + reach } else { z - reach }
        };
        let step = (next - z).abs();
        // Below rounding of the place, or of a place that is zero up to the peak's deviation.
        let rounding = f64::EPSILON * (z.abs() + curvature.sqrt().recip());
        if step <= rounding || !(low < next && next < high) {
            return if next.is_finite() { Ok(next.clamp(low, high)) } else { Err(Fault::Lost) };
        }
        z = next;
        if usable && step * curvature.sqrt() < tolerance {
            return Ok(z);
        }
    }
    Err(Fault::Lost)
}
