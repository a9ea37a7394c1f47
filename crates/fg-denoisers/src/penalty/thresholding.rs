//! What the non-convex penalties share where columns are independent: global maximisers, and their jumps in the covariance.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::number::Number;

use super::branch_and_bound::Search;
use super::jointly;
use crate::error::{self, ParameterError};
use crate::family::formula::{self, Formula};
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
    /// The maximiser under one precision.
    type Curve: Curve;
    /// The maximiser under a full precision.
    type Search: Search;

    fn best(&self, n: f64, gamma: f64) -> Best;

    /// As [`best`](Self::best) but for the maximum, for registers of entries.
    fn curve(&self, gamma: f64) -> Self::Curve;

    /// The jump of the maximiser as `n` grows from zero; there is one at most.
    fn jump(&self, gamma: f64) -> Option<Jump>;

    /// The maximiser of all entries together under a full precision of few columns; none where it isn't positive definite.
    fn search(&self, precision: &[f64], d: usize) -> Option<Self::Search>;
}

/// The maximiser as a function of `n >= 0`, and its slope.
pub(super) trait Curve {
    /// As of a [`Formula`].
    const FOURS: bool = true;

    fn at<N: Number>(&self, n: N) -> [N; 2];

    /// The same of both signs.
    #[inline(always)]
    fn odd<N: Number>(&self, n: N) -> [N; 2] {
        let [x, slope] = self.at(n.abs());
        [n.if_above(n.constant(0.0), x, -x), slope]
    }
}

/// A stretch of a maximiser: `(n - offset) slope` from `from` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) from: f64,
    pub(super) offset: f64,
    pub(super) slope: f64,
}

impl Line {
    /// None.
    pub(super) const NONE: Self = Self { from: f64::INFINITY, offset: 0.0, slope: 0.0 };
}

/// A maximiser that is zero, and from some places on straight, in ascending order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines<const COUNT: usize>(pub(super) [Line; COUNT]);

impl<const COUNT: usize> Lines<COUNT> {
    /// Offset and slope at this distance from zero.
    #[inline(always)]
    fn line<N: Number>(&self, n: N) -> [N; 2] {
        let Self(lines) = self;
        // Before the first line the slope is zero, whatever the offset.
        let (mut offset, mut slope) = (n.constant(lines[0].offset), n.constant(0.0));
        for (k, line) in lines.iter().enumerate() {
            let from = n.constant(line.from);
            if k > 0 {
                offset = n.if_above(from, n.constant(line.offset), offset);
            }
            slope = n.if_above(from, n.constant(line.slope), slope);
        }
        [offset, slope]
    }
}

impl<const COUNT: usize> Curve for Lines<COUNT> {
    #[inline(always)]
    fn at<N: Number>(&self, n: N) -> [N; 2] {
        let [offset, slope] = self.line(n);
        [(n - offset) * slope, slope]
    }

    /// What is within the offset on either side is held back: no sign is taken off and put on again.
    #[inline(always)]
    fn odd<N: Number>(&self, n: N) -> [N; 2] {
        let [offset, slope] = self.line(n.abs());
        [(n - n.within(-offset, offset)) * slope, slope]
    }
}

/// A maximiser that is zero, and from some place on `n slope`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) from: f64,
    pub(super) slope: f64,
}

impl Curve for Kept {
    #[inline(always)]
    fn at<N: Number>(&self, n: N) -> [N; 2] {
        self.odd(n)
    }

    #[inline(always)]
    fn odd<N: Number>(&self, n: N) -> [N; 2] {
        let (from, slope) = (n.constant(self.from), n.constant(self.slope));
        let slope = n.abs().if_above(from, slope, n.constant(0.0));
        [n * slope, slope]
    }
}

/// Both signs of a maximiser.
struct Slopes<C>(C);

impl<C: Curve> Formula<1> for Slopes<C> {
    const FOURS: bool = C::FOURS;

    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        self.0.odd(n)
    }
}

/// Both signs of a maximiser, and the share of its jump that is a row's.
struct Signed<C> {
    curve: C,
    /// Where it jumps, how far away that counts, and what is added there.
    at: f64,
    reach: f64,
    share: f64,
}

impl<C: Curve> Formula<1> for Signed<C> {
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let (zero, size) = (n.constant(0.0), n.abs());
        let [x, slope] = self.curve.odd(n);
        let (at, reach) = (n.constant(self.at), n.constant(self.reach));
        let share = n.constant(self.share);
        // Near zero both the jump and its mirror image may be within reach.
        let jump =
            reach.if_above((size - at).abs(), share, zero) + reach.if_above(size + at, share, zero);
        [x, slope + jump]
    }
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
        let d = cavity.columns();
        if jointly::holds(cavity) {
            scratch.declare(jointly::estimate(rule, self.step, cavity, out)?);
            return Ok(());
        }
        // Such costs hold back no entry that the cavity doesn't.
        proper::diagonal(cavity)?;
        if d == 1 {
            scratch.declare(self.one_column(rule, cavity, out));
            return Ok(());
        }
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
            worst = worst.max(standard_error([sum, squares, total], rows));
        }
        scratch.declare(worst);
        Ok(())
    }

    /// One column, a register of entries at a time; returns the standard error.
    fn one_column(
        &self,
        rule: &impl Rule,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
    ) -> f64 {
        /// Sums that don't wait for each other.
        const SUMS: usize = 8;
        let gamma = cavity.scalar_precision();
        let reach = self.step * gamma.sqrt();
        let curve = rule.curve(gamma);
        let Some(Jump { at, height }) = rule.jump(gamma).filter(|_| reach > 0.0) else {
            formula::apply(&Slopes(curve), cavity, out);
            return 0.0;
        };
        let share = height / (2.0 * reach);
        formula::apply(&Signed { curve, at, reach, share }, cavity, out);
        let (mut totals, mut once, mut twice) = ([0.0; SUMS], [0_u32; SUMS], [0_u32; SUMS]);
        let rows = cavity.natural().chunks(SUMS).zip(out.covariance.chunks(SUMS));
        for (n, covariance) in rows {
            for (k, (n, covariance)) in n.iter().zip(covariance).enumerate() {
                totals[k] += covariance;
                let near = u32::from((n.abs() - at).abs() < reach);
                let both = u32::from(n.abs() + at < reach);
                once[k] += near;
                twice[k] += near * both;
            }
        }
        // Entries within reach of the mirror image are within that of the jump, too.
        let count = |counts: [u32; SUMS]| counts.into_iter().map(f64::from).sum::<f64>();
        let (once, twice) = (count(once), count(twice));
        let total: f64 = totals.into_iter().sum();
        let squares = share * share * (once + 3.0 * twice);
        standard_error([share * (once + twice), squares, total], cavity.len() as f64)
    }
}

/// Of the average covariance, relative to it, given the sums of the jumps, of their squares, and of all covariances.
pub(super) fn standard_error([sum, squares, total]: [f64; 3], rows: f64) -> f64 {
    // Rounding alone can take the variance below zero.
    let variance = (squares - sum * sum / rows).max(0.0) / (rows * (rows - 1.0));
    // A single row has no average to speak of.
    if rows > 1.0 && variance > 0.0 { variance.sqrt() / (total / rows).abs() } else { 0.0 }
}

fn signed(rule: &impl Rule, n: f64, gamma: f64) -> Best {
    let best = rule.best(n.abs(), gamma);
    Best { x: best.x.copysign(n), ..best }
}

/// Maxima of the exponent of each row; false when there is none.
pub(super) fn log_partition(rule: &impl Rule, cavity: &RowCavity<'_>, out: &mut [f64]) -> bool {
    if jointly::holds(cavity) {
        return jointly::log_partition(rule, cavity, out);
    }
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
                let [x, slope] = rule.curve(gamma).at(n);
                for own in [exponent(best.x), exponent(x)] {
                    assert!(
                        (best.height - own).abs() <= rounding,
                        "{gamma} {n} {best:?} {own} {x}"
                    );
                }
                let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
                assert!(
                    close(x, best.x) && close(slope, best.slope),
                    "{gamma} {n} {best:?} {x} {slope}"
                );
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
    fn vanishing_precisions_are_refused() {
        let rule = crate::HardThreshold::new(0.5).unwrap();
        let run = |precision: &[f64]| {
            let mut out = RowEstimate { mean: &mut [0.0; 2], covariance: &mut [0.0; 4] };
            let cavity = RowCavity::new(2, 2, &[1.0, 2.0], &[1.0, 2.0], precision);
            Jumps::default().estimate(&rule, &cavity, &mut out, &mut Scratch::default())
        };
        assert_eq!(run(&[1.0, 0.0, 0.0, 3.0]), Ok(()));
        let improper = Breakdown::ImproperCavity { port: 0, row: 2 };
        assert_eq!(run(&[1.0, 0.0, 0.0, 0.0]), Err(improper));
        assert!(Jumps::with_step(-1.0).is_err() && Jumps::with_step(f64::NAN).is_err());
    }
}
