//! Global maximisers of rows under a full precision: which piece of its cost every entry is in, all of them together.

use fg_core::message::small;

use super::thresholding::Stretch;

/// Most columns of a full precision: the search is over all patterns of pieces, of which bounds leave out most, not all.
pub(super) const MOST_COLUMNS: usize = 8;
const SQUARE: usize = MOST_COLUMNS * MOST_COLUMNS;

/// Most pieces of the cost of an entry, zero not among them: two that differ by sign, and one that doesn't.
const MOST_PIECES: usize = 5;

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

/// The piece of each entry, counted from one; zero for an entry that is zero.
pub(super) type Pattern = [usize; MOST_COLUMNS];

/// A maximiser.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maximum {
    pub(super) pattern: Pattern,
    pub(super) x: [f64; MOST_COLUMNS],
    pub(super) height: f64,
}

/// All rows that share a precision.
pub(super) struct Search {
    pieces: Pieces,
    d: usize,
    /// For each number of entries that are decided, from one on, their precision where all others are free of cost and at their best.
    precisions: [[f64; SQUARE]; MOST_COLUMNS],
}

/// Linear terms and constants of one row, likewise.
struct Row {
    natural: [[f64; MOST_COLUMNS]; MOST_COLUMNS],
    constant: [f64; MOST_COLUMNS],
}

impl Search {
    /// None where the precision isn't positive definite.
    ///
    /// # Panics
    /// With more than [`MOST_COLUMNS`] columns.
    pub(super) fn new(pieces: Pieces, precision: &[f64], d: usize) -> Option<Self> {
        assert!(d <= MOST_COLUMNS, "{d} columns");
        let mut factor = [0.0; SQUARE];
        factor[..d * d].copy_from_slice(precision);
        small::cholesky(&mut factor[..d * d], d).ok()?;
        let mut precisions = [[0.0; SQUARE]; MOST_COLUMNS];
        precisions[d - 1][..d * d].copy_from_slice(precision);
        for k in (1..d).rev() {
            // The last of k + 1 entries gives way to the others.
            let (wide, last) = (precisions[k], k * (k + 1));
            for a in 0..k {
                for b in 0..k {
                    let through = wide[last + a] * wide[last + b] / wide[last + k];
                    precisions[k - 1][a * k + b] = wide[a * (k + 1) + b] - through;
                }
            }
        }
        Some(Self { pieces, d, precisions })
    }

    /// The highest stationary point of all patterns.
    ///
    /// A search in depth: entry by entry takes each of its pieces, those that reach highest first, and what can't be higher than what
    /// has been found is left out. With entries without a piece yet free of cost, which none is less than, the exponent is quadratic,
    /// and its maximum a bound; a pattern whose curvature isn't positive has no maximum, and no pattern that goes on from it.
    pub(super) fn maximum(&self, natural: &[f64]) -> Maximum {
        let row = self.row(natural);
        let nothing = [0; MOST_COLUMNS];
        // Zero costs nothing and is a pattern of its own.
        let mut best = Maximum { pattern: nothing, x: [0.0; MOST_COLUMNS], height: 0.0 };
        let mut pattern = nothing;
        self.descend(0, &row, &mut pattern, &mut best);
        best
    }

    fn row(&self, natural: &[f64]) -> Row {
        let d = self.d;
        let mut row =
            Row { natural: [[0.0; MOST_COLUMNS]; MOST_COLUMNS], constant: [0.0; MOST_COLUMNS] };
        row.natural[d - 1][..d].copy_from_slice(natural);
        for k in (1..d).rev() {
            let (wide, last) = (&self.precisions[k], k * (k + 1));
            let (pull, curvature) = (row.natural[k][k], wide[last + k]);
            for a in 0..k {
                row.natural[k - 1][a] = row.natural[k][a] - wide[last + a] * pull / curvature;
            }
            row.constant[k - 1] = row.constant[k] + 0.5 * pull * pull / curvature;
        }
        row
    }

    fn descend(&self, decided: usize, row: &Row, pattern: &mut Pattern, best: &mut Maximum) {
        let count = self.pieces.count + 1;
        let mut reach = [f64::NEG_INFINITY; MOST_PIECES + 1];
        for choice in 0..count {
            pattern[decided] = choice;
            reach[choice] = self.bound(decided + 1, row, pattern, best.height);
        }
        for _ in 0..count {
            let highest = |a: usize, b: usize| if reach[b] > reach[a] { b } else { a };
            let choice = (1..count).fold(0, highest);
            if !(reach[choice] > best.height) {
                break;
            }
            pattern[decided] = choice;
            if decided + 1 < self.d {
                self.descend(decided + 1, row, pattern, best);
            } else if let Some(x) = self.stationary(row, pattern) {
                *best = Maximum { pattern: *pattern, x, height: reach[choice] };
            }
            reach[choice] = f64::NEG_INFINITY;
        }
        pattern[decided] = 0;
    }

    /// What the first `k` entries with these pieces reach at most with all others at their best, looked at no closer once that is below
    /// `level`; of a whole pattern what its stationary point reaches. Minus infinity where no maximum has it.
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
                let size = self.gather(self.d, k, pattern, &mut factor);
                if !exact || k == self.d || !positive(&mut factor, size) {
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
            if k == self.d || !(least > level) {
                return least;
            }
            small::solve_lower_transposed(&factor, &mut pull[..size], size);
            if !self.lead_back(k, pattern, &pull, &mut more) {
                return least;
            }
        }
        least
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
            let curvature = self.precisions[k - 1][j * k + j];
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
        let size = self.gather(self.d, self.d, pattern, &mut factor);
        small::cholesky(&mut factor[..size * size], size).ok()?;
        self.linear(self.d, row, pattern, &mut pull);
        small::solve_lower(&factor, &mut pull[..size], size);
        small::solve_lower_transposed(&factor, &mut pull[..size], size);
        let mut x = [0.0; MOST_COLUMNS];
        for (a, (j, piece)) in taken(&pattern[..self.d]).enumerate() {
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
        let precision = &self.precisions[wide - 1];
        let size = taken(&pattern[..k]).count();
        for (a, (i, piece)) in taken(&pattern[..k]).enumerate() {
            for (b, (j, _)) in taken(&pattern[..k]).enumerate() {
                out[a * size + b] = precision[i * wide + j];
            }
            out[a * size + a] += self.pieces.list[piece].curvature;
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

    /// Writes the derivative of a maximiser with respect to `n`, `d x d`: the inverse of the curvature of the entries that aren't
    /// zero, and zero elsewhere. False where rounding leaves none.
    pub(super) fn slopes(&self, pattern: &Pattern, out: &mut [f64]) -> bool {
        let (mut factor, mut inverse) = ([0.0; SQUARE], [0.0; SQUARE]);
        let mut work = [0.0; 2 * SQUARE];
        let (d, size) = (self.d, self.gather(self.d, self.d, pattern, &mut factor));
        out.fill(0.0);
        if size == 0 {
            return true;
        }
        let whole = size * size;
        let (factor, inverse) = (&mut factor[..whole], &mut inverse[..whole]);
        if small::invert_positive(factor, inverse, &mut work[..2 * whole], size).is_err() {
            return false;
        }
        for (a, (i, _)) in taken(&pattern[..d]).enumerate() {
            for (b, (j, _)) in taken(&pattern[..d]).enumerate() {
                out[i * d + j] = inverse[a * size + b];
            }
        }
        true
    }
}

/// The entries that aren't zero, with the indices of their pieces.
fn taken(pattern: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    pattern.iter().enumerate().filter(|(_, choice)| **choice > 0).map(|(j, choice)| (j, choice - 1))
}

/// Whether there is a Cholesky factor, which takes the place of the matrix.
fn positive(matrix: &mut [f64; SQUARE], size: usize) -> bool {
    small::cholesky(&mut matrix[..size * size], size).is_ok()
}
