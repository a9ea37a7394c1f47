//! A path through the interior of the dual's box, to where pieces and steps can be told from each other.

use fg_core::message::small;

use super::Problem;
use crate::family::memory::take;

/// Share of the way to the boundary of the box that a step takes at most: close to it, and never on it.
const SHARE: f64 = 0.995;

/// Primal and dual values with `z+ (l - u) = z- (l + u) = mu` as the aim, `z+ - z-` being the steps: Mehrotra's predictor and
/// corrector. All arrays are `rows x columns`, of steps the last row is unused.
pub(super) struct Interior<'a> {
    x: Moving<'a>,
    dual: Moving<'a>,
    up: Moving<'a>,
    down: Moving<'a>,
    /// What the products of `up` and `down` with their distances are to change by.
    change: [&'a mut [f64]; 2],
    weights: &'a mut [f64],
    /// Cholesky factors, of each row's matrix when the rows before it are eliminated.
    factors: &'a mut [f64],
    work: [&'a mut [f64]; 3],
    /// Usual step of a column, in which steps are told from none.
    scales: &'a mut [f64],
    start: f64,
}

/// Values and where they are heading.
struct Moving<'a> {
    value: &'a mut [f64],
    step: &'a mut [f64],
}

impl<'a> Moving<'a> {
    fn new(memory: &mut &'a mut [f64], len: usize) -> Self {
        let (value, step) = (take(memory, len), take(memory, len));
        value.fill(0.0);
        step.fill(0.0);
        Self { value, step }
    }

    fn go(&mut self, share: f64) {
        self.value.iter_mut().zip(&*self.step).for_each(|(value, step)| *value += share * step);
    }
}

impl<'a> Interior<'a> {
    pub(super) fn len(rows: usize, d: usize) -> usize {
        rows * d * (11 + d) + 3 * d * d + d
    }

    /// The minimiser without the penalty, and a dual of zero.
    pub(super) fn new(problem: &Problem<'_>, mut memory: &'a mut [f64]) -> Self {
        let (n, d) = (problem.rows(), problem.columns);
        let memory = &mut memory;
        let [x, dual, up, down] = [(); 4].map(|()| Moving::new(memory, n * d));
        let change = [(); 2].map(|()| take(memory, n * d));
        let work = [(); 3].map(|()| take(memory, d * d));
        let (weights, scales) = (take(memory, n * d), take(memory, d));
        let factors = take(memory, n * d * d);
        for (x, natural) in x.value.chunks_exact_mut(d).zip(problem.natural.chunks_exact(d)) {
            small::row_times(natural, problem.inverse, x, d);
        }
        let steps = (n - 1) * d;
        scales.fill(0.0);
        for k in 0..steps {
            scales[k % d] += (x.value[k + d] - x.value[k]).abs() / (n - 1) as f64;
        }
        for (j, scale) in scales.iter_mut().enumerate() {
            if !(*scale > 0.0) {
                *scale = problem.weight / problem.gamma[j * (d + 1)];
            }
        }
        for k in 0..steps {
            let step = x.value[k + d] - x.value[k];
            up.value[k] = step.max(0.0) + scales[k % d];
            down.value[k] = (-step).max(0.0) + scales[k % d];
        }
        let mut this =
            Self { x, dual, up, down, change, weights, factors, work, scales, start: 0.0 };
        this.start = this.products(problem, 0.0);
        this
    }

    /// The mean product of duals and steps, as a share of that at the start.
    pub(super) fn share(&self, problem: &Problem<'_>) -> f64 {
        self.products(problem, 0.0) / self.start
    }

    /// The mean product after this share of the step.
    fn products(&self, problem: &Problem<'_>, share: f64) -> f64 {
        let steps = self.x.value.len() - problem.columns;
        let mut sum = 0.0;
        for k in 0..steps {
            let dual = self.dual.value[k] + share * self.dual.step[k];
            let up = self.up.value[k] + share * self.up.step[k];
            let down = self.down.value[k] + share * self.down.step[k];
            sum += up * (problem.weight - dual) + down * (problem.weight + dual);
        }
        sum / (2 * steps).max(1) as f64
    }

    /// Writes the signs of steps that are larger, in the column's usual ones, than their dual is far from its end, in the weight.
    pub(super) fn signs(&self, problem: &Problem<'_>, signs: &mut [f64]) {
        let d = problem.columns;
        signs.fill(0.0);
        for k in 0..signs.len() - d {
            let (scale, dual) = (self.scales[k % d] / problem.weight, self.dual.value[k]);
            if self.up.value[k] > scale * (problem.weight - dual) {
                signs[k] = 1.0;
            } else if self.down.value[k] > scale * (problem.weight + dual) {
                signs[k] = -1.0;
            }
        }
    }

    /// One step along the path; false where rounding leaves none.
    pub(super) fn advance(&mut self, problem: &Problem<'_>) -> bool {
        let d = problem.columns;
        let steps = self.x.value.len() - d;
        let mean = self.products(problem, 0.0);
        for k in 0..steps {
            let (left, right) = self.distances(problem, k);
            self.weights[k] = 1.0 / (self.up.value[k] / left + self.down.value[k] / right);
            self.change[0][k] = -self.up.value[k] * left;
            self.change[1][k] = -self.down.value[k] * right;
        }
        if !self.factorise(problem) {
            return false;
        }
        self.direct(problem);
        let share = self.room(problem).min(1.0);
        let aim = (self.products(problem, share) / mean).powi(3) * mean;
        for k in 0..steps {
            self.change[0][k] += aim + self.dual.step[k] * self.up.step[k];
            self.change[1][k] += aim - self.dual.step[k] * self.down.step[k];
        }
        self.direct(problem);
        let share = (SHARE * self.room(problem)).min(1.0);
        if !(share > 0.0) {
            return false;
        }
        for moving in [&mut self.x, &mut self.dual, &mut self.up, &mut self.down] {
            moving.go(share);
        }
        true
    }

    /// How far the dual is from the ends of the box.
    fn distances(&self, problem: &Problem<'_>, k: usize) -> (f64, f64) {
        (problem.weight - self.dual.value[k], problem.weight + self.dual.value[k])
    }

    /// The longest share of the step that leaves everything positive.
    fn room(&self, problem: &Problem<'_>) -> f64 {
        let mut room = f64::INFINITY;
        for k in 0..self.x.value.len() - problem.columns {
            let (left, right) = self.distances(problem, k);
            let step = self.dual.step[k];
            let pairs = [
                (self.up.value[k], self.up.step[k]),
                (self.down.value[k], self.down.step[k]),
                (left, -step),
                (right, step),
            ];
            for (value, step) in pairs {
                if !(step >= 0.0) {
                    room = room.min(-value / step);
                }
            }
        }
        room
    }

    /// Eliminates rows of `Gamma + D' W D` one after the other.
    ///
    /// With `A` for a row and all before it, elimination leaves `A - A (A + W)^-1 A = (A^-1 + W^-1)^-1` to the next. Weights go to
    /// zero or to infinity along the path, so it is computed as `W^1/2 (1 + W^1/2 A^-1 W^1/2)^-1 W^1/2`, without a difference.
    fn factorise(&mut self, problem: &Problem<'_>) -> bool {
        let (n, d) = (problem.rows(), problem.columns);
        let [left, matrix, turned] = &mut self.work;
        left.fill(0.0);
        for i in 0..n {
            left.iter_mut().zip(problem.gamma).for_each(|(a, gamma)| *a += gamma);
            let factor = &mut self.factors[i * d * d..(i + 1) * d * d];
            factor.copy_from_slice(left);
            if i + 1 < n {
                let weights = &self.weights[i * d..(i + 1) * d];
                (0..d).for_each(|j| factor[j * (d + 1)] += weights[j]);
                if !scaled_inverse(left, turned, weights, matrix) {
                    return false;
                }
                (0..d).for_each(|a| matrix[a * (d + 1)] += 1.0);
                if !scaled_inverse(matrix, turned, weights, left) {
                    return false;
                }
            }
            if small::cholesky(factor, d).is_err() {
                return false;
            }
        }
        true
    }

    /// The direction in which all products change as they are to.
    fn direct(&mut self, problem: &Problem<'_>) {
        let (n, d) = (problem.rows(), problem.columns);
        let steps = (n - 1) * d;
        // Until they are known, steps of the dual hold W (D X - z+ + z- - change+ / (l - u) + change- / (l + u)).
        for k in 0..steps {
            let (left, right) = self.distances(problem, k);
            let gap = self.x.value[k + d] - self.x.value[k] - self.up.value[k] + self.down.value[k];
            let bent = gap - self.change[0][k] / left + self.change[1][k] / right;
            self.dual.step[k] = self.weights[k] * bent;
        }
        for i in 0..n {
            for j in 0..d {
                let k = i * d + j;
                let residual = self.residual(problem, i, j);
                let before = if i > 0 { self.dual.step[k - d] } else { 0.0 };
                let after = if i + 1 < n { self.dual.step[k] } else { 0.0 };
                self.x.step[k] = after - before - residual;
            }
            let (done, rest) = self.x.step.split_at_mut(i * d);
            if i > 0 {
                let before = &done[(i - 1) * d..];
                for j in 0..d {
                    rest[j] += self.weights[(i - 1) * d + j] * before[j];
                }
            }
            let factor = &self.factors[i * d * d..(i + 1) * d * d];
            let here = &mut rest[..d];
            small::solve_lower(factor, here, d);
            small::solve_lower_transposed(factor, here, d);
        }
        for i in (0..n - 1).rev() {
            let (here, next) = self.x.step.split_at_mut((i + 1) * d);
            let pull = &mut self.work[0][..d];
            for j in 0..d {
                pull[j] = self.weights[i * d + j] * next[j];
            }
            let factor = &self.factors[i * d * d..(i + 1) * d * d];
            small::solve_lower(factor, pull, d);
            small::solve_lower_transposed(factor, pull, d);
            here[i * d..].iter_mut().zip(&*pull).for_each(|(x, pull)| *x += pull);
        }
        // Weights are as large as they like within a piece: the dual follows as a sum.
        for i in 0..n - 1 {
            for j in 0..d {
                let k = i * d + j;
                let before = if i > 0 { self.dual.step[k - d] } else { 0.0 };
                let slope = problem.times_gamma(&self.x.step[i * d..(i + 1) * d], j);
                self.dual.step[k] = before + self.residual(problem, i, j) + slope;
            }
        }
        for k in 0..steps {
            let (left, right) = self.distances(problem, k);
            let step = self.dual.step[k];
            self.up.step[k] = (self.change[0][k] + self.up.value[k] * step) / left;
            self.down.step[k] = (self.change[1][k] - self.down.value[k] * step) / right;
        }
    }

    /// Entry of `X Gamma - N + D'U`.
    fn residual(&self, problem: &Problem<'_>, i: usize, j: usize) -> f64 {
        let (d, k) = (problem.columns, i * problem.columns + j);
        let before = if i > 0 { self.dual.value[k - d] } else { 0.0 };
        let after = if i + 1 < problem.rows() { self.dual.value[k] } else { 0.0 };
        problem.times_gamma(&self.x.value[i * d..(i + 1) * d], j) - problem.natural[k] + before
            - after
    }
}

/// Writes `W^1/2 A^-1 W^1/2` and replaces `A` by its Cholesky factor; false where it has none.
fn scaled_inverse(a: &mut [f64], work: &mut [f64], weights: &[f64], out: &mut [f64]) -> bool {
    let d = weights.len();
    if small::cholesky(a, d).is_err() {
        return false;
    }
    small::invert_lower(a, work, d);
    for i in 0..d {
        for j in 0..d {
            let product: f64 = (0..d).map(|k| work[k * d + i] * work[k * d + j]).sum();
            out[i * d + j] = product * (weights[i] * weights[j]).sqrt();
        }
    }
    true
}
