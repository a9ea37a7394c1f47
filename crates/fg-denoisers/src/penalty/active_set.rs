//! Exact minimiser of `sum_j cost(x_j) + x' H x / 2 - n'x` for a small symmetric positive semi-definite `H`.

use fg_core::message::small;

use super::piecewise::Piecewise;

/// The problem; `hessian` is `d x d`, `linear` the vector `n` of length `d`.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    pub(super) hessian: &'a [f64],
    pub(super) linear: &'a [f64],
    pub(super) cost: &'a Piecewise,
    /// What the entries add up to, for a cost that forbids negative entries and nothing else.
    pub(super) total: Option<f64>,
}

impl Problem<'_> {
    /// A multiple of `1 1'` that is added to `H` where the sum is fixed: it changes the cost by a constant, and leaves `H`
    /// singular only where a move that keeps the sum is without curvature.
    fn tie(self) -> f64 {
        let d = self.linear.len();
        let trace = small::trace(self.hessian, d);
        match self.total {
            Some(_) if trace > 0.0 => trace / d as f64,
            Some(_) => 1.0,
            None => 0.0,
        }
    }
}

/// Where an entry is: inside piece `k` of its cost, or held at kink `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free(usize),
    Kink(usize),
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
    /// State of each entry: `2 k` inside piece `k`, `2 k + 1` at kink `k`.
    place: &'a mut [f64],
    /// Where the free entries want to go.
    target: &'a mut [f64],
    /// One for an entry that was refused at the current point, else zero.
    barred: &'a mut [f64],
    reduced: &'a mut [f64],
    inverse: &'a mut [f64],
    work: &'a mut [f64],
    /// Multiplier of the fixed sum.
    multiplier: f64,
}

impl<'a> Workspace<'a> {
    /// Values of scratch memory needed for `d` columns.
    pub(super) fn len(d: usize) -> usize {
        3 * d + 4 * d * d
    }

    pub(super) fn new(memory: &'a mut [f64], d: usize) -> Self {
        let (place, rest) = memory.split_at_mut(d);
        let (target, rest) = rest.split_at_mut(d);
        let (barred, rest) = rest.split_at_mut(d);
        let (reduced, rest) = rest.split_at_mut(d * d);
        let (inverse, rest) = rest.split_at_mut(d * d);
        let work = &mut rest[..2 * d * d];
        Self { place, target, barred, reduced, inverse, work, multiplier: 0.0 }
    }

    fn state(&self, j: usize) -> State {
        state(self.place[j])
    }

    fn set(&mut self, j: usize, state: State) {
        self.place[j] = match state {
            State::Free(k) => (2 * k) as f64,
            State::Kink(k) => (2 * k + 1) as f64,
        };
    }
}

#[expect(clippy::cast_possible_truncation, reason = "twice the index of a piece, at most")]
fn state(place: f64) -> State {
    let place = place as usize;
    if place.is_multiple_of(2) { State::Free(place / 2) } else { State::Kink(place / 2) }
}

/// The free entries, with the pieces they are in.
fn free(place: &[f64]) -> impl Iterator<Item = (usize, usize)> {
    place.iter().enumerate().filter_map(|(j, &p)| match state(p) {
        State::Free(k) => Some((j, k)),
        State::Kink(_) => None,
    })
}

/// Slack of a held entry, in units of the rounding of its own gradient.
const ROUNDINGS: f64 = 16.0 * f64::EPSILON;
/// A pivot below this share of its diagonal entry is rounding of zero.
const SINGULAR_PIVOT: f64 = 64.0 * f64::EPSILON;
/// Steps a column: each pattern of states is settled in at most once, and in practice an entry enters once or twice.
const STEPS_PER_COLUMN: usize = 100;

/// Writes the minimiser into `x` and the states of its entries into the workspace.
///
/// A primal active-set method: from the origin, or the legal point nearest to it, the free entries move to their joint
/// minimum, and the first that would cross a kink on the way is held there; then the held entry that violates its
/// optimality condition most is set free. Every step lowers the cost, so no pattern of states comes twice and the end is
/// exact but for the rounding of one Cholesky solve. Along a direction without curvature the move goes on until an entry
/// is held, so the free block of `H` is positive definite at the end; where the minimiser isn't unique, one with few
/// free entries is returned.
pub(super) fn minimise(
    problem: Problem<'_>,
    x: &mut [f64],
    workspace: &mut Workspace<'_>,
) -> Result<(), Failure> {
    start(problem, x, workspace);
    workspace.barred.fill(0.0);
    let mut entering = None;
    for _ in 0..STEPS_PER_COLUMN * x.len() {
        if settle(problem, x, workspace, entering)? {
            workspace.barred.fill(0.0);
        } else if let Some(j) = entering {
            // Its violation was rounding: the point is optimal in this entry.
            workspace.barred[j] = 1.0;
        }
        let Some((j, state)) = most_violated(problem, x, workspace) else { return Ok(()) };
        workspace.set(j, state);
        entering = Some(j);
    }
    Err(Failure::NoConvergence)
}

/// The origin or the legal point nearest to it; with a fixed sum, the cheapest corner.
fn start(problem: Problem<'_>, x: &mut [f64], workspace: &mut Workspace<'_>) {
    let d = x.len();
    let (value, place) = problem.cost.start();
    x.fill(value);
    (0..d).for_each(|j| workspace.set(j, place));
    let Some(total) = problem.total else { return };
    let gain = |j: usize| problem.linear[j] - 0.5 * total * problem.hessian[j * d + j];
    if let Some(corner) = (0..d).max_by(|&a, &b| gain(a).total_cmp(&gain(b))) {
        x[corner] = total;
        workspace.set(corner, State::Free(problem.cost.kinks().len()));
    }
}

/// Moves the free entries to their joint minimum, holding those that meet a kink on the way; whether anything moved.
fn settle(
    problem: Problem<'_>,
    x: &mut [f64],
    workspace: &mut Workspace<'_>,
    entering: Option<usize>,
) -> Result<bool, Failure> {
    let mut moved = false;
    while free(workspace.place).next().is_some() {
        let curved = solve_free(problem, x, workspace);
        if !curved {
            flat_direction(problem, workspace)?;
        }
        let Some(crossing) = first_crossing(problem, x, workspace, curved) else {
            if !curved {
                return Err(Failure::Unbounded);
            }
            free(workspace.place).for_each(|(j, _)| x[j] = workspace.target[j]);
            return Ok(true);
        };
        for (j, _) in free(workspace.place) {
            let target = workspace.target[j];
            x[j] += crossing.length * if curved { target - x[j] } else { target };
        }
        moved |= crossing.length > 0.0;
        x[crossing.entry] = problem.cost.kinks()[crossing.kink];
        workspace.set(crossing.entry, State::Kink(crossing.kink));
        if entering == Some(crossing.entry) && !moved {
            return Ok(false);
        }
    }
    Ok(moved)
}

/// The held entry whose gradient is furthest outside of the slopes at its kink, and the piece it would enter.
fn most_violated(
    problem: Problem<'_>,
    x: &[f64],
    workspace: &Workspace<'_>,
) -> Option<(usize, State)> {
    let d = x.len();
    let shift = problem.total.map_or(0.0, |total| workspace.multiplier + problem.tie() * total);
    let mut most: Option<(usize, State)> = None;
    let mut largest = 0.0;
    for j in (0..d).filter(|&j| workspace.barred[j] == 0.0) {
        let State::Kink(kink) = workspace.state(j) else { continue };
        let mut pull = problem.linear[j] - shift;
        let mut size = problem.linear[j].abs() + shift.abs();
        for k in 0..d {
            let term = problem.hessian[j * d + k] * x[k];
            pull -= term;
            size += term.abs();
        }
        let (before, after) = (problem.cost.piece(kink), problem.cost.piece(kink + 1));
        let rounding = ROUNDINGS * (size + (after.curvature * x[j]).abs());
        for (excess, piece) in
            [(pull - after.pull(x[j]), kink + 1), (before.pull(x[j]) - pull, kink)]
        {
            if excess - rounding > largest {
                largest = excess - rounding;
                most = Some((j, State::Free(piece)));
            }
        }
    }
    most
}

/// Writes where the free entries are best, the others being held; false when their block of `H` is singular.
///
/// Solves `(H_FF + curvature) target_F = n_F - slope_F - H_FK x_K`, less the multiplier of a fixed sum.
fn solve_free(problem: Problem<'_>, x: &[f64], workspace: &mut Workspace<'_>) -> bool {
    let d = x.len();
    let Workspace { place, target, reduced, inverse, work, multiplier, .. } = workspace;
    let k = gather(problem, place, reduced);
    for (a, (j, piece)) in free(place).enumerate() {
        let held = (0..d).filter(|&i| matches!(state(place[i]), State::Kink(_)) && x[i] != 0.0);
        let others: f64 = held.map(|i| problem.hessian[j * d + i] * x[i]).sum();
        work[a] = problem.linear[j] - problem.cost.piece(piece).slope - others;
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
    if let Some(total) = problem.total {
        let ones = &mut inverse[..k];
        ones.fill(1.0);
        small::solve_lower(reduced, ones, k);
        small::solve_lower_transposed(reduced, ones, k);
        *multiplier = (work[..k].iter().sum::<f64>() - total) / ones.iter().sum::<f64>();
        work.iter_mut().zip(ones).for_each(|(w, o)| *w -= *multiplier * *o);
    }
    for (a, (j, _)) in free(place).enumerate() {
        target[j] = work[a];
    }
    true
}

/// Copies the free block of `H` with the curvatures of the cost, and returns its size.
fn gather(problem: Problem<'_>, place: &[f64], out: &mut [f64]) -> usize {
    let d = place.len();
    let tie = problem.tie();
    let k = free(place).count();
    for (a, (i, piece)) in free(place).enumerate() {
        for (b, (j, _)) in free(place).enumerate() {
            out[a * k + b] = problem.hessian[i * d + j] + tie;
        }
        out[a * k + a] += problem.cost.piece(piece).curvature;
    }
    k
}

/// Writes into `target` a direction of no curvature along which the cost doesn't rise.
fn flat_direction(problem: Problem<'_>, workspace: &mut Workspace<'_>) -> Result<(), Failure> {
    let Workspace { place, target, reduced, inverse, work, .. } = workspace;
    let k = gather(problem, place, reduced);
    small::eigen_symmetric(reduced, work, inverse, k);
    let Some(flat) = (0..k).min_by(|&a, &b| work[a].total_cmp(&work[b])) else {
        return Err(Failure::NoConvergence);
    };
    let (mut slope, mut size) = (0.0, 0.0);
    let mut leads_to_kink = false;
    for (a, (j, piece)) in free(place).enumerate() {
        let component = inverse[a * k + flat];
        target[j] = component;
        // The curvature is zero along it, so the slope is the same at every point: take x = 0 on the line.
        let pull = problem.linear[j] - problem.cost.piece(piece).slope;
        slope += component * pull;
        size += (component * pull).abs();
        leads_to_kink |= end_towards(problem.cost, piece, component).is_some();
    }
    let neutral = slope.abs() <= ROUNDINGS * size;
    // Downhill if there is a slope; otherwise towards a kink.
    if if neutral { !leads_to_kink } else { slope < 0.0 } {
        free(place).for_each(|(j, _)| target[j] = -target[j]);
    }
    Ok(())
}

/// The end of a piece in the direction of this sign, with the index of its kink; `None` when there is none.
fn end_towards(cost: &Piecewise, piece: usize, direction: f64) -> Option<(usize, f64)> {
    let kink = match direction {
        d if d > 0.0 => Some(piece).filter(|&k| k < cost.kinks().len()),
        d if d < 0.0 => piece.checked_sub(1),
        _ => None,
    };
    kink.map(|k| (k, cost.kinks()[k]))
}

/// A free entry that meets a kink, and the length of the way there.
struct Crossing {
    entry: usize,
    kink: usize,
    length: f64,
}

/// The free entry that meets a kink first.
fn first_crossing(
    problem: Problem<'_>,
    x: &[f64],
    workspace: &Workspace<'_>,
    curved: bool,
) -> Option<Crossing> {
    let mut first: Option<Crossing> = None;
    for (entry, piece) in free(workspace.place) {
        let target = workspace.target[entry];
        let way = if curved { target - x[entry] } else { target };
        let Some((kink, end)) = end_towards(problem.cost, piece, way) else { continue };
        if curved && if way > 0.0 { target <= end } else { target >= end } {
            continue;
        }
        // Rounding may have led past the kink already.
        let length = ((end - x[entry]) / way).max(0.0);
        if first.as_ref().is_none_or(|f| length < f.length) {
            first = Some(Crossing { entry, kink, length });
        }
    }
    first
}

/// Writes the derivative of the minimiser with respect to `n`: the inverse of the free block of `H` with the curvatures
/// of the cost, projected on what keeps a fixed sum, and zero elsewhere.
pub(super) fn covariance(
    problem: Problem<'_>,
    workspace: &mut Workspace<'_>,
    out: &mut [f64],
) -> bool {
    let Workspace { place, reduced, inverse, work, .. } = workspace;
    let d = place.len();
    out.fill(0.0);
    let k = gather(problem, place, reduced);
    if k == 0 || (k == 1 && problem.total.is_some()) {
        return true;
    }
    if small::invert_positive(reduced, inverse, work, k).is_err() {
        return false;
    }
    if problem.total.is_some() {
        let sums = &mut work[..k];
        (0..k).for_each(|a| sums[a] = inverse[a * k..(a + 1) * k].iter().sum());
        let whole: f64 = sums.iter().sum();
        (0..k * k).for_each(|e| inverse[e] -= sums[e / k] * sums[e % k] / whole);
    }
    for (a, (i, _)) in free(place).enumerate() {
        for (b, (j, _)) in free(place).enumerate() {
            out[i * d + j] = inverse[a * k + b];
        }
    }
    true
}

/// The maximum of `n'x - x' H x / 2` minus the cost.
///
/// For a free entry `(H x)_j + curvature x_j = n_j - slope`, so half of `x_j (n_j - slope)` is left but for a constant:
/// no cancellation.
pub(super) fn height(problem: Problem<'_>, x: &[f64], workspace: &Workspace<'_>) -> f64 {
    let d = x.len();
    let entry = |j: usize| {
        let n = problem.linear[j];
        let product = || (0..d).map(|k| problem.hessian[j * d + k] * x[k]).sum::<f64>();
        match workspace.state(j) {
            State::Free(k) if problem.total.is_none() => {
                let piece = problem.cost.piece(k);
                0.5 * x[j] * (n - piece.slope) - piece.constant
            }
            State::Free(k) => x[j] * (n - 0.5 * product()) - problem.cost.piece(k).cost(x[j]),
            State::Kink(k) => x[j] * (n - 0.5 * product()) - problem.cost.cost_at_kink(k),
        }
    };
    (0..d).map(entry).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::penalty::piecewise::Piece;
    use proptest::prelude::*;

    fn absolute(weight: f64) -> Piecewise {
        Piecewise::one_kink(0.0, [-weight, weight].map(|slope| Piece::new(0.0, slope, 0.0)))
    }

    fn solve(hessian: &[f64], linear: &[f64], weight: f64) -> Result<Vec<f64>, Failure> {
        let d = linear.len();
        let mut memory = vec![f64::NAN; Workspace::len(d)];
        let mut x = vec![0.0; d];
        let cost = absolute(weight);
        let problem = Problem { hessian, linear, cost: &cost, total: None };
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
