//! A path through the interior of the dual's ball, to where the rank can be told.

use fg_core::message::small;

use crate::family::memory::take;

/// Steps of Newton are shorter than full where their decrement exceeds this: within it they converge quadratically.
const QUADRATIC: f64 = 0.25;
/// The decrement at which a point is near enough to the path to go on.
const NEAR: f64 = 0.5;
/// By so much the barrier's share falls at a time: some five steps lead back to the path.
const FALL: f64 = 0.1;

/// The dual `G` of the nuclear norm, of no singular value above one, minimises `tr((T - G) P (T - G)') / 2` there; on the path,
/// with the barrier `-mu log det(1 - G G')` added. The minimiser of the primal problem is `(T - G) P`.
///
/// The barrier is self-concordant: steps of Newton, divided by one plus their decrement, stay inside and lead to the minimiser.
pub(super) struct Barrier<'a> {
    q: usize,
    d: usize,
    /// `T`, `q x d`.
    target: &'a mut [f64],
    /// `P`, `d x d`.
    metric: &'a mut [f64],
    dual: &'a mut [f64],
    /// `(T - G) P`.
    primal: &'a mut [f64],
    share: f64,
    start: f64,
    /// `(1 - G G')^-1`, `q x q`.
    left: &'a mut [f64],
    /// `(1 - G'G)^-1`, `d x d`.
    right: &'a mut [f64],
    /// `G'(1 - G G')^-1`, `d x q`.
    middle: &'a mut [f64],
    hessian: &'a mut [f64],
    step: &'a mut [f64],
    work: &'a mut [f64],
}

impl<'a> Barrier<'a> {
    pub(super) fn len(q: usize, d: usize) -> usize {
        (q * d).pow(2) + 5 * q * d + 2 * d * d + 4 * q * q
    }

    /// At a dual of zero, where the barrier is as steep as the target pulls.
    pub(super) fn new(
        target: &[f64],
        metric: &[f64],
        (q, d): (usize, usize),
        mut memory: &'a mut [f64],
    ) -> Self {
        let memory = &mut memory;
        let [own_target, dual, primal, step, middle] = [(); 5].map(|()| take(memory, q * d));
        let [own_metric, right] = [(); 2].map(|()| take(memory, d * d));
        own_target.copy_from_slice(target);
        own_metric.copy_from_slice(metric);
        dual.fill(0.0);
        for (x, row) in primal.chunks_exact_mut(d).zip(target.chunks_exact(d)) {
            small::row_times(row, metric, x, d);
        }
        let share = primal.iter().map(|x| x * x).sum::<f64>().sqrt();
        Self {
            q,
            d,
            target: own_target,
            metric: own_metric,
            dual,
            primal,
            share,
            start: share,
            left: take(memory, q * q),
            right,
            middle,
            hessian: take(memory, (q * d).pow(2)),
            step,
            work: take(memory, 3 * q * q),
        }
    }

    /// `(T - G) P`, `q x d`.
    pub(super) fn primal(&self) -> &[f64] {
        self.primal
    }

    /// The barrier's share.
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    /// The same, of that at the start.
    pub(super) fn progress(&self) -> f64 {
        self.share / self.start
    }

    /// One step; whether the share of the barrier fell after it, or nothing where rounding leaves no step.
    pub(super) fn advance(&mut self) -> Option<bool> {
        self.resolvents()?;
        self.differentiate();
        let count = self.q * self.d;
        small::cholesky(self.hessian, count).ok()?;
        small::solve_lower(self.hessian, self.step, count);
        let decrement = (self.step.iter().map(|s| s * s).sum::<f64>() / self.share).sqrt();
        small::solve_lower_transposed(self.hessian, self.step, count);
        let length = if decrement > QUADRATIC { 1.0 / (1.0 + decrement) } else { 1.0 };
        if !decrement.is_finite() {
            return None;
        }
        self.dual.iter_mut().zip(&*self.step).for_each(|(g, s)| *g -= length * s);
        let d = self.d;
        for (i, x) in self.primal.chunks_exact_mut(d).enumerate() {
            let row = &mut self.step[..d];
            for (j, row) in row.iter_mut().enumerate() {
                *row = self.target[i * d + j] - self.dual[i * d + j];
            }
            small::row_times(row, self.metric, x, d);
        }
        let falls = decrement <= NEAR;
        if falls {
            self.share *= FALL;
        }
        Some(falls)
    }

    /// `(1 - G G')^-1` and what follows from it.
    fn resolvents(&mut self) -> Option<()> {
        let (q, d) = (self.q, self.d);
        let (matrix, work) = self.work.split_at_mut(q * q);
        for i in 0..q {
            for k in 0..q {
                let rows = self.dual[i * d..(i + 1) * d].iter().zip(&self.dual[k * d..(k + 1) * d]);
                let product: f64 = rows.map(|(a, b)| a * b).sum();
                matrix[i * q + k] = if i == k { 1.0 - product } else { -product };
            }
        }
        small::invert_positive(matrix, self.left, work, q).ok()?;
        for a in 0..d {
            for k in 0..q {
                self.middle[a * q + k] =
                    (0..q).map(|i| self.dual[i * d + a] * self.left[i * q + k]).sum();
            }
        }
        for a in 0..d {
            for b in 0..d {
                let product: f64 =
                    (0..q).map(|k| self.middle[a * q + k] * self.dual[k * d + b]).sum();
                self.right[a * d + b] = product + if a == b { 1.0 } else { 0.0 };
            }
        }
        Some(())
    }

    /// Gradient, into the step, and Hessian.
    fn differentiate(&mut self) {
        let (q, d, mu) = (self.q, self.d, self.share);
        for i in 0..q {
            for b in 0..d {
                self.step[i * d + b] = 2.0 * mu * self.middle[b * q + i] - self.primal[i * d + b];
                let row = &mut self.hessian[(i * d + b) * q * d..][..q * d];
                for k in 0..q {
                    for a in 0..d {
                        let own = if i == k { self.metric[b * d + a] } else { 0.0 };
                        let pair = self.left[i * q + k] * self.right[b * d + a]
                            + self.middle[a * q + i] * self.middle[b * q + k];
                        row[k * d + a] = own + 2.0 * mu * pair;
                    }
                }
            }
        }
    }
}
