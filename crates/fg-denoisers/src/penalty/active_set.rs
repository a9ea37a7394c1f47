//! Exact minimiser of `l |x|_1 + x' H x / 2 - n'x` for a small symmetric positive semi-definite `H`.

use fg_core::message::small;

/// The problem; `hessian` is `d x d`, `linear` the vector `n` of length `d`, `weight` is `l >= 0`.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    pub(super) hessian: &'a [f64],
    pub(super) linear: &'a [f64],
    pub(super) weight: f64,
}

/// Why there is no minimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The cost falls for ever along some direction.
    Unbounded,
    /// The number of steps passed its limit.
    NoConvergence,
}

/// Working memory for [`minimise`] and [`covariance`].
pub(super) struct Workspace<'a> {
    /// Sign of each active coordinate, zero for the others.
    sign: &'a mut [f64],
    /// Where the active coordinates want to go.
    target: &'a mut [f64],
    /// One for a coordinate that was refused at the current point, else zero.
    barred: &'a mut [f64],
    reduced: &'a mut [f64],
    inverse: &'a mut [f64],
    work: &'a mut [f64],
}

impl<'a> Workspace<'a> {
    /// Values of scratch memory needed for `d` columns.
    pub(super) fn len(d: usize) -> usize {
        3 * d + 4 * d * d
    }

    pub(super) fn new(memory: &'a mut [f64], d: usize) -> Self {
        let (sign, rest) = memory.split_at_mut(d);
        let (target, rest) = rest.split_at_mut(d);
        let (barred, rest) = rest.split_at_mut(d);
        let (reduced, rest) = rest.split_at_mut(d * d);
        let (inverse, rest) = rest.split_at_mut(d * d);
        Self { sign, target, barred, reduced, inverse, work: &mut rest[..2 * d * d] }
    }
}

/// Slack of an inactive coordinate, in units of the rounding of its own gradient.
const ROUNDINGS: f64 = 16.0 * f64::EPSILON;
/// A pivot below this share of its diagonal entry is rounding of zero.
const SINGULAR_PIVOT: f64 = 64.0 * f64::EPSILON;
/// Steps a column: each sign pattern is visited at most once, and in practice a coordinate enters once or twice.
const STEPS_PER_COLUMN: usize = 100;

/// Writes the minimiser into `x` and its active signs into the workspace.
///
/// A primal active-set method: from `x = 0` the coordinate that violates its optimality condition most enters, the
/// active ones move to their joint minimum, and the first that would change sign leaves at zero. Every step lowers
/// the cost, so no sign pattern comes twice and the end is exact but for the rounding of one Cholesky solve. Along a
/// direction without curvature the move goes on until a coordinate leaves, so the active block of `H` is positive
/// definite at the end; where the minimiser isn't unique, one with few active coordinates is returned.
pub(super) fn minimise(
    problem: Problem<'_>,
    x: &mut [f64],
    workspace: &mut Workspace<'_>,
) -> Result<(), Failure> {
    let d = x.len();
    x.fill(0.0);
    workspace.sign.fill(0.0);
    workspace.barred.fill(0.0);
    for _ in 0..STEPS_PER_COLUMN * d {
        let Some((entering, sign)) = most_violated(problem, x, workspace) else { return Ok(()) };
        workspace.sign[entering] = sign;
        let mut moved = false;
        loop {
            let curved = solve_active(problem, workspace, d);
            if !curved {
                flat_direction(problem, x, workspace)?;
            }
            let step = first_crossing(x, workspace, curved);
            match step {
                None if curved => {
                    for j in (0..d).filter(|&j| workspace.sign[j] != 0.0) {
                        x[j] = workspace.target[j];
                    }
                    moved = true;
                    break;
                }
                None => return Err(Failure::Unbounded),
                Some((leaving, length)) => {
                    for j in (0..d).filter(|&j| workspace.sign[j] != 0.0) {
                        let move_by =
                            if curved { workspace.target[j] - x[j] } else { workspace.target[j] };
                        x[j] += length * move_by;
                    }
                    moved |= length > 0.0;
                    x[leaving] = 0.0;
                    workspace.sign[leaving] = 0.0;
                    if leaving == entering && !moved {
                        break;
                    }
                }
            }
        }
        if moved {
            workspace.barred.fill(0.0);
        } else {
            // Its violation was rounding: the point is optimal in this coordinate.
            workspace.barred[entering] = 1.0;
        }
    }
    Err(Failure::NoConvergence)
}

/// The inactive coordinate whose gradient exceeds the weight most, and the sign it would take.
fn most_violated(
    problem: Problem<'_>,
    x: &[f64],
    workspace: &Workspace<'_>,
) -> Option<(usize, f64)> {
    let d = x.len();
    let mut most: Option<(usize, f64)> = None;
    let mut largest = 0.0;
    for j in (0..d).filter(|&j| workspace.sign[j] == 0.0 && workspace.barred[j] == 0.0) {
        let mut pull = problem.linear[j];
        let mut size = pull.abs();
        for k in 0..d {
            let term = problem.hessian[j * d + k] * x[k];
            pull -= term;
            size += term.abs();
        }
        let excess = pull.abs() - problem.weight - ROUNDINGS * size;
        if excess > largest {
            largest = excess;
            most = Some((j, 1.0f64.copysign(pull)));
        }
    }
    most
}

/// Solves `H_AA target_A = n_A - l s_A` on the active coordinates; false when `H_AA` is singular.
fn solve_active(problem: Problem<'_>, workspace: &mut Workspace<'_>, d: usize) -> bool {
    let Workspace { sign, target, reduced, work, .. } = workspace;
    let k = gather(problem.hessian, sign, reduced, d);
    for (a, j) in (0..d).filter(|&j| sign[j] != 0.0).enumerate() {
        work[a] = problem.linear[j] - problem.weight * sign[j];
        work[d + a] = reduced[a * k + a];
    }
    if small::cholesky(reduced, k).is_err() {
        return false;
    }
    if (0..k).any(|a| !(reduced[a * k + a].powi(2) > SINGULAR_PIVOT * work[d + a])) {
        return false;
    }
    small::solve_lower(reduced, &mut work[..k], k);
    small::solve_lower_transposed(reduced, &mut work[..k], k);
    for (a, j) in (0..d).filter(|&j| sign[j] != 0.0).enumerate() {
        target[j] = work[a];
    }
    true
}

/// Copies the active block of `matrix` and returns its size.
fn gather(matrix: &[f64], sign: &[f64], out: &mut [f64], d: usize) -> usize {
    let k = sign.iter().filter(|&&s| s != 0.0).count();
    let mut entry = 0;
    for i in (0..d).filter(|&i| sign[i] != 0.0) {
        for j in (0..d).filter(|&j| sign[j] != 0.0) {
            out[entry] = matrix[i * d + j];
            entry += 1;
        }
    }
    k
}

/// Writes into `target` a direction of no curvature along which the cost doesn't rise.
fn flat_direction(
    problem: Problem<'_>,
    x: &[f64],
    workspace: &mut Workspace<'_>,
) -> Result<(), Failure> {
    let d = x.len();
    let Workspace { sign, target, reduced, inverse, work, .. } = workspace;
    let k = gather(problem.hessian, sign, reduced, d);
    small::eigen_symmetric(reduced, work, inverse, k);
    let Some(flat) = (0..k).min_by(|&a, &b| work[a].total_cmp(&work[b])) else {
        return Err(Failure::NoConvergence);
    };
    let (mut slope, mut size) = (0.0, 0.0);
    for (a, j) in (0..d).filter(|&j| sign[j] != 0.0).enumerate() {
        let component = inverse[a * k + flat];
        target[j] = component;
        // The curvature is zero along it, so the slope is the same at every point: take x = 0 on the line.
        let pull = problem.linear[j] - problem.weight * sign[j];
        slope += component * pull;
        size += (component * pull).abs();
    }
    let neutral = slope.abs() <= ROUNDINGS * size;
    let leads_to_zero = (0..d).any(|j| sign[j] * target[j] < 0.0);
    // Downhill if there is a slope; otherwise towards a coordinate that can leave.
    if if neutral { !leads_to_zero } else { slope < 0.0 } {
        (0..d).for_each(|j| target[j] = -target[j]);
    }
    Ok(())
}

/// The active coordinate that reaches zero first on the way, and the length of the way there.
fn first_crossing(x: &[f64], workspace: &Workspace<'_>, curved: bool) -> Option<(usize, f64)> {
    let mut first: Option<(usize, f64)> = None;
    for j in (0..x.len()).filter(|&j| workspace.sign[j] != 0.0) {
        let target = workspace.target[j];
        let crosses = workspace.sign[j] * target < 0.0;
        if !crosses {
            continue;
        }
        let length = if curved { x[j] / (x[j] - target) } else { -x[j] / target };
        if first.is_none_or(|(_, shortest)| length < shortest) {
            first = Some((j, length));
        }
    }
    first
}

/// Writes the derivative of the minimiser with respect to `n`: the inverse of the active block of `H`, zero elsewhere.
pub(super) fn covariance(
    problem: Problem<'_>,
    workspace: &mut Workspace<'_>,
    out: &mut [f64],
) -> bool {
    let Workspace { sign, reduced, inverse, work, .. } = workspace;
    let d = sign.len();
    out.fill(0.0);
    let k = gather(problem.hessian, sign, reduced, d);
    if k == 0 {
        return true;
    }
    if small::invert_positive(reduced, inverse, work, k).is_err() {
        return false;
    }
    let mut entry = 0;
    for i in (0..d).filter(|&i| sign[i] != 0.0) {
        for j in (0..d).filter(|&j| sign[j] != 0.0) {
            out[i * d + j] = inverse[entry];
            entry += 1;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn solve(hessian: &[f64], linear: &[f64], weight: f64) -> Result<Vec<f64>, Failure> {
        let d = linear.len();
        let mut memory = vec![f64::NAN; Workspace::len(d)];
        let mut x = vec![0.0; d];
        let problem = Problem { hessian, linear, weight };
        minimise(problem, &mut x, &mut Workspace::new(&mut memory, d)).map(|()| x)
    }

    /// Slow and obvious: coordinate descent to the end.
    fn coordinate_descent(hessian: &[f64], linear: &[f64], weight: f64) -> Vec<f64> {
        let d = linear.len();
        let mut x = vec![0.0; d];
        for _ in 0..20_000 {
            for j in 0..d {
                let others: f64 =
                    (0..d).filter(|&k| k != j).map(|k| hessian[j * d + k] * x[k]).sum();
                let pull = linear[j] - others;
                x[j] = (pull.abs() - weight).max(0.0).copysign(pull) / hessian[j * d + j];
            }
        }
        x
    }

    proptest! {
        #[test]
        fn agrees_with_coordinate_descent(
            g in prop::collection::vec(-1.0..1.0f64, 16),
            linear in prop::collection::vec(-3.0..3.0f64, 4),
            weight in 0.0..2.0f64,
        ) {
            let (mut transposed, mut hessian) = (vec![0.0; 16], vec![0.0; 16]);
            small::transpose(&g, &mut transposed, 4);
            small::multiply(&g, &transposed, &mut hessian, 4);
            (0..4).for_each(|j| hessian[5 * j] += 0.05);
            let found = solve(&hessian, &linear, weight).unwrap();
            let expected = coordinate_descent(&hessian, &linear, weight);
            for (a, b) in found.iter().zip(&expected) {
                // Condition number of up to 200 on values of up to 60.
                prop_assert!((a - b).abs() < 1e-9, "{hessian:?} {linear:?} {weight}: {found:?} {expected:?}");
            }
        }
    }

    #[test]
    fn singular_problems_with_a_minimum_are_solved() {
        // |x1| + |x2| + (x1 + x2)^2 / 2 - 3 (x1 + x2): any positive pair of sum 2.
        let x = solve(&[1.0, 1.0, 1.0, 1.0], &[3.0, 3.0], 1.0).unwrap();
        assert!((x[0] + x[1] - 2.0).abs() < 1e-14 && x.iter().all(|&v| v >= 0.0), "{x:?}");
        // The second coordinate is cheaper by its larger pull along the flat direction (1, -1).
        let x = solve(&[1.0, 1.0, 1.0, 1.0], &[3.0, 3.5], 1.0).unwrap();
        assert!(x[0].abs() < 1e-14 && (x[1] - 2.5).abs() < 1e-14, "{x:?}");
        assert_eq!(solve(&[0.0; 4], &[0.9, -0.9], 1.0), Ok(vec![0.0, 0.0]));
        assert_eq!(solve(&[0.0; 4], &[1.1, 0.0], 1.0), Err(Failure::Unbounded));
        assert_eq!(solve(&[1.0, 1.0, 1.0, 1.0], &[9.0, -9.0], 1.0), Err(Failure::Unbounded));
    }
}
