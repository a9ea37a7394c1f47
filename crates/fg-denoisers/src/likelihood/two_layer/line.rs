//! Integration along parallel lines decides how accurate a row posterior is where the likelihood is narrow.
//!
//! On a line `z = base + t a` the network is taken as piecewise linear in `t` (a ReLU network is), so that
//! `exp(-t^2/2 - lambda/2 |residual(t)|^2)` is a Gaussian on every piece and its moments are exact, however narrow.
//! A register of lines is worked on at a time.

use fg_core::special::exp;
use fg_core::special::number::{Lanes, Number};
use pulp::Simd;

use super::TwoLayer;
use super::piece::{End, Gaussian, Part};

/// Kinks farther out than this many cavity deviations are moved here: no mass is there.
const FARTHEST: f64 = 1e8;
/// A unit that changes along the line by less than this share of the largest change has no kink on it.
const ACROSS: f64 = 1e-10;

/// The network along one row's lines.
pub(super) struct Ray<'a> {
    pub(super) network: &'a TwoLayer,
    /// `y - b2`.
    pub(super) target: &'a [f64],
    /// Change of each unit per unit of `t`.
    pub(super) direction: &'a [f64],
    /// Nodes common to all lines, with one more on either side; unused by activations with kinks.
    pub(super) grid: &'a [f64],
}

/// What is found on a line.
pub(super) struct Found<N> {
    /// Largest logarithm of the integrand.
    pub(super) top: N,
    /// Integral of the integrand divided by its largest value, and mean and variance of `t`.
    pub(super) part: Part<N>,
}

/// Sizes of the working memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) units: usize,
    pub(super) outputs: usize,
    /// Ends of pieces on each line; smooth activations are evaluated at one more on either side.
    pub(super) nodes: usize,
}

/// Doubles in the longest register there is.
const LONGEST: usize = 8;

impl Shape {
    /// Values needed by [`Line::new`].
    pub(super) fn len(self) -> usize {
        let Self { units, outputs, nodes } = self;
        LONGEST * (units + 2 * nodes + outputs * (nodes + 4) + 4 * (nodes + 1))
    }
}

/// Working memory of a register of lines.
pub(super) struct Line<'a, S: Simd> {
    simd: S,
    shape: Shape,
    /// Unit by unit: its value at `t = 0`.
    pub(super) base: &'a mut [S::f64s],
    /// Node by node: `t`, ascending.
    at: &'a mut [S::f64s],
    /// Node by node and output by output: `y - b2 - W2' sigma`; smooth activations have one more node on either side.
    residual: &'a mut [S::f64s],
    /// Node by node: the logarithm of the integrand, then the integrand itself.
    height: &'a mut [S::f64s],
    /// Output by output: its slope left of the first node and right of the last.
    ends: [&'a mut [S::f64s]; 2],
    /// Piece by piece: its Gaussian, then what is left of it.
    pieces: &'a mut [[S::f64s; 4]],
}

impl<'a, S: Simd> Line<'a, S> {
    pub(super) fn new(simd: S, shape: Shape, memory: &'a mut [f64]) -> Self {
        let Shape { units, outputs, nodes } = shape;
        let (mut rest, _) = S::as_mut_simd_f64s(memory);
        let mut take = |count: usize| {
            let (head, tail) = core::mem::take(&mut rest).split_at_mut(count);
            rest = tail;
            head
        };
        let base = take(units);
        let at = take(nodes);
        let residual = take((nodes + 2) * outputs);
        let height = take(nodes);
        let ends = [take(outputs), take(outputs)];
        let (pieces, _) = take(4 * (nodes + 1)).as_chunks_mut::<4>();
        Self { simd, shape, base, at, residual, height, ends, pieces }
    }

    #[inline(always)]
    fn splat(&self, value: f64) -> Lanes<S> {
        Lanes::splat(self.simd, value)
    }

    #[inline(always)]
    fn load(&self, value: S::f64s) -> Lanes<S> {
        Lanes::new(self.simd, value)
    }

    #[inline(always)]
    fn end(&self, node: usize) -> End<Lanes<S>> {
        End { at: self.load(self.at[node]), height: self.load(self.height[node]) }
    }

    /// Integrates along every line of the register, from [`base`](Self::base).
    #[inline(always)]
    pub(super) fn integrate(&mut self, ray: &Ray<'_>) -> Found<Lanes<S>> {
        match ray.network.activation.slopes() {
            Some(slopes) => self.kinks(ray, slopes),
            None => self.curve(ray),
        }
        let nodes = self.shape.nodes;
        let lambda = self.splat(ray.network.noise_precision);
        let mut top = self.splat(f64::NEG_INFINITY);
        for k in 0..nodes {
            let energy = self.energy(k, lambda);
            self.height[k] = energy.get();
            top = energy.at_least(top);
        }
        for k in 0..=nodes {
            top = self.locate(k, lambda, top);
        }
        for k in 0..nodes {
            self.height[k] = exp::exp(self.load(self.height[k]) - top).get();
        }
        let part = self.collect(top);
        Found { top, part }
    }

    /// Nodes at the kinks of the units, sorted; the network is linear between them.
    #[inline(always)]
    fn kinks(&mut self, ray: &Ray<'_>, slopes: (f64, f64)) {
        let Shape { units, outputs, .. } = self.shape;
        let largest = ray.direction.iter().fold(0.0f64, |m, a| m.max(a.abs()));
        let (nearest, farthest) = (self.splat(-FARTHEST), self.splat(FARTHEST));
        for (j, &a) in ray.direction.iter().enumerate() {
            let inverse = if a.abs() > ACROSS * largest { -1.0 / a } else { 0.0 };
            let kink = self.load(self.base[j]) * self.splat(inverse);
            self.at[j] = kink.at_least(nearest).at_most(farthest).get();
        }
        for pass in (1..units).rev() {
            for k in 0..pass {
                let (low, high) = (self.load(self.at[k]), self.load(self.at[k + 1]));
                self.at[k] = low.if_above(high, high, low).get();
                self.at[k + 1] = low.if_above(high, low, high).get();
            }
        }
        for k in 0..units {
            self.evaluate(ray, self.load(self.at[k]), k);
        }
        for o in 0..outputs {
            let (mut first, mut last) = (0.0, 0.0);
            for (j, &a) in ray.direction.iter().enumerate() {
                let step = ray.network.weights[(j, o)] * a;
                let (behind, ahead) = if a > 0.0 { slopes } else { (slopes.1, slopes.0) };
                first += step * behind;
                last += step * ahead;
            }
            self.ends[0][o] = self.splat(first).get();
            self.ends[1][o] = self.splat(last).get();
        }
    }

    /// Nodes on the grid. The polygon through the values at the nodes lies on one side of the curve; moved by a
    /// twelfth of the second difference it is the best one on average.
    #[inline(always)]
    fn curve(&mut self, ray: &Ray<'_>) {
        let Shape { outputs, nodes, .. } = self.shape;
        for (k, &t) in ray.grid.iter().enumerate() {
            self.evaluate(ray, self.splat(t), k);
        }
        for o in 0..outputs {
            for (side, k) in [(0, 0), (1, nodes)] {
                let slope = self.splat(1.0 / (ray.grid[k + 1] - ray.grid[k]));
                let value = |k: usize| self.load(self.residual[k * outputs + o]);
                self.ends[side][o] = ((value(k) - value(k + 1)) * slope).get();
            }
            for k in 1..=nodes {
                let value = |k: usize| self.load(self.residual[k * outputs + o]);
                let (left, right) = (ray.grid[k] - ray.grid[k - 1], ray.grid[k + 1] - ray.grid[k]);
                // left * right / 12 times the second derivative by divided differences
                let weight = left * right / (6.0 * (left + right));
                let rise = (value(k + 1) - value(k)) * self.splat(-weight / right);
                let moved = (value(k) - value(k - 1)).mul_add(self.splat(weight / left), rise);
                // Slot k - 1 has served its last difference.
                self.residual[(k - 1) * outputs + o] = (value(k) + moved).get();
            }
        }
        for k in 0..nodes {
            self.at[k] = self.splat(ray.grid[k + 1]).get();
        }
    }

    /// Residuals of all outputs at `t = at`, into slot `slot`.
    #[inline(always)]
    fn evaluate(&mut self, ray: &Ray<'_>, at: Lanes<S>, slot: usize) {
        let outputs = self.shape.outputs;
        let activation = ray.network.activation;
        let slot = slot * outputs;
        for (o, &y) in ray.target.iter().enumerate() {
            self.residual[slot + o] = self.splat(y).get();
        }
        for (j, &step) in ray.direction.iter().enumerate() {
            let hidden = activation.of(at.mul_add(self.splat(step), self.load(self.base[j])));
            for (o, &w) in ray.network.weights.row(j).iter().enumerate() {
                let residual = self.load(self.residual[slot + o]);
                self.residual[slot + o] = hidden.mul_add(self.splat(-w), residual).get();
            }
        }
    }

    /// Logarithm of the integrand at node `k`.
    #[inline(always)]
    fn energy(&self, k: usize, lambda: Lanes<S>) -> Lanes<S> {
        let outputs = self.shape.outputs;
        let at = self.load(self.at[k]);
        let mut square = at * at;
        for residual in &self.residual[k * outputs..(k + 1) * outputs] {
            let residual = self.load(*residual);
            square = (lambda * residual).mul_add(residual, square);
        }
        square * self.splat(-0.5)
    }

    /// Finds the Gaussian of piece `k`; returns the larger of `top` and its peak where that lies within.
    #[inline(always)]
    fn locate(&mut self, k: usize, lambda: Lanes<S>, top: Lanes<S>) -> Lanes<S> {
        let Shape { outputs, nodes, .. } = self.shape;
        let node = k.saturating_sub(1);
        let near = self.end(node);
        let (mut square, mut product) = (self.splat(0.0), self.splat(0.0));
        let outermost = k == 0 || k == nodes;
        for o in 0..outputs {
            let here = self.load(self.residual[node * outputs + o]);
            let slope = if outermost {
                self.load(self.ends[usize::from(k != 0)][o])
            } else {
                here - self.load(self.residual[(node + 1) * outputs + o])
            };
            square = slope.mul_add(slope, square);
            product = slope.mul_add(here, product);
        }
        let (gaussian, peak) = if outermost {
            let gaussian = Gaussian::beyond(near, lambda, square, product);
            (gaussian, gaussian.peak_beyond(self.side(k), top))
        } else {
            let length = self.load(self.at[k]) - near.at;
            let gaussian = Gaussian::between(near, length, lambda, square, product);
            (gaussian, gaussian.peak_within(length, top))
        };
        self.pieces[k] = gaussian.store().map(Lanes::get);
        peak.at_least(top)
    }

    #[inline(always)]
    fn side(&self, k: usize) -> Lanes<S> {
        self.splat(if k == 0 { -1.0 } else { 1.0 })
    }

    /// Cuts the pieces off at their ends and adds them up. The variance is summed about the mean, so that it can't
    /// cancel.
    #[inline(always)]
    fn collect(&mut self, top: Lanes<S>) -> Part<Lanes<S>> {
        let nodes = self.shape.nodes;
        let (mut mass, mut first, mut second) = (self.splat(0.0), self.splat(0.0), self.splat(0.0));
        for k in 0..=nodes {
            let gaussian = Gaussian::load(self.pieces[k].map(|v| self.load(v)));
            let near = self.end(k.saturating_sub(1));
            let part = if k == 0 || k == nodes {
                gaussian.cut_once(self.side(k), near, top)
            } else {
                gaussian.cut_twice(near, self.end(k), top)
            };
            mass = mass + part.mass;
            first = part.mass.mul_add(part.mean, first);
            let [m, v, w] = [part.mean, part.variance, part.mass].map(Lanes::get);
            self.pieces[k] = [m, v, w, w];
        }
        let inverse = self.splat(1.0) / mass;
        let mean = first * inverse;
        for [m, v, w, _] in self.pieces.iter() {
            let apart = self.load(*m) - mean;
            second = self.load(*w).mul_add(apart.mul_add(apart, self.load(*v)), second);
        }
        Part { mass, mean, variance: second * inverse }
    }
}
