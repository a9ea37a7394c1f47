//! Integration along parallel lines decides how accurate a row posterior is where the likelihood is narrow.
//!
//! On a line `z = base + t a` the network is taken as piecewise linear in `t` (a ReLU network is), so that
//! `exp(-t^2/2 - lambda/2 |residual(t)|^2)` is a Gaussian on every piece and its moments are exact, however narrow.
//! A register of lines is worked on at a time.

use fg_core::special::exp;
use fg_core::special::number::{Lanes, Number};
use pulp::Simd;

use super::smooth::Grid;
use crate::family::lines::{End, Found, Gaussian, LONGEST, Part};

/// Logarithm of what is nothing next to one, even where the one is a million times narrower.
pub(super) const NEGLIGIBLE: f64 = -60.0;

/// The network along one row's lines.
pub(super) struct Ray<'a> {
    /// `W2`, `units x outputs`.
    pub(super) weights: &'a [f64],
    /// The data of the row.
    pub(super) observed: &'a [f64],
    /// `y - b2`; with labels `-b2`.
    pub(super) target: &'a [f64],
    /// Change of each unit per unit of `t`.
    pub(super) direction: &'a [f64],
    /// The grid of width one; unused by activations with kinks.
    pub(super) grid: &'a Grid,
    /// Its nodes moved and scaled to the row, and the inverse of that scale.
    pub(super) at: &'a [f64],
    pub(super) inverse_width: f64,
    /// Precision of the noise, where there is one.
    pub(super) noise_precision: Option<f64>,
    /// What [`Curve::prepare`] computed.
    pub(super) shared: &'a [f64],
}

/// Sizes of the working memory. Where they are known to the compiler, so are all loops of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) units: usize,
    pub(super) outputs: usize,
    /// Ends of pieces on each line; smooth activations are evaluated at one more on either side.
    pub(super) nodes: usize,
    /// Whether pieces may be too far away to have any mass, as those between kinks may be; grids go with the mass.
    pub(super) far: bool,
}

impl Shape {
    /// Values needed by [`Line::new`].
    pub(super) fn len(self) -> usize {
        let Self { units, outputs, nodes, .. } = self;
        LONGEST * (2 * units + 2 * nodes + outputs * (nodes + 4) + 4 * (nodes + 1))
    }
}

/// Working memory of a register of lines.
pub(super) struct Line<'a, S: Simd> {
    pub(super) simd: S,
    pub(super) shape: Shape,
    /// Unit by unit: its value at `t = 0`.
    pub(super) base: &'a mut [S::f64s],
    /// Unit by unit, what the curve makes of its base.
    pub(super) start: &'a mut [S::f64s],
    /// Node by node: `t`, ascending.
    pub(super) at: &'a mut [S::f64s],
    /// Node by node and output by output: `target - W2' sigma`; smooth activations have one more node on either side.
    pub(super) residual: &'a mut [S::f64s],
    /// Node by node: the logarithm of the integrand, then the integrand itself.
    height: &'a mut [S::f64s],
    /// Output by output: its slope left of the first node and right of the last.
    pub(super) ends: [&'a mut [S::f64s]; 2],
    /// Piece by piece: its Gaussian, then what is left of it.
    pieces: &'a mut [[S::f64s; 4]],
}

impl<'a, S: Simd> Line<'a, S> {
    #[inline(always)]
    pub(super) fn new(simd: S, shape: Shape, memory: &'a mut [f64]) -> Self {
        let Shape { units, outputs, nodes, .. } = shape;
        let (mut rest, _) = S::as_mut_simd_f64s(memory);
        let mut take = |count: usize| {
            let (head, tail) = core::mem::take(&mut rest).split_at_mut(count);
            rest = tail;
            head
        };
        let (base, start) = (take(units), take(units));
        let at = take(nodes);
        let residual = take((nodes + 2) * outputs);
        let height = take(nodes);
        let ends = [take(outputs), take(outputs)];
        let (pieces, _) = take(4 * (nodes + 1)).as_chunks_mut::<4>();
        Self { simd, shape, base, start, at, residual, height, ends, pieces }
    }

    #[inline(always)]
    pub(super) fn splat(&self, value: f64) -> Lanes<S> {
        Lanes::splat(self.simd, value)
    }

    #[inline(always)]
    pub(super) fn load(&self, value: S::f64s) -> Lanes<S> {
        Lanes::new(self.simd, value)
    }

    #[inline(always)]
    fn end(&self, node: usize) -> End<Lanes<S>> {
        End { at: self.load(self.at[node]), height: self.load(self.height[node]) }
    }

    /// Integrates along every line of the register, with Gaussian noise of this precision on every output.
    #[inline(always)]
    pub(super) fn integrate(&mut self, noise_precision: f64) -> Found<Lanes<S>> {
        let nodes = self.shape.nodes;
        let lambda = self.splat(noise_precision);
        let mut top = self.splat(f64::NEG_INFINITY);
        for k in 0..nodes {
            let energy = self.energy(k, lambda);
            self.height[k] = energy.get();
            top = energy.at_least(top);
        }
        top = self.locate_outer(0, lambda, top);
        for k in 1..nodes {
            top = self.locate_inner(k, lambda, top);
        }
        top = self.locate_outer(nodes, lambda, top);
        for k in 0..nodes {
            let below = self.load(self.height[k]) - top;
            self.height[k] = if self.negligible(below) {
                self.splat(0.0).get()
            } else {
                exp::exp_negative(below).get()
            };
        }
        let part = self.collect(top);
        Found { top, part }
    }

    /// Whether nothing next to one is left in any lane of a height of this logarithm.
    #[inline(always)]
    fn negligible(&self, below: Lanes<S>) -> bool {
        self.shape.far && !(below.largest() > NEGLIGIBLE)
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

    /// Finds the Gaussian of the first or last piece; returns the larger of `top` and its peak where that lies within.
    #[inline(always)]
    fn locate_outer(&mut self, k: usize, lambda: Lanes<S>, top: Lanes<S>) -> Lanes<S> {
        let outputs = self.shape.outputs;
        let (node, end) = (k.saturating_sub(1), usize::from(k != 0));
        let (mut square, mut product) = (self.splat(0.0), self.splat(0.0));
        for o in 0..outputs {
            let slope = self.load(self.ends[end][o]);
            square = slope.mul_add(slope, square);
            product = slope.mul_add(self.load(self.residual[node * outputs + o]), product);
        }
        let gaussian = Gaussian::beyond(self.end(node), lambda, square, product);
        self.pieces[k] = gaussian.store().map(Lanes::get);
        gaussian.peak_beyond(self.side(k), top).at_least(top)
    }

    /// The same for a piece with a node on either side.
    #[inline(always)]
    fn locate_inner(&mut self, k: usize, lambda: Lanes<S>, top: Lanes<S>) -> Lanes<S> {
        let outputs = self.shape.outputs;
        let near = self.end(k - 1);
        let (mut square, mut product) = (self.splat(0.0), self.splat(0.0));
        for o in 0..outputs {
            let here = self.load(self.residual[(k - 1) * outputs + o]);
            let fall = here - self.load(self.residual[k * outputs + o]);
            square = fall.mul_add(fall, square);
            product = fall.mul_add(here, product);
        }
        let length = self.load(self.at[k]) - near.at;
        let gaussian = Gaussian::between(near, length, lambda, square, product);
        self.pieces[k] = gaussian.store().map(Lanes::get);
        gaussian.peak_within(top).at_least(top)
    }

    #[inline(always)]
    fn side(&self, k: usize) -> Lanes<S> {
        self.splat(if k == 0 { -1.0 } else { 1.0 })
    }

    /// Cuts piece `k` off at its ends.
    #[inline(always)]
    fn cut(&self, k: usize, top: Lanes<S>) -> Part<Lanes<S>> {
        let gaussian = Gaussian::load(self.pieces[k].map(|v| self.load(v)));
        let near = self.end(k.saturating_sub(1));
        if k == 0 || k == self.shape.nodes {
            gaussian.cut_once(self.side(k), near, top)
        } else {
            gaussian.cut_twice(near, self.end(k), top)
        }
    }

    /// Cuts the pieces off at their ends and adds them up. The variance is summed about the mean, so that it can't
    /// cancel.
    #[inline(always)]
    fn collect(&mut self, top: Lanes<S>) -> Part<Lanes<S>> {
        let nodes = self.shape.nodes;
        let (mut mass, mut first, mut second) = (self.splat(0.0), self.splat(0.0), self.splat(0.0));
        for k in 0..=nodes {
            if self.empty(k, top) {
                self.pieces[k] = [self.splat(0.0).get(); 4];
                continue;
            }
            let part = self.cut(k, top);
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

    /// Whether piece `k` has no mass next to the line's.
    #[inline(always)]
    fn empty(&self, k: usize, top: Lanes<S>) -> bool {
        let gaussian = Gaussian::load(self.pieces[k].map(|v| self.load(v)));
        let none = self.splat(f64::NEG_INFINITY);
        let peak = if k == 0 || k == self.shape.nodes {
            gaussian.peak_beyond(self.side(k), none)
        } else {
            gaussian.peak_within(none)
        };
        let near = self.load(self.height[k.saturating_sub(1)]);
        let far = self.load(self.height[k.min(self.shape.nodes - 1)]);
        self.negligible(peak - top) && !(near.at_least(far).largest() > 0.0)
    }
}
