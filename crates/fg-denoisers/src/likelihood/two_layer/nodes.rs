//! Where the nodes of a line lie and what the network is there: the only part of a line that knows the activation.

use fg_core::special::number::{Lanes, Number};
use pulp::Simd;

use super::line::{Line, NEGLIGIBLE, Ray};

/// Kinks farther out than this many cavity deviations are moved here: no mass is there.
const FARTHEST: f64 = 1e8;
/// A unit that changes along the line by less than this share of the largest change has no kink on it.
const ACROSS: f64 = 1e-10;

/// An activation along a line.
pub(super) trait Curve: Copy {
    /// Usual number of nodes; `None` for one a unit.
    const NODES: Option<usize>;

    /// Values that all lines of a row share, for this many units and outputs.
    fn shared(self, units: usize, outputs: usize, nodes: usize) -> usize;

    /// Computes them into [`Shared::values`].
    fn prepare<S: Simd>(self, simd: S, row: Shared<'_>);

    /// Writes the nodes, the residuals at them and the slopes beyond the outermost.
    fn place<S: Simd>(self, line: &mut Line<'_, S>, ray: &Ray<'_>);
}

/// What all lines of a row have in common.
pub(super) struct Shared<'a> {
    /// `W2`, `units x outputs`.
    pub(super) weights: &'a [f64],
    /// Nodes of the grid, where there is one.
    pub(super) grid: &'a [f64],
    /// Change of each unit per unit of `t`.
    pub(super) direction: &'a [f64],
    /// What the curve makes of it, rounded up to whole registers.
    pub(super) values: &'a mut [f64],
}

/// Linear left and right of zero, with these slopes: nodes are at the kinks of the units.
#[derive(Clone, Copy)]
pub(super) struct Kinked {
    pub(super) left: f64,
    pub(super) right: f64,
}

impl Curve for Kinked {
    const NODES: Option<usize> = None;

    /// For each unit the inverse of its change, negative; for each output its slopes before and after all kinks.
    #[inline(always)]
    fn shared(self, units: usize, outputs: usize, _: usize) -> usize {
        units + 2 * outputs
    }

    #[inline(always)]
    fn prepare<S: Simd>(self, _: S, row: Shared<'_>) {
        let units = row.direction.len();
        let outputs = row.weights.len() / units;
        let (inverses, rest) = row.values.split_at_mut(units);
        let (before, after) = rest.split_at_mut(outputs);
        let largest = row.direction.iter().fold(0.0f64, |m, a| m.max(a.abs()));
        for (inverse, &a) in inverses.iter_mut().zip(row.direction) {
            *inverse = if a.abs() > ACROSS * largest { -1.0 / a } else { 0.0 };
        }
        for o in 0..outputs {
            (before[o], after[o]) = (0.0, 0.0);
            for (j, &a) in row.direction.iter().enumerate() {
                let step = row.weights[j * outputs + o] * a;
                let (behind, ahead) =
                    if a > 0.0 { (self.left, self.right) } else { (self.right, self.left) };
                before[o] += step * behind;
                after[o] += step * ahead;
            }
        }
    }

    /// Nodes at the kinks of the units, sorted; the network is linear between them.
    #[inline(always)]
    fn place<S: Simd>(self, line: &mut Line<'_, S>, ray: &Ray<'_>) {
        let (units, outputs) = (line.shape.units, line.shape.outputs);
        let shared = &ray.shared[..units + 2 * outputs];
        let reach = self.reach(line, ray);
        for j in 0..units {
            let kink = line.load(line.base[j]) * line.splat(shared[j]);
            line.at[j] = kink.at_least(-reach).at_most(reach).get();
        }
        for pass in (1..units).rev() {
            for k in 0..pass {
                let (low, high) = (line.load(line.at[k]), line.load(line.at[k + 1]));
                line.at[k] = low.if_above(high, high, low).get();
                line.at[k + 1] = low.if_above(high, low, high).get();
            }
        }
        for o in 0..outputs {
            self.residuals(line, ray, o);
            line.ends[0][o] = line.splat(shared[units + o]).get();
            line.ends[1][o] = line.splat(shared[units + outputs + o]).get();
        }
    }
}

impl Kinked {
    /// How far from the cavity's mean there is mass: beyond, `-t^2 / 2` alone is negligible next to the integrand at `t = 0`.
    ///
    /// Kinks are moved here from farther away, where a peak next to the cavity's mean would lose its digits: it is found
    /// from a height at a node, and heights grow with the square of the distance.
    #[inline(always)]
    fn reach<S: Simd>(self, line: &Line<'_, S>, ray: &Ray<'_>) -> Lanes<S> {
        let farthest = line.splat(FARTHEST);
        let Some(precision) = ray.noise_precision else { return farthest };
        let (units, outputs) = (line.shape.units, line.shape.outputs);
        let zero = line.splat(0.0);
        let mut square = line.splat(-2.0 * NEGLIGIBLE);
        for o in 0..outputs {
            let mut residual = line.splat(ray.target[o]);
            for j in 0..units {
                let (base, weight) = (line.load(line.base[j]), -ray.weights[j * outputs + o]);
                let share = line.splat(weight * (self.right - self.left));
                residual = base.at_least(zero).mul_add(share, residual);
                if self.left != 0.0 {
                    residual = base.mul_add(line.splat(weight * self.left), residual);
                }
            }
            square = (residual * line.splat(precision)).mul_add(residual, square);
        }
        square.sqrt().at_most(farthest)
    }

    /// Residuals of output `o` at the nodes: `sigma(z) = left z + (right - left) max(z, 0)`, of which the first part
    /// is one linear function of `t` for all units together.
    #[inline(always)]
    fn residuals<S: Simd>(self, line: &mut Line<'_, S>, ray: &Ray<'_>, o: usize) {
        let (units, outputs) = (line.shape.units, line.shape.outputs);
        let zero = line.splat(0.0);
        let (mut start, mut slope) = (line.splat(ray.target[o]), 0.0);
        if self.left != 0.0 {
            for j in 0..units {
                let share = -self.left * ray.weights[j * outputs + o];
                start = line.load(line.base[j]).mul_add(line.splat(share), start);
                slope = share.mul_add(ray.direction[j], slope);
            }
        }
        for k in 0..units {
            let at = line.load(line.at[k]);
            let mut residual = at.mul_add(line.splat(slope), start);
            for j in 0..units {
                let share = (self.left - self.right) * ray.weights[j * outputs + o];
                let hidden = at.mul_add(line.splat(ray.direction[j]), line.load(line.base[j]));
                residual = hidden.at_least(zero).mul_add(line.splat(share), residual);
            }
            line.residual[k * outputs + o] = residual.get();
        }
    }
}
