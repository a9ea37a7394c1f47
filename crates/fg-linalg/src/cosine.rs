//! Cosine transforms of one line of values, without factors.

use std::sync::Arc;

use rustdct::{DctPlanner, TransformType2And3};

/// Sums `sum_i x_i cos(pi (i + 1/2) k / n)` over a line of `n` values, and their adjoint.
#[derive(Clone)]
pub struct CosineSums(Arc<dyn TransformType2And3<f64>>);

impl CosineSums {
    /// Of lines of `n` values.
    ///
    /// # Panics
    /// Without values.
    pub fn new(n: usize) -> Self {
        assert!(n > 0, "a cosine transform of no values");
        Self(DctPlanner::new().plan_dct2(n))
    }

    /// Number of values of a line.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Values needed besides the line.
    pub fn memory(&self) -> usize {
        self.0.get_scratch_len()
    }

    /// Replaces the values by their sums; `memory` has at least [`memory`](Self::memory) values.
    pub fn apply(&self, line: &mut [f64], memory: &mut [f64]) {
        self.0.process_dct2_with_scratch(line, &mut memory[..self.memory()]);
    }

    /// Replaces `y` by `sum_k y_k cos(pi (i + 1/2) k / n)`.
    pub fn apply_adjoint(&self, line: &mut [f64], memory: &mut [f64]) {
        // The routine halves the first coefficient.
        line[0] *= 2.0;
        self.0.process_dct3_with_scratch(line, &mut memory[..self.memory()]);
    }
}

impl core::fmt::Debug for CosineSums {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CosineSums({})", self.size())
    }
}
