//! Densities of many pieces between two ends, all alike in every row, as a formula for a register of rows.

use fg_core::special::exp::exp_negative;
use fg_core::special::number::Number;

use super::Rule;
use super::formula::Formula;
use super::pieces::Piece;

/// A piece whose peak lies this many nats below the highest is left out: `exp(-DEPTH)` is below rounding, also next to squares
/// of distances.
const DEPTH: f64 = 60.0;

/// Pieces under one cavity precision.
pub(crate) struct Segments<'a> {
    pieces: &'a [Piece],
    rule: &'a Rule,
    gamma: f64,
    /// What the density reaches.
    ends: (f64, f64),
}

impl<'a> Segments<'a> {
    /// None unless all pieces have two ends and some mass.
    pub(crate) fn new(pieces: &'a [Piece], rule: &'a Rule, gamma: f64) -> Option<Self> {
        let legal = |p: &Piece| p.is_bounded() && p.end > p.start && p.height.is_finite();
        if !pieces.iter().all(legal) {
            return None;
        }
        let reach = |(low, high): (f64, f64), p: &Piece| (low.min(p.start), high.max(p.end));
        let ends = pieces.iter().fold((f64::INFINITY, f64::NEG_INFINITY), reach);
        Some(Self { pieces, rule, gamma, ends })
    }

    /// Place and height of a piece's peak under the tilt, relative to that at `origin`, and the slope at its start.
    #[inline(always)]
    fn peak<N: Number>(&self, piece: &Piece, n: N, origin: N) -> Peak<N> {
        let zero = n.constant(0.0);
        let start = n.constant(piece.start);
        let (gamma, length) = (n.constant(self.gamma), n.constant(piece.end - piece.start));
        let own = n.constant(piece.slope);
        let slope = own + start.mul_add(-gamma, n);
        let precision = n.constant(piece.precision + self.gamma);
        let far = length.mul_add(-precision, slope);
        let inverse = n.constant((piece.precision + self.gamma).recip());
        let within = slope.if_above(zero, slope * inverse, zero);
        let t = far.if_above(zero, length, within);
        let x = start + t;
        let bend = t.mul_add(n.constant(-0.5 * piece.precision), own);
        let tilt = (x + origin).mul_add(n.constant(-0.5 * self.gamma), n);
        let height = t.mul_add(bend, (x - origin).mul_add(tilt, n.constant(piece.height)));
        Peak { slope, height, precision, length }
    }
}

struct Peak<N> {
    slope: N,
    height: N,
    precision: N,
    length: N,
}

impl Formula<1> for Segments<'_> {
    /// Pieces are added one by one to mean and sum of squares: no term is negative.
    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let (zero, low) = (n.constant(0.0), n.constant(self.ends.0));
        let mut origin = low;
        if self.gamma > 0.0 {
            let mean = n * n.constant(self.gamma.recip());
            origin = mean.at_least(low).at_most(n.constant(self.ends.1));
        }
        let mut highest = n.constant(f64::NEG_INFINITY);
        for piece in self.pieces {
            highest = self.peak(piece, n, origin).height.at_least(highest);
        }
        let deepest = n.constant(-DEPTH);
        let (mut total, mut mean, mut squares) = (n.constant(f64::MIN_POSITIVE), zero, zero);
        for piece in self.pieces {
            let Peak { slope, height, precision, length } = self.peak(piece, n, origin);
            let fall = height - highest;
            if !(fall.largest() > -DEPTH) {
                continue;
            }
            let [offset, variance, width, _] = self.rule.parts(slope, precision, length);
            let mass = fall.if_above(deepest, width * exp_negative(fall), zero);
            let apart = (n.constant(piece.start) - origin) + offset - mean;
            let before = total;
            total = total + mass;
            let share = mass / total;
            mean = share.mul_add(apart, mean);
            let spread = (before * share * apart).mul_add(apart, mass * variance);
            squares = squares + spread;
        }
        [origin + mean, squares / total]
    }
}
