//! The minimiser among matrices of one rank, and how it moves.

use fg_core::message::small;

use super::Problem;
use super::singular::Singular;
use crate::family::memory::take;

/// The nuclear norm on matrices of rank `r`, `q x d` with `q <= d`, near `X = U S V'`.
///
/// A move within the rank is `U A V' + U C V_' + U_ B V'`, with `V_` and `U_` for the complements. To second order it takes
/// `U_ B S^-1 C V_'` with it, so that with `E = N - X Gamma` and `F = U_' E V_` the exponent falls by half of
///
/// ```text
/// |(A C) V~'|^2_Gamma + |B V'|^2_Gamma + l sum_{k<m} (A_km - A_mk)^2 / (s_k + s_m) + l sum_k (|C_k|^2 + |B_k|^2) / s_k
///     - 2 sum_k B_k' F C_k / s_k
/// ```
///
/// beyond its gradient. The inverse of this form is the covariance, in these coordinates: `r x d` of `(A C)`, then
/// `(q - r) x r` of `B`.
pub(super) struct Tangent<'a> {
    q: usize,
    d: usize,
    r: usize,
    pub(super) x: &'a mut [f64],
    /// Row `k` is the left vector `k`, those of the rank first.
    left: &'a mut [f64],
    /// Column `k` is the right vector `k`, in the same order.
    right: &'a mut [f64],
    values: &'a mut [f64],
    /// `V~' Gamma V~`.
    gamma: &'a mut [f64],
    /// `U~'(X Gamma - N) V~`.
    residual: &'a mut [f64],
    form: &'a mut [f64],
    step: &'a mut [f64],
    work: &'a mut [f64],
}

/// Steps of Newton after which a rank is given up: from near the minimiser they converge quadratically.
const STEPS: usize = 16;
/// Singular vectors are known to so many units in the last place of the whole matrix, and the gradient to those of its terms.
const ROUNDING: f64 = 64.0 * f64::EPSILON;
/// Singular values below this share of the largest one, or of the length, are zero, and no rank is made of them.
const VANISHING: f64 = 8.0 * f64::EPSILON;

impl<'a> Tangent<'a> {
    pub(super) fn len(q: usize, d: usize) -> usize {
        (q * d).pow(2) + 3 * q * d + q * q + 2 * d * d + d + Self::spare(q, d)
    }

    /// Values of memory for the inverse of the form, which are those for everything else in turn.
    fn spare(q: usize, d: usize) -> usize {
        (q * d).pow(2) + Singular::len(q, d) + 4 * d * d
    }

    pub(super) fn new((q, d): (usize, usize), mut memory: &'a mut [f64]) -> Self {
        let memory = &mut memory;
        Self {
            q,
            d,
            r: 0,
            x: take(memory, q * d),
            left: take(memory, q * q),
            right: take(memory, d * d),
            values: take(memory, d),
            gamma: take(memory, d * d),
            residual: take(memory, q * d),
            form: take(memory, (q * d).pow(2)),
            step: take(memory, q * d),
            work: core::mem::take(memory),
        }
    }

    /// Whether Newton's steps from `x` lead to the minimiser, where they stay: with as many of its singular values as are above one
    /// of these floors, or with a number between both.
    pub(super) fn settle(&mut self, problem: &Problem<'_>, x: &[f64], floors: [f64; 2]) -> bool {
        let mut ranks = [0; 2];
        for (k, floor) in floors.into_iter().enumerate() {
            if !self.start(x) {
                return false;
            }
            let floor = floor.max(VANISHING * self.values[0]);
            let rank = self.values[..self.q].iter().filter(|&&s| s > floor).count();
            if rank > 0 && rank != ranks[0] && self.iterate(problem, rank) {
                return true;
            }
            ranks[k] = rank;
        }
        let [least, most] = [ranks[0].min(ranks[1]), ranks[0].max(ranks[1])];
        (least + 1..most).any(|rank| self.start(x) && self.iterate(problem, rank))
    }

    /// Begins at `x`; false where it has no singular values.
    fn start(&mut self, x: &[f64]) -> bool {
        self.x.copy_from_slice(x);
        self.decompose()
    }

    /// Newton's steps with this rank, and whether they lead to the minimiser.
    fn iterate(&mut self, problem: &Problem<'_>, rank: usize) -> bool {
        self.r = rank;
        let mut last = f64::INFINITY;
        for _ in 0..STEPS {
            self.truncate();
            let (slope, rounding) = self.differentiate(problem);
            // At rounding: no better than the step before, or nothing to improve.
            if slope <= rounding && (slope == 0.0 || slope >= 0.5 * last) {
                return self.optimal(problem, rounding);
            }
            last = slope;
            if !self.factorise(problem) {
                return false;
            }
            let count = self.coordinates();
            small::solve_lower(self.form, self.step, count);
            small::solve_lower_transposed(self.form, self.step, count);
            self.go();
            if !self.decompose() || !(self.values[self.r - 1] > VANISHING * self.values[0]) {
                return false;
            }
        }
        false
    }

    fn coordinates(&self) -> usize {
        self.r * self.d + (self.q - self.r) * self.r
    }

    /// Singular values of `x` from the largest one on, and both bases.
    fn decompose(&mut self) -> bool {
        let (q, d) = (self.q, self.d);
        let memory = &mut self.work[..Singular::len(q, d)];
        let Some(singular) = Singular::new(self.x.iter().copied(), memory, d) else { return false };
        let largest = singular.values.iter().copied().fold(0.0, f64::max);
        if !largest.is_finite() {
            return false;
        }
        let length = singular.values.iter().map(|s| s * s).sum::<f64>().sqrt();
        for place in 0..d {
            // The next one: as many are ahead of it as there are places before.
            let ahead = |k: usize| {
                let own = (singular.values[k], d - k);
                (0..d).filter(|&m| (singular.values[m], d - m) > own).count()
            };
            let k = (0..d).find(|&k| ahead(k) == place).unwrap_or(place);
            let value = singular.values[k];
            self.values[place] = value;
            for j in 0..d {
                self.right[j * d + place] = singular.right[j * d + k];
            }
            if place < q {
                let row = &mut self.left[place * q..(place + 1) * q];
                for (i, u) in row.iter_mut().enumerate() {
                    *u = if value > VANISHING * length {
                        singular.turned[i * d + k] / value
                    } else {
                        0.0
                    };
                }
            }
        }
        self.complete();
        true
    }

    /// Makes left vectors of zero orthonormal to the others.
    fn complete(&mut self) {
        let q = self.q;
        for k in 0..q {
            let (before, rest) = self.left.split_at_mut(k * q);
            let row = &mut rest[..q];
            if row.iter().any(|&u| u != 0.0) {
                continue;
            }
            // The axis that the others leave most of.
            let left_over =
                |i: usize| 1.0 - before.iter().skip(i).step_by(q).map(|u| u * u).sum::<f64>();
            let axis =
                (0..q).fold(0, |best, i| if left_over(i) > left_over(best) { i } else { best });
            row[axis] = 1.0;
            // Twice is enough.
            for _ in 0..2 {
                for other in before.chunks_exact(q) {
                    let product: f64 = other.iter().zip(&*row).map(|(a, b)| a * b).sum();
                    row.iter_mut().zip(other).for_each(|(u, o)| *u -= product * o);
                }
            }
            let length = row.iter().map(|u| u * u).sum::<f64>().sqrt();
            row.iter_mut().for_each(|u| *u /= length);
        }
    }

    /// Leaves in `x` what its rank keeps.
    fn truncate(&mut self) {
        let (q, d) = (self.q, self.d);
        for i in 0..q {
            for j in 0..d {
                self.x[i * d + j] = (0..self.r)
                    .map(|k| self.left[k * q + i] * self.values[k] * self.right[j * d + k])
                    .sum();
            }
        }
    }

    /// Gradient in the coordinates, negative, into the step; its largest entry, and what rounding leaves of it.
    fn differentiate(&mut self, problem: &Problem<'_>) -> (f64, f64) {
        let (q, d, r) = (self.q, self.d, self.r);
        let size = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
        // Vectors of the least singular value turn with the rounding of the largest one.
        let turned = self.values[0] / self.values[r - 1];
        let rounding = problem.weight * (1.0 + turned)
            + size(problem.natural)
            + size(&*self.x) * size(problem.gamma);
        let rows = &mut self.work[..q * d];
        for (row, x) in rows.chunks_exact_mut(d).zip(self.x.chunks_exact(d)) {
            small::row_times(x, problem.gamma, row, d);
        }
        rows.iter_mut().zip(problem.natural).for_each(|(row, natural)| *row -= natural);
        for k in 0..q {
            for m in 0..d {
                self.residual[k * d + m] = (0..q)
                    .map(|i| {
                        let along: f64 =
                            (0..d).map(|j| rows[i * d + j] * self.right[j * d + m]).sum();
                        self.left[k * q + i] * along
                    })
                    .sum();
            }
        }
        let mut slope: f64 = 0.0;
        for k in 0..q {
            for m in 0..if k < r { d } else { r } {
                let kink = if k == m { problem.weight } else { 0.0 };
                let gradient = self.residual[k * d + m] + kink;
                let place = self.place(k, m);
                self.step[place] = -gradient;
                slope = slope.max(gradient.abs());
            }
        }
        (slope, ROUNDING * rounding)
    }

    /// Index of the coordinate of left vector `k` and right vector `m`.
    fn place(&self, k: usize, m: usize) -> usize {
        let (d, r) = (self.d, self.r);
        if k < r { k * d + m } else { r * d + (k - r) * r + m }
    }

    /// The Cholesky factor of the form; false where rounding, or a place far from the minimiser, leaves none.
    fn factorise(&mut self, problem: &Problem<'_>) -> bool {
        let (q, d, r, weight) = (self.q, self.d, self.r, problem.weight);
        for a in 0..d {
            for i in 0..d {
                self.work[i] =
                    (0..d).map(|j| self.right[j * d + a] * problem.gamma[j * d + i]).sum();
            }
            for b in 0..d {
                self.gamma[a * d + b] = (0..d).map(|j| self.work[j] * self.right[j * d + b]).sum();
            }
        }
        small::symmetrise(self.gamma, d);
        let count = self.coordinates();
        self.form[..count * count].fill(0.0);
        for k in 0..q {
            let width = if k < r { d } else { r };
            for m in 0..width {
                let here = self.place(k, m);
                for other in 0..width {
                    let there = self.place(k, other);
                    self.form[here * count + there] += self.gamma[m * d + other];
                }
                // Turning vectors of the rank into each other, or out of it.
                if k < r && m < r {
                    if k != m {
                        let stiffness = weight / (self.values[k] + self.values[m]);
                        self.form[here * count + here] += stiffness;
                        self.form[here * count + self.place(m, k)] -= stiffness;
                    }
                } else {
                    self.form[here * count + here] += weight / self.values[k.min(m)];
                }
            }
        }
        for a in r..q {
            for k in 0..r {
                for b in r..d {
                    let (here, there) = (self.place(a, k), self.place(k, b));
                    // The residual is -E.
                    let pair = self.residual[a * d + b] / self.values[k];
                    self.form[here * count + there] += pair;
                    self.form[there * count + here] += pair;
                }
            }
        }
        small::cholesky(&mut self.form[..count * count], count).is_ok()
    }

    /// Moves `x` by the step.
    fn go(&mut self) {
        let (q, d, r) = (self.q, self.d, self.r);
        for k in 0..q {
            for j in 0..d {
                let along: f64 = (0..if k < r { d } else { r })
                    .map(|m| self.step[self.place(k, m)] * self.right[j * d + m])
                    .sum();
                for i in 0..q {
                    self.x[i * d + j] += self.left[k * q + i] * along;
                }
            }
        }
    }

    /// Whether the dual outside the rank stays within the ball.
    fn optimal(&mut self, problem: &Problem<'_>, rounding: f64) -> bool {
        let (q, d, r) = (self.q, self.d, self.r);
        if r == q || r == d {
            return true;
        }
        let rows = self.residual[r * d..q * d].chunks_exact(d).flat_map(|row| &row[r..]);
        let memory = &mut self.work[..Singular::len(q - r, d - r)];
        let outside = Singular::new(rows.copied(), memory, d - r);
        outside
            .is_some_and(|outside| outside.values.iter().all(|&s| s <= problem.weight + rounding))
    }

    /// Writes the sum of the covariances of all rows, of which there are `rows`; false where rounding leaves none.
    ///
    /// A direction of rows beyond `N` moves within the right vectors only, whichever it is.
    pub(super) fn respond(
        &mut self,
        problem: &Problem<'_>,
        rows: usize,
        covariance: &mut [f64],
    ) -> bool {
        let (q, d, r) = (self.q, self.d, self.r);
        if !self.factorise(problem) {
            return false;
        }
        let count = self.coordinates();
        let inverse = &mut self.work[..count * count];
        small::invert_lower(&self.form[..count * count], inverse, count);
        // In the right basis first.
        covariance.fill(0.0);
        for k in 0..q {
            let (first, width) = if k < r { (k * d, d) } else { (r * d + (k - r) * r, r) };
            for row in inverse.chunks_exact(count) {
                let row = &row[first..first + width];
                for a in 0..width {
                    for b in 0..width {
                        covariance[a * d + b] += row[a] * row[b];
                    }
                }
            }
        }
        let (matrix, rest) = self.work.split_at_mut(r * r);
        let (inner, rest) = rest.split_at_mut(r * r);
        for a in 0..r {
            for b in 0..r {
                matrix[a * r + b] = self.gamma[a * d + b];
            }
            matrix[a * (r + 1)] += problem.weight / self.values[a];
        }
        if small::invert_positive(matrix, inner, rest, r).is_err() {
            return false;
        }
        for a in 0..r {
            for b in 0..r {
                covariance[a * d + b] += (rows - q) as f64 * inner[a * r + b];
            }
        }
        for a in 0..d {
            let row = &mut self.work[a * d..(a + 1) * d];
            small::row_times(&self.right[a * d..(a + 1) * d], covariance, row, d);
        }
        for a in 0..d {
            for b in 0..=a {
                let along = self.work[a * d..].iter().zip(&self.right[b * d..(b + 1) * d]);
                let entry = along.map(|(x, v)| x * v).sum();
                (covariance[a * d + b], covariance[b * d + a]) = (entry, entry);
            }
        }
        true
    }
}
