//! Solutions by the smaller Gram matrix: `U` alone for wide operators, `V` alone for tall ones.
//!
//! In each transformed column `(mu + nu A'A) x = nx + A' nz`.

use faer::MatRef;
use fg_linalg::product::sandwich;

use super::shared::{SharedWorkspace, Task};
use super::{X, Z};

/// `A A' = U diag(s^2) U'`, `m <= n`.
///
/// With `u = U' A nx` and `q = U' nz`: `w = (mu q - nu u) / (mu + nu s^2)` are the coordinates of the residual
/// `nz - nu z`, so `x = (nx + A' U w) / mu` and `z = U (u + s^2 q) / (mu + nu s^2)`. Where `mu` is too small to
/// divide by, the operator is square and regular and `x = A' U (u / s^2 + q) / (mu + nu s^2)`.
pub(super) fn wide(basis: MatRef<'_, f64>, task: &Task<'_>, workspace: &mut SharedWorkspace) {
    let SharedWorkspace { pencil, x, z, from_x, buffers, .. } = workspace;
    let d = task.d;
    let squares = &task.decomposition.squares;
    let (m, n) = (task.decomposition.outputs, task.decomposition.inputs);
    let image = from_x.refresh(task.versions[X], m * d, |image| {
        task.operator.apply(task.natural[X], image, d);
    });
    buffers.first.resize(m * d, 0.0);
    buffers.second.resize(m * d, 0.0);
    pencil.transform(image, &mut buffers.first);
    pencil.transform(task.natural[X], &mut x.natural);
    pencil.transform(task.natural[Z], &mut z.natural);
    let (mu, nu) = (&pencil.mu, &pencil.nu);
    let (image, product) = (&buffers.first, &mut buffers.product);
    if task.wanted[Z] {
        let out = [&mut z.residual[..], &mut z.mean[..]];
        sandwich(basis, d, [&image[..], &z.natural[..]], out, product, |k, j, [u, q]| {
            let precision = mu[j] + nu[j] * squares[k];
            [(nu[j] * u - mu[j] * q) / precision, (u + squares[k] * q) / precision]
        });
    }
    if !task.wanted[X] {
        return;
    }
    let smallest = task.decomposition.smallest();
    let direct = |j: usize| m == n && mu[j] < nu[j] * smallest;
    if (0..d).any(direct) {
        let (input, out) = ([&image[..], &z.natural[..]], [&mut buffers.second[..]]);
        sandwich(basis, d, input, out, product, |k, j, [u, q]| {
            let precision = mu[j] + nu[j] * squares[k];
            let direct = direct(j).then(|| u / squares[k] + q);
            [direct.unwrap_or(mu[j] * q - nu[j] * u) / precision]
        });
    } else if task.wanted[Z] {
        buffers.second.iter_mut().zip(&z.residual).for_each(|(w, r)| *w = -r);
    } else {
        // One vector in place of two: U' (mu nz - nu A nx).
        buffers.third.resize(m * d, 0.0);
        for j in 0..d {
            for i in j * m..(j + 1) * m {
                buffers.third[i] = mu[j] * z.natural[i] - nu[j] * image[i];
            }
        }
        let (input, out) = ([&buffers.third[..]], [&mut buffers.second[..]]);
        sandwich(basis, d, input, out, product, |k, j, [h]| [h / (mu[j] + nu[j] * squares[k])]);
    }
    let coordinates = core::mem::take(&mut buffers.second);
    buffers.apply_adjoint(task, &coordinates, &mut x.residual);
    buffers.second = coordinates;
    for j in 0..d {
        for i in j * n..(j + 1) * n {
            if direct(j) {
                x.mean[i] = x.residual[i];
                x.residual[i] = mu[j] * x.mean[i] - x.natural[i];
            } else {
                x.mean[i] = (x.natural[i] + x.residual[i]) / mu[j];
            }
        }
    }
}

/// `A' A = V diag(s^2) V'`, `m > n`.
///
/// With `v = V' nx` and `p = V' A' nz`: `x = V (v + p) / (mu + nu s^2)`, residual
/// `V (mu p - nu s^2 v) / (mu + nu s^2)`, and `z = A x`. Its residual `nu z - nz` may be formed by subtraction:
/// rows outnumber unknowns, so the part of `nz` that no `x` explains is of the size of `nz`, and so is the gain.
pub(super) fn tall(basis: MatRef<'_, f64>, task: &Task<'_>, workspace: &mut SharedWorkspace) {
    let SharedWorkspace { pencil, x, z, from_z, buffers, .. } = workspace;
    let d = task.d;
    let squares = &task.decomposition.squares;
    let (m, n) = (task.decomposition.outputs, task.decomposition.inputs);
    let back = from_z.refresh(task.versions[Z], n * d, |back| {
        task.operator.apply_adjoint(task.natural[Z], back, d);
    });
    buffers.first.resize(n * d, 0.0);
    pencil.transform(back, &mut buffers.first);
    pencil.transform(task.natural[X], &mut x.natural);
    let (mu, nu) = (&pencil.mu, &pencil.nu);
    let mean = |k: usize, j: usize, [v, p]: [f64; 2]| (v + p) / (mu[j] + nu[j] * squares[k]);
    let residual = |k: usize, j: usize, [v, p]: [f64; 2]| {
        (mu[j] * p - nu[j] * squares[k] * v) / (mu[j] + nu[j] * squares[k])
    };
    let input = [&x.natural[..], &buffers.first[..]];
    let product = &mut buffers.product;
    if task.wanted[X] {
        let out = [&mut x.mean[..], &mut x.residual[..]];
        sandwich(basis, d, input, out, product, |k, j, s| [mean(k, j, s), residual(k, j, s)]);
    } else {
        sandwich(basis, d, input, [&mut x.mean[..]], product, |k, j, s| [mean(k, j, s)]);
    }
    if task.wanted[Z] {
        buffers.apply(task, &x.mean, &mut z.mean);
        pencil.transform(task.natural[Z], &mut z.natural);
        for j in 0..d {
            for i in j * m..(j + 1) * m {
                z.residual[i] = nu[j] * z.mean[i] - z.natural[i];
            }
        }
    }
}
