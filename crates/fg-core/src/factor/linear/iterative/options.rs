//! What the iterative solver is allowed to cost, and how exact it has to be.

use crate::factor::Unready;

/// How [`Solver::Iterative`](super::super::Solver::Iterative) answers by products with the operator alone.
///
/// Means come from conjugate gradients, started from those of the sweep before. Variances and gains are averages over the
/// singular values, of which a law is found once a factor: from each of a few vectors of random signs, steps of Golub and
/// Kahan's bidiagonalisation make a Gauss rule of the spectrum (Golub and Meurant 2010, "Matrices, Moments and Quadrature",
/// chapter 7). Its weights and places are those of a spectrum, so that no variance is negative and no gain too large.
///
/// ```
/// use fg_core::factor::{Iterative, Solver};
/// let solver = Solver::Iterative(Iterative::default().with_probes(32));
/// # assert_ne!(solver, Solver::Iterative(Iterative::default()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Iterative {
    pub(super) tolerance: f64,
    pub(super) limit: usize,
    pub(super) probes: usize,
    pub(super) steps: usize,
    pub(super) seed: u64,
}

impl Default for Iterative {
    fn default() -> Self {
        Self { tolerance: 1e-9, limit: 2000, probes: 8, steps: 100, seed: 1 }
    }
}

impl Iterative {
    /// Norm of the residual, relative to that of the right-hand side, at which a system counts as solved, in (0, 1).
    /// Default: 1e-9. Rounding leaves about 1e-16 times the condition number.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Iterations of a system, at least one. A system that isn't solved by then is a breakdown
    /// ([`Unsolved`](crate::factor::Breakdown::Unsolved)). Default: 2000.
    #[must_use]
    pub fn with_limit(mut self, iterations: usize) -> Self {
        self.limit = iterations;
        self
    }

    /// Vectors of random signs, at least two; the error of an average falls with the square root. Default: 8.
    #[must_use]
    pub fn with_probes(mut self, probes: usize) -> Self {
        self.probes = probes;
        self
    }

    /// Steps from each of them, at least two: as many as conjugate gradients would need for a few digits. Default: 100.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Which signs. Default: 1.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether there is such a solver.
    pub(in super::super) fn check(&self) -> Result<(), Unready> {
        let count = |value: usize| value as f64;
        let given = [
            (
                "tolerance",
                self.tolerance,
                self.tolerance > 0.0 && self.tolerance < 1.0,
                "in (0, 1)",
            ),
            ("limit", count(self.limit), self.limit >= 1, "at least 1"),
            ("probes", count(self.probes), self.probes >= 2, "at least 2"),
            ("steps", count(self.steps), self.steps >= 2, "at least 2"),
        ];
        match given.into_iter().find(|(_, _, holds, _)| !holds) {
            Some((option, value, _, expected)) => Err(Unready::Option { option, value, expected }),
            None => Ok(()),
        }
    }
}
