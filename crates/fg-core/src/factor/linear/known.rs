//! Shared precisions of which one is infinite: `X` known decides `Z`; `Z` known is a constraint on `X`.

use fg_linalg::product::sandwich;

use super::beliefs::add_bias;
use super::decomposition::Basis;
use super::iterative::Iteration;
use super::shared::{Buffers, SharedWorkspace, Task, to_planar};
use super::{X, Z};
use crate::factor::{Belief, Breakdown};
use crate::message::small;

/// Known values may miss `A X` by this, relative to the largest of them: rounding of a solution with a condition
/// number up to `1e6`, or data written with nine digits.
pub(super) const CONSISTENCY: f64 = 1e-9;

/// The beliefs at the wanted ports when `infinite[X]` or `infinite[Z]`; `precision` is that of `X`.
pub(super) fn beliefs(
    task: &Task<'_>,
    infinite: [bool; 2],
    precision: &[f64],
    bias: Option<&[f64]>,
    beliefs: &mut [Belief],
    workspace: &mut SharedWorkspace,
) -> Result<(), Breakdown> {
    let d = task.d;
    if infinite[X] {
        let values = task.natural[X];
        if task.wanted[X] {
            set_known(&mut beliefs[X], values, None);
        }
        let image = &mut workspace.z.mean;
        task.operator.apply(values, image, d);
        if infinite[Z] {
            check_consistent(image, task.natural[Z], |i| i / d)?;
        }
        if task.wanted[Z] {
            set_known(&mut beliefs[Z], image, bias);
        }
        return Ok(());
    }
    if task.wanted[Z] {
        set_known(&mut beliefs[Z], task.natural[Z], bias);
    }
    constrained(task, precision, &mut beliefs[X], workspace)
}

/// Declares all rows known; `values` are row-major and without the bias.
fn set_known(belief: &mut Belief, values: &[f64], bias: Option<&[f64]>) {
    let d = belief.layout().columns();
    let (mean, covariance) = belief.blocks_mut();
    mean.as_mut_slice().copy_from_slice(values);
    add_bias(mean.as_mut_slice(), bias, d);
    covariance.fill(0.0);
    belief.set_known(0);
}

/// Whether `A X` is the known `Z`; `row` tells the row of an index.
pub(super) fn check_consistent(
    image: &[f64],
    values: &[f64],
    row: impl Fn(usize) -> usize,
) -> Result<(), Breakdown> {
    let largest = image.iter().chain(values).fold(0.0, |max: f64, v| max.max(v.abs()));
    let misses = |(a, b): (&f64, &f64)| !((a - b).abs() <= CONSISTENCY * largest);
    match image.iter().zip(values).position(misses) {
        Some(i) => Err(Breakdown::Contradiction { port: Z, row: row(i) }),
        None => Ok(()),
    }
}

/// `X` given `A X = Z`: the limit of a precise `Z`.
///
/// With the cavity's mean `R`: `X = R + A^+ (Z - A R)`, covariance `Gx^-1` in the `n - rank` free directions and
/// zero in the others.
fn constrained(
    task: &Task<'_>,
    precision: &[f64],
    belief: &mut Belief,
    workspace: &mut SharedWorkspace,
) -> Result<(), Breakdown> {
    let SharedWorkspace { pencil, x, z, buffers, iteration, .. } = workspace;
    let d = task.d;
    let (m, n) = (task.decomposition.outputs, task.decomposition.inputs);
    let rank = task.decomposition.spectrum().rank();
    let free = n as f64 - rank;
    // Planar R, then X; the correction X - R gathers apart, free of cancellation.
    x.mean.fill(0.0);
    if free > 0.0 {
        pencil.update(precision, &vec![0.0; d * d])?;
        let variances: Vec<f64> = pencil.mu.iter().map(|mu| free / n as f64 / mu).collect();
        let (mean, covariance) = belief.blocks_mut();
        pencil.covariance(&variances, covariance);
        let scale = n as f64 / free;
        for i in 0..n {
            let natural = &task.natural[X][i * d..(i + 1) * d];
            small::row_times(natural, covariance, mean.row_mut(i), d);
            mean.row_mut(i).iter_mut().for_each(|r| *r *= scale);
        }
        to_planar(mean.as_slice(), &mut x.mean, d);
    }
    let mut correction = vec![0.0; n * d];
    to_planar(task.natural[Z], &mut z.natural, d);
    // The second round is a step of iterative refinement: it takes out the squared condition of a Gram matrix.
    for round in 0..2 {
        buffers.apply(task, &x.mean, &mut z.mean);
        let iterated = matches!(task.decomposition.basis, Basis::Products(..));
        if round > 0 && iterated && check_consistent(&z.mean, &z.natural, |i| i % m).is_ok() {
            // What is left is rounding, which the range of the operator need not hold.
            break;
        }
        for i in 0..m * d {
            z.residual[i] = z.natural[i] - z.mean[i];
        }
        pseudo_inverse(task, &z.residual, &mut x.residual, (buffers, iteration))?;
        for i in 0..n * d {
            x.mean[i] += x.residual[i];
            correction[i] += x.residual[i];
        }
    }
    buffers.apply(task, &x.mean, &mut z.mean);
    check_consistent(&z.mean, &z.natural, |i| i % m)?;
    if !task.wanted[X] {
        return Ok(());
    }
    let (mean, covariance) = belief.blocks_mut();
    for (i, row) in mean.as_mut_slice().chunks_exact_mut(d).enumerate() {
        (0..d).for_each(|j| row[j] = x.mean[j * n + i]);
    }
    if free == 0.0 {
        covariance.fill(0.0);
        belief.set_known(0);
        return Ok(());
    }
    // Lambda - Gx = Gx rank / (n - rank); X Lambda - Nx = (X - R) Gx + X (Lambda - Gx).
    let gained = rank / free;
    let gain = belief.gain_mut();
    gain.precision.iter_mut().zip(precision).for_each(|(g, p)| *g = gained * p);
    let mut row = vec![0.0; d];
    for i in 0..n {
        for (j, r) in row.iter_mut().enumerate() {
            *r = correction[j * n + i] + gained * x.mean[j * n + i];
        }
        small::row_times(&row, precision, gain.natural.row_mut(i), d);
    }
    Ok(())
}

/// Planar `out = A^+ values`.
fn pseudo_inverse(
    task: &Task<'_>,
    values: &[f64],
    out: &mut [f64],
    (buffers, iteration): (&mut Buffers, &mut Iteration),
) -> Result<(), Breakdown> {
    let d = task.d;
    let decomposition = task.decomposition;
    let divided = |sum: f64, by: f64| if by > 0.0 { sum / by } else { 0.0 };
    let squares = &decomposition.squares;
    let mut first = core::mem::take(&mut buffers.first);
    match &decomposition.basis {
        Basis::Wide(u) => {
            first.resize(values.len(), 0.0);
            let (input, output) = ([values], [&mut first[..]]);
            sandwich(u.as_ref(), d, input, output, &mut buffers.product, |k, _, [s]| {
                [divided(s, squares[k])]
            });
            buffers.apply_adjoint(task, &first, out);
        }
        Basis::Tall(v) => {
            first.resize(out.len(), 0.0);
            buffers.apply_adjoint(task, values, &mut first);
            let (input, output) = ([&first[..]], [out]);
            sandwich(v.as_ref(), d, input, output, &mut buffers.product, |k, _, [s]| {
                [divided(s, squares[k])]
            });
        }
        Basis::Svd(u, v) => {
            let singular = &decomposition.singular;
            let r = singular.len();
            first.resize(r * d, 0.0);
            buffers.product.clear();
            buffers.product.extend_from_slice(values);
            u.multiply_adjoint(&mut buffers.product, &mut first, d);
            first.iter_mut().enumerate().for_each(|(e, c)| *c = divided(*c, singular[e % r]));
            v.multiply(&first, out, d);
        }
        Basis::Products(_, options) => {
            iteration.pseudo_inverse(options, task, values, out, buffers)?;
        }
    }
    buffers.first = first;
    Ok(())
}
