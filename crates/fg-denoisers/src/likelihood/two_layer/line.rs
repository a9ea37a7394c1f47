//! Integration along parallel lines decides how accurate a row posterior is where the likelihood is narrow.
//!
//! On a line `z = base + t a` the network is taken as piecewise linear in `t` (a ReLU network is), so that
//! `exp(-t^2/2 - lambda/2 |residual(t)|^2)` is a Gaussian on every piece and its moments are exact, however narrow:
//! truncated normal moments in terms of Mills' ratio. All loops run over lines and vectorise.

use fg_core::special::exp;

use super::TwoLayer;

/// Kinks farther out than this many cavity deviations are moved here: no mass is there.
const FARTHEST: f64 = 1e8;
/// A unit whose pre-activation changes along the line by less than this share of the largest change has no kink on it.
const ACROSS: f64 = 1e-10;
/// Pieces shorter than this many cavity deviations have no slope of their own: their mass is rounding.
const SHORTEST: f64 = 1e-12;
/// `sqrt(2 pi)`.
const SQRT_TAU: f64 = 2.506_628_274_631_000_7;

/// Nodes common to all lines, for activations without kinks: `centre + scale sinh(spread k)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) centre: f64,
    pub(super) scale: f64,
    pub(super) spread: f64,
}

/// Sizes of the working memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) lines: usize,
    pub(super) units: usize,
    pub(super) outputs: usize,
    /// Ends of pieces on each line; smooth activations are evaluated at one more on either side.
    pub(super) nodes: usize,
}

impl Shape {
    /// Values needed by [`Lines::new`].
    pub(super) fn len(&self) -> usize {
        let Self { lines, units, outputs, nodes } = *self;
        lines * (units + 2 * nodes + outputs * (nodes + 4) + 3 * (nodes + 1) + 6)
    }
}

/// Working memory of one row; entry `l` of every slice of `lines` values belongs to line `l`.
pub(super) struct Lines<'a> {
    shape: Shape,
    /// Unit `j` at `t = 0`, `units x lines`.
    pub(super) base: &'a mut [f64],
    /// Nodes `t`, ascending, `nodes x lines`.
    at: &'a mut [f64],
    /// `y - b2 - W2' sigma` at the nodes, `(nodes + 2) x outputs x lines`.
    residual: &'a mut [f64],
    /// Logarithm of the integrand at the nodes, then the integrand itself, `nodes x lines`.
    energy: &'a mut [f64],
    /// Slopes of the outputs left of the first and right of the last node, each `outputs x lines`.
    ends: [&'a mut [f64]; 2],
    /// Piece by piece, `(nodes + 1) x lines`: the peak's distance from the node, then the mean.
    offset: &'a mut [f64],
    /// Piece by piece: the variance of the untruncated Gaussian, then of the piece.
    spread: &'a mut [f64],
    /// Piece by piece: the logarithm of the integrand at the peak, then the mass.
    peak: &'a mut [f64],
    /// Largest logarithm of the integrand on the line.
    pub(super) top: &'a mut [f64],
    /// Integral of the integrand over the line, divided by its largest value.
    pub(super) mass: &'a mut [f64],
    /// Mean of `t` on the line.
    pub(super) mean: &'a mut [f64],
    /// Variance of `t` on the line.
    pub(super) variance: &'a mut [f64],
    work: [&'a mut [f64]; 2],
}

impl<'a> Lines<'a> {
    pub(super) fn new(shape: Shape, memory: &'a mut [f64]) -> Self {
        let Shape { lines: n, units, outputs, nodes } = shape;
        let mut rest = memory;
        let mut take = |len: usize| {
            let (head, tail) = core::mem::take(&mut rest).split_at_mut(len * n);
            rest = tail;
            head
        };
        Self {
            shape,
            base: take(units),
            at: take(nodes),
            residual: take((nodes + 2) * outputs),
            energy: take(nodes),
            ends: [take(outputs), take(outputs)],
            offset: take(nodes + 1),
            spread: take(nodes + 1),
            peak: take(nodes + 1),
            top: take(1),
            mass: take(1),
            mean: take(1),
            variance: take(1),
            work: [take(1), take(1)],
        }
    }

    /// Integrates along every line, whose unit `j` moves by `direction[j]` per unit of `t`, given `target = y - b2`.
    #[inline(always)]
    pub(super) fn integrate(
        &mut self,
        network: &TwoLayer,
        target: &[f64],
        direction: &[f64],
        grid: Grid,
    ) {
        match network.activation.slopes() {
            Some(slopes) => self.kinks(network, target, direction, slopes),
            None => self.curve(network, target, direction, grid),
        }
        let lambda = network.noise_precision;
        self.energies(lambda);
        for piece in 0..=self.shape.nodes {
            self.locate(piece, lambda);
        }
        for (energy, top) in rows(self.energy, self.shape.lines).map(|e| (e, &*self.top)) {
            for (e, &top) in energy.iter_mut().zip(top) {
                *e = exp::exp(*e - top);
            }
        }
        for piece in 0..=self.shape.nodes {
            self.truncate(piece);
        }
        self.collect();
    }

    /// Nodes at the kinks of the units, sorted; the network is linear between them.
    #[inline(always)]
    fn kinks(&mut self, network: &TwoLayer, target: &[f64], direction: &[f64], slopes: (f64, f64)) {
        let Shape { lines: n, units, outputs, .. } = self.shape;
        let largest = direction.iter().fold(0.0f64, |m, a| m.max(a.abs()));
        for (j, &a) in direction.iter().enumerate() {
            let inverse = if a.abs() > ACROSS * largest { -1.0 / a } else { 0.0 };
            let base = &self.base[j * n..(j + 1) * n];
            for (t, &z) in self.at[j * n..(j + 1) * n].iter_mut().zip(base) {
                *t = (z * inverse).clamp(-FARTHEST, FARTHEST);
            }
        }
        for pass in (1..units).rev() {
            for k in 0..pass {
                let (head, tail) = self.at.split_at_mut((k + 1) * n);
                exchange(&mut head[k * n..], &mut tail[..n]);
            }
        }
        for k in 0..units {
            self.evaluate(network, target, direction, k, k);
        }
        for o in 0..outputs {
            let (mut first, mut last) = (0.0, 0.0);
            for (j, &a) in direction.iter().enumerate() {
                let step = network.weights[(j, o)] * a;
                let (behind, ahead) = if a > 0.0 { slopes } else { (slopes.1, slopes.0) };
                first += step * behind;
                last += step * ahead;
            }
            self.ends[0][o * n..(o + 1) * n].fill(first);
            self.ends[1][o * n..(o + 1) * n].fill(last);
        }
    }

    /// Nodes on the grid. The polygon through the values at the nodes lies on one side of the curve; moved by a
    /// twelfth of the second difference it is the best one on average.
    #[inline(always)]
    fn curve(&mut self, network: &TwoLayer, target: &[f64], direction: &[f64], grid: Grid) {
        let Shape { lines: n, outputs, nodes, .. } = self.shape;
        let middle = 0.5 * (nodes as f64 + 1.0);
        let node = |k: usize| grid.centre + grid.scale * (grid.spread * (k as f64 - middle)).sinh();
        let (first, last) = (node(1) - node(0), node(nodes + 1) - node(nodes));
        for k in 0..nodes + 2 {
            self.work[1].fill(node(k));
            self.evaluate_at_work(network, target, direction, k);
        }
        let row = outputs * n;
        let (before, inside) = self.residual.split_at(row);
        difference(before, &inside[..row], 1.0 / first, self.ends[0]);
        let (inside, after) = self.residual.split_at((nodes + 1) * row);
        difference(&inside[nodes * row..], &after[..row], 1.0 / last, self.ends[1]);
        for k in 1..=nodes {
            let (left, right) = (node(k) - node(k - 1), node(k + 1) - node(k));
            // h_left h_right / 12 times the divided second difference
            let weight = left * right / (6.0 * (left + right));
            let (head, tail) = self.residual.split_at_mut(k * row);
            let (here, there) = tail.split_at(row);
            for ((b, &c), &a) in head[(k - 1) * row..].iter_mut().zip(here).zip(&there[..row]) {
                *b = c - weight * ((a - c) / right - (c - *b) / left);
            }
            self.at[(k - 1) * n..k * n].fill(node(k));
        }
    }

    #[inline(always)]
    fn evaluate(
        &mut self,
        network: &TwoLayer,
        target: &[f64],
        direction: &[f64],
        node: usize,
        slot: usize,
    ) {
        let n = self.shape.lines;
        self.work[1].copy_from_slice(&self.at[node * n..(node + 1) * n]);
        self.evaluate_at_work(network, target, direction, slot);
    }

    /// Residuals of all outputs at the nodes held in the second work slice.
    #[inline(always)]
    fn evaluate_at_work(
        &mut self,
        network: &TwoLayer,
        target: &[f64],
        direction: &[f64],
        slot: usize,
    ) {
        let Shape { lines: n, outputs, .. } = self.shape;
        let [hidden, at] = &mut self.work;
        let residual = &mut self.residual[slot * outputs * n..(slot + 1) * outputs * n];
        for (o, &y) in target.iter().enumerate() {
            residual[o * n..(o + 1) * n].fill(y);
        }
        for (j, &step) in direction.iter().enumerate() {
            network.activation.along(&self.base[j * n..(j + 1) * n], step, at, hidden);
            for (o, &w) in network.weights.row(j).iter().enumerate() {
                for (r, &h) in residual[o * n..(o + 1) * n].iter_mut().zip(&**hidden) {
                    *r = h.mul_add(-w, *r);
                }
            }
        }
    }

    /// Logarithms of the integrand at the nodes, and their largest value.
    #[inline(always)]
    fn energies(&mut self, lambda: f64) {
        let Shape { lines: n, outputs, nodes, .. } = self.shape;
        self.top.fill(f64::NEG_INFINITY);
        for k in 0..nodes {
            let energy = &mut self.energy[k * n..(k + 1) * n];
            for (e, &t) in energy.iter_mut().zip(&self.at[k * n..(k + 1) * n]) {
                *e = -0.5 * t * t;
            }
            for o in 0..outputs {
                let start = (k * outputs + o) * n;
                for (e, &r) in energy.iter_mut().zip(&self.residual[start..start + n]) {
                    *e = (-0.5 * lambda * r).mul_add(r, *e);
                }
            }
            raise(self.top, energy);
        }
    }

    /// The Gaussian of a piece: its peak's distance from the node at its left end (the first piece: right end), its
    /// variance, the logarithm of its peak.
    #[inline(always)]
    fn locate(&mut self, piece: usize, lambda: f64) {
        let Shape { lines: n, outputs, nodes, .. } = self.shape;
        let own = piece * n..(piece + 1) * n;
        let node = piece.saturating_sub(1);
        // first |slope|^2 and slope . residual
        let (square, product) = (&mut self.spread[own.clone()], &mut self.offset[own.clone()]);
        square.fill(0.0);
        product.fill(0.0);
        let at = &self.at[node * n..(node + 1) * n];
        for o in 0..outputs {
            let start = (node * outputs + o) * n;
            let here = &self.residual[start..start + n];
            if piece == 0 || piece == nodes {
                let slope = &self.ends[usize::from(piece != 0)][o * n..(o + 1) * n];
                add_products(square, product, here, slope.iter().copied());
            } else {
                let there = &self.residual[start + outputs * n..start + (outputs + 1) * n];
                let next = &self.at[(node + 1) * n..(node + 2) * n];
                let slope = here.iter().zip(there).zip(next.iter().zip(at));
                let slope = slope.map(|((a, b), (u, t))| (a - b) / (u - t).max(SHORTEST));
                add_products(square, product, here, slope);
            }
        }
        let energy = &self.energy[node * n..(node + 1) * n];
        let peak = &mut self.peak[own.clone()];
        for l in 0..n {
            let precision = lambda.mul_add(square[l], 1.0);
            let variance = 1.0 / precision;
            let offset = lambda.mul_add(product[l], -at[l]) * variance;
            peak[l] = (0.5 * offset * precision).mul_add(offset, energy[l]);
            square[l] = variance;
            product[l] = offset;
        }
        let inside = |offset: f64, length: f64| offset > 0.0 && offset < length;
        let (peak, offset, top) = (&self.peak[own.clone()], &self.offset[own], &mut *self.top);
        if piece == 0 {
            for l in 0..n {
                top[l] = top[l].max(if offset[l] < 0.0 { peak[l] } else { top[l] });
            }
        } else if piece == nodes {
            for l in 0..n {
                top[l] = top[l].max(if offset[l] > 0.0 { peak[l] } else { top[l] });
            }
        } else {
            let next = &self.at[piece * n..(piece + 1) * n];
            for l in 0..n {
                let within = inside(offset[l], next[l] - at[l]);
                top[l] = top[l].max(if within { peak[l] } else { top[l] });
            }
        }
    }

    /// Replaces a piece's Gaussian by the mass, mean and variance of its truncation to the piece.
    #[inline(always)]
    fn truncate(&mut self, piece: usize) {
        let Shape { lines: n, nodes, .. } = self.shape;
        let own = piece * n..(piece + 1) * n;
        let (mean, variance, mass) =
            (&mut self.offset[own.clone()], &mut self.spread[own.clone()], &mut self.peak[own]);
        let top = &self.top[..n];
        let node = piece.saturating_sub(1);
        let (at, height) =
            (&self.at[node * n..(node + 1) * n], &self.energy[node * n..(node + 1) * n]);
        if piece == 0 || piece == nodes {
            let side = if piece == 0 { -1.0 } else { 1.0 };
            for l in 0..n {
                let peak = exp::exp(mass[l] - top[l]);
                let part = half_line(side * mean[l], variance[l], height[l], peak);
                mass[l] = part.mass;
                mean[l] = side.mul_add(part.mean, at[l]);
                variance[l] = part.variance;
            }
        } else {
            let (next, far) =
                (&self.at[piece * n..(piece + 1) * n], &self.energy[piece * n..(piece + 1) * n]);
            for l in 0..n {
                let peak = exp::exp(mass[l] - top[l]);
                let length = next[l] - at[l];
                let part = interval(mean[l], variance[l], length, [height[l], far[l], peak]);
                mass[l] = part.mass;
                mean[l] = at[l] + part.mean;
                variance[l] = part.variance;
            }
        }
    }

    /// Adds up the pieces of each line. The variance is summed about the mean, so that it can't cancel.
    #[inline(always)]
    fn collect(&mut self) {
        let n = self.shape.lines;
        let pieces = self.shape.nodes + 1;
        let Self { mass, mean, variance, peak, offset, spread, .. } = self;
        mass.fill(0.0);
        mean.fill(0.0);
        variance.fill(0.0);
        for k in 0..pieces {
            let (w, m) = (&peak[k * n..(k + 1) * n], &offset[k * n..(k + 1) * n]);
            for l in 0..n {
                mass[l] += w[l];
                mean[l] = w[l].mul_add(m[l], mean[l]);
            }
        }
        for l in 0..n {
            mean[l] /= mass[l];
        }
        for k in 0..pieces {
            let (w, m) = (&peak[k * n..(k + 1) * n], &offset[k * n..(k + 1) * n]);
            let v = &spread[k * n..(k + 1) * n];
            for l in 0..n {
                let apart = m[l] - mean[l];
                variance[l] = w[l].mul_add(apart.mul_add(apart, v[l]), variance[l]);
            }
        }
        for l in 0..n {
            variance[l] /= mass[l];
        }
    }
}

#[inline(always)]
fn rows(values: &mut [f64], n: usize) -> impl Iterator<Item = &mut [f64]> {
    values.chunks_exact_mut(n)
}

/// Sorts each pair, the smaller value into `low`.
#[inline(always)]
fn exchange(low: &mut [f64], high: &mut [f64]) {
    for (a, b) in low.iter_mut().zip(high) {
        let (x, y) = (*a, *b);
        let swap = x > y;
        *a = if swap { y } else { x };
        *b = if swap { x } else { y };
    }
}

/// `out = (before - after) scale`: residuals fall where outputs rise.
#[inline(always)]
fn difference(before: &[f64], after: &[f64], scale: f64, out: &mut [f64]) {
    for ((o, &b), &a) in out.iter_mut().zip(before).zip(after) {
        *o = (b - a) * scale;
    }
}

/// `top = max(top, values)`.
#[inline(always)]
fn raise(top: &mut [f64], values: &[f64]) {
    for (t, &v) in top.iter_mut().zip(values) {
        *t = if v > *t { v } else { *t };
    }
}

#[inline(always)]
fn add_products(
    square: &mut [f64],
    product: &mut [f64],
    residual: &[f64],
    slope: impl Iterator<Item = f64>,
) {
    for (((q, p), &r), s) in square.iter_mut().zip(product).zip(residual).zip(slope) {
        *q = s.mul_add(s, *q);
        *p = s.mul_add(r, *p);
    }
}

/// Part of a Gaussian cut out by a piece; the mean is counted from the piece's node.
struct Part {
    mass: f64,
    mean: f64,
    variance: f64,
}

/// The Gaussian of height `peak` at distance `offset` beyond a node and of this `variance`, kept beyond the node,
/// where its height is `height`.
///
/// With `a = -offset / s` and Mills' ratio `M`, the mass is `height M(a) s` for `a >= 0` and the whole Gaussian less
/// the other tail otherwise: no difference of nearly equal numbers.
#[inline(always)]
fn half_line(offset: f64, variance: f64, height: f64, peak: f64) -> Part {
    let deviation = variance.sqrt();
    let a = -offset * (deviation / variance);
    let tail = height * exp::mills(a.abs());
    let zeroth = if a >= 0.0 { tail } else { peak.mul_add(SQRT_TAU, -tail) };
    let first = height / zeroth.max(f64::MIN_POSITIVE);
    let mean = first.mul_add(deviation, offset).max(0.0);
    let share = (1.0 + first * (a - first)).clamp(0.0, 1.0);
    Part { mass: zeroth * deviation, mean, variance: share * variance }
}

/// As [`half_line`], cut off again at `length`; `heights` are those at both ends and at the peak.
#[inline(always)]
fn interval(offset: f64, variance: f64, length: f64, heights: [f64; 3]) -> Part {
    let [near, far, peak] = heights;
    let deviation = variance.sqrt();
    let scale = deviation / variance;
    let (a, b) = (-offset * scale, (length - offset) * scale);
    let (near_tail, far_tail) = (near * exp::mills(a.abs()), far * exp::mills(b.abs()));
    let signed_near = if a >= 0.0 { near_tail } else { -near_tail };
    let signed_far = if b >= 0.0 { -far_tail } else { far_tail };
    let whole = if a < 0.0 && b > 0.0 { peak * SQRT_TAU } else { 0.0 };
    let zeroth = (whole + signed_near + signed_far).max(0.0);
    let inverse = 1.0 / zeroth.max(f64::MIN_POSITIVE);
    let first = (near - far) * inverse;
    let mean = first.mul_add(deviation, offset).max(0.0).min(length);
    let share = 1.0 + (a * near - b * far) * inverse - first * first;
    // A variance on an interval is at most a quarter of its squared length.
    let variance = (share.clamp(0.0, 1.0) * variance).min(0.25 * length * length);
    Part { mass: zeroth * deviation, mean, variance }
}
