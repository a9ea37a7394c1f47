//! A Gaussian weight between two ends, either of which may be missing: one piece of a density or of a function.

use core::f64::consts::TAU;

use super::HalfLine;
use super::interval::{Interval, Rule};

/// Where lengths of a piece count from: its start, its end where it has no start, zero where it has neither.
#[inline]
pub(crate) fn anchor(start: f64, end: f64) -> f64 {
    match (start.is_finite(), end.is_finite()) {
        (true, _) => start,
        (false, true) => end,
        (false, false) => 0.0,
    }
}

/// Moments of a piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Mean less the anchor.
    pub(crate) offset: f64,
    pub(crate) variance: f64,
    /// Logarithm of the mass relative to the weight at the anchor.
    pub(crate) log_mass: f64,
}

impl Cut {
    /// The weight `exp(slope t - precision t^2 / 2)`, `t` counted from the anchor, between `start` and `end`; infinite ends
    /// are none. None where the mass is infinite. Equal ends are a point, of mass one.
    #[inline]
    pub(crate) fn new(
        (start, end): (f64, f64),
        slope: f64,
        precision: f64,
        rule: &Rule,
    ) -> Option<Self> {
        let half = |slope: f64, direction: f64| {
            let part = HalfLine::new(slope, precision, precision.sqrt())?;
            let log_mass = HalfLine::log_mass(slope, precision);
            Some(Self { offset: direction * part.mean, variance: part.variance, log_mass })
        };
        match (start.is_finite(), end.is_finite()) {
            (true, true) if end > start => {
                let part = Interval::new(slope, precision, end - start, rule);
                let Interval { mean, variance, log_mass, .. } = part;
                Some(Self { offset: mean, variance, log_mass })
            }
            (true, true) => Some(Self { offset: 0.0, variance: 0.0, log_mass: 0.0 }),
            (true, false) => half(slope, 1.0),
            (false, true) => half(-slope, -1.0),
            (false, false) => (precision > 0.0).then(|| {
                let offset = slope / precision;
                let log_mass = 0.5 * (offset * slope + (TAU / precision).ln());
                Self { offset, variance: precision.recip(), log_mass }
            }),
        }
    }
}
