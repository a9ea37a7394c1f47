//! Convex costs of one entry that are quadratic in pieces, and their proximal operator for precisions of any form.

use fg_core::denoiser::{RowCavity, RowEstimate, Scratch};
use fg_core::factor::Breakdown;
use fg_core::special::number::Number;

use super::active_set::{self, Failure, Problem, State, Workspace};
use crate::family::bent::Bent;
use crate::family::formula::{self, Formula};

/// Cost `constant + slope x + curvature x^2 / 2`; an infinite slope forbids the piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) constant: f64,
    pub(super) slope: f64,
    pub(super) curvature: f64,
}

impl Piece {
    pub(super) const fn new(constant: f64, slope: f64, curvature: f64) -> Self {
        Self { constant, slope, curvature }
    }

    /// Nothing to the left of its end.
    pub(super) const BELOW: Self = Self::new(f64::INFINITY, f64::NEG_INFINITY, 0.0);
    /// Nothing to the right of its start.
    pub(super) const ABOVE: Self = Self::new(f64::INFINITY, f64::INFINITY, 0.0);

    /// Derivative of the cost at `x`.
    pub(super) fn pull(self, x: f64) -> f64 {
        self.slope + self.curvature * x
    }

    /// The cost at `x`.
    pub(super) fn cost(self, x: f64) -> f64 {
        self.constant + x * (self.slope + 0.5 * self.curvature * x)
    }
}

/// Most pieces that a cost has.
const MOST: usize = 3;

/// A convex cost of one entry: one or two kinks in ascending order, and a piece before, between and after them.
///
/// The cost is continuous where it is finite, and the derivative doesn't fall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piecewise {
    kinks: [f64; MOST - 1],
    pieces: [Piece; MOST],
    count: usize,
}

/// A flat piece between two ends, beyond which nothing is allowed, under one precision, for rows of one column.
#[derive(Clone, Copy, Debug)]
struct Between {
    ends: [f64; 2],
    /// One over the curvature.
    inverse: f64,
}

impl Formula<1> for Between {
    const FOURS: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let [low, high] = self.ends.map(|end| n.constant(end));
        let (zero, inverse) = (n.constant(0.0), n.constant(self.inverse));
        let free = n * inverse;
        let slope = free.if_above(low, inverse, zero);
        [free.within(low, high), high.if_above(free, slope, zero)]
    }
}

/// One piece above an end, below which nothing is allowed.
#[derive(Clone, Copy, Debug)]
struct Above {
    end: f64,
    slope: f64,
    /// One over the curvature.
    inverse: f64,
}

impl Formula<1> for Above {
    const FOURS: bool = true;

    #[inline(always)]
    fn row<N: Number>(&self, [n]: [N; 1]) -> [N; 2] {
        let (end, inverse) = (n.constant(self.end), n.constant(self.inverse));
        let free = (n - n.constant(self.slope)) * inverse;
        [free.at_least(end), free.if_above(end, inverse, n.constant(0.0))]
    }
}

impl Piecewise {
    pub(super) const fn one_kink(kink: f64, pieces: [Piece; 2]) -> Self {
        let [first, last] = pieces;
        Self { kinks: [kink, f64::INFINITY], pieces: [first, last, Piece::ABOVE], count: 1 }
    }

    pub(super) const fn two_kinks(kinks: [f64; 2], pieces: [Piece; 3]) -> Self {
        Self { kinks, pieces, count: 2 }
    }

    pub(super) fn kinks(&self) -> &[f64] {
        &self.kinks[..self.count]
    }

    pub(super) fn piece(&self, k: usize) -> Piece {
        self.pieces[k]
    }

    /// The ends of a piece.
    pub(super) fn interval(&self, k: usize) -> (f64, f64) {
        let start = if k == 0 { f64::NEG_INFINITY } else { self.kinks[k - 1] };
        (start, if k == self.count { f64::INFINITY } else { self.kinks[k] })
    }

    /// Where an entry of this value is: the origin, or what is legal and nearest to it, is where solutions start.
    pub(super) fn start(&self) -> (f64, State) {
        for (k, &kink) in self.kinks().iter().enumerate() {
            let within = kink > 0.0 && self.pieces[k].slope.is_finite();
            if within {
                return (0.0, State::Free(k));
            }
            if kink >= 0.0 || self.pieces[k + 1].slope == f64::INFINITY {
                return (kink, State::Kink(k));
            }
        }
        (0.0, State::Free(self.count))
    }

    /// Cost at a kink, from the side where it is finite.
    pub(super) fn cost_at_kink(&self, k: usize) -> f64 {
        let left = self.pieces[k];
        let piece = if left.slope.is_finite() { left } else { self.pieces[k + 1] };
        piece.cost(self.kinks[k])
    }

    /// The minimiser of the cost plus `gamma x^2 / 2 - n x`, and where it is; `None` when there is none.
    fn minimiser(&self, n: f64, gamma: f64) -> Option<(f64, State)> {
        for (k, &kink) in self.kinks().iter().enumerate() {
            let weight = gamma * kink;
            if n < self.pieces[k].pull(kink) + weight {
                return self.inside(k, n, gamma);
            }
            if n <= self.pieces[k + 1].pull(kink) + weight {
                return Some((kink, State::Kink(k)));
            }
        }
        self.inside(self.count, n, gamma)
    }

    fn inside(&self, k: usize, n: f64, gamma: f64) -> Option<(f64, State)> {
        let piece = self.pieces[k];
        let curvature = gamma + piece.curvature;
        // The pull exceeds the cost and nothing holds the entry back.
        if !(curvature > 0.0) {
            return None;
        }
        let (start, end) = self.interval(k);
        // Rounding can lead past the end that the comparison of slopes has just excluded.
        Some((((n - piece.slope) / curvature).max(start).min(end), State::Free(k)))
    }

    /// Maximum of `n x - gamma x^2 / 2` minus the cost.
    ///
    /// Inside a piece `(gamma + curvature) x = n - slope`, so half of `x (n - slope)` is left but for a constant.
    fn height(&self, n: f64, gamma: f64) -> f64 {
        match self.minimiser(n, gamma) {
            Some((x, State::Free(k))) => {
                0.5 * x * (n - self.pieces[k].slope) - self.pieces[k].constant
            }
            Some((x, State::Kink(k))) => x * (n - 0.5 * gamma * x) - self.cost_at_kink(k),
            None => f64::INFINITY,
        }
    }

    /// Minimisers of the summed cost plus `x' Gamma x / 2 - n'x` and their derivatives with respect to `n`.
    ///
    /// By column where `Gamma` is diagonal, by an exact active-set method a row otherwise.
    pub(super) fn estimate(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        if cavity.is_diagonal() {
            self.by_column(cavity, out)
        } else {
            self.jointly(cavity, None, out, scratch)
        }
    }

    /// Whether all rows of one column have a minimiser, and the cost is of a form that a formula answers, which is then written.
    fn by_registers(&self, cavity: &RowCavity<'_>, out: &mut RowEstimate<'_>) -> bool {
        let (gamma, [first, middle, last]) = (cavity.scalar_precision(), self.pieces);
        if !(gamma + middle.curvature > 0.0 && middle.slope.is_finite()) {
            return false;
        }
        let (slope, inverse) = (middle.slope, (gamma + middle.curvature).recip());
        if first.slope.is_infinite() && self.kinks[1] == f64::INFINITY {
            formula::apply(&Above { end: self.kinks[0], slope, inverse }, cavity, out);
            return true;
        }
        if slope != 0.0 {
            return false;
        }
        if first.slope.is_infinite() && last.slope.is_infinite() {
            formula::apply(&Between { ends: self.kinks, inverse }, cavity, out);
            return true;
        }
        let jumps = [(first, self.kinks[0]), (last, self.kinks[1])]
            .map(|(outer, kink)| outer.pull(kink) - middle.pull(kink));
        let joins = jumps.iter().all(|jump| *jump == 0.0);
        let smooth = joins && first.curvature - last.curvature == 0.0;
        if !(smooth && gamma + first.curvature > 0.0) {
            return false;
        }
        let ends = self.kinks.map(|kink| middle.pull(kink) + gamma * kink);
        let outer = (gamma + first.curvature).recip();
        formula::apply(&Bent { ends, inner: inverse, outer }, cavity, out);
        true
    }

    fn by_column(
        &self,
        cavity: &RowCavity<'_>,
        out: &mut RowEstimate<'_>,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        if d == 1 && self.by_registers(cavity, out) {
            return Ok(());
        }
        for i in 0..cavity.len() {
            let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
            covariance.fill(0.0);
            for j in 0..d {
                let gamma = cavity.precision()[j * d + j];
                let row = cavity.first_row() + i;
                let (x, state) = self
                    .minimiser(cavity.natural()[i * d + j], gamma)
                    .ok_or(Breakdown::ImproperCavity { port: 0, row })?;
                out.mean[i * d + j] = x;
                if let State::Free(k) = state {
                    covariance[j * d + j] = 1.0 / (gamma + self.pieces[k].curvature);
                }
            }
        }
        Ok(())
    }

    /// As [`estimate`](Self::estimate), for any form of `Gamma`; entries add up to `total` where one is given.
    pub(super) fn jointly(
        &self,
        cavity: &RowCavity<'_>,
        total: Option<f64>,
        out: &mut RowEstimate<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        let memory = scratch.slice(d + Workspace::len(d));
        self.solve(cavity, total, memory, |i, x, problem, workspace| {
            out.mean[i * d..(i + 1) * d].copy_from_slice(x);
            let covariance = &mut out.covariance[i * d * d..(i + 1) * d * d];
            active_set::covariance(problem, workspace, covariance)
        })
    }

    /// Maxima of `n'x - x' Gamma x / 2` minus the summed cost; infinite where there is none.
    pub(super) fn log_partition(
        &self,
        cavity: &RowCavity<'_>,
        total: Option<f64>,
        out: &mut [f64],
    ) {
        let d = cavity.columns();
        if total.is_some() || !cavity.is_diagonal() {
            let mut memory = vec![0.0; d + Workspace::len(d)];
            let result = self.solve(cavity, total, &mut memory, |i, x, problem, workspace| {
                out[i] = active_set::height(problem, x, workspace);
                true
            });
            if result.is_err() {
                out.fill(f64::INFINITY);
            }
            return;
        }
        for (i, out) in out.iter_mut().enumerate() {
            let column =
                |j: usize| self.height(cavity.natural()[i * d + j], cavity.precision()[j * d + j]);
            *out = (0..d).map(column).sum();
        }
    }

    /// Solves every row and hands `accept` its index, minimiser, problem and active set.
    fn solve(
        &self,
        cavity: &RowCavity<'_>,
        total: Option<f64>,
        memory: &mut [f64],
        mut accept: impl FnMut(usize, &[f64], Problem<'_>, &mut Workspace<'_>) -> bool,
    ) -> Result<(), Breakdown> {
        let d = cavity.columns();
        let (x, memory) = memory.split_at_mut(d);
        let mut workspace = Workspace::new(memory, d);
        for i in 0..cavity.len() {
            let row = cavity.first_row() + i;
            let linear = &cavity.natural()[i * d..(i + 1) * d];
            let problem = Problem { hessian: cavity.precision(), linear, cost: self, total };
            active_set::minimise(problem, x, &mut workspace).map_err(|failure| match failure {
                Failure::Unbounded => Breakdown::ImproperCavity { port: 0, row },
                Failure::NoConvergence => Breakdown::NoConvergence { port: 0, row },
            })?;
            if !accept(i, x, problem, &mut workspace) {
                return Err(Breakdown::Undetermined { port: 0 });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solutions_start_at_the_legal_point_nearest_to_the_origin() {
        let box_of = |low: f64, high: f64| {
            let flat = Piece::new(0.0, 0.0, 0.0);
            Piecewise::two_kinks([low, high], [Piece::BELOW, flat, Piece::ABOVE]).start()
        };
        assert_eq!(box_of(-1.0, 2.0), (0.0, State::Free(1)));
        assert_eq!(box_of(1.0, 2.0), (1.0, State::Kink(0)));
        assert_eq!(box_of(-3.0, -2.0), (-2.0, State::Kink(1)));
        assert_eq!(box_of(-3.0, 0.0), (0.0, State::Kink(1)));
        let absolute = [Piece::new(0.0, -1.0, 0.0), Piece::new(0.0, 1.0, 0.0)];
        assert_eq!(Piecewise::one_kink(0.0, absolute).start(), (0.0, State::Kink(0)));
    }
}
