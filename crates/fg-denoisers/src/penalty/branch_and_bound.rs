//! Global maximisers of rows under a full precision by branch and bound: entries are decided one after the other, all others are
//! free of cost and at their best.

use fg_core::message::small;

/// Most columns of a full precision: searches are over all patterns of entries, of which bounds leave out most, not all.
pub(super) const MOST_COLUMNS: usize = 8;
pub(super) const SQUARE: usize = MOST_COLUMNS * MOST_COLUMNS;

/// The kind of each entry, counted from one; zero for an entry that is zero.
pub(super) type Pattern = [usize; MOST_COLUMNS];

/// A maximiser.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maximum {
    pub(super) pattern: Pattern,
    pub(super) x: [f64; MOST_COLUMNS],
    pub(super) height: f64,
}

/// Most kinds of an entry, zero among them.
pub(super) const MOST_CHOICES: usize = 6;

/// All rows that share a full precision.
pub(super) trait Search {
    /// Whether the exponent of a pattern is quadratic: its maximum is a straight line in `n`.
    const QUADRATIC: bool;

    /// What is computed once a row.
    type Row;

    /// Number of columns.
    fn columns(&self) -> usize;

    /// Number of kinds of an entry, zero among them.
    fn choices(&self) -> usize;

    fn row(&self, natural: &[f64]) -> Self::Row;

    /// What the first `k` entries of these kinds reach at most with all others at their best, looked at no closer once that is
    /// below `level`. Minus infinity where no maximum has it.
    fn bound(&self, k: usize, row: &Self::Row, pattern: &Pattern, level: f64) -> f64;

    /// The maximum of a whole pattern whose bound is `reach`, if it has one.
    fn visit(&self, row: &Self::Row, pattern: &Pattern, reach: f64, level: f64) -> Option<Maximum>;

    /// Writes the derivative of a maximiser with respect to `n`, `d x d`: the inverse of the curvature of the entries that aren't
    /// zero, and zero elsewhere. False where rounding leaves none.
    fn slopes(&self, maximum: &Maximum, out: &mut [f64]) -> bool;

    /// The highest of all points, given the linear terms.
    ///
    /// A search in depth: entry by entry takes each of its kinds, those that reach highest first, and what can't be higher than what
    /// has been found is left out.
    fn maximum(&self, natural: &[f64]) -> Maximum {
        let row = self.row(natural);
        // Zero costs nothing and is a pattern of its own.
        let mut best = Maximum { pattern: [0; MOST_COLUMNS], x: [0.0; MOST_COLUMNS], height: 0.0 };
        self.descend(0, &row, &mut [0; MOST_COLUMNS], &mut best);
        best
    }

    /// The maximum of a pattern, whether or not another is higher; none where it has none.
    fn again(&self, pattern: &Pattern, natural: &[f64]) -> Option<Maximum> {
        let row = self.row(natural);
        let reach = self.bound(self.columns(), &row, pattern, f64::INFINITY);
        self.visit(&row, pattern, reach, f64::NEG_INFINITY)
    }

    /// The part of the highest where the first `decided` entries are of these kinds.
    fn descend(&self, decided: usize, row: &Self::Row, pattern: &mut Pattern, best: &mut Maximum) {
        let count = self.choices();
        let mut reach = [f64::NEG_INFINITY; MOST_CHOICES];
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
            if decided + 1 < self.columns() {
                self.descend(decided + 1, row, pattern, best);
            } else if let Some(found) = self.visit(row, pattern, reach[choice], best.height) {
                *best = found;
            }
            reach[choice] = f64::NEG_INFINITY;
        }
        pattern[decided] = 0;
    }
}

/// For each number of entries that are decided, from one on, their precision where all others are free of cost and at their best.
pub(super) struct Partial {
    d: usize,
    precisions: [[f64; SQUARE]; MOST_COLUMNS],
}

/// Linear terms and constants of one row, likewise.
pub(super) struct Row {
    pub(super) natural: [[f64; MOST_COLUMNS]; MOST_COLUMNS],
    pub(super) constant: [f64; MOST_COLUMNS],
}

impl Partial {
    /// None where the precision isn't positive definite.
    ///
    /// # Panics
    /// With more than [`MOST_COLUMNS`] columns.
    pub(super) fn new(precision: &[f64], d: usize) -> Option<Self> {
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
        Some(Self { d, precisions })
    }

    pub(super) fn columns(&self) -> usize {
        self.d
    }

    /// The precision of the first `k` entries, `k x k`.
    pub(super) fn precision(&self, k: usize) -> &[f64] {
        &self.precisions[k - 1][..k * k]
    }

    pub(super) fn row(&self, natural: &[f64]) -> Row {
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

    /// Copies the precision of those of the first `k` entries that aren't zero, taken from that of the first `wide`, and returns
    /// their number.
    pub(super) fn gather(
        &self,
        wide: usize,
        k: usize,
        pattern: &Pattern,
        out: &mut [f64; SQUARE],
    ) -> usize {
        let precision = &self.precisions[wide - 1];
        let size = taken(&pattern[..k]).count();
        for (a, (i, _)) in taken(&pattern[..k]).enumerate() {
            for (b, (j, _)) in taken(&pattern[..k]).enumerate() {
                out[a * size + b] = precision[i * wide + j];
            }
        }
        size
    }

    /// Writes the inverse of a curvature of the entries that aren't zero at their places, `d x d`, and zero elsewhere. False where
    /// rounding leaves none.
    pub(super) fn scatter_inverse(
        &self,
        curvature: &[f64; SQUARE],
        pattern: &Pattern,
        out: &mut [f64],
    ) -> bool {
        let (d, size) = (self.d, taken(&pattern[..self.d]).count());
        let (mut inverse, mut work) = ([0.0; SQUARE], [0.0; 2 * SQUARE]);
        out.fill(0.0);
        if size == 0 {
            return true;
        }
        let whole = size * size;
        let (curvature, inverse) = (&curvature[..whole], &mut inverse[..whole]);
        if small::invert_positive(curvature, inverse, &mut work[..2 * whole], size).is_err() {
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

/// The entries that aren't zero, with the indices of their kinds.
pub(super) fn taken(pattern: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    pattern.iter().enumerate().filter(|(_, choice)| **choice > 0).map(|(j, choice)| (j, choice - 1))
}
