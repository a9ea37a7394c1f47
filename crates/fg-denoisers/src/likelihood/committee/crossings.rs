//! Many units of a full precision: rows along lines between the zeros of the columns, where the vote is constant.

use fg_core::denoiser::{RowCavity, RowEstimate};
use fg_core::factor::Breakdown;
use fg_core::special::number::{Lanes, Number, align_frame};
use pulp::Simd;

use super::Committee;
use crate::family::Replicates;
use crate::family::lines::{
    Best, End, Found, Gaussian, LOG_TAU, LONGEST, Lines, Moments, Part, Whitening, reflect,
};

/// Zeros farther out than this many cavity deviations are moved here: no mass is there.
const FARTHEST: f64 = 1e8;
/// A column that changes along the line by less than this share of the largest change has no zero on it.
const ACROSS: f64 = 1e-10;

/// One call on a batch of rows.
pub(super) struct Batch<'a, 'b> {
    pub(super) vote: &'a Committee,
    pub(super) observed: &'a [f64],
    pub(super) cavity: &'a RowCavity<'a>,
    /// Moments, where they are asked for.
    pub(super) out: Option<&'a mut RowEstimate<'b>>,
    /// Log-partition functions, where they are asked for.
    pub(super) log_partition: Option<&'a mut [f64]>,
    pub(super) memory: &'a mut [f64],
}

/// The vote along a register of lines.
struct Vote<'a, S: Simd> {
    simd: S,
    /// Where each column is at `t = 0`.
    base: &'a mut [S::f64s],
    /// Zeros of the columns, ascending, and by how much the number of positive ones rises there.
    zeros: &'a mut [S::f64s],
    rises: &'a mut [S::f64s],
    /// For each column the inverse of its change along the line, negative, and the sign of that change.
    inverses: &'a mut [f64],
    signs: &'a mut [f64],
}

impl Batch<'_, '_> {
    /// Values of working memory.
    pub(super) fn len(vote: &Committee) -> usize {
        let (d, count) = (vote.units, vote.points[0].count());
        let replicates = Replicates::len(vote.points.len(), d) + d * d;
        let frame = Whitening::len(d) + d * d + d;
        let line = 3 * d * LONGEST + 2 * d;
        frame + replicates + line + Lines::<pulp::Scalar>::len(d, count)
    }
}

impl pulp::WithSimd for Batch<'_, '_> {
    /// The relative standard error of the averaged covariance.
    type Output = Result<f64, Breakdown>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Self::Output {
        align_frame();
        let Self { vote, observed, cavity, .. } = self;
        let (d, groups, count) = (vote.units, vote.points.len(), vote.points[0].count());
        let mut rest = core::mem::take(&mut self.memory);
        let mut take = |len: usize| {
            let (head, tail) = core::mem::take(&mut rest).split_at_mut(len);
            rest = tail;
            head
        };
        let memory = take(Whitening::len(d));
        let whitening = Whitening::new(cavity.precision(), cavity.first_row(), d, memory)?;
        // One of the d factors sqrt(2 pi) is in the mass along the lines.
        let constant = 0.5 * ((d as f64 - 1.0) * LOG_TAU - whitening.log_determinant);
        let (map, axis, difference) = (take(d * d), take(d), take(d * d));
        let mut replicates = Replicates::new(groups, d, take(Replicates::len(groups, d)));
        let mut lines = Lines::new(simd, d, count, take(Lines::<S>::len(d, count)));
        let (inverses, signs) = (take(d), take(d));
        let mut along = Vote::new(simd, (inverses, signs), take(3 * d * LONGEST));
        for i in 0..cavity.len() {
            let r = &cavity.mean()[i * d..(i + 1) * d];
            let group = (cavity.first_row() + i) % groups;
            let points = &vote.points[group];
            steepest(&whitening, r, axis);
            reflect(axis, whitening.root, map);
            along.turn(map);
            for b in 0..lines.begin(points) {
                lines.place(along.base, points, b, (r, map));
                lines.record(b, &along.integrate(vote, observed[i]));
            }
            let log_mass = lines.weigh(points);
            let lost = Breakdown::NotFinite { port: 0, row: cavity.first_row() + i };
            if !log_mass.is_finite() {
                return Err(lost);
            }
            if let Some(out) = &mut self.log_partition {
                let natural = &cavity.natural()[i * d..(i + 1) * d];
                let quadratic: f64 = natural.iter().zip(r).map(|(n, r)| n * r).sum();
                out[i] = log_mass + 0.5 * quadratic + constant;
            }
            if let Some(out) = &mut self.out {
                let mean = &mut out.mean[i * d..(i + 1) * d];
                let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
                let mut moments = Moments { mean, covariance };
                lines.halves((r, map), &mut moments, difference);
                replicates.add(group, difference);
            }
        }
        Ok(self.out.as_ref().map_or(0.0, |out| {
            let covariances = &out.covariance[..cavity.len() * d * d];
            replicates.relative_error(cavity.precision(), covariances)
        }))
    }
}

/// The unit vector, in whitened coordinates, along which the mean vote under the cavity of mean `r` changes most: the sum of
/// the columns' directions times the densities of the columns at zero.
fn steepest(whitening: &Whitening<'_>, r: &[f64], axis: &mut [f64]) {
    let d = r.len();
    let log =
        |j: usize| -0.5 * (r[j] * r[j] / whitening.variances[j] + whitening.variances[j].ln());
    let top = (0..d).map(log).fold(f64::NEG_INFINITY, f64::max);
    axis.fill(0.0);
    for j in 0..d {
        let density = (log(j) - top).exp();
        let row = &whitening.root[j * d..(j + 1) * d];
        axis.iter_mut().zip(row).for_each(|(a, l)| *a += density * l);
    }
    let length = axis.iter().map(|a| a * a).sum::<f64>().sqrt();
    axis.iter_mut().for_each(|a| *a /= length);
    if !axis.iter().all(|a| a.is_finite()) {
        // Directions that cancel leave none.
        axis.fill(0.0);
        axis[0] = 1.0;
    }
}

impl<'a, S: Simd> Vote<'a, S> {
    fn new(
        simd: S,
        (inverses, signs): (&'a mut [f64], &'a mut [f64]),
        memory: &'a mut [f64],
    ) -> Self {
        let d = signs.len();
        let (registers, _) = S::as_mut_simd_f64s(memory);
        let (base, rest) = registers.split_at_mut(d);
        let (zeros, rest) = rest.split_at_mut(d);
        Self { simd, base, zeros, rises: &mut rest[..d], inverses, signs }
    }

    /// Prepares for lines along the first column of the map.
    #[inline(always)]
    fn turn(&mut self, map: &[f64]) {
        let d = self.signs.len();
        let largest = (0..d).fold(0.0f64, |m, j| m.max(map[j * d].abs()));
        for j in 0..d {
            let change = map[j * d];
            // A column across the line has its zero so far on one side that it has one sign.
            let crosses = change.abs() > ACROSS * largest;
            self.inverses[j] = if crosses { -1.0 / change } else { -f64::MAX.sqrt() };
            self.signs[j] = if crosses { change.signum() } else { 1.0 };
        }
    }

    #[inline(always)]
    fn splat(&self, value: f64) -> Lanes<S> {
        Lanes::splat(self.simd, value)
    }

    #[inline(always)]
    fn load(&self, value: S::f64s) -> Lanes<S> {
        Lanes::new(self.simd, value)
    }

    /// Places and sorts the zeros.
    #[inline(always)]
    fn sort(&mut self) {
        let (nearest, farthest) = (self.splat(-FARTHEST), self.splat(FARTHEST));
        let d = self.base.len();
        for j in 0..d {
            let zero = self.load(self.base[j]) * self.splat(self.inverses[j]);
            self.zeros[j] = zero.at_least(nearest).at_most(farthest).get();
            self.rises[j] = self.splat(self.signs[j]).get();
        }
        for pass in (1..d).rev() {
            for k in 0..pass {
                let (low, high) = (self.load(self.zeros[k]), self.load(self.zeros[k + 1]));
                let (first, second) = (self.load(self.rises[k]), self.load(self.rises[k + 1]));
                self.zeros[k] = low.if_above(high, high, low).get();
                self.zeros[k + 1] = low.if_above(high, low, high).get();
                self.rises[k] = low.if_above(high, second, first).get();
                self.rises[k + 1] = low.if_above(high, first, second).get();
            }
        }
    }

    /// Integrates the label `y` along every line of the register.
    #[inline(always)]
    fn integrate(&mut self, vote: &Committee, y: f64) -> Found<Lanes<S>> {
        self.sort();
        let zero = self.splat(0.0);
        let mut best = Best::none(zero);
        self.visit(vote, y, |at, share, _| {
            let none = self.splat(f64::NEG_INFINITY);
            let height = share.if_above(zero, at * at * self.splat(-0.5), none);
            best.offer(End { at, height });
        });
        let (top, mut sums) = best.sums();
        self.visit(vote, y, |_, share, k| {
            if share.largest() > 0.0 {
                // Pieces that the label is impossible on may be higher than the top.
                sums.add(share, self.part(k, share.if_above(zero, top, zero)));
            }
        });
        sums.found(top)
    }

    /// Visits all pieces, with the point of each that is nearest to the cavity's mean and the probability of the label there.
    #[inline(always)]
    fn visit(&self, vote: &Committee, y: f64, mut visit: impl FnMut(Lanes<S>, Lanes<S>, usize)) {
        let d = self.zeros.len();
        // Far left the columns that fall along the line are positive.
        let falling = self.signs.iter().filter(|s| **s < 0.0).count() as f64;
        let towards = if y == 0.0 { 1.0 } else { y };
        let mut lead = self.splat(towards * (2.0 * falling - d as f64));
        let (one, half) = (self.splat(1.0), self.splat(0.5));
        for k in 0..=d {
            let mut at = self.splat(0.0);
            if k > 0 {
                at = at.at_least(self.load(self.zeros[k - 1]));
                lead = self.load(self.rises[k - 1]).mul_add(self.splat(2.0 * towards), lead);
            }
            if k < d {
                at = at.at_most(self.load(self.zeros[k]));
            }
            let lead = lead.at_least(-one).at_most(one);
            let (scale, flips) = (self.splat(1.0 - 2.0 * vote.flips), self.splat(vote.flips));
            let share = lead.mul_add(half, half).mul_add(scale, flips);
            // The lead of a tie is zero.
            let decided = lead.at_least(-lead);
            visit(
                at,
                match vote.ties {
                    true if y == 0.0 => one - decided,
                    true => share * decided,
                    false => share,
                },
                k,
            );
        }
    }

    /// What is left of the cavity's Gaussian on piece `k`, heights counted from `top`.
    #[inline(always)]
    fn part(&self, k: usize, top: Lanes<S>) -> Part<Lanes<S>> {
        let (zero, half, d) = (self.splat(0.0), self.splat(0.5), self.zeros.len());
        let end = |node: usize| {
            let at = self.load(self.zeros[node]);
            End { at, height: fg_core::special::exp::exp_negative(-(at * half).mul_add(at, top)) }
        };
        let (first, last) = (end(k.saturating_sub(1)), end(k.min(d - 1)));
        let origin = End { at: zero, height: zero };
        let gaussian = Gaussian::about(origin, zero, zero, first.at, last.at - first.at);
        if k == 0 {
            gaussian.cut_once(self.splat(-1.0), first, top)
        } else if k == d {
            gaussian.cut_once(self.splat(1.0), last, top)
        } else {
            gaussian.cut_twice(first, last, top)
        }
    }
}
