//! Anderson acceleration: a sweep goes on to where the sweeps before say together that the fixed point is.

use super::saved::Saved;
use super::state::EdgeState;
use crate::message::{Message, small};
use crate::rows::Rows;

/// The messages that earlier sweeps ended with and the steps that led there, in natural parameters of all messages that
/// aren't fixed by the model, with what factors remember of them.
///
/// With the messages `g_t` after sweep `t` and the step `f_t` of that sweep, the coefficients `theta` minimise
/// `|f_t - sum_j theta_j (f_t - f_j)|` over earlier sweeps `j`, and the messages become `g_t - sum_j theta_j (g_t - g_j)`.
/// Each message, and each precision, counts by its own size.
///
/// Reference: H. F. Walker and P. Ni, "Anderson acceleration for fixed-point iterations", SIAM Journal on Numerical Analysis
/// 49 (2011), doi 10.1137/10078356X.
#[derive(Debug)]
pub(super) struct Acceleration {
    depth: usize,
    /// The newest sweep first.
    history: Vec<Sweep>,
    weights: Vec<f64>,
    theta: Vec<f64>,
}

/// What one sweep did.
#[derive(Debug, Default)]
struct Sweep {
    reached: Vec<f64>,
    step: Vec<f64>,
}

/// Differences of steps that are a combination of newer ones up to this share of their square tell only rounding.
const DEPENDENT: f64 = 1e-12;
/// The sum of the moduli of all coefficients, at most: how far, in units of what the remembered sweeps have covered, messages
/// are moved beyond them. Where the sweeps are next to each other a longer leap would mostly amplify what isn't linear; leaps
/// in one direction that succeed lengthen what has been covered.
const REACH: f64 = 10.0;

/// A step so many times longer than a remembered one tells that messages have left the region where that one holds.
const GROWTH: f64 = 10.0;

impl Acceleration {
    /// By up to `depth` earlier sweeps; none doesn't accelerate.
    pub(super) fn new(depth: usize) -> Self {
        Self { depth, history: Vec::new(), weights: Vec::new(), theta: Vec::new() }
    }

    /// Forgets all sweeps: the messages have changed by other means.
    pub(super) fn forget(&mut self) {
        self.history.clear();
    }

    /// Moves the messages on from where a sweep that began at `saved` has left them; `false` where there is nothing to go
    /// by, or where a precision would become indefinite, after which it begins anew.
    pub(super) fn step(&mut self, edges: &mut [EdgeState], saved: &Saved) -> bool {
        let known = |(edge, (before, _)): (&EdgeState, &(Message, Rows))| {
            !edge.constant && [&edge.message, before].iter().any(|m| m.precision().any_infinite())
        };
        if self.depth == 0 || edges.iter().zip(&saved.edges).any(known) {
            self.forget();
            return false;
        }
        self.remember(edges, saved);
        self.minimise();
        if !self.goes_on() {
            return false;
        }
        if !self.stays_positive(edges) {
            self.forget();
            return false;
        }
        let mut at = 0;
        for edge in edges.iter_mut().filter(|e| !e.constant) {
            let (natural, precision) = edge.message.parts_mut();
            for value in natural.as_mut_slice() {
                *value = self.accelerated(at);
                at += 1;
            }
            for b in 0..precision.blocks() {
                for value in precision.block_mut(b) {
                    *value = self.accelerated(at);
                    at += 1;
                }
            }
            for value in edge.memory.as_mut_slice() {
                *value = self.accelerated(at);
                at += 1;
            }
            edge.version += 1;
        }
        true
    }

    /// Takes the last sweep into the history, in place of the oldest where it is full.
    fn remember(&mut self, edges: &[EdgeState], saved: &Saved) {
        let mut sweep = match self.history.len() > self.depth {
            true => self.history.pop().unwrap_or_default(),
            false => Sweep::default(),
        };
        let Sweep { reached, step } = &mut sweep;
        for buffer in [&mut *reached, &mut *step, &mut self.weights] {
            buffer.clear();
        }
        for (edge, (message, memory)) in edges.iter().zip(&saved.edges).filter(|(e, _)| !e.constant)
        {
            let natural = [&edge.message, message].map(|m| m.natural().as_slice());
            let precision = [&edge.message, message].map(|m| m.precision().values());
            let memory = [&edge.memory, memory].map(|m| m.as_slice());
            for [now, before] in [natural, precision, memory] {
                let size: f64 = now.iter().map(|v| v * v).sum();
                let weight = if size > 0.0 { size.recip() } else { 0.0 };
                reached.extend(now);
                step.extend(now.iter().zip(before).map(|(g, x)| g - x));
                self.weights.resize(reached.len(), weight);
            }
        }
        let square =
            |s: &Sweep| -> f64 { s.step.iter().zip(&self.weights).map(|(f, w)| w * f * f).sum() };
        if self.history.iter().any(|past| square(&sweep) > GROWTH * GROWTH * square(past)) {
            self.history.clear();
        }
        self.history.insert(0, sweep);
    }

    /// Finds the coefficients of earlier sweeps; that of one that tells nothing beside newer ones is zero.
    fn minimise(&mut self) {
        let [newest, earlier @ ..] = &self.history[..] else { return };
        let m = earlier.len();
        let product = |a: &[f64], b: &dyn Fn(usize) -> f64| -> f64 {
            let terms = self.weights.iter().zip(a).zip(&newest.step).enumerate();
            terms.map(|(k, ((w, a), f))| w * (f - a) * b(k)).sum()
        };
        // Cholesky, the row of a dependent difference left out.
        let mut lower = vec![0.0; m * m];
        self.theta.clear();
        self.theta.resize(m, 0.0);
        let mut solved: Vec<f64> = vec![0.0; m];
        for i in 0..m {
            let own = &earlier[i].step;
            let square = product(own, &|k| newest.step[k] - own[k]);
            let mut rest = square;
            for j in 0..i {
                if lower[j * m + j] == 0.0 {
                    continue;
                }
                let other = &earlier[j].step;
                let gram = product(own, &|k| newest.step[k] - other[k]);
                let inner: f64 = (0..j).map(|l| lower[i * m + l] * lower[j * m + l]).sum();
                lower[i * m + j] = (gram - inner) / lower[j * m + j];
                rest -= lower[i * m + j].powi(2);
            }
            if rest > DEPENDENT * square {
                lower[i * m + i] = rest.sqrt();
                let right = product(own, &|k| newest.step[k]);
                let inner: f64 = (0..i).map(|l| lower[i * m + l] * solved[l]).sum();
                solved[i] = (right - inner) / lower[i * m + i];
            }
        }
        for i in (0..m).rev().filter(|&i| lower[i * m + i] > 0.0) {
            let inner: f64 = (i + 1..m).map(|l| lower[l * m + i] * self.theta[l]).sum();
            self.theta[i] = (solved[i] - inner) / lower[i * m + i];
        }
        let reach: f64 = self.theta.iter().map(|t| t.abs()).sum();
        if reach > REACH {
            self.theta.iter_mut().for_each(|t| *t *= REACH / reach);
        }
    }

    /// Entry `k` of the accelerated messages.
    fn accelerated(&self, k: usize) -> f64 {
        let now = self.history[0].reached[k];
        let earlier = self.theta.iter().zip(&self.history[1..]);
        now - earlier.map(|(t, sweep)| t * (now - sweep.reached[k])).sum::<f64>()
    }

    /// Whether the accelerated messages lie ahead. Where steps become longer along the way, smaller ones lie behind; but there
    /// is no fixed point there, the run has come from there.
    fn goes_on(&self) -> bool {
        let [newest, ..] = &self.history[..] else { return false };
        let terms = self.weights.iter().zip(&newest.step).enumerate();
        terms.map(|(k, (w, f))| w * f * (self.accelerated(k) - newest.reached[k])).sum::<f64>()
            > 0.0
    }

    /// Whether all accelerated precisions are positive, or nothing.
    fn stays_positive(&self, edges: &[EdgeState]) -> bool {
        let (mut at, mut block) = (0, Vec::new());
        edges.iter().filter(|e| !e.constant).all(|edge| {
            let layout = edge.message.layout();
            let first = at + layout.rows() * layout.columns();
            let last = first + edge.message.precision().values().len();
            at = last + edge.memory.as_slice().len();
            let (d, size) = (layout.columns(), layout.columns() * layout.columns());
            (first..last).step_by(size).all(|b| {
                block.clear();
                block.extend((b..b + size).map(|k| self.accelerated(k)));
                block.iter().all(|v| *v == 0.0) || small::cholesky(&mut block, d).is_ok()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::State;
    use super::*;
    use crate::denoiser::Pointwise;
    use crate::{Graph, GraphBuilder};

    fn two_factors() -> Graph {
        let mut builder = GraphBuilder::new();
        let x = builder.variable("x", 1, 1);
        for name in ["a", "b"] {
            builder.prior(name, x, Pointwise::new(name, |r: f64, gamma: f64| (r, 1.0 / gamma)));
        }
        builder.build().expect("two factors on a variable")
    }

    #[test]
    fn a_message_that_has_vanished_does_not_become_negative() {
        let graph = two_factors();
        let mut state = State::new(&graph, 1.0).expect("a state");
        let mut acceleration = Acceleration::new(1);
        let sweep = |state: &mut State, edges: [[f64; 2]; 2]| {
            let moved = state.edges.iter_mut().zip(&mut state.saved[0].edges).zip(edges);
            for ((edge, (saved, _)), [before, now]) in moved {
                saved.parts_mut().1.block_mut(0)[0] = before;
                edge.message.parts_mut().1.block_mut(0)[0] = now;
            }
        };
        sweep(&mut state, [[1.0, 3.0], [1.0, 1.0]]);
        assert!(!acceleration.step(&mut state.edges, &state.saved[0]), "there is nothing to go by");
        // Steps of 2 and 1 lead to 5; the other precision would follow, from 1 over 0 to -1.
        sweep(&mut state, [[3.0, 4.0], [1.0, 0.0]]);
        assert!(!acceleration.step(&mut state.edges, &state.saved[0]), "an indefinite precision");
        assert_eq!(state.edges[1].message.precision().values(), [0.0]);
        sweep(&mut state, [[1.0, 3.0], [0.0, 0.0]]);
        assert!(!acceleration.step(&mut state.edges, &state.saved[0]), "it has begun anew");
        sweep(&mut state, [[3.0, 4.0], [0.0, 0.0]]);
        assert!(acceleration.step(&mut state.edges, &state.saved[0]), "nothing stays nothing");
        let found = state.edges.iter().map(|e| e.message.precision().values()[0]);
        assert!(found.zip([5.0, 0.0]).all(|(f, e)| (f - e).abs() < 1e-12));
    }
}
