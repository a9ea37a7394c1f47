//! Solutions by products with the operator alone: conjugate gradients for means, a law of the spectrum for variances.
//!
//! In each transformed column `(mu + nu A'A) x = nx + A' nz`; over the outputs, with the residual `w = nz - nu z`,
//! `(mu + nu A A') w = mu nz - nu A nx` and `mu x = nx + A' w`. The smaller side has the smaller system.

mod conjugate;
mod law;
mod options;

use conjugate::{System, Vectors};
pub(super) use law::Law;
pub use options::Iterative;

use super::pencil::Pencil;
use super::shared::{Buffers, SharedWorkspace, Task, to_planar, to_rows};
use super::{X, Z};
use crate::factor::Breakdown;

/// Scratch, and the solutions of the last call, from which the next one starts.
#[derive(Debug, Default)]
pub(super) struct Iteration {
    vectors: Vectors,
    right: Vec<f64>,
    solution: Vec<f64>,
    /// `X` and `W`, row-major in the variables' own columns; empty before the first call.
    last: [Vec<f64>; 2],
}

/// Means and residuals at both ports.
///
/// # Errors
/// [`Breakdown::Unsolved`].
pub(super) fn solve(
    law: &Law,
    options: &Iterative,
    task: &Task<'_>,
    workspace: &mut SharedWorkspace,
) -> Result<(), Breakdown> {
    let (m, n) = (task.decomposition.outputs, task.decomposition.inputs);
    workspace.pencil.transform(task.natural[X], &mut workspace.x.natural);
    workspace.pencil.transform(task.natural[Z], &mut workspace.z.natural);
    let level = law.mean_square();
    if m > n {
        return tall(options, task, workspace, level);
    }
    wide(options, task, workspace, level)?;
    let SharedWorkspace { pencil, x, .. } = &mut *workspace;
    let weak = |j: usize| m == n && pencil.mu[j] < pencil.nu[j] * level;
    if task.wanted[X] && (0..task.d).any(weak) {
        // `mu` may be too small to divide by.
        return means(options, task, workspace);
    }
    for (j, mu) in pencil.mu.iter().enumerate() {
        for i in j * n..(j + 1) * n {
            x.mean[i] = (x.natural[i] + x.residual[i]) / mu;
        }
    }
    Ok(())
}

/// The system over the outputs, and all that follows from it but the mean of `X`.
fn wide(
    options: &Iterative,
    task: &Task<'_>,
    workspace: &mut SharedWorkspace,
    level: f64,
) -> Result<(), Breakdown> {
    let SharedWorkspace { pencil, x, z, from_x, buffers, iteration, .. } = workspace;
    let (d, m) = (task.d, task.decomposition.outputs);
    let rows = from_x.refresh(task.versions[X], m * d, |image| {
        task.operator.apply(task.natural[X], image, d);
    });
    let mut image = core::mem::take(&mut buffers.first);
    image.resize(m * d, 0.0);
    pencil.transform(rows, &mut image);
    buffers.second.resize(m * d, 0.0);
    for e in 0..m * d {
        buffers.second[e] = pencil.mu[e / m] * z.natural[e] - pencil.nu[e / m] * image[e];
    }
    iteration.run(Z, options, (task, pencil), &buffers.second, &mut z.residual)?;
    buffers.apply_adjoint(task, &z.residual, &mut x.residual);
    buffers.apply(task, &x.residual, &mut z.mean);
    for e in 0..m * d {
        let (mu, nu, w) = (pencil.mu[e / m], pencil.nu[e / m], z.residual[e]);
        // `mu z = A nx + A A' w` and `nu z = nz - w`: each is accurate where the other isn't.
        z.mean[e] = (image[e] + z.mean[e] + level * (z.natural[e] - w)) / (mu + level * nu);
        z.residual[e] = -w;
    }
    buffers.first = image;
    Ok(())
}

/// The system over the inputs, and all that follows from it.
fn tall(
    options: &Iterative,
    task: &Task<'_>,
    workspace: &mut SharedWorkspace,
    level: f64,
) -> Result<(), Breakdown> {
    means(options, task, workspace)?;
    let SharedWorkspace { pencil, x, z, buffers, .. } = workspace;
    let (m, n) = (task.decomposition.outputs, task.decomposition.inputs);
    buffers.apply(task, &x.mean, &mut z.mean);
    for (e, residual) in z.residual.iter_mut().enumerate() {
        *residual = pencil.nu[e / m] * z.mean[e] - z.natural[e];
    }
    buffers.apply_adjoint(task, &z.residual, &mut x.residual);
    for (e, residual) in x.residual.iter_mut().enumerate() {
        let (mu, nu) = (pencil.mu[e / n], pencil.nu[e / n]);
        let weak = mu < nu * level;
        *residual = if weak { mu * x.mean[e] - x.natural[e] } else { -*residual };
    }
    Ok(())
}

/// The mean of `X`, by the system over the inputs.
fn means(
    options: &Iterative,
    task: &Task<'_>,
    workspace: &mut SharedWorkspace,
) -> Result<(), Breakdown> {
    let SharedWorkspace { pencil, x, from_z, buffers, iteration, .. } = workspace;
    let (d, n) = (task.d, task.decomposition.inputs);
    let rows = from_z.refresh(task.versions[Z], n * d, |back| {
        task.operator.apply_adjoint(task.natural[Z], back, d);
    });
    buffers.second.resize(n * d, 0.0);
    pencil.transform(rows, &mut buffers.second);
    buffers.second.iter_mut().zip(&x.natural).for_each(|(b, natural)| *b += natural);
    iteration.run(X, options, (task, pencil), &buffers.second, &mut x.mean)
}

impl Iteration {
    /// Solves the system over the rows of a port for the planar `v`, from the solution of the last call: at [`X`] a mean, at
    /// [`Z`] a natural parameter.
    fn run(
        &mut self,
        port: usize,
        options: &Iterative,
        (task, pencil): (&Task<'_>, &Pencil),
        right: &[f64],
        v: &mut [f64],
    ) -> Result<(), Breakdown> {
        let (operator, outputs) = (task.operator, port == Z);
        let system = System { operator, outputs, mu: &pencil.mu, nu: &pencil.nu };
        let Self { vectors, right: rows, solution, last } = self;
        let last = &mut last[port];
        if last.is_empty() {
            last.resize(v.len(), 0.0);
        }
        if outputs {
            pencil.transform(last, v);
        } else {
            pencil.coordinates(last, v);
        }
        to_rows(right, rows, task.d);
        to_rows(v, solution, task.d);
        conjugate::solve(&system, rows, solution, options, vectors)?;
        to_planar(solution, v, task.d);
        if outputs {
            pencil.natural(v, last);
        } else {
            pencil.mean(v, last);
        }
        Ok(())
    }

    /// Planar `out = A^+ values`: the smaller of the two normal systems, with `mu = 0` and `nu = 1`.
    ///
    /// # Errors
    /// [`Breakdown::Unsolved`], also where no solution exists.
    pub(super) fn pseudo_inverse(
        &mut self,
        options: &Iterative,
        task: &Task<'_>,
        values: &[f64],
        out: &mut [f64],
        buffers: &mut Buffers,
    ) -> Result<(), Breakdown> {
        let d = task.d;
        let (m, n) = (task.decomposition.outputs, task.decomposition.inputs);
        let outputs = m <= n;
        let (mu, nu) = (vec![0.0; d], vec![1.0; d]);
        let system = System { operator: task.operator, outputs, mu: &mu, nu: &nu };
        to_rows(values, &mut self.right, d);
        if !outputs {
            let rows = core::mem::take(&mut self.right);
            self.right.resize(n * d, 0.0);
            task.operator.apply_adjoint(&rows, &mut self.right, d);
        }
        let Self { vectors, right, solution, .. } = self;
        solution.clear();
        solution.resize(right.len(), 0.0);
        conjugate::solve(&system, right, solution, options, vectors)?;
        if outputs {
            let mut planar = vec![0.0; m * d];
            to_planar(solution, &mut planar, d);
            buffers.apply_adjoint(task, &planar, out);
        } else {
            to_planar(solution, out, d);
        }
        Ok(())
    }
}
