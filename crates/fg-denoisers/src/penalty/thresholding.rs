//! What the non-convex penalties share: column by column, global maximisers, and their jumps in the covariance.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;

use crate::error::{self, ParameterError};
use crate::family::proper;

/// The best value of an entry, its derivative with respect to `n`, and the maximum of the exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best {
    pub(super) x: f64,
    pub(super) slope: f64,
    pub(super) height: f64,
}

impl Best {
    pub(super) const ZERO: Self = Self { x: 0.0, slope: 0.0, height: 0.0 };
}

/// Where the best value of an entry jumps, and by how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Jump {
    pub(super) at: f64,
    pub(super) height: f64,
}

/// A cost of `|x|` that vanishes at zero: the maximiser of `n x - gamma x^2 / 2` minus the cost, for `n >= 0`.
pub(super) trait Rule {
    fn best(&self, n: f64, gamma: f64) -> Best;

    /// The jump of the maximiser as `n` grows from zero; there is one at most.
    fn jump(&self, gamma: f64) -> Option<Jump>;
}

/// Default of the step over which jumps count, in deviations of the cavity: the average over rows is that of a density
/// smoothed over the step, with a bias of second order, while its noise falls as one over the root of the step.
const STEP: f64 = 0.3;

/// The step over which jumps count.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Jumps {
    step: f64,
}

impl Default for Jumps {
    fn default() -> Self {
        Self { step: STEP }
    }
}

impl Jumps {
    pub(super) fn with_step(step: f64) -> Result<Self, ParameterError> {
        Ok(Self { step: error::not_negative("step", step)? })
    }

    pub(super) fn step(&self) -> f64 {
        self.step
    }

    /// Estimates every entry, and adds to its slope the jumps within the step on either side, over that length: what central
    /// differences find beyond the integral of the slope. That is never negative, nothing at all where the estimate is
    /// continuous, and on average over rows the jumps times the density of the rows there.
    pub(super) fn estimate(
        &self,
        rule: &impl Rule,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        // Such costs hold back no entry that the cavity doesn't.
        proper::diagonal(cavity)?;
        let d = cavity.columns();
        let rows = cavity.len() as f64;
        out.covariance.fill(0.0);
        let mut worst: f64 = 0.0;
        for j in 0..d {
            let gamma = cavity.precision()[j * d + j];
            let h = self.step * gamma.sqrt();
            let found = if h > 0.0 { rule.jump(gamma) } else { None };
            let (mut sum, mut squares, mut total) = (0.0, 0.0, 0.0);
            for i in 0..cavity.len() {
                let n = cavity.natural()[i * d + j];
                let here = signed(rule, n, gamma);
                let mut jump = 0.0;
                if let Some(Jump { at, height }) = found {
                    // Near zero both the jump and its mirror image may be within reach.
                    let near = [n - at, n + at].iter().filter(|apart| apart.abs() < h).count();
                    jump = near as f64 * height / (2.0 * h);
                }
                out.mean[i * d + j] = here.x;
                out.covariance[i * d * d + j * d + j] = here.slope + jump;
                sum += jump;
                squares += jump * jump;
                total += here.slope + jump;
            }
            // Rounding alone can take the variance below zero.
            let variance = (squares - sum * sum / rows).max(0.0) / (rows * (rows - 1.0));
            // A single row has no average to speak of.
            if rows > 1.0 && variance > 0.0 {
                worst = worst.max(variance.sqrt() / (total / rows).abs());
            }
        }
        scratch.declare(worst);
        Ok(())
    }
}

fn signed(rule: &impl Rule, n: f64, gamma: f64) -> Best {
    let best = rule.best(n.abs(), gamma);
    Best { x: best.x.copysign(n), ..best }
}

/// Maxima of the exponent of each row; false when there is none.
pub(super) fn log_partition(rule: &impl Rule, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
    if proper::diagonal(cavity).is_err() {
        return false;
    }
    let d = cavity.columns();
    for (out, n) in out.iter_mut().zip(cavity.natural().chunks_exact(d)) {
        let height = |j: usize| rule.best(n[j].abs(), cavity.precision()[j * d + j]).height;
        *out = (0..d).map(height).sum();
    }
    true
}

/// Part of a cost of `x > 0`: `constant + slope x + curvature x^2 / 2` up to `end`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) end: f64,
    pub(super) constant: f64,
    pub(super) slope: f64,
    pub(super) curvature: f64,
}

/// Rounding of a stationary point that falls on the end of its stretch.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

/// The highest of zero and the stationary points of all stretches; neighbouring stretches must join smoothly.
pub(super) fn highest(stretches: &[Stretch], n: f64, gamma: f64) -> Best {
    let mut best = Best::ZERO;
    let mut start = 0.0;
    for stretch in stretches {
        let curvature = gamma + stretch.curvature;
        let x = (n - stretch.slope) / curvature;
        let inside = x >= start * (1.0 - ROUNDING) && x <= stretch.end * (1.0 + ROUNDING);
        // A stationary point without positive curvature is no maximum.
        if curvature > 0.0 && inside && x > 0.0 {
            let x = x.max(start).min(stretch.end);
            // There curvature x = n - slope: half of x (n - slope) is left but for the constant.
            let height = 0.5 * x * (n - stretch.slope) - stretch.constant;
            if height >= best.height {
                best = Best { x, slope: 1.0 / curvature, height };
            }
        }
        start = stretch.end;
    }
    best
}

#[cfg(test)]
pub(super) mod tests {
    use fg_core::message::ColumnForm;

    use super::*;

    /// Compares with the best of a fine grid, at precisions that give jumps and at some that don't.
    #[track_caller]
    pub(in crate::penalty) fn check_global(rule: &impl Rule, cost: impl Fn(f64) -> f64) {
        for gamma in [0.05, 0.3, 0.9, 1.0, 1.7, 40.0] {
            for k in 0..60 {
                let n = 0.11 * f64::from(k) * f64::sqrt(gamma) + 0.013;
                let exponent = |x: f64| n * x - 0.5 * gamma * x * x - cost(x);
                let best = rule.best(n, gamma);
                let reach = 1.5 * n / gamma;
                let grid = (0..=4000).map(|i| exponent(reach * f64::from(i) / 4000.0));
                let top = grid.fold(f64::NEG_INFINITY, f64::max);
                let rounding = 1e-12 * (1.0 + n * n / gamma);
                assert!(best.height >= top - rounding, "{gamma} {n} {best:?} {top}");
                let own = exponent(best.x);
                assert!((best.height - own).abs() <= rounding, "{gamma} {n} {best:?} {own}");
            }
            check_jump(rule, gamma);
        }
    }

    /// The estimate rises by its slope, and by a jump where the rule says that there is one.
    #[track_caller]
    fn check_jump(rule: &impl Rule, gamma: f64) {
        const STEPS: u32 = 20_000;
        let step = 8.0 * f64::sqrt(gamma) / f64::from(STEPS);
        let jump = rule.jump(gamma);
        let mut crossed = false;
        for k in 0..STEPS {
            let (low, high) = (f64::from(k) * step, f64::from(k + 1) * step);
            let (before, after) = (rule.best(low, gamma), rule.best(high, gamma));
            let height = jump.filter(|j| low < j.at && j.at <= high).map_or(0.0, |j| j.height);
            crossed |= height > 0.0;
            // Slopes are monotone between kinks, of which one may lie in between.
            let slopes = [before.slope, after.slope];
            let (least, most) = (slopes[0].min(slopes[1]), slopes[0].max(slopes[1]));
            let rise = after.x - before.x - height;
            let slack = 1e-9 * after.x + if height > 0.0 { most * step } else { 0.0 };
            assert!(
                rise >= least * step - slack && rise <= most * step + slack,
                "{gamma} {low} {before:?} {after:?} {jump:?}"
            );
        }
        assert_eq!(crossed, jump.is_some_and(|j| j.at < 8.0 * gamma.sqrt()), "{jump:?}");
    }

    /// The average covariance over a wide grid is the rise of the estimate over its width, jumps included.
    #[track_caller]
    pub(in crate::penalty) fn check_jumps(rule: &impl Rule, gamma: f64, reach: f64) {
        const ROWS: u32 = 20_001;
        let place = |i: u32| reach * (2.0 * f64::from(i) / f64::from(ROWS - 1) - 1.0);
        let n: Vec<f64> = (0..ROWS).map(place).collect();
        let (mut x, mut covariance) = (n.clone(), n.clone());
        let mut out = RowEstimate { mean: &mut x, covariance: &mut covariance };
        let jumps = Jumps::default();
        let (precision, mut scratch) = ([gamma], Scratch::default());
        let cavity = RowCavity::new(0, 1, &n, &n, &precision);
        jumps.estimate(rule, &cavity, &mut out, &mut scratch).unwrap();
        let found = covariance.iter().sum::<f64>() / f64::from(ROWS);
        let expected = (x[x.len() - 1] - x[0]) / (2.0 * reach);
        // One grid point more or less within the step of a jump, and the curve beyond the ends of the grid.
        assert!((found / expected - 1.0).abs() < 2e-3, "{found} {expected}");
        assert!(covariance.iter().all(|c| *c >= 0.0), "a negative covariance");
        let error = scratch.take_standard_error();
        assert!(error < 0.1, "{error}");
    }

    #[test]
    fn full_and_vanishing_precisions_are_refused() {
        struct Nothing;
        impl Rule for Nothing {
            fn best(&self, n: f64, gamma: f64) -> Best {
                Best { x: n / gamma, slope: 1.0 / gamma, height: 0.5 * n * n / gamma }
            }

            fn jump(&self, _gamma: f64) -> Option<Jump> {
                None
            }
        }
        let run = |precision: &[f64]| {
            let mut out = RowEstimate { mean: &mut [0.0; 2], covariance: &mut [0.0; 4] };
            let cavity = RowCavity::new(2, 2, &[1.0, 2.0], &[1.0, 2.0], precision);
            Jumps::default().estimate(&Nothing, &cavity, &mut out, &mut Scratch::default())
        };
        assert_eq!(run(&[1.0, 0.0, 0.0, 3.0]), Ok(()));
        let form = Breakdown::Form { port: 0, needed: ColumnForm::Diagonal };
        assert_eq!(run(&[1.0, 0.1, 0.1, 3.0]), Err(form));
        let improper = Breakdown::ImproperCavity { port: 0, row: 2 };
        assert_eq!(run(&[1.0, 0.0, 0.0, 0.0]), Err(improper));
        assert!(Jumps::with_step(-1.0).is_err() && Jumps::with_step(f64::NAN).is_err());
    }
}
