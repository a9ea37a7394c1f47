//! Fourier transforms of one line of complex values, without factors.

use std::sync::Arc;

use faer::c64;
use rustdct::rustfft::{Fft, FftPlanner};

/// Sums `sum_i x_i exp(-2 pi i_ i k / n)` over a line of `n` values, and their adjoint.
#[derive(Clone)]
pub struct FourierSums {
    forward: Arc<dyn Fft<f64>>,
    backward: Arc<dyn Fft<f64>>,
}

impl FourierSums {
    /// Of lines of `n` values.
    ///
    /// # Panics
    /// Without values.
    pub fn new(n: usize) -> Self {
        assert!(n > 0, "a Fourier transform of no values");
        let mut planner = FftPlanner::new();
        Self { forward: planner.plan_fft_forward(n), backward: planner.plan_fft_inverse(n) }
    }

    /// Number of values of a line.
    pub fn size(&self) -> usize {
        self.forward.len()
    }

    /// Values needed besides the lines.
    pub fn memory(&self) -> usize {
        let both = [&self.forward, &self.backward];
        both.map(|plan| plan.get_inplace_scratch_len()).into_iter().max().unwrap_or(0)
    }

    /// Replaces each line of `lines`, one after the other, by its sums; `memory` has at least [`memory`](Self::memory)
    /// values.
    pub fn apply(&self, lines: &mut [c64], memory: &mut [c64]) {
        self.forward.process_with_scratch(lines, memory);
    }

    /// Replaces each line `y` by `sum_k y_k exp(2 pi i_ i k / n)`.
    pub fn apply_adjoint(&self, lines: &mut [c64], memory: &mut [c64]) {
        self.backward.process_with_scratch(lines, memory);
    }
}

impl core::fmt::Debug for FourierSums {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "FourierSums({})", self.size())
    }
}
