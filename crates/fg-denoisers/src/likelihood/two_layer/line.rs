//! Integration along parallel lines decides how accurate a row posterior is where the likelihood is narrow.
//!
//! On a line `z = base + t a` the network is taken as piecewise linear in `t` (a ReLU network is), so that
//! `exp(-t^2/2 - lambda/2 |residual(t)|^2)` is a Gaussian on every piece and its moments are exact, however narrow:
//! see [`super::piece`]. Lines are worked on in blocks of [`LANES`], by loops of that fixed length that vectorise.

use fg_core::special::exp;

use super::TwoLayer;
use super::piece::{self, Gaussian, Span};

/// Lines worked on together: four AVX2 or two AVX-512 vectors, enough to hide latencies.
pub(super) const LANES: usize = 16;
/// One number for each line of a block.
pub(super) type Lane = [f64; LANES];

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

/// What is found on a block of lines.
pub(super) struct Found<'a> {
    /// Largest logarithm of the integrand on the line.
    pub(super) top: &'a mut Lane,
    /// Integral of the integrand over the line, divided by its largest value.
    pub(super) mass: &'a mut Lane,
    /// Mean of `t`.
    pub(super) mean: &'a mut Lane,
    /// Variance of `t`.
    pub(super) variance: &'a mut Lane,
}

/// Sizes of the working memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) units: usize,
    pub(super) outputs: usize,
    /// Ends of pieces on each line; smooth activations are evaluated at one more on either side.
    pub(super) nodes: usize,
}

impl Shape {
    /// Values needed by [`Block::new`].
    pub(super) fn len(self) -> usize {
        let Self { units, outputs, nodes } = self;
        LANES * (units + 2 * nodes + outputs * (nodes + 4) + 4 * (nodes + 1))
    }
}

/// Working memory of one block of lines.
pub(super) struct Block<'a> {
    shape: Shape,
    /// Unit by unit: its value at `t = 0`.
    pub(super) base: &'a mut [Lane],
    /// Node by node: `t`, ascending.
    at: &'a mut [Lane],
    /// Node by node and output by output: `y - b2 - W2' sigma`; smooth activations have one more node on either side.
    residual: &'a mut [Lane],
    /// Node by node: the logarithm of the integrand, then the integrand itself.
    height: &'a mut [Lane],
    /// Output by output: its slope left of the first node and right of the last.
    ends: [&'a mut [Lane]; 2],
    /// Piece by piece: four numbers of its Gaussian, then of its truncation.
    pieces: &'a mut [[Lane; 4]],
}

impl<'a> Block<'a> {
    pub(super) fn new(shape: Shape, memory: &'a mut [f64]) -> Self {
        let Shape { units, outputs, nodes } = shape;
        let (mut rest, _) = memory.as_chunks_mut::<LANES>();
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
        Self { shape, base, at, residual, height, ends, pieces }
    }

    /// Integrates along every line of the block, from [`base`](Self::base).
    #[inline(always)]
    pub(super) fn integrate(&mut self, ray: &Ray<'_>, found: &mut Found<'_>) {
        match ray.network.activation.slopes() {
            Some(slopes) => self.kinks(ray, slopes),
            None => self.curve(ray),
        }
        let Shape { outputs, nodes, .. } = self.shape;
        let lambda = ray.network.noise_precision;
        *found.top = [f64::NEG_INFINITY; LANES];
        for k in 0..nodes {
            let residual = &self.residual[k * outputs..(k + 1) * outputs];
            energy(&self.at[k], residual, lambda, &mut self.height[k]);
            raise(found.top, &self.height[k]);
        }
        for k in 0..=nodes {
            self.locate(k, lambda, found.top);
        }
        for height in self.height.iter_mut() {
            for (h, t) in height.iter_mut().zip(&*found.top) {
                *h = exp::exp(*h - t);
            }
        }
        for k in 0..=nodes {
            let node = k.saturating_sub(1);
            let near = (&self.at[node], &self.height[node]);
            let piece = &mut self.pieces[k];
            if k == 0 || k == nodes {
                let side = if k == 0 { -1.0 } else { 1.0 };
                piece::cut_once(side, near, found.top, piece);
            } else {
                piece::cut_twice(near, (&self.at[k], &self.height[k]), found.top, piece);
            }
        }
        piece::collect(self.pieces, found.mass, found.mean, found.variance);
    }

    /// Nodes at the kinks of the units, sorted; the network is linear between them.
    #[inline(always)]
    fn kinks(&mut self, ray: &Ray<'_>, slopes: (f64, f64)) {
        let Shape { units, outputs, .. } = self.shape;
        let largest = ray.direction.iter().fold(0.0f64, |m, a| m.max(a.abs()));
        for (j, &a) in ray.direction.iter().enumerate() {
            let inverse = if a.abs() > ACROSS * largest { -1.0 / a } else { 0.0 };
            for (t, &z) in self.at[j].iter_mut().zip(&self.base[j]) {
                *t = (z * inverse).clamp(-FARTHEST, FARTHEST);
            }
        }
        for pass in (1..units).rev() {
            for k in 0..pass {
                let (head, tail) = self.at.split_at_mut(k + 1);
                exchange(&mut head[k], &mut tail[0]);
            }
        }
        for k in 0..units {
            let residual = &mut self.residual[k * outputs..(k + 1) * outputs];
            evaluate(ray, self.base, &self.at[k], residual);
        }
        for o in 0..outputs {
            let (mut first, mut last) = (0.0, 0.0);
            for (j, &a) in ray.direction.iter().enumerate() {
                let step = ray.network.weights[(j, o)] * a;
                let (behind, ahead) = if a > 0.0 { slopes } else { (slopes.1, slopes.0) };
                first += step * behind;
                last += step * ahead;
            }
            self.ends[0][o] = [first; LANES];
            self.ends[1][o] = [last; LANES];
        }
    }

    /// Nodes on the grid. The polygon through the values at the nodes lies on one side of the curve; moved by a
    /// twelfth of the second difference it is the best one on average.
    #[inline(always)]
    fn curve(&mut self, ray: &Ray<'_>) {
        let Shape { outputs, nodes, .. } = self.shape;
        for (k, &t) in ray.grid.iter().enumerate() {
            let residual = &mut self.residual[k * outputs..(k + 1) * outputs];
            evaluate(ray, self.base, &[t; LANES], residual);
        }
        for o in 0..outputs {
            let value = |k: usize| &self.residual[k * outputs + o];
            let slope = |k: usize| 1.0 / (ray.grid[k + 1] - ray.grid[k]);
            difference(value(0), value(1), slope(0), &mut self.ends[0][o]);
            difference(value(nodes), value(nodes + 1), slope(nodes), &mut self.ends[1][o]);
        }
        for k in 1..=nodes {
            let (left, right) = (ray.grid[k] - ray.grid[k - 1], ray.grid[k + 1] - ray.grid[k]);
            // left * right / 12 times the second derivative by divided differences
            let weight = left * right / (6.0 * (left + right));
            let (head, tail) = self.residual.split_at_mut(k * outputs);
            let (here, there) = tail.split_at(outputs);
            for o in 0..outputs {
                // Slot k - 1 has served its last difference and takes the moved value of node k.
                let before = &mut head[(k - 1) * outputs + o];
                for ((b, &c), &a) in before.iter_mut().zip(&here[o]).zip(&there[o]) {
                    *b = c - weight * ((a - c) / right - (c - *b) / left);
                }
            }
            self.at[k - 1] = [ray.grid[k]; LANES];
        }
    }

    /// Finds the Gaussian of piece `k` and raises `top` where its peak lies within.
    #[inline(always)]
    fn locate(&mut self, k: usize, lambda: f64, top: &mut Lane) {
        let Shape { outputs, nodes, .. } = self.shape;
        let node = k.saturating_sub(1);
        let here = &self.residual[node * outputs..(node + 1) * outputs];
        let near = (&self.at[node], &self.height[node]);
        let (mut square, mut product) = ([0.0; LANES], [0.0; LANES]);
        if k == 0 || k == nodes {
            let side = usize::from(k != 0);
            for (slope, residual) in self.ends[side].iter().zip(here) {
                add_products(slope, residual, &mut square, &mut product);
            }
            let gaussian = Gaussian { lambda, square: &square, product: &product };
            let side = if k == 0 { -1.0 } else { 1.0 };
            gaussian.beyond(side, near, top, &mut self.pieces[k]);
        } else {
            let there = &self.residual[(node + 1) * outputs..(node + 2) * outputs];
            for (a, b) in here.iter().zip(there) {
                let mut fall = [0.0; LANES];
                difference(a, b, 1.0, &mut fall);
                add_products(&fall, a, &mut square, &mut product);
            }
            let gaussian = Gaussian { lambda, square: &square, product: &product };
            let span = Span { at: near.0, next: &self.at[k], height: near.1 };
            gaussian.between(&span, top, &mut self.pieces[k]);
        }
    }
}

/// Residuals of all outputs at `t = at`.
#[inline(always)]
fn evaluate(ray: &Ray<'_>, base: &[Lane], at: &Lane, residual: &mut [Lane]) {
    for (r, &y) in residual.iter_mut().zip(ray.target) {
        *r = [y; LANES];
    }
    for (j, (base, &step)) in base.iter().zip(ray.direction).enumerate() {
        let mut hidden = [0.0; LANES];
        ray.network.activation.along(base, step, at, &mut hidden);
        for (r, &w) in residual.iter_mut().zip(ray.network.weights.row(j)) {
            for (r, &h) in r.iter_mut().zip(&hidden) {
                *r = h.mul_add(-w, *r);
            }
        }
    }
}

/// Logarithm of the integrand at a node.
#[inline(always)]
fn energy(at: &Lane, residual: &[Lane], lambda: f64, out: &mut Lane) {
    for (e, &t) in out.iter_mut().zip(at) {
        *e = -0.5 * t * t;
    }
    for residual in residual {
        for (e, &r) in out.iter_mut().zip(residual) {
            *e = (-0.5 * lambda * r).mul_add(r, *e);
        }
    }
}

/// Sorts each pair, the smaller value into `low`.
#[inline(always)]
fn exchange(low: &mut Lane, high: &mut Lane) {
    for (a, b) in low.iter_mut().zip(high) {
        let (x, y) = (*a, *b);
        *a = if x > y { y } else { x };
        *b = if x > y { x } else { y };
    }
}

/// `out = (before - after) scale`: residuals fall where outputs rise.
#[inline(always)]
fn difference(before: &Lane, after: &Lane, scale: f64, out: &mut Lane) {
    for ((o, &b), &a) in out.iter_mut().zip(before).zip(after) {
        *o = (b - a) * scale;
    }
}

/// `top = max(top, values)`.
#[inline(always)]
fn raise(top: &mut Lane, values: &Lane) {
    for (t, &v) in top.iter_mut().zip(values) {
        *t = if v > *t { v } else { *t };
    }
}

/// `square += slope^2`, `product += slope residual`.
#[inline(always)]
fn add_products(slope: &Lane, residual: &Lane, square: &mut Lane, product: &mut Lane) {
    for (((q, p), &s), &r) in square.iter_mut().zip(product).zip(slope).zip(residual) {
        *q = s.mul_add(s, *q);
        *p = s.mul_add(r, *p);
    }
}
