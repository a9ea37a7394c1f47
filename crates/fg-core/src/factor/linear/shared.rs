//! One precision for all rows at both ports: the spectral solvers, and what they keep from call to call.

use super::beliefs::{self, Half};
use super::decomposition::{Basis, Decomposition};
use super::iterative::{self, Iteration};
use super::moments::Moments;
use super::pencil::Pencil;
use super::{LinearFactor, X, Z, gram, known, svd};
use crate::factor::{Belief, Breakdown, Cavity};
use crate::operator::LinearOperator;

/// Buffers of the spectral solvers and products of cavities that haven't changed.
#[derive(Debug)]
pub(super) struct SharedWorkspace {
    pub(super) pencil: Pencil,
    pub(super) x: Half,
    pub(super) z: Half,
    /// `A Nx`, row-major (`Gram`, wide), or planar `V' Nx` (`Svd`).
    pub(super) from_x: Kept,
    /// `A' Nz`, row-major (`Gram`, tall), or planar `U' Nz` (`Svd`).
    pub(super) from_z: Kept,
    pub(super) buffers: Buffers,
    pub(super) iteration: Iteration,
    shifted: Vec<f64>,
    moments: Vec<Moments>,
    matrix: Vec<f64>,
}

/// Scratch of the solvers; every user overwrites what it needs.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) first: Vec<f64>,
    pub(super) second: Vec<f64>,
    pub(super) third: Vec<f64>,
    pub(super) product: Vec<f64>,
    rows_in: Vec<f64>,
    rows_out: Vec<f64>,
}

/// A vector derived from one cavity, kept until the cavity changes.
#[derive(Debug, Default)]
pub(super) struct Kept {
    version: Option<u64>,
    values: Vec<f64>,
}

impl Kept {
    /// The `length` values, computed by `compute` unless they stem from this version.
    pub(super) fn refresh(
        &mut self,
        version: u64,
        length: usize,
        compute: impl FnOnce(&mut [f64]),
    ) -> &[f64] {
        if self.version != Some(version) {
            self.values.resize(length, 0.0);
            compute(&mut self.values);
            self.version = Some(version);
        }
        &self.values
    }
}

/// What a spectral solver is asked: cavities of `X` and of `Z` without bias, row-major.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'a> {
    pub(super) operator: &'a dyn LinearOperator,
    pub(super) decomposition: &'a Decomposition,
    pub(super) natural: [&'a [f64]; 2],
    pub(super) versions: [u64; 2],
    pub(super) wanted: [bool; 2],
    pub(super) d: usize,
}

impl SharedWorkspace {
    pub(super) fn new(outputs: usize, inputs: usize, d: usize) -> Self {
        Self {
            pencil: Pencil::new(d),
            x: Half::new(inputs * d),
            z: Half::new(outputs * d),
            from_x: Kept::default(),
            from_z: Kept::default(),
            buffers: Buffers::default(),
            iteration: Iteration::default(),
            shifted: vec![0.0; outputs * d],
            moments: Vec::with_capacity(d),
            matrix: vec![0.0; d * d],
        }
    }
}

impl Buffers {
    /// Planar `z = A x`; the operator itself takes rows.
    pub(super) fn apply(&mut self, task: &Task<'_>, x: &[f64], z: &mut [f64]) {
        if task.d == 1 {
            return task.operator.apply(x, z, 1);
        }
        self.rows_out.resize(z.len(), 0.0);
        to_rows(x, &mut self.rows_in, task.d);
        task.operator.apply(&self.rows_in, &mut self.rows_out, task.d);
        to_planar(&self.rows_out, z, task.d);
    }

    /// Planar `x = A' z`.
    pub(super) fn apply_adjoint(&mut self, task: &Task<'_>, z: &[f64], x: &mut [f64]) {
        if task.d == 1 {
            return task.operator.apply_adjoint(z, x, 1);
        }
        self.rows_out.resize(x.len(), 0.0);
        to_rows(z, &mut self.rows_in, task.d);
        task.operator.apply_adjoint(&self.rows_in, &mut self.rows_out, task.d);
        to_planar(&self.rows_out, x, task.d);
    }
}

/// Row-major to planar.
pub(super) fn to_planar(rows: &[f64], out: &mut [f64], d: usize) {
    let n = out.len() / d;
    for (i, row) in rows.chunks_exact(d).enumerate() {
        (0..d).for_each(|j| out[j * n + i] = row[j]);
    }
}

/// Planar to row-major.
pub(super) fn to_rows(planar: &[f64], out: &mut Vec<f64>, d: usize) {
    out.resize(planar.len(), 0.0);
    let n = out.len() / d;
    for (i, row) in out.chunks_exact_mut(d).enumerate() {
        (0..d).for_each(|j| row[j] = planar[j * n + i]);
    }
}

/// The beliefs at the wanted ports.
pub(super) fn beliefs(
    factor: &LinearFactor,
    cavities: &[Cavity<'_>],
    wanted: &[bool],
    beliefs: &mut [Belief],
    workspace: &mut SharedWorkspace,
) -> Result<(), Breakdown> {
    let messages = [cavities[X].message, cavities[Z].message];
    let infinite = messages.map(|message| message.precision().is_infinite(0));
    let d = messages[X].layout().columns();
    let SharedWorkspace { shifted, .. } = workspace;
    shifted.copy_from_slice(messages[Z].natural().as_slice());
    let gz = messages[Z].precision().block(0);
    beliefs::remove_bias(shifted, factor.bias(), (!infinite[Z]).then_some(gz), d);
    let shifted = core::mem::take(shifted);
    let task = Task {
        operator: factor.operator(),
        decomposition: factor.decomposition()?,
        natural: [messages[X].natural().as_slice(), &shifted],
        versions: [cavities[X].version, cavities[Z].version],
        wanted: [wanted[X], wanted[Z]],
        d,
    };
    let outcome = if infinite == [false; 2] {
        let precisions = [messages[X].precision().block(0), gz];
        uncertain(&task, precisions, factor.bias(), beliefs, workspace)
    } else {
        let precision = messages[X].precision().block(0);
        known::beliefs(&task, infinite, precision, factor.bias(), beliefs, workspace)
    };
    workspace.shifted = shifted;
    outcome
}

/// Both cavities of finite precision.
fn uncertain(
    task: &Task<'_>,
    precisions: [&[f64]; 2],
    bias: Option<&[f64]>,
    beliefs: &mut [Belief],
    workspace: &mut SharedWorkspace,
) -> Result<(), Breakdown> {
    workspace.pencil.update(precisions[X], precisions[Z])?;
    let spectrum = task.decomposition.spectrum();
    if spectrum.rank() < spectrum.inputs as f64 && workspace.pencil.leaves_open {
        return Err(Breakdown::Undetermined { port: X });
    }
    match &task.decomposition.basis {
        Basis::Wide(u) => gram::wide(u.as_ref(), task, workspace),
        Basis::Tall(v) => gram::tall(v.as_ref(), task, workspace),
        Basis::Svd(u, v) => svd::solve(u, v, task, workspace),
        Basis::Products(law, options) => iterative::solve(law, options, task, workspace)?,
    }
    let SharedWorkspace { pencil, x, z, moments, matrix, buffers, .. } = workspace;
    for (port, half) in [(X, x), (Z, z)] {
        if !task.wanted[port] {
            continue;
        }
        moments.clear();
        moments.extend(pencil.mu.iter().zip(&pencil.nu).map(|(&mu, &nu)| {
            if port == X { spectrum.input(mu, nu) } else { spectrum.output(mu, nu) }
        }));
        let bias = if port == Z { bias } else { None };
        let scratch = (&mut *matrix, &mut buffers.product);
        half.write(pencil, moments, bias, &mut beliefs[port], scratch);
        if let Basis::Products(law, _) = &task.decomposition.basis {
            let errors = pencil.mu.iter().zip(&pencil.nu).map(|(&mu, &nu)| {
                law.standard_error(|s| if port == X { s.input(mu, nu) } else { s.output(mu, nu) })
            });
            beliefs[port].set_standard_error(errors.fold(0.0, f64::max));
        }
    }
    Ok(())
}
