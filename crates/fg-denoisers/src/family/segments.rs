//! Densities of many pieces between two ends, all alike in every row: a row at a time, by registers of pieces.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::special::exp::exp_share;
use fg_core::special::number::{Lanes, Number};
use pulp::{Simd, WithSimd};

use super::Rule;
use super::pieces::Piece;

/// A piece whose peak lies this many nats below the highest is left out: `exp(-DEPTH)` is below rounding, also next to squares
/// of distances.
const DEPTH: f64 = 50.0;
/// Pieces come in groups of so many, a multiple of the length of every register.
const GROUP: usize = 8;
/// What is kept of each piece: its start, length, height, slope and precision.
const KEPT: usize = 5;

/// Pieces under one cavity precision.
pub(crate) struct Segments<'a> {
    kept: [&'a [f64]; KEPT],
    rule: &'a Rule,
    gamma: f64,
    /// What the density reaches.
    ends: (f64, f64),
}

impl<'a> Segments<'a> {
    /// None unless all pieces have two ends and some mass.
    pub(crate) fn new(
        pieces: &[Piece],
        rule: &'a Rule,
        gamma: f64,
        scratch: &'a mut Scratch,
    ) -> Option<Self> {
        let legal = |p: &Piece| p.is_bounded() && p.end > p.start && p.height.is_finite();
        let last = pieces.last()?;
        if !pieces.iter().all(legal) {
            return None;
        }
        let reach = |(low, high): (f64, f64), p: &Piece| (low.min(p.start), high.max(p.end));
        let ends = pieces.iter().fold((f64::INFINITY, f64::NEG_INFINITY), reach);
        let count = pieces.len().next_multiple_of(GROUP);
        let (start, rest) = scratch.slice(KEPT * count).split_at_mut(count);
        let (length, rest) = rest.split_at_mut(count);
        let (height, rest) = rest.split_at_mut(count);
        let (slope, precision) = rest.split_at_mut(count);
        for k in 0..count {
            // What fills the last register is the last piece, without any mass.
            let piece = pieces.get(k).unwrap_or(last);
            (start[k], length[k]) = (piece.start, piece.end - piece.start);
            (slope[k], precision[k]) = (piece.slope, piece.precision);
            height[k] = if k < pieces.len() { piece.height } else { f64::NEG_INFINITY };
        }
        Some(Self { kept: [start, length, height, slope, precision], rule, gamma, ends })
    }

    /// Answers all rows.
    pub(crate) fn apply(&self, cavity: &RowCavity<'_>, out: &mut RowEstimate<'_>) {
        let (mean, variance) = (&mut *out.mean, &mut *out.covariance);
        let natural = cavity.natural();
        pulp::Arch::new().dispatch(Apply { segments: self, natural, mean, variance });
    }
}

struct Apply<'a, 'b> {
    segments: &'a Segments<'b>,
    natural: &'a [f64],
    mean: &'a mut [f64],
    variance: &'a mut [f64],
}

/// A register of pieces under a tilt.
struct Tilted<N> {
    slope: N,
    precision: N,
    /// Exponent at the peak, relative to the tilt at an origin.
    height: N,
}

/// What pieces have added up to: mass, mean and sum of squares about it.
#[derive(Clone, Copy)]
struct Sums<N> {
    total: N,
    mean: N,
    squares: N,
}

impl<N: Number> Sums<N> {
    /// Adds what has a mass, a mean and a variance: no term of the squares is negative.
    #[inline(always)]
    fn add(&mut self, mass: N, mean: N, variance: N) {
        let (before, apart) = (self.total, mean - self.mean);
        self.total = before + mass;
        let share = mass / self.total;
        self.mean = share.mul_add(apart, self.mean);
        let spread = (before * share * apart).mul_add(apart, mass * variance);
        self.squares = self.squares + spread;
    }
}

impl Segments<'_> {
    /// Pieces `[start, length, height, slope, precision]` under the tilt.
    #[inline(always)]
    fn tilted<N: Number>(&self, kept: [N; KEPT], n: N, origin: N) -> Tilted<N> {
        let [start, length, height, own, precision] = kept;
        let (zero, gamma) = (n.constant(0.0), n.constant(self.gamma));
        let total = precision + gamma;
        let slope = own + start.mul_add(-gamma, n);
        let far = length.mul_add(-total, slope);
        let within = slope.if_above(zero, slope / total, zero);
        let t = far.if_above(zero, length, within);
        let (x, half) = (start + t, n.constant(0.5));
        let bend = t.mul_add(-half * precision, own);
        let tilt = (x + origin).mul_add(-half * gamma, n);
        let height = t.mul_add(bend, (x - origin).mul_add(tilt, height));
        Tilted { slope, precision: total, height }
    }

    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, n: f64) -> [f64; 2] {
        let (low, high) = self.ends;
        let from = if self.gamma > 0.0 { (n / self.gamma).max(low).min(high) } else { low };
        let (n, origin) = (Lanes::splat(simd, n), Lanes::splat(simd, from));
        let (zero, deepest) = (n.constant(0.0), n.constant(-DEPTH));
        let [starts, lengths, heights, slopes, precisions] = self.kept;
        let starts = Lanes::<S>::registers(starts).0;
        let lengths = Lanes::<S>::registers(lengths).0;
        let heights = Lanes::<S>::registers(heights).0;
        let slopes = Lanes::<S>::registers(slopes).0;
        let precisions = Lanes::<S>::registers(precisions).0;
        let mut highest = n.constant(f64::NEG_INFINITY);
        for k in 0..starts.len() {
            let kept = [starts[k], lengths[k], heights[k], slopes[k], precisions[k]];
            let mut pieces = [zero; KEPT];
            for (piece, kept) in pieces.iter_mut().zip(kept) {
                *piece = Lanes::new(simd, kept);
            }
            highest = self.tilted(pieces, n, origin).height.at_least(highest);
        }
        let highest = n.constant(highest.largest());
        let mut sums = Sums { total: n.constant(f64::MIN_POSITIVE), mean: zero, squares: zero };
        for k in 0..starts.len() {
            let kept = [starts[k], lengths[k], heights[k], slopes[k], precisions[k]];
            let mut pieces = [zero; KEPT];
            for (piece, kept) in pieces.iter_mut().zip(kept) {
                *piece = Lanes::new(simd, kept);
            }
            let Tilted { slope, precision, height } = self.tilted(pieces, n, origin);
            let fall = height - highest;
            if !(fall.largest() > -DEPTH) {
                continue;
            }
            let [start, length, ..] = pieces;
            // Pieces that don't count have no say in the rule.
            let length = fall.if_above(deepest, length, zero);
            let [offset, variance, width] = self.rule.together(slope, precision, length);
            let mass = fall.if_above(deepest, width * exp_share(fall), zero);
            let mean = fall.if_above(deepest, (start - origin) + offset, sums.mean);
            sums.add(mass, mean, fall.if_above(deepest, variance, zero));
        }
        let total = sums.total.sum();
        let mean = (sums.total * sums.mean).sum() / total;
        // Again without a negative term.
        let apart = sums.mean - n.constant(mean);
        let squares = (sums.total * apart).mul_add(apart, sums.squares).sum();
        [from + mean, squares / total]
    }
}

impl WithSimd for Apply<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { segments, natural, mean, variance } = self;
        for ((n, mean), variance) in natural.iter().zip(mean).zip(variance) {
            [*mean, *variance] = segments.row(simd, *n);
        }
    }
}
