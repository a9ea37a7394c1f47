//! Solutions by the thin singular value decomposition, accurate for any conditioning.

use super::shared::{SharedWorkspace, Task, to_planar};
use super::side::Side;
use super::{X, Z};

/// `A = U diag(s) V'`.
///
/// With `v = V' nx` and `q = U' nz`: `x = V (v + s q) / (mu + nu s^2)` plus, where `V` isn't square, the part of
/// `nx / mu` outside its range; residuals `V s w` and `-U w` with `w = (mu q - nu s v) / (mu + nu s^2)`, and for
/// tall operators the part of `-nz` outside the range of `U`.
pub(super) fn solve(u: &Side, v: &Side, task: &Task<'_>, workspace: &mut SharedWorkspace) {
    let SharedWorkspace { pencil, x, z, from_x, from_z, buffers, .. } = workspace;
    let d = task.d;
    let singular = &task.decomposition.singular;
    let (m, n, r) = (task.decomposition.outputs, task.decomposition.inputs, singular.len());
    let scratch = &mut buffers.product;
    let left = from_x.refresh(task.versions[X], r * d, |out| {
        project(v, task.natural[X], out, scratch, d);
    });
    let right = from_z.refresh(task.versions[Z], r * d, |out| {
        project(u, task.natural[Z], out, scratch, d);
    });
    for buffer in [&mut buffers.first, &mut buffers.second, &mut buffers.third] {
        buffer.resize(r * d, 0.0);
    }
    pencil.transform_planar(left, &mut buffers.first);
    pencil.transform_planar(right, &mut buffers.second);
    let (mu, nu) = (&pencil.mu, &pencil.nu);
    let (left, right) = (&buffers.first, &buffers.second);
    // Coordinates of the mean of X and of the residual nz - nu z.
    let mean = |e: usize| {
        let (s, j) = (singular[e % r], e / r);
        (left[e] + s * right[e]) / (mu[j] + nu[j] * s * s)
    };
    let misfit = |e: usize| {
        let (s, j) = (singular[e % r], e / r);
        (mu[j] * right[e] - nu[j] * s * left[e]) / (mu[j] + nu[j] * s * s)
    };
    let coordinates = &mut buffers.third;
    let mut combine = |basis: &Side, out: &mut [f64], entry: &dyn Fn(usize) -> f64| {
        coordinates.iter_mut().enumerate().for_each(|(e, c)| *c = entry(e));
        basis.multiply(coordinates, out, d);
    };
    if task.wanted[X] {
        combine(v, &mut x.residual, &|e| singular[e % r] * misfit(e));
        if r == n {
            combine(v, &mut x.mean, &mean);
        } else {
            pencil.transform(task.natural[X], &mut x.natural);
            for i in 0..n * d {
                x.mean[i] = (x.natural[i] + x.residual[i]) / mu[i / n];
            }
        }
    }
    if task.wanted[Z] {
        combine(u, &mut z.mean, &|e| singular[e % r] * mean(e));
        if r == m {
            combine(u, &mut z.residual, &|e| -misfit(e));
        } else {
            pencil.transform(task.natural[Z], &mut z.natural);
            for i in 0..m * d {
                z.residual[i] = nu[i / m] * z.mean[i] - z.natural[i];
            }
        }
    }
}

/// Planar `out = basis' rows`.
fn project(basis: &Side, rows: &[f64], out: &mut [f64], scratch: &mut Vec<f64>, d: usize) {
    scratch.resize(rows.len(), 0.0);
    to_planar(rows, scratch, d);
    basis.multiply_adjoint(scratch, out, d);
}
