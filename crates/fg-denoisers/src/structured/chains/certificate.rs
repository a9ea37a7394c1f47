//! Whether columns of given pieces are the minimiser, and which pieces to change where they aren't.

use super::Problem;

/// Sums and solutions keep all but so many units in the last place of the sum of their terms.
const ROUNDING: f64 = 32.0 * f64::EPSILON;

/// Writes what rounding leaves of zero, for each column: of a dual, then, for each column again, of a step.
pub(super) fn tolerances(problem: &Problem<'_>, x: &[f64], out: &mut [f64]) {
    let d = problem.columns;
    let (duals, steps) = out.split_at_mut(d);
    duals.fill(problem.weight);
    steps.fill(0.0);
    let mut longest: f64 = 0.0;
    for (x, natural) in x.chunks_exact(d).zip(problem.natural.chunks_exact(d)) {
        for j in 0..d {
            let column = problem.gamma.iter().skip(j).step_by(d);
            let terms: f64 = x.iter().zip(column).map(|(x, gamma)| (x * gamma).abs()).sum();
            duals[j] += natural[j].abs() + terms;
            longest = longest.max(x[j].abs() * problem.gamma[j * (d + 1)].sqrt());
        }
    }
    for j in 0..d {
        duals[j] *= ROUNDING;
        // How much the others' rounding counts in this column.
        let gamma = problem.gamma[j * (d + 1)];
        steps[j] = ROUNDING * gamma * problem.inverse[j * (d + 1)] * longest / gamma.sqrt();
    }
}

/// Splits each piece where its dual is farthest beyond the weight, and removes steps that go against their sign. Returns the
/// number of changes, zero for the minimiser; none if the values don't solve the system of these pieces.
pub(super) fn exchange(
    problem: &Problem<'_>,
    x: &[f64],
    signs: &mut [f64],
    tolerances: &[f64],
) -> Option<usize> {
    let (n, d) = (problem.rows(), problem.columns);
    let mut changes = 0;
    for j in 0..d {
        let (rounding, flat) = (tolerances[j], tolerances[d + j]);
        let mut dual = 0.0;
        // The excess, the place and the sign where it is the largest of this piece.
        let mut worst = (rounding, None);
        for i in 0..n {
            dual += problem.times_gamma(&x[i * d..(i + 1) * d], j) - problem.natural[i * d + j];
            let k = i * d + j;
            let (last, sign) = (i + 1 == n, signs[k]);
            if !last && sign == 0.0 {
                let excess = f64::abs(dual) - problem.weight;
                if excess > worst.0 {
                    worst = (excess, Some((k, dual.signum())));
                }
                continue;
            }
            let end = if last { 0.0 } else { sign * problem.weight };
            if !((dual - end).abs() <= rounding) {
                return None;
            }
            dual = end;
            if let Some((place, sign)) = worst.1.take() {
                signs[place] = sign;
                changes += 1;
            }
            worst.0 = rounding;
            if !last && (x[k + d] - x[k]) * sign < -flat {
                signs[k] = 0.0;
                changes += 1;
            }
        }
    }
    Some(changes)
}
