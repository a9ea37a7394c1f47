//! The nuclear norm under a full precision: which matrix of low rank is the minimiser, and how does it move.

mod barrier;
mod singular;
mod tangent;
#[cfg(test)]
mod tests;

use fg_core::message::small;

use crate::family::memory::take;
use barrier::Barrier;
pub(super) use singular::Singular;
use tangent::Tangent;

/// Minimise `tr(X Gamma X') / 2 - tr(N X') + weight |X|_*`.
pub(super) struct Problem<'a> {
    /// `N`, `rows x columns`.
    pub(super) natural: &'a [f64],
    /// `Gamma`, `columns x columns`, positive definite.
    pub(super) gamma: &'a [f64],
    /// Cost of a unit of singular value, above zero.
    pub(super) weight: f64,
    pub(super) columns: usize,
}

/// Steps along the path after which it is given up: 5 to 40 are usual, and rounding ends all progress before so many.
const STEPS: usize = 250;
/// A rank is tried from where the share of the barrier has fallen to this of its start.
const NEAR: f64 = 1e-3;
/// Singular values of `N` below this share of its length are the rounding of zero: rotations leave shorter columns as they are.
const VANISHING: f64 = 8.0 * f64::EPSILON;

/// Values of memory that [`minimise`] takes.
pub(super) fn memory(n: usize, d: usize) -> usize {
    let q = n.min(d);
    Singular::len(n, d) + 2 * q * d + 3 * d * d + d + Barrier::len(q, d) + Tangent::len(q, d)
}

/// Writes the minimiser, and the sum of the covariances of all rows, `d x d`; false where the methods come to no end.
///
/// Columns of the minimiser are combinations of those of `N`, so that as many rows are left as `N` has singular values. For
/// these the path of a barrier goes to where the rank can be told. Newton's steps among matrices of that rank lead to the
/// minimiser if it is the right one, which the dual outside of it decides; if it isn't, the path goes on.
pub(super) fn minimise(
    problem: &Problem<'_>,
    x: &mut [f64],
    covariance: &mut [f64],
    mut memory: &mut [f64],
) -> bool {
    let d = problem.columns;
    let n = problem.natural.len() / d;
    let memory = &mut memory;
    x.fill(0.0);
    covariance.fill(0.0);
    let own = take(memory, Singular::len(n, d));
    let Some(singular) = Singular::new(problem.natural.iter().copied(), own, d) else {
        return false;
    };
    let largest = singular.values.iter().copied().fold(0.0, f64::max);
    if largest <= problem.weight {
        return true;
    }
    let length = singular.values.iter().map(|s| s * s).sum::<f64>().sqrt();
    let kept = |value: f64| value > VANISHING * length;
    let q = singular.values.iter().filter(|&&value| kept(value)).count();
    let natural = take(memory, q * d);
    let both = || (0..d).filter(|&k| kept(singular.values[k])).enumerate();
    // In the eigenbasis of the precision, whose turns the norm doesn't see: small eigenvalues keep their digits in the inverse.
    let [basis, gamma, metric] = [(); 3].map(|()| take(memory, d * d));
    let own = [&mut *basis, &mut *gamma, &mut *metric];
    let Some(scale) = diagonalise(problem.gamma, own, take(memory, d)) else {
        return false;
    };
    for (k, from) in both() {
        for j in 0..d {
            let turned: f64 = (0..d).map(|i| singular.right[i * d + from] * basis[i * d + j]).sum();
            natural[k * d + j] = singular.values[from] * turned;
        }
    }
    let natural = &*natural;
    let reduced = Problem { natural, gamma, weight: problem.weight, columns: d };
    let start = take(memory, q * d);
    start.iter_mut().zip(natural).for_each(|(x, n)| *x = n / problem.weight);
    let mut barrier = Barrier::new(start, metric, (q, d), take(memory, Barrier::len(q, d)));
    let mut tangent = Tangent::new((q, d), take(memory, Tangent::len(q, d)));
    let unit = problem.weight * scale;
    for _ in 0..STEPS {
        match barrier.advance() {
            None => return false,
            Some(true) if barrier.progress() <= NEAR => {
                start.iter_mut().zip(barrier.primal()).for_each(|(x, primal)| *x = unit * primal);
                if tangent.settle(&reduced, start, floors(unit * barrier.share(), start)) {
                    // Back from the eigenbasis, and to all rows.
                    turn_back(tangent.x, basis, start, d);
                    for (row, turned) in x.chunks_exact_mut(d).zip(singular.turned.chunks_exact(d))
                    {
                        for (k, from) in both() {
                            let share = turned[from] / singular.values[from];
                            let own = start[k * d..(k + 1) * d].iter();
                            row.iter_mut().zip(own).for_each(|(x, own)| *x += share * own);
                        }
                    }
                    let solved = tangent.respond(&reduced, n, covariance);
                    small::multiply(basis, covariance, metric, d);
                    turn_back(metric, basis, covariance, d);
                    small::symmetrise(covariance, d);
                    return solved;
                }
            }
            Some(_) => {}
        }
    }
    false
}

/// Writes eigenvectors of the precision, one a column, the precision in their basis, and its inverse there with a largest entry of
/// one; returns that of the inverse itself. None where rounding leaves an eigenvalue that isn't positive.
fn diagonalise(
    precision: &[f64],
    [basis, gamma, metric]: [&mut [f64]; 3],
    values: &mut [f64],
) -> Option<f64> {
    let d = values.len();
    gamma.copy_from_slice(precision);
    small::eigen_symmetric(gamma, values, basis, d);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    if !(least > 0.0) {
        return None;
    }
    gamma.fill(0.0);
    metric.fill(0.0);
    for j in 0..d {
        gamma[j * (d + 1)] = values[j];
        metric[j * (d + 1)] = least / values[j];
    }
    Some(1.0 / least)
}

/// Rows in the basis, as they are without it.
fn turn_back(rows: &[f64], basis: &[f64], out: &mut [f64], d: usize) {
    for (row, out) in rows.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
        for (out, axis) in out.iter_mut().zip(basis.chunks_exact(d)) {
            *out = row.iter().zip(axis).map(|(x, b)| x * b).sum();
        }
    }
}

/// On the path a singular value `s` and its dual `g` keep `s (1 - g^2) = 2 mu g`. Those whose dual isn't at the end of its range
/// stay below some `mu`; where others nearly are, the largest one tells both apart.
fn floors(mu: f64, x: &[f64]) -> [f64; 2] {
    /// Of a dual of 0.97.
    const FAR: f64 = 30.0;
    let size = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    [FAR * mu, (mu * size).sqrt()]
}
