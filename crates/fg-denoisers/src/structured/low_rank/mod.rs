//! The nuclear norm under a full precision: which matrix of low rank is the minimiser, and how does it move.

mod barrier;
mod singular;
mod tangent;
#[cfg(test)]
mod tests;

use barrier::Barrier;
pub(super) use singular::Singular;
use tangent::Tangent;

use crate::family::memory::take;

/// Minimise `tr(X Gamma X') / 2 - tr(N X') + weight |X|_*`.
pub(super) struct Problem<'a> {
    /// `N`, `rows x columns`.
    pub(super) natural: &'a [f64],
    /// `Gamma`, `columns x columns`, positive definite.
    pub(super) gamma: &'a [f64],
    /// Its inverse.
    pub(super) inverse: &'a [f64],
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
    Singular::len(n, d) + 2 * q * d + d * d + Barrier::len(q, d) + Tangent::len(q, d)
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
    for (k, from) in both() {
        for j in 0..d {
            natural[k * d + j] = singular.values[from] * singular.right[j * d + from];
        }
    }
    let natural = &*natural;
    let reduced = tangent::Problem { natural, gamma: problem.gamma, weight: problem.weight };
    // In units in which the dual's ball and the metric's largest entry are one.
    let scale = problem.inverse.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let (start, metric) = (take(memory, q * d), take(memory, d * d));
    metric.iter_mut().zip(problem.inverse).for_each(|(m, v)| *m = v / scale);
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
                    for (row, turned) in x.chunks_exact_mut(d).zip(singular.turned.chunks_exact(d))
                    {
                        for (k, from) in both() {
                            let share = turned[from] / singular.values[from];
                            let own = tangent.x[k * d..(k + 1) * d].iter();
                            row.iter_mut().zip(own).for_each(|(x, own)| *x += share * own);
                        }
                    }
                    return tangent.respond(&reduced, n, covariance);
                }
            }
            Some(_) => {}
        }
    }
    false
}

/// On the path a singular value `s` and its dual `g` keep `s (1 - g^2) = 2 mu g`. Those whose dual isn't at the end of its range
/// stay below some `mu`; where others nearly are, the largest one tells both apart.
fn floors(mu: f64, x: &[f64]) -> [f64; 2] {
    /// Of a dual of 0.97.
    const FAR: f64 = 30.0;
    let size = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    [FAR * mu, (mu * size).sqrt()]
}
