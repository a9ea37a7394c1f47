//! Conjugate gradients solve `(mu + nu C C') v = b`, one system a column, by products with the operator alone.

use super::options::Iterative;
use crate::factor::Breakdown;
use crate::operator::LinearOperator;

/// The matrix `mu_j + nu_j C C'` of each column `j`, with `C = A` or `A'`.
#[derive(Clone, Copy, Debug)]
pub(super) struct System<'a> {
    pub(super) operator: &'a dyn LinearOperator,
    /// Whether it is over the outputs: `C = A`.
    pub(super) outputs: bool,
    pub(super) mu: &'a [f64],
    pub(super) nu: &'a [f64],
}

/// Scratch of the iteration, row-major.
#[derive(Debug, Default)]
pub(super) struct Vectors {
    residual: Vec<f64>,
    direction: Vec<f64>,
    image: Vec<f64>,
    /// `C' v`.
    half: Vec<f64>,
    /// Squared norms of the residuals, and those they have to reach.
    left: Vec<f64>,
    goal: Vec<f64>,
    /// How far to go along the directions, or how much of them to keep.
    factor: Vec<f64>,
}

impl System<'_> {
    fn columns(&self) -> usize {
        self.mu.len()
    }

    /// `image = (mu + nu C C') v`.
    fn apply(&self, v: &[f64], half: &mut Vec<f64>, image: &mut [f64]) {
        let d = self.columns();
        if self.outputs {
            half.resize(self.operator.inputs() * d, 0.0);
            self.operator.apply_adjoint(v, half, d);
            self.operator.apply(half, image, d);
        } else {
            half.resize(self.operator.outputs() * d, 0.0);
            self.operator.apply(v, half, d);
            self.operator.apply_adjoint(half, image, d);
        }
        for (image, v) in image.chunks_exact_mut(d).zip(v.chunks_exact(d)) {
            for j in 0..d {
                image[j] = self.mu[j] * v[j] + self.nu[j] * image[j];
            }
        }
    }
}

/// Solves for `v` (row-major, one system a column), from where it stands; a start that is worse than zero is dropped.
/// Returns the iterations.
///
/// What the recursion takes for the residual drifts from it by rounding: the residual itself is computed before a system
/// counts as solved, and the iteration starts anew where it isn't.
///
/// # Errors
/// [`Breakdown::Unsolved`] when the limit is reached first.
pub(super) fn solve(
    system: &System<'_>,
    b: &[f64],
    v: &mut [f64],
    options: &Iterative,
    vectors: &mut Vectors,
) -> Result<usize, Breakdown> {
    let d = system.columns();
    for vector in [&mut vectors.residual, &mut vectors.direction, &mut vectors.image] {
        vector.resize(b.len(), 0.0);
    }
    products(b, b, &mut vectors.goal, d);
    vectors.misfit(system, b, v);
    for j in 0..d {
        if !(vectors.left[j] <= vectors.goal[j]) {
            column(v, j, d).for_each(|v| *v = 0.0);
            column(&mut vectors.residual, j, d)
                .zip(b.iter().skip(j).step_by(d))
                .for_each(|(r, b)| *r = *b);
            vectors.left[j] = vectors.goal[j];
        }
        vectors.goal[j] *= options.tolerance * options.tolerance;
    }
    let mut iterations = 0;
    while !vectors.solved() {
        if iterations >= options.limit {
            let ratios = vectors.left.iter().zip(&vectors.goal).map(|(left, goal)| left / goal);
            let residual = options.tolerance * ratios.fold(0.0, f64::max).sqrt();
            return Err(Breakdown::Unsolved { iterations, residual });
        }
        vectors.direction.copy_from_slice(&vectors.residual);
        while iterations < options.limit && !vectors.solved() {
            vectors.iterate(system, v);
            iterations += 1;
        }
        vectors.misfit(system, b, v);
    }
    Ok(iterations)
}

impl Vectors {
    /// The residual `b - K v` itself, and its square.
    fn misfit(&mut self, system: &System<'_>, b: &[f64], v: &[f64]) {
        system.apply(v, &mut self.half, &mut self.image);
        for (r, (b, image)) in self.residual.iter_mut().zip(b.iter().zip(&self.image)) {
            *r = b - image;
        }
        products(&self.residual, &self.residual, &mut self.left, system.columns());
    }

    fn solved(&self) -> bool {
        self.left.iter().zip(&self.goal).all(|(left, goal)| left <= goal)
    }

    /// One step along the directions of the columns that aren't solved.
    fn iterate(&mut self, system: &System<'_>, v: &mut [f64]) {
        let d = system.columns();
        system.apply(&self.direction, &mut self.half, &mut self.image);
        products(&self.direction, &self.image, &mut self.factor, d);
        for (factor, (left, goal)) in self.factor.iter_mut().zip(self.left.iter().zip(&self.goal)) {
            *factor = if left > goal { left / *factor } else { 0.0 };
        }
        let moved = v.chunks_exact_mut(d).zip(self.direction.chunks_exact(d));
        let rest = self.residual.chunks_exact_mut(d).zip(self.image.chunks_exact(d));
        for ((v, p), (r, image)) in moved.zip(rest) {
            for j in 0..d {
                v[j] += self.factor[j] * p[j];
                r[j] -= self.factor[j] * image[j];
            }
        }
        products(&self.residual, &self.residual, &mut self.factor, d);
        for (left, factor) in self.left.iter_mut().zip(&mut self.factor) {
            let now = *factor;
            *factor = if *left > 0.0 { now / *left } else { 0.0 };
            *left = now;
        }
        let directions = self.direction.chunks_exact_mut(d).zip(self.residual.chunks_exact(d));
        for (p, r) in directions {
            for j in 0..d {
                p[j] = r[j] + self.factor[j] * p[j];
            }
        }
    }
}

/// The products of the columns of two matrices.
fn products(a: &[f64], b: &[f64], out: &mut Vec<f64>, d: usize) {
    out.clear();
    out.resize(d, 0.0);
    for (a, b) in a.chunks_exact(d).zip(b.chunks_exact(d)) {
        for j in 0..d {
            out[j] += a[j] * b[j];
        }
    }
}

fn column(rows: &mut [f64], j: usize, d: usize) -> impl Iterator<Item = &mut f64> {
    rows.iter_mut().skip(j).step_by(d)
}
