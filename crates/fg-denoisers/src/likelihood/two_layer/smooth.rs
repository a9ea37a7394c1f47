//! Smooth activations along a line: evaluated on a grid of nodes, straight between them.

use fg_core::special::exp;
use fg_core::special::number::{Lanes, Number};
use pulp::Simd;

use super::line::{Line, Ray};
use super::nodes::{Curve, Shared};

/// Reach of the grid of a broad posterior, in cavity deviations: beyond, a smooth network continues straight on.
const GRID_REACH: f64 = 3.0;
/// How much denser the grid is in its middle: its nodes are at multiples of `sinh(GRID_FOCUS x)`, `|x| <= 1`.
const GRID_FOCUS: f64 = 1.5;

/// Nodes of a line unless asked otherwise.
pub(super) const NODES: usize = 5;

/// Where a grid of width one has its nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    /// Nodes in ascending order, with one more on either side; empty for activations with kinks.
    pub(super) nodes: Vec<f64>,
    /// For each node but the outermost, how much of its rise from the left and to the right is taken away.
    bends: Vec<[f64; 2]>,
    /// Inverse distances of the first two and of the last two nodes but the outermost.
    outer: [f64; 2],
}

impl Grid {
    pub(super) fn new(nodes: usize) -> Self {
        let half = 0.5 * (nodes as f64 - 1.0);
        let node = |k: usize| (GRID_FOCUS * ((k as f64 - 1.0) / half - 1.0)).sinh();
        let nodes: Vec<f64> =
            (0..nodes + 2).map(|k| GRID_REACH * node(k) / GRID_FOCUS.sinh()).collect();
        let bend = |t: &[f64]| {
            let (left, right) = (t[1] - t[0], t[2] - t[1]);
            // left * right / 12 times the second derivative by divided differences
            [right, left].map(|other| other / (6.0 * (left + right)))
        };
        let (first, last) = (nodes[1] - nodes[0], nodes[nodes.len() - 1] - nodes[nodes.len() - 2]);
        Self {
            bends: nodes.windows(3).map(bend).collect(),
            outer: [1.0 / first, 1.0 / last],
            nodes,
        }
    }

    /// Ends of pieces: all nodes but the outermost.
    pub(super) fn inner(&self) -> usize {
        self.bends.len()
    }
}

/// The polygon through the values at the nodes lies on one side of the curve; moved by a twelfth of the second
/// difference it is the best one on average.
#[inline(always)]
fn interpolate<S: Simd>(line: &mut Line<'_, S>, ray: &Ray<'_>) {
    let (outputs, nodes) = (line.shape.outputs, line.shape.nodes);
    let bends = &ray.grid.bends[..nodes];
    for o in 0..outputs {
        for (side, k) in [(0, 0), (1, nodes)] {
            let slope = line.splat(ray.grid.outer[side] * ray.inverse_width);
            let value = |k: usize| line.load(line.residual[k * outputs + o]);
            line.ends[side][o] = ((value(k) - value(k + 1)) * slope).get();
        }
        for k in 1..=nodes {
            let value = |k: usize| line.load(line.residual[k * outputs + o]);
            let [left, right] = bends[k - 1].map(|b| line.splat(b));
            let rise = (value(k + 1) - value(k)) * -right;
            let moved = (value(k) - value(k - 1)).mul_add(left, rise);
            // Slot k - 1 has served its last difference.
            line.residual[(k - 1) * outputs + o] = (value(k) + moved).get();
        }
    }
    for k in 0..nodes {
        line.at[k] = line.splat(ray.at[k + 1]).get();
    }
}

/// Sets the residuals at node `k` to the target.
#[inline(always)]
fn start<S: Simd>(line: &mut Line<'_, S>, ray: &Ray<'_>, k: usize) {
    let outputs = line.shape.outputs;
    for o in 0..outputs {
        line.residual[k * outputs + o] = line.splat(ray.target[o]).get();
    }
}

/// Takes what unit `j` passes on from the residuals at node `k`.
#[inline(always)]
fn subtract<S: Simd>(
    line: &mut Line<'_, S>,
    ray: &Ray<'_>,
    (k, j): (usize, usize),
    value: Lanes<S>,
) {
    let outputs = line.shape.outputs;
    for o in 0..outputs {
        let residual = line.load(line.residual[k * outputs + o]);
        let weight = line.splat(-ray.weights[j * outputs + o]);
        line.residual[k * outputs + o] = value.mul_add(weight, residual).get();
    }
}

/// Evaluates `value` unit by unit at all nodes.
#[inline(always)]
fn evaluate<S: Simd>(line: &mut Line<'_, S>, ray: &Ray<'_>, value: impl Fn(Lanes<S>) -> Lanes<S>) {
    for k in 0..line.shape.nodes + 2 {
        start(line, ray, k);
        let at = line.splat(ray.at[k]);
        for j in 0..line.shape.units {
            let hidden = at.mul_add(line.splat(ray.direction[j]), line.load(line.base[j]));
            subtract(line, ray, (k, j), value(hidden));
        }
    }
}

/// `offset + height / (1 + e^(rate z))`, on a grid.
///
/// With `e^(rate (base + t a)) = e^(rate base) e^(rate t a)` there is one exponential a unit and line, and one a unit
/// and node for all lines of a row.
#[derive(Clone, Copy)]
pub(super) struct Logistic {
    pub(super) offset: f64,
    pub(super) height: f64,
    pub(super) rate: f64,
}

/// Largest exponent along the line for which exponentials are split in two factors.
const STEEPEST: f64 = 100.0;
/// Exponents at `t = 0` are cut off here: with what is added along the line they are still beyond 60, where the
/// logistic function is constant to rounding, and products of two exponentials are finite.
const SATURATED: f64 = STEEPEST + 60.0;

impl Logistic {
    /// `1 / (1 + e^-z)`.
    pub(super) const SIGMOID: Self = Self { offset: 0.0, height: 1.0, rate: -1.0 };
    /// `tanh z = 1 - 2 / (1 + e^(2 z))`.
    pub(super) const TANH: Self = Self { offset: 1.0, height: -2.0, rate: 2.0 };

    /// Its value by an exponential of its own.
    #[inline(always)]
    fn value<N: Number>(self, z: N) -> N {
        let grown = exp::exp(z * z.constant(self.rate)) + z.constant(1.0);
        z.constant(self.height) / grown + z.constant(self.offset)
    }
}

impl Curve for Logistic {
    const NODES: Option<usize> = Some(NODES);

    /// Node by node and unit by unit, the factor of the exponential.
    #[inline(always)]
    fn shared(self, units: usize, _: usize, nodes: usize) -> usize {
        (nodes + 2) * units
    }

    #[inline(always)]
    fn prepare<S: Simd>(self, simd: S, row: Shared<'_>) {
        let (units, mut steepest) = (row.direction.len(), 0.0f64);
        let factors = row.values;
        for (k, t) in row.grid.iter().enumerate() {
            for (j, a) in row.direction.iter().enumerate() {
                let exponent = self.rate * t * a;
                steepest = steepest.max(exponent.abs());
                factors[k * units + j] = exponent;
            }
        }
        if steepest > STEEPEST {
            // Tells `place` that every node needs exponentials of its own.
            factors[0] = f64::INFINITY;
            return;
        }
        for f in S::as_mut_simd_f64s(factors).0 {
            *f = exp::exp(Lanes::new(simd, *f)).get();
        }
    }

    #[inline(always)]
    fn place<S: Simd>(self, line: &mut Line<'_, S>, ray: &Ray<'_>) {
        let (units, nodes) = (line.shape.units, line.shape.nodes + 2);
        if ray.shared[0] == f64::INFINITY {
            evaluate(line, ray, |z| self.value(z));
        } else {
            let bound = line.splat(SATURATED);
            for j in 0..units {
                let exponent = line.load(line.base[j]) * line.splat(self.rate);
                line.start[j] = exp::exp(exponent.at_least(-bound).at_most(bound)).get();
            }
            let factors = &ray.shared[..nodes * units];
            for k in 0..nodes {
                start(line, ray, k);
                self.subtract_all(line, ray, k, &factors[k * units..(k + 1) * units]);
            }
        }
        interpolate(line, ray);
    }
}

impl Logistic {
    /// Takes what all units pass on from the residuals at node `k`: one division for two units.
    #[inline(always)]
    fn subtract_all<S: Simd>(
        self,
        line: &mut Line<'_, S>,
        ray: &Ray<'_>,
        k: usize,
        factors: &[f64],
    ) {
        let units = line.shape.units;
        let (one, height) = (line.splat(1.0), line.splat(self.height));
        let offset = line.splat(self.offset);
        for j in (0..units).step_by(2) {
            let a = line.load(line.start[j]).mul_add(line.splat(factors[j]), one);
            if j + 1 == units {
                subtract(line, ray, (k, j), height / a + offset);
                return;
            }
            let b = line.load(line.start[j + 1]).mul_add(line.splat(factors[j + 1]), one);
            let inverse = height / (a * b);
            subtract(line, ray, (k, j), inverse.mul_add(b, offset));
            subtract(line, ray, (k, j + 1), inverse.mul_add(a, offset));
        }
    }
}

/// `erf z`, on a grid.
#[derive(Clone, Copy)]
pub(super) struct ErrorFunction;

impl Curve for ErrorFunction {
    const NODES: Option<usize> = Some(NODES);

    #[inline(always)]
    fn shared(self, _: usize, _: usize, _: usize) -> usize {
        0
    }

    #[inline(always)]
    fn prepare<S: Simd>(self, _: S, _: Shared<'_>) {}

    #[inline(always)]
    fn place<S: Simd>(self, line: &mut Line<'_, S>, ray: &Ray<'_>) {
        evaluate(line, ray, exp::erf);
        interpolate(line, ray);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Activation;
    use super::*;

    #[test]
    fn branch_free_values_agree_with_plain_ones() {
        const TOLERANCE: f64 = 1e-13;
        for z in (-20..20).map(|i| f64::from(i) * 0.7) {
            for (found, activation) in [
                (Logistic::SIGMOID.value(z), Activation::Sigmoid),
                (Logistic::TANH.value(z), Activation::Tanh),
                (exp::erf(z), Activation::Erf),
            ] {
                let expected = activation.value(z);
                assert!((found - expected).abs() < TOLERANCE, "{activation:?} {found} {expected}");
            }
        }
    }
}
