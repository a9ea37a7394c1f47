//! Total variation of several columns under a full precision: which minimiser is it, and how does it move.

mod certificate;
mod interior;
mod pieces;
#[cfg(test)]
mod tests;

use interior::Interior;
use pieces::Pieces;

/// Columns along the same rows: minimise `tr(X Gamma X') / 2 - tr(N X') + weight sum_ij |X_{i+1,j} - X_ij|`.
///
/// The gradient is `X Gamma - N + D'U` with steps `(D X)_i = X_{i+1} - X_i`, and `U` the dual of the steps: within
/// `[-weight, weight]`, and at the end of the step's sign where there is a step. It is unique, a sum along a column.
pub(super) struct Problem<'a> {
    /// `N`, `rows x columns`.
    pub(super) natural: &'a [f64],
    /// `Gamma`, `columns x columns`, positive definite.
    pub(super) gamma: &'a [f64],
    /// Its inverse.
    pub(super) inverse: &'a [f64],
    /// Cost of a unit step, above zero.
    pub(super) weight: f64,
    pub(super) columns: usize,
}

impl Problem<'_> {
    fn rows(&self) -> usize {
        self.natural.len() / self.columns
    }

    /// Entry `j` of `row Gamma`.
    fn times_gamma(&self, row: &[f64], j: usize) -> f64 {
        let column = self.gamma.iter().skip(j).step_by(self.columns);
        row.iter().zip(column).map(|(x, gamma)| x * gamma).sum()
    }
}

/// Steps of the interior method after which it is given up: 4 to 10 are usual, whatever the precision, and after some 30
/// rounding ends all progress.
const STEPS: usize = 100;
/// A partition is tried from where the mean product of duals and steps has fallen to this share of its start.
const NEAR: f64 = 1e-3;
/// Exchanges of pieces from one place of the path: those that come to an end do so within a few, the others go round.
const EXCHANGES: usize = 12;

/// Values of memory that [`minimise`] takes.
pub(super) fn memory(rows: usize, columns: usize) -> usize {
    Interior::len(rows, columns) + Pieces::len(rows, columns) + 2 * rows * columns + 2 * columns
}

/// Writes the minimiser, and the covariance of each row where one is wanted (no values where not); false where neither method
/// comes to an end.
///
/// The interior method goes to where the pieces can be told. For given pieces and signs of steps the minimiser solves a linear
/// system; it is the answer once it keeps the conditions of optimality to rounding. Where it doesn't, pieces are split, and
/// steps removed, where it breaks them, and if that leads nowhere the interior method goes on.
pub(super) fn minimise(
    problem: &Problem<'_>,
    x: &mut [f64],
    covariance: &mut [f64],
    memory: &mut [f64],
) -> bool {
    let (n, d) = (problem.rows(), problem.columns);
    let (signs, rest) = memory.split_at_mut(n * d);
    let (tolerances, rest) = rest.split_at_mut(2 * d);
    let (own, rest) = rest.split_at_mut(Pieces::len(n, d));
    let mut pieces = Pieces::new(own, d);
    if n == 1 {
        return pieces.solve(problem, signs, x, covariance);
    }
    let mut interior = Interior::new(problem, &mut rest[..Interior::len(n, d)]);
    for _ in 0..STEPS {
        if interior.share(problem) <= NEAR {
            interior.signs(problem, signs);
            for _ in 0..EXCHANGES {
                if !pieces.solve(problem, signs, x, &mut []) {
                    break;
                }
                certificate::tolerances(problem, x, tolerances);
                match certificate::exchange(problem, x, signs, tolerances) {
                    Some(0) => return pieces.solve(problem, signs, x, covariance),
                    Some(_) => {}
                    None => break,
                }
            }
        }
        if !interior.advance(problem) {
            return false;
        }
    }
    false
}
