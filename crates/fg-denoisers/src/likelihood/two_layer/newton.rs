//! The maximiser by safeguarded Newton steps with the exact Hessian, from several starts.

use fg_core::message::small;

use super::TwoLayer;
use super::maximiser::{Maximiser, NoMaximum};

/// Newton steps from one start before it is given up: convergence is quadratic after the first few.
const STEPS: usize = 200;
/// Increases below this share of the objective's terms drown in its rounding: the objective can't judge such a step, and
/// Newton's own quadratic convergence is trusted instead.
const BLIND: f64 = 64.0 * f64::EPSILON;
/// A blind step must shrink the next increase to this share of the last; quadratic convergence does far better, and where
/// it doesn't, rounding of the gradient is all that is left.
const PROGRESS: f64 = 0.25;
/// Share of the predicted increase a step must reach (Armijo's rule).
const SUFFICIENT: f64 = 1e-4;
/// Halvings of a step before the start is given up: beyond, it no longer changes `z`.
const HALVINGS: usize = 60;
/// First multiple of the Hessian's mean diagonal that is added where it isn't positive, and its growth.
const SHIFT: (f64, f64) = (1e-3, 10.0);
/// Shifts tried: the last one outweighs any Hessian.
const SHIFTS: usize = 24;

/// The objective `n'z - z' Gamma z / 2 - lambda / 2 |y - b2 - W2' sigma(z)|^2` of rows with one precision.
#[derive(Debug)]
pub(super) struct Newton<'a> {
    pub(super) network: &'a TwoLayer,
    pub(super) gamma: &'a [f64],
    /// `Gamma^-1`.
    pub(super) inverse: &'a [f64],
}

/// Buffers of one row.
struct Buffers<'w> {
    point: &'w mut [f64],
    trial: &'w mut [f64],
    gradient: &'w mut [f64],
    step: &'w mut [f64],
    residual: &'w mut [f64],
    hessian: &'w mut [f64],
    factor: &'w mut [f64],
}

/// Values [`Newton`] needs for one row.
pub(super) fn work_len(d: usize, outputs: usize) -> usize {
    4 * d + outputs + 5 * d * d
}

impl Newton<'_> {
    fn value(&self, natural: &[f64], target: &[f64], z: &[f64], residual: &mut [f64]) -> f64 {
        let d = z.len();
        residual.copy_from_slice(target);
        for j in 0..d {
            let unit = self.network.activation.value(z[j]);
            for (r, w) in residual.iter_mut().zip(self.network.weights.row(j)) {
                *r -= w * unit;
            }
        }
        let loss: f64 = residual.iter().map(|r| r * r).sum();
        let linear: f64 = natural.iter().zip(z).map(|(n, z)| n * z).sum();
        let quadratic = small::bilinear(z, self.gamma, z, d);
        linear - 0.5 * quadratic - 0.5 * self.network.noise_precision * loss
    }

    /// Gradient and negative Hessian at `z`, given the residual there.
    fn expand(&self, natural: &[f64], z: &[f64], b: &mut Buffers<'_>) {
        let d = z.len();
        let (lambda, sigma) = (self.network.noise_precision, self.network.activation);
        let weights = |j: usize| self.network.weights.row(j);
        for i in 0..d {
            let pull: f64 = weights(i).iter().zip(&*b.residual).map(|(w, r)| w * r).sum();
            let quadratic: f64 = (0..d).map(|j| self.gamma[i * d + j] * z[j]).sum();
            b.gradient[i] = natural[i] - quadratic + lambda * sigma.slope(z[i]) * pull;
            for j in 0..d {
                let dot: f64 = weights(i).iter().zip(weights(j)).map(|(a, b)| a * b).sum();
                let gauss_newton = lambda * sigma.slope(z[i]) * sigma.slope(z[j]) * dot;
                b.hessian[i * d + j] = self.gamma[i * d + j] + gauss_newton;
            }
            b.hessian[i * d + i] -= lambda * sigma.curvature(z[i]) * pull;
        }
    }

    /// The size of the objective's terms at `z`, to which its rounding is relative.
    fn scale(&self, natural: &[f64], z: &[f64], residual: &[f64]) -> f64 {
        let loss: f64 = residual.iter().map(|r| r * r).sum();
        let linear: f64 = natural.iter().zip(z).map(|(n, z)| n * z).sum();
        let quadratic = small::bilinear(z, self.gamma, z, z.len());
        linear.abs() + 0.5 * quadratic + 0.5 * self.network.noise_precision * loss
    }

    /// Climbs from `b.point`; returns the objective at the top, the Hessian left in `b.hessian`.
    fn climb(
        &self,
        natural: &[f64],
        target: &[f64],
        b: &mut Buffers<'_>,
    ) -> Result<f64, NoMaximum> {
        let d = natural.len();
        let mut value = self.value(natural, target, b.point, b.residual);
        let mut last = f64::INFINITY;
        for _ in 0..STEPS {
            let at = core::mem::take(&mut b.point);
            self.expand(natural, at, b);
            b.point = at;
            factor_shifted(b.hessian, b.factor, d)?;
            b.step.copy_from_slice(b.gradient);
            small::solve_lower(b.factor, b.step, d);
            let increase: f64 = b.step.iter().map(|s| s * s).sum();
            small::solve_lower_transposed(b.factor, b.step, d);
            let blind = increase <= BLIND * self.scale(natural, b.point, b.residual);
            if increase == 0.0 || (blind && increase > PROGRESS * last) {
                return Ok(value);
            }
            if blind {
                last = increase;
                for (p, s) in b.point.iter_mut().zip(&*b.step) {
                    *p += s;
                }
                value = self.value(natural, target, b.point, b.residual);
            } else {
                value = self.search(natural, target, (value, increase), b)?;
            }
        }
        Err(NoMaximum)
    }

    /// Halves the step until the objective rises enough, and takes it; returns the objective.
    fn search(
        &self,
        natural: &[f64],
        target: &[f64],
        (value, increase): (f64, f64),
        b: &mut Buffers<'_>,
    ) -> Result<f64, NoMaximum> {
        let mut length = 1.0;
        for _ in 0..HALVINGS {
            for (t, (p, s)) in b.trial.iter_mut().zip(b.point.iter().zip(&*b.step)) {
                *t = p + length * s;
            }
            let raised = self.value(natural, target, b.trial, b.residual);
            if raised >= value + SUFFICIENT * length * increase {
                b.point.copy_from_slice(b.trial);
                return Ok(raised);
            }
            length *= 0.5;
        }
        Err(NoMaximum)
    }
}

/// Cholesky factor of the Hessian, with a multiple of the identity added where it isn't positive.
fn factor_shifted(hessian: &[f64], factor: &mut [f64], d: usize) -> Result<(), NoMaximum> {
    let diagonal = (0..d).map(|j| hessian[j * d + j].abs()).sum::<f64>() / d as f64;
    let mut shift = 0.0;
    for _ in 0..SHIFTS {
        factor.copy_from_slice(hessian);
        (0..d).for_each(|j| factor[j * d + j] += shift);
        if small::cholesky(factor, d).is_ok() {
            return Ok(());
        }
        shift = if shift == 0.0 { SHIFT.0 * diagonal } else { SHIFT.1 * shift };
    }
    Err(NoMaximum)
}

impl Maximiser for Newton<'_> {
    fn solve(
        &self,
        natural: &[f64],
        target: &[f64],
        z: &mut [f64],
        covariance: &mut [f64],
        work: &mut [f64],
    ) -> Result<f64, NoMaximum> {
        let (d, outputs) = self.network.weights.shape();
        let (point, work) = work.split_at_mut(d);
        let (trial, work) = work.split_at_mut(d);
        let (gradient, work) = work.split_at_mut(d);
        let (step, work) = work.split_at_mut(d);
        let (residual, work) = work.split_at_mut(outputs);
        let (hessian, work) = work.split_at_mut(d * d);
        let (factor, scratch) = work.split_at_mut(d * d);
        let mut b = Buffers { point, trial, gradient, step, residual, hessian, factor };
        let mut best = f64::NEG_INFINITY;
        // Starts: the cavity's mean, the origin, and the mean mirrored, where other basins lie.
        for sign in [1.0, 0.0, -1.0] {
            small::row_times(natural, self.inverse, b.point, d);
            b.point.iter_mut().for_each(|p| *p *= sign);
            // A start that ends on a saddle, or nowhere, is no top; one of the others must be.
            let Ok(top) = self.climb(natural, target, &mut b) else { continue };
            let (inverse, scratch) = scratch.split_at_mut(d * d);
            if top > best && small::invert_positive(b.hessian, inverse, scratch, d).is_ok() {
                best = top;
                z.copy_from_slice(b.point);
                covariance.copy_from_slice(inverse);
            }
        }
        if best == f64::NEG_INFINITY { Err(NoMaximum) } else { Ok(best) }
    }
}
