//! Costs that are quadratic in pieces: which piece every entry is in, all of them together.

use fg_core::message::small;

use super::branch_and_bound::{
    MOST_CHOICES, MOST_COLUMNS, Maximum, Partial, Pattern, Row, SQUARE, Search, taken,
};
use super::thresholding::Stretch;

/// Most pieces of the cost of an entry, zero not among them: two that differ by sign, and one that doesn't.
const MOST_PIECES: usize = MOST_CHOICES - 1;

/// How far beyond the ends of its piece a stationary point may be, relative to the end: neighbouring pieces join smoothly, so that
/// one found twice has the same height to the square of this, and one is not lost to the rounding of both.
const SLACK: f64 = 1e-9;

/// Bounds of a pattern, one closer than the other: what the last of them leaves out costs more to find than to search.
const ROUNDS: usize = 4;

/// Cost `constant + slope x + curvature x^2 / 2` of an entry that isn't zero.
#[derive(Clone, Copy, Debug)]
struct Piece {
    constant: f64,
    slope: f64,
    curvature: f64,
    /// Sign of the entry; zero for both.
    sign: f64,
    /// Ends of the absolute value.
    start: f64,
    end: f64,
}

impl Piece {
    const NONE: Self =
        Self { constant: 0.0, slope: 0.0, curvature: 0.0, sign: 0.0, start: 0.0, end: 0.0 };

    fn holds(&self, x: f64) -> bool {
        let size = if self.sign == 0.0 { x.abs() } else { self.sign * x };
        size >= self.start * (1.0 - SLACK) && size <= self.end * (1.0 + SLACK)
    }
}

/// The pieces of a cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pieces {
    list: [Piece; MOST_PIECES],
    count: usize,
}

impl Pieces {
    /// Of a cost that has these stretches for positive entries and is even; those of no slope at zero are one for both signs.
    pub(super) fn even(stretches: &[Stretch]) -> Self {
        let mut pieces = Self { list: [Piece::NONE; MOST_PIECES], count: 0 };
        let mut start = 0.0;
        for stretch in stretches {
            let Stretch { end, constant, slope, curvature } = *stretch;
            let signs: &[f64] = if slope == 0.0 { &[0.0] } else { &[-1.0, 1.0] };
            for &sign in signs {
                let slope = sign * slope;
                pieces.list[pieces.count] = Piece { constant, slope, curvature, sign, start, end };
                pieces.count += 1;
            }
            start = end;
        }
        pieces
    }
}

/// All rows that share a precision.
pub(super) struct Patterns {
    pieces: Pieces,
    partial: Partial,
}

impl Patterns {
    /// None where the precision isn't positive definite.
    ///
    /// # Panics
    /// With more than [`MOST_COLUMNS`] columns.
    pub(super) fn new(pieces: Pieces, precision: &[f64], d: usize) -> Option<Self> {
        Some(Self { pieces, partial: Partial::new(precision, d)? })
    }

    /// Raises what leads entries back that are beyond an end of their piece, to where each would be at it with the others where they
    /// are; false where there is none.
    fn lead_back(&self, k: usize, pattern: &Pattern, x: &[f64], more: &mut [f64]) -> bool {
        let mut any = false;
        for (a, (j, piece)) in taken(&pattern[..k]).enumerate() {
            let piece = self.pieces.list[piece];
            let (start, end, place) = (piece.start, piece.end, piece.sign * x[a]);
            if piece.sign == 0.0 || piece.holds(x[a]) {
                continue;
            }
            // Of the exponent less the cost along the chord of the piece.
            let curvature = self.partial.precision(k)[j * k + j];
            let bend = piece.curvature + more[a];
            let pull = (curvature + bend) * place - 0.5 * bend * (start + end);
            let over = if place > end { pull - curvature * end } else { curvature * start - pull };
            let needed = 2.0 * over / (end - start) - piece.curvature;
            any |= needed > more[a];
            more[a] = more[a].max(needed);
        }
        any
    }

    /// The stationary point of a whole pattern, where every entry is in its piece.
    fn stationary(&self, row: &Row, pattern: &Pattern) -> Option<[f64; MOST_COLUMNS]> {
        let (mut factor, mut pull) = ([0.0; SQUARE], [0.0; MOST_COLUMNS]);
        let size = self.gather(self.columns(), self.columns(), pattern, &mut factor);
        small::cholesky(&mut factor[..size * size], size).ok()?;
        self.linear(self.columns(), row, pattern, &mut pull);
        small::solve_lower(&factor, &mut pull[..size], size);
        small::solve_lower_transposed(&factor, &mut pull[..size], size);
        let mut x = [0.0; MOST_COLUMNS];
        for (a, (j, piece)) in taken(&pattern[..self.columns()]).enumerate() {
            if !self.pieces.list[piece].holds(pull[a]) {
                return None;
            }
            x[j] = pull[a];
        }
        Some(x)
    }

    /// Copies the curvature of those of the first `k` entries that aren't zero, by the precision of the first `wide`, and returns
    /// their number.
    fn gather(&self, wide: usize, k: usize, pattern: &Pattern, out: &mut [f64; SQUARE]) -> usize {
        let size = self.partial.gather(wide, k, pattern, out);
        for (a, (_, piece)) in taken(&pattern[..k]).enumerate() {
            out[a * (size + 1)] += self.pieces.list[piece].curvature;
        }
        size
    }

    /// Writes what pulls at these entries, and returns the sum of the constants of their pieces.
    fn linear(&self, k: usize, row: &Row, pattern: &Pattern, out: &mut [f64]) -> f64 {
        let mut constants = 0.0;
        for (a, (j, piece)) in taken(&pattern[..k]).enumerate() {
            let piece = self.pieces.list[piece];
            out[a] = row.natural[k - 1][j] - piece.slope;
            constants += piece.constant;
        }
        constants
    }
}

impl Search for Patterns {
    const QUADRATIC: bool = true;

    type Row = Row;

    fn columns(&self) -> usize {
        self.partial.columns()
    }

    fn choices(&self) -> usize {
        self.pieces.count + 1
    }

    fn row(&self, natural: &[f64]) -> Row {
        self.partial.row(natural)
    }

    /// Of a whole pattern what its stationary point reaches. The exponent is quadratic, and its maximum a bound; a pattern whose
    /// curvature isn't positive has no maximum, and no pattern that goes on from it.
    ///
    /// Beyond its ends a piece isn't what an entry costs, and may lead far below that. Within them the cost is no less than
    /// `piece + more (x - start) (x - end) / 2` for any `more >= 0`, which beyond them is more than the piece: it is chosen for entries
    /// that are beyond an end so that they are led back to it.
    fn bound(&self, k: usize, row: &Row, pattern: &Pattern, level: f64) -> f64 {
        let (mut more, mut exact) = ([0.0; MOST_COLUMNS], true);
        let mut least = f64::INFINITY;
        for _ in 0..ROUNDS {
            let (mut factor, mut pull) = ([0.0; SQUARE], [0.0; MOST_COLUMNS]);
            let size = self.gather(k, k, pattern, &mut factor);
            (0..size).for_each(|a| factor[a * (size + 1)] += more[a]);
            if !positive(&mut factor, size) {
                // Others that are at their best take curvature from these; without them there may be enough.
                let size = self.gather(self.columns(), k, pattern, &mut factor);
                if !exact || k == self.columns() || !positive(&mut factor, size) {
                    return if exact { f64::NEG_INFINITY } else { least };
                }
                exact = false;
                for (more, (_, piece)) in more.iter_mut().zip(taken(&pattern[..k])) {
                    *more = -self.pieces.list[piece].curvature;
                }
                continue;
            }
            let mut constants = self.linear(k, row, pattern, &mut pull);
            for (a, (_, piece)) in taken(&pattern[..k]).enumerate().filter(|(a, _)| more[*a] > 0.0)
            {
                let Piece { sign, start, end, .. } = self.pieces.list[piece];
                pull[a] += 0.5 * more[a] * sign * (start + end);
                constants += 0.5 * more[a] * start * end;
            }
            small::solve_lower(&factor, &mut pull[..size], size);
            let square: f64 = pull[..size].iter().map(|p| p * p).sum();
            least = least.min(0.5 * square + row.constant[k - 1] - constants);
            if k == self.columns() || !(least > level) {
                return least;
            }
            small::solve_lower_transposed(&factor, &mut pull[..size], size);
            if !self.lead_back(k, pattern, &pull, &mut more) {
                return least;
            }
        }
        least
    }

    fn visit(&self, row: &Row, pattern: &Pattern, reach: f64, _: f64) -> Option<Maximum> {
        let x = self.stationary(row, pattern)?;
        Some(Maximum { pattern: *pattern, x, height: reach })
    }

    fn slopes(&self, maximum: &Maximum, out: &mut [f64]) -> bool {
        let (mut curvature, d) = ([0.0; SQUARE], self.columns());
        self.gather(d, d, &maximum.pattern, &mut curvature);
        self.partial.scatter_inverse(&curvature, &maximum.pattern, out)
    }
}

/// Whether there is a Cholesky factor, which takes the place of the matrix.
fn positive(matrix: &mut [f64; SQUARE], size: usize) -> bool {
    small::cholesky(&mut matrix[..size * size], size).is_ok()
}
