//! The primal-dual proximal method: any convex loss and penalty, of which only their maximisers under a Gaussian are asked for.

use fg_core::Rows;
use fg_core::denoiser::{Denoiser, Likelihood, RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::message::small;
use fg_core::operator::LinearOperator;

use crate::linear::outputs;
use crate::{ModelError, check};

/// What the primal-dual method found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PrimalDual {
    /// The minimiser, `n x d`.
    pub estimate: Rows,
    /// A slope of the loss at `A x`, `m x d`.
    pub slope: Rows,
    /// Iterations made.
    pub iterations: usize,
    /// How far it is from optimal: see [`optimality`].
    pub residual: f64,
}

/// When the primal-dual method ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// The [residual](optimality) that is small enough.
    pub tolerance: f64,
    /// The most iterations.
    pub iterations: usize,
}

/// Steps on either side, as a share of the largest that converge.
const SAFETY: f64 = 0.99;
/// Iterations of the power method, whose error of the norm the share above covers: it is below a percent for any spectrum.
const POWER: usize = 200;
/// Iterations between two looks at the residual.
const EVERY: usize = 10;

/// Minimises `loss(A x) + penalty(x)`, the costs of a `likelihood` of `data` and of a `penalty` that answer with maximisers:
///
/// ```text
/// s = the part of s + sigma A (2 x - x') that the loss holds against:  v - sigma prox_loss(v / sigma)
/// x = prox_penalty(x - tau A's),     sigma tau |A|^2 < 1
/// ```
///
/// It takes the costs as the traits give them: no gradient is asked for, which a hinge doesn't have, and no bound of the
/// curvature, which counts don't have.
///
/// Reference: A. Chambolle and T. Pock, "A first-order primal-dual algorithm for convex problems with applications to
/// imaging", Journal of Mathematical Imaging and Vision 40 (2011), doi 10.1007/s10851-010-0251-1.
///
/// # Errors
/// [`ModelError::Shape`], [`ModelError::NotFinite`] and [`ModelError::Data`] for data that isn't a row an output of `A`, or that
/// the likelihood can't have; [`ModelError::Breakdown`] of a factor.
pub fn primal_dual(
    operator: &dyn LinearOperator,
    penalty: &dyn Denoiser,
    likelihood: &dyn Likelihood,
    data: &Rows,
    end: End,
) -> Result<PrimalDual, ModelError> {
    let (m, n) = (operator.outputs(), operator.inputs());
    let d = likelihood.columns().or(penalty.columns()).unwrap_or(data.columns());
    check::data(likelihood, (m, d), data)?;
    let step = SAFETY / norm(operator);
    let (mut x, mut s) = (Rows::zeros(n, d), Rows::zeros(m, d));
    let (mut ahead, mut residual) = (x.clone(), f64::INFINITY);
    for iteration in 1..=end.iterations {
        let image = outputs(operator, &ahead);
        let pulled = Rows::from_fn(m, d, |i, j| s[(i, j)] / step + image[(i, j)]);
        let z = nearest_output(likelihood, data, &pulled, step)?;
        s = Rows::from_fn(m, d, |i, j| step * (pulled[(i, j)] - z[(i, j)]));
        let next = descend(operator, penalty, &x, &s, step)?;
        ahead = Rows::from_fn(n, d, |i, j| 2.0 * next[(i, j)] - x[(i, j)]);
        x = next;
        if iteration % EVERY == 0 {
            residual = optimality(operator, penalty, &x, &z, &s)?;
            if residual <= end.tolerance {
                return Ok(PrimalDual { estimate: x, slope: s, iterations: iteration, residual });
            }
        }
    }
    Ok(PrimalDual { estimate: x, slope: s, iterations: end.iterations, residual })
}

/// How far `x` and `z = A x` are from optimal where `slope` is one of the loss at `z`: the largest entry of `z - A x` and of
/// `x - prox_penalty(x - A' slope)`. Zero at the minimum alone.
///
/// # Errors
/// [`Breakdown`] of the penalty.
pub fn optimality(
    operator: &dyn LinearOperator,
    penalty: &dyn Denoiser,
    x: &Rows,
    z: &Rows,
    slope: &Rows,
) -> Result<f64, Breakdown> {
    let (moved, image) = (descend(operator, penalty, x, slope, 1.0)?, outputs(operator, x));
    let largest = |a: &Rows, b: &Rows| {
        let gaps = a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a - b).abs());
        // NaN is kept, so that it passes no tolerance.
        gaps.fold(0.0, |most, gap| if gap <= most { most } else { gap })
    };
    Ok(f64::max(largest(x, &moved), largest(z, &image)))
}

/// `prox_penalty(x - step A's)`.
fn descend(
    operator: &dyn LinearOperator,
    penalty: &dyn Denoiser,
    x: &Rows,
    s: &Rows,
    step: f64,
) -> Result<Rows, Breakdown> {
    let (n, d) = x.shape();
    let mut target = Rows::zeros(n, d);
    operator.apply_adjoint(s.as_slice(), target.as_mut_slice(), d);
    let moved = target.as_mut_slice().iter_mut().zip(x.as_slice());
    moved.for_each(|(t, x)| *t = x - step * *t);
    maximiser(&target, step.recip(), |cavity, out, scratch| penalty.estimate(cavity, out, scratch))
}

/// The `z` of least `loss(z) + precision |z - target|^2 / 2`.
fn nearest_output(
    likelihood: &dyn Likelihood,
    data: &Rows,
    target: &Rows,
    precision: f64,
) -> Result<Rows, Breakdown> {
    maximiser(target, precision, |cavity, out, scratch| {
        likelihood.estimate(data.as_slice(), cavity, out, scratch)
    })
}

fn maximiser(
    target: &Rows,
    precision: f64,
    estimate: impl FnOnce(&RowCavity<'_>, &mut RowEstimate<'_>, &mut Scratch) -> Result<(), Breakdown>,
) -> Result<Rows, Breakdown> {
    let (rows, d) = target.shape();
    let natural: Vec<f64> = target.as_slice().iter().map(|t| precision * t).collect();
    let matrix = small::scalar_matrix(precision, d);
    let (mut found, mut covariance) = (Rows::zeros(rows, d), vec![0.0; rows * d * d]);
    let mut out = RowEstimate { mean: found.as_mut_slice(), covariance: &mut covariance };
    let cavity = RowCavity::new(0, d, &natural, target.as_slice(), &matrix);
    estimate(&cavity, &mut out, &mut Scratch::default())?;
    Ok(found)
}

/// The largest singular value, by the power method from a vector that no common symmetry makes orthogonal to the first one.
fn norm(operator: &dyn LinearOperator) -> f64 {
    let (m, n) = (operator.outputs(), operator.inputs());
    let mut x: Vec<f64> = (0..n).map(|k| 1.0 + (k as f64).sin()).collect();
    let (mut z, mut norm) = (vec![0.0; m], 0.0);
    for _ in 0..POWER {
        let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        if !(length > 0.0) {
            break;
        }
        x.iter_mut().for_each(|x| *x /= length);
        operator.apply(&x, &mut z, 1);
        norm = z.iter().map(|z| z * z).sum::<f64>().sqrt();
        operator.apply_adjoint(&z, &mut x, 1);
    }
    f64::max(norm, f64::MIN_POSITIVE)
}
