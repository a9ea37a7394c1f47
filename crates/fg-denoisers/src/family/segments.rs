//! Densities of pieces between two ends, all alike in every row: many pieces a row at a time, by registers of pieces, and few ones by
//! registers of rows.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::special::exp::exp_weight;
use fg_core::special::number::{Lanes, Number, Pair, align_frame};
use pulp::{Simd, WithSimd};

use super::enclosed::{Curvature, Enclosed, Found};
use super::formula::{self, Formula};
use super::pieces::Piece;

/// A piece whose peak lies this many nats below the highest is left out: `exp(-DEPTH)` is below rounding, also next to squares
/// of distances.
const DEPTH: f64 = 50.0;
/// Pieces come in groups of so many, a multiple of the length of every pair of registers.
const GROUP: usize = 16;
/// What is kept of each piece: its start, length, height, slope and precision, and of the precision with that of the cavity the sum, its
/// root, and one over that.
const KEPT: usize = 8;
/// Up to so many pieces are taken one by one for a register of rows: each of them costs where any row of the register needs it.
const FEW: usize = 8;

/// Pieces under one cavity precision.
pub(crate) struct Segments<'a> {
    kept: [&'a [f64]; KEPT],
    /// How many pieces there are, without what fills the last group.
    count: usize,
    gamma: f64,
    /// What the density reaches.
    ends: (f64, f64),
}

impl<'a> Segments<'a> {
    /// None unless all pieces have two ends and some mass.
    pub(crate) fn new(pieces: &[Piece], gamma: f64, scratch: &'a mut Scratch) -> Option<Self> {
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
        let (slope, rest) = rest.split_at_mut(count);
        let (precision, rest) = rest.split_at_mut(count);
        let (total, rest) = rest.split_at_mut(count);
        let (root, deviation) = rest.split_at_mut(count);
        for k in 0..count {
            // What fills the last register is the last piece, without any mass.
            let piece = pieces.get(k).unwrap_or(last);
            (start[k], length[k]) = (piece.start, piece.end - piece.start);
            (slope[k], precision[k]) = (piece.slope, piece.precision);
            let curvature = Curvature::new(piece.precision + gamma);
            (total[k], root[k], deviation[k]) =
                (curvature.gamma, curvature.root, curvature.deviation);
            height[k] = if k < pieces.len() { piece.height } else { f64::NEG_INFINITY };
        }
        let kept: [&[f64]; KEPT] =
            [start, length, height, slope, precision, total, root, deviation];
        Some(Self { kept, count: pieces.len(), gamma, ends })
    }

    /// Answers all rows.
    pub(crate) fn apply(&self, cavity: &RowCavity<'_>, out: &mut RowEstimate<'_>) {
        if self.count <= FEW / 2 {
            return formula::apply(&Few::<{ FEW / 2 }>(self), cavity, out);
        }
        if self.count <= FEW {
            return formula::apply(&Few::<FEW>(self), cavity, out);
        }
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

/// Pieces under a tilt.
struct Tilted<N> {
    /// Counted from the origin.
    own: Enclosed<N>,
    peak: N,
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

/// Sum of all lanes of both.
#[inline(always)]
fn sum<S: Simd>(pair: Pair<Lanes<S>>) -> f64 {
    pair.0.sum() + pair.1.sum()
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
    /// Pieces of which this is [`KEPT`], under the tilt.
    #[inline(always)]
    fn tilted<N: Number>(&self, kept: [N; KEPT], n: N, origin: N) -> Tilted<N> {
        let [start, length, height, slope, precision, total, root, deviation] = kept;
        let gamma = n.constant(self.gamma);
        let a = slope + start.mul_add(-gamma, n);
        let curvature = Curvature { gamma: total, root, deviation };
        let from = start - origin;
        let slopes = [a, total.mul_add(-length, a)];
        let own = Enclosed { ends: [from, from + length], slopes, length, curvature };
        let peak = own.peak();
        let (x, half) = (start + peak, n.constant(0.5));
        let bend = peak.mul_add(-half * precision, slope);
        let tilt = (x + origin).mul_add(-half * gamma, n);
        let height = peak.mul_add(bend, (x - origin).mul_add(tilt, height));
        Tilted { own, peak, height }
    }

    /// The same piece for a register of rows.
    #[inline(always)]
    fn one<N: Number>(&self, k: usize, n: N, origin: N) -> Tilted<N> {
        let mut kept = [n; KEPT];
        for (own, kept) in kept.iter_mut().zip(self.kept) {
            *own = n.constant(kept[k]);
        }
        self.tilted(kept, n, origin)
    }

    /// Two registers of pieces for one row.
    #[inline(always)]
    fn some<S: Simd>(
        &self,
        registers: &[&[S::f64s]; KEPT],
        k: usize,
        n: Pair<Lanes<S>>,
        origin: Pair<Lanes<S>>,
        simd: S,
    ) -> Tilted<Pair<Lanes<S>>> {
        let mut kept = [n; KEPT];
        for (own, registers) in kept.iter_mut().zip(registers) {
            let [first, second] = [registers[2 * k], registers[2 * k + 1]];
            *own = Pair(Lanes::new(simd, first), Lanes::new(simd, second));
        }
        self.tilted(kept, n, origin)
    }

    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, n: f64) -> [f64; 2] {
        let (low, high) = self.ends;
        let from = if self.gamma > 0.0 { (n / self.gamma).max(low).min(high) } else { low };
        let (n, origin) = (Lanes::splat(simd, n), Lanes::splat(simd, from));
        let (n, origin) = (Pair(n, n), Pair(origin, origin));
        let (zero, deepest) = (n.constant(0.0), n.constant(-DEPTH));
        let mut registers: [&[S::f64s]; KEPT] = [&[]; KEPT];
        for (registers, kept) in registers.iter_mut().zip(self.kept) {
            *registers = Lanes::<S>::registers(kept).0;
        }
        let mut highest = n.constant(f64::NEG_INFINITY);
        for k in 0..registers[0].len() / 2 {
            highest = self.some(&registers, k, n, origin, simd).height.at_least(highest);
        }
        let highest = n.constant(highest.largest());
        let mut sums = Sums { total: n.constant(f64::MIN_POSITIVE), mean: zero, squares: zero };
        for k in 0..registers[0].len() / 2 {
            let Tilted { own, peak, height } = self.some(&registers, k, n, origin, simd);
            let fall = height - highest;
            if !(fall.largest() > -DEPTH) {
                continue;
            }
            // Pieces that don't count have no say in the form.
            let length = fall.if_above(deepest, own.length, zero);
            let Found { mean, variance, width, .. } = Enclosed { length, ..own }.around(peak);
            let mass = fall.if_above(deepest, width * exp_weight(fall), zero);
            let mean = fall.if_above(deepest, mean, sums.mean);
            sums.add(mass, mean, fall.if_above(deepest, variance, zero));
        }
        let total = sum(sums.total);
        let mean = sum(sums.total * sums.mean) / total;
        // Again without a negative term.
        let apart = sums.mean - n.constant(mean);
        let squares = sum((sums.total * apart).mul_add(apart, sums.squares));
        [from + mean, squares / total]
    }
}

/// Up to `K` pieces, what is found of which is kept on the way.
struct Few<'a, const K: usize>(&'a Segments<'a>);

impl<const K: usize> Formula<1> for Few<'_, K> {
    /// Pieces that a row doesn't need have no mass, whether another row of the register needs them or not.
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let Self(segments) = self;
        let (zero, deepest) = (n.constant(0.0), n.constant(-DEPTH));
        let (low, high) = (n.constant(segments.ends.0), n.constant(segments.ends.1));
        let origin = if segments.gamma > 0.0 {
            (n / n.constant(segments.gamma)).within(low, high)
        } else {
            low
        };
        let mut highest = n.constant(f64::NEG_INFINITY);
        let mut heights = [zero; K];
        for (k, height) in heights.iter_mut().enumerate().take(segments.count) {
            *height = segments.one(k, n, origin).height;
            highest = height.at_least(highest);
        }
        // Masses, and means from the origin, and variances.
        let mut found = [[zero; 3]; K];
        let (mut total, mut first) = (zero, zero);
        for (k, found) in found.iter_mut().enumerate().take(segments.count) {
            let Tilted { own, peak, .. } = segments.one(k, n, origin);
            let fall = heights[k] - highest;
            if !(fall.largest() > -DEPTH) {
                continue;
            }
            let Found { mean, variance, width, .. } = own.around(peak);
            let mass = fall.if_above(deepest, width * exp_weight(fall), zero);
            *found = [mass, mean, variance];
            total = total + mass;
            first = mass.mul_add(mean, first);
        }
        let inverse = n.constant(1.0) / total;
        let shift = first * inverse;
        let mut squares = zero;
        for [mass, mean, variance] in found.into_iter().take(segments.count) {
            // No term is negative.
            let apart = mean - shift;
            squares = mass.mul_add(apart.mul_add(apart, variance), squares);
        }
        [origin + shift, squares * inverse]
    }
}

impl WithSimd for Apply<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        align_frame();
        let Self { segments, natural, mean, variance } = self;
        for ((n, mean), variance) in natural.iter().zip(mean).zip(variance) {
            [*mean, *variance] = segments.row(simd, *n);
        }
    }
}
